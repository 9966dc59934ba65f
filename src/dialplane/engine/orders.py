"""Orders of one worker on their way out: intent -> check before the call -> guard -> start, at its instant."""

from __future__ import annotations

import asyncio
import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

from dialplane.core.attempt import Order
from dialplane.engine.call import Call
from dialplane.engine.calls import Calls
from dialplane.engine.predial import PredialChecks
from dialplane.errors import Invalid, NotFound
from dialplane.ports import Clock, Screening
from dialplane.store.postgres import Database, rows, sql

LOOK_AHEAD = timedelta(milliseconds=5)  # starts this close together pass the guard in one statement


class Orders:
    """What this worker is about to place: each waits for its instant, and then becomes one of `calls`."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        worker_id: UUID,
        calls: Calls,
        screening: Screening,
        wake: asyncio.Event,
    ) -> None:
        self._database = database
        self._clock = clock
        self._worker_id = worker_id
        self._calls = calls
        self._wake = wake
        self._waiting: list[tuple[datetime, int, Order]] = []
        self._checks = PredialChecks(database, clock, worker_id, screening, self._release, wake)
        self._sending = 0
        self._last_starts: dict[str, tuple[datetime, datetime]] = {}  # scope -> when granted, when sent

    @property
    def in_flight(self) -> int:
        """Lines that are about to be used."""
        return len(self._waiting) + self._checks.in_progress + self._sending

    @property
    def next_send_at(self) -> datetime | None:
        return self._waiting[0][0] if self._waiting else None

    def add(self, orders: Iterable[Order], ahead: timedelta) -> None:
        """Orders to send at their instants, by a clock that is `ahead` of the one that set them."""
        for order in orders:
            if order.check is None:
                self._queue(order.send_at + ahead, order)
            else:
                self._checks.begin(order, order.send_at + ahead)

    def _queue(self, send_at: datetime, order: Order) -> None:
        heapq.heappush(self._waiting, (send_at, order.attempt_id, order))

    def _release(self, send_at: datetime, order: Order) -> None:
        self._queue(send_at, order)
        self._wake.set()

    def take_freed(self) -> set[int]:
        """Organizations in which a line has become free without a call, since the last time."""
        return self._checks.take_freed()

    def forget(self) -> None:
        """Drop what has not been sent: its intents expire, and the contacts go back."""
        self._waiting.clear()
        self._checks.forget()

    def send_due(self) -> None:
        """Start sending the orders whose instant has come."""
        limit = self._clock.now() + LOOK_AHEAD
        ready: dict[tuple[int, ...], dict[int, tuple[datetime, Order]]] = defaultdict(dict)
        while self._waiting and self._waiting[0][0] <= limit:
            send_at, attempt_id, order = heapq.heappop(self._waiting)
            # An agent that has much to load holds up nobody else's calls.
            alike = (order.organization_id, order.carrier_id, order.agent_id, order.agent_version)
            ready[alike][attempt_id] = (send_at, order)
        for (organization_id, *_), orders in ready.items():
            self._sending += len(orders)
            self._clock.spawn(self._send(organization_id, orders))

    async def _send(self, organization_id: int, orders: Mapping[int, tuple[datetime, Order]]) -> None:
        """Orders of one agent through one carrier."""
        unsent = len(orders)
        try:
            # As long as they are intended: where that takes too long, nothing is sent, and the contacts go back.
            await self._load_for(order for _, order in orders.values())
            asked_at = self._clock.monotonic()
            guarded = await self._guard(organization_id, list(orders))
            for attempt_id, (send_at, order) in orders.items():
                if attempt_id in guarded:
                    allowed_seconds = (order.send_before - guarded[attempt_id]).total_seconds()
                    call = Call(order, guarded[attempt_id], asked_at + allowed_seconds)
                    await self._start(call, send_at)
                self._sending -= 1
                unsent -= 1
        finally:
            self._sending -= unsent

    async def _load_for(self, orders: Iterable[Order]) -> None:
        """What orders of one agent through one carrier need; who cannot have it is broken."""
        alike = list(orders)
        try:
            await self._calls.load(alike[0])
        except (Invalid, NotFound) as fault:
            self._calls.broken |= {(order.organization_id, order.campaign_id): str(fault) for order in alike}

    async def _guard(self, organization_id: int, ids: Sequence[int]) -> dict[int, datetime]:
        """Attempts that may still go out, with the instant by the database's clock; committed."""
        async with self._database.connection() as connection:
            passed = sql.guard(
                connection,
                organization_id=organization_id,
                worker_id=self._worker_id,
                now=self._clock.instant(),
                ids=list(ids),
            )
            return {row["id"]: row["at"] for row in await rows(passed)}

    async def _start(self, call: Call, send_at: datetime) -> None:
        """Place one guarded order, no closer to the start before it than the paces allow."""
        order = call.order
        with suppress(Invalid, NotFound):  # which `Calls` tells
            await self._calls.load(order)  # once more, so that it holds up no start whose instant has come
        while (earliest := self._earliest(order, send_at)) > self._clock.now():
            await self._clock.sleep_until(earliest)  # and meanwhile another batch may have started a call
        for scope in order.spacing:
            self._last_starts[scope] = (order.send_at, self._clock.now())
        self._calls.place(call)

    def _earliest(self, order: Order, send_at: datetime) -> datetime:
        """Its granted instant, or later where the start before it was late: the granted distance is kept, no more."""
        kept = [send_at]
        for scope, gap in order.spacing.items():
            if scope in self._last_starts:
                granted_at, started_at = self._last_starts[scope]
                kept.append(started_at + min(timedelta(seconds=gap), abs(order.send_at - granted_at)))
        return max(kept)
