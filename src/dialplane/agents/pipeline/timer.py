"""Something that is due unless it is put off."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class Timer:
    """due: is awaited once the seconds have passed."""

    def __init__(self, due: Callable[[], Awaitable[None]]) -> None:
        self._due = due
        self._waiting: asyncio.TimerHandle | None = None
        self._running: asyncio.Future[None] | None = None

    def start(self, seconds: float) -> None:
        """From now on, whatever was started before."""
        self.stop()
        self._waiting = asyncio.get_running_loop().call_later(max(0.0, seconds), self._run)

    def put_off(self, seconds: float) -> None:
        """From now on, where it has been started."""
        if self._waiting is not None:
            self.start(seconds)

    def stop(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _run(self) -> None:
        self._waiting = None
        self._running = asyncio.ensure_future(self._due())
