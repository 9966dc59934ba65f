"""Campaigns through a network of the tests' own: a server over real HTTP where it is called back, workers beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bench import Bench

from dialplane.clocks import RealClock
from dialplane.config import Settings
from dialplane.core.retry import RetryPolicy
from dialplane.engine import catalog
from dialplane.store.postgres import Database
from dialplane.wiring import Server

PERSON, BUSY, FOREVER = "+12122000106", "+12122000201", "+12122000302"
ASKS = {
    "greeting": "Hello.",
    "steps": [{"say": "Can you come?", "gather": "can_come", "expect": ["yes", "no"], "attempts": 2}],
}


@asynccontextmanager
async def another(database: Database, settings: Settings, folder: Path) -> AsyncIterator[Bench]:
    """What a worker of its own has: nothing in common with the server but the database."""
    server = Server(settings, database, RealClock(), settings.carrier_logs)
    yield Bench(server.of(await catalog.ensure_organization(database, "default")), folder)
    await server.close()


async def started(live: Bench, network: Any, *people: str, **more: Any) -> int:
    carrier = {"numbers": ["+14155550100"], "name": "ours", **network.settings}
    return await live.started(people, carrier=carrier, agent=ASKS, retry=RetryPolicy(max_retries=0), **more)


async def row_of(live: Bench, campaign: int, number: str) -> Mapping[str, str]:
    (row,) = [row for row in await live.report(campaign) if row["to_number"] == number]
    return row


async def until_placed(live: Bench) -> None:
    async def placed() -> bool:
        async with live.app.database.connection() as connection:
            state = await connection.fetchval("SELECT state FROM attempt WHERE carrier_call_id IS NOT NULL")
        return bool(state == "ringing")

    await live.wait_for(placed)
