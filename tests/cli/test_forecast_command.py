"""`dialplane forecast`."""

from __future__ import annotations

import csv

from executable import ANSWERED, BUSY, DECLINED, Cli

OPTIONS = ("--seed", "5", "--start-at", "2037-01-05T12:00:00Z", "--max-retries", "1", "--retry-delay", "1h")


def test_it_tells_what_the_run_does(cli: Cli) -> None:
    contacts = cli.contacts(ANSWERED, BUSY, DECLINED, "+14155550142", "+14155550143")
    before = cli.campaigns()

    found = cli("forecast", contacts, *OPTIONS, "--json").json
    run = cli("run", contacts, *OPTIONS, "--fast", "--json").json

    for name in ("finished_at", "contacts", "attempts", "dispositions"):
        assert found[name] == run[name], name
    with (cli.folder / "report.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == sum(slot["attempts"] for slot in found["slots"])
    assert [(each["day"], each["contacts"]) for each in found["numbers"]] == [("2037-01-05", 5)]
    assert cli.campaigns() == before, "nothing of it is kept"
    assert cli("campaign", "show", str(run["campaign_id"] - 1)).code == 2


def test_for_people_it_draws_the_lines_and_says_what_it_rests_on(cli: Cli) -> None:
    contacts = cli.contacts(ANSWERED, BUSY)

    shown = cli("forecast", contacts, *OPTIONS, "--window", "mon-fri 09:00-17:00", "--timezone", "America/New_York")

    assert "2 contacts, 3 attempts" in shown.out
    assert "it is outside the calling hours" in shown.out
    assert "█" in shown.out
    assert "- hours: mon-fri 09:00-17:00 America/New_York" in shown.out
    assert "- people answer as the simulated carrier has it: seed 5" in shown.out


def test_a_file_of_which_nobody_can_be_called_has_no_forecast(cli: Cli) -> None:
    refused = cli("forecast", cli.file("people.csv", "phone_number\nnonsense\n"))

    assert refused.code == 2
    assert "no row of people.csv can be called" in refused.err
    assert "forecast.rejects.csv" in refused.err


def test_a_campaign_that_is_there_is_forecast_as_it_stands_and_left_alone(cli: Cli) -> None:
    contacts = cli.contacts(ANSWERED, BUSY, DECLINED, "+14155550142", "+14155550143")
    made = cli("campaign", "create", contacts, "--max-retries", "1", "--retry-delay", "1h", "--json").json
    drafted = str(made["id"])
    before = cli("campaign", "show", drafted, "--json").json

    found = cli("forecast", "--campaign", drafted, "--json").json
    run = cli("run", contacts, "--max-retries", "1", "--retry-delay", "1h", "--fast", "--json").json

    for name in ("contacts", "attempts", "dispositions"):
        assert found[name] == run[name], name
    assert cli("campaign", "show", drafted, "--json").json == before


def test_what_goes_with_a_campaign_that_is_there_is_who_answers_it(cli: Cli) -> None:
    drafted = str(cli("campaign", "create", cli.contacts("+14155550142"), "--json").json["id"])
    deaf = cli.file("deaf.yaml", "provider: simulated\noutcomes: {declined: 1}\n")

    found = cli("forecast", "--campaign", drafted, "--carrier", deaf, "--json").json
    refused = cli("forecast", "--campaign", drafted, "--cps", "3")

    assert found["dispositions"] == {"declined": 1}
    assert refused.code == 2
    assert "--cps: a campaign that is there is forecast as it is" in refused.err


def test_of_a_campaign_that_is_over_nothing_is_to_be_expected(cli: Cli) -> None:
    over = str(cli("run", cli.contacts(ANSWERED), "--json").json["campaign_id"])

    refused = cli("forecast", "--campaign", over)

    assert refused.code == 2
    assert "completed" in refused.err
