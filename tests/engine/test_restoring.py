"""Restored, an installation dials nobody by itself, and no call is forgotten that its carriers remember."""

from __future__ import annotations

import asyncio
import json
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from bench import ALL_ANSWER, ALL_BUSY, Bench, numbers
from checks import every_place_has_one_end, no_attempt_is_placed_twice, no_number_rings_twice_at_once
from receiver import receiving

from dialplane.clocks import RealClock
from dialplane.config import Settings
from dialplane.core.retry import RetryPolicy
from dialplane.core.splitting import AgentSplit
from dialplane.engine import restoring
from dialplane.engine.archive import open_archive
from dialplane.engine.backup import Left, back_up
from dialplane.engine.catalog import set_limits
from dialplane.engine.contacts import LateContact
from dialplane.engine.deliveries import Deliveries
from dialplane.engine.events import Events, Position
from dialplane.engine.restoring import Restored, Restoring
from dialplane.engine.webhooks import Webhooks
from dialplane.errors import Conflict, Invalid, InvalidTransition
from dialplane.files import LocalFiles
from dialplane.secrets import Secrets
from dialplane.store import postgres
from dialplane.store.postgres import Database, rows, sql
from dialplane.webhooks import HttpSender
from dialplane.wiring import Server

pytestmark = pytest.mark.asyncio

QUICK = {"cps": None, "ring_seconds": [0.02, 0.1], "talk_seconds": [0.02, 0.1]}
LONG = {"cps": None, "ring_seconds": [0.05, 0.1], "talk_seconds": [1.5, 1.6]}
NO_TRACE = "+15005550017"
MONDAY = datetime(2031, 3, 3, 9, tzinfo=UTC)
SECRETS = Secrets("a secret for the tests")


@dataclass
class Vault:
    """Backs the bench's database up, and restores it into another one. The carriers outlive both."""

    bench: Bench
    other: Database
    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "backup.zip"

    async def backs_up(self) -> Path:
        home = self.bench.app.settings.home
        left = Left(files=home / "files", carrier_logs=home / "carrier-logs", secret_mark="")
        await back_up(self.bench.app.database, self.file, left, version="9.9")
        return self.file

    def server(self) -> Server:
        settings = Settings(home=self.bench.app.settings.home)
        return Server(settings, self.other, RealClock(), settings.carrier_logs)

    async def restores(self, *, files: Path | None = None) -> Restored:
        server = self.server()
        place = self.bench.app.settings.files_folder if files is None else files
        with open_archive(self.file) as archive:
            return await Restoring(
                self.other, archive, LocalFiles(place), self.bench.app.settings.carrier_logs, server.open_carrier
            ).restore()

    async def asked(self) -> Mapping[str, int]:
        return await restoring.ask(self.other, self.server().of(self.bench.app.organization_id).worker())

    def restored(self) -> Bench:
        """The same bench on the restored database."""
        return Bench(self.server().of(self.bench.app.organization_id), self.folder)


@pytest_asyncio.fixture
async def vault(live: Bench, server: Mapping[str, Any], fresh_schema: str, tmp_path: Path) -> AsyncIterator[Vault]:
    other = await Database.open(server, schema=fresh_schema, durable=False)
    yield Vault(live, other, tmp_path)
    await other.close()


async def until_placed(bench: Bench, campaign_id: int, count: int) -> None:
    async def placed() -> bool:
        return len(await bench.placed(campaign_id)) >= count

    await bench.wait_for(placed)


async def killed(running: asyncio.Task[None]) -> None:
    running.cancel()
    await asyncio.wait({running})


async def runs(bench: Bench, campaign_id: int, *, until: Callable[[], Awaitable[None]]) -> None:
    """A worker that dies once something has happened."""
    worker = asyncio.create_task(bench.app.worker().run())
    try:
        await until()
    finally:
        await killed(worker)
        await bench.app.carriers.close()  # its alarms, which would have died with the process


# --- campaigns ------------------------------------------------------------------------------------


