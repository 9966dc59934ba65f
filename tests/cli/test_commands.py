"""Commands beside `run`: what they do, and that --json is all that they print."""

from __future__ import annotations

import json
import re
import signal

import pytest
from executable import ANSWERED, BUSY, Cli, wait_for

JANE = "+14155550142"


def draft(cli: Cli, *numbers: str, **options: str) -> str:
    given = [text for name, value in options.items() for text in (f"--{name.replace('_', '-')}", value)]
    return str(cli("campaign", "create", cli.contacts(*numbers), *given, "--json").json["id"])


def test_version(cli: Cli) -> None:
    assert cli("--version").out.startswith("dialplane 0.")


def test_create_makes_a_draft_with_its_policies(cli: Cli) -> None:
    result = cli(
        "campaign", "create", cli.contacts("+14155550140", "nonsense"), "--name", "N", "--timezone", "contact",
        "--window", "mon-fri 09:00-17:00", "--max-retries", "4", "--retry-delay", "5m", "--cps", "2.5",
        "--max-concurrency", "7",
    )  # fmt: skip

    assert (cli.folder / "contacts.rejects.csv").exists()
    shown = cli("campaign", "show", result.out.strip(), "--json").json
    assert (shown["name"], shown["state"], shown["contacts"]["total"], shown["rejected_rows"]) == ("N", "draft", 1, 1)
    assert shown["settings"]["window"]["timezone"] == "contact"
    assert shown["settings"]["retry"]["max_retries"] == 4
    assert shown["settings"]["retry"]["delay_seconds"] == 300
    assert (shown["settings"]["cps"], shown["settings"]["max_concurrency"]) == (2.5, 7)


def test_a_campaign_shows_how_many_of_those_who_answered_were_abandoned(cli: Cli) -> None:
    done = cli("run", cli.contacts("+15005550006", "+15005550013"), "--fast", "--max-retries", "0", "--json").json
    campaign = str(done["campaign_id"])

    (day,) = cli("campaign", "show", campaign, "--json").json["abandoned_calls"]

    assert (day["answered"], day["abandoned"], day["rate"]) == (2, 1, 0.5)
    assert f"1 of 2 answered calls (50.0 %) on {day['day']}" in cli("campaign", "show", campaign).out


def test_the_list_is_newest_first_with_counts(cli: Cli) -> None:
    older, newer = draft(cli, "+14155550140", name="older"), draft(cli, "+14155550140", JANE, name="newer")

    found = cli.campaigns()

    assert [str(each["id"]) for each in found[:2]] == [newer, older]
    assert found[0]["contacts"]["total"] == found[0]["contacts"]["waiting"] == 2
    assert {"id", "name", "state", "created_at", "contacts", "attempts", "dispositions", "rejected_rows"} == set(
        found[0]
    )
    assert "newer" in cli("campaign", "list").out


def test_update_changes_what_is_given_and_nothing_else(cli: Cli) -> None:
    campaign = draft(cli, JANE, window="mon-fri 09:00-17:00", timezone="Europe/Berlin", max_retries="5")

    assert cli("campaign", "update", campaign, "--retry-delay", "1h", "--timezone", "contact").code == 0

    settings = cli("campaign", "show", campaign, "--json").json["settings"]
    assert settings["window"]["timezone"] == "contact"
    assert settings["window"]["slots"][0]["start"] == "09:00"
    assert (settings["retry"]["max_retries"], settings["retry"]["delay_seconds"]) == (5, 3600)


def test_recording_is_a_setting_of_the_campaign(cli: Cli) -> None:
    campaign = draft(cli, JANE, recording="announced", announcement="We record.")
    assert "announced: We record." in cli("campaign", "show", campaign).out

    assert cli("campaign", "update", campaign, "--recording", "off").code == 0

    settings = cli("campaign", "show", campaign, "--json").json["settings"]
    assert settings["recording"] == {"mode": "off", "announcement": "We record."}
    assert cli("campaign", "update", campaign, "--recording", "loud").code == 2
    refused = cli("campaign", "update", campaign, "--announcement", "Hello {{name}}")
    assert refused.code == 2 and "the same for everybody" in refused.err


def test_what_is_done_about_machines_is_a_setting_of_the_campaign(cli: Cli) -> None:
    campaign = draft(cli, JANE, machines="leave-message", machine_message="Call us, {{first_name}}.")
    assert "leave message: Call us, {{first_name}}." in cli("campaign", "show", campaign).out

    assert cli("campaign", "update", campaign, "--machines", "hang-up", "--on-screening", "hang-up").code == 0

    settings = cli("campaign", "show", campaign, "--json").json["settings"]
    assert settings["machine_detection"] == {
        "on_machine": "hang_up", "message": "Call us, {{first_name}}.", "on_screening": "hang_up"
    }  # fmt: skip
    refused = cli("campaign", "update", campaign, "--machines", "explode")
    assert refused.code == 2 and "on_machine must be off, hang_up, leave_message, carry_on" in refused.err


def test_contacts_are_split_over_versions_of_the_agent(cli: Cli) -> None:
    draft(cli, JANE, agent=str(cli.file("asker.yaml", "name: asker\ngreeting: Hello.\n")))
    newer = cli.file("asker.yaml", "name: asker\ngreeting: Good day.\n")
    campaign = draft(cli, JANE, "+14155550143", agent=str(newer), agent_split="1:1")

    refused = cli("campaign", "update", campaign, "--agent-split", "1:1,3:1")
    assert refused.code == 2 and "agent_versions: 'asker' has no version 3; choose among 1 to 2" in refused.err
    assert cli("campaign", "update", campaign, "--agent-split", "1:80,2:20").code == 0
    assert "asker, versions 1:80,2:20" in cli("campaign", "show", campaign).out


