"""What a voice server gives to be said: handed to the call a little ahead, so that the rest can still be taken back."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from dialplane.voice.ulaw import from_ulaw
from dialplane.voice.wire import AUDIO, CLEAR, MARK

FRAME: Final = 160  # bytes of μ-law: 20 ms
AHEAD: Final = 50 * FRAME  # a second, which the call has before it is due
MOST_WAITING: Final = 30_000 * FRAME  # ten minutes: no voice server plans to talk for so long
MOST_MARKS: Final = 1000


class Flooded(Exception):
    """More than anybody will listen to."""

    def __str__(self) -> str:
        return "more than ten minutes of sound that nobody has heard yet"


class Playing:
    """`tick` is called every 20 ms of the call. send: to the call, as `voice/wire.py` says; it must not wait.

    Marks come back by the call's own word: what it has been given is said when it says so.
    """

    def __init__(self, send: Callable[[bytes, bytes], None]) -> None:
        self._send = send
        self._waiting: deque[bytearray | str] = deque()  # sound, and names of marks
        self._waiting_bytes = self._marks = 0
        self._ahead = 0  # bytes that the call has been given and has not said, as far as time tells

    def add(self, ulaw: bytes) -> None:
        """Raises Flooded."""
        if self._waiting and isinstance(last := self._waiting[-1], bytearray):
            last += ulaw
        else:
            self._waiting.append(bytearray(ulaw))
        self._waiting_bytes += len(ulaw)
        if self._waiting_bytes > MOST_WAITING:
            raise Flooded
        self._hand_over()

    def mark(self, name: str) -> None:
        """Raises Flooded."""
        self._waiting.append(name)
        self._marks += 1
        if self._marks > MOST_MARKS:
            raise Flooded
        self._hand_over()

    def clear(self) -> None:
        """Say nothing more of it; all its marks come back."""
        names = [each for each in self._waiting if isinstance(each, str)]
        self._waiting.clear()
        self._waiting_bytes = self._marks = self._ahead = 0
        self._send(CLEAR, b"")
        for name in names:
            self._send(MARK, name.encode())

    def tick(self) -> None:
        self._ahead = max(0, self._ahead - FRAME)
        self._hand_over()

    def _hand_over(self) -> None:
        while self._waiting and self._ahead < AHEAD:
            first = self._waiting[0]
            if isinstance(first, str):
                self._marks -= 1
                self._send(MARK, first.encode())
            else:
                now = bytes(first[: AHEAD - self._ahead])
                del first[: len(now)]
                self._ahead += len(now)
                self._waiting_bytes -= len(now)
                self._send(AUDIO, from_ulaw(now))
            if not first or isinstance(first, str):
                self._waiting.popleft()
