"""Work in the background: jobs in the same database, enqueued in the transaction that wants them done."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog

from dialplane.errors import EnvironmentFault
from dialplane.store.postgres import CONNECTION_FAULTS, Connection, Database, describe, sql

if TYPE_CHECKING:  # a seventh of a second, which most commands save
    from pgqueuer import Job, PgQueuer
    from pgqueuer.models import Schedule

IMPORT, FORECAST = "import", "forecast"

MOST_CRASHES = 5  # after as many, a job is put aside: it may be what kills its process
HEARTBEAT = timedelta(seconds=10)  # the jobs of a process that was silent for as long go to another one
LONGEST_PAUSE = timedelta(minutes=1)
RESTART_PAUSE = timedelta(seconds=2)
HISTORY_KEPT = timedelta(days=7)
POLL = timedelta(seconds=5)  # where no notification arrives, behind a pooler
LOCK = 0x6A6F6273  # "jobs": processes that start together make the tables once

Handler = Callable[[Mapping[str, Any], asyncio.Event], Awaitable[None]]
Loop = Callable[[asyncio.Event], Awaitable[None]]

log = structlog.get_logger()


class Again(Exception):
    """Raised by a handler: not now, but after `delay`."""

    def __init__(self, delay: timedelta) -> None:
        super().__init__(f"again in {delay}")
        self.delay = delay


async def install(database: Database) -> None:
    """Make the queue's tables, or bring them up to date."""
    from pgqueuer import AsyncpgDriver, Queries  # noqa: PLC0415

    async with database.transaction() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        await Queries(AsyncpgDriver(connection)).upgrade()


async def purge_history(database: Database, now: datetime) -> None:
    """The queue keeps a history of its own, and never cleans it up."""
    before = now - HISTORY_KEPT
    async with database.connection() as connection:
        await sql.purge_job_history(connection, before=before)
        await sql.purge_job_statistics(connection, before=before)


async def enqueue(
    connection: Connection,
    name: str,
    payloads: Sequence[Mapping[str, Any]],
    *,
    delay: timedelta = timedelta(0),
) -> None:
    """Jobs that begin once the connection's transaction is committed. A payload names its `organization_id`."""
    from pgqueuer import AsyncpgDriver, Queries  # noqa: PLC0415

    if payloads:
        count = len(payloads)
        await Queries(AsyncpgDriver(connection)).enqueue(
            [name] * count,
            [json.dumps(payload).encode() for payload in payloads],
            [0] * count,
            [delay] * count,
        )


class JobQueue:
    """Jobs that one organization's doors ask for."""

    def __init__(self, database: Database, organization_id: int) -> None:
        self._database = database
        self._organization_id = organization_id

    async def enqueue_import(
        self, campaign_id: int, connection: Connection | None = None, *, delay: timedelta = timedelta(0)
    ) -> None:
        """Import the campaign's unfinished file; in the connection's transaction, if there is one."""
        payload = {"organization_id": self._organization_id, "campaign_id": campaign_id}
        if connection is not None:
            return await enqueue(connection, IMPORT, [payload], delay=delay)
        async with self._database.transaction() as own:
            await enqueue(own, IMPORT, [payload], delay=delay)
        return None


