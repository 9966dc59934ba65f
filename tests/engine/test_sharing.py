"""Lines, paces and numbers that several campaigns and workers share."""

from __future__ import annotations

from datetime import timedelta

import pytest
from bench import ALL_ANSWER, FAST_CALLS, START, Bench, OpenBench, numbers
from checks import (
    every_place_has_one_end,
    never_more_lines_per_sender_than,
    never_more_lines_than,
    never_more_starts_than,
    no_attempt_is_placed_twice,
    no_number_rings_twice_at_once,
    read_log,
    starts_are_apart,
)

from dialplane.clocks import RealClock
from dialplane.engine import catalog

pytestmark = pytest.mark.asyncio

ORGANIZATION_LINES = 50


async def eight(bench: Bench, contacts: int, **options: object) -> list[int]:
    return [
        await bench.started(numbers(contacts, first=2_000_000 + 10_000 * i), **options)  # type: ignore[arg-type]
        for i in range(8)
    ]


async def cap(bench: Bench, max_lines: int | None = None, cps: float | None = None) -> None:
    await catalog.set_limits(bench.app.database, bench.app.organization_id, max_lines=max_lines, cps=cps)


async def together(bench: Bench, campaigns: list[int]) -> list:
    return read_log(*[await bench.log_path(campaign) for campaign in campaigns])


async def test_eight_campaigns_never_use_more_lines_than_their_organization_and_share_them(bench: Bench) -> None:
    await cap(bench, ORGANIZATION_LINES)
    campaigns = await eight(bench, 60, carrier=ALL_ANSWER | {"cps": None})

    await bench.run(*campaigns)

    log = await together(bench, campaigns)
    never_more_lines_than(log, ORGANIZATION_LINES)
    with pytest.raises(AssertionError):
        never_more_lines_than(log, ORGANIZATION_LINES - 1)
    every_place_has_one_end(log)
    assert [await bench.state(campaign) for campaign in campaigns] == ["completed"] * 8
    assert [(await bench.progress(campaign)).reached for campaign in campaigns] == [60] * 8
    starts = [[line.at for line in await bench.log(c) if line.event == "place"] for c in campaigns]
    assert max(times[0] for times in starts) < min(times[-1] for times in starts), "none ends before another begins"
    first_calls = sorted((at, i) for i, times in enumerate(starts) for at in times)[:ORGANIZATION_LINES]
    shares = [sum(i == campaign for _, i in first_calls) for campaign in range(8)]
    assert set(shares) == {6, 7}


async def test_a_campaign_that_comes_later_gets_its_share_of_lines_that_end(bench: Bench) -> None:
    await cap(bench, 10)
    carrier = ALL_ANSWER | {"ring_seconds": 1, "talk_seconds": [5, 15]}
    early = await bench.started(numbers(100), carrier=carrier)
    late = await bench.draft(numbers(20, first=3_000_000), carrier=carrier)
    bench.after(30, lambda: bench.app.campaigns.start(late))

    await bench.run(early, late)

    starts = [line.at for line in await bench.log(late) if line.event == "place"]
    assert starts[0] < START + timedelta(seconds=50)
    assert max(starts) < max(line.at for line in await bench.log(early))
    never_more_lines_than(await together(bench, [early, late]), 10)


async def test_the_limits_of_a_carrier_hold_over_all_its_campaigns(bench: Bench) -> None:
    campaigns = await eight(bench, 20, carrier=ALL_ANSWER | {"cps": 4, "max_lines": 7})

    await bench.run(*campaigns)

    log = await together(bench, campaigns)
    never_more_lines_than(log, 7)
    starts_are_apart(log, 4)
    with pytest.raises(AssertionError):
        never_more_lines_than(log, 6)


async def test_the_pace_of_an_organization_holds_over_its_carriers(bench: Bench) -> None:
    await cap(bench, cps=5)
    campaigns = [
        await bench.started(numbers(30, first=first), carrier=ALL_ANSWER | {"name": str(first), "cps": None})
        for first in (2_000_000, 3_000_000, 4_000_000)
    ]

    await bench.run(*campaigns)

    log = await together(bench, campaigns)
    starts_are_apart(log, 5)
    assert max(line.at for line in log if line.event == "place") - START < timedelta(seconds=20), "no time is wasted"


