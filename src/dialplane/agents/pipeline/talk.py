"""A conversation through pipecat, in a process of its own: see `agents/hosted.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from dialplane.agents.pipeline import certificates
from dialplane.agents.pipeline.quiet import be_quiet

be_quiet()  # before pipecat is loaded, which says that it is
certificates.read_once()

from dialplane.agents.fields import filled  # noqa: E402
from dialplane.agents.hosted import HostedCall, Talked  # noqa: E402
from dialplane.agents.pipeline import detector  # noqa: E402
from dialplane.agents.pipeline.analysis import Analysis, analysed  # noqa: E402
from dialplane.agents.pipeline.conversation import Conversation  # noqa: E402
from dialplane.agents.pipeline.definition import LLM, read_pipeline  # noqa: E402
from dialplane.agents.pipeline.pipes import services_of  # noqa: E402
from dialplane.core.intake import template_value  # noqa: E402
from dialplane.errors import Invalid  # noqa: E402


def prepare(definition: Mapping[str, Any]) -> str:
    """What is wrong with it, as only its services know."""

    async def built() -> None:
        services_of(read_pipeline(definition), "")

    try:
        asyncio.run(built())  # some want a loop to be made in
        detector.model()
    except Invalid as fault:
        return str(fault)
    return ""


async def talk(definition: Mapping[str, Any], call: HostedCall) -> Talked:
    pipeline = read_pipeline(definition)
    conversation = Conversation(
        pipeline, call, filled(pipeline.prompt, call.variables), greeting_of(pipeline.greeting, call.variables)
    )
    await conversation.hold()
    broken = conversation.failure.startswith(LLM)
    found = Analysis() if broken else await analysed(pipeline, conversation.transcript)
    usage = {
        **conversation.usage.told(pipeline.prices, conversation.phone.seconds),
        "turns": conversation.turns.turns,
        **({"refused_fields": list(found.refused)} if found.refused else {}),
        **({"analysis_failure": found.failure} if found.failure else {}),
    }
    return Talked(
        gathered=found.gathered,
        opted_out=conversation.opted_out,
        summary=found.summary,
        label=found.label,
        usage=usage,
        failure=conversation.failure,
    )


def greeting_of(greeting: str, variables: Mapping[str, str]) -> str:
    """What this contact is told first: a column `greeting_override`, or Dograh's of type text, goes before."""
    own = template_value("greeting_override", variables)
    if not own and template_value("greeting_override_type", variables) == "text":
        own = template_value("greeting_override_text", variables)
    return filled(own or greeting, variables)
