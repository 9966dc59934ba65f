"""How fast one caller may ask."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Hashable
from typing import NamedTuple

BURST_SECONDS = 2.0  # what a caller may save up
CALLERS = 10_000  # remembered; one that is forgotten begins anew


class Standing(NamedTuple):
    """limit: requests that can be saved up. remaining: of these. reset_seconds: until all of them are there again."""

    limit: int
    remaining: int
    reset_seconds: float


class Rates:
    """GCRA per caller, in this process: the instant at which each one's saved-up requests are all used."""

    def __init__(self, per_second: float, *, burst_seconds: float = BURST_SECONDS) -> None:
        """per_second: 0 is no limit. burst_seconds: in all that one may save up; one request it always is."""
        self.per_second = per_second
        self._burst_seconds = max(burst_seconds, 1 / per_second) if per_second else 0
        self._until: OrderedDict[Hashable, float] = OrderedDict()

    def wait_seconds(self, caller: Hashable) -> float:
        """0 for a request that may be made now, and is counted; else how long to wait."""
        if not self.per_second:
            return 0
        now = time.monotonic()
        until = max(self._until.get(caller, now), now) + 1 / self.per_second
        if (wait := until - now - self._burst_seconds) > 1e-6:
            return wait
        self._until[caller] = until
        self._until.move_to_end(caller)
        if len(self._until) > CALLERS:
            self._until.popitem(last=False)
        return 0

    def standing(self, caller: Hashable) -> Standing | None:
        """What this one may still ask for at once; None where there is no limit."""
        if not self.per_second:
            return None
        ahead = max(self._until.get(caller, 0) - time.monotonic(), 0)
        remaining = max(int((self._burst_seconds - ahead) * self.per_second + 1e-6), 0)
        return Standing(round(self._burst_seconds * self.per_second), remaining, ahead)

    def forgive(self, caller: Hashable) -> None:
        """All that this one has used is given back."""
        self._until.pop(caller, None)


class Guesses:
    """How often passwords may be tried: 30 times at once from an address, 10 times for an e-mail, then now and then."""

    def __init__(self) -> None:
        self._addresses = Rates(1 / 10, burst_seconds=300)
        self._emails = Rates(1 / 60, burst_seconds=600)

    def wait_seconds(self, address: str, email: str) -> float:
        return self._addresses.wait_seconds(address) or self._emails.wait_seconds(email)

    def right(self, email: str) -> None:
        """The password was known: what was tried before was no guessing."""
        self._emails.forgive(email)
