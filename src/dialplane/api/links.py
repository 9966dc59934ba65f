"""Links that work without a key, for a while: to upload one file, to download one file, to what a call left behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Literal
from urllib.parse import quote, urlencode
from uuid import UUID

from fastapi import HTTPException, Request

from dialplane.api.access import server_of
from dialplane.api.guard import API
from dialplane.engine.artifacts import TRANSCRIPTS
from dialplane.errors import NotFound
from dialplane.secrets import Secrets
from dialplane.voice.channels import Channel

LONGEST_SECONDS = 900
SIGNATURE = "signature"

Method = Literal["GET", "PUT"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What a signed link allows. size: of the upload, where it was said; name: of the downloaded file.

    channel: of a recording; BOTH for every other file.
    """

    organization_id: int
    key: str
    size: int | None
    name: str
    inline: bool
    channel: Channel


def base_url(request: Request) -> str:
    """How others reach this server, without a slash at the end: as configured, else as this request did."""
    return server_of(request).settings.public_url or str(request.base_url).rstrip("/")


async def upload_link(request: Request, organization_id: int, key: str, *, size: int | None) -> tuple[str, int]:
    """(URL, seconds that it works): PUT the file there. size: the bytes that it must have, where that is known."""
    stored = await server_of(request).files.link("PUT", key, timedelta(seconds=LONGEST_SECONDS))
    if stored is not None:
        return stored, LONGEST_SECONDS
    agreed = {} if size is None else {"size": str(size)}
    return _signed(request, "PUT", organization_id, key, agreed, LONGEST_SECONDS), LONGEST_SECONDS


async def download_link(
    request: Request,
    organization_id: int,
    key: str,
    *,
    name: str,
    inline: bool = False,
    seconds: int = LONGEST_SECONDS,
    channel: Channel = Channel.BOTH,
) -> tuple[str, int]:
    """(URL, seconds that it works, a quarter of an hour at most): GET the file there; that it exists is not looked at.

    name, inline: how a browser is to keep or show it; an object store's own link goes by what the store knows.
    channel: a store has the whole recording alone, so that a part of it always comes from here.
    """
    seconds = min(seconds, LONGEST_SECONDS)
    if not key.startswith(TRANSCRIPTS) and channel is Channel.BOTH:
        stored = await server_of(request).files.link("GET", key, timedelta(seconds=seconds))
        if stored is not None:
            return stored, seconds
    shown = {"name": name} | ({"inline": "1"} if inline else {})
    if channel is not Channel.BOTH:
        path = PurePosixPath(name)
        shown |= {"name": f"{path.stem}-{channel}.wav", "channel": channel.value}
    return _signed(request, "GET", organization_id, key, shown, seconds), seconds


def _signed(
    request: Request, method: Method, organization_id: int, key: str, more: Mapping[str, str], seconds: int
) -> str:
    server = server_of(request)
    expires = server.clock.now() + timedelta(seconds=seconds)
    query = {"organization": str(organization_id), "expires": str(int(expires.timestamp())), **more}
    query[SIGNATURE] = server.secrets.sign(*_parts(method, key, query))
    return f"{base_url(request)}{API}/files/{quote(key)}?{urlencode(query)}"


def _parts(method: Method, key: str, query: Mapping[str, str]) -> list[str]:
    """All that is in the link is signed: nothing can be changed, added or left out."""
    return [method, key, *(part for item in sorted(query.items()) for part in item)]


def opened(request: Request, method: Method, key: str) -> Link:
    """The link that this request follows. Raises HTTPException: 403 for one that is not ours, not whole, or too old."""
    server = server_of(request)
    query = dict(request.query_params)
    signature = query.pop(SIGNATURE, "")
    unambiguous = len(query) + 1 == len(request.query_params.multi_items())
    if not unambiguous or not server.secrets.signed(signature, *_parts(method, key, query)):
        raise HTTPException(403, "this link is not whole, or not one of ours: its signature does not fit")
    if server.clock.now().timestamp() >= int(query["expires"]):
        raise HTTPException(403, "this link has expired: ask for a new one")
    return Link(
        organization_id=int(query["organization"]),
        key=key,
        size=int(query["size"]) if "size" in query else None,
        name=query.get("name", ""),
        inline="inline" in query,
        channel=Channel(query.get("channel", Channel.BOTH)),
    )


def artifact_token(secrets: Secrets, organization_id: int, attempt_uuid: UUID) -> str:
    """What opens the recording and transcript of one attempt for whoever has it, without an end."""
    return f"{organization_id}.{attempt_uuid.hex}.{secrets.sign('artifact', str(organization_id), attempt_uuid.hex)}"


def artifact_url(base: str, token: str, artifact: str) -> str:
    """base: how this server is reached. token: what opens the attempt's recording and transcript."""
    return f"{base}{API}/public/download/workflow/{token}/{artifact}"


def read_artifact_token(secrets: Secrets, token: str) -> tuple[int, UUID]:
    """(organization's id, attempt's uuid). Raises NotFound."""
    organization_id, _, rest = token.partition(".")
    attempt, _, signature = rest.partition(".")
    if not secrets.signed(signature, "artifact", organization_id, attempt):
        raise NotFound("Invalid or expired token")
    return int(organization_id), UUID(attempt)
