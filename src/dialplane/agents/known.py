"""What is known of an agent before it talks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Implements of ports.Agent what a definition says by itself."""

    required: frozenset[str]
    gathers: tuple[str, ...]

    def variables(self) -> frozenset[str]:
        return self.required

    def fields(self) -> tuple[str, ...]:
        return self.gathers
