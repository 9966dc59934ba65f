"""A forecast is a run on the virtual clock that somebody watches: it tells what happens, and changes nothing of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from bench import ALL_ANSWER, START, Bench, OpenBench, numbers
from checks import LogLine, read_report

from dialplane.clocks import VirtualClock
from dialplane.core.campaign import CampaignState
from dialplane.core.reason import Reason
from dialplane.core.retry import RetryPolicy
from dialplane.core.window import CallingWindow
from dialplane.engine.forecast import MOST_SLOTS, Forecast

pytestmark = pytest.mark.asyncio

MINUTES = {"cps": None, "ring_seconds": [5, 10], "talk_seconds": [60, 120]}


async def forecast(bench: Bench, campaign_id: int) -> Forecast:
    return await bench.app.forecast(campaign_id)


def calls(log: Sequence[LogLine]) -> list[tuple[Any, ...]]:
    """What the carrier did, apart from the ids that each run has of its own."""
    return [(line.at, line.event, line.to) for line in log]


async def test_watched_or_not_every_attempt_is_the_same(open_bench: OpenBench) -> None:
    options: dict[str, Any] = {
        "carrier": {"profile": "realistic", "cps": None, "seed": 7},
        "window": CallingWindow.parse("mon-fri 09:00-12:00", "contact"),
        "retry": RetryPolicy(max_retries=2, delay_seconds=600),
        "max_lines": 4,
    }
    people = [*numbers(60), *numbers(60, area="415")]
    unwatched = await open_bench(VirtualClock(START))
    expected = await unwatched.completed(people, **options)
    watched = await open_bench(VirtualClock(START), organization="another")
    campaign = await watched.started(people, **options)

    found = await forecast(watched, campaign)

    assert calls(await watched.log(campaign)) == calls(await unwatched.log(expected))
    columns = ("to_number", "attempt", "placed_at", "ended_at", "disposition", "contact_state")
    reports = [
        [{name: row[name] for name in columns} for row in read_report(await bench.report_path(each))]
        for bench, each in ((watched, campaign), (unwatched, expected))
    ]
    assert reports[0] == reports[1]
    assert found.finished_at == (await unwatched.get(expected)).ended_at
    assert found.progress == await unwatched.progress(expected)


async def test_lines_and_calls_over_time_are_those_of_the_log(bench: Bench) -> None:
    campaign = await bench.started(numbers(40), carrier={**ALL_ANSWER, **MINUTES}, max_lines=5)

    found = await forecast(bench, campaign)

    log = await bench.log(campaign)
    begun = Counter((line.at - START) // found.width for line in log if line.event == "place")
    assert [slot.attempts for slot in found.slots] == [begun[place] for place in range(len(found.slots))]
    talked = sum(line.at.timestamp() * {"place": -1, "end": 1}.get(line.event, 0) for line in log)
    in_use = sum(slot.lines for slot in found.slots) * found.width.total_seconds()
    assert in_use == pytest.approx(talked, rel=0.02)
    assert found.most_lines == 5
    assert {slot.held_by for slot in found.slots[:4]} == {Reason.CAMPAIGN_LINES}
    assert [slot.at for slot in found.slots] == [START + place * found.width for place in range(len(found.slots))]


async def test_nights_are_told_apart_and_slots_stay_few(bench: Bench) -> None:
    campaign = await bench.started(
        numbers(300),
        carrier={**ALL_ANSWER, **MINUTES},
        window=CallingWindow.parse("mon-fri 10:00-11:00", "UTC"),
        max_lines=2,
    )

    found = await forecast(bench, campaign)

    assert MOST_SLOTS / 2 <= len(found.slots) <= MOST_SLOTS + 1
    nights = [slot for slot in found.slots if not 9 <= slot.at.hour <= 11]
    assert nights and {(slot.lines, slot.held_by) for slot in nights} == {(0.0, Reason.OUTSIDE_WINDOW)}
    days = [each.day for each in found.numbers]
    assert days == [date(2025, 3, 3) + timedelta(days=number) for number in range(len(days))] and len(days) > 3
    assert sum(each.contacts for each in found.numbers) == sum(each.attempts for each in found.numbers) == 300


async def test_who_can_never_be_called_is_counted_by_the_reason(bench: Bench) -> None:
    toll_free = "+18005550199"  # of every zone from Guam to Puerto Rico, which have no such hour in common
    campaign = await bench.started(
        [*numbers(2), toll_free],
        carrier={**ALL_ANSWER, **MINUTES},
        window=CallingWindow.parse("mon-fri 09:00-17:00", "contact"),
    )

    found = await forecast(bench, campaign)

    assert found.progress.skips == {Reason.NEVER_OPEN: 1}
    assert (found.progress.reached, found.progress.waiting) == (2, 0)


async def test_a_campaign_that_its_breaker_pauses_does_not_come_to_its_end(bench: Bench) -> None:
    campaign = await bench.started(numbers(300), carrier={"outcomes": {"carrier_failed": 1}, **MINUTES})

    found = await forecast(bench, campaign)

    assert (found.finished_at, found.state) == (None, CampaignState.PAUSED)
    assert "failed" in found.reason
    assert datetime(2025, 3, 3, tzinfo=UTC) < found.slots[-1].at


async def test_a_campaign_that_waits_for_more_contacts_does_not_come_to_its_end_either(bench: Bench) -> None:
    campaign = await bench.started(numbers(2), carrier={**ALL_ANSWER, **MINUTES}, keep_open=True)

    found = await forecast(bench, campaign)

    assert (found.finished_at, found.state, found.progress.reached) == (None, CampaignState.RUNNING, 2)
    assert "virtual time stands still" in found.reason
