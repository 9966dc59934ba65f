"""What is to be said on a call: handed to who carries it a little before it is due, counted as said when it is."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

FRAME_BYTES: Final = 320  # 20 ms
SILENCE: Final = bytes(FRAME_BYTES)
AHEAD: Final = 10  # frames that are written before they are due, for a clock that comes late
AUDIBLE: Final = 250  # of 32,767; what telephone networks make of silence stays far below


class Takes(Protocol):
    """Where sound goes out."""

    def write(self, pcm: bytes) -> None: ...

    def flush_tx(self) -> None: ...


class Outgoing:
    """`tick` is called every 20 ms."""

    def __init__(self, audio: Takes) -> None:
        self._audio = audio
        self._left = bytearray()  # from what is being said now on
        self._sent = 0  # bytes of it that have been handed over
        self._said = self._given = 0  # bytes, since the beginning
        self._marks: deque[tuple[int, Callable[[], None]]] = deque()

    @property
    def left_bytes(self) -> int:
        return len(self._left)

    def add(self, pcm: bytes) -> None:
        """After what is still to be said."""
        self._left += pcm
        self._given += len(pcm)

    def mark(self, reached: Callable[[], None]) -> None:
        """`reached` is called once all has been said that was given so far, or will not be said any more."""
        self._marks.append((self._given, reached))

    def clear(self) -> None:
        """Say nothing more of what was given."""
        if self._sent:
            self._audio.flush_tx()
        self._left.clear()
        self._sent, self._said = 0, self._given
        self._reach()

    def tick(self) -> bytes:
        """The frame that is said now."""
        if self._sent < (ahead := min(AHEAD * FRAME_BYTES, len(self._left))):
            self._audio.write(bytes(self._left[self._sent : ahead]))
            self._sent = ahead
        frame = bytes(self._left[:FRAME_BYTES])
        del self._left[: len(frame)]
        self._sent -= len(frame)
        self._said += len(frame)
        self._reach()
        return frame.ljust(FRAME_BYTES, b"\0")

    def _reach(self) -> None:
        while self._marks and self._marks[0][0] <= self._said:
            self._marks.popleft()[1]()


def is_audible(frame: bytes) -> bool:
    return max(map(abs, array("h", frame)), default=0) > AUDIBLE
