"""The sound of a call as a conversation needs it: what has been said of it by now, and what has not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from dialplane.voice.outgoing import FRAME_BYTES
from dialplane.voice.wire import AUDIO, CLEAR, DIGIT, MARK, Wire

FRAME_SECONDS: Final = 0.02
LEAD_BYTES: Final = 10 * FRAME_BYTES  # given to the call before it is due: 200 ms, for a process that comes late


class Phone:
    """One call. on_sound, on_digit: are told what comes, one after the other.

    Each frame that comes tells that 20 ms of what was given have been said (`voice/sound.py`: one clock has both).
    """

    def __init__(self, wire: Wire, since_seconds: float) -> None:
        self.on_sound: Callable[[bytes], Awaitable[None]] = _nobody
        self.on_digit: Callable[[str], Awaitable[None]] = _nobody
        self.ended = asyncio.Event()
        self._wire = wire
        self._since_seconds = since_seconds
        self._frames = 0
        self._left = self.said_bytes = 0
        self._room = asyncio.Event()
        self._cuts = 0
        self._marks: dict[bytes, asyncio.Event] = {}

    @property
    def seconds(self) -> float:
        """Since the answer."""
        return self._since_seconds + self._frames * FRAME_SECONDS

    async def listen(self) -> None:
        """Until the call has ended."""
        try:
            async for kind, content in self._wire:
                if kind == AUDIO:
                    self._passed()
                    await self.on_sound(content)
                elif kind == DIGIT:
                    await self.on_digit(content.decode())
                elif kind == MARK and (reached := self._marks.get(content)) is not None:
                    reached.set()
        finally:
            self.ended.set()
            self._room.set()
            for reached in self._marks.values():
                reached.set()

    def _passed(self) -> None:
        self._frames += 1
        said = min(self._left, FRAME_BYTES)
        self._left -= said
        self.said_bytes += said
        if self._left <= LEAD_BYTES:
            self._room.set()

    async def say(self, pcm: bytes) -> bool:
        """Return once there is room for more. False: it was cut, or the call has ended, before this was given."""
        cuts = self._cuts
        while self._left > LEAD_BYTES and not self.ended.is_set():
            self._room.clear()
            await self._room.wait()
        if self._cuts != cuts or self.ended.is_set():
            return False
        self._left += len(pcm)
        self._wire.send(AUDIO, pcm)
        return True

    def cut(self) -> None:
        """Say nothing more of what was given."""
        self._cuts += 1
        self._left = 0
        self._wire.send(CLEAR)
        self._room.set()

    async def until_said(self) -> None:
        """Return once all that was given has been said, or cut, or the call has ended."""
        if self.ended.is_set():
            return
        name = f"{len(self._marks)}".encode()
        reached = self._marks[name] = asyncio.Event()
        self._wire.send(MARK, name)
        await reached.wait()


async def _nobody(_: object) -> None:
    """Before the conversation listens."""
