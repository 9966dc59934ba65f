"""Several trunks of one carrier: which is asked next, and whether a failed call may go on to another one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dialplane.carriers.sip.outcomes import Closed
from dialplane.carriers.sip.phones import Phones
from dialplane.carriers.sip.trunk import Trunk
from dialplane.core.disposition import Disposition

REST_SECONDS: Final = 30.0  # a trunk that has failed is asked last for so long


@dataclass(eq=False, slots=True)
class Way:
    """A trunk, and the processes that place calls on it. rests_until: on the monotonic clock."""

    trunk: Trunk
    phones: Phones
    rests_until: float = 0.0

    def rest(self) -> None:
        self.rests_until = time.monotonic() + REST_SECONDS


def by_preference(ways: Sequence[Way]) -> list[Way]:
    now = time.monotonic()
    return [ways[each] for each in order_of([way.rests_until for way in ways], now)]


def order_of(rests_until: Sequence[float], now: float) -> list[int]:
    """Those that are well as they are given, then those that rest, the soonest ready first: better than none."""
    return sorted(range(len(rests_until)), key=lambda each: max(rests_until[each] - now, 0.0))


def is_trunk_fault(closed: Closed, disposition: Disposition, *, rang: bool, ended_by_us: Disposition | None) -> bool:
    """Nobody's telephone has rung, and the trunk or the way there is to blame: another one may be asked.

    Not so after silence, when it may be ringing, nor after a 6xx, which speaks for every trunk (RFC 3261, 21.6).
    """
    if rang or ended_by_us is not None or (closed.status or 0) >= 600:
        return False
    return disposition is Disposition.CARRIER_FAILED


def has_been_silent(disposition: Disposition, closed: Closed, *, rang: bool) -> bool:
    """This call has to end as unknown, and the next ones had better ask elsewhere."""
    return disposition is Disposition.UNKNOWN and not rang and not closed.lost
