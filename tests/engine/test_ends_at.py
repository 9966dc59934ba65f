"""A campaign that ends at an hour: no call begins from then on, and who still waits is skipped, rows untouched."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from bench import ALL_ANSWER, ALL_BUSY, START, Bench, OpenBench, numbers

from dialplane.clocks import RealClock
from dialplane.core.attempt import ContactState
from dialplane.core.disposition import Disposition
from dialplane.core.retry import RetryPolicy
from dialplane.core.window import CallingWindow
from dialplane.engine.contact_book import ContactFilter
from dialplane.engine.drafts import NoMatch
from dialplane.errors import Conflict, Invalid, InvalidTransition

pytestmark = pytest.mark.asyncio

END = START + timedelta(seconds=60)
TEN_SECONDS = {"cps": None, "ring_seconds": [2, 2], "talk_seconds": [8, 8], "outcomes": {"answered": 1}}


async def starts(bench: Bench, campaign: int) -> list[datetime]:
    return [line.at for line in await bench.log(campaign) if line.event == "place"]


async def test_no_call_begins_from_its_end_on_and_who_waits_is_skipped(bench: Bench) -> None:
    campaign = await bench.started(numbers(100), carrier=TEN_SECONDS, max_lines=5, ends_at=END)

    await bench.run(campaign)

    calls = await starts(bench, campaign)
    assert len(calls) == 30, "five lines, ten seconds each, a minute"
    assert max(calls) < END
    record = await bench.get(campaign)
    assert (record.state, record.state_reason, record.left_over) == ("completed", "expired", "expired")
    assert record.ended_at is not None
    assert END <= record.ended_at <= END + timedelta(seconds=11)
    progress = await bench.progress(campaign)
    assert (progress.reached, progress.skipped, progress.waiting, progress.skips) == (30, 70, 0, {"expired": 70})
    assert await bench.app.campaigns.skip_reasons(campaign) == {"expired": 70}
    assert list((await bench.contacts(campaign)).values()).count("waiting") == 70, "nobody touched their rows"


async def test_its_pages_and_its_report_say_who_expired(bench: Bench) -> None:
    campaign = await bench.started(numbers(12), carrier=TEN_SECONDS, max_lines=1, ends_at=START + timedelta(seconds=15))

    await bench.run(campaign)

    skipped = ContactFilter(state=ContactState.SKIPPED)
    page, _ = await bench.app.contact_book.page(campaign, skipped, after=0, limit=50)
    assert {(contact.state, contact.reason, contact.due_at) for contact in page} == {("skipped", "expired", None)}
    assert len(page) == 10
    waiting = ContactFilter(state=ContactState.WAITING)
    assert (await bench.app.contact_book.page(campaign, waiting, after=0, limit=50))[0] == []
    shown = await bench.app.contact_book.by_uuid(page[0].uuid)
    assert (shown.id, shown.reason) == (page[0].id, "expired")
    rows = [row for row in await bench.report(campaign) if row["attempt"] == ""]
    assert {(row["contact_state"], row["cause"]) for row in rows} == {("skipped", "expired")}
    assert len(rows) == 10
    assert (await bench.events(campaign))[-1] == "campaign.completed"


async def test_a_retry_that_could_only_come_after_the_end_is_none(bench: Bench) -> None:
    retry = RetryPolicy(max_retries=2, delay_seconds=40)
    campaign = await bench.started(numbers(3), carrier=ALL_BUSY, retry=retry, ends_at=END)

    await bench.run(campaign)

    assert len(await bench.placed(campaign)) == 6, "one retry each: the second would come after the end"
    progress = await bench.progress(campaign)
    assert (progress.exhausted, progress.skipped) == (3, 0)
    record = await bench.get(campaign)
    assert (record.state, record.state_reason) == ("completed", ""), "everybody has ended"
    assert record.ended_at is not None
    assert record.ended_at < END


async def test_retries_that_are_pending_when_the_end_is_moved_forward_expire(bench: Bench) -> None:
    retry = RetryPolicy(max_retries=2, delay_seconds=600)
    campaign = await bench.started(numbers(3), carrier=ALL_BUSY, retry=retry)
    bench.after(30, lambda: bench.app.campaigns.change(campaign, ends_at=END))

    await bench.run(campaign)

    assert bench.now == END
    assert len(await bench.placed(campaign)) == 3
    assert (await bench.progress(campaign)).skips == {"expired": 3}
    (row, *_) = await bench.report(campaign)
    assert (row["disposition"], row["contact_state"]) == ("busy", "skipped")


async def test_a_campaign_whose_window_opens_only_after_its_end_calls_nobody(bench: Bench) -> None:
    afternoon = CallingWindow.parse("mon-fri 14:00-17:00", "UTC")
    campaign = await bench.started(numbers(2), carrier=ALL_ANSWER, window=afternoon, ends_at=END)

    await bench.run(campaign)

    assert bench.now == END
    assert await bench.log(campaign) == []
    assert (await bench.progress(campaign)).skips == {"expired": 2}


async def test_a_paused_campaign_completes_at_its_end(bench: Bench) -> None:
    campaign = await bench.started(numbers(50), carrier=TEN_SECONDS, max_lines=1, ends_at=END)
    bench.after(5, lambda: bench.app.campaigns.pause(campaign))

    await bench.run(until=END + timedelta(seconds=1))

    record = await bench.get(campaign)
    assert (record.state, record.state_reason, record.ended_at) == ("completed", "expired", END)
    assert len(await bench.placed(campaign)) == 1


async def test_nothing_sets_a_paused_campaign_going_once_its_end_has_come(bench: Bench) -> None:
    campaign = await bench.started(numbers(2), carrier=ALL_ANSWER, ends_at=END)
    await bench.app.campaigns.pause(campaign)
    bench.app.clock.advance(timedelta(minutes=2))  # type: ignore[attr-defined]

    with pytest.raises(Conflict, match=f"campaign {campaign} has an end, and it has come: 2025-03-03T09:01:00"):
        await bench.app.campaigns.resume(campaign)


async def test_a_scheduled_campaign_whose_end_comes_first_expires_unstarted(bench: Bench) -> None:
    campaign = await bench.draft(numbers(2), carrier=ALL_ANSWER)
    await bench.app.campaigns.schedule(campaign, START + timedelta(hours=1))
    await bench.app.campaigns.change(campaign, starts_at=START + timedelta(minutes=30))
    bench.app.clock.advance(timedelta(hours=2))  # type: ignore[attr-defined]
    with pytest.raises(Invalid, match=r"the end 2025-03-03T09:01:00\+00:00 must be later than the start"):
        await bench.app.campaigns.change(campaign, ends_at=END)
    await bench.app.campaigns.change(campaign, ends_at=START + timedelta(hours=1))

    await bench.run(campaign)

    record = await bench.get(campaign)
    assert (record.state, record.state_reason, record.started_at) == ("completed", "expired", None)
    assert await bench.log(campaign) == []


async def test_one_that_is_kept_open_ends_too(bench: Bench) -> None:
    campaign = await bench.started([], carrier=ALL_ANSWER, keep_open=True, ends_at=END)

    await bench.run(campaign)

    assert (await bench.get(campaign)).state_reason == "expired"
    assert bench.now == END


async def test_a_draft_cannot_start_past_its_end_nor_be_scheduled_beyond_it(bench: Bench) -> None:
    campaign = await bench.draft(numbers(1), carrier=ALL_ANSWER, ends_at=END)

    with pytest.raises(Invalid, match="must be later than the start"):
        await bench.app.campaigns.schedule(campaign, END)
    bench.app.clock.advance(timedelta(minutes=1))  # type: ignore[attr-defined]
    with pytest.raises(Conflict, match="has an end, and it has come"):
        await bench.app.campaigns.start(campaign)
    assert await bench.state(campaign) == "draft"


async def test_an_end_without_a_zone_is_refused(bench: Bench) -> None:
    with pytest.raises(Invalid, match=r"the end 2026-01-01T09:00:00 has no time zone"):
        await bench.draft([], ends_at=datetime(2026, 1, 1, 9, 0))


async def test_a_redial_takes_those_who_expired_if_asked(bench: Bench) -> None:
    campaign = await bench.started(numbers(12), carrier=TEN_SECONDS, max_lines=1, ends_at=START + timedelta(seconds=15))
    await bench.run(campaign)

    with pytest.raises(NoMatch, match="ended as busy"):
        await bench.app.campaigns.redial(campaign, [Disposition.BUSY])
    redial = await bench.app.campaigns.redial(campaign, [], left_over=True)

    assert list(await bench.contacts(redial)) == numbers(12)[2:]
    assert (await bench.get(redial)).ends_at is None, "the parent's has passed"


async def test_settings_that_intents_were_made_by_are_final_once_calls_were_made(bench: Bench) -> None:
    campaign = await bench.completed(numbers(1), carrier=ALL_ANSWER)
    other = await bench.app.add_agent({"name": "another", "greeting": "hi", "steps": []})
    paused = await bench.started(numbers(2), carrier=ALL_ANSWER, keep_open=True)
    bench.after(30, lambda: bench.app.campaigns.pause(paused))
    await bench.run(paused)

    with pytest.raises(InvalidTransition, match="its settings are final"):
        await bench.app.campaigns.change(campaign, ends_at=END + timedelta(days=1))
    with pytest.raises(Conflict, match="has made calls: its agent stays"):
        await bench.app.campaigns.change(paused, agent_id=other)
    with pytest.raises(InvalidTransition, match="it has no hour at which it starts"):
        await bench.app.campaigns.change(paused, starts_at=END + timedelta(days=1))


async def test_in_real_time_it_ends_within_moments(open_bench: OpenBench) -> None:
    live = await open_bench(RealClock())
    soon = live.now + timedelta(seconds=2)
    slow = {"cps": None, "ring_seconds": [0.2, 0.2], "talk_seconds": [0.2, 0.2], "outcomes": {"answered": 1}}
    campaign = await live.started(numbers(1000), carrier=slow, max_lines=10, ends_at=soon)

    async with live.working():
        await live.wait_until_ended(campaign)

    calls = [line.at for line in await live.log(campaign) if line.event == "place"]
    assert max(calls) < soon
    assert len(calls) >= 10
    progress = await live.progress(campaign)
    assert progress.reached + progress.skips["expired"] == 1000
