"""Caller IDs: how many calls to start, lines open per number, the rotation -> a number for each call."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from dialplane.errors import Invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerId:
    """A number of ours that calls come from. max_lines: calls in flight at once; None is no limit."""

    id: int
    e164: str
    max_lines: int | None = None

    def __post_init__(self) -> None:
        if self.max_lines is not None and self.max_lines < 1:
            raise Invalid(
                f"max_lines of {self.e164} must be 1 or more, not {self.max_lines}; leave it out for no limit"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberPool:
    """The caller IDs of a campaign, used in turn. An empty pool has no room: nothing can be called from it."""

    caller_ids: tuple[CallerId, ...] = ()

    def __post_init__(self) -> None:
        ids = [caller_id.id for caller_id in self.caller_ids]
        if len(set(ids)) < len(ids):
            raise Invalid(f"numbers: each may be named once, not {ids}")

    def assign(self, count: int, open_lines: Mapping[int, int], rotation: int) -> tuple[list[CallerId], int]:
        """At most `count` caller IDs, and where the next call goes on.

        open_lines: calls in flight by caller ID's id. rotation: what the call before returned, 0 at first; a pool that
        has changed since does no harm.
        """
        size = len(self.caller_ids)
        free = [self._free(caller_id, open_lines) for caller_id in self.caller_ids]
        queue = deque((rotation + i) % size for i in range(size))
        assigned: list[CallerId] = []
        while queue and len(assigned) < count:
            index = queue.popleft()
            left = free[index]
            if left is not None:
                if left <= 0:
                    continue  # full for good: lines are only taken here
                free[index] = left - 1
            queue.append(index)
            assigned.append(self.caller_ids[index])
            rotation = (index + 1) % size
        return assigned, rotation

    def room(self, open_lines: Mapping[int, int]) -> int | None:
        """How many more calls the pool can carry; None is no limit."""
        room = 0
        for caller_id in self.caller_ids:
            free = self._free(caller_id, open_lines)
            if free is None:
                return None
            room += free
        return room

    @staticmethod
    def _free(caller_id: CallerId, open_lines: Mapping[int, int]) -> int | None:
        if caller_id.max_lines is None:
            return None
        return max(caller_id.max_lines - open_lines.get(caller_id.id, 0), 0)