async def test_what_ran_is_paused_and_what_waited_for_its_hour_is_a_draft_that_knows_it(vault: Vault) -> None:
    live = vault.bench
    running = await live.started(numbers(2), carrier={**ALL_ANSWER, **QUICK})
    scheduled = await live.draft(numbers(2, area="415"))
    await live.app.campaigns.schedule(scheduled, MONDAY)
    paused = await live.started(numbers(2, area="312"))
    await live.app.campaigns.pause(paused, "lunch")
    await vault.backs_up()

    restored = await vault.restores()

    bench = vault.restored()
    assert [(each.id, each.state_before, each.state) for each in restored.halted] == [
        (running, "running", "paused"),
        (scheduled, "scheduled", "draft"),
    ]
    assert [await bench.state(each) for each in (running, scheduled, paused)] == ["paused", "draft", "paused"]
    assert (await bench.get(scheduled)).starts_at == MONDAY
    assert (await bench.get(paused)).state_reason == "lunch"
    entry = (await bench.app.campaigns.log(running))[0]
    assert (entry.event, entry.level) == ("campaign.paused", "warning")
    assert "restored from a backup of" in entry.message and "in which it was running" in entry.message


async def test_campaigns_that_wait_in_one_queue_can_all_be_restored(vault: Vault) -> None:
    live = vault.bench
    queued = [await live.draft(numbers(1, area=area), queue="sales") for area in ("212", "415", "312")]
    for campaign_id in queued:
        await live.app.campaigns.start(campaign_id)
    await vault.backs_up()

    await vault.restores()

    bench = vault.restored()
    assert [await bench.state(campaign_id) for campaign_id in queued] == ["paused", "draft", "draft"]


async def test_a_restored_campaign_dials_nobody_until_a_person_lets_it(vault: Vault) -> None:
    campaign = await vault.bench.started(numbers(3), carrier={**ALL_ANSWER, **QUICK})
    await vault.backs_up()
    await vault.restores()
    bench = vault.restored()

    async with bench.working():
        await asyncio.sleep(1)
        assert await bench.placed(campaign) == []
        await bench.app.campaigns.resume(campaign)
        await bench.wait_until_ended(campaign)

    assert sorted(await bench.placed(campaign)) == numbers(3)


async def test_an_unfinished_import_goes_on(vault: Vault) -> None:
    live = vault.bench
    campaign = await live.draft("")
    await live.app.intake.store(campaign, live.file(numbers(5)), None)
    await vault.backs_up()

    await vault.restores()

    server = vault.server()
    jobs = server.jobs()
    working = asyncio.create_task(jobs.run())
    bench = vault.restored()

    async def imported() -> bool:
        return (await bench.progress(campaign)).total == 5

    await bench.wait_for(imported)
    jobs.stop()
    await working
    await server.close()


# --- attempts that were open ----------------------------------------------------------------------


async def test_an_intent_that_never_went_out_is_asked_about_and_its_contact_is_called_once(vault: Vault) -> None:
    live = vault.bench
    campaign = await live.started(numbers(2), carrier={**ALL_ANSWER, **QUICK})
    await live.app.worker()._dispatcher.turn(live.app.organization_id, [], 100)
    await vault.backs_up()

    restored = await vault.restores()
    lines = await vault.asked()

    bench = vault.restored()
    assert (restored.doubted, lines) == (2, {})
    assert {line.event for line in await bench.log(campaign)} == {"lookup"}
    assert await bench.contacts(campaign) == dict.fromkeys(numbers(2), "waiting")
    await bench.app.campaigns.resume(campaign)
    async with bench.working():
        await bench.wait_until_ended(campaign)
    assert sorted(await bench.placed(campaign)) == numbers(2)
    assert await bench.contacts(campaign) == dict.fromkeys(numbers(2), "reached")


async def test_what_became_of_a_call_that_was_in_progress_is_learnt(vault: Vault) -> None:
    live = vault.bench
    campaign = await live.started(numbers(3), carrier={**ALL_ANSWER, **LONG})

    async def backed_up() -> None:
        await until_placed(live, campaign, 3)
        await vault.backs_up()

    await runs(live, campaign, until=backed_up)
    restored = await vault.restores()
    await asyncio.sleep(1.6)
    lines = await vault.asked()

    bench = vault.restored()
    assert (restored.doubted, restored.entered, lines) == (3, 0, {})
    assert await bench.contacts(campaign) == dict.fromkeys(numbers(3), "reached")
    progress = await bench.progress(campaign)
    assert (progress.reached, progress.attempts, dict(progress.dispositions)) == (3, 3, {"answered": 3})
    every_place_has_one_end(await bench.log(campaign))


