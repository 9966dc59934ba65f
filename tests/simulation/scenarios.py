"""Seeded campaigns on a network that loses, delays and doubles events, under commands, by workers that vanish."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from random import Random
from uuid import uuid4

from bench import MOVING, START, Bench, numbers
from checks import (
    STARTS,
    Hours,
    LogLine,
    every_contact_ends_once,
    every_place_has_one_end,
    heard_of,
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
from mortal import Process
from soundness import store_is_sound

from dialplane.clocks import VirtualClock
from dialplane.config import Settings
from dialplane.core.breaker import CircuitBreaker
from dialplane.core.retry import RetryPolicy
from dialplane.core.window import CallingWindow
from dialplane.engine import catalog
from dialplane.engine.contacts import LateContact
from dialplane.errors import Conflict
from dialplane.ports import Clock
from dialplane.store.postgres import Database
from dialplane.wiring import assemble

SEEDS = int(os.environ.get("DIALPLANE_SIMULATION_SEEDS", "200"))  # over all scenarios
EACH_AREA = 18
LINES, CPS, DELAY = 6, 4, 30
NEVER = timedelta(days=400)
ZONES = {
    "+1212": ["America/New_York"],
    "+1213": ["America/Los_Angeles"],
    "+1208": ["America/Boise", "America/Los_Angeles"],  # Idaho lies in two zones
    "+4930": ["Europe/Berlin"],
}
TOLL_FREE = "+18002345678"  # in forty zones, from St. John's to Guam
BUSY_NETWORK = {
    "cps": None,
    "outcomes": {"answered": 0.4, "busy": 0.2, "no_answer": 0.2, "voicemail": 0.1, "carrier_failed": 0.1},
    "refusals": {"rate_limited": 0.1, "capacity": 0.1},
    "faults": {"lost": 0.1, "late": 0.2, "doubled": 0.2, "reordered": 0.2},
    "timeouts": 0.1,
}
EVERY_DAY = "mon tue wed thu fri sat sun"
MORNING = ("daily 09:00-09:20", Hours(EVERY_DAY, time(9), time(9, 20)))
# Around the hour that is left out in spring and comes twice in autumn: at two in America, at two or three in Berlin.
NIGHTS = [
    ("daily 01:30-02:30", Hours(EVERY_DAY, time(1, 30), time(2, 30))),
    ("daily 02:10-02:50", Hours(EVERY_DAY, time(2, 10), time(2, 50))),
    ("daily 22:00-03:10", Hours(EVERY_DAY, time(22), time(3, 10))),
    ("sun 00:30-02:00", Hours("sun", time(0, 30), time(2))),
]
CLOCK_CHANGES = [
    datetime(2025, 3, 9, 7, tzinfo=UTC),  # New York, 02:00 -> 03:00
    datetime(2025, 11, 2, 6, tzinfo=UTC),  # New York, 02:00 -> 01:00
    datetime(2025, 3, 30, 1, tzinfo=UTC),  # Berlin, 02:00 -> 03:00
    datetime(2025, 10, 26, 1, tzinfo=UTC),  # Berlin, 03:00 -> 02:00
]


def seeds(share: float) -> range:
    """Of a scenario that has this share of them."""
    return range(1, max(1, round(SEEDS * share)) + 1)


def zones_of(number: str) -> list[str]:
    return ZONES[number[:5]]


def before_clocks_change(seed: int) -> datetime:
    """Some hours before they do: each pair of a change and of hours is among the first sixteen seeds."""
    return CLOCK_CHANGES[seed // len(NIGHTS) % len(CLOCK_CHANGES)] - timedelta(hours=Random(seed).uniform(0, 12))


# --- bench ------------------------------------------------------------------------------------------


@dataclass
class SimulatedBench(Bench):
    """Its workers vanish at random instants; each time another one takes over, at once or some seconds later."""

    chance: Random = field(default_factory=Random)
    deaths: int = 0

    async def run(self, *campaign_ids: int, until: datetime | None = None, capacity: int = 500) -> None:
        async def finished() -> bool:
            states = [(await self.get(campaign_id)).state for campaign_id in campaign_ids]
            return not self._commands and not any(state in MOVING for state in states)

        only = campaign_ids[0] if len(campaign_ids) == 1 else None
        for borders in [*(self.chance.randint(1, 80) for _ in range(self.deaths)), None]:
            process = Process(self, borders=borders, campaign_id=only, finished=finished)
            self.workers = [process.worker]
            if await process.run():
                return
            self.workers = []
            assert isinstance(self.app.clock, VirtualClock)
            await self.app.clock.wait(asyncio.Event(), self.now + timedelta(seconds=self.chance.choice((0, 1, 10))))


async def new_bench(database: Database, clock: Clock, folder: Path) -> SimulatedBench:
    """With an organization of its own, and nothing left to do in any other."""
    async with database.transaction() as connection:
        await connection.execute("UPDATE organization SET next_turn_at = NULL WHERE next_turn_at IS NOT NULL")
        await connection.execute("DELETE FROM attempt WHERE ended_at IS NULL")
    organization_id = await catalog.ensure_organization(database, uuid4().hex)
    app = assemble(Settings(home=folder), database, clock, organization_id, folder / "carrier-logs")
    return SimulatedBench(app, folder)


def fate(bench: SimulatedBench, scenario: str, seed: int) -> Random:
    """Chance for what the scenario itself does. Two seeds of three have workers that vanish."""
    bench.chance = Random(f"deaths of {scenario} {seed}")
    bench.deaths = bench.chance.choice((0, 2, 8))
    return Random(seed)


# --- operator ---------------------------------------------------------------------------------------


@dataclass
class Silence:
    """Nobody of these numbers (None: of the campaign) is called after `since`, when a command returned, until `until`.

    sent: attempts that had passed the guard by then. In real time the command waits for them; virtual time cannot.
    """

    since: datetime
    until: datetime
    numbers: Sequence[str] | None
    sent: set[str]

    def is_kept(self, log: Sequence[LogLine]) -> None:
        late = [
            line
            for line in log
            if line.event in STARTS
            and self.since < line.at < self.until
            and (self.numbers is None or line.to in self.numbers)
            and line.attempt_id not in self.sent
        ]
        assert not late, f"called after the command had returned at {self.since}: {[str(line) for line in late]}"


class Operator:
    """Somebody who gives commands at random instants of the first two mornings."""

    def __init__(self, bench: Bench, campaign: int, people: Sequence[str], chance: Random) -> None:
        self.bench = bench
        self.campaign = campaign
        self.people = people
        self.random = chance
        self.added: list[str] = []
        self.restored: set[str] = set()  # due at once, whatever their last call came to
        self.silences: list[Silence] = []

    def act(self, times: int) -> None:
        commands = [self.pause, self.remove, self.restore, self.stop_calling, self.add, self.narrow, self.oversleep]
        for _ in range(times):
            # New York opens at 14:00 UTC.
            opens = START.replace(hour=14) + timedelta(days=self.random.choice((0, 0, 1)))
            at = opens + timedelta(seconds=120 * self.random.random() ** 2)  # most while most calls are being made
            self.bench.at(at, self._ignoring_conflicts(self.random.choice(commands)))

    def _ignoring_conflicts(self, command: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        async def give() -> None:
            with suppress(Conflict):  # who has ended cannot be removed, and so on: that is right
                await command()

        return give

    def _some(self) -> list[str]:
        return self.random.sample(self.people, 3)

    async def _silence(self, numbers: Sequence[str] | None) -> Silence:
        async with self.bench.app.database.connection() as connection:
            sending = await connection.fetch(
                "SELECT uuid FROM attempt WHERE organization_id = $1 AND ended_at IS NULL AND state = 'sending'",
                self.bench.app.organization_id,
            )
        now = self.bench.now
        silence = Silence(now, now + NEVER, numbers, {str(row["uuid"]) for row in sending})
        self.silences.append(silence)
        return silence

    async def pause(self) -> None:
        await self.bench.app.campaigns.pause(self.campaign)
        silence = await self._silence(None)
        seconds = self.random.uniform(1, 60)

        async def resume() -> None:
            silence.until = self.bench.now
            await self.bench.app.campaigns.resume(self.campaign)

        self.bench.after(seconds, resume)

    async def remove(self) -> None:
        some = self._some()
        await self.bench.app.contacts.remove(self.campaign, some)
        await self._silence(some)

    async def restore(self) -> None:
        for number in self.people:
            with suppress(Conflict):
                self.restored.update(await self.bench.app.contacts.restore(self.campaign, [number]))
        for silence in self.silences:
            if silence.numbers and self.restored.intersection(silence.numbers):
                silence.until = min(silence.until, self.bench.now)

    async def stop_calling(self) -> None:
        some = self._some()[:1]
        await self.bench.app.contacts.do_not_call(some, source="hand")
        await self._silence(some)

    async def add(self) -> None:
        number = f"+1212{7_000_000 + len(self.added)}"
        priority = self.random.choice((0, 5))
        added = await self.bench.app.contacts.add(self.campaign, [LateContact(phone_number=number, priority=priority)])
        self.added += added

    async def oversleep(self) -> None:
        """The machine stood still: whatever was to happen meanwhile is late."""
        assert isinstance(self.bench.app.clock, VirtualClock)
        self.bench.app.clock.advance(timedelta(seconds=self.random.uniform(0.1, 8)))

    async def narrow(self) -> None:
        record = await self.bench.get(self.campaign)
        policies = replace(record.policies, max_lines=self.random.randint(1, LINES))
        await self.bench.app.campaigns.change(self.campaign, policies)


# --- scenarios --------------------------------------------------------------------------------------


async def commands_on_a_bad_network(bench: SimulatedBench, seed: int) -> None:
    """One campaign of two zones; somebody pauses, removes, restores, adds and changes it."""
    chance = fate(bench, "commands", seed)
    people = [*numbers(EACH_AREA), *numbers(EACH_AREA, area="213")]
    text, hours = MORNING
    campaign = await bench.started(
        people,
        carrier=BUSY_NETWORK | {"seed": seed},
        window=CallingWindow.parse(text, "contact"),
        retry=RetryPolicy(max_retries=2, delay_seconds=DELAY),
        breaker=CircuitBreaker(enabled=False),
        max_lines=LINES,
        cps=CPS,
    )
    operator = Operator(bench, campaign, people, chance)
    operator.act(12)

    await bench.run(campaign)

    log = await campaign_holds(bench, campaign, [*people, *operator.added], lines=LINES, restored=operator.restored)
    starts_are_apart(log, CPS)
    nobody_is_called_outside(log, hours, {line.to: zones_of(line.to) for line in log})
    for silence in operator.silences:
        silence.is_kept(log)
    await store_is_sound(bench.app)


async def campaigns_that_share_people(bench: SimulatedBench, seed: int) -> None:
    """Three campaigns at once, most people in more than one of them."""
    chance = fate(bench, "campaigns", seed)
    everybody = numbers(20)
    people = [chance.sample(everybody, 14) for _ in range(3)]
    campaigns = [
        await bench.started(
            some,
            carrier=BUSY_NETWORK | {"seed": seed + i, "max_lines": 5},
            retry=RetryPolicy(max_retries=chance.randint(0, 2), delay_seconds=DELAY),
            breaker=CircuitBreaker(enabled=False),
            max_lines=chance.randint(2, 6),
        )
        for i, some in enumerate(people)
    ]
    bench.after(20, lambda: bench.app.campaigns.pause(campaigns[0]))
    bench.after(200, lambda: bench.app.campaigns.resume(campaigns[0]))

    await bench.run(*campaigns)

    no_number_rings_twice_at_once(read_log(*[await bench.log_path(campaign) for campaign in campaigns]))
    for campaign, some in zip(campaigns, people, strict=True):
        record = await bench.get(campaign)
        await campaign_holds(bench, campaign, some, lines=min(5, record.policies.max_lines or 5))
    await store_is_sound(bench.app)


async def nights_when_clocks_change(bench: SimulatedBench, seed: int) -> None:
    """A campaign by the contacts' own clocks, from some hours before these change; some people have several clocks."""
    chance = fate(bench, "nights", seed)
    text, hours = NIGHTS[seed % len(NIGHTS)]
    people = [f"{prefix}{234_567 + i if prefix == '+4930' else 2_000_000 + i}" for prefix in ZONES for i in range(5)]
    campaign = await bench.started(
        [*people, TOLL_FREE],
        carrier=BUSY_NETWORK | {"seed": seed},
        window=CallingWindow.parse(text, "contact"),
        # Some retries come in the second of two hours that look the same, some only in the night after.
        retry=RetryPolicy(max_retries=2, delay_seconds=chance.choice((DELAY, 1200.0, 3600.0))),
        breaker=CircuitBreaker(enabled=False),
        max_lines=chance.randint(1, 4),
        cps=chance.choice((None, 0.05, 2)),
    )
    record = await bench.get(campaign)

    await bench.run(campaign)

    policies = record.policies
    log = await campaign_holds(
        bench, campaign, [*people, TOLL_FREE], lines=policies.max_lines or 0, delay=policies.retry.delay_seconds
    )
    assert (await bench.contacts(campaign))[TOLL_FREE] == "skipped", "there is no hour at which all its zones are open"
    nobody_is_called_outside(log, hours, {line.to: zones_of(line.to) for line in log})
    if policies.cps is not None:
        starts_are_apart(log, policies.cps)
    await store_is_sound(bench.app)


