"""An agent whose secrets cannot be opened: what it needs and gathers is known, and it talks with nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dialplane.agents.known import Known
from dialplane.core.attempt import Conversation
from dialplane.errors import Invalid
from dialplane.ports import Line


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedAgent(Known):
    """Implements ports.Agent and ports.Prepares; both raise Invalid. why: its secrets cannot be opened."""

    why: str

    async def prepare(self) -> None:
        raise Invalid(f"agent, {self.why}")

    async def talk(self, line: Line, variables: Mapping[str, str]) -> Conversation:  # noqa: ARG002  (as above)
        raise Invalid(f"agent, {self.why}")
