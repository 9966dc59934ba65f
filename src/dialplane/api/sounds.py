"""Sounds that agents play in place of a made voice."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import BaseModel, Field

from dialplane.api.access import OperatorApp, ViewerApp
from dialplane.api.files import RAW_BYTES
from dialplane.api.route import Route
from dialplane.api.shapes import HIGHEST_ID, PageLimit
from dialplane.engine.sounds import SoundRecord
from dialplane.errors import Invalid
from dialplane.voice.sounds import MOST_BYTES, read_sound
from dialplane.wiring import App

router = APIRouter(route_class=Route, prefix="/sounds", tags=["sounds"])


class SoundView(BaseModel):
    """A sound, as calls play it: 8 kHz, mono."""

    id: int
    name: str = Field(description="What an agent's definition names: `{text: …, sound: <name>}`.")
    title: str = Field(description="As it was called when it first came.")
    seconds: float
    created_at: datetime

    @classmethod
    def of(cls, record: SoundRecord) -> Self:
        return cls.model_validate(record, from_attributes=True)


class SoundList(BaseModel):
    sounds: list[SoundView] = Field(description="The newest first.")
    next: int | None = Field(description="`before` of the next page; null: this is the last.")


@router.post("", status_code=201, openapi_extra={"requestBody": RAW_BYTES})
async def add_sound(
    request: Request,
    app: OperatorApp,
    title: Annotated[str, Query(min_length=1, max_length=255, pattern=r"^[^\x00]*$")] = "sound.wav",
) -> SoundView:
    """Keep a WAV file, the body itself: 16 bit PCM, mono or stereo, 8 to 48 kHz, five minutes or 20 MB at most.

    The same sound once more is the one that is there.
    """
    if "form" in request.headers.get("content-type", ""):
        raise Invalid("send the file itself as the body, with Content-Type: audio/wav, and not as a form")
    return SoundView.of(await keep_sound(app, request, title))


async def keep_sound(app: App, request: Request, title: str) -> SoundRecord:
    """The sound that is the request's body. Raises Invalid, HTTPException."""
    content = await _body(request)
    try:
        sound = await asyncio.to_thread(read_sound, content)
    except Invalid as fault:
        raise Invalid(f"{title} {fault}") from fault
    return await app.sounds.keep(sound, title)


@router.get("")
async def list_sounds(
    app: ViewerApp,
    before: Annotated[int | None, Query(ge=1, le=HIGHEST_ID, description="The page before's `next`.")] = None,
    limit: Annotated[PageLimit, Query()] = 100,
) -> SoundList:
    """Sounds of the organization."""
    found = await app.sounds.page(before=before, limit=limit)
    return SoundList(sounds=[SoundView.of(each) for each in found], next=found[-1].id if len(found) == limit else None)


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise HTTPException(413, f"the file is larger than {MOST_BYTES:,} bytes")
    return bytes(body)
