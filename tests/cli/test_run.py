"""`dialplane run` from file to report."""

from __future__ import annotations

import csv
import json
import os
import signal
import time
from pathlib import Path

import pytest
from executable import ANSWERED, BUSY, DECLINED, Cli, wait_for

SLOW = "provider: simulated\nring_seconds: [0.2, 0.3]\ntalk_seconds: [30, 40]\noutcomes: {answered: 1}\n"
KEYS = [
    "campaign_id", "state", "contacts", "rejected_rows", "attempts", "dispositions", "skipped", "started_at",
    "finished_at", "report", "rejects", "carrier_log",
]  # fmt: skip


def report_of(path: str | Path) -> list[dict[str, str]]:
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def placed(log: str) -> list[str]:
    lines = [json.loads(line) for line in Path(log).read_text(encoding="utf-8").splitlines()]
    return [line["attempt_id"] for line in lines if line["event"] == "place"]


def test_a_file_is_dialled_to_its_end_and_reported(cli: Cli) -> None:
    contacts = cli.file("people.csv", f"phone_number,name\n{ANSWERED},Ana\n{DECLINED},Bo\nnonsense,Cy\n{ANSWERED},Di\n")

    result = cli("run", contacts, "--report", "out.csv", "--json")

    assert result.code == 0, result.err
    assert list(result.json) == KEYS
    assert result.json["state"] == "completed"
    assert result.json["contacts"] == {
        "total": 2, "reached": 1, "exhausted": 1, "skipped": 0, "removed": 0, "dialing": 0, "waiting": 0,
    }  # fmt: skip
    assert result.json["rejected_rows"] == 2
    assert result.json["dispositions"] == {"answered": 1, "declined": 1}
    assert {row["name"]: row["disposition"] for row in report_of(result.json["report"])} == {
        "Ana": "answered",
        "Bo": "declined",
    }
    assert [row["row"] for row in report_of(cli.folder / "out.rejects.csv")] == ["4", "5"]
    assert len(placed(result.json["carrier_log"])) == 2


def test_without_rejected_rows_there_is_no_reject_file(cli: Cli) -> None:
    result = cli("run", cli.contacts(ANSWERED))

    assert result.code == 0
    assert "completed" in result.out
    assert (cli.folder / "report.csv").exists()
    assert not (cli.folder / "report.rejects.csv").exists()


def test_an_agent_file_fills_in_columns_and_gathers_answers(cli: Cli) -> None:
    agent = cli.file("a.yaml", "name: A\ngreeting: Hi {{name}}\nsteps: [{say: How are you, gather: mood}]\n")
    contacts = cli.file("people.csv", f"phone_number,name\n{ANSWERED},Ana\n")

    result = cli("run", contacts, "--agent", agent, "--json")

    row = report_of(result.json["report"])[0]
    assert "Hi Ana" in row["transcript"]
    assert "mood" in row


def test_fast_passes_days_in_seconds_and_is_found_again(cli: Cli) -> None:
    before = cli.campaigns()

    result = cli(
        "run", cli.contacts(ANSWERED, BUSY), "--fast", "--start-at", "2027-03-06T12:00:00Z",
        "--window", "mon-fri 09:00-17:00", "--retry-delay", "3h", "--json",
    )  # fmt: skip

    assert result.code == 0, result.err
    assert result.json["started_at"].startswith("2027-03-06T12:00:00")
    busy = [row["placed_at"][:16] for row in report_of(result.json["report"]) if row["to_number"] == BUSY]
    assert busy == ["2027-03-08T09:00", "2027-03-08T12:00", "2027-03-08T15:00"]
    assert cli.campaigns() == before
    campaign_id = str(result.json["campaign_id"])
    assert cli("campaign", "show", campaign_id, "--json").json["state"] == "completed"
    assert cli("campaign", "report", campaign_id, "--json").json["attempts"] == 4
    assert cli("campaign", "log", campaign_id, "--json").json[-1]["event"] == "campaign.completed"
    assert cli("run", "--resume", campaign_id).code == 0
    assert cli("campaign", "pause", campaign_id).code == 2


def test_the_same_seed_gives_the_same_calls(cli: Cli) -> None:
    contacts = cli.contacts(*(f"+1415555{n:04d}" for n in range(40)))

    first, again, other = (cli("run", contacts, "--fast", "--seed", seed, "--json").json for seed in ("5", "5", "6"))

    assert first["dispositions"] == again["dispositions"]
    assert first["dispositions"] != other["dispositions"]


def test_ctrl_c_pauses_and_lets_calls_end(cli: Cli) -> None:
    profile = cli.file("c.yaml", SLOW.replace("[30, 40]", "[4, 5]"))
    contacts = cli.contacts(*(f"+1415555{n:04d}" for n in range(4)))
    process = cli.start("run", contacts, "--carrier", profile, "--max-concurrency", "2", "--json")
    wait_for(lambda: (found := cli.newest()) is not None and found["contacts"]["dialing"] == 2)

    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)

    found = json.loads(out)
    assert process.returncode == 3
    assert f"go on with: dialplane run --resume {found['campaign_id']}" in err
    assert found["state"] == "paused"
    assert found["contacts"]["reached"] == found["attempts"] == 2
    resumed = cli("run", "--resume", str(found["campaign_id"]), "--json")
    assert (resumed.code, resumed.json["state"], resumed.json["attempts"]) == (0, "completed", 4)
    assert len(set(placed(resumed.json["carrier_log"]))) == len(placed(resumed.json["carrier_log"])) == 4


