"""Worker processes in virtual time that vanish: before or after any of their transactions, or between two steps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any

from bench import LONGEST_RUN_SECONDS, Bench

from dialplane.clocks import VirtualClock
from dialplane.engine.worker import Worker
from dialplane.store.postgres import Connection, Database
from dialplane.wiring import assemble


class Vanished(BaseException):
    """The process that runs this is gone: no `except Exception` goes on after it."""


class Life:
    """Of one process. A transaction is all or nothing, so it can vanish before or after it, and nowhere else.

    borders: of transactions, two each, that it lives to pass; None: it lives until `end`.
    """

    def __init__(self, borders: int | None = None) -> None:
        self.borders = borders
        self.over = False
        self._wakes: asyncio.Event | None = None

    def end(self) -> None:
        self.over = True
        if self._wakes is not None:
            self._wakes.set()

    def waits_for(self, wake: asyncio.Event) -> None:
        """Whoever waits for this hears of the end."""
        self._wakes = wake

    def check(self) -> None:
        if self.over:
            raise Vanished

    def pass_border(self) -> None:
        self.check()
        if self.borders is not None:
            self.borders -= 1
            if self.borders <= 0:
                self.end()
                raise Vanished


class MortalDatabase(Database):
    """The same pool, for a process that may vanish."""

    def __init__(self, database: Database, life: Life) -> None:
        super().__init__(database.pool, None, database.pool.acquire)
        self._life = life

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        self._life.pass_border()
        async with super().connection() as connection:
            yield connection
        self._life.pass_border()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        self._life.pass_border()
        async with super().transaction() as connection:
            yield connection
        self._life.pass_border()

    @asynccontextmanager
    async def short_transaction(self) -> AsyncIterator[Connection]:
        self._life.pass_border()
        async with super().short_transaction() as connection:
            yield connection
        self._life.pass_border()


class MortalClock:
    """Implements ports.Clock: the virtual clock that all processes share, of which the dead hear nothing more.

    With `stop_at` the process that waits is held there, so that somebody can give a command in the middle of its life.
    """

    virtual = True

    def __init__(self, clock: VirtualClock, life: Life) -> None:
        self._clock = clock
        self._life = life
        self._stop_at: datetime | None = None
        self._go_on = asyncio.Event()
        self.stopped = asyncio.Event()
        self.now = clock.now
        self.instant = clock.instant
        self.monotonic = clock.monotonic

    def call_at(self, at: datetime, callback: Callable[[], None]) -> Callable[[], None]:
        return self._clock.call_at(at, lambda: None if self._life.over else callback())

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._clock.spawn(self._live(work))

    async def _live(self, work: Coroutine[Any, Any, None]) -> None:
        if self._life.over:
            work.close()
            return
        with suppress(Vanished):
            await work

    async def sleep_until(self, at: datetime) -> None:
        await self._clock.sleep_until(at)
        self._life.check()

    async def wait(self, wake: asyncio.Event, until: datetime | None) -> None:
        self._life.waits_for(wake)
        while True:
            self._life.check()
            await self._clock.wait(wake, min((at for at in (until, self._stop_at) if at is not None), default=None))
            self._life.check()
            now = self._clock.now()
            if wake.is_set() or (until is not None and until <= now) or self._stop_at is None:
                return
            if self._stop_at <= now:
                self._go_on.clear()
                self.stopped.set()
                await self._go_on.wait()

    def go_on(self, stop_at: datetime) -> None:
        self._stop_at = stop_at
        self.stopped.clear()
        self._go_on.set()


class Process:
    """A worker with carriers, agents and a life of its own, on the clock and the database of a bench."""

    def __init__(
        self,
        bench: Bench,
        *,
        borders: int | None = None,
        campaign_id: int | None = None,
        finished: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        app = bench.app
        assert isinstance(app.clock, VirtualClock)
        self.life = Life(borders)
        self._virtual = app.clock
        self._clock = MortalClock(app.clock, self.life)
        database = MortalDatabase(app.database, self.life)
        self._bench = bench
        self._app = assemble(app.settings, database, self._clock, app.organization_id, app.logs)
        self.worker: Worker = self._app.worker(campaign_id=campaign_id, finished=finished)
        self._running: asyncio.Task[None] | None = None

    async def run(self) -> bool:
        """To its end; whether it came to it alive."""
        await self._succeed()
        try:
            async with asyncio.timeout(LONGEST_RUN_SECONDS):
                await self.worker.run()
        except Vanished:
            return False
        finally:
            await self.bury()
        return True

    async def run_until(self, instant: datetime) -> None:
        """Up to this instant of virtual time, or to its death: calls stay in progress, and nothing is at work."""
        self._clock.go_on(instant)
        if self._running is None:
            await self._succeed()
            self._running = asyncio.create_task(self._run())
        stopped = asyncio.create_task(self._clock.stopped.wait())
        async with asyncio.timeout(LONGEST_RUN_SECONDS):
            await asyncio.wait({self._running, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if self._running.done():
            await self._running
            await self.bury()

    async def vanish(self) -> None:
        """Between two steps, with what is in progress."""
        self.life.end()
        if self._running is not None:
            self._clock.go_on(self._virtual.now())
            await self._running
        await self.bury()

    async def bury(self) -> None:
        self.life.end()
        await self._app.carriers.close()

    async def _succeed(self) -> None:
        """Workers look again and again for what others have left; in virtual time, where there are none, only once."""
        self.worker.calls.unclear.set()  # calls of the one before
        async with self._bench.app.database.connection() as connection:
            next_turn_at = await connection.fetchval(
                "SELECT next_turn_at FROM organization WHERE id = $1", self._app.organization_id
            )
        if next_turn_at is not None:
            self._clock.call_at(next_turn_at, self.worker.look)

    async def _run(self) -> None:
        with suppress(Vanished):
            await self.worker.run()
