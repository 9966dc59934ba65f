"""Every magic number through the engine: what the attempts come to, what they cost, where the contact ends."""

from __future__ import annotations

from datetime import timedelta

import pytest
from bench import Bench
from checks import every_place_has_one_end, report_agrees

from dialplane.core.disposition import Disposition
from dialplane.core.retry import RetryPolicy

pytestmark = pytest.mark.asyncio

# ending -> dispositions in the order of the attempts, attempts spent, state of the contact
MAGIC = {
    "01": (["busy", "busy", "busy"], 3, "exhausted"),
    "02": (["no_answer", "no_answer", "no_answer"], 3, "exhausted"),
    "03": (["voicemail"], 1, "exhausted"),
    "04": (["declined"], 1, "exhausted"),
    "05": (["invalid_number"], 1, "exhausted"),
    "06": (["answered"], 1, "reached"),
    "07": (["carrier_failed"], 1, "exhausted"),
    "08": (["unreachable"], 1, "exhausted"),
    "09": (["blocked"], 1, "exhausted"),
    "10": (["unwanted"], 1, "exhausted"),
    "11": (["rate_limited", "answered"], 1, "reached"),
    "12": (["capacity", "answered"], 1, "reached"),
    "13": (["agent_failed"], 1, "exhausted"),
    "14": (["answered"], 1, "reached"),
    "15": (["answered"], 1, "reached"),
    "16": (["answered"], 1, "reached"),
    "17": (["unknown"], 1, "exhausted"),
    "21": (["busy", "answered"], 2, "reached"),
    "22": (["no_answer", "no_answer", "answered"], 3, "reached"),
}


def magic(ending: str) -> str:
    return f"+150055500{ending}"


@pytest.mark.parametrize("ending", MAGIC)
async def test_a_magic_number_comes_to_what_the_manual_says(bench: Bench, ending: str) -> None:
    dispositions, spent, state = MAGIC[ending]

    campaign = await bench.completed([magic(ending)], retry=RetryPolicy(max_retries=2, delay_seconds=120))

    report, log = await bench.report(campaign), await bench.log(campaign)
    assert [row["disposition"] for row in report] == dispositions
    assert [row["attempt"] for row in report] == [str(n) for n in range(1, len(dispositions) + 1)]
    assert {row["contact_state"] for row in report} == {state}
    contact = await bench.contact(campaign, magic(ending))
    assert (contact["attempts"], contact["spent"]) == (len(dispositions), spent)
    assert (await bench.progress(campaign)).attempts == len(dispositions)
    assert len(await bench.placed(campaign)) == spent
    every_place_has_one_end(log)
    report_agrees(report, log)


async def test_all_of_them_in_one_campaign_come_to_the_same(bench: Bench) -> None:
    campaign = await bench.completed([magic(ending) for ending in MAGIC])

    found: dict[str, list[str]] = {}
    for row in await bench.report(campaign):
        found.setdefault(row["to_number"][-2:], []).append(row["disposition"])
    assert found == {ending: dispositions for ending, (dispositions, *_) in MAGIC.items()}


async def test_an_agent_that_fails_is_named_in_the_cause(bench: Bench) -> None:
    campaign = await bench.completed([magic("13")])

    (row,) = await bench.report(campaign)
    assert row["answered_at"]
    assert row["cause"] not in ("", "normal call clearing")


async def test_a_call_whose_end_never_comes_is_looked_up_and_keeps_the_instant_of_its_end(bench: Bench) -> None:
    campaign = await bench.completed([magic("14")])

    log = await bench.log(campaign)
    (row,) = await bench.report(campaign)
    (end,) = [line for line in log if line.event == "end"]
    assert [line.result for line in log if line.event == "lookup"] == ["known"]
    assert row["ended_at"] == end.at.isoformat(timespec="milliseconds")


async def test_events_that_come_twice_are_counted_once(bench: Bench) -> None:
    campaign = await bench.completed([magic("15")])

    progress = await bench.progress(campaign)
    assert (progress.reached, progress.attempts, progress.dispositions) == (1, 1, {"answered": 1})


async def test_a_call_without_an_acceptance_is_found_by_a_look_up_and_not_dialled_again(bench: Bench) -> None:
    campaign = await bench.completed([magic("16")])

    log = await bench.log(campaign)
    assert [line.event for line in log if line.event in ("place", "lookup")] == ["place", "lookup"]
    (row,) = await bench.report(campaign)
    assert row["transcript"], "the agent talked to the person who answered"


async def test_a_call_that_nobody_can_tell_about_holds_its_line_until_its_last_deadline(bench: Bench) -> None:
    other = "+15005550006"

    campaign = await bench.completed([magic("17"), other], max_lines=1)

    log = await bench.log(campaign)
    assert await bench.placed(campaign) == [magic("17"), other]
    assert {line.result for line in log if line.event == "lookup"} == {"cannot_tell"}
    unknown, answered = await bench.report(campaign)
    assert unknown["cause"] == "the carrier could not tell what became of it"
    # As long as a call can take by the carrier's limits: 5 s of ringing, 10 s of talking.
    waited = answered["placed_at"], unknown["ended_at"]
    assert waited[0] >= waited[1]
    places = [line for line in log if line.event == "place"]
    assert places[1].at - places[0].at >= timedelta(seconds=15)


async def test_an_unknown_call_is_dialled_again_only_if_the_policy_says_so(bench: Bench) -> None:
    campaign = await bench.completed(
        [magic("17")], retry=RetryPolicy(max_retries=1, delay_seconds=60, retry_on=frozenset({Disposition.UNKNOWN}))
    )

    assert [row["disposition"] for row in await bench.report(campaign)] == ["unknown", "unknown"]


async def test_who_wants_no_calls_goes_to_the_do_not_call_list_of_all_campaigns(bench: Bench) -> None:
    await bench.completed([magic("10")])

    campaign = await bench.completed([magic("10"), magic("06")])

    assert await bench.placed(campaign) == [magic("06")]
    assert [entry["to_number"] for entry in await bench.app.contacts.do_not_call_page()] == [magic("10")]
    (row, _) = await bench.report(campaign)
    assert (row["contact_state"], row["cause"], row["attempt_id"]) == ("skipped", "do_not_call", "")
