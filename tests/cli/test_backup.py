"""`dialplane backup` and `dialplane restore` through the executable."""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from checks import (
    every_place_has_one_end,
    no_attempt_is_placed_twice,
    no_number_rings_twice_at_once,
    read_log,
    read_report,
)
from executable import ANSWERED, Cli, wait_for

from dialplane.config import Settings
from dialplane.core.campaign import CampaignState, Policies
from dialplane.store.embedded import binaries, placement
from dialplane.wiring import open_app

CONTACTS = 160
PROFILE = "provider: simulated\nring_seconds: [0.1, 0.3]\ntalk_seconds: [0.5, 2.5]\n"
OLDER = "16"  # comes with the wheel besides the version in use
SECRET = "a secret of sixteen and more"


@pytest.fixture
def alone(cli: Cli) -> Iterator[Cli]:
    """In a data folder of its own, which nobody else keeps a server running for."""
    folder = Path(tempfile.mkdtemp(prefix="dp-backup-", dir="/tmp"))
    folder.chmod(0o755)
    (folder / "home").mkdir(mode=0o755)
    env = {name: value for name, value in cli.env.items() if name != "DIALPLANE_DATABASE_URL"}
    yield Cli(cli.folder, env | {"DIALPLANE_HOME": str(folder / "home")})
    shutil.rmtree(folder, ignore_errors=True)


def home(cli: Cli) -> Path:
    return Path(cli.env["DIALPLANE_HOME"])


def placed(log: Path) -> int:
    return log.read_text(encoding="utf-8").count('"place"') if log.exists() else 0


def test_a_campaign_goes_on_after_its_data_folder_is_gone_and_calls_nobody_twice(alone: Cli) -> None:
    contacts = alone.contacts(*(f"+1415555{n:04d}" for n in range(CONTACTS)))
    process = alone.start(
        "run", contacts, "--carrier", alone.file("c.yaml", PROFILE), "--max-concurrency", "12", "--retry-delay", "1s",
    )  # fmt: skip
    log = home(alone) / "carrier-logs" / "carrier-1-campaign-1.jsonl"
    wait_for(lambda: placed(log) > 20)
    made = alone("backup", "b.zip", "--json")
    known = placed(log)
    wait_for(lambda: placed(log) > known + 20)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)
    alone("campaign", "list")  # the last one that leaves stops the server
    memory = shutil.copy(log, alone.folder)  # the carrier's own: it is not in the data folder that is lost
    shutil.rmtree(home(alone))
    home(alone).mkdir(mode=0o755)
    log.parent.mkdir(mode=0o700)
    shutil.move(memory, log)

    restored = alone("restore", "b.zip", "--json")

    assert (made.code, restored.code) == (0, 0), made.err + restored.err
    assert made.json["files"] == restored.json["files"] == 1
    assert restored.json["campaigns"] == [
        {"id": 1, "name": "contacts", "state": "paused", "state_before": "running"},
    ]
    assert restored.json["later_calls"] >= 20 and restored.json["open_attempts"] > 0
    assert "unknown" not in restored.json["open_calls"], "the carrier has been asked about all of them"
    assert alone.campaigns()[0]["state"] == "paused"
    assert alone("campaign", "update", "1", "--max-concurrency", "80").code == 0
    done = alone("run", "--resume", "1", "--json").json
    assert done["state"] == "completed"
    assert done["contacts"]["reached"] + done["contacts"]["exhausted"] == CONTACTS
    lines = read_log(log)
    no_attempt_is_placed_twice(lines)
    every_place_has_one_end(lines)
    no_number_rings_twice_at_once(lines)
    answered = [line.to for line in lines if line.event == "end" and line.result == "answered"]
    assert len(answered) == len(set(answered)), "who has answered is not called again"
    ended = {row["contact_id"]: row["contact_state"] for row in read_report(Path(done["report"]))}
    assert len(ended) == CONTACTS and set(ended.values()) == {"reached", "exhausted"}


# --- versions of PostgreSQL -----------------------------------------------------------------------


