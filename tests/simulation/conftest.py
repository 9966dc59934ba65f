"""Simulations share a database per module, each with an organization of its own: a schema for each takes too long."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
import structlog
from bench import OpenBench
from scenarios import SimulatedBench, new_bench

from dialplane.ports import Clock
from dialplane.store.postgres import Database


@pytest.fixture(autouse=True)
def no_turn_fails() -> Iterator[None]:
    """A worker logs a failed turn, goes on and tries again, and no test would notice."""
    with structlog.testing.capture_logs() as entries:
        yield
    assert not [entry for entry in entries if entry["log_level"] in ("error", "critical")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_database(server: Mapping[str, Any]) -> AsyncIterator[Database]:
    schema = f"t_{uuid4().hex[:12]}"
    database = await Database.open(server, schema=schema, durable=False)
    yield database
    await database.close()
    connection = await asyncpg.connect(**server)
    await connection.execute(f'DROP SCHEMA "{schema}" CASCADE')
    await connection.close()


@pytest_asyncio.fixture(loop_scope="module")
async def open_bench(shared_database: Database, tmp_path: Path) -> OpenBench:
    async def open_bench(clock: Clock) -> SimulatedBench:
        return await new_bench(shared_database, clock, tmp_path)

    return open_bench
