"""What requests have in common: ids, and fields that nobody knows."""

from __future__ import annotations

import difflib
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

HIGHEST_ID = 2**63 - 1

Id = Annotated[int, Field(ge=1, le=HIGHEST_ID)]
After = Annotated[int, Field(ge=0, le=HIGHEST_ID)]
PageLimit = Annotated[int, Field(ge=1, le=1000, description="The most that one page holds.")]


class Tolerant(BaseModel):
    """A body whose unknown fields are told back and not refused."""

    model_config = ConfigDict(extra="allow")

    def unknown(self) -> list[str]:
        """A sentence for each field that is none: "unknown field 'stric': did you mean 'strict'?"."""
        return [
            f"unknown field '{name}'" + (f": did you mean '{meant}'?" if meant else " was ignored")
            for name, meant in self.meant().items()
        ]

    def meant(self) -> dict[str, str | None]:
        """unknown field -> the known one that it resembles."""
        known = list(type(self).model_fields)
        near = {name: difflib.get_close_matches(name.lower(), known, n=1) for name in self.model_extra or ()}
        return {name: found[0] if found else None for name, found in near.items()}
