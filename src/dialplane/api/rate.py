"""How fast one key may ask."""

from __future__ import annotations

import time
from collections import OrderedDict

BURST_SECONDS = 2.0  # what a key may save up
KEYS = 10_000  # remembered; a key that is forgotten begins anew


class Rates:
    """GCRA per key, in this process: the instant at which each key's saved-up requests are all used."""

    def __init__(self, per_second: float) -> None:
        self.per_second = per_second
        self._until: OrderedDict[tuple[int, int], float] = OrderedDict()

    def wait_seconds(self, organization_id: int, key_id: int) -> float:
        """0 for a request that may be made now, and is counted; else how long to wait."""
        if not self.per_second:
            return 0
        now = time.monotonic()
        key = (organization_id, key_id)
        until = max(self._until.get(key, now), now) + 1 / self.per_second
        if (wait := until - now - BURST_SECONDS) > 0:
            return wait
        self._until[key] = until
        self._until.move_to_end(key)
        if len(self._until) > KEYS:
            self._until.popitem(last=False)
        return 0
