"""The states of a campaign: every arrow there is, every arrow there is not, and what moves by itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from itertools import product

import pytest
from bench import START, Bench, numbers

from dialplane.engine.contacts import LateContact
from dialplane.errors import Conflict, Invalid, InvalidTransition, NotFound

pytestmark = pytest.mark.asyncio

ANSWERED, ALSO_ANSWERED = "+15005550006", "+15005550015"
STATES = ("draft", "scheduled", "running", "paused", "completed", "failed", "cancelled")
ARROWS = {
    ("draft", "start"): "running",
    ("draft", "schedule"): "scheduled",
    ("draft", "cancel"): "cancelled",
    ("scheduled", "start"): "running",
    ("scheduled", "schedule"): "scheduled",
    ("scheduled", "unschedule"): "draft",
    ("scheduled", "cancel"): "cancelled",
    ("running", "pause"): "paused",
    ("running", "fail"): "failed",
    ("running", "cancel"): "cancelled",
    ("paused", "resume"): "running",
    ("paused", "cancel"): "cancelled",
    ("failed", "resume"): "running",
    ("failed", "cancel"): "cancelled",
}
VERBS = ("start", "schedule", "unschedule", "pause", "resume", "cancel", "fail")


async def in_state(bench: Bench, state: str) -> int:
    campaigns = bench.app.campaigns
    if state == "completed":
        return await bench.completed([ANSWERED])
    campaign = await bench.draft([ANSWERED])
    steps: dict[str, list[Awaitable[None]]] = {
        "draft": [],
        "scheduled": [campaigns.schedule(campaign, START + timedelta(hours=1))],
        "running": [campaigns.start(campaign)],
        "paused": [campaigns.start(campaign), campaigns.pause(campaign)],
        "failed": [campaigns.start(campaign), campaigns.fail(campaign, "the carrier is gone")],
        "cancelled": [campaigns.cancel(campaign)],
    }
    for step in steps.pop(state):
        await step
    for others in steps.values():
        for coroutine in others:
            coroutine.close()  # type: ignore[attr-defined]
    assert await bench.state(campaign) == state
    return campaign


def command(bench: Bench, verb: str, campaign: int) -> Awaitable[None]:
    campaigns = bench.app.campaigns
    if verb == "schedule":
        return campaigns.schedule(campaign, START + timedelta(hours=2))
    if verb == "fail":
        return campaigns.fail(campaign, "the carrier is gone")
    given: Callable[[int], Awaitable[None]] = getattr(campaigns, verb)
    return given(campaign)


@pytest.mark.parametrize(("state", "verb"), ARROWS)
async def test_an_arrow_leads_to_its_state(bench: Bench, state: str, verb: str) -> None:
    campaign = await in_state(bench, state)

    await command(bench, verb, campaign)

    assert await bench.state(campaign) == ARROWS[state, verb]


async def test_every_other_arrow_is_refused_and_names_the_state(bench: Bench) -> None:
    campaigns = {state: await in_state(bench, state) for state in STATES}
    for state, verb in product(STATES, VERBS):
        if (state, verb) in ARROWS:
            continue
        with pytest.raises(InvalidTransition, match=f"is {state}"):
            await command(bench, verb, campaigns[state])

        assert await bench.state(campaigns[state]) == state


@pytest.mark.parametrize("verb", VERBS)
async def test_a_campaign_that_is_not_there_is_not_found(bench: Bench, verb: str) -> None:
    with pytest.raises(NotFound):
        await command(bench, verb, 4711)


async def test_a_draft_does_nothing(bench: Bench) -> None:
    draft = await bench.draft([ANSWERED])
    await bench.completed([ALSO_ANSWERED])

    assert await bench.state(draft) == "draft"
    assert await bench.log(draft) == []


# --- schedule -------------------------------------------------------------------------------------


async def test_a_scheduled_campaign_starts_at_its_hour_and_not_before(bench: Bench) -> None:
    campaign = await bench.draft([ANSWERED])
    eleven = START + timedelta(hours=2)
    await bench.app.campaigns.schedule(campaign, eleven)

    await bench.run(campaign)

    (place, *_) = await bench.log(campaign)
    assert eleven <= place.at < eleven + timedelta(seconds=1)
    assert (await bench.get(campaign)).started_at == eleven
    assert await bench.state(campaign) == "completed"
    assert (await bench.events(campaign)).count("campaign.running") == 1


async def test_one_that_was_unscheduled_does_not_start(bench: Bench) -> None:
    campaign = await bench.draft([ANSWERED])
    await bench.app.campaigns.schedule(campaign, START + timedelta(hours=2))
    bench.after(60, lambda: bench.app.campaigns.unschedule(campaign))

    await bench.run(campaign, until=START + timedelta(hours=3))

    assert await bench.log(campaign) == []
    assert (await bench.get(campaign)).starts_at is None


async def test_an_hour_without_a_zone_is_refused(bench: Bench) -> None:
    campaign = await bench.draft([ANSWERED])

    with pytest.raises(Invalid, match="no time zone"):
        await bench.app.campaigns.schedule(campaign, datetime(2025, 3, 3, 12, 0))


async def test_an_hour_that_has_passed_starts_at_once(bench: Bench) -> None:
    campaign = await bench.draft([ANSWERED])
    await bench.app.campaigns.schedule(campaign, START - timedelta(days=1))

    await bench.run(campaign)

    assert await bench.state(campaign) == "completed"
    assert (await bench.log(campaign))[0].at - START < timedelta(seconds=1)


# --- what cannot start ----------------------------------------------------------------------------


async def test_a_campaign_without_contacts_does_not_start(bench: Bench) -> None:
    campaign = await bench.draft([])

    with pytest.raises(Conflict, match="no contacts"):
        await bench.app.campaigns.start(campaign)


async def test_a_campaign_may_start_and_be_scheduled_while_its_file_is_imported(bench: Bench) -> None:
    for move in (bench.app.campaigns.start, lambda campaign: bench.app.campaigns.schedule(campaign, START)):
        campaign = await bench.draft([])
        await bench.app.intake.store(campaign, bench.file([ANSWERED]), None)

        await move(campaign)

        assert await bench.state(campaign) in ("running", "scheduled")
        assert (await bench.get(campaign)).total == 0


async def test_a_carrier_without_a_number_to_call_from_cannot_be_used(bench: Bench) -> None:
    campaign = await bench.draft([ANSWERED])
    async with bench.app.database.connection() as connection:
        await connection.execute("UPDATE number SET active = false")

    with pytest.raises(Conflict, match="no active number"):
        await bench.app.campaigns.start(campaign)


async def test_a_campaign_needs_a_name(bench: Bench) -> None:
    with pytest.raises(Invalid, match="name"):
        await bench.draft([ANSWERED], name="  ")


# --- pause, cancel, fail --------------------------------------------------------------------------


async def test_calls_in_progress_end_normally_when_the_campaign_pauses_and_the_rest_is_called_after_resume(
    bench: Bench,
) -> None:
    campaign = await bench.started(numbers(20), carrier={"outcomes": {"answered": 1}}, max_lines=5)
    bench.after(1, lambda: bench.app.campaigns.pause(campaign))
    bench.after(600, lambda: bench.app.campaigns.resume(campaign))

    await bench.run(campaign)

    log = await bench.log(campaign)
    starts = [(line.at - START).total_seconds() for line in log if line.event == "place"]
    assert len(starts) == 20
    assert not [seconds for seconds in starts if 1 < seconds < 600]
    assert (await bench.progress(campaign)).reached == 20


async def test_after_cancel_there_is_no_retry_and_who_waited_reads_as_skipped(bench: Bench) -> None:
    campaign = await bench.started(numbers(10), carrier={"outcomes": {"busy": 1}, "ring_seconds": 2}, max_lines=4)
    bench.after(1, lambda: bench.app.campaigns.cancel(campaign))

    await bench.run(campaign)
    await bench.run(campaign, until=bench.now + timedelta(hours=1))

    progress = await bench.progress(campaign)
    assert (progress.exhausted, progress.skipped, progress.waiting, progress.attempts) == (4, 6, 0, 4)
    assert await bench.app.campaigns.skip_reasons(campaign) == {"cancelled": 6}
    report = await bench.report(campaign)
    assert [(row["contact_state"], row["disposition"]) for row in report] == [("exhausted", "busy")] * 4 + [
        ("skipped", "")
    ] * 6
    assert {row["cause"] for row in report[4:]} == {"cancelled"}


async def test_a_retry_that_waits_when_its_campaign_is_cancelled_is_skipped(bench: Bench) -> None:
    campaign = await bench.started(["+15005550021"])
    bench.after(60, lambda: bench.app.campaigns.cancel(campaign))

    await bench.run(campaign)

    assert [(row["disposition"], row["contact_state"]) for row in await bench.report(campaign)] == [("busy", "skipped")]
    assert (await bench.progress(campaign)).contacts()["skipped"] == 1


async def test_a_campaign_that_failed_goes_on_after_resume(bench: Bench) -> None:
    campaign = await bench.started(numbers(10), carrier={"outcomes": {"answered": 1}}, max_lines=2)
    bench.after(1, lambda: bench.app.campaigns.fail(campaign, "the carrier is gone"))
    bench.after(60, lambda: bench.app.campaigns.resume(campaign))

    await bench.run(campaign)

    assert (await bench.progress(campaign)).reached == 10
    assert (await bench.get(campaign)).state_reason == ""
    assert "campaign.failed" in await bench.events(campaign)


async def test_the_reason_of_a_pause_is_kept(bench: Bench) -> None:
    campaign = await bench.started([ANSWERED])

    await bench.app.campaigns.pause(campaign, "the office is closed")

    assert (await bench.get(campaign)).state_reason == "the office is closed"


# --- a file that cannot be read on ------------------------------------------------------------------


@pytest.mark.parametrize("state", ["draft", "scheduled", "running", "paused"])
async def test_a_campaign_whose_file_cannot_be_read_on_fails_and_says_why(bench: Bench, state: str) -> None:
    campaign = await in_state(bench, state)
    await bench.app.intake.store(campaign, bench.file([ALSO_ANSWERED]), None)

    await bench.app.intake.give_up(campaign, "contacts-1.csv, row 7: no text")

    record = await bench.get(campaign)
    assert (record.state, record.state_reason) == ("failed", "contacts-1.csv, row 7: no text")
    assert record.importing is None
    assert record.file is not None
    assert (record.file.state, record.file.error) == ("failed", "contacts-1.csv, row 7: no text")
    assert (await bench.events(campaign))[-2:] == ["contacts.import_failed", "campaign.failed"]


async def test_a_cancelled_campaign_stays_cancelled_when_its_file_cannot_be_read(bench: Bench) -> None:
    campaign = await bench.draft([])
    await bench.app.intake.store(campaign, bench.file([ANSWERED]), None)
    await bench.app.campaigns.cancel(campaign)

    await bench.app.intake.give_up(campaign, "gone")

    assert await bench.state(campaign) == "cancelled"


async def test_giving_up_without_an_unfinished_file_changes_nothing(bench: Bench) -> None:
    campaign = await bench.started([ANSWERED])

    await bench.app.intake.give_up(campaign, "gone")

    assert await bench.state(campaign) == "running"


# --- keep open ------------------------------------------------------------------------------------


async def test_a_campaign_that_is_kept_open_takes_late_contacts_and_completes_once_closed(bench: Bench) -> None:
    campaign = await bench.started([ANSWERED], keep_open=True)

    await bench.run(campaign, until=START + timedelta(hours=1))
    assert await bench.state(campaign) == "running"
    assert (await bench.progress(campaign)).reached == 1

    await bench.app.contacts.add(campaign, [LateContact(phone_number=ALSO_ANSWERED)])
    await bench.run(campaign, until=START + timedelta(hours=2))
    assert await bench.state(campaign) == "running"
    assert (await bench.progress(campaign)).reached == 2

    await bench.app.campaigns.close(campaign)
    await bench.run(campaign)
    assert await bench.state(campaign) == "completed"


async def test_one_that_is_kept_open_starts_without_contacts(bench: Bench) -> None:
    campaign = await bench.started([], keep_open=True)
    bench.after(60, lambda: bench.app.contacts.add(campaign, [LateContact(phone_number=ANSWERED)]))
    bench.after(120, lambda: bench.app.campaigns.close(campaign))

    await bench.run(campaign)

    assert await bench.placed(campaign) == [ANSWERED]


async def test_a_campaign_that_has_ended_cannot_be_closed(bench: Bench) -> None:
    campaign = await bench.completed([ANSWERED])

    with pytest.raises(InvalidTransition, match="is completed"):
        await bench.app.campaigns.close(campaign)


# --- discard --------------------------------------------------------------------------------------


async def test_a_discarded_draft_leaves_no_row_in_any_table(bench: Bench) -> None:
    kept = await bench.draft([ANSWERED])
    before = await rows_of_campaigns(bench)
    draft = await bench.draft("phone_number,priority\n+12122000001,\n+12122000002,5\nnonsense,\n")
    await bench.app.contacts.remove(draft, ["+12122000001"])
    assert await rows_of_campaigns(bench) != before

    await bench.app.campaigns.discard(draft)

    assert await rows_of_campaigns(bench) == before
    with pytest.raises(NotFound):
        await bench.get(draft)
    assert await bench.state(kept) == "draft"


async def rows_of_campaigns(bench: Bench) -> dict[str, int]:
    """Rows of each table that has anything to do with a campaign."""
    async with bench.app.database.connection() as connection:
        tables = await connection.fetch(
            "SELECT DISTINCT table_name FROM information_schema.columns WHERE table_schema = current_schema()"
            " AND column_name IN ('campaign_id', 'contact_id', 'contact_file_id', 'attempt_id')"
        )
        names = sorted({row["table_name"] for row in tables} | {"campaign", "contact", "attempt"})
        assert {"due", "cursor", "reject", "contact_file", "campaign_log"} <= set(names)
        return {name: await connection.fetchval(f"SELECT count(*) FROM {name}") for name in names}


@pytest.mark.parametrize("state", [state for state in STATES if state != "draft"])
async def test_only_a_draft_can_be_discarded(bench: Bench, state: str) -> None:
    campaign = await in_state(bench, state)

    with pytest.raises(InvalidTransition, match=f"is {state}, no draft"):
        await bench.app.campaigns.discard(campaign)

    assert await bench.contacts(campaign) != {}, "a refusal leaves all as it was"
    assert await bench.state(campaign) == state
