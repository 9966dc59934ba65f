"""The loop of one worker: settle, turn, send, write down, reconcile; then wait for whatever comes first."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import structlog

from dialplane.engine.calls import Calls
from dialplane.engine.campaigns import Campaigns
from dialplane.engine.dispatcher import Dispatcher, TurnResult
from dialplane.engine.orders import LOOK_AHEAD, Orders
from dialplane.engine.outcomes import EndedCall, Fault
from dialplane.engine.reconciler import Reconciler
from dialplane.engine.speakers import Speakers
from dialplane.errors import EnvironmentFault, InvalidTransition
from dialplane.metrics import ANSWERS, CLAIMS, REFILL, TURNS
from dialplane.ports import Agents, Carriers, Clock, Screening
from dialplane.store.postgres import CONNECTION_FAULTS, Database, describe, rows, sql

IDLE_POLL = timedelta(milliseconds=250)  # how often a worker looks for work that nobody told it of
TAKEN_PAUSE = timedelta(milliseconds=5)  # another worker's turn is over by then
FAILED_PAUSE = timedelta(seconds=5)
HEARTBEAT = timedelta(seconds=1)
RECONCILE = timedelta(seconds=1)
# In real time a line is refilled within milliseconds; in virtual time many together, after a fiftieth of what calls
# last: a line that waits for half of that stands idle for a hundredth of its time.
VIRTUAL_SETTLE = (timedelta(milliseconds=250), timedelta(seconds=1))
SETTLE_SHARE = 1 / 50
SMOOTHING = 50  # calls
VIRTUAL_MARK = timedelta(seconds=4)  # an order that is being sent has a deadline a second later
MARK = timedelta(milliseconds=10)  # who waits for a call to be marked as placed, such as a pause, waits no longer
# Plans are made while tables are small and kept: after so many calls the server looks at them again.
GROWTH = (100, 1_000, 10_000, 100_000)
ORGANIZATIONS = 8  # looked at in one round

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Only:
    """A worker that gives its lines to one campaign."""

    organization_id: int
    campaign_id: int


class Worker:
    """Any number of these, in any number of processes, dial the same campaigns.

    capacity: the most lines that this one uses. finished: asked whenever it is idle; True ends `run`.
    address: where servers bring what carriers tell of its calls.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        carriers: Carriers,
        agents: Agents,
        screening: Screening,
        *,
        capacity: int = 500,
        only: Only | None = None,
        finished: Callable[[], Awaitable[bool]] | None = None,
        worker_id: UUID | None = None,
        address: str | None = None,
    ) -> None:
        self._address = address
        self.worker_id = worker_id or uuid4()
        self._database = database
        self._clock = clock
        self._carriers = carriers
        self._agents = agents
        self._capacity = capacity
        self._only = only
        self._finished = finished
        self._wake = asyncio.Event()
        self._stopping = False
        self.calls = Calls(database, clock, self.worker_id, carriers, agents, self._wake)
        self.orders = Orders(database, clock, self.worker_id, self.calls, screening, self._wake)
        only_campaign = only.campaign_id if only else None
        self._dispatcher = Dispatcher(database, clock, self.worker_id, only_campaign=only_campaign)
        self._reconciler = Reconciler(database, clock, self.worker_id, self.calls)
        self._unsettled: dict[int, list[EndedCall]] = defaultdict(list)
        self._faults: dict[int, set[Fault]] = defaultdict(set)
        self._turn_at: dict[int, datetime] = {}  # organizations that this worker itself wants to look at again
        self._settle_at = self._mark_at = clock.now()
        self._settle_pause = VIRTUAL_SETTLE[0]
        self._poll_at: datetime | None = clock.now()
        self._reconcile_at: datetime | None = None
        self._reconciling = False
        self._beat_at: datetime | None = None
        self._settled = 0  # calls, by this worker
        self._growth = list(GROWTH)

    @property
    def in_flight(self) -> int:
        """Lines this worker uses or is about to use."""
        return self.orders.in_flight + self.calls.in_flight

    def stop(self) -> None:
        """Start nothing more; `run` returns once the calls in progress have ended and are settled."""
        self._stopping = True
        self.orders.forget()
        self._wake.set()

    def look(self) -> None:
        """Look for work now: somebody gave a command in this process."""
        self._poll_at = self._clock.now()
        self._wake.set()

    async def run(self) -> None:
        """Dial until stopped, or until `finished` says so. A lost database is waited for; calls go on."""
        try:
            while not await self._is_done():
                self._wake.clear()
                try:
                    await self._step()
                    if not await self._is_done():  # nothing may be left that could end the wait
                        await self._clock.wait(self._wake, self._next_at())
                except CONNECTION_FAULTS as fault:
                    await self._recover(fault)
                except EnvironmentFault:
                    raise
                except Exception:
                    if self._only is not None:
                        raise
                    log.exception("worker.step_failed")
                    await asyncio.sleep(FAILED_PAUSE.total_seconds())
        finally:
            await self._leave()

    async def _is_done(self) -> bool:
        if self._stopping or not self._idle() or self._finished is None:
            return self._stopping and self._idle()
        try:
            return await self._finished()
        except CONNECTION_FAULTS:
            return False  # the step that follows meets the same fault and recovers

    def _idle(self) -> bool:
        return not self.in_flight and not self.calls.has_ended and not any(self._unsettled.values())

    async def _step(self) -> None:
        await self._beat()
        now = self._clock.now()
        if self._settle_at <= now or not self._clock.virtual:
            ended = self.calls.take_ended()
            for call in ended:
                self._unsettled[call.organization_id].append(call)
            if ended and self._clock.virtual:
                self._settle_at = now + self._pause_after(ended)
        if self._mark_at <= now:
            self._mark_at = now + (VIRTUAL_MARK if self._clock.virtual else MARK)
            self.calls.flush()
        await self._fail_broken()
        for organization_id in await self._organizations():
            await self._turn_safely(organization_id)
        self.orders.send_due()
        self._start_reconciling()

    def _pause_after(self, ended: Sequence[EndedCall]) -> timedelta:
        """Until calls are settled again, by what the latest ones have lasted."""
        for call in ended:
            if call.outcome.placed_at is not None:
                share = (call.outcome.ended_at - call.outcome.placed_at) * SETTLE_SHARE
                self._settle_pause += (share - self._settle_pause) / SMOOTHING
        return min(max(self._settle_pause, VIRTUAL_SETTLE[0]), VIRTUAL_SETTLE[1])

    # --- turns -------------------------------------------------------------------------------------------

    async def _organizations(self) -> list[int]:
        """Where a turn is wanted: calls to settle, an instant that has come, or work that the database knows of."""
        now = self._clock.now()
        wanted = [organization_id for organization_id, ended in self._unsettled.items() if ended]
        wanted += [organization_id for organization_id, at in self._turn_at.items() if at <= now]
        wanted += self.orders.take_freed()
        if self._room() > 0 and self._poll_at is not None and self._poll_at <= now:
            wanted += await self._poll()
            self._poll_at = None if self._clock.virtual else now + IDLE_POLL  # virtual time has no other process in it
        return list(dict.fromkeys(wanted))

    async def _poll(self) -> list[int]:
        if self._only is not None:
            return [self._only.organization_id]
        async with self._database.connection() as connection:
            due = sql.due_organizations(connection, now=self._clock.instant(), limit=ORGANIZATIONS)
            return [row["id"] for row in await rows(due)]

    def _room(self) -> int:
        return 0 if self._stopping else max(0, self._capacity - self.in_flight)

    async def _turn_safely(self, organization_id: int) -> None:
        """A defect in one organization's data must not stop the dialling of the others."""
        try:
            await self._turn(organization_id)
        except CONNECTION_FAULTS:
            raise
        except Exception:
            if self._only is not None:
                raise
            log.exception("turn.failed", organization_id=organization_id)
            self._turn_at[organization_id] = self._clock.now() + FAILED_PAUSE

    async def _turn(self, organization_id: int) -> None:
        ended = self._unsettled[organization_id]
        result = await self._dispatcher.turn(organization_id, ended, self._room(), self._faults[organization_id])
        if result is None:
            self._faults[organization_id] |= await self._dispatcher.settle_alone(organization_id, ended)
            self._turn_at[organization_id] = self._clock.now() + TAKEN_PAUSE
            TURNS.labels("taken").inc()
        else:
            TURNS.labels("ran").inc()
            self._count(ended, result)
            self._faults[organization_id] = result.watched
            self._plan_next(organization_id, result)
        del self._unsettled[organization_id]
        for call in ended:
            if call.outcome.abandoned is not None:
                ANSWERS.labels("abandoned" if call.outcome.abandoned else "spoken").inc()
        self._grow(len(ended))

    def _grow(self, settled: int) -> None:
        self._settled += settled
        if self._growth and self._settled >= self._growth[0]:
            self._clock.spawn(self._analyze(self._growth.pop(0)))

    async def _analyze(self, attempts: int) -> None:
        """A fresh table is planned as if it stayed empty, so that each statement would read all of it."""
        async with self._database.connection() as connection:
            if await sql.attempts_estimated(connection) < attempts / 2:
                await sql.analyze(connection)

    def _count(self, ended: Sequence[EndedCall], result: TurnResult) -> None:
        """Lines that this turn gave back and took again: the clock is the one that the calls ended by."""
        CLAIMS.inc(len(result.orders))
        now = self._clock.now()
        for call, _ in zip(ended, result.orders, strict=False):
            REFILL.observe(max(0.0, (now - call.outcome.ended_at).total_seconds()))

    def _plan_next(self, organization_id: int, result: TurnResult) -> None:
        self.orders.add(result.orders, result.ahead)
        self._turn_at.pop(organization_id, None)
        if result.next_at is not None and self._room() > 0:
            self._turn_at[organization_id] = result.next_at + result.ahead
        if result.deadline_at is not None and self._clock.virtual and self._reconcile_at is None:
            self._reconcile_by(result.deadline_at)  # the pass itself finds the deadlines that follow

    async def _fail_broken(self) -> None:
        """Campaigns whose agent or carrier is gone stop, and say why; resuming tries again."""
        for organization_id, campaign_id in list(self.calls.broken):
            reason = self.calls.broken[organization_id, campaign_id]
            with suppress(InvalidTransition):  # another worker was first, or somebody paused it
                speakers = Speakers(self._database, self._agents, organization_id)
                campaigns = Campaigns(self._database, self._clock, organization_id, self._carriers, speakers)
                await campaigns.fail(campaign_id, reason)
            del self.calls.broken[organization_id, campaign_id]

    # --- reconciling -------------------------------------------------------------------------------------

    def _start_reconciling(self) -> None:
        now = self._clock.now()
        if self.calls.unclear.is_set():
            self.calls.unclear.clear()
            self._reconcile_at = now
        if self._reconcile_at is None and not self._clock.virtual:
            self._reconcile_at = now
        if self._reconciling or self._reconcile_at is None or self._reconcile_at > now:
            return
        self._reconciling = True
        self._reconcile_at = None
        self._clock.spawn(self._reconcile())

    async def _reconcile(self) -> None:
        try:
            for organization_id in await self._with_calls():
                found, next_at = await self._reconciler.reconcile(organization_id)
                if found:
                    self.look()  # what was taken back or has ended is work for a turn
                if next_at is not None and self._clock.virtual:
                    self._reconcile_by(max(next_at, self._clock.now() + RECONCILE))
            if not self._clock.virtual:
                self._reconcile_by(self._clock.now() + RECONCILE)
        finally:
            self._reconciling = False
            self._wake.set()

    def _reconcile_by(self, at: datetime) -> None:
        self._reconcile_at = at if self._reconcile_at is None else min(self._reconcile_at, at)

    async def _with_calls(self) -> list[int]:
        if self._only is not None:
            return [self._only.organization_id]
        async with self._database.connection() as connection:
            found = [row["organization_id"] for row in await rows(sql.organizations_with_calls(connection))]
        return list(dict.fromkeys([*found, *self.calls.organizations]))

    # --- the worker itself -------------------------------------------------------------------------------

    async def _beat(self) -> None:
        """Say that this worker lives, for others take over the calls of one that is silent; and end unwanted calls."""
        if self._clock.virtual or (self._beat_at is not None and self._beat_at > self._clock.now()):
            return
        async with self._database.connection() as connection:
            await sql.beat(
                connection,
                worker_id=self.worker_id,
                host=socket.gethostname(),
                pid=os.getpid(),
                address=self._address,
                now=None,
            )
            unwanted = await rows(sql.calls_to_hang_up(connection, worker_id=self.worker_id))
        for row in unwanted:
            self.calls.hang_up(row["uuid"])
        self._beat_at = self._clock.now() + HEARTBEAT

    async def _leave(self) -> None:
        try:
            async with self._database.connection() as connection:
                await sql.leave(connection, worker_id=self.worker_id)
        except CONNECTION_FAULTS as fault:
            log.warning("worker.left_silently", error=describe(fault))

    async def _recover(self, fault: BaseException) -> None:
        log.warning("database.lost", error=describe(fault))
        try:
            await self._database.recover()
        except EnvironmentFault as failure:
            log.error("database.not_recovered", error=str(failure))
        await asyncio.sleep(0.2)

    def _next_at(self) -> datetime | None:
        instants = [*self._turn_at.values()]
        if self._clock.virtual and self.calls.has_ended:
            instants.append(self._settle_at)
        if self.calls.has_changed:
            instants.append(self._mark_at)
        send_at = self.orders.next_send_at
        if send_at is not None:
            instants.append(send_at - LOOK_AHEAD)
        instants += [
            at for at in (self._poll_at if self._room() else None, self._reconcile_at, self._beat_at) if at is not None
        ]
        return min(instants, default=None)
