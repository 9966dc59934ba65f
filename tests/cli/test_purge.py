"""`dialplane purge` through the executable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import asyncpg
from executable import ANSWERED, Cli


def aged(cli: Cli, *tables_and_columns: str) -> None:
    """All these instants lie a hundred days earlier."""

    async def age() -> None:
        connection = await asyncpg.connect(cli.env["DIALPLANE_DATABASE_URL"])
        for each in tables_and_columns:
            table, _, column = each.partition(".")
            await connection.execute(f"UPDATE {table} SET {column} = {column} - interval '100 days'")
        await connection.close()

    asyncio.run(age())


def test_what_was_kept_for_its_time_goes_and_is_counted(empty: Callable[[str], Cli]) -> None:
    cli = empty("site")
    home = Path(cli.env["DIALPLANE_HOME"])
    fast = cli("run", cli.contacts(ANSWERED), "--fast", "--json").json
    dialled = cli("run", cli.contacts(ANSWERED, name="more.csv"), "--json").json
    everything = ("--transcripts", "90d", "--contacts-files", "90d", "--carrier-logs", "90d", "--virtual-runs", "90d")
    before = cli("purge", *everything, "--json")
    aged(cli, "campaign.created_at", "campaign.ended_at", "attempt.ended_at", "virtual_run.created_at")

    after = cli("purge", *everything, "--json", DIALPLANE_KEEP_CARRIER_LOGS="forever")

    counted = ("transcripts", "contacts_files", "carrier_logs", "virtual_runs")
    assert (before.code, after.code) == (0, 0), before.err + after.err
    assert [before.json[name] for name in counted] == [0, 0, 0, 0]
    assert [after.json[name] for name in counted] == [1, 1, 1, 1]
    assert list(home.rglob("*.jsonl")) == list(home.rglob("*.csv")) == []
    assert cli("campaign", "show", str(fast["campaign_id"])).code == 2, "the run is gone"
    report = cli("campaign", "report", str(dialled["campaign_id"]), "--report", "r.csv")
    assert report.code == 0 and ANSWERED in (cli.folder / "r.csv").read_text()
    assert "calls' transcripts and gathered data" in cli("purge", "--transcripts", "90d").out


def test_a_time_that_makes_no_sense_is_refused(empty: Callable[[str], Cli]) -> None:
    cli = empty("site")

    wrong = cli("purge", "--virtual-runs", "0d")
    assert wrong.code == 2 and "--virtual-runs must be like 90d or 12h" in wrong.err
    wrong = cli("purge", DIALPLANE_KEEP_TRANSCRIPTS="a year")
    assert wrong.code == 2 and "DIALPLANE_KEEP_TRANSCRIPTS must be like 90d" in wrong.err
