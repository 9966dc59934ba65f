"""Campaigns of one queue run one at a time, in the order of their start."""

from __future__ import annotations

import itertools
from datetime import timedelta

import asyncpg
import pytest
from bench import ALL_ANSWER, FAST_CALLS, START, Bench, OpenBench, numbers

from dialplane.clocks import RealClock
from dialplane.core.campaign import CampaignState
from dialplane.errors import Conflict

pytestmark = pytest.mark.asyncio

HOUR = timedelta(hours=1)


async def drafts(bench: Bench, count: int, *, queue: str | None = "batch", contacts: int = 5) -> list[int]:
    return [
        await bench.draft(numbers(contacts, first=2_000_000 + 10_000 * i), carrier=ALL_ANSWER, queue=queue)
        for i in range(count)
    ]


async def states(bench: Bench, campaigns: list[int]) -> list[str]:
    return [await bench.state(campaign) for campaign in campaigns]


async def test_one_runs_and_the_others_wait_for_their_turn(bench: Bench) -> None:
    one, two, three = await drafts(bench, 3)

    answers = [await bench.app.campaigns.start(campaign) for campaign in (two, one, three)]

    assert answers == [CampaignState.RUNNING, CampaignState.SCHEDULED, CampaignState.SCHEDULED]
    assert await states(bench, [one, two, three]) == ["scheduled", "running", "scheduled"]
    (entry, *_) = await bench.app.campaigns.log(one)
    assert entry.message == f"waits in the queue 'batch' for 'test' (campaign {two}, running)"
    await bench.run(one, two, three)
    assert await states(bench, [one, two, three]) == ["completed"] * 3
    spans = [(r.started_at, r.ended_at) for r in [await bench.get(c) for c in (two, one, three)]]
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans)), "none overlaps another"
    assert spans[0][0] == START


async def test_the_order_is_that_of_their_starts_and_then_of_their_ids(bench: Bench) -> None:
    one, two, three, four = await drafts(bench, 4)
    await bench.app.campaigns.schedule(one, START + 2 * HOUR)
    await bench.app.campaigns.schedule(two, START + HOUR)
    await bench.app.campaigns.schedule(three, START + HOUR)
    await bench.app.campaigns.start(four)
    await bench.app.campaigns.pause(four)
    bench.at(START + 3 * HOUR, lambda: bench.app.campaigns.cancel(four))

    await bench.run(one, two, three, four)

    assert await states(bench, [one, two, three, four]) == ["completed"] * 3 + ["cancelled"]
    begun = {c: (await bench.get(c)).started_at for c in (one, two, three)}
    assert begun[two] == START + 3 * HOUR, "a paused one holds the queue until it ends"
    assert begun[two] < begun[three] < begun[one]


async def test_one_that_is_started_goes_behind_those_that_wait(bench: Bench) -> None:
    one, two, three = await drafts(bench, 3)
    await bench.app.campaigns.start(one)
    await bench.app.campaigns.start(three)
    await bench.app.campaigns.cancel(one)

    assert await bench.app.campaigns.start(two) is CampaignState.RUNNING, "the same instant, and a lower id"
    await bench.run(two, three)

    assert (await bench.get(two)).ended_at <= (await bench.get(three)).started_at


async def test_start_twice_keeps_the_place(bench: Bench) -> None:
    one, two = await drafts(bench, 2)
    await bench.app.campaigns.start(one)
    await bench.app.campaigns.start(two)

    assert await bench.app.campaigns.start(two) is CampaignState.SCHEDULED
    assert (await bench.get(two)).starts_at == START


async def test_start_of_one_that_is_scheduled_for_later_waits_from_now_on(bench: Bench) -> None:
    one, two = await drafts(bench, 2)
    await bench.app.campaigns.start(one)
    await bench.app.campaigns.schedule(two, START + 24 * HOUR)

    assert await bench.app.campaigns.start(two) is CampaignState.SCHEDULED
    await bench.run(one, two)

    assert (await bench.get(two)).started_at < START + HOUR


async def test_queues_and_campaigns_without_one_do_not_wait_for_each_other(bench: Bench) -> None:
    (one,), (two,), (three, four) = (
        await drafts(bench, 1, queue="batch"),
        await drafts(bench, 1, queue="other"),
        await drafts(bench, 2, queue=None),
    )

    answers = [await bench.app.campaigns.start(campaign) for campaign in (one, two, three, four)]

    assert answers == [CampaignState.RUNNING] * 4


async def test_one_that_fails_lets_the_next_one_start_and_waits_for_it_to_resume(bench: Bench) -> None:
    one, two = await drafts(bench, 2)
    await bench.app.campaigns.start(one)
    await bench.app.campaigns.start(two)
    await bench.app.campaigns.fail(one, "its agent is gone")
    assert await bench.app.campaigns.start(two) is CampaignState.RUNNING

    with pytest.raises(Conflict, match=f"its queue is held by 'test' \\(campaign {two}\\), which is running"):
        await bench.app.campaigns.resume(one)
    await bench.run(two)
    await bench.app.campaigns.resume(one)

    assert await bench.state(one) == "running"


async def test_one_that_expires_in_the_queue_never_starts_and_holds_up_nobody(bench: Bench) -> None:
    one, two = await drafts(bench, 2)
    first = await bench.draft(numbers(2), carrier=ALL_ANSWER, queue="batch")
    await bench.app.campaigns.start(first)
    await bench.app.campaigns.pause(first)
    await bench.app.campaigns.start(one)
    await bench.app.campaigns.start(two)
    await bench.app.campaigns.change(one, ends_at=START + HOUR)
    bench.at(START + 2 * HOUR, lambda: bench.app.campaigns.cancel(first))

    await bench.run(one, two)

    record = await bench.get(one)
    assert (record.state, record.state_reason, record.ended_at) == ("completed", "expired", START + HOUR)
    assert record.started_at is None
    assert (await bench.get(two)).started_at == START + 2 * HOUR


async def test_the_database_itself_lets_one_hold_a_queue(bench: Bench) -> None:
    one, two = await drafts(bench, 2)
    await bench.app.campaigns.start(one)

    async with bench.app.database.connection() as connection:
        with pytest.raises(asyncpg.UniqueViolationError, match="campaign_queue"):
            await connection.execute("UPDATE campaign SET state = 'running' WHERE id = $1", two)


async def test_in_real_time_with_two_workers_they_follow_each_other_at_once(open_bench: OpenBench) -> None:
    live, other = await open_bench(RealClock()), await open_bench(RealClock())
    campaigns = [
        await live.draft(
            numbers(20, first=2_000_000 + 10_000 * i), carrier=FAST_CALLS | {"outcomes": {"answered": 1}}, queue="batch"
        )
        for i in range(4)
    ]
    for campaign in campaigns:
        await live.app.campaigns.start(campaign)

    async with live.working(), other.working():
        await live.wait_until_ended(*campaigns)

    records = [await live.get(campaign) for campaign in campaigns]
    assert [record.state for record in records] == ["completed"] * 4
    for before, after in itertools.pairwise(records):
        assert timedelta(0) <= after.started_at - before.ended_at < timedelta(seconds=2)
