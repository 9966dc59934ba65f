"""Voice services: what assistants and workflows listen, think and speak with."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from dialplane.engine.definitions import read_definition
from dialplane.errors import DialplaneError
from dialplane.providers import PIPELINE
from dialplane.web.agents import written
from dialplane.web.forms import TypedText
from dialplane.web.route import PageRoute
from dialplane.web.visit import Owning, Visit

EXAMPLE = """\
llm: {service: openai, model: gpt-4.1, api_key: write your key here}
stt: {service: deepgram, api_key: write your key here}
tts: {service: openai, voice: alloy, api_key: write your key here}
"""

router = APIRouter(route_class=PageRoute, prefix="/settings/voice")


@router.get("")
async def show_voice_services(visit: Owning) -> HTMLResponse:
    services = await visit.app.voice.get()
    return _form(visit, EXAMPLE if services is None else written(PIPELINE, services), are_set=services is not None)


@router.post("")
async def change_voice_services(visit: Owning, services: TypedText = "") -> Response:
    voice = visit.app.voice
    try:
        await voice.set(read_definition(services, "the services"))
    except DialplaneError as fault:
        return _form(visit, services, are_set=await voice.get() is not None, fault=str(fault))
    return visit.go("/settings/voice", "Saved. Calls of assistants and workflows use them from now on.")


@router.post("/clear")
async def clear_voice_services(visit: Owning) -> Response:
    await visit.app.voice.clear()
    return visit.go("/settings/voice", "There are no voice services any more: assistants say their messages alone.")


def _form(visit: Visit, text: str, *, are_set: bool, fault: str = "") -> HTMLResponse:
    return visit.page("voice.html", text=text, are_set=are_set, fault=fault, status=400 if fault else 200)