async def campaign_holds(
    bench: Bench,
    campaign: int,
    people: Sequence[str],
    *,
    lines: int,
    delay: float = DELAY,
    restored: Collection[str] = (),
) -> list[LogLine]:
    """What every one of them promises, of one that has completed. Answers with its log."""
    log, report = await bench.log(campaign), await bench.report(campaign)
    assert await bench.state(campaign) == "completed"
    every_contact_ends_once(report, people)
    every_place_has_one_end(log)
    no_attempt_is_placed_twice(log)
    no_number_rings_twice_at_once(log)
    never_more_lines_than(log, lines)
    retries_wait([line for line in log if line.to not in restored], timedelta(seconds=delay))
    never_more_attempts_than([line for line in log if line.to not in restored], 3)
    never_more_refusals_than(log)
    report_agrees(*heard_of(report, log))
    attempts_are_in_order(report)
    return log


def attempts_are_in_order(report: Sequence[dict[str, str]]) -> None:
    """1, 2, 3 … for each contact, those included whose worker vanished with the news."""
    attempts: dict[str, list[int]] = {}
    for row in report:
        if row["attempt_id"]:
            attempts.setdefault(row["contact_id"], []).append(int(row["attempt"]))
    for contact, ordinals in attempts.items():
        assert ordinals == list(range(1, len(ordinals) + 1)), f"attempts of contact {contact}: {ordinals}"