def test_ctrl_c_twice_hangs_up(cli: Cli) -> None:
    process = cli.start("run", cli.contacts(ANSWERED[:-2] + "99"), "--carrier", cli.file("c.yaml", SLOW), "--json")
    wait_for(lambda: (found := cli.newest()) is not None and found["contacts"]["dialing"] == 1)
    begun = time.monotonic()

    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)

    assert process.returncode == 3, err
    assert time.monotonic() - begun < 10
    assert json.loads(out)["state"] == "paused"
    assert json.loads(out)["contacts"]["dialing"] == 0


def test_after_kill_9_resume_goes_on_and_dials_nobody_twice(cli: Cli) -> None:
    profile = cli.file("c.yaml", SLOW.replace("[30, 40]", "[1, 2]"))
    contacts = cli.contacts(*(f"+1415556{n:04d}" for n in range(12)))
    process = cli.start("run", contacts, "--carrier", profile, "--max-concurrency", "4")
    wait_for(lambda: (found := cli.newest()) is not None and found["attempts"] >= 2)
    process.kill()
    process.communicate()
    campaign = cli.newest()
    assert campaign["state"] == "running"

    result = cli("run", "--resume", str(campaign["id"]), "--json")

    assert (result.code, result.json["state"]) == (0, "completed"), result.err
    assert result.json["contacts"]["reached"] == 12
    calls = placed(result.json["carrier_log"])
    assert len(calls) == len(set(calls)) == 12


def test_a_killed_import_is_finished_and_its_start_is_kept(cli: Cli) -> None:
    numbers = "".join(f"+1415{200 + n // 10000:03d}{n % 10000:04d}\n" for n in range(200_000))
    contacts = cli.file("many.csv", "phone_number\n" + numbers)
    process = cli.start("run", contacts, "--start-at", "2037-01-01T00:00:00Z", "--name", "many")
    wait_for(lambda: (found := cli.newest()) is not None and found["name"] == "many")
    process.kill()
    process.communicate()
    campaign = cli.newest()
    assert campaign["state"] == "draft"
    assert campaign["contacts"]["total"] < 200_000

    process = cli.start("run", "--resume", str(campaign["id"]))
    wait_for(lambda: cli.newest()["state"] == "scheduled", 60)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)

    assert process.returncode == 3
    assert "2037-01-01" in err
    shown = cli("campaign", "show", str(campaign["id"]), "--json").json
    assert (shown["state"], shown["attempts"]) == ("draft", 0)
    assert shown["starts_at"].startswith("2037-01-01")
    assert shown["contacts"]["total"] > 100_000
    cli("campaign", "cancel", str(campaign["id"]))


def test_ctrl_c_during_the_import_leaves_what_resume_finishes(cli: Cli) -> None:
    numbers = "".join(f"+1415{200 + n // 10000:03d}{n % 10000:04d}\n" for n in range(200_000))
    process = cli.start("run", cli.file("many.csv", "phone_number\n" + numbers), "--name", "halted")
    wait_for(lambda: (found := cli.newest()) is not None and found["name"] == "halted")

    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)

    campaign = cli.newest()
    assert process.returncode == 3
    assert f"finish it with: dialplane run --resume {campaign['id']}" in err
    assert campaign["state"] == "draft"
    cli("campaign", "cancel", str(campaign["id"]))


def test_a_campaign_that_somebody_cancels_ends_the_run(cli: Cli) -> None:
    contacts = cli.contacts(*(f"+1415557{n:04d}" for n in range(40)))
    profile = cli.file("c.yaml", SLOW.replace("[30, 40]", "[5, 6]"))
    process = cli.start("run", contacts, "--carrier", profile, "--max-concurrency", "1", "--json")
    wait_for(lambda: (found := cli.newest()) is not None and found["contacts"]["dialing"] == 1)

    cli("campaign", "cancel", str(cli.newest()["id"]))
    out, err = process.communicate(timeout=30)

    assert process.returncode == 3
    assert "was cancelled" in err
    found = json.loads(out)
    assert found["contacts"]["reached"] == found["attempts"] < 40  # the call in progress ended by itself
    assert found["skipped"] == {"cancelled": 40 - found["attempts"]}
    assert cli("run", "--resume", str(found["campaign_id"])).code == 2


def test_a_breaker_that_pauses_ends_the_run_with_its_reason(cli: Cli) -> None:
    profile = cli.file("c.yaml", "outcomes: {agent_failed: 1}\nring_seconds: 0.1\ntalk_seconds: 0.1\n")
    contacts = cli.contacts(*(f"+1415558{n:04d}" for n in range(20)))

    result = cli("run", contacts, "--carrier", profile, "--max-concurrency", "2", "--json")

    assert result.code == 3
    assert result.json["state"] == "paused"
    assert "calls failed" in result.err
    assert "--resume" in result.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_disk_that_fills_up_costs_no_results(cli: Cli) -> None:
    small = cli.folder / "small"
    small.mkdir()
    if os.system(f"mount -t tmpfs -o size=16k tmpfs {small}") != 0:
        pytest.skip("mounting is not allowed here")
    try:
        contacts = cli.contacts(*(f"+1415559{n:04d}" for n in range(200)))

        result = cli("run", contacts, "--fast", "--report", small / "report.csv")

        assert result.code == 4
        assert "the disk is full" in result.err
        assert "dialplane campaign report" in result.err
        assert list(small.iterdir()) == []
    finally:
        os.system(f"umount {small}")