async def test_a_call_that_goes_on_is_followed_by_the_next_worker(vault: Vault) -> None:
    live = vault.bench
    campaign = await live.started(numbers(1), carrier={**ALL_ANSWER, **LONG, "talk_seconds": [6, 6]})

    async def backed_up() -> None:
        await until_placed(live, campaign, 1)
        await vault.backs_up()

    await runs(live, campaign, until=backed_up)
    await vault.restores()
    lines = await vault.asked()

    assert sum(lines.values()) == 1 and "unknown" not in lines
    bench = vault.restored()
    await bench.app.campaigns.resume(campaign)
    async with bench.working():
        await bench.wait_until_ended(campaign)
    assert await bench.placed(campaign) == numbers(1)
    assert await bench.contacts(campaign) == dict.fromkeys(numbers(1), "reached")


async def test_a_call_whose_carrier_cannot_tell_ends_as_unknown_and_is_not_made_again(vault: Vault) -> None:
    live = vault.bench
    limits = {"ring_timeout_seconds": 1, "max_call_seconds": 1}
    campaign = await live.started([NO_TRACE], carrier={**ALL_ANSWER, **QUICK, **limits})

    async def backed_up() -> None:
        await until_placed(live, campaign, 1)
        await vault.backs_up()

    await runs(live, campaign, until=backed_up)
    await vault.restores()
    lines = await vault.asked()

    bench = vault.restored()
    await bench.app.campaigns.resume(campaign)
    async with bench.working():
        await bench.wait_until_ended(campaign, seconds=40)
    assert set(lines) <= {"unknown"}
    assert await bench.placed(campaign) == [NO_TRACE]
    assert (await bench.contact(campaign, NO_TRACE))["disposition"] == "unknown"


async def test_all_are_asked_about_however_many_get_no_answer(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restoring, "PATIENCE_SECONDS", 4.0)
    live = vault.bench
    await set_limits(live.app.database, live.app.organization_id, max_lines=250, cps=None)
    contacts = numbers(250)
    campaign = await live.started(contacts, carrier={**ALL_ANSWER, **QUICK, "lookup": "refused"})
    await live.app.worker()._dispatcher.turn(live.app.organization_id, [], 200)
    await vault.backs_up()

    restored = await vault.restores()
    lines = await vault.asked()

    asked = {line.to for line in await vault.restored().log(campaign) if line.event == "lookup"}
    assert restored.doubted == len(asked) == 200
    assert lines == {"unknown": 200}, "each holds its line until its deadline"


# --- calls after the backup -----------------------------------------------------------------------


async def test_who_was_called_after_the_backup_is_not_called_again(vault: Vault) -> None:
    live = vault.bench
    await live.app.add_agent({"name": "two", "greeting": "Hello."})
    campaign = await live.started(
        numbers(6),
        agent={"name": "two", "greeting": "Good day."},
        carrier={**ALL_ANSWER, **QUICK},
        max_lines=1,
        split=AgentSplit(weights={1: 1}),
    )

    async def some_more_were_called() -> None:
        await until_placed(live, campaign, 2)
        await vault.backs_up()
        await until_placed(live, campaign, 5)

    await runs(live, campaign, until=some_more_were_called)
    called = await live.placed(campaign)
    restored = await vault.restores()
    lines = await vault.asked()

    bench = vault.restored()
    assert restored.entered >= 2 and not restored.forgetful
    assert lines == {}
    assert {number for number, state in (await bench.contacts(campaign)).items() if state == "reached"} == set(called)
    await bench.app.campaigns.resume(campaign)
    async with bench.working():
        await bench.wait_until_ended(campaign)
    log = await bench.log(campaign)
    assert sorted(await bench.placed(campaign)) == numbers(6)
    no_attempt_is_placed_twice(log)
    every_place_has_one_end(log)
    progress = await bench.progress(campaign)
    assert (progress.reached, progress.exhausted, progress.attempts) == (6, 0, 6)
    versions = {row["agent_version"] for row in await bench.report(campaign)}
    assert versions == {"1"}, "of the campaign's split, not the one in force"


