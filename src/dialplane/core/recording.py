"""Whether the calls of a campaign are recorded, and what people are told before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

from dialplane.errors import Invalid

ANNOUNCEMENT: Final = "This call is recorded."
MOST_CHARACTERS: Final = 1000


class RecordingMode(StrEnum):
    OFF = "off"
    ON = "on"
    ANNOUNCED = "announced"  # from the end of the announcement on


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """announcement: what is said before anything else where it is announced. A carrier may record nothing at all."""

    mode: RecordingMode = RecordingMode.ON
    announcement: str = ANNOUNCEMENT

    def __post_init__(self) -> None:
        if not self.announcement.strip() or len(self.announcement) > MOST_CHARACTERS:
            raise Invalid(f"recording: the announcement must have 1 to {MOST_CHARACTERS} characters")
        if "{{" in self.announcement:
            raise Invalid("recording: the announcement is the same for everybody; leave out {{…}}")

    def to_json(self) -> dict[str, Any]:
        """{"mode": "announced", "announcement": "This call is recorded."}"""
        return {"mode": self.mode.value, "announcement": self.announcement}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What `to_json` made; a missing key is its default. Raises Invalid."""
        unknown = sorted(set(data) - {"mode", "announcement"})
        if unknown or not isinstance(data.get("announcement", ""), str):
            raise Invalid(f"recording: {unknown[0] if unknown else 'announcement'} is not understood")
        try:
            mode = RecordingMode(data.get("mode", RecordingMode.ON))
        except ValueError:
            raise Invalid(f"recording: mode must be {', '.join(RecordingMode)}, not {data['mode']!r}") from None
        return cls(mode=mode, announcement=data.get("announcement", ANNOUNCEMENT))
