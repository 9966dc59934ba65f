"""A fresh embedded database, and an engine on a carrier that costs nothing."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from uuid import UUID

from dialplane.config import Settings
from dialplane.core.attempt import Order
from dialplane.core.campaign import CampaignState, Policies
from dialplane.core.disposition import Disposition
from dialplane.engine import catalog
from dialplane.engine.worker import Only, Worker
from dialplane.ports import CallEvent, Carrier, CarrierLimits, Ended, Lookup
from dialplane.wiring import App, Server, open_server


class NullCarrier:
    """Implements ports.Carrier: takes every call, and ends it after some `seconds` (0: in the next step of the loop).

    From half to one and a half times as long: calls that all last the same would end together, in ever larger flocks.
    """

    limits = CarrierLimits(slow_start=False)

    def __init__(self, seconds: float = 0) -> None:
        self._seconds = seconds
        self._random = Random(1)
        self._receive: Callable[[CallEvent], None] = lambda event: None
        self.in_use = 0
        self.placed = 0

    def listen(self, receive: Callable[[CallEvent], None]) -> None:
        self._receive = receive

    async def probe(self) -> str | None:
        return None

    async def place(self, order: Order) -> str:
        self.in_use += 1
        self.placed += 1
        loop = asyncio.get_running_loop()
        if self._seconds:
            loop.call_later(self._seconds * self._random.uniform(0.5, 1.5), self._end, order.attempt_uuid)
        else:
            loop.call_soon(self._end, order.attempt_uuid)
        return str(order.attempt_uuid)

    def _end(self, attempt_uuid: UUID) -> None:
        self.in_use -= 1
        self._receive(Ended(attempt_uuid=attempt_uuid, at=datetime.now(UTC), disposition=Disposition.ANSWERED))

    async def lookup(self, order: Order) -> Lookup:
        return Lookup.NEVER_PLACED

    async def hang_up(self, attempt_uuid: UUID) -> None:
        """Calls end by themselves."""

    async def close(self) -> None:
        """Nothing is open."""


class OneCarrier:
    """Implements ports.Carriers: the same for everybody."""

    def __init__(self, carrier: Carrier) -> None:
        self.carrier = carrier

    async def get(self, organization_id: int, carrier_id: int, *, revision: int | None = None) -> Carrier:
        return self.carrier


@asynccontextmanager
async def fresh_server() -> AsyncIterator[Server]:
    """On an embedded database of its own, with flushed commits; gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix="dp-bench-", dir="/tmp"))
    home.chmod(0o755)  # as root the database runs as another user, who must be able to enter
    try:
        async with open_server(Settings(home=home)) as server:
            await server.prepare()
            yield server
    finally:
        shutil.rmtree(home, ignore_errors=True)


@asynccontextmanager
async def fresh_app(*, max_lines: int = 100) -> AsyncIterator[App]:
    async with fresh_server() as server:
        app = server.of(await catalog.ensure_organization(server.database))
        await catalog.set_limits(server.database, app.organization_id, max_lines=max_lines, cps=None)
        yield app


async def campaign(app: App, contacts: int, *, name: str, lines: int | None = None, cps: float | None = None) -> int:
    """A draft with that many contacts of one zone."""
    campaign_id = await app.campaigns.create(
        name=name,
        agent_id=await app.add_agent(None),
        carrier_id=await app.add_carrier({"name": name, "cps": cps}),
        policies=Policies(max_lines=lines),
    )
    await app.import_now(campaign_id, write_numbers(app.settings.home / f"{name}.csv", contacts), None)
    return campaign_id


def write_numbers(path: Path, count: int) -> Path:
    """A contacts file with that many numbers of New York."""
    with path.open("w") as file:
        file.write("phone_number\n")
        file.writelines(f"+1212{2_000_000 + i}\n" for i in range(count))
    return path


def null_worker(app: App, carrier: NullCarrier, *, campaign_id: int | None = None, capacity: int = 500) -> Worker:
    """A worker of this process; one of a campaign ends with it."""

    async def finished() -> bool:
        assert campaign_id is not None
        return (await app.campaigns.get(campaign_id)).state is not CampaignState.RUNNING

    worker = Worker(
        app.database,
        app.clock,
        OneCarrier(carrier),
        app.agents,
        app.screening,
        capacity=capacity,
        only=None if campaign_id is None else Only(app.organization_id, campaign_id),
        finished=None if campaign_id is None else finished,
    )
    carrier.listen(worker.calls.receive)
    return worker
