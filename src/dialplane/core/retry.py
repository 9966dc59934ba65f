"""What follows an ended attempt: disposition, attempts spent, refusals -> retry not before an instant | finish."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self

from dialplane.core.disposition import MEANINGS, REFUSALS, Disposition
from dialplane.errors import Invalid

MAX_RETRIES = 100
MAX_REFUSALS = 20  # a contact is due again after each of these; the next one counts as a failure of the carrier
MAX_REFUSAL_SECONDS = 60
MAX_DELAY_SECONDS = 7 * 86_400.0

_YEAR_SECONDS = 365 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Another attempt, not before this instant; the calling window may hold it back further."""

    not_before: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """No further attempt: what the contact came to."""

    disposition: Disposition


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Which dispositions earn another attempt, how many in all, and how far apart."""

    max_retries: int = 2  # beyond the first attempt; one budget per contact, over all dispositions
    delay_seconds: float = 120.0  # from the end of the call
    retry_on: frozenset[Disposition] = frozenset({Disposition.BUSY, Disposition.NO_ANSWER})
    delays: Mapping[Disposition, float] = field(default_factory=dict, hash=False)  # instead of delay_seconds
    backoff: float = 1.0  # each further retry waits this many times longer
    max_delay_seconds: float = MAX_DELAY_SECONDS
    enabled: bool = True  # switched off, it keeps its settings

    def __post_init__(self) -> None:
        if not 0 <= self.max_retries <= MAX_RETRIES:
            limit = "0 or more" if self.max_retries < 0 else f"at most {MAX_RETRIES}"
            raise Invalid(f"max_retries must be {limit}, not {self.max_retries}")
        if not 0 <= self.max_delay_seconds <= _YEAR_SECONDS:
            raise Invalid(f"max_delay_seconds must be from 0 to {_YEAR_SECONDS:.0f}, not {self.max_delay_seconds}")
        if not 1 <= self.backoff <= 1000:
            raise Invalid(f"backoff must be 1 or more (at most 1000), not {self.backoff}; 1 keeps the delay the same")
        self._check_delay("delay_seconds", self.delay_seconds)
        for disposition in sorted(self.retry_on):
            _check_retried(disposition)
        for disposition, seconds in self.delays.items():
            if disposition not in self.retry_on:
                raise Invalid(f"delays names {disposition}, which is not retried; add it to retry_on or leave it out")
            self._check_delay(f"the delay for {disposition}", seconds)

    def decide(
        self, disposition: Disposition, *, ended_at: datetime, answered: bool, spent: int, refusals: int
    ) -> Retry | Finish:
        """What follows an attempt that ended as `disposition`.

        answered: somebody or something took the call. spent: attempts that the carrier accepted, this one included if
        it was. refusals: how many times the carrier has refused so far, this time included.
        """
        if disposition in REFUSALS:
            return _after_refusal(ended_at, refusals)
        if self.used_up(spent):
            return Finish(disposition=disposition)
        if disposition is Disposition.CANCELED and not answered:
            return Retry(not_before=ended_at)  # we hung up ourselves, which says nothing about the contact
        if disposition is not Disposition.CANCELED and disposition in self.retry_on:
            return Retry(not_before=ended_at + self._delay(disposition, spent))
        return Finish(disposition=disposition)

    def used_up(self, spent: int) -> bool:
        """Whether there is no further attempt after so many that the carrier accepted."""
        return not self.enabled or spent > self.max_retries

    def to_json(self) -> dict[str, Any]:
        """{"max_retries": 2, "retry_on": ["busy", "no_answer"], "delays": {"busy": 60.0}, …}: one key per field."""
        return {
            "max_retries": self.max_retries,
            "delay_seconds": self.delay_seconds,
            "retry_on": sorted(disposition.value for disposition in self.retry_on),
            "delays": {disposition.value: seconds for disposition, seconds in sorted(self.delays.items())},
            "backoff": self.backoff,
            "max_delay_seconds": self.max_delay_seconds,
            "enabled": self.enabled,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What `to_json` made; a missing key is its default. Raises: Invalid for anything else."""
        if not isinstance(data, Mapping):
            raise Invalid(f"retry policy: expected an object, not {data!r}")
        given: dict[str, Any] = {}
        for name, value in data.items():
            if name in ("delay_seconds", "backoff", "max_delay_seconds"):
                given[name] = _number(name, value)
            elif name == "max_retries":
                if type(value) is not int:
                    raise Invalid(f"max_retries must be a whole number, not {value!r}")
                given[name] = value
            elif name == "enabled":
                if not isinstance(value, bool):
                    raise Invalid(f"enabled must be true or false, not {value!r}")
                given[name] = value
            elif name == "retry_on":
                if not isinstance(value, list | tuple):
                    raise Invalid(
                        f"retry_on must be a list of dispositions such as ['busy', 'no_answer'], not {value!r}"
                    )
                given[name] = frozenset(_disposition(name, word) for word in value)
            elif name == "delays":
                if not isinstance(value, Mapping):
                    raise Invalid(f"delays must be seconds by disposition such as {{'busy': 60}}, not {value!r}")
                given[name] = {_disposition(name, word): _number(f"delays {word}", s) for word, s in value.items()}
            else:
                raise Invalid(f"retry policy: unknown field {name!r}; the fields are {', '.join(cls().to_json())}")
        return cls(**given)

    def _delay(self, disposition: Disposition, spent: int) -> timedelta:
        seconds = self.delays.get(disposition, self.delay_seconds)
        for _ in range(spent - 1):  # step by step: a power would overflow before it could be capped
            seconds = min(seconds * self.backoff, self.max_delay_seconds)
        return timedelta(seconds=seconds)

    def _check_delay(self, name: str, seconds: float) -> None:
        if not seconds >= 0:
            raise Invalid(f"{name} must be 0 or more, not {seconds}")
        if seconds > self.max_delay_seconds:
            raise Invalid(
                f"{name} must be at most max_delay_seconds ({self.max_delay_seconds:g}), not {seconds:g}; "
                "raise max_delay_seconds or lower the delay"
            )


