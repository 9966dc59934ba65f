"""Carriers that calls go through: each opened once, and anew when its settings have changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from dialplane.core.attempt import Order
from dialplane.engine.carriers import CarrierRecord, load_carrier
from dialplane.errors import CarrierRefused, CarrierUnavailable
from dialplane.ports import CallEvent, Carrier, CarrierLimits, Clock, Ended, Lookup
from dialplane.store.postgres import CONNECTION_FAULTS, Database, describe

LOOK_EVERY_SECONDS = 2.0  # for new settings, per carrier
GRACE_SECONDS = 30.0  # beyond its longest call, until an adapter that was replaced is closed whatever it waits for

Build = Callable[[CarrierRecord], Carrier]  # raises Invalid
Receive = Callable[[CallEvent], None]

log = structlog.get_logger()


@dataclass(slots=True)
class Adapter:
    """One opening of a carrier, and the calls that it may have. closes_at: on the monotonic clock, once replaced."""

    carrier: Carrier
    revision: int
    calls: set[UUID] = field(default_factory=set)
    closes_at: float | None = None

    def longest_call_seconds(self) -> float:
        limits = self.carrier.limits
        return limits.send_timeout_seconds + limits.ring_timeout_seconds + limits.max_call_seconds


class OpenCarrier:
    """Implements ports.Carrier: new calls go to the latest adapter, calls in progress stay with theirs."""

    limits: CarrierLimits

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._adapters: list[Adapter] = []  # the latest is the last
        self.look_at = 0.0

    @property
    def revision(self) -> int:
        return self._latest.revision

    @property
    def _latest(self) -> Adapter:
        return self._adapters[-1]

    def replace(self, carrier: Carrier, revision: int, now: float) -> None:
        """From here on calls are placed by this adapter; the one before is closed once its last call has ended."""
        for adapter in self._adapters:
            adapter.closes_at = adapter.closes_at or now + adapter.longest_call_seconds() + GRACE_SECONDS
        new = Adapter(carrier=carrier, revision=revision)
        carrier.listen(lambda event: self._tell(new, event))
        self._adapters.append(new)
        self.limits = carrier.limits

    async def close_replaced(self, now: float) -> None:
        """Those that have no more calls, or whose calls can no longer be in progress."""
        over = [each for each in self._adapters[:-1] if not each.calls or (each.closes_at or now) <= now]
        self._adapters = [each for each in self._adapters if each not in over]
        for adapter in over:
            await adapter.carrier.close()

    def _tell(self, adapter: Adapter, event: CallEvent) -> None:
        if isinstance(event, Ended):
            adapter.calls.discard(event.attempt_uuid)
        self._receive(event)

    def listen(self, receive: Receive) -> None:
        self._receive = receive

    async def probe(self) -> str | None:
        return await self._latest.carrier.probe()

    async def place(self, order: Order) -> str:
        adapter = self._latest
        adapter.calls.add(order.attempt_uuid)  # before it is asked: the answer may come after its events
        try:
            return await adapter.carrier.place(order)
        except (CarrierRefused, CarrierUnavailable):
            adapter.calls.discard(order.attempt_uuid)
            raise

    async def lookup(self, order: Order) -> Lookup:
        adapter = next((each for each in self._adapters if order.attempt_uuid in each.calls), self._latest)
        known = order.attempt_uuid in adapter.calls
        adapter.calls.add(order.attempt_uuid)
        answer: Lookup | None = None
        try:
            answer = await adapter.carrier.lookup(order)
        finally:
            if answer is not Lookup.KNOWN and not known:
                adapter.calls.discard(order.attempt_uuid)
        return answer

    async def hang_up(self, attempt_uuid: UUID) -> None:
        for adapter in self._adapters:
            await adapter.carrier.hang_up(attempt_uuid)

    async def close(self) -> None:
        for adapter in self._adapters:
            await adapter.carrier.close()


class OpenCarriers:
    """Implements ports.Carriers."""

    def __init__(self, database: Database, clock: Clock, build: Build) -> None:
        self._database = database
        self._clock = clock
        self._build = build
        self._open: dict[tuple[int, int], OpenCarrier] = {}
        self._opening = asyncio.Lock()
        self._receive: Receive | None = None

    def listen(self, receive: Receive) -> None:
        """Where the events of all carriers go from now on."""
        self._receive = receive

    async def get(self, organization_id: int, carrier_id: int, *, revision: int | None = None) -> Carrier:
        """revision: what the caller knows it to be at; without it, changed settings are noticed within two seconds."""
        carrier = self._open.get((organization_id, carrier_id))
        if carrier is None:
            async with self._opening:
                if (organization_id, carrier_id) not in self._open:
                    self._open[organization_id, carrier_id] = await self._first(organization_id, carrier_id)
                carrier = self._open[organization_id, carrier_id]
        if revision is not None and revision != carrier.revision:
            await self._look(organization_id, carrier_id, carrier)
        # Nobody changes the settings of a carrier in a virtual run.
        elif not self._clock.virtual and carrier.look_at <= self._clock.monotonic():
            carrier.look_at = self._clock.monotonic() + LOOK_EVERY_SECONDS  # first: one looks, others go on
            try:
                await self._look(organization_id, carrier_id, carrier)
            except CONNECTION_FAULTS as fault:
                log.warning("carrier.not_looked_at", carrier_id=carrier_id, error=describe(fault))
        return carrier

    async def _first(self, organization_id: int, carrier_id: int) -> OpenCarrier:
        record = await load_carrier(self._database, organization_id, carrier_id)
        carrier = OpenCarrier(self._tell)
        carrier.replace(self._build(record), record.revision, self._clock.monotonic())
        carrier.look_at = self._clock.monotonic() + LOOK_EVERY_SECONDS
        return carrier

    async def _look(self, organization_id: int, carrier_id: int, carrier: OpenCarrier) -> None:
        record = await load_carrier(self._database, organization_id, carrier_id)
        if record.revision != carrier.revision:
            carrier.replace(self._build(record), record.revision, self._clock.monotonic())
            log.info("carrier.reopened", carrier_id=carrier_id, revision=record.revision)
        await carrier.close_replaced(self._clock.monotonic())

    def _tell(self, event: CallEvent) -> None:
        if self._receive is not None:
            self._receive(event)

    async def close(self) -> None:
        for carrier in self._open.values():
            await carrier.close()
