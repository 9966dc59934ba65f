"""What is kept for a time only goes when its time is over, and nothing that is still needed goes with it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from bench import ALL_ANSWER, Bench, OpenBench, numbers

from dialplane.clocks import RealClock
from dialplane.config import Settings
from dialplane.core.retention import Retention
from dialplane.engine.jobs import install
from dialplane.engine.retention import keep_recordings
from dialplane.store.postgres import Database, sql
from dialplane.wiring import Server

pytestmark = pytest.mark.asyncio

QUICK = {"cps": None, "ring_seconds": [0.01, 0.02], "talk_seconds": [0.05, 0.1]}
AGENT = {"name": "A", "greeting": "Hello", "steps": [{"say": "How are you?", "gather": "mood"}]}


def server_of(bench: Bench) -> Server:
    settings = Settings(home=bench.app.settings.home, database_url="postgresql://elsewhere/db")
    return Server(settings, bench.app.database, RealClock(), bench.app.logs)


async def purged(bench: Bench, **keep: timedelta) -> dict[str, int]:
    await install(bench.app.database)
    kept: dict[str, Any] = dict.fromkeys(Retention.__dataclass_fields__) | keep
    return await server_of(bench).purge(Retention(**kept))


async def completed(live: Bench, contacts: list[str], **options: Any) -> int:
    campaign_id = await live.started(contacts, carrier={**ALL_ANSWER, **QUICK}, agent=AGENT, **options)
    async with live.working():
        await live.wait_until_ended(campaign_id)
    return campaign_id


async def aged(bench: Bench, table: str, column: str, days: int, where: str = "true") -> None:
    async with bench.app.database.connection() as connection:
        await connection.execute(f"UPDATE {table} SET {column} = {column} - interval '{days} days' WHERE {where}")


async def ask(bench: Bench, question: str) -> Any:
    async with bench.app.database.connection() as connection:
        return await connection.fetchval(question)


async def test_an_organization_keeps_recordings_no_longer_than_it_wants_to(live: Bench, open_bench: OpenBench) -> None:
    theirs = await open_bench(RealClock(), organization="other")
    for bench in (live, theirs):
        await completed(bench, numbers(2))
    async with live.app.database.connection() as connection:
        await connection.execute("UPDATE attempt SET recording = 'recordings/' || id || '.wav'")
    await aged(live, "attempt", "ended_at", 10)
    await keep_recordings(live.app.database, live.app.organization_id, timedelta(days=11))
    assert (await purged(live))["recordings"] == 0, "for ever, and as long as that"

    await keep_recordings(live.app.database, live.app.organization_id, timedelta(days=9))
    assert (await purged(live))["recordings"] == 2
    left = f"SELECT count(*) FROM attempt WHERE recording <> '' AND organization_id = {theirs.app.organization_id}"
    assert await ask(live, left) == 2

    await keep_recordings(live.app.database, theirs.app.organization_id, timedelta(days=365))
    assert (await purged(live, recordings=timedelta(days=9)))["recordings"] == 2, (
        "the installation's time is the longest"
    )


# --- transcripts ----------------------------------------------------------------------------------


async def test_transcripts_and_gathered_data_go_and_what_the_calls_came_to_stays(live: Bench) -> None:
    campaign = await completed(live, numbers(5))
    await aged(live, "campaign", "created_at", 100)
    await aged(live, "attempt", "ended_at", 91, "id <= 3")
    async with live.app.database.connection() as connection:
        await connection.execute("""UPDATE attempt SET gathered = '{"mood": 1}', summary = 'Fine.', label = 'ok'""")
    assert all(row["transcript"] for row in await live.report(campaign))

    gone = await purged(live, transcripts=timedelta(days=90))

    after = await live.report(campaign)
    assert gone["transcripts"] == 3
    assert [bool(row["transcript"]) for row in after] == [False, False, False, True, True]
    assert await ask(live, "SELECT count(*) FROM attempt WHERE gathered IS NOT NULL") == 2
    assert await ask(live, "SELECT count(*) FROM attempt WHERE summary IS NOT NULL") == 2
    assert await ask(live, "SELECT count(*) FROM attempt WHERE label = 'ok'") == 5
    assert [row["disposition"] for row in after] == ["answered"] * 5


async def test_a_purge_goes_on_where_the_last_one_was(live: Bench) -> None:
    await completed(live, numbers(4))
    await aged(live, "campaign", "created_at", 100)
    await aged(live, "attempt", "ended_at", 91, "id <= 2")
    kept = timedelta(days=90)

    assert (await purged(live, transcripts=kept))["transcripts"] == 2
    assert (await purged(live, transcripts=kept))["transcripts"] == 0
    await aged(live, "attempt", "ended_at", 85, "id > 2")
    assert (await purged(live, transcripts=timedelta(days=80)))["transcripts"] == 2


async def test_more_than_a_page_goes_page_by_page(live: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    await completed(live, numbers(25))
    await aged(live, "campaign", "created_at", 100)
    await aged(live, "attempt", "ended_at", 91)
    monkeypatch.setattr("dialplane.engine.retention.PAGE", 10)

    assert (await purged(live, transcripts=timedelta(days=90)))["transcripts"] == 25


async def test_recordings_go_with_their_files_and_what_the_calls_came_to_stays(live: Bench) -> None:
    campaign = await completed(live, numbers(3))
    async with live.app.database.connection() as connection:
        await connection.execute("UPDATE attempt SET recording = 'recordings/' || id || '.wav'")
        keys = [row["recording"] for row in await connection.fetch("SELECT recording FROM attempt ORDER BY id")]
    for key in keys:
        await asyncio.to_thread(live.app.files.put, key, live.file("sound"))
    await aged(live, "attempt", "ended_at", 100, f"recording <> '{keys[2]}'")

    gone = await purged(live, recordings=timedelta(days=90))

    assert gone["recordings"] == 2
    assert await ask(live, "SELECT array_agg(recording ORDER BY id) FROM attempt") == ["", "", keys[2]]
    assert [key for key in keys if (live.app.settings.files_folder / key).exists()] == [keys[2]]
    assert (await live.progress(campaign)).reached == 3
    assert (await purged(live, recordings=timedelta(days=90)))["recordings"] == 0


async def test_without_a_word_transcripts_stay_for_ever(live: Bench) -> None:
    campaign = await completed(live, numbers(1))
    await aged(live, "attempt", "ended_at", 5000)
    await install(live.app.database)

    await server_of(live).purge(Retention())

    assert (await live.report(campaign))[0]["transcript"]


# --- contacts files -------------------------------------------------------------------------------


def files(bench: Bench) -> list[str]:
    return sorted(path.name for path in bench.app.settings.files_folder.rglob("*.csv"))


async def test_files_of_campaigns_that_are_over_go_and_those_of_others_stay(live: Bench) -> None:
    over = await completed(live, numbers(2))
    await live.draft(numbers(2, area="415"))
    recent = await completed(live, numbers(2, area="312"))
    await aged(live, "campaign", "ended_at", 31, f"id = {over}")
    assert len(files(live)) == 3

    gone = await purged(live, contacts_files=timedelta(days=30))

    assert (gone["contacts_files"], len(files(live))) == (1, 2)
    assert [row["to_number"] for row in await live.report(over)] == numbers(2)
    assert (await purged(live, contacts_files=timedelta(days=30)))["contacts_files"] == 0
    assert await live.state(recent) == "completed"


async def test_a_file_that_another_campaign_still_needs_stays_until_that_one_is_over(live: Bench) -> None:
    first = await completed(live, numbers(1))
    second = await completed(live, numbers(1, area="415"))
    async with live.app.database.connection() as connection:
        await connection.execute("UPDATE contact_file SET key = (SELECT min(key) FROM contact_file)")
    await aged(live, "campaign", "ended_at", 31, f"id = {first}")
    shared = await ask(live, "SELECT min(key) FROM contact_file")

    assert (await purged(live, contacts_files=timedelta(days=30)))["contacts_files"] == 0
    await aged(live, "campaign", "ended_at", 31, f"id = {second}")
    assert (await purged(live, contacts_files=timedelta(days=30)))["contacts_files"] == 1
    assert Path(shared).name not in files(live)


async def test_an_upload_that_somebody_asked_for_lately_stays(live: Bench) -> None:
    over = await completed(live, numbers(1))
    await aged(live, "campaign", "ended_at", 31, f"id = {over}")
    key = await ask(live, "SELECT key FROM contact_file")
    async with live.app.database.connection() as connection:
        await connection.execute(
            "INSERT INTO upload (organization_id, key, name, content_type, created_at, used_at)"
            " VALUES ($1, $2, 'c.csv', 'text/csv', $3, $3)",
            live.app.organization_id,
            key,
            datetime.now(UTC),
        )

    assert (await purged(live, contacts_files=timedelta(days=30)))["contacts_files"] == 0
    await aged(live, "upload", "used_at", 31)
    assert (await purged(live, contacts_files=timedelta(days=30)))["contacts_files"] == 1
    assert await ask(live, "SELECT count(*) FROM upload") == 0


# --- runs, logs, workers --------------------------------------------------------------------------


async def test_runs_on_the_virtual_clock_go_with_their_schema_and_their_log(live: Bench, database: Database) -> None:
    logs = live.app.logs
    for schema, age in (("virtual_old", 31), ("virtual_new", 29)):
        (logs / schema).mkdir(parents=True)
        async with database.connection() as connection:
            await connection.execute(f'CREATE SCHEMA "{schema}"; CREATE TABLE "{schema}".contact (id bigint)')
            await connection.execute(
                "INSERT INTO virtual_run VALUES ($1, $2, $3, $4)",
                live.app.organization_id,
                age,
                schema,
                datetime.now(UTC) - timedelta(days=age),
            )

    gone = await purged(live, virtual_runs=timedelta(days=30))

    async with database.connection() as connection:
        left = [row[0] for row in await connection.fetch("SELECT schema_name FROM virtual_run")]
        there = await connection.fetchval("SELECT to_regclass('virtual_old.contact')")
        await connection.execute("DROP SCHEMA virtual_new CASCADE")
    assert (gone["virtual_runs"], left, there) == (1, ["virtual_new"], None)
    assert [path.name for path in logs.glob("virtual_*")] == ["virtual_new"]


async def test_logs_of_campaigns_that_are_over_go_and_those_of_others_stay(live: Bench) -> None:
    over = await completed(live, numbers(1))
    paused = await live.started(numbers(1, area="415"), carrier={**ALL_ANSWER, **QUICK}, keep_open=True)
    async with live.working():
        await live.wait_for(lambda: placed(live, paused))
    await live.app.campaigns.pause(paused)
    await aged(live, "campaign", "ended_at", 31, f"id = {over}")
    await aged(live, "campaign", "created_at", 100)

    gone = await purged(live, carrier_logs=timedelta(days=30))

    assert gone["carrier_logs"] == 1
    assert not (await live.log_path(over)).exists()
    assert await live.placed(paused) == numbers(1, area="415")


async def placed(bench: Bench, campaign_id: int) -> bool:
    return (await bench.progress(campaign_id)).attempts > 0


async def test_workers_that_were_killed_are_forgotten_after_a_day(live: Bench) -> None:
    for _ in range(2):
        async with live.app.database.connection() as connection:
            await sql.beat(connection, worker_id=uuid4(), host="h", pid=1, address=None, now=None)
    await aged(live, "worker", "heartbeat_at", 2, "id = (SELECT min(id::text)::uuid FROM worker)")

    await purged(live)

    assert await ask(live, "SELECT count(*) FROM worker") == 1


async def test_a_jobs_process_purges_the_logs_of_its_machine(live: Bench) -> None:
    await install(live.app.database)
    over = await completed(live, numbers(1))
    await aged(live, "campaign", "ended_at", 31)
    server = server_of(live)
    jobs = server.jobs()

    working = asyncio.create_task(jobs.run())
    path = await live.log_path(over)
    await live.wait_for(lambda: missing(path))
    jobs.stop()
    await working
    await server.close()


async def missing(path: Path) -> bool:
    return not path.exists()
