"""`dialplane campaign why`."""

from __future__ import annotations

from executable import Cli

JANE, JOHN = "+14155550142", "+14155550143"


def draft(cli: Cli, *numbers: str, **options: str) -> str:
    given = [text for name, value in options.items() for text in (f"--{name}", value)]
    return str(cli("campaign", "create", cli.contacts(*numbers), *given, "--json").json["id"])


def test_of_one_contact(cli: Cli) -> None:
    campaign = draft(cli, JANE)
    cli("campaign", "schedule", campaign, "2037-01-05T12:00:00Z")

    shown = cli("campaign", "why", campaign, "+1 415 555 0142")
    found = cli("campaign", "why", campaign, JANE, "--json").json

    assert "is waiting: no worker is alive" in shown.out
    assert "also           the campaign starts later (until 2037-01-05 12:00:00)" in shown.out
    assert (found["phone_number"], found["reason"], found["next_at"]) == (JANE, "no_worker", None)
    assert [hold["reason"] for hold in found["holds"]] == ["no_worker", "scheduled"]
    assert found["holds"][1]["until"] == "2037-01-05T12:00:00+00:00"


def test_of_a_whole_campaign(cli: Cli) -> None:
    campaign = draft(cli, JANE, JOHN)
    cli("contacts", "remove", campaign, JOHN)

    shown = cli("campaign", "why", campaign)
    found = cli("campaign", "why", campaign, "--json").json

    assert f"campaign {campaign} is draft: the campaign is a draft and has not been started" in shown.out
    assert "once somebody has seen to it" in shown.out
    assert "America/Los_Angeles" in shown.out
    assert (found["reason"], found["lines"]) == ("draft", 0)
    assert [(group["reason"], group["contacts"]) for group in found["groups"]] == [("draft", 1), ("removed", 1)]


def test_of_a_run_on_the_virtual_clock(cli: Cli) -> None:
    run = cli("run", cli.contacts(JANE), "--fast", "--json").json

    answer = cli("campaign", "why", str(run["campaign_id"]), JANE)

    assert "is reached: it was reached" in answer.out or "not tried again" in answer.out or "used up" in answer.out


def test_of_nobody(cli: Cli) -> None:
    campaign = draft(cli, JANE)

    assert cli("campaign", "why", campaign, JOHN).code == 2
    assert cli("campaign", "why", "99999").code == 2
    assert f"campaign {campaign} has no contact {JOHN}" in cli("campaign", "why", campaign, JOHN).err
