"""Ctrl-C and SIGTERM: counted, and handed to whoever is at work."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """count: signals so far. Unless somebody else is named with `to`, a signal cancels the task that made this."""

    def __init__(self) -> None:
        self.count = 0
        task = asyncio.current_task()
        assert task is not None, "made outside a task"
        self._cancel = task.cancel
        self._receive: Callable[[int], object] = lambda _: self._cancel()

    def _arrived(self) -> None:
        self.count += 1
        self._receive(self.count)

    @contextmanager
    def to(self, receive: Callable[[int], object]) -> Iterator[None]:
        """Signals go there meanwhile; it is told how many there were since."""
        before, others = self.count, self._receive
        self._receive = lambda count: receive(count - before)
        try:
            yield
        finally:
            self._receive = others


@contextmanager
def interrupts() -> Iterator[Interrupts]:
    loop = asyncio.get_running_loop()
    made = Interrupts()
    for number in SIGNALS:
        loop.add_signal_handler(number, made._arrived)
    try:
        yield made
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