async def test_of_several_calls_after_the_backup_the_last_says_what_became_of_the_contact(vault: Vault) -> None:
    live = vault.bench
    retry = RetryPolicy(max_retries=3, delay_seconds=0.2)
    campaign = await live.started(numbers(1), carrier={**ALL_BUSY, **QUICK}, retry=retry)
    await vault.backs_up()
    async with live.working():
        await live.wait_until_ended(campaign)

    restored = await vault.restores()
    await vault.asked()

    bench = vault.restored()
    contact = await bench.contact(campaign, numbers(1)[0])
    progress = await bench.progress(campaign)
    assert restored.entered == 4
    assert (contact["state"], contact["attempts"], contact["spent"]) == ("exhausted", 4, 4)
    assert dict(progress.dispositions) == {"unknown": 3, "busy": 1}
    assert (progress.exhausted, progress.attempts, progress.waiting) == (1, 4, 0)
    assert [row["attempt"] for row in await bench.report(campaign)] == ["1", "2", "3", "4"]


async def test_a_retry_that_was_made_after_the_backup_is_not_made_again(vault: Vault) -> None:
    """The backup knows a call in progress, and the carrier also the one that followed it."""
    live = vault.bench
    number = "+15005550021"  # busy, then answered
    retry = RetryPolicy(delay_seconds=0.2)
    campaign = await live.started([number], carrier={**ALL_ANSWER, **QUICK}, retry=retry)

    async def answered() -> None:
        await until_placed(live, campaign, 1)
        await vault.backs_up()
        await live.wait_until_ended(campaign)

    await runs(live, campaign, until=answered)
    await vault.restores()
    await vault.asked()

    bench = vault.restored()
    await bench.app.campaigns.resume(campaign)
    async with bench.working():
        await bench.wait_until_ended(campaign)
    log = await bench.log(campaign)
    assert await bench.placed(campaign) == [number, number]
    assert (await bench.contact(campaign, number))["state"] == "reached"
    no_number_rings_twice_at_once(log)


async def test_a_number_of_two_campaigns_may_have_been_called_by_the_other_one(vault: Vault) -> None:
    live = vault.bench
    first = await live.started(numbers(1), carrier={**ALL_ANSWER, **LONG})
    second = await live.draft(numbers(1), carrier={**ALL_ANSWER, **LONG})

    async def both_have_called() -> None:
        await until_placed(live, first, 1)
        await vault.backs_up()
        await live.wait_until_ended(first)
        await live.app.campaigns.start(second)
        await until_placed(live, second, 1)

    await runs(live, first, until=both_have_called)
    restored = await vault.restores()
    bench = vault.restored()

    async def reached() -> bool:
        return (await bench.contact(second, numbers(1)[0]))["state"] == "reached"

    async with bench.working():
        await bench.wait_for(reached)

    assert (restored.doubted, restored.entered) == (1, 1)
    assert (await bench.contact(first, numbers(1)[0]))["disposition"] == "unknown"


async def test_a_draft_that_was_started_after_the_backup_knows_its_calls(vault: Vault) -> None:
    live = vault.bench
    campaign = await live.draft(numbers(3), carrier={**ALL_ANSWER, **QUICK}, max_lines=1)
    await vault.backs_up()
    await live.app.campaigns.start(campaign)
    await runs(live, campaign, until=lambda: until_placed(live, campaign, 2))

    await vault.restores()
    await vault.asked()

    bench = vault.restored()
    with pytest.raises(InvalidTransition, match="had made calls when it was restored as a draft: it stays"):
        await bench.app.campaigns.discard(campaign)
    await bench.app.campaigns.start(campaign)
    async with bench.working():
        await bench.wait_until_ended(campaign)
    assert sorted(await bench.placed(campaign)) == numbers(3)


async def test_who_is_not_in_the_backup_is_nobody_to_it(vault: Vault) -> None:
    live = vault.bench
    campaign = await live.started(numbers(1), carrier={**ALL_ANSWER, **QUICK}, keep_open=True)
    await vault.backs_up()
    await live.app.contacts.add(campaign, [LateContact(phone_number=number) for number in numbers(2, area="415")])
    async with live.working():
        await until_placed(live, campaign, 3)

    restored = await vault.restores()

    assert restored.entered == 1
    assert await vault.restored().contacts(campaign) == dict.fromkeys(numbers(1), "dialing")


