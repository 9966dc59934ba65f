"""Seeded campaigns on a network that loses, delays and doubles events, under random commands: every promise holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, time, timedelta
from random import Random

import pytest
from bench import START, Bench, numbers
from checks import (
    Hours,
    attempts_are_numbered,
    every_contact_ends_once,
    every_place_has_one_end,
    never_more_attempts_than,
    never_more_lines_than,
    never_more_refusals_than,
    no_attempt_is_placed_twice,
    no_number_rings_twice_at_once,
    nobody_is_called_outside,
    read_log,
    report_agrees,
    retries_wait,
    starts_are_apart,
)

from dialplane.core.breaker import CircuitBreaker
from dialplane.core.retry import RetryPolicy
from dialplane.core.window import CallingWindow
from dialplane.engine.contacts import LateContact
from dialplane.errors import Conflict

pytestmark = pytest.mark.asyncio

SEEDS = range(1, 7)
LINES, CPS, DELAY = 6, 4, 30
ZONES = {"212": "America/New_York", "213": "America/Los_Angeles"}
HOURS = Hours("mon tue wed thu fri sat sun", time(9), time(9, 20))
BUSY_NETWORK = {
    "cps": None,
    "outcomes": {"answered": 0.4, "busy": 0.2, "no_answer": 0.2, "voicemail": 0.1, "carrier_failed": 0.1},
    "refusals": {"rate_limited": 0.1, "capacity": 0.1},
    "faults": {"lost": 0.1, "late": 0.2, "doubled": 0.2, "reordered": 0.2},
    "timeouts": 0.1,
}


class Operator:
    """Somebody who gives commands at random instants of the first two mornings."""

    def __init__(self, bench: Bench, campaign: int, seed: int) -> None:
        self.bench = bench
        self.campaign = campaign
        self.random = Random(seed)
        self.do_not_call: dict[str, datetime] = {}
        self.added: list[str] = []
        self.restored: set[str] = set()  # due at once, whatever their last call came to

    def act(self, times: int) -> None:
        commands = [self.pause, self.remove, self.restore, self.stop_calling, self.add, self.narrow]
        for _ in range(times):
            # New York opens at 14:00 UTC.
            opens = START.replace(hour=14) + timedelta(days=self.random.choice((0, 0, 1)))
            at = opens + timedelta(seconds=self.random.uniform(0, 300))
            self.bench.at(at, self._ignoring_conflicts(self.random.choice(commands)))

    def _ignoring_conflicts(self, command: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        async def give() -> None:
            with suppress(Conflict):  # who has ended cannot be removed, and so on: that is right
                await command()

        return give

    def _some(self) -> list[str]:
        return self.random.sample([*numbers(30), *numbers(30, area="213")], 3)

    async def pause(self) -> None:
        await self.bench.app.campaigns.pause(self.campaign)
        seconds = self.random.uniform(1, 60)
        self.bench.after(seconds, lambda: self.bench.app.campaigns.resume(self.campaign))

    async def remove(self) -> None:
        await self.bench.app.contacts.remove(self.campaign, self._some())

    async def restore(self) -> None:
        for number in numbers(30):
            with suppress(Conflict):
                self.restored.update(await self.bench.app.contacts.restore(self.campaign, [number]))

    async def stop_calling(self) -> None:
        numbers_ = self._some()[:1]
        await self.bench.app.contacts.do_not_call(numbers_, source="hand")
        self.do_not_call.setdefault(numbers_[0], self.bench.now)

    async def add(self) -> None:
        number = f"+1212{7_000_000 + len(self.added)}"
        priority = self.random.choice((0, 5))
        added = await self.bench.app.contacts.add(self.campaign, [LateContact(phone_number=number, priority=priority)])
        self.added += added

    async def narrow(self) -> None:
        record = await self.bench.get(self.campaign)
        policies = replace(record.policies, max_lines=self.random.randint(1, LINES))
        await self.bench.app.campaigns.change(self.campaign, policies)


@pytest.mark.parametrize("seed", SEEDS)
async def test_every_promise_holds_on_a_bad_network_under_random_commands(bench: Bench, seed: int) -> None:
    contacts = [*numbers(30), *numbers(30, area="213")]
    campaign = await bench.started(
        contacts,
        carrier=BUSY_NETWORK | {"seed": seed},
        window=CallingWindow.parse("daily 09:00-09:20", "contact"),
        retry=RetryPolicy(max_retries=2, delay_seconds=DELAY),
        breaker=CircuitBreaker(enabled=False),
        max_lines=LINES,
        cps=CPS,
    )
    operator = Operator(bench, campaign, seed)
    operator.act(12)

    await bench.run(campaign)

    log, report = await bench.log(campaign), await bench.report(campaign)
    assert await bench.state(campaign) == "completed"
    every_contact_ends_once(report, [*contacts, *operator.added])
    every_place_has_one_end(log)
    no_attempt_is_placed_twice(log)
    no_number_rings_twice_at_once(log)
    never_more_lines_than(log, LINES)
    starts_are_apart(log, CPS)
    retries_wait([line for line in log if line.to not in operator.restored], timedelta(seconds=DELAY))
    never_more_attempts_than(log, 3)
    never_more_refusals_than(log)
    attempts_are_numbered(log)
    report_agrees(report, log)
    zone_of = {line.to: [ZONES[line.to[2:5]]] for line in log}
    nobody_is_called_outside(log, HOURS, zone_of)
    for number, entered_at in operator.do_not_call.items():
        assert not [line for line in log if line.to == number and line.event == "place" and line.at > entered_at]
    await counters_agree(bench, campaign)


@pytest.mark.parametrize("seed", SEEDS)
async def test_every_promise_holds_over_several_campaigns_with_the_same_people(bench: Bench, seed: int) -> None:
    random = Random(seed)
    people = numbers(40)
    campaigns = [
        await bench.started(
            random.sample(people, 30),
            carrier=BUSY_NETWORK | {"seed": seed + i, "max_lines": 5},
            retry=RetryPolicy(max_retries=random.randint(0, 2), delay_seconds=DELAY),
            breaker=CircuitBreaker(enabled=False),
            max_lines=random.randint(2, 6),
        )
        for i in range(3)
    ]
    bench.after(20, lambda: bench.app.campaigns.pause(campaigns[0]))
    bench.after(200, lambda: bench.app.campaigns.resume(campaigns[0]))

    await bench.run(*campaigns)

    logs = [await bench.log(campaign) for campaign in campaigns]
    together = read_log(*[await bench.log_path(campaign) for campaign in campaigns])
    no_number_rings_twice_at_once(together)
    no_attempt_is_placed_twice(together)
    every_place_has_one_end(together)
    retries_wait(together, timedelta(seconds=DELAY))
    for campaign, log in zip(campaigns, logs, strict=True):
        record = await bench.get(campaign)
        assert record.state == "completed"
        never_more_lines_than(log, min(5, record.policies.max_lines or 5))
        never_more_attempts_than(log, record.policies.retry.max_retries + 1)
        report_agrees(await bench.report(campaign), log)
        await counters_agree(bench, campaign)


async def counters_agree(bench: Bench, campaign: int) -> None:
    """Progress is what the rows say, and nothing is left that waits."""
    progress = await bench.progress(campaign)
    states = Counter((await bench.contacts(campaign)).values())
    assert {name: count for name, count in progress.contacts().items() if count and name != "total"} == dict(states)
    assert progress.total == states.total()
    async with bench.app.database.connection() as connection:
        attempts = await connection.fetch(
            "SELECT disposition, count(*) AS calls FROM attempt WHERE campaign_id = $1 GROUP BY disposition", campaign
        )
        due = await connection.fetchval("SELECT count(*) FROM due WHERE campaign_id = $1", campaign)
        miscounted = await connection.fetch(
            "SELECT id FROM contact c WHERE campaign_id = $1"
            " AND (attempts, spent) <> (SELECT count(*), count(*) FILTER (WHERE a.spent) FROM attempt a"
            "                           WHERE a.contact_id = c.id)",
            campaign,
        )
    assert progress.dispositions == {row["disposition"]: row["calls"] for row in attempts}
    assert (due, miscounted) == (0, [])
