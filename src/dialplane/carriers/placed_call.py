"""A call as its carrier has told of it, wherever its sound is; and what every agent's line on one says alike."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from dialplane.carriers.answering import Answering
from dialplane.core.answered_by import AnsweredBy
from dialplane.core.attempt import Order
from dialplane.ports import CallEvent, Line


@dataclass(eq=False, slots=True, kw_only=True)
class PlacedCall:
    """held: events that wait for `place` to return. is_over: only its end is still to be told.

    alarm: takes back what happens when it lasts too long.
    """

    order: Order
    placed_at: datetime | None = None
    ringing_at: datetime | None = None
    answered_at: datetime | None = None
    first_word_seconds: float | None = None
    answering: Answering = field(default_factory=Answering)
    is_placing: bool = False
    is_over: bool = False
    held: list[CallEvent] = field(default_factory=list)
    alarm: Callable[[], None] = lambda: None

    @property
    def name(self) -> str:
        return str(self.order.attempt_uuid)


class PlacedLine(Line):
    """Implements of ports.Line what is known here."""

    def __init__(self, call: PlacedCall, *, is_recorded: bool) -> None:
        self._call = call
        self._is_recorded = is_recorded
        self._is_taken_over = False

    @abstractmethod
    async def _announce(self, text: str) -> float:
        """As `announce`, on a call that is recorded."""

    @property
    def first_word_seconds(self) -> float | None:
        return self._call.first_word_seconds

    @property
    def answered_by(self) -> AnsweredBy | None:
        return self._call.answering.value

    async def no_person(self) -> AnsweredBy:
        return await self._call.answering.no_person()

    async def announce(self, text: str) -> float | None:
        return await self._announce(text) if self._is_recorded else None