async def test_a_carrier_that_cannot_list_its_calls_is_named(vault: Vault) -> None:
    live = vault.bench
    app = live.app
    campaign = await live.draft(numbers(1))
    carrier_id = await app.telephony.ensure("our trunk", "twilio", {"account_sid": "AC1"}, ["+15005550199"])
    async with app.database.connection() as connection:
        await connection.execute("UPDATE campaign SET carrier_id = $1 WHERE id = $2", carrier_id, campaign)
    await vault.backs_up()

    restored = await vault.restores()

    assert list(restored.forgetful) == ["our trunk"]
    assert "Twilio" in restored.forgetful["our trunk"]


# --- events and webhooks --------------------------------------------------------------------------


async def test_what_webhooks_had_not_been_told_yet_they_are_told(vault: Vault) -> None:
    live = vault.bench
    async with receiving() as receiver:
        sender = HttpSender(own_network=True)
        webhooks = Webhooks(live.app.database, live.app.organization_id, SECRETS, sender)
        await webhooks.create(receiver.url, ["campaign.*"])
        campaign = await live.started(numbers(1), carrier={**ALL_ANSWER, **QUICK})
        await vault.backs_up()

        await vault.restores()

        stopping = asyncio.Event()
        sending = asyncio.create_task(Deliveries(vault.other, SECRETS, sender).run(stopping))
        async with asyncio.timeout(20):
            while len(receiver.requests) < 3:
                await asyncio.sleep(0.05)
        stopping.set()
        await sending
        await sender.close()
    told = [json.loads(request.body)["type"] for request in receiver.requests]
    assert told == ["campaign.created", "campaign.running", "campaign.paused"]
    assert campaign == 1


async def test_a_listener_from_before_the_restore_is_told_to_begin_anew(vault: Vault) -> None:
    live = vault.bench
    await live.started(numbers(1))
    await vault.backs_up()
    before = Position(1, 1)

    await vault.restores()

    feed = Events(vault.other, live.app.organization_id)
    assert not await feed.keeps(before)
    assert await feed.keeps(await feed.now())


# --- the file, and where it is restored -----------------------------------------------------------


async def test_ids_go_on_where_they_were(vault: Vault) -> None:
    live = vault.bench
    campaigns = [await live.draft(numbers(1)) for _ in range(3)]
    await vault.backs_up()

    await vault.restores()

    assert await vault.restored().draft(numbers(1)) == campaigns[-1] + 1


async def test_files_come_back_where_they_are_gone(vault: Vault, tmp_path: Path) -> None:
    live = vault.bench
    await live.draft(numbers(3))
    kept = {path.name: path.read_bytes() for path in live.app.settings.files_folder.rglob("*.csv")}
    await vault.backs_up()

    restored = await vault.restores(files=tmp_path / "elsewhere")

    assert restored.files == len(kept) == 1
    assert {path.name: path.read_bytes() for path in (tmp_path / "elsewhere").rglob("*.csv")} == kept


async def test_a_backup_goes_into_an_empty_installation_alone(vault: Vault) -> None:
    await vault.bench.draft(numbers(1))
    await vault.backs_up()
    await vault.restores()

    with pytest.raises(Conflict, match="the database is not empty, it has rows of: .*agent.*campaign"):
        await vault.restores()


async def test_an_installation_in_which_a_worker_is_at_work_is_left_alone(vault: Vault) -> None:
    await vault.bench.draft(numbers(1))
    await vault.backs_up()
    async with vault.other.connection() as connection:
        await sql.beat(connection, worker_id=uuid4(), host="here", pid=1, address=None, now=None)

    with pytest.raises(Conflict, match="1 worker at work in this database: stop them first"):
        await vault.restores()


async def test_a_restore_that_fails_leaves_the_installation_empty(vault: Vault) -> None:
    await vault.bench.draft(numbers(1))
    whole = (await vault.backs_up()).read_bytes()
    with zipfile.ZipFile(vault.file) as source, zipfile.ZipFile(vault.folder / "torn.zip", "w") as torn:
        for entry in source.namelist():
            content = source.read(entry)
            torn.writestr(entry, content + b"no row\n" if entry == "tables/contact.copy" else content)
    (vault.folder / "torn.zip").rename(vault.file)

    with pytest.raises(asyncpg.DataError, match="invalid input syntax"):
        await vault.restores()
    vault.file.write_bytes(whole)

    assert (await vault.restores()).rows > 0