@pytest.mark.skipif(
    OLDER not in {found.major for found in binaries.all_binaries()},
    reason=f"the wheel of PostgreSQL has no PostgreSQL {OLDER}",
)
def test_a_data_folder_of_an_older_postgresql_moves_to_the_new_one(alone: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as before:
        older = binaries.find_binaries(major=OLDER)
        before.setattr(placement, "find_binaries", lambda **_: older)
        asyncio.run(tiny_run(home(alone), alone.contacts(ANSWERED, "+14155550123")))

    refused = alone("campaign", "list")
    made = alone("backup", "old.zip")
    new = Cli(alone.folder, alone.env | {"DIALPLANE_HOME": str(home(alone).with_name("new"))})
    home(new).mkdir(mode=0o755)
    restored = new("restore", "old.zip")

    assert refused.code == 4
    assert f"is of PostgreSQL {OLDER}" in refused.err
    assert "Make a backup with `dialplane backup FILE`, set DIALPLANE_HOME to a new folder, and" in refused.err
    assert (made.code, restored.code) == (0, 0), made.err + restored.err
    (campaign,) = new.campaigns()
    assert (campaign["state"], campaign["contacts"]["total"], campaign["contacts"]["waiting"]) == ("completed", 2, 0)
    assert alone("campaign", "list").code == 4, "the old folder is as it was"


async def tiny_run(folder: Path, contacts: Path) -> None:
    async with open_app(Settings(home=folder)) as app:
        campaign_id = await app.campaigns.create(
            name="old",
            agent_id=await app.add_agent(None),
            carrier_id=await app.add_carrier({"outcomes": {"answered": 1}, "talk_seconds": [0.1, 0.2]}),
            policies=Policies(),
        )
        await app.intake.store(campaign_id, contacts, None)
        await app.intake.run(campaign_id, frozenset())
        await app.campaigns.start(campaign_id)

        async def over() -> bool:
            return (await app.campaigns.get(campaign_id)).state is CampaignState.COMPLETED

        await app.worker(campaign_id=campaign_id, finished=over).run()


def test_a_backup_changes_nothing_in_a_database_of_an_older_version(empty: Callable[[str], Cli]) -> None:
    cli = empty("site")
    cli("keys", "create")
    execute(cli, "DELETE FROM schema_migration WHERE number = 10")
    execute(cli, "ALTER TABLE campaign DROP transcripts_gone_to", "ALTER TABLE contact_file DROP purged_at")

    made = cli("backup", "old.zip")

    assert made.code == 0, made.err
    assert execute(cli, "SELECT max(number) FROM schema_migration") != 10
    other = empty("other")
    assert other("restore", "old.zip").code == 0
    assert len(other("keys", "list", "--json").json) == 1


def test_a_backup_of_a_newer_database_is_refused(empty: Callable[[str], Cli]) -> None:
    cli = empty("site")
    cli("keys", "create")
    execute(cli, "INSERT INTO schema_migration VALUES (9001, '9001_later.sql', 'x')")

    refused = cli("backup", "new.zip")

    assert refused.code == 4 and "made by a newer Dialplane (migration 9001_later.sql)" in refused.err
    assert not (cli.folder / "new.zip").exists()


def execute(cli: Cli, *statements: str) -> Any:
    async def run() -> Any:
        connection = await asyncpg.connect(cli.env["DIALPLANE_DATABASE_URL"])
        found = [await connection.fetchval(statement) for statement in statements]
        await connection.close()
        return found[-1]

    return asyncio.run(run())


# --- where it goes, and what is in it -------------------------------------------------------------


def test_an_external_database_moves_to_another_one(empty: Callable[[str], Cli]) -> None:
    origin, other = empty("origin"), empty("other")
    done = origin("run", origin.contacts(ANSWERED), "--json")
    made = origin("backup", "moved.zip")

    restored = other("restore", "moved.zip")

    assert (done.code, made.code, restored.code) == (0, 0, 0), made.err + restored.err
    assert "1 file" in made.out and "1 file" in restored.out
    shown = other("campaign", "show", str(done.json["campaign_id"]), "--json").json
    assert (shown["state"], shown["contacts"]["reached"]) == ("completed", 1)
    assert other("restore", "moved.zip").code == 2


def test_the_secret_key_stays_out_unless_asked_for_and_is_asked_for_when_it_is_missing(
    empty: Callable[[str], Cli],
) -> None:
    origin, other = empty("origin"), empty("other")
    origin("keys", "create")
    (home(origin) / "secret.key").write_text(SECRET)

    without = origin("backup", "without.zip", "--json")
    assert SECRET.encode() not in Path(without.json["file"]).read_bytes()
    assert "secret key" in without.json["not_in_it"][0]

    refused = other("restore", "without.zip")
    assert refused.code == 2
    assert "made with another secret key than the one here: set DIALPLANE_SECRET_KEY" in refused.err
    assert not (home(other) / "secret.key").exists()
    assert other("restore", "without.zip", DIALPLANE_SECRET_KEY=SECRET + "!").code == 2
    assert other("restore", "without.zip", DIALPLANE_SECRET_KEY=SECRET).code == 0


def test_a_backup_with_the_secret_key_brings_it_along(empty: Callable[[str], Cli]) -> None:
    origin, other = empty("origin"), empty("other")
    origin("keys", "create")
    (home(origin) / "secret.key").write_text(SECRET)
    assert origin("backup", "with.zip", "--with-secret-key", "--json").json["not_in_it"] == []

    assert other("restore", "with.zip").code == 0

    assert (home(other) / "secret.key").read_text() == SECRET
    assert (home(other) / "secret.key").stat().st_mode & 0o777 == 0o600


def test_with_a_lost_secret_key_all_else_is_restored(empty: Callable[[str], Cli]) -> None:
    origin, other = empty("origin"), empty("other")
    origin("keys", "create")
    origin("backup", "lost.zip", DIALPLANE_SECRET_KEY=SECRET)

    assert other("restore", "lost.zip", "--new-secret-key").code == 0
    assert len(other("keys", "list", "--json").json) == 1


def test_files_may_stay_out_and_nothing_is_no_backup(empty: Callable[[str], Cli]) -> None:
    origin = empty("origin")
    nothing = origin("backup", "nothing.zip")
    origin("run", origin.contacts(ANSWERED))

    made = origin("backup", "small.zip", "--without-files", "--json")

    assert nothing.code == 2 and "there is nothing to back up" in nothing.err
    assert made.json["files"] == 0 and "files" in made.json["not_in_it"][0]


def test_a_folder_that_is_not_there_is_told(empty: Callable[[str], Cli]) -> None:
    origin = empty("origin")
    origin("keys", "create")

    assert origin("backup", "no/such/folder.zip").code == 4
    missing = origin("restore", "no.zip")
    assert missing.code == 4 and "no.zip cannot be read: No such file or directory" in missing.err