async def test_each_number_we_call_from_has_its_own_limit_and_they_take_turns(bench: Bench) -> None:
    senders = ["+15005550100", "+15005550101", "+15005550102"]
    campaign = await bench.draft(numbers(60), carrier=ALL_ANSWER | {"numbers": senders, "cps": None})
    async with bench.app.database.connection() as connection:
        await connection.execute("UPDATE number SET max_lines = 2")
    await bench.app.campaigns.start(campaign)

    await bench.run(campaign)

    log = await bench.log(campaign)
    never_more_lines_per_sender_than(log, 2)
    never_more_lines_than(log, 6)
    used = [sum(line.sender == sender for line in log if line.event == "place") for sender in senders]
    assert min(used) >= 15


async def test_a_number_in_two_campaigns_never_rings_twice_at_once_and_both_contacts_end(bench: Bench) -> None:
    shared = numbers(10)
    carrier = ALL_ANSWER | {"ring_seconds": 1, "talk_seconds": 9, "cps": None}
    first = await bench.started(shared, carrier=carrier)
    second = await bench.started(shared, carrier=carrier | {"name": "other"})

    await bench.run(first, second)

    log = await together(bench, [first, second])
    no_number_rings_twice_at_once(log)
    assert [(await bench.progress(c)).reached for c in (first, second)] == [10, 10]
    for number in shared:
        earlier, later = sorted(line.at for line in log if line.event == "place" and line.to == number)
        assert timedelta(seconds=60) <= later - earlier < timedelta(seconds=62), "a clash is due again 60 s later"


async def test_a_clash_costs_no_attempt_and_keeps_the_priority(bench: Bench) -> None:
    shared = numbers(1)[0]
    carrier = ALL_ANSWER | {"ring_seconds": 1, "talk_seconds": 9}
    first = await bench.started([shared], carrier=carrier)
    second = await bench.started(f"phone_number,priority\n{shared},9\n", carrier=carrier | {"name": "other"})

    await bench.run(first, second)

    contacts = [await bench.contact(campaign, shared) for campaign in (first, second)]
    assert [(c["attempts"], c["spent"], c["state"]) for c in contacts] == [(1, 1, "reached")] * 2


# --- two workers, in real time --------------------------------------------------------------------


async def test_two_workers_together_keep_the_cap_and_call_everybody_once(open_bench: OpenBench) -> None:
    one, two = await open_bench(RealClock()), await open_bench(RealClock())
    await cap(one, ORGANIZATION_LINES)
    campaigns = await eight(one, 60, carrier=FAST_CALLS | {"outcomes": {"answered": 1}})

    async with one.working(capacity=40) as first, two.working(capacity=40) as second:
        await one.wait_until_ended(*campaigns)
        ids = {first.worker_id, second.worker_id}

    log = await together(one, campaigns)
    never_more_lines_than(log, ORGANIZATION_LINES)
    no_attempt_is_placed_twice(log)
    no_number_rings_twice_at_once(log)
    every_place_has_one_end(log)
    assert len({line.to for line in log if line.event == "place"}) == 480
    assert sum(line.event == "place" for line in log) == 480
    assert [(await one.progress(campaign)).reached for campaign in campaigns] == [60] * 8
    async with one.app.database.connection() as connection:
        workers = await connection.fetch("SELECT worker_id, count(*) AS calls FROM attempt GROUP BY worker_id")
        assert await connection.fetchval("SELECT count(*) FROM worker") == 0, "both have taken their leave"
    assert {row["worker_id"] for row in workers} == ids
    assert min(row["calls"] for row in workers) > 40, "both have worked"


async def test_two_workers_together_keep_the_pace(open_bench: OpenBench) -> None:
    one, two = await open_bench(RealClock()), await open_bench(RealClock())
    campaign = await one.started(numbers(60), carrier=FAST_CALLS | {"cps": 40, "outcomes": {"answered": 1}})

    async with one.working(), two.working():
        await one.wait_until_ended(campaign)

    log = await one.log(campaign)
    assert sum(line.event == "place" for line in log) == 60
    never_more_starts_than(log, 41, within=timedelta(seconds=0.85))  # a loaded machine sends late


async def test_one_worker_keeps_every_two_starts_apart_in_real_time(live: Bench) -> None:
    campaign = await live.started(numbers(40), carrier=FAST_CALLS | {"cps": 40, "outcomes": {"answered": 1}})

    async with live.working():
        await live.wait_until_ended(campaign)

    starts_are_apart(await live.log(campaign), 40, slack=timedelta(milliseconds=10))
