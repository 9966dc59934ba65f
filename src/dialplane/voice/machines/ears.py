"""What listens to one call for machines: while the agent talks, and then for the beep after which a message is left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Final

import structlog

from dialplane.core.answered_by import AnsweredBy
from dialplane.voice.hearing import HearingFailed
from dialplane.voice.machines.detector import Detector
from dialplane.voice.machines.phrases import Phrase
from dialplane.voice.machines.rules import may_leave_message

PATIENCE_SECONDS: Final = 40.0  # for a greeting to end; most are over after 20

log = structlog.get_logger()

Spots = Callable[[bytes], Awaitable[Collection[Phrase]]]


class Ears:
    """`feed` gets what the other side says, 20 ms at a time, silence included."""

    def __init__(self, spots: Spots, on_answered_by: Callable[[AnsweredBy], None]) -> None:
        """spots: sound -> phrases in it; raises HearingFailed. on_answered_by: is told whenever that changes."""
        self._spots = spots
        self._tell = on_answered_by
        self._detector = Detector()
        self._told: AnsweredBy | None = None
        self._spotting: asyncio.Task[None] | None = None
        self._waiting: asyncio.Future[None] | None = None  # for the moment at which a machine records

    def feed(self, frame: bytes) -> None:
        verdict = self._detector.verdict
        if verdict is None or not verdict.is_final:
            self._detector.feed(frame)
            self._judge()
        elif verdict.answered_by is AnsweredBy.MACHINE:
            self._detector.feed(frame)
            if self._waiting is not None and not self._waiting.done() and may_leave_message(self._detector.evidence()):
                self._waiting.set_result(None)

    async def may_speak(self) -> None:
        """Return when a machine records, or it has taken so long that nobody knows."""
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._waiting
        except TimeoutError:
            log.info("machine.no_beep", after_seconds=PATIENCE_SECONDS)
        finally:
            self._waiting = None

    def close(self) -> None:
        """The call is over."""
        if self._spotting is not None:
            self._spotting.cancel()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _judge(self) -> None:
        verdict = self._detector.verdict
        if verdict is not None and verdict.answered_by is not self._told:
            self._told = verdict.answered_by
            self._tell(self._told)
        if self._spotting is None and (sound := self._detector.wants()) is not None:
            self._spotting = asyncio.create_task(self._spot(sound))

    async def _spot(self, sound: bytes) -> None:
        try:
            phrases = await self._spots(sound)
        except HearingFailed as fault:
            log.warning("machine.not_understood", error=str(fault))
            phrases = ()  # time and tones decide
        self._detector.understand(phrases)
        self._spotting = None
