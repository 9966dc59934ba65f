"""The numbers that a campaign calls from: in turn, evenly, within their lines; one that goes takes no call along."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from bench import ALL_ANSWER, FAST_CALLS, START, Bench, OpenBench, numbers
from checks import LogLine, every_place_has_one_end, never_more_lines_per_sender_than, no_attempt_is_placed_twice

from dialplane.clocks import RealClock

pytestmark = pytest.mark.asyncio

SENDERS = ["+15005550101", "+15005550102", "+15005550103", "+15005550104"]
CARRIER: dict[str, Any] = ALL_ANSWER | {"cps": None, "numbers": SENDERS}
TEN_SECONDS = {"ring_seconds": [2, 2], "talk_seconds": [8, 8]}


async def pooled(bench: Bench, people: Sequence[str], carrier: dict[str, Any], count: int, **options: Any) -> int:
    """A started campaign that calls from the first `count` numbers of its carrier."""
    campaign = await bench.draft(people, carrier=carrier, **options)
    ids = await bench.app.campaigns.numbers_of((await bench.get(campaign)).carrier_id)
    await bench.app.campaigns.change(campaign, number_ids=ids[:count])
    await bench.app.campaigns.start(campaign)
    return campaign


async def change(bench: Bench, campaign: int, sender: str, **changes: Any) -> None:
    carrier_id = (await bench.get(campaign)).carrier_id
    (number,) = (n for n in await bench.app.caller_numbers.page(carrier_id) if n.e164 == sender)
    await bench.app.caller_numbers.change(carrier_id, number.id, changes)


def places(log: Sequence[LogLine]) -> list[LogLine]:
    return [line for line in log if line.event == "place"]


def begun(log: Sequence[LogLine], sender: str, since: datetime, until: datetime) -> list[str]:
    """Who was called from a number in [since, until)."""
    return [line.to for line in places(log) if line.sender == sender and since <= line.at < until]


async def test_a_campaign_uses_the_numbers_of_its_pool_in_turn_and_no_other(bench: Bench) -> None:
    campaign = await pooled(bench, numbers(60), CARRIER, 3, max_lines=7)

    await bench.run(campaign)

    used = [line.sender for line in places(await bench.log(campaign))]
    assert Counter(used) == dict.fromkeys(SENDERS[:3], 20)
    assert used == SENDERS[:3] * 20, "over many turns, each time where the last one ended"


async def test_two_campaigns_and_two_workers_keep_the_lines_of_a_number(open_bench: OpenBench) -> None:
    one, two = await open_bench(RealClock()), await open_bench(RealClock())
    carrier = CARRIER | FAST_CALLS
    campaigns = [
        await pooled(one, numbers(60, first=2_000_000 + 10_000 * count), carrier, count, name=str(count))
        for count in (2, 4)
    ]
    for sender in SENDERS:
        await change(one, campaigns[0], sender, max_lines=2)

    async with one.working(), two.working():
        await one.wait_until_ended(*campaigns)

    log = sorted([*await one.log(campaigns[0]), *await one.log(campaigns[1])], key=lambda line: line.at)
    never_more_lines_per_sender_than(log, 2)
    no_attempt_is_placed_twice(log)
    every_place_has_one_end(log)
    assert [(await one.progress(campaign)).reached for campaign in campaigns] == [60, 60]


async def test_a_number_that_rests_ends_its_calls_and_the_others_go_on_without_it(bench: Bench) -> None:
    campaign = await pooled(bench, numbers(40), CARRIER | TEN_SECONDS, 2)
    for sender in SENDERS[:2]:
        await change(bench, campaign, sender, max_lines=2)
    off, on = START + timedelta(seconds=25), START + timedelta(seconds=62)
    bench.at(off, lambda: change(bench, campaign, SENDERS[0], active=False))
    bench.at(on, lambda: change(bench, campaign, SENDERS[0], active=True))

    await bench.run(campaign)

    log = await bench.log(campaign)
    never_more_lines_per_sender_than(log, 2)
    assert len(begun(log, SENDERS[0], START, off)) >= 4 and len(begun(log, SENDERS[0], on, bench.now)) >= 4
    assert begun(log, SENDERS[0], off, on) == []
    assert len(begun(log, SENDERS[1], off, on)) >= 6, "the other one goes on"
    every_place_has_one_end(log)
    rows = await bench.report(campaign)
    assert len(rows) == 40 and {row["disposition"] for row in rows} == {"answered"}, "nobody was lost or called twice"
    assert [e for e in await bench.events(campaign) if e.startswith("number.")] == ["number.switched_off"]


async def test_a_number_that_is_deleted_in_the_middle_stays_in_the_report_of_its_calls(bench: Bench) -> None:
    campaign = await pooled(bench, numbers(20), CARRIER | TEN_SECONDS, 2, max_lines=4)
    carrier_id = (await bench.get(campaign)).carrier_id
    first, *_ = await bench.app.campaigns.numbers_of(carrier_id)
    bench.after(5, lambda: bench.app.caller_numbers.delete(carrier_id, first))

    await bench.run(campaign)

    rows = await bench.report(campaign)
    assert Counter(row["from_number"] for row in rows) == {SENDERS[0]: 2, SENDERS[1]: 18}
    assert {row["disposition"] for row in rows} == {"answered"}
