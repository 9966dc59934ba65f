"""The two clocks: real time, and virtual time in which days pass in seconds."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from dialplane.errors import StandsStill

BOOT_CLOCK: int | None = getattr(time, "CLOCK_BOOTTIME", None)


class _Tasks:
    """Work in progress beside the caller; the first exception is kept for `wait` to raise."""

    def __init__(self) -> None:
        self.running: set[asyncio.Task[None]] = set()
        self.changed = asyncio.Event()  # some work has ended, or sleeps
        self.failure: BaseException | None = None

    def start(self, work: Coroutine[Any, Any, None], wake: Callable[[], None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.running.add(task)

        def finished(task: asyncio.Task[None]) -> None:
            self.running.discard(task)
            self.changed.set()
            if not task.cancelled() and (failure := task.exception()) is not None and self.failure is None:
                self.failure = failure
                wake()

        task.add_done_callback(finished)

    def raise_failure(self) -> None:
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure


class RealClock:
    """The machine's clock; SQL uses the database's own."""

    virtual = False

    def __init__(self) -> None:
        self._tasks = _Tasks()
        self._wake = asyncio.Event()  # whoever waits shall hear of a failure

    def now(self) -> datetime:
        return datetime.now(UTC)

    def instant(self) -> datetime | None:
        return None

    def monotonic(self) -> float:
        # Linux stops CLOCK_MONOTONIC while the machine is suspended; a deadline must pass all the same.
        return time.clock_gettime(BOOT_CLOCK) if BOOT_CLOCK is not None else time.monotonic()

    def call_at(self, at: datetime, callback: Callable[[], None]) -> Callable[[], None]:
        delay = max(0.0, (at - self.now()).total_seconds())
        return asyncio.get_running_loop().call_later(delay, callback).cancel

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.start(work, self._heard)

    def _heard(self) -> None:
        self._wake.set()

    async def sleep_until(self, at: datetime) -> None:
        delay = (at - self.now()).total_seconds()
        if delay > 0:
            await asyncio.sleep(delay)

    async def wait(self, wake: asyncio.Event, until: datetime | None) -> None:
        self._tasks.raise_failure()
        self._wake = wake
        with suppress(TimeoutError):
            async with asyncio.timeout(None if until is None else max(0.0, (until - self.now()).total_seconds())):
                await wake.wait()
        self._tasks.raise_failure()


class VirtualClock:
    """Time that moves only in `wait`, from one alarm to the next, once all spawned work is done.

    One task alone may call `wait`: while it waits, nothing but alarms and spawned work runs.
    """

    virtual = True

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC)
        self._alarms: list[tuple[datetime, int, Callable[[], None]]] = []
        self._order = itertools.count()  # alarms of one instant ring in the order in which they were set
        self._cancelled: set[int] = set()
        self._tasks = _Tasks()

    def now(self) -> datetime:
        return self._now

    def instant(self) -> datetime | None:
        return self._now

    def monotonic(self) -> float:
        return self._now.timestamp()

    def call_at(self, at: datetime, callback: Callable[[], None]) -> Callable[[], None]:
        number = next(self._order)
        heapq.heappush(self._alarms, (max(at, self._now), number, callback))
        return lambda: self._cancelled.add(number)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.start(work, lambda: None)

    async def sleep_until(self, at: datetime) -> None:
        """Only inside spawned work: it does not hold time back while it sleeps."""
        if at <= self._now:
            return
        task = asyncio.current_task()
        assert task in self._tasks.running, "only spawned work may sleep in virtual time"
        rung = asyncio.get_running_loop().create_future()

        def ring() -> None:
            self._tasks.running.add(task)
            rung.set_result(None)

        self.call_at(at, ring)
        self._tasks.running.discard(task)
        self._tasks.changed.set()
        await rung

    async def wait(self, wake: asyncio.Event, until: datetime | None) -> None:
        """Raises StandsStill when nothing is left that could ever happen, which real time would hide."""
        while True:
            while self._tasks.running:
                self._tasks.changed.clear()
                await self._tasks.changed.wait()
            self._tasks.raise_failure()
            if wake.is_set():
                return
            if until is not None and (not self._alarms or until <= self._alarms[0][0]):
                self._now = max(self._now, until)
                return
            if not self._alarms:
                raise StandsStill(f"virtual time stands still at {self._now}: no alarm is set and nothing is due")
            at, number, callback = heapq.heappop(self._alarms)
            if number in self._cancelled:
                self._cancelled.discard(number)
                continue
            self._now = max(self._now, at)
            callback()
            await asyncio.sleep(0)

    def advance(self, by: timedelta) -> None:
        """Jump ahead, alarms in between left to ring late: what a machine that slept would see."""
        self._now += by
