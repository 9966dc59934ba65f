"""An agent whose secrets cannot be opened: what it needs and gathers is known, and it talks with nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dialplane.core.attempt import Conversation
from dialplane.errors import Invalid
from dialplane.ports import Line


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedAgent:
    """Implements ports.Agent and ports.Prepares. why: its secrets cannot be opened."""

    required: frozenset[str]
    gathers: tuple[str, ...]
    why: str

    def variables(self) -> frozenset[str]:
        return self.required

    def fields(self) -> tuple[str, ...]:
        return self.gathers

    async def prepare(self) -> None:
        raise Invalid(f"agent, {self.why}")

    async def talk(self, line: Line, variables: Mapping[str, str]) -> Conversation:  # noqa: ARG002  (as above)
        raise Invalid(f"agent, {self.why}")
