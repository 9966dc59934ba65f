"""An operator, two campaigns and workers that vanish: hypothesis looks for steps that break a promise."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

from bench import MOVING, numbers
from checks import Hours, every_contact_ends_once, every_place_has_one_end, heard_of, report_agrees
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from judge import Judge, Rules, Sent
from mortal import Process
from scenarios import BUSY_NETWORK, EVERY_DAY, TOLL_FREE, ZONES, SimulatedBench, attempts_are_in_order, new_bench

from dialplane.clocks import VirtualClock
from dialplane.core.breaker import CircuitBreaker
from dialplane.core.campaign import Policies
from dialplane.core.retry import RetryPolicy
from dialplane.core.window import CallingWindow
from dialplane.engine import catalog
from dialplane.engine.contacts import LateContact
from dialplane.errors import Conflict, NotFound
from dialplane.store.postgres import Database

ORGANIZATION_LINES = 5
PATIENCE = timedelta(days=20)  # until campaigns that nobody touches any more have ended: some call an hour a week
HOP = timedelta(hours=6)
SHORT_HOP, MOST_HOPS = timedelta(milliseconds=20), 250

PEOPLE = {
    number: zones
    for prefix, zones in ZONES.items()
    for number in (["+4930234567", "+4930234568"] if prefix == "+4930" else numbers(3, area=prefix[2:]))
} | {
    TOLL_FREE: [
        "America/St_Johns",
        "America/New_York",
        "America/Los_Angeles",
        "Pacific/Guam",
    ],  # the outermost, at least
}

WINDOWS: dict[str, tuple[str, Hours | None]] = {
    "any hour": ("", None),
    "by day": ("daily 09:00-17:00", Hours(EVERY_DAY, time(9), time(17))),
    "overnight": ("daily 22:00-04:00", Hours(EVERY_DAY, time(22), time(4))),
    "in the gap": ("daily 01:30-02:30", Hours(EVERY_DAY, time(1, 30), time(2, 30))),
    "sundays": ("sun 00:30-03:30", Hours("sun", time(0, 30), time(3, 30))),
}
BEGINNINGS = [
    datetime(2025, 3, 3, 13, 55, tzinfo=UTC),  # 08:55 in New York, on a Monday
    datetime(2025, 3, 9, 6, 25, tzinfo=UTC),  # 35 minutes before New York loses an hour
    datetime(2025, 11, 2, 5, 25, tzinfo=UTC),  # 35 minutes before it gets one
    datetime(2025, 3, 30, 0, 25, tzinfo=UTC),  # Berlin
    datetime(2025, 10, 26, 0, 25, tzinfo=UTC),
]


def rules_of(window: str, lines: int, cps: float | None, retries: int, delay: float) -> Rules:
    text, hours = WINDOWS[window]
    policies = Policies(
        window=CallingWindow.parse(text, "contact") if text else CallingWindow(),
        retry=RetryPolicy(max_retries=retries, delay_seconds=delay),
        breaker=CircuitBreaker(enabled=False),
        max_lines=lines,
        cps=cps,
    )
    return Rules(policies, hours)


RULES = st.builds(
    rules_of,
    window=st.sampled_from(sorted(WINDOWS)),
    lines=st.integers(1, 4),
    cps=st.sampled_from((None, 0.2, 4.0)),
    retries=st.integers(0, 2),
    delay=st.sampled_from((5.0, 60.0, 3600.0)),
)
CAMPAIGNS = st.integers(0, 1)
NUMBERS = st.sampled_from(sorted(PEOPLE))
SOME = st.lists(NUMBERS, min_size=3, max_size=8, unique=True)


@dataclass
class World:
    """What all examples share."""

    runner: asyncio.Runner
    database: Database
    folder: Path


class CampaignMachine(RuleBasedStateMachine):
    """Between two steps time stands still and nothing is at work, though calls may be in progress."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.process: Process | None = None
        self.sound = True

    # --- begin and end ------------------------------------------------------------------------------

    @initialize(
        at=st.sampled_from(BEGINNINGS), rules=st.tuples(RULES, RULES), people=st.tuples(SOME, SOME), both=st.booleans()
    )
    def begin(self, at: datetime, rules: Sequence[Rules], people: Sequence[Sequence[str]], both: bool) -> None:
        self.run(self._begin(at, rules, people, both))

    async def _begin(self, at: datetime, rules: Sequence[Rules], people: Sequence[Sequence[str]], both: bool) -> None:
        self.clock = VirtualClock(at)
        self.bench: SimulatedBench = await new_bench(self.world.database, self.clock, self.world.folder)
        app = self.bench.app
        await catalog.set_limits(app.database, app.organization_id, max_lines=ORGANIZATION_LINES, cps=None)
        self.judge = Judge(self.bench, ORGANIZATION_LINES, PEOPLE)
        self.people = [list(some) for some in people]
        self.campaigns: list[int] = []
        for seed, (its, some) in enumerate(zip(rules, people, strict=True)):
            settings = {name: getattr(its.policies, name) for name in Policies.__dataclass_fields__}
            campaign_id = await self.bench.draft(some, carrier=BUSY_NETWORK | {"seed": seed}, **settings)
            self.campaigns.append(campaign_id)
            await self.judge.watch(campaign_id, its)
        for campaign in (0, 1) if both else (0,):
            await self._start(campaign)
        await self._take_over()

    def teardown(self) -> None:
        try:
            if self.sound and hasattr(self, "campaigns"):
                self.run(self._finish())
        finally:
            self.world.runner.run(self._close())

    async def _finish(self) -> None:
        """Left alone, with a worker, every campaign comes to its end, and everybody in it."""
        if not self.works:
            await self._take_over()
        assert self.process is not None
        self.process.life.borders = None
        for campaign in range(2):
            await self._told(self._start(campaign))
            await self._told(self._resume(campaign))
        give_up_at = self.bench.now + PATIENCE
        while any([(await self.bench.get(campaign_id)).state in MOVING for campaign_id in self.campaigns]):
            assert self.bench.now < give_up_at, "a campaign goes on for ever"
            await self._pass_time(HOP)
            await self.judge.look()
        await self._pass_time(HOP)  # calls of those that were cancelled end too
        for campaign_id, people in zip(self.campaigns, self.people, strict=True):
            log, report = await self.bench.log(campaign_id), await self.bench.report(campaign_id)
            every_contact_ends_once(report, people)
            every_place_has_one_end(log)
            report_agrees(*heard_of(report, log))
            attempts_are_in_order(report)

    async def _close(self) -> None:
        if self.process is not None:
            await self.process.vanish()

    def run(self, step: Coroutine[Any, Any, None]) -> None:
        """A step, and what everything is like after it."""
        self.sound = False  # until it is known better: then there is nothing to be finished
        self.world.runner.run(step)
        self.world.runner.run(self.judge.look())
        self.sound = True

    def command(self, command: Coroutine[Any, Any, None]) -> None:
        self.run(self._told(command))

    async def _told(self, command: Awaitable[None]) -> None:
        with suppress(Conflict, NotFound):  # who has ended cannot be removed, and so on: that is right
            await command
        if self.works:
            assert self.process is not None
            self.process.worker.look()

    # --- time ---------------------------------------------------------------------------------------

    @property
    def works(self) -> bool:
        return self.process is not None and not self.process.life.over

    @rule(seconds=st.sampled_from((0.05, 0.3, 1.0, 3.0)))
    def a_moment(self, seconds: float) -> None:
        self.run(self._pass_time(timedelta(seconds=seconds)))

    @rule(seconds=st.sampled_from((10.0, 60.0, 600.0, 1800.0)))
    def a_while(self, seconds: float) -> None:
        self.run(self._pass_time(timedelta(seconds=seconds)))

    @precondition(lambda self: self.works)
    @rule()
    def next_intent(self) -> None:
        """Up to where a call is decided on and not made: a command now is only just in time."""
        self.run(self._next_intent())

    async def _next_intent(self) -> None:
        for _ in range(MOST_HOPS):
            await self._pass_time(SHORT_HOP)
            assert self.process is not None
            if not self.works or self.process.worker.orders.next_send_at is not None:
                return

    @rule(hours=st.integers(1, 24))
    def hours(self, hours: int) -> None:
        self.run(self._pass_time(timedelta(hours=hours)))

    async def _pass_time(self, time: timedelta) -> None:
        until = self.bench.now + time
        if self.works:
            assert self.process is not None
            await self.process.run_until(until)
        if self.bench.now < until:
            await self.clock.wait(asyncio.Event(), until)

    @rule(seconds=st.sampled_from((0.5, 2.5, 30.0, 7200.0)))
    def oversleep(self, seconds: float) -> None:
        """The machine stood still: whatever was to happen meanwhile is late."""
        self.clock.advance(timedelta(seconds=seconds))

    # --- workers ------------------------------------------------------------------------------------

    @precondition(lambda self: not self.works)
    @rule()
    def take_over(self) -> None:
        self.run(self._take_over())

    async def _take_over(self) -> None:
        self.process = Process(self.bench)

    @precondition(lambda self: self.works)
    @rule()
    def vanish(self) -> None:
        assert self.process is not None
        self.run(self.process.vanish())

    @precondition(lambda self: self.works)
    @rule(borders=st.integers(1, 40))
    def vanish_soon(self, borders: int) -> None:
        assert self.process is not None
        self.process.life.borders = borders

    # --- campaigns ----------------------------------------------------------------------------------

    @rule(campaign=CAMPAIGNS)
    def start(self, campaign: int) -> None:
        self.command(self._start(campaign))

    async def _start(self, campaign: int) -> None:
        await self.bench.app.campaigns.start(self.campaigns[campaign])
        self._silence(campaign, None)

    @rule(campaign=CAMPAIGNS)
    def pause(self, campaign: int) -> None:
        self.command(self._pause(campaign))

    async def _pause(self, campaign: int) -> None:
        await self.bench.app.campaigns.pause(self.campaigns[campaign])
        self._silence(campaign, await self.judge.sent())

    @rule(campaign=CAMPAIGNS)
    def resume(self, campaign: int) -> None:
        self.command(self._resume(campaign))

    async def _resume(self, campaign: int) -> None:
        await self.bench.app.campaigns.resume(self.campaigns[campaign])
        self._silence(campaign, None)

    @rule(campaign=CAMPAIGNS, really=st.integers(0, 3))
    def cancel(self, campaign: int, really: int) -> None:
        if really == 3:  # nothing can happen in it after that
            self.command(self._cancel(campaign))

    async def _cancel(self, campaign: int) -> None:
        await self.bench.app.campaigns.cancel(self.campaigns[campaign])
        self._silence(campaign, await self.judge.sent())

    def _silence(self, campaign: int, sent: Sent | None) -> None:
        self.judge.campaigns[self.campaigns[campaign]].silent = sent

    @rule(campaign=CAMPAIGNS, rules=RULES)
    def change(self, campaign: int, rules: Rules) -> None:
        self.command(self._change(campaign, rules))

    async def _change(self, campaign: int, rules: Rules) -> None:
        await self.bench.app.campaigns.change(self.campaigns[campaign], rules.policies)
        await self.judge.changed(self.campaigns[campaign], rules)

    # --- contacts -----------------------------------------------------------------------------------

    @rule(campaign=CAMPAIGNS, number=NUMBERS, priority=st.sampled_from((0, 5)))
    def add(self, campaign: int, number: str, priority: int) -> None:
        self.command(self._add(campaign, LateContact(phone_number=number, priority=priority)))

    async def _add(self, campaign: int, contact: LateContact) -> None:
        self.people[campaign] += await self.bench.app.contacts.add(self.campaigns[campaign], [contact])

    @rule(campaign=CAMPAIGNS, number=NUMBERS)
    def remove(self, campaign: int, number: str) -> None:
        self.command(self._remove(campaign, number))

    async def _remove(self, campaign: int, number: str) -> None:
        await self.bench.app.contacts.remove(self.campaigns[campaign], [number])
        self.judge.campaigns[self.campaigns[campaign]].removed[number] = await self.judge.sent()

    @rule(campaign=CAMPAIGNS, number=NUMBERS)
    def restore(self, campaign: int, number: str) -> None:
        self.command(self._restore(campaign, number))

    async def _restore(self, campaign: int, number: str) -> None:
        campaign_id = self.campaigns[campaign]
        await self.bench.app.contacts.restore(campaign_id, [number])
        self.judge.restored(campaign_id, number, (await self.bench.contact(campaign_id, number))["id"])

    @rule(number=NUMBERS)
    def do_not_call(self, number: str) -> None:
        self.command(self._do_not_call(number))

    async def _do_not_call(self, number: str) -> None:
        await self.bench.app.contacts.do_not_call([number], source="hand")
        self.judge.do_not_call.setdefault(number, await self.judge.sent())
