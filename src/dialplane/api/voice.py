"""Voice services: what assistants and workflows listen, think and speak with."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body
from pydantic import BaseModel, ConfigDict, Field

from dialplane.api.access import OwnerApp, ViewerApp
from dialplane.api.route import Route

router = APIRouter(route_class=Route, prefix="/voice", tags=["voice services"])

Service = dict[str, Any]


class VoiceServicesBody(BaseModel):
    """As an agent of kind `pipeline` has them. A secret is kept sealed and answered so; sent back, it stays."""

    model_config = ConfigDict(extra="forbid")

    llm: Service = Field(examples=[{"service": "openai", "model": "gpt-4.1", "api_key": "sk-…"}])
    stt: Service = Field(examples=[{"service": "deepgram", "api_key": "…"}])
    tts: Service = Field(examples=[{"service": "openai", "voice": "alloy", "api_key": "sk-…"}])
    prices: dict[str, Any] | None = Field(None, description="Of these services, for the cost of calls.")


class VoiceServicesView(BaseModel):
    services: VoiceServicesBody | None = Field(
        description="null: assistants and workflows speak what they can without."
    )


@router.get("")
async def get_voice_services(app: ViewerApp) -> VoiceServicesView:
    """What assistants and workflows talk with."""
    found = await app.voice.get()
    return VoiceServicesView(services=None if found is None else VoiceServicesBody.model_validate(found))


@router.put("")
async def set_voice_services(services: Annotated[VoiceServicesBody, Body()], app: OwnerApp) -> VoiceServicesView:
    """Set them all. Calls that begin from now on use them."""
    await app.voice.set(services.model_dump(exclude_none=True))
    return await get_voice_services(app)


@router.delete("")
async def clear_voice_services(app: OwnerApp) -> VoiceServicesView:
    """Without them an assistant says its messages, a workflow its greeting."""
    await app.voice.clear()
    return await get_voice_services(app)
