"""An engine on a simulated carrier: campaigns are made, run and looked at in a line each."""

from __future__ import annotations

import asyncio
import csv
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
from checks import LogLine, read_log

from dialplane.clocks import VirtualClock
from dialplane.core.campaign import CampaignState, Policies
from dialplane.engine.views import CampaignRecord, Progress
from dialplane.engine.worker import Worker
from dialplane.wiring import App

START = datetime(2025, 3, 3, 9, 0, tzinfo=UTC)  # a Monday
LONGEST_RUN_SECONDS = 600  # of the machine's: virtual time could go on for ever
MOVING = (CampaignState.RUNNING, CampaignState.SCHEDULED)

ALL_ANSWER = {"outcomes": {"answered": 1}}
ALL_BUSY = {"outcomes": {"busy": 1}}
# Some 500 calls a second on the 100 lines of an organization.
FAST_CALLS = {"cps": None, "ring_seconds": [0.02, 0.1], "talk_seconds": [0.02, 0.1]}


def numbers(count: int, *, first: int = 2_000_000, area: str = "212") -> list[str]:
    """That many valid numbers in one zone; 212 is New York."""
    return [f"+1{area}{first + i}" for i in range(count)]


OpenBench = Callable[..., Awaitable["Bench"]]


@dataclass
class Bench:
    """In virtual time, `run` goes on until nothing is left to do; in real time, `working` runs a worker beside."""

    app: App
    folder: Path
    workers: list[Worker] = field(default_factory=list)
    _commands: int = 0
    _files: Any = field(default_factory=itertools.count)

    # --- make -----------------------------------------------------------------------------------

    async def draft(
        self,
        contacts: str | Sequence[str],
        *,
        carrier: Mapping[str, Any] | None = None,
        agent: Mapping[str, Any] | None = None,
        name: str = "test",
        keep_open: bool = False,
        ends_at: datetime | None = None,
        queue: str | None = None,
        screening: Mapping[str, Any] | None = None,
        **policies: Any,
    ) -> int:
        """A campaign with these numbers, or with the contacts of a CSV text; `policies` as in `Policies`."""
        campaign_id = await self.app.campaigns.create(
            name=name,
            agent_id=await self.app.add_agent(agent),
            carrier_id=await self.app.add_carrier(carrier),
            policies=Policies(**policies),
            keep_open=keep_open,
            ends_at=ends_at,
            queue=queue,
            screening=screening,
        )
        if contacts:
            await self.imports(campaign_id, contacts)
        return campaign_id

    async def imports(self, campaign_id: int, contacts: str | Sequence[str], **options: Any) -> None:
        required = await self.app.columns_of(campaign_id)
        await self.app.intake.store(campaign_id, self.file(contacts), None)
        await self.app.intake.run(campaign_id, required, **options)

    def file(self, contacts: str | Sequence[str]) -> Path:
        text = contacts if isinstance(contacts, str) else "\n".join(["phone_number", *contacts])
        path = self.folder / f"contacts-{next(self._files)}.csv"
        path.write_text(text, encoding="utf-8")
        return path

    async def started(self, contacts: str | Sequence[str], **options: Any) -> int:
        campaign_id = await self.draft(contacts, **options)
        await self.app.campaigns.start(campaign_id)
        return campaign_id

    async def completed(self, contacts: str | Sequence[str], **options: Any) -> int:
        """A campaign that has run to its end."""
        campaign_id = await self.started(contacts, **options)
        await self.run(campaign_id)
        assert (await self.get(campaign_id)).state is CampaignState.COMPLETED
        return campaign_id

    # --- run ------------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        return self.app.clock.now()

    async def run(self, *campaign_ids: int, until: datetime | None = None, capacity: int = 500) -> None:
        """Until these campaigns have stopped and every command of `at` has been given; or, when idle, until then.

        One campaign is run as by `dialplane run`, by a worker of its own; several by one that serves them all.
        """

        async def finished() -> bool:
            if until is not None:
                return self.now >= until
            states = [(await self.get(campaign_id)).state for campaign_id in campaign_ids]
            return not self._commands and not any(state in MOVING for state in states)

        only = campaign_ids[0] if len(campaign_ids) == 1 else None
        worker = self.app.worker(capacity=capacity, campaign_id=only, finished=finished)
        self.workers.append(worker)
        if until is not None:
            self.app.clock.call_at(until, worker.look)
        try:
            async with asyncio.timeout(LONGEST_RUN_SECONDS):
                await worker.run()
        finally:
            self.workers.remove(worker)

    def at(self, instant: datetime, command: Callable[[], Awaitable[Any]]) -> None:
        """Give a command in the middle of a run, at that instant of virtual time; the worker hears of it at once."""
        assert isinstance(self.app.clock, VirtualClock)
        self._commands += 1

        async def give() -> None:
            try:
                await command()
            finally:
                self._commands -= 1
                for worker in self.workers:
                    worker.look()

        self.app.clock.call_at(instant, lambda: self.app.clock.spawn(give()))

    def after(self, seconds: float, command: Callable[[], Awaitable[Any]]) -> None:
        self.at(self.now + timedelta(seconds=seconds), command)

    @asynccontextmanager
    async def working(self, capacity: int = 500) -> AsyncIterator[Worker]:
        """A worker in real time; on leaving, its calls end first."""
        worker = self.app.worker(capacity=capacity)
        self.workers.append(worker)
        running = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            worker.stop()
            await running
            self.workers.remove(worker)

    async def wait_for(self, happened: Callable[[], Awaitable[bool]], *, seconds: float = 20) -> None:
        """In real time, until something has happened."""
        async with asyncio.timeout(seconds):
            while not await happened():
                await asyncio.sleep(0.01)

    async def wait_until_ended(self, *campaign_ids: int, seconds: float = 20) -> None:
        async def ended() -> bool:
            return not any([(await self.get(campaign_id)).state in MOVING for campaign_id in campaign_ids])

        await self.wait_for(ended, seconds=seconds)

    # --- look -----------------------------------------------------------------------------------

    async def get(self, campaign_id: int) -> CampaignRecord:
        return await self.app.campaigns.get(campaign_id)

    async def state(self, campaign_id: int) -> str:
        return (await self.get(campaign_id)).state.value

    async def progress(self, campaign_id: int) -> Progress:
        return (await self.app.campaigns.progress([campaign_id]))[campaign_id]

    async def log_path(self, campaign_id: int) -> Path:
        path = await self.app.carrier_log(campaign_id)
        assert path is not None
        return path

    async def log(self, campaign_id: int) -> list[LogLine]:
        """What the carrier did."""
        return read_log(await self.log_path(campaign_id))

    async def placed(self, campaign_id: int) -> list[str]:
        """The numbers it called, in the order of the calls."""
        return [line.to for line in await self.log(campaign_id) if line.event == "place"]

    async def report(self, campaign_id: int) -> list[dict[str, str]]:
        path = await self.report_path(campaign_id)
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    async def report_path(self, campaign_id: int) -> Path:
        path = self.folder / f"report-{campaign_id}.csv"
        await self.app.reports.write(campaign_id, path)
        return path

    async def events(self, campaign_id: int) -> list[str]:
        """What the campaign's own log says happened, oldest first."""
        return [entry.event for entry in reversed(await self.app.campaigns.log(campaign_id))]

    async def contact(self, campaign_id: int, number: str) -> Mapping[str, Any]:
        async with self.app.database.connection() as connection:
            found: asyncpg.Record = await connection.fetchrow(
                "SELECT * FROM contact WHERE organization_id = $1 AND campaign_id = $2 AND to_number = $3",
                self.app.organization_id,
                campaign_id,
                number,
            )
        return found

    async def contacts(self, campaign_id: int) -> dict[str, str]:
        """number -> state."""
        return {row["to_number"]: row["state"] for row in await self.app.contacts.page(campaign_id, limit=100_000)}