async def test_what_is_no_whole_backup_is_refused(vault: Vault) -> None:
    await vault.bench.draft(numbers(1))
    whole = (await vault.backs_up()).read_bytes()

    vault.file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Invalid, match="is no backup, or not a whole one"):
        await vault.restores()
    with zipfile.ZipFile(vault.file, "w") as file:
        file.writestr("else.txt", "x")
    with pytest.raises(Invalid, match="is no backup of Dialplane"):
        await vault.restores()


async def test_no_backup_is_written_over_and_none_is_half_there(vault: Vault) -> None:
    await vault.bench.draft(numbers(1))
    await vault.backs_up()

    with pytest.raises(Conflict, match="exists already"):
        await vault.backs_up()
    assert [path.name for path in vault.folder.glob("*backup*")] == ["backup.zip"]
    assert vault.file.stat().st_mode & 0o777 == 0o600


async def test_an_empty_database_is_no_backup(vault: Vault) -> None:
    left = Left(files=None, carrier_logs=vault.folder, secret_mark="")

    with pytest.raises(Conflict, match="there is nothing to back up"):
        await back_up(vault.other, vault.file, left, version="9.9")

    assert not vault.file.exists()


# --- versions -------------------------------------------------------------------------------------


async def test_a_backup_of_an_older_version_is_migrated(
    vault: Vault, server: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = f"t_{uuid4().hex[:12]}"
    with monkeypatch.context() as older:
        first = [migration for migration in postgres.migrations() if migration[0] < 3]
        older.setattr(postgres, "migrations", lambda: first)
        old = await Database.open(server, schema=schema)
        async with old.connection() as connection:
            await connection.execute(OLD_ROWS)
        left = Left(files=None, carrier_logs=vault.folder / "no logs", secret_mark="")
        await back_up(old, vault.file, left, version="0.0")
        await old.close()

    await vault.restores()

    async with vault.other.connection() as connection:
        applied = [row["number"] for row in await rows(sql.applied_migrations(connection))]
        campaign = await connection.fetchrow("SELECT name, state, updated_at FROM campaign")
        await connection.execute(f'DROP SCHEMA "{schema}" CASCADE')
    assert applied == [number for number, _, _ in postgres.migrations()]
    assert (campaign["name"], campaign["state"]) == ("old", "paused")


async def test_a_backup_of_a_newer_version_is_refused(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    await vault.bench.draft(numbers(1))
    await vault.backs_up()
    older = [migration for migration in postgres.migrations() if migration[0] < 3]
    monkeypatch.setattr(restoring, "migrations", lambda: older)

    with pytest.raises(Invalid, match=r"newer Dialplane, 9\.9 \(migration 0003_doors\.sql\): upgrade this one"):
        await vault.restores()


async def test_a_backup_of_a_newer_format_is_refused(vault: Vault) -> None:
    await vault.bench.draft(numbers(1))
    await vault.backs_up()
    with zipfile.ZipFile(vault.file) as file:
        manifest = json.loads(file.read("backup.json"))
    with zipfile.ZipFile(vault.file, "w") as file:
        file.writestr("backup.json", json.dumps(manifest | {"format": 2}))

    with pytest.raises(Invalid, match=r"was made by a newer Dialplane \(9\.9\): upgrade this one"):
        await vault.restores()


OLD_ROWS = """
INSERT INTO organization (uuid, name, created_at) VALUES (md5('o')::uuid, 'default', '2025-01-01Z');
INSERT INTO agent (organization_id, uuid, name, kind, created_at)
VALUES (1, md5('a')::uuid, 'a', 'scripted', '2025-01-01Z');
INSERT INTO carrier (organization_id, uuid, name, provider, settings, send_timeout_seconds, ring_timeout_seconds,
                     max_call_seconds, slow_start, created_at)
VALUES (1, md5('c')::uuid, 'c', 'simulated', '{}', 5, 60, 3600, false, '2025-01-01Z');
INSERT INTO campaign (organization_id, uuid, name, state, agent_id, carrier_id, calling_window, retry, breaker,
                      created_at)
VALUES (1, md5('k')::uuid, 'old', 'running', 1, 1, '{}', '{}', '{}', '2025-01-01Z');
"""
