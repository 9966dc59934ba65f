"""The events of a carrier's calls on their way to the engine."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Protocol

from dialplane.ports import CallEvent, Ended

ENDS_KEPT: Final = 1000


class Placed(Protocol):
    """A call. held: its events that wait for `place` to return."""

    is_placing: bool
    held: list[CallEvent]


class Events:
    """None is told before `place` has returned. Ends of the latest calls are kept, for who asks once more."""

    def __init__(self) -> None:
        self._receive: Callable[[CallEvent], None] = lambda _: None
        self.ends: OrderedDict[str, Ended] = OrderedDict()  # by the attempt's uuid

    def listen(self, receive: Callable[[CallEvent], None]) -> None:
        self._receive = receive

    def tell(self, call: Placed, event: CallEvent) -> None:
        if call.is_placing or call.held:
            call.held.append(event)
        else:
            self._receive(event)

    def tell_held(self, call: Placed) -> None:
        """`place` has returned."""
        held, call.held = call.held, []
        for event in held:
            self._receive(event)

    def tell_end_again(self, attempt: str) -> bool:
        """Whether it has ended."""
        if (ended := self.ends.get(attempt)) is not None:
            self._receive(ended)
        return ended is not None

    def keep(self, ended: Ended) -> str | None:
        """The attempt whose end is forgotten for it."""
        self.ends[str(ended.attempt_uuid)] = ended
        return self.ends.popitem(last=False)[0] if len(self.ends) > ENDS_KEPT else None

    def close(self) -> None:
        self._receive = lambda _: None
