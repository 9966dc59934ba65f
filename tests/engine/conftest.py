"""Engines on a database of their own, in virtual and in real time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
import structlog
from bench import START, Bench, OpenBench

from dialplane.clocks import RealClock, VirtualClock
from dialplane.config import Settings
from dialplane.engine import catalog
from dialplane.ports import Clock
from dialplane.store.postgres import Database
from dialplane.wiring import assemble


@pytest.fixture(autouse=True)
def no_turn_fails() -> Iterator[None]:
    """A worker logs a failed turn, goes on and tries again, and no test would notice."""
    with structlog.testing.capture_logs() as entries:
        yield
    assert not [entry for entry in entries if entry["log_level"] in ("error", "critical")]


@pytest_asyncio.fixture
async def open_bench(database: Database, tmp_path: Path) -> AsyncIterator[OpenBench]:
    """Makes benches on one database, each with carriers of its own, as every process has them."""
    async with AsyncExitStack() as stack:

        async def open_bench(clock: Clock, *, organization: str = "default") -> Bench:
            organization_id = await catalog.ensure_organization(database, organization)
            app = assemble(Settings(home=tmp_path), database, clock, organization_id, tmp_path / "carrier-logs")
            stack.push_async_callback(app.carriers.close)
            return Bench(app, tmp_path)

        yield open_bench


@pytest_asyncio.fixture
async def bench(open_bench: OpenBench) -> Bench:
    """In virtual time, from Monday 2025-03-03 09:00 UTC on."""
    return await open_bench(VirtualClock(START))


@pytest_asyncio.fixture
async def live(open_bench: OpenBench) -> Bench:
    """In real time."""
    return await open_bench(RealClock())