def test_a_run_has_the_one_version_of_its_file(cli: Cli) -> None:
    contacts = cli.contacts("+15005550006")

    refused = cli("run", contacts, "--fast", "--agent-split", "1:80,2:20")
    done = cli("run", contacts, "--fast", "--agent-split", "1:1", "--json").json

    assert refused.code == 2 and "has no version 2; choose among 1" in refused.err
    report = cli("campaign", "report", str(done["campaign_id"])).out
    assert re.search(
        r"version +weight +attempts +answered +contacts +reached +talk seconds\n.*\n?.*1 +1 +1 +1 +1 +100.0%", report
    )


def test_a_campaign_that_is_paused_may_hang_up(cli: Cli) -> None:
    campaign = draft(cli, JANE)
    cli("campaign", "start", campaign)

    assert cli("campaign", "pause", campaign, "--end-calls").out.strip() == f"campaign {campaign} is paused"
    assert cli("campaign", "cancel", campaign, "--end-calls").code == 0
    assert "paused, and its calls hung up" in cli("campaign", "log", campaign).out


def test_a_draft_moves_through_its_states(cli: Cli) -> None:
    campaign = draft(cli, JANE)
    moves = (
        (["schedule", campaign, "2037-01-01T09:00:00+01:00"], "scheduled"),
        (["unschedule", campaign], "draft"),
        (["start", campaign], "running"),
        (["pause", campaign], "paused"),
        (["resume", campaign], "running"),
        (["cancel", campaign], "cancelled"),
    )
    for arguments, state in moves:
        assert cli("campaign", *arguments, "--json").json["state"] == state
    assert "cancelled" in cli("campaign", "log", campaign).out


def test_contacts_come_go_and_come_back(cli: Cli) -> None:
    campaign = draft(cli, "+14155550140")

    added = cli("contacts", "add", campaign, "(415) 555-0142", "--default-region", "us", "--variable", "name=Jane",
                "--external-id", "x1", "--priority", "3", "--json")  # fmt: skip

    assert added.json["added"] == [JANE]
    assert cli("contacts", "add", campaign, JANE, "--json").json["added"] == []
    assert cli("contacts", "remove", campaign, JANE, "--json").json["removed"] == [JANE]
    removed = cli("contacts", "list", campaign, "--state", "removed", "--json").json
    assert [(each["to_number"], each["external_id"], each["variables"]) for each in removed] == [
        (JANE, "x1", {"name": "Jane"})
    ]
    assert cli("contacts", "restore", campaign, JANE, "--json").json["restored"] == [JANE]
    assert len(cli("contacts", "list", campaign, "--json").json) == 2
    assert JANE in cli("contacts", "list", campaign).out


@pytest.mark.parametrize("text", ["{0}\nrubbish\n{1}\n", "name,phone\nA,{0}\nB,rubbish\nC,{1}\n"], ids=["lines", "csv"])
def test_do_not_call_holds_for_runs(cli: Cli, text: str) -> None:
    first, second = "+14155550170", "+14155550171"

    imported = cli("dnc", "import", cli.file("dnc.txt", text.format(first, second)), "--json").json

    assert imported["added"] == 2
    assert [reject["value"] for reject in imported["rejected"]] == ["rubbish"]
    assert {each["to_number"] for each in cli("dnc", "list", "--json").json} >= {first, second}
    result = cli("run", cli.contacts(first, ANSWERED), "--json")
    assert result.json["contacts"]["skipped"] == 1
    assert sum(result.json["skipped"].values()) == 1
    assert cli("dnc", "add", first, second, "--json").json == {"added": 0, "known": 2}
    assert sorted(cli("dnc", "remove", first, second, "--json").json["removed"]) == [first, second]


def test_a_redial_takes_those_who_were_busy(cli: Cli) -> None:
    ran = cli("run", cli.contacts(BUSY, ANSWERED), "--max-retries", "0", "--json").json

    child = cli("campaign", "redial", str(ran["campaign_id"]), "--disposition", "busy", "--json").json

    assert (child["state"], child["contacts"], child["name"]) == ("draft", 1, "contacts (Redial)")
    again = cli("run", "--resume", str(child["id"]), "--json").json
    assert (again["state"], again["dispositions"]) == ("completed", {"busy": 1})


def test_a_worker_dials_started_campaigns_until_it_is_stopped(cli: Cli) -> None:
    campaign = draft(cli, "+15005550003", name="for the worker")
    cli("campaign", "start", campaign)
    process = cli.start("worker", "--capacity", "3")
    wait_for(lambda: cli("campaign", "show", campaign, "--json").json["state"] == "completed")

    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)

    assert process.returncode == 0
    assert out == ""
    events = [json.loads(line)["event"] for line in err.splitlines() if line.startswith("{")]
    assert events[0] == "worker.started"
    assert events[-1] == "worker.stopped"


def test_doctor_finds_nothing_wrong_here(cli: Cli) -> None:
    result = cli("doctor", "--json")

    assert result.code == 0, result.out
    names = [check["name"] for check in result.json["checks"]]
    assert {"version", "data folder", "zones", "database", "clock", "carrier", "workers"} <= set(names)
    assert "✓ database" in cli("doctor").out


def test_help_is_there_for_every_command(cli: Cli) -> None:
    for command in ("run", "worker", "doctor", "campaign", "contacts", "dnc"):
        assert "Usage" in cli(command, "--help").out