class Jobs:
    """Carries jobs out, beside `loops` that run until the event is set. Any number of processes may do so.

    handlers: name of a job -> what carries it out and how many at once. Carried out at least once: a handler must bear
    to be called again. It is given the event too: one that takes minutes may then raise Again. hourly: called once an
    hour, by one of all processes.
    """

    def __init__(
        self,
        database: Database,
        handlers: Mapping[str, tuple[Handler, int]],
        *,
        loops: Sequence[Loop] = (),
        hourly: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._database = database
        self._handlers = handlers
        self._loops = loops
        self._hourly = hourly
        self._stopping = asyncio.Event()
        self._queue: PgQueuer | None = None

    def stop(self) -> None:
        """Begin nothing more; `run` returns once the jobs at hand are done."""
        self._stopping.set()
        if self._queue is not None:
            self._queue.shutdown.set()

    async def run(self) -> None:
        """Until stopped. A lost database is waited for."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._work())
            for loop in self._loops:
                tasks.create_task(self._repeat(loop))

    async def _work(self) -> None:
        while not self._stopping.is_set():
            self._queue = self._open_queue()
            try:
                await self._queue.run(dequeue_timeout=POLL, heartbeat_timeout=HEARTBEAT)
            except CONNECTION_FAULTS as fault:
                await self._recover(fault)
            except Exception:
                log.exception("jobs.failed")
                await self._pause()

    async def _repeat(self, loop: Loop) -> None:
        while not self._stopping.is_set():
            try:
                await loop(self._stopping)
            except CONNECTION_FAULTS as fault:
                await self._recover(fault)
            except Exception:
                log.exception("jobs.loop_failed")
                await self._pause()

    async def _recover(self, fault: BaseException) -> None:
        log.warning("database.lost", fault=describe(fault))
        try:
            await self._database.recover()
        except EnvironmentFault as still:
            log.error("database.not_recovered", fault=str(still))
        await self._pause()

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), RESTART_PAUSE.total_seconds())

    def _open_queue(self) -> PgQueuer:
        from pgqueuer import AsyncpgPoolDriver, PgQueuer  # noqa: PLC0415

        from dialplane.engine.polling import PollingDriver  # noqa: PLC0415

        driver = AsyncpgPoolDriver if self._database.listens else PollingDriver
        queue = PgQueuer(driver(self._database.pool))
        for name, (handler, at_once) in self._handlers.items():
            queue.entrypoint(name, concurrency_limit=at_once, on_failure="hold")(self._guarded(name, handler))
        if self._hourly is not None:
            queue.schedule("hourly", "7 * * * *", clean_old=True)(self._scheduled(self._hourly))
        if self._stopping.is_set():
            queue.shutdown.set()
        return queue

    def _guarded(self, name: str, handler: Handler) -> Callable[[Job], Awaitable[None]]:
        from pgqueuer import RetryRequested  # noqa: PLC0415

        async def guarded(job: Job) -> None:
            payload = json.loads(job.payload or b"{}")
            of = {"organization_id": payload["organization_id"], "job_id": int(job.id)}
            try:
                pause = await self._carry_out(name, handler, job, payload, of)
            except CONNECTION_FAULTS as lost:
                # The queue puts a job aside, for good, whose wish to come again it cannot write down.
                await self._done_once_back(of, lost)
                pause = RESTART_PAUSE
            if pause is not None:
                raise RetryRequested(delay=pause)

        return guarded

    async def _carry_out(
        self, name: str, handler: Handler, job: Job, payload: Mapping[str, Any], of: Mapping[str, int]
    ) -> timedelta | None:
        """When to try again; None: it is done.

        A job whose process dies leaves its count behind; who finds too high a count puts the job aside (RuntimeError).
        """
        async with self._database.connection() as connection:
            crashes = await sql.begin_job(connection, **of) - 1
        if crashes > MOST_CRASHES:
            log.error("job.put_aside", job=name, crashes=crashes, **payload)
            raise RuntimeError(f"{name} has failed {crashes} times")
        pause: timedelta | None = None
        try:
            with structlog.contextvars.bound_contextvars(job=name, job_id=int(job.id)):
                await handler(payload, self._stopping)
        except Again as again:
            pause = again.delay
        except Exception as fault:
            log.warning("job.failed", job=name, tries=job.attempts + 1, exc_info=fault, **payload)
            pause = min(LONGEST_PAUSE, timedelta(seconds=2 ** min(job.attempts, 10)))
        await self._done(of)
        return pause

    async def _done_once_back(self, of: Mapping[str, int], fault: BaseException) -> None:
        """Raises the fault when this process stops before the database is back."""
        while True:
            await self._recover(fault)
            if self._stopping.is_set():
                raise fault
            try:
                return await self._done(of)
            except CONNECTION_FAULTS as still:
                fault = still

    async def _done(self, of: Mapping[str, int]) -> None:
        async with self._database.connection() as connection:
            await sql.end_job(connection, **of)

    @staticmethod
    def _scheduled(work: Callable[[], Awaitable[None]]) -> Callable[[Schedule], Awaitable[None]]:
        async def scheduled(_: Schedule) -> None:
            try:
                await work()
            except Exception:
                log.exception("jobs.hourly_failed")

        return scheduled
