"""Jobs in the background: at least once, again when asked, aside when they kill their process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from dialplane.engine.jobs import MOST_CRASHES, Again, Jobs, enqueue, install
from dialplane.store.postgres import Database, sql

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def queue(database: Database) -> Database:
    await install(database)
    return database


@asynccontextmanager
async def working(database: Database, handler: Callable[[Mapping[str, Any]], Awaitable[None]]) -> AsyncIterator[None]:
    jobs = Jobs(database, {"greet": (lambda job, _: handler(job), 1)})
    task = asyncio.create_task(jobs.run())
    try:
        yield
    finally:
        jobs.stop()
        await task


async def greet(database: Database, *names: str) -> None:
    async with database.transaction() as connection:
        await enqueue(connection, "greet", [{"organization_id": 1, "name": name} for name in names])


async def test_the_tables_are_made_once_however_many_begin_together(database: Database) -> None:
    await asyncio.gather(*(install(database) for _ in range(4)))


async def test_a_job_is_done_once_its_transaction_is_committed(queue: Database) -> None:
    done: asyncio.Queue[str] = asyncio.Queue()

    async def handler(job: Mapping[str, Any]) -> None:
        done.put_nowait(job["name"])

    async with working(queue, handler):
        with pytest.raises(ZeroDivisionError):
            async with queue.transaction() as connection:
                await enqueue(connection, "greet", [{"organization_id": 1, "name": "nobody"}])
                _ = 1 / 0
        await greet(queue, "Ana", "Ben")

        found = [await asyncio.wait_for(done.get(), 10) for _ in range(2)]

    assert sorted(found) == ["Ana", "Ben"]
    assert done.empty()


async def test_a_job_that_asks_for_it_comes_again(queue: Database) -> None:
    times = 0
    done = asyncio.Event()

    async def handler(job: Mapping[str, Any]) -> None:
        nonlocal times
        times += 1
        if times < 3:
            raise Again(timedelta(milliseconds=20))
        done.set()

    async with working(queue, handler):
        await greet(queue, "Ana")
        await asyncio.wait_for(done.wait(), 20)

    assert times == 3


async def test_a_job_that_fails_is_tried_again(queue: Database) -> None:
    times = 0
    done = asyncio.Event()

    async def handler(job: Mapping[str, Any]) -> None:
        nonlocal times
        times += 1
        if times == 1:
            raise ValueError("not today")
        done.set()

    async with working(queue, handler):
        await greet(queue, "Ana")
        await asyncio.wait_for(done.wait(), 20)

    assert times == 2


async def test_a_job_that_killed_its_process_too_often_is_put_aside(queue: Database) -> None:
    """Each beginning without an end is a process that died with it."""
    begun: list[str] = []

    async def handler(job: Mapping[str, Any]) -> None:
        begun.append(job["name"])

    await greet(queue, "Ana")
    async with queue.connection() as connection:
        job_id = await connection.fetchval("SELECT id FROM pgqueuer")
        for _ in range(MOST_CRASHES + 1):
            await sql.begin_job(connection, organization_id=1, job_id=job_id)

    async with working(queue, handler):
        async with asyncio.timeout(20):
            while await _state(queue, job_id) != "failed":
                await asyncio.sleep(0.02)

    assert begun == []


async def _state(database: Database, job_id: int) -> str:
    async with database.connection() as connection:
        return str(await connection.fetchval("SELECT status::text FROM pgqueuer WHERE id = $1", job_id))
