"""How fast calls start and who gets the free lines: limits, lines in use, an instant -> start instants, shares."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from itertools import islice
from typing import Any, Protocol, TypeVar

from dialplane.errors import Invalid

MIN_CPS = 1 / 86_400  # one call a day; slower is a window's work

_MICROSECOND = timedelta(microseconds=1)


# --- calls per second ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """One limit on calls started per second, and where it stands: GCRA with a burst of 1.

    scope: who shares it, such as "carrier:7".
    cps: None is no limit.
    tat: the earliest next start (GCRA's theoretical arrival time); None before the first.
    """

    scope: str
    cps: float | None = None
    tat: datetime | None = None

    def __post_init__(self) -> None:
        if self.cps is not None and not MIN_CPS <= self.cps < math.inf:
            raise Invalid(
                f"cps must be above 0 (0.00002 is about one call a day), not {self.cps}; leave it out for no limit"
            )

    @property
    def spacing(self) -> timedelta:
        """At least 1/cps between two starts: rounded up to the microsecond, so that no drift adds a call."""
        return timedelta(0) if self.cps is None else _spacing(self.cps)

    @property
    def spacing_seconds(self) -> float:
        return self.spacing.total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Starts that every pace allows, soonest first.

    tats: the new tat of each limited scope; empty when nothing was granted.
    next_at: the first start that the paces did not allow within the horizon; None where they held nothing back.
    """

    starts: tuple[datetime, ...] = ()
    tats: dict[str, datetime] = field(default_factory=dict)
    next_at: datetime | None = None


def grant(paces: Sequence[Pace], *, now: datetime, horizon: timedelta, at_most: int) -> Grant:
    """Up to `at_most` starts in [now, now + horizon], as early as all paces together allow."""
    if at_most <= 0:
        return Grant()
    limited = [pace for pace in paces if pace.cps is not None]
    spacing = max((pace.spacing for pace in limited), default=timedelta(0))
    first = max([now, *(pace.tat for pace in limited if pace.tat is not None)])
    last_allowed = now + horizon

    if first > last_allowed:
        return Grant(next_at=first)
    fitting = (last_allowed - first) // spacing + 1 if spacing else at_most
    starts = tuple(first + i * spacing for i in range(min(at_most, fitting)))
    return Grant(
        starts=starts,
        # the same scope may be named twice: its slower pace counts
        tats={pace.scope: starts[-1] + pace.spacing for pace in sorted(limited, key=_by_spacing)},
        next_at=starts[-1] + spacing if len(starts) < at_most else None,
    )


@lru_cache(maxsize=1024)
def _spacing(cps: float) -> timedelta:
    return math.ceil(Fraction(1_000_000) / Fraction(str(cps))) * _MICROSECOND


def _by_spacing(pace: Pace) -> timedelta:
    return pace.spacing


# --- slow start ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """Slow start: few lines first, then twice as many, again and again, up to the cap."""

    enabled: bool
    share: float = 0.10  # of the cap, rounded down
    min_lines: int = 5
    double_every_seconds: float = 10.0

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise Invalid(f"ramp: share must be from 0 to 1, not {self.share}; 0.1 starts with 10 % of the lines")
        if self.min_lines < 1:
            raise Invalid(f"ramp: min_lines must be 1 or more, not {self.min_lines}; with no line nothing ever starts")
        if not 0.001 <= self.double_every_seconds <= 86_400:
            raise Invalid(
                f"ramp: double_every_seconds must be from 0.001 to 86400, not {self.double_every_seconds}; "
                "turn the ramp off to start with all lines"
            )

    def lines(self, cap: int, since: datetime | None, now: datetime) -> int:
        """How many lines may be in use; `since` is the start, resume or opening. All of `cap` without one."""
        if not self.enabled or since is None or cap <= 0:
            return max(cap, 0)
        first = max(self.min_lines, math.floor(Fraction(str(self.share)) * cap))
        doublings = min(self._steps(since, now), cap.bit_length())  # more would be past the cap
        return min(cap, first << doublings)

    def next_step_at(self, cap: int, since: datetime | None, now: datetime) -> datetime | None:
        """When `lines` grows next; None once it is the cap."""
        if since is None or self.lines(cap, since, now) >= cap:
            return None
        return since + (self._steps(since, now) + 1) * self._period

    def _steps(self, since: datetime, now: datetime) -> int:
        return max(now - since, timedelta(0)) // self._period

    @property
    def _period(self) -> timedelta:
        return timedelta(seconds=self.double_every_seconds)


# --- fair shares ---------------------------------------------------------------------------------


class _Key(Protocol):
    def __lt__(self, other: Any, /) -> bool: ...


K = TypeVar("K", bound=_Key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """open: calls in flight now. limit: the most more that may start."""

    open: int
    limit: int


def fair_shares(wants: Mapping[K, Want], room: int) -> dict[K, int]:
    """How many calls each may start: the one with the fewest in flight is raised first, the smallest key among equals.

    Shares together are `room`, or all limits where those are less: no line stays idle while somebody wants it.

    >>> fair_shares({1: Want(open=0, limit=9), 2: Want(open=4, limit=9), 3: Want(open=0, limit=1)}, 9)
    {1: 6, 2: 2, 3: 1}
    """
    keys = sorted(wants)
    room = min(room, sum(max(want.limit, 0) for want in wants.values()))
    if room <= 0:
        return dict.fromkeys(keys, 0)

    def calls_up_to(level: int) -> int:
        return sum(_raise(want, level) for want in wants.values())

    # The highest level to which all can be raised: some 14 sums for 10,000 lines, however the calls are spread.
    levels = range(
        min(want.open for want in wants.values()), max(want.open + want.limit for want in wants.values()) + 1
    )
    level = levels[bisect_right(levels, room, key=calls_up_to) - 1]
    shares = {key: _raise(wants[key], level) for key in keys}

    left = room - calls_up_to(level)  # fewer than those who could take one more
    for key in islice((key for key in keys if _raise(wants[key], level + 1) > shares[key]), left):
        shares[key] += 1
    return shares


def _raise(want: Want, level: int) -> int:
    """Calls that bring a campaign up to `level` in flight, as far as it may."""
    return min(max(level - want.open, 0), max(want.limit, 0))
