"""Abandoned calls: people who answered and heard nobody. A call -> abandoned or not; a day's calls -> pause or go on.

Source: 16 CFR 310.4(b)(4), the Telemarketing Sales Rule. A call is abandoned unless the person who answers is spoken to
within two seconds of their greeting; at most 3 % of the calls of a campaign that people answer may be. The greeting is
not waited for here: the two seconds count from the answer, which is stricter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, tzinfo
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

from dialplane.core.window import CONTACT
from dialplane.errors import Invalid

GRACE_SECONDS: Final = 2.0
FIELDS: Final[Mapping[str, tuple[tuple[type, ...], str]]] = {
    "enabled": ((bool,), "true or false"),
    "max_rate": ((int, float), "a number"),
    "min_calls": ((int,), "a whole number"),
    "pause": ((bool, type(None)), "true, false, or null for what suits the carrier"),
}


def is_abandoned(first_word_seconds: float | None, talk_seconds: float, *, hung_up: bool) -> bool:
    """Of a call that a person answered. first_word_seconds: from the answer until the agent began to speak, if it did.

    Who hangs up themselves before the two seconds have passed has not been kept waiting. hung_up: we did.
    """
    if first_word_seconds is not None:
        return first_word_seconds > GRACE_SECONDS
    return hung_up or talk_seconds >= GRACE_SECONDS


def day_of(answered_at: datetime, timezone: str) -> date:
    """The day in a campaign's zone that a call counts to; in UTC where each contact's own zone counts.

    >>> day_of(datetime(2026, 12, 1, 3, tzinfo=UTC), "America/New_York").isoformat()
    '2026-11-30'
    """
    return answered_at.astimezone(_zone(timezone)).date()


def start_of(day: date, timezone: str) -> datetime:
    return datetime.combine(day, time.min, _zone(timezone))


def _zone(timezone: str) -> tzinfo:
    return UTC if timezone == CONTACT else ZoneInfo(timezone)


@dataclass(frozen=True, slots=True, kw_only=True)
class AbandonRule:
    """Whether a campaign counts abandoned calls, and when it pauses itself.

    pause: None: where the carrier's calls carry sound. A simulated one keeps nobody waiting.
    """

    enabled: bool = True
    max_rate: float = 0.03
    min_calls: int = 50  # of those that people answered; fewer say nothing
    pause: bool | None = None

    def __post_init__(self) -> None:
        if not 0 < self.max_rate < 1:
            raise Invalid(
                f"max_rate must be above 0 and below 1, not {self.max_rate}; 0.03 is three of a hundred calls"
            )
        if self.min_calls < 1:
            raise Invalid(f"min_calls must be 1 or more, not {self.min_calls}; count none by enabled: false")

    def is_exceeded(self, answered: int, abandoned: int) -> bool:
        """By the calls of one day since the last start or resume."""
        return self.enabled and answered >= self.min_calls and abandoned / answered > self.max_rate

    def is_open(self, answered: int, abandoned: int) -> bool:
        """More answered calls, even good ones, may still exceed it."""
        return self.enabled and abandoned > 0 and answered < self.min_calls

    def pauses(self, *, carries_sound: bool) -> bool:
        return carries_sound if self.pause is None else self.pause

    def to_json(self) -> dict[str, Any]:
        """{"enabled": true, "max_rate": 0.03, "min_calls": 50, "pause": null}"""
        return {name: getattr(self, name) for name in FIELDS}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What `to_json` made; a missing key is its default. Raises Invalid."""
        if not isinstance(data, Mapping):
            raise Invalid(f"abandon: expected an object, not {data!r}")
        for name, value in data.items():
            if name not in FIELDS:
                raise Invalid(f"abandon: unknown field {name!r}; the fields are {', '.join(FIELDS)}")
            types, words = FIELDS[name]
            if type(value) not in types:
                raise Invalid(f"abandon: {name} must be {words}, not {value!r}")
        return cls(**data)


@dataclass(frozen=True, slots=True, kw_only=True)
class AbandonDay:
    """What people of a campaign met with on one day. answered: calls that they answered, abandoned ones included."""

    day: date
    answered: int
    abandoned: int

    @property
    def rate(self) -> float:
        return self.abandoned / self.answered if self.answered else 0.0

    def __str__(self) -> str:
        return f"{self.abandoned:,} of {self.answered:,} answered calls ({100 * self.rate:.1f} %) on {self.day}"
