"""Settings that change while a campaign runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from bench import START, Bench, numbers
from checks import never_more_lines_than

from dialplane.core.retry import RetryPolicy
from dialplane.core.window import CallingWindow
from dialplane.engine import catalog
from dialplane.errors import InvalidTransition

pytestmark = pytest.mark.asyncio

TEN_SECONDS = {"outcomes": {"answered": 1}, "ring_seconds": 1, "talk_seconds": 9}


async def change(bench: Bench, campaign: int, **policies: object) -> None:
    record = await bench.get(campaign)
    await bench.app.campaigns.change(campaign, replace(record.policies, **policies))


async def test_more_lines_are_used_from_the_next_turn_on(bench: Bench) -> None:
    campaign = await bench.started(numbers(40), carrier=TEN_SECONDS, max_lines=2)
    bench.after(15, lambda: change(bench, campaign, max_lines=10))

    await bench.run(campaign)

    log = await bench.log(campaign)
    at_once = [line for line in log if line.event == "place" and line.at - START < timedelta(seconds=16)]
    assert len(at_once) == 12, "two, two more after ten seconds, and eight with the change"
    never_more_lines_than(log, 10)


async def test_lines_lowered_below_what_is_in_use_place_nothing_until_calls_have_ended(bench: Bench) -> None:
    campaign = await bench.started(numbers(40), carrier=TEN_SECONDS, max_lines=10)
    changed = START + timedelta(seconds=5)
    bench.at(changed, lambda: change(bench, campaign, max_lines=3))

    await bench.run(campaign)

    log = await bench.log(campaign)
    before = [line for line in log if line.at <= changed]
    after = [line for line in log if line.at > changed]
    assert sum(line.event == "place" for line in before) == 10
    first_place = next(line for line in after if line.event == "place")
    assert sum(line.event == "end" for line in after if line.at <= first_place.at) >= 8
    late = {line.call for line in after if line.event == "place"}
    never_more_lines_than([line for line in log if line.call in late], 3)


async def test_the_organizations_cap_lowered_below_what_is_in_use_places_nothing_until_calls_have_ended(
    bench: Bench,
) -> None:
    campaign = await bench.started(numbers(40), carrier=TEN_SECONDS, max_lines=10)
    changed = START + timedelta(seconds=5)
    app = bench.app
    bench.at(changed, lambda: catalog.set_limits(app.database, app.organization_id, max_lines=3, cps=None))

    await bench.run(campaign)

    log = await bench.log(campaign)
    late = {line.call for line in log if line.event == "place" and line.at > changed}
    assert len(late) == 30
    never_more_lines_than([line for line in log if line.call in late], 3)


async def test_a_slower_pace_holds_from_the_next_turn_on(bench: Bench) -> None:
    campaign = await bench.started(numbers(30), carrier=TEN_SECONDS, cps=2)
    changed = START + timedelta(seconds=5)
    bench.at(changed, lambda: change(bench, campaign, cps=0.1))

    await bench.run(campaign)

    starts = [line.at for line in await bench.log(campaign) if line.event == "place"]
    late = [at for at in starts if at > changed + timedelta(seconds=1)]  # what the last turn handed out may still go
    assert len(late) >= 15
    assert min(b - a for a, b in pairwise(late)) >= timedelta(seconds=10)


async def test_a_window_that_closes_now_lets_nothing_more_out(bench: Bench) -> None:
    campaign = await bench.started(numbers(30), carrier=TEN_SECONDS, max_lines=2)
    changed = START + timedelta(seconds=15)
    night = CallingWindow.parse("mon-fri 20:00-21:00", "UTC")
    bench.at(changed, lambda: change(bench, campaign, window=night))

    await bench.run(campaign)

    late = [line.at for line in await bench.log(campaign) if line.event == "place" and line.at > changed]
    assert len(late) == 26
    assert min(late) >= START.replace(hour=20)


async def test_a_retry_policy_counts_for_calls_that_end_after_the_change(bench: Bench) -> None:
    campaign = await bench.started(["+15005550001"])
    bench.after(60, lambda: change(bench, campaign, retry=RetryPolicy(max_retries=0)))

    await bench.run(campaign)

    assert len(await bench.placed(campaign)) == 2, "the retry that was promised, and no other"


async def test_a_change_is_logged_with_the_old_and_the_new(bench: Bench) -> None:
    campaign = await bench.started(numbers(2), max_lines=2)

    record = await bench.get(campaign)
    await bench.app.campaigns.change(campaign, replace(record.policies, max_lines=7), name="spring")

    (entry, *_) = await bench.app.campaigns.log(campaign)
    assert entry.event == "settings.changed"
    assert entry.details == {"max_lines": [2, 7], "name": ["test", "spring"]}
    assert "max_lines: 2 -> 7" in entry.message
    changed = await bench.get(campaign)
    assert (changed.name, changed.policies.max_lines) == ("spring", 7)
    assert changed.policies.window == record.policies.window


@pytest.mark.parametrize("end", ["completed", "cancelled"])
async def test_settings_of_a_campaign_that_has_ended_are_final(bench: Bench, end: str) -> None:
    campaign = await bench.started(["+15005550006"])
    if end == "cancelled":
        await bench.app.campaigns.cancel(campaign)
    else:
        await bench.run(campaign)

    with pytest.raises(InvalidTransition, match=f"is {end}"):
        await change(bench, campaign, max_lines=5)
