"""`/public/download/workflow/...`: what a call left behind, for whoever has its token."""

from __future__ import annotations

from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse

from dialplane.api.access import ServerDep
from dialplane.api.links import download_link, read_artifact_token
from dialplane.api.route import Route
from dialplane.engine.artifacts import artifacts
from dialplane.errors import Invalid, NotFound
from dialplane.voice.channels import Channel

router = APIRouter(prefix="/public/download", tags=["files"], route_class=Route)


class Artifact(StrEnum):
    """The two last are the person called and the agent, each alone."""

    RECORDING = "recording"
    TRANSCRIPT = "transcript"
    USER_RECORDING = "user_recording"
    BOT_RECORDING = "bot_recording"


SIDES = {Artifact.USER_RECORDING: Channel.CONTACT, Artifact.BOT_RECORDING: Channel.AGENT}


@router.get("/workflow/{token}/{artifact_type}", response_class=RedirectResponse, status_code=302)
async def download_artifact(
    request: Request,
    server: ServerDep,
    token: str,
    artifact_type: str,
    inline: Annotated[bool, Query(description="Show it in the browser")] = False,
    channel: Annotated[Channel, Query(description="Of `recording`: who is heard")] = Channel.BOTH,
) -> RedirectResponse:
    """Leads to a link that works for a quarter of an hour; no API key is needed."""
    organization_id, attempt_uuid = read_artifact_token(server.secrets, token)
    if artifact_type not in list(Artifact):
        raise Invalid(f"Unsupported artifact type '{artifact_type}': there are {', '.join(Artifact)}")
    found = await artifacts(server.database, organization_id, attempt_uuid)
    if found is None:
        raise NotFound("Invalid or expired token")
    artifact = Artifact(artifact_type)
    if artifact is Artifact.TRANSCRIPT:
        key = None if found.transcript is None else found.transcript_key
    else:
        key = found.recording
    if key is None:
        raise NotFound(f"this call has no {artifact_type.replace('_', ' ')}")
    name = PurePosixPath(key).name
    side = SIDES.get(artifact, channel if artifact is Artifact.RECORDING else Channel.BOTH)
    url, _ = await download_link(request, organization_id, key, name=name, inline=inline, channel=side)
    return RedirectResponse(url, 302)
