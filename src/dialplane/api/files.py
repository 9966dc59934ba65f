"""Where signed links to the local disk lead: files go in and out as streams, and the link is the permission."""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import AsyncIterator
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import PlainTextResponse, Response, StreamingResponse
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect

from dialplane.api.access import ServerDep
from dialplane.api.links import opened
from dialplane.api.route import Route
from dialplane.engine.artifacts import artifacts, attempt_of
from dialplane.engine.uploads import UPLOADS, TooLarge, check_size
from dialplane.errors import Conflict, DialplaneError, Invalid, NotFound
from dialplane.voice.channels import Channel, channel_of
from dialplane.voice.flac import FLAC, decoded
from dialplane.wiring import App

STALLED_SECONDS = 60
MOST_DRAINED_BYTES = 16_000_000
# What people upload is shown in nobody's name: no scripts, no guessing of types.
HARMLESS = {
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private",
}

RAW_BYTES = {
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    "required": True,
}

router = APIRouter(tags=["files"], route_class=Route)


class UploadedFile(BaseModel):
    """A file that has been kept, whole."""

    file_key: str = Field(description="What a campaign is made from", examples=["campaigns/1/5f0c…_contacts.csv"])
    bytes: int


@router.put("/files/{key:path}", openapi_extra={"requestBody": RAW_BYTES})
async def upload_file(key: str, request: Request, server: ServerDep) -> UploadedFile:
    """Keep the raw bytes of the body as the file of this link; no API key is needed, and a link works once."""
    try:
        link = opened(request, "PUT", key)
    except (DialplaneError, HTTPException) as fault:
        await _drain(request)
        raise _with_status(fault) from fault
    return UploadedFile(file_key=key, bytes=await keep(request, server.of(link.organization_id), key, size=link.size))


async def keep(request: Request, app: App, key: str, *, size: int | None = None) -> int:
    """The body becomes the file of this key; the number of its bytes. Raises HTTPException and what `receive` does."""
    try:
        _check_length(request, size, app.uploads.max_bytes)
        return await app.uploads.receive(key, _body(request), size=size)
    except ClientDisconnect:
        raise HTTPException(400, "the body broke off") from None
    except DialplaneError as fault:
        await _drain(request)
        raise _with_status(fault) from fault


@router.get("/files/{key:path}", response_class=Response)
async def download_file(key: str, request: Request, server: ServerDep) -> Response:
    """The file of this link; no API key is needed."""
    link = opened(request, "GET", key)
    app = server.of(link.organization_id)
    headers = {**HARMLESS, "Content-Disposition": _disposition(link.name, inline=link.inline)}
    if (attempt_id := attempt_of(key)) is not None:
        found = await artifacts(server.database, link.organization_id, attempt_id)
        if found is None or found.transcript is None:
            raise NotFound(f"there is no transcript {key}")
        return PlainTextResponse(found.transcript, headers=headers)
    content_type = await _content_type(app, key) if link.channel is Channel.BOTH else "audio/wav"
    size, content = await server.files.stream(key)
    if link.channel is not Channel.BOTH and key.endswith(FLAC):
        size, content = await decoded(content)
    size, content = await channel_of(size, content, link.channel)
    return StreamingResponse(content, headers={**headers, "Content-Length": str(size)}, media_type=content_type)


async def _content_type(app: App, key: str) -> str:
    if key.startswith(UPLOADS):
        return (await app.uploads.received(key)).content_type
    return mimetypes.guess_type(key)[0] or "application/octet-stream"


def _check_length(request: Request, size: int | None, most: int) -> None:
    """What the client says that it will send: refused before it does."""
    if (said := request.headers.get("Content-Length")) is None:
        return
    check_size(int(said), size, most)
    if size is not None and int(said) < size:
        raise Invalid(f"the file has {int(said):,} bytes, and its link is for {size:,}")


async def _body(request: Request) -> AsyncIterator[bytes]:
    """Raises Invalid where nothing comes any more."""
    arriving = request.stream()
    while True:
        try:
            async with asyncio.timeout(STALLED_SECONDS):
                chunk = await anext(arriving, None)
        except TimeoutError:
            raise Invalid(f"nothing came for {STALLED_SECONDS} seconds") from None
        if chunk is None:
            return
        yield chunk


async def _drain(request: Request) -> None:
    """Most clients read the answer only once they have sent all: those who do not send much more, get it."""
    if "Expect" in request.headers:  # asks before it sends
        return
    drained = 0
    try:
        async with asyncio.timeout(STALLED_SECONDS):
            async for chunk in request.stream():
                drained += len(chunk)
                if drained > MOST_DRAINED_BYTES:
                    return
    except (ClientDisconnect, TimeoutError, RuntimeError):  # the last: all of it has come already
        return


def _with_status(fault: DialplaneError | HTTPException) -> DialplaneError | HTTPException:
    """Here, other than on the contract's routes, 409 and 413 mean what they say everywhere."""
    if isinstance(fault, TooLarge):
        return HTTPException(413, str(fault))
    return HTTPException(409, str(fault)) if isinstance(fault, Conflict) else fault


def _disposition(name: str, *, inline: bool) -> str:
    return f"{'inline' if inline else 'attachment'}; filename*=UTF-8''{quote(name, safe='')}"
