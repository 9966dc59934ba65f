"""Through PgBouncer in transaction mode, which gives every transaction to whichever connection is free."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from checks import (
    every_contact_ends_once,
    every_place_has_one_end,
    never_more_lines_than,
    no_attempt_is_placed_twice,
    nothing_is_placed_after,
    read_log,
    read_report,
    report_agrees,
)
from debian_postgres import NEEDS_PGBOUNCER, NEEDS_POSTGRESQL
from listening import Listening
from pgbouncer import CONNECTIONS, Pooler

from dialplane.config import Settings
from dialplane.core.campaign import CampaignState, Policies
from dialplane.core.retry import RetryPolicy
from dialplane.engine.jobs import POLL
from dialplane.errors import EnvironmentFault
from dialplane.store import hosts
from dialplane.store.postgres import PLANNER, Database
from dialplane.wiring import App, open_app, open_server

pytestmark = [pytest.mark.asyncio, NEEDS_POSTGRESQL, NEEDS_PGBOUNCER]

CONTACTS, LINES = 500, 40
NUMBERS = [f"+1212{2_000_000 + i}" for i in range(CONTACTS)]
CARRIER = {"cps": None, "ring_seconds": [0.05, 0.2], "talk_seconds": [0.1, 0.6]}


@pytest.fixture(scope="module")
def pooler(listening: Listening) -> Iterator[Pooler]:
    made = Pooler(listening.server.folder.parent / "pooler", listening.server)
    try:
        made.start()
        yield made
    finally:
        made.close()


async def test_every_transaction_has_the_settings_whatever_connection_it_gets(pooler: Pooler) -> None:
    database = await Database.open({"dsn": pooler.url}, schema="pooled", pooler=True)
    asked = "SELECT pg_backend_pid(), current_schema(), " + ", ".join(
        f"current_setting('{name}') AS {name}" for name in PLANNER
    )
    pids: Counter[int] = Counter()

    async def ask() -> None:
        async with database.connection() as connection:
            told = [await connection.fetchrow(asked)]
        async with database.transaction() as connection:
            told.append(await connection.fetchrow(asked))
        async with database.snapshot() as connection:
            told.append(await connection.fetchrow(asked))
        async with database.short_transaction() as connection:
            told.append(await connection.fetchrow(asked))
        for row in told:
            assert row["current_schema"] == "pooled"
            assert {name: row[name] for name in PLANNER} == PLANNER
            pids[row["pg_backend_pid"]] += 1

    await asyncio.gather(*[ask() for _ in range(100)])
    await database.close()

    assert 1 < len(pids) <= CONNECTIONS
    # And none of it stays behind for whoever gets the connection next.
    plain = await Database.open({"dsn": pooler.url}, pooler=True)
    async with plain.pool.acquire() as connection:
        assert await connection.fetchval("SHOW enable_seqscan") == "on"
        assert await connection.fetchval("SELECT current_schema()") == "public"
    await plain.close()


async def test_who_is_not_told_of_the_pooler_says_what_to_set(pooler: Pooler) -> None:
    with pytest.raises(EnvironmentFault, match="set DIALPLANE_DATABASE_POOLER=on"):
        await Database.open({"dsn": pooler.url})


async def test_a_pooler_that_drops_settings_without_a_word_is_found_out(pooler: Pooler, listening: Listening) -> None:
    dropping = Pooler(pooler.folder.parent / "dropping", listening.server)
    try:
        dropping.start(ignore_startup_parameters=",".join([*PLANNER, *hosts.SERVER_SETTINGS]))
        with pytest.raises(EnvironmentFault, match="set DIALPLANE_DATABASE_POOLER=on"):
            await Database.open({"dsn": dropping.url})
    finally:
        dropping.close()


async def test_a_campaign_is_dialled_paused_and_resumed(pooler: Pooler, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, database_url=pooler.url, database_pooler=True)
    async with open_app(settings) as app, open_app(settings) as other:
        campaign_id = await started(app, tmp_path)
        workers = [app.worker(), other.worker()]
        dialling = [asyncio.create_task(worker.run()) for worker in workers]
        log = await app.carrier_log(campaign_id)
        assert log is not None

        await placed(log, CONTACTS // 3)
        await app.campaigns.pause(campaign_id)
        paused_at = app.clock.now()
        await asyncio.sleep(2)
        nothing_is_placed_after(read_log(log), paused_at)
        await app.campaigns.resume(campaign_id)
        async with asyncio.timeout(60):
            while (await app.campaigns.get(campaign_id)).state is not CampaignState.COMPLETED:
                await asyncio.sleep(0.1)

        for worker in workers:
            worker.stop()
        await asyncio.gather(*dialling)
        await app.reports.write(campaign_id, tmp_path / "report.csv")
    lines, report = read_log(log), read_report(tmp_path / "report.csv")
    every_place_has_one_end(lines)
    no_attempt_is_placed_twice(lines)
    never_more_lines_than(lines, LINES)
    every_contact_ends_once(report, NUMBERS)
    report_agrees(report, lines)
    assert "ERROR" not in pooler.log


async def test_jobs_are_found_by_asking(pooler: Pooler, tmp_path: Path) -> None:
    """Notifications do not get through a pooler: an import begins a few seconds after it was asked for."""
    settings = Settings(home=tmp_path, database_url=pooler.url, database_pooler=True)
    async with open_server(settings) as server:
        app = server.of(await server.prepare())
        jobs = server.jobs()
        working = asyncio.create_task(jobs.run())
        await asyncio.sleep(1)
        campaign_id = await drafted(app, tmp_path)
        begun = time.monotonic()

        await app.jobs.enqueue_import(campaign_id)

        async with asyncio.timeout(20):
            while (await app.campaigns.progress([campaign_id]))[campaign_id].total < CONTACTS:
                await asyncio.sleep(0.1)
        assert time.monotonic() - begun < POLL.total_seconds() + 5
        jobs.stop()
        await working
    assert "packet 'A'" not in pooler.log, "somebody listens, and PgBouncer does not know for whom it is"


async def started(app: App, folder: Path) -> int:
    campaign_id = await drafted(app, folder)
    await app.intake.run(campaign_id, await app.columns_of(campaign_id))
    await app.campaigns.start(campaign_id)
    return campaign_id


async def drafted(app: App, folder: Path) -> int:
    """A campaign with a file that nobody has imported yet."""
    path = folder / "contacts.csv"
    path.write_text("\n".join(["phone_number", *NUMBERS]) + "\n", encoding="utf-8")
    campaign_id = await app.campaigns.create(
        name="pooled",
        agent_id=await app.add_agent(None),
        carrier_id=await app.add_carrier(CARRIER),
        policies=Policies(max_lines=LINES, retry=RetryPolicy(max_retries=1, delay_seconds=1)),
    )
    await app.intake.store(campaign_id, path, None)
    return campaign_id


async def placed(log: Path, count: int) -> None:
    async with asyncio.timeout(30):
        while sum(line.event == "place" for line in read_log(log)) < count:
            await asyncio.sleep(0.05)
