"""When to stop by ourselves: calls that ended lately, faults among them -> trip or go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from dialplane.errors import Invalid

_MAX_WINDOW_SECONDS = 7 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitBreaker:
    """Trips when the share of faults among the calls that ended in a rolling window reaches the threshold.

    Which dispositions are faults says `disposition.BREAKER_FAULTS`; busy and no answer are not.
    """

    enabled: bool = True
    threshold: float = 0.5
    window_seconds: float = 120
    min_calls: int = 5  # fewer say nothing

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise Invalid(f"threshold must be above 0 and at most 1, not {self.threshold}; 0.5 is half of the calls")
        if not 0 < self.window_seconds <= _MAX_WINDOW_SECONDS:
            raise Invalid(
                f"window_seconds must be above 0 and at most {_MAX_WINDOW_SECONDS}, not {self.window_seconds}; e.g. 120"
            )
        if self.min_calls < 1:
            raise Invalid(f"min_calls must be 1 or more, not {self.min_calls}; turn the breaker off by enabled: false")

    def since(self, now: datetime, reset_at: datetime | None) -> datetime:
        """Calls that ended from here on count; none from before the last start or resume."""
        start = now - timedelta(seconds=self.window_seconds)
        return start if reset_at is None else max(start, reset_at)

    def trips(self, ended: int, faults: int) -> bool:
        """Of `ended` calls in the window, `faults` are someone's fault."""
        return self.enabled and ended >= self.min_calls and faults / ended >= self.threshold

    def to_json(self) -> dict[str, Any]:
        """{"enabled": true, "threshold": 0.5, "window_seconds": 120, "min_calls": 5}"""
        return {
            "enabled": self.enabled,
            "threshold": self.threshold,
            "window_seconds": self.window_seconds,
            "min_calls": self.min_calls,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What `to_json` made; a missing key is its default, a threshold above 1 is percent. Raises: Invalid."""
        if not isinstance(data, Mapping):
            raise Invalid(f"breaker: expected an object, not {data!r}")
        kinds: dict[str, tuple[tuple[type, ...], str]] = {
            "enabled": ((bool,), "true or false"),
            "threshold": ((int, float), "a number"),
            "window_seconds": ((int, float), "a number"),
            "min_calls": ((int,), "a whole number"),
        }
        for name, value in data.items():
            if name not in kinds:
                raise Invalid(f"breaker: unknown field {name!r}; the fields are {', '.join(kinds)}")
            types, words = kinds[name]
            if type(value) not in types:
                raise Invalid(f"{name} must be {words}, not {value!r}")
        given = dict(data)
        if "threshold" in given and 1 < given["threshold"] <= 100:
            given["threshold"] /= 100
        return cls(**given)
