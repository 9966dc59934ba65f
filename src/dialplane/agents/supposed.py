"""In virtual time there is no sound: who stands in for an agent that carries it, where a forecast is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dialplane.agents.known import Known
from dialplane.core.attempt import Conversation
from dialplane.ports import HungUp, Line

WORDS = "(a conversation in sound)"


@dataclass(frozen=True, slots=True, kw_only=True)
class SupposedAgent(Known):
    """Implements ports.Agent. How long a simulated call lasts is its carrier's affair."""

    async def talk(self, line: Line, variables: Mapping[str, str]) -> Conversation:  # noqa: ARG002  (nothing is said of them)
        try:
            await line.say(WORDS)
            await line.hang_up()
        except HungUp:
            pass
        return Conversation()
