"""Caller IDs: how many calls to start, lines open per number, the rotation -> a number for each call."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from dialplane.errors import Invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerId:
    """A number of ours that calls come from. max_lines: calls in flight at once; None is no limit.

    rotates: used in turn; the others are for the contacts that have them as their own.
    """

    id: int
    e164: str
    max_lines: int | None = None
    rotates: bool = True

    def __post_init__(self) -> None:
        if self.max_lines is not None and self.max_lines < 1:
            raise Invalid(
                f"max_lines of {self.e164} must be 1 or more, not {self.max_lines}; leave it out for no limit"
            )

    def free(self, open_lines: Mapping[int, int]) -> int | None:
        """How many more calls can come from it; None is no limit."""
        return None if self.max_lines is None else max(self.max_lines - open_lines.get(self.id, 0), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberPool:
    """The caller IDs of a campaign. An empty pool has no room: nothing can be called from it."""

    caller_ids: tuple[CallerId, ...] = ()

    def __post_init__(self) -> None:
        ids = [caller_id.id for caller_id in self.caller_ids]
        if len(set(ids)) < len(ids):
            raise Invalid(f"numbers: each may be named once, not {ids}")

    def own(self, number_id: int) -> CallerId | None:
        """The caller ID with this id; None where it cannot be called from."""
        return next((caller_id for caller_id in self.caller_ids if caller_id.id == number_id), None)

    def assign(self, count: int, open_lines: Mapping[int, int], rotation: int) -> tuple[list[CallerId], int]:
        """At most `count` caller IDs, used in turn, and where the next call goes on.

        open_lines: calls in flight by caller ID's id. rotation: what the call before returned, 0 at first; a pool that
        has changed since does no harm.
        """
        rotating = [caller_id for caller_id in self.caller_ids if caller_id.rotates]
        size = len(rotating)
        free = [caller_id.free(open_lines) for caller_id in rotating]
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
            assigned.append(rotating[index])
            rotation = (index + 1) % size
        return assigned, rotation

    def room(
        self, open_lines: Mapping[int, int], *, rotating: bool = True, own: Collection[int] = frozenset()
    ) -> int | None:
        """How many more calls can come from those used in turn and from those with the ids `own`; None: no limit."""
        room = 0
        for caller_id in self.caller_ids:
            if (rotating and caller_id.rotates) or caller_id.id in own:
                free = caller_id.free(open_lines)
                if free is None:
                    return None
                room += free
        return room