def _after_refusal(ended_at: datetime, refusals: int) -> Retry | Finish:
    """The carrier did not take the call: soon again, a little later each time, and not for ever."""
    if refusals > MAX_REFUSALS:
        return Finish(disposition=Disposition.CARRIER_FAILED)
    seconds = min(MAX_REFUSAL_SECONDS, 2 ** max(refusals - 1, 0))
    return Retry(not_before=ended_at + timedelta(seconds=seconds))


def _check_retried(disposition: Disposition) -> None:
    if MEANINGS[disposition].do_not_call:
        raise Invalid(
            f"retry_on must not name {disposition}: who does not want the call is never called again; remove it"
        )
    if disposition in REFUSALS:
        raise Invalid(f"retry_on must not name {disposition}: a refused call is tried again anyway; remove it")


def _disposition(field_name: str, word: Any) -> Disposition:
    try:
        return Disposition(word)
    except ValueError:
        known = ", ".join(disposition.value for disposition in Disposition)
        raise Invalid(f"{field_name}: unknown disposition {word!r}; write one of {known}") from None


def _number(field_name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Invalid(f"{field_name} must be a number, not {value!r}")
    return value


# --- durations as people write them --------------------------------------------------------------

_UNIT_SECONDS = {"ms": 0.001, "": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(ms|s|m|h|d|)")


def parse_duration(text: str) -> timedelta:
    """'120s', '2m', '1.5h', '500ms', '7d'; a bare '90' is seconds. Raises: Invalid.

    >>> parse_duration("1.5h")
    datetime.timedelta(seconds=5400)
    """
    match = _DURATION.fullmatch(text.strip().lower())
    seconds = float(match[1]) * _UNIT_SECONDS[match[2]] if match else -1.0
    if not 0 <= seconds <= _YEAR_SECONDS:
        raise Invalid(f"{text!r} is no duration of at most a year; write e.g. '120s', '2m', '1.5h' or '500ms'")
    return timedelta(seconds=seconds)
