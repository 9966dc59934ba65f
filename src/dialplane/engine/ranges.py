"""When things that a list is to have were made and changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges:
    """From an instant on until right before another one; None is no bound. updated: or made, if never changed."""

    created_from: datetime | None = None
    created_to: datetime | None = None
    updated_from: datetime | None = None
    updated_to: datetime | None = None

    def bounds(self) -> dict[str, datetime | None]:
        return {name: getattr(self, name) for name in ("created_from", "created_to", "updated_from", "updated_to")}
