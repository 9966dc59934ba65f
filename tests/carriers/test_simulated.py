"""The simulated carrier: every outcome, every fault, and a log that any process can go on from."""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
import yaml
from contract import CarrierContract, Heard, order_to
from hypothesis import given
from hypothesis import strategies as st

import dialplane
from dialplane.carriers.simulated import Profile, SimulatedCarrier, log, log_path
from dialplane.carriers.simulated.fate import fate_of
from dialplane.carriers.simulated.log import Log
from dialplane.clocks import RealClock, VirtualClock
from dialplane.core.attempt import Order
from dialplane.core.disposition import Disposition
from dialplane.errors import CarrierRefused, CarrierUnavailable, EnvironmentFault, Invalid, PlacementUnknown
from dialplane.ports import Answered, CallEvent, Ended, HungUp, Line, Lookup

START = datetime(2025, 3, 3, 9, 0, tzinfo=UTC)
EXAMPLES = Path(__file__).parents[2] / "examples" / "profiles"
ALL_ANSWERED = {"outcomes": {"answered": 1}}
MAGIC = {
    Disposition.BUSY: "+15005550001",
    Disposition.NO_ANSWER: "+15005550002",
    Disposition.VOICEMAIL: "+15005550003",
    Disposition.ANSWERED: "+15005550006",
    Disposition.RATE_LIMITED: "+15005550011",
    Disposition.CAPACITY: "+15005550012",
}


@dataclass
class Stage:
    """A simulated carrier in virtual time; `beside` gives another process's carrier on the same log."""

    folder: Path
    settings: Mapping[str, object] = field(default_factory=dict)
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(START))

    def __post_init__(self) -> None:
        self.heard = Heard()
        self.carrier = SimulatedCarrier(Profile.from_settings(self.settings), self.clock, self.folder, carrier_id=3)
        self.carrier.listen(self.heard)

    def beside(self) -> Stage:
        return Stage(self.folder, self.settings, self.clock)

    def order(self, outcome: Disposition) -> Order:
        return self.call(MAGIC[outcome])

    def call(self, to_number: str, number: int = 1) -> Order:
        return order_to(to_number, at=self.clock.now(), number=number)

    async def placed(self, to_number: str, number: int = 1) -> Order:
        order = self.call(to_number, number)
        await self.carrier.place(order)
        return order

    async def run(self, seconds: float) -> None:
        await self.clock.wait(asyncio.Event(), self.clock.now() + timedelta(seconds=seconds))

    async def run_until_over(self) -> None:
        await self.run(60)

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.carrier.log_path(7).read_text().splitlines()]

    def logged(self, order: Order) -> list[tuple[str, str]]:
        return [(at["event"], at["result"]) for at in self.log() if at["attempt_id"] == str(order.attempt_uuid)]


def line_of(stage: Stage, order: Order) -> Line:
    answered = next(event for event in stage.heard.of(order) if isinstance(event, Answered))
    assert answered.line is not None
    return answered.line


def numbers(count: int) -> list[str]:
    return [f"+1415{ordinal:07d}" for ordinal in range(count)]


@dataclass
class ContractStage(Stage):
    """Ordinary numbers are told backwards; those with an outcome of their own have it told as it comes."""

    settings: Mapping[str, object] = field(
        default_factory=lambda: {"outcomes": {"no_answer": 1}, "faults": {"reordered": 1}}
    )
    others: ExitStack = field(default_factory=ExitStack)  # processes that stand in the way

    def unanswered(self) -> Order:
        return self.call("+15005550016")

    def told_twice(self) -> Order:
        return self.call("+15005550015")

    def told_backwards(self) -> Order:
        return self.call("+14155550101")

    def accepted(self, order: Order) -> int:
        log = self.carrier.log_path(order.campaign_id)
        return self.logged(order).count(("place", "accepted")) if log.exists() else 0

    async def vanish(self) -> None:
        """A process that has stopped inside the lock keeps all others out."""
        await self.carrier.probe()  # makes the folder
        self.others.enter_context(Log(self.carrier.log_path(7)).locked())

    async def successor(self) -> ContractStage:
        await self.carrier.close()
        return ContractStage(self.folder, self.settings, self.clock)


class TestContract(CarrierContract):
    provider = "simulated"
    hands_on = "it plays the faults of carriers, for the engine to be tried with"

    @pytest_asyncio.fixture
    async def stage(self, tmp_path: Path) -> AsyncIterator[ContractStage]:
        stage = ContractStage(tmp_path)
        yield stage
        stage.others.close()
        await stage.carrier.close()


# --- magic numbers -------------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("ending", "number", "disposition", "sip_status", "kinds"),
    [
        ("01", 1, "busy", 486, ["Ended"]),
        ("02", 1, "no_answer", 487, ["Ringing", "Ended"]),
        ("03", 1, "voicemail", 200, ["Ringing", "Answered", "Ended"]),
        ("04", 1, "declined", 603, ["Ringing", "Ended"]),
        ("05", 1, "invalid_number", 404, ["Ended"]),
        ("06", 1, "answered", 200, ["Ringing", "Answered", "Ended"]),
        ("07", 1, "carrier_failed", 503, ["Ended"]),
        ("08", 1, "unreachable", 480, ["Ended"]),
        ("09", 1, "blocked", 608, ["Ended"]),
        ("10", 1, "unwanted", 607, ["Ringing", "Ended"]),
        ("11", 2, "answered", 200, ["Ringing", "Answered", "Ended"]),
        ("12", 2, "answered", 200, ["Ringing", "Answered", "Ended"]),
        ("13", 1, "answered", 200, ["Ringing", "Answered", "Ended"]),
        ("15", 1, "answered", 200, ["Ringing", "Ringing", "Answered", "Answered", "Ended", "Ended"]),
        ("21", 1, "busy", 486, ["Ended"]),
        ("21", 2, "answered", 200, ["Ringing", "Answered", "Ended"]),
        ("22", 1, "no_answer", 487, ["Ringing", "Ended"]),
        ("22", 2, "no_answer", 487, ["Ringing", "Ended"]),
        ("22", 3, "answered", 200, ["Ringing", "Answered", "Ended"]),
    ],
)
async def test_a_magic_number_always_ends_the_same_way(
    tmp_path: Path, ending: str, number: int, disposition: str, sip_status: int, kinds: list[str]
) -> None:
    stage = Stage(tmp_path, {"timeouts": 1, "refusals": {"capacity": 1}, "faults": {"lost": 1}})  # for other numbers

    order = await stage.placed(f"+150055500{ending}", number)
    await stage.run_until_over()

    end = stage.heard.end(order)
    assert (end.disposition, end.sip_status) == (disposition, sip_status)
    assert stage.heard.kinds(order) == kinds
    assert [event for event, _ in stage.logged(order)].count("end") == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(("ending", "refusal"), [("11", "rate_limited"), ("12", "capacity")])
async def test_numbers_11_and_12_refuse_the_first_attempt_only(tmp_path: Path, ending: str, refusal: str) -> None:
    stage = Stage(tmp_path)
    order = stage.call(f"+150055500{ending}")

    with pytest.raises(CarrierRefused):
        await stage.carrier.place(order)

    assert stage.logged(order) == [("refuse", refusal)]
    await stage.placed(f"+150055500{ending}", number=2)


@pytest.mark.asyncio
async def test_number_13_answers_a_line_on_which_no_agent_can_work(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    order = await stage.placed("+15005550013")
    await stage.run(2.5)
    line = line_of(stage, order)

    with pytest.raises(ConnectionError):
        await line.say("Hello")
    with pytest.raises(ConnectionError):
        await line.hear()
    await stage.carrier.hang_up(order.attempt_uuid)
    await stage.run(0.01)

    assert stage.heard.end(order).at == START + timedelta(seconds=2.5)


@pytest.mark.asyncio
async def test_number_14_ends_in_the_log_but_tells_only_who_asks(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    order = await stage.placed("+15005550014")
    await stage.run_until_over()
    assert stage.heard.kinds(order) == ["Ringing", "Answered"]
    assert ("end", "answered") in stage.logged(order)

    assert await stage.carrier.lookup(order) is Lookup.KNOWN
    await stage.run(0.01)

    assert stage.heard.end(order).at < stage.clock.now() - timedelta(seconds=50)
    assert stage.logged(order)[-1] == ("lookup", "known")


@pytest.mark.asyncio
async def test_number_16_is_silent_until_it_is_looked_up(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    order = stage.call("+15005550016")
    with pytest.raises(PlacementUnknown):
        await stage.carrier.place(order)
    await stage.run_until_over()
    assert stage.heard.of(order) == []

    assert await stage.carrier.lookup(order) is Lookup.KNOWN
    await stage.run(0.01)

    assert stage.heard.kinds(order) == ["Ringing", "Answered", "Ended"]
    assert [event for event, _ in stage.logged(order)] == ["place", "ring", "answer", "end", "lookup"]


@pytest.mark.asyncio
async def test_number_16_goes_on_at_its_own_pace_when_it_is_looked_up_early(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    order = stage.call("+15005550016")
    with pytest.raises(PlacementUnknown):
        await stage.carrier.place(order)

    await stage.carrier.lookup(order)
    await stage.run(0.01)
    assert stage.heard.of(order) == []
    await stage.run_until_over()

    end = stage.heard.end(order)
    assert end.answered_at is not None and end.placed_at == START
    assert timedelta(seconds=0.5) <= end.at - end.answered_at <= timedelta(seconds=4)
    assert await line_of(stage, order).say("Hello") == 0.0


@pytest.mark.asyncio
async def test_number_17_cannot_be_found_although_it_ends(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    order = stage.call("+15005550017")
    with pytest.raises(PlacementUnknown):
        await stage.carrier.place(order)

    assert await stage.carrier.lookup(order) is Lookup.CANNOT_TELL
    await stage.run_until_over()

    assert stage.heard.of(order) == []
    assert [event for event, _ in stage.logged(order)] == ["place", "lookup", "ring", "answer", "end"]


@pytest.mark.asyncio
async def test_number_17_ends_even_if_its_process_died(tmp_path: Path) -> None:
    died = Stage(tmp_path)
    order = died.call("+15005550017")
    with pytest.raises(PlacementUnknown):
        await died.carrier.place(order)
    await died.carrier.close()
    stage = died.beside()

    await stage.carrier.lookup(order)
    await stage.run_until_over()

    assert stage.heard.of(order) == []
    assert stage.logged(order)[-1] == ("end", "answered")


def test_a_number_that_only_looks_magic_follows_the_profile() -> None:
    profile = Profile.from_settings({"outcomes": {"declined": 1}})

    for ordinary in ("+15005550018", "+15005550100", "+150055500010", "+15005550000", "+1500555000x"):
        assert fate_of(profile, ordinary, 1).disposition is Disposition.DECLINED


# --- shares and times ----------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_ten_thousand_calls_fall_out_as_the_default_profile_says(tmp_path: Path) -> None:
    stage = Stage(tmp_path)

    for to_number in numbers(10_000):
        await stage.placed(to_number)
    await stage.run_until_over()

    ends = [event for event in stage.heard.events if isinstance(event, Ended)]
    counts = Counter(str(end.disposition) for end in ends)
    expected = {"answered": 6000, "no_answer": 1500, "busy": 1000, "voicemail": 1000}
    expected |= {"declined": 200, "invalid_number": 100, "unreachable": 100, "carrier_failed": 100}
    assert counts.keys() == expected.keys() and counts.total() == 10_000
    for disposition, count in expected.items():
        assert abs(counts[disposition] - count) < 4 * count**0.5, disposition
    for end in ends:
        if end.answered_at is not None:
            assert end.ringing_at is not None
            assert timedelta(seconds=0.2) <= end.answered_at - end.ringing_at <= timedelta(seconds=2)
            assert timedelta(seconds=0.5) <= end.at - end.answered_at <= timedelta(seconds=4)


def test_who_does_not_answer_lets_it_ring_to_the_end() -> None:
    profile = Profile.from_settings({"profile": "realistic", "outcomes": {"no_answer": 100}})

    rings = [fate_of(profile, to_number, 1).steps for to_number in numbers(200)]

    assert all(27 <= end[1] - ring[1] <= 30 for ring, end in rings)
    assert len(set(rings)) > 190


@given(seed=st.integers(0, 2**63 - 1), to_number=st.from_regex(r"\+[1-9][0-9]{7,14}", fullmatch=True))
def test_each_attempt_is_drawn_for_itself_and_always_alike(seed: int, to_number: str) -> None:
    profile = Profile(seed=seed)

    fates = [fate_of(profile, to_number, number) for number in (1, 2, 3)]

    assert fates == [fate_of(profile, to_number, number) for number in (1, 2, 3)]
    if not to_number.startswith("+15005550"):
        assert len({fate.steps for fate in fates}) == 3


@pytest.mark.asyncio
async def test_calls_are_the_same_in_any_order_and_at_any_time(tmp_path: Path) -> None:
    settings = {"faults": {"lost": 0.1, "late": 0.1, "doubled": 0.1, "reordered": 0.1}, "timeouts": 0.1}
    called = numbers(300)

    async def dial(folder: Path, order: list[str], pause_seconds: float) -> dict[str, list[Any]]:
        stage = Stage(folder, settings)
        orders = {to_number: stage.call(to_number) for to_number in order}
        started = {}
        for to_number, each in orders.items():
            started[to_number] = stage.clock.now()
            with suppress(PlacementUnknown):
                await stage.carrier.place(each)
            await stage.run(pause_seconds)
        await stage.run_until_over()
        return {
            to_number: [(type(event), event.at - started[to_number]) for event in stage.heard.of(each)]
            for to_number, each in orders.items()
        }

    shuffled = called[:]
    random.Random(5).shuffle(shuffled)
    assert await dial(tmp_path / "a", called, 0.01) == await dial(tmp_path / "b", shuffled, 1.7)


def test_another_seed_is_another_campaign() -> None:
    outcomes = [[fate_of(Profile(seed=seed), n, 1).disposition for n in numbers(200)] for seed in (1, 2)]

    assert outcomes[0] != outcomes[1]


# --- refusals and limits -------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_refusals_by_share_place_nothing(tmp_path: Path) -> None:
    stage = Stage(tmp_path, {"refusals": {"rate_limited": 0.2, "capacity": 0.1}})
    refused: Counter[Disposition] = Counter()

    for to_number in numbers(2000):
        try:
            await stage.placed(to_number)
        except CarrierRefused as refusal:
            refused[refusal.disposition] += 1
            assert refusal.sip_status in (429, 403)

    assert abs(refused[Disposition.RATE_LIMITED] - 400) < 80
    assert abs(refused[Disposition.CAPACITY] - 200) < 60
    assert Counter(line["event"] for line in stage.log())["refuse"] == refused.total()


@pytest.mark.asyncio
async def test_lines_beyond_the_hard_limit_are_refused_until_one_is_free(tmp_path: Path) -> None:
    stage = Stage(tmp_path, ALL_ANSWERED | {"enforce": {"lines": 3}})
    for to_number in numbers(3):
        await stage.placed(to_number)

    with pytest.raises(CarrierRefused) as refused:
        await stage.placed("+14155559999")
    await stage.run_until_over()

    assert refused.value.disposition is Disposition.CAPACITY
    await stage.placed("+14155559999")


@pytest.mark.asyncio
async def test_the_hard_limit_counts_the_lines_of_every_process(tmp_path: Path) -> None:
    stage = Stage(tmp_path, ALL_ANSWERED | {"enforce": {"lines": 2}})
    other = stage.beside()
    await stage.placed("+14155550101")
    await other.placed("+14155550102")

    with pytest.raises(CarrierRefused):
        await stage.placed("+14155550103")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("cps", "gap_seconds", "accepted"), [(10, 0.1, 30), (10, 0.05, 15), (0.5, 2, 30), (0.5, 1, 15)]
)
async def test_starts_beyond_the_hard_cps_are_refused(
    tmp_path: Path, cps: float, gap_seconds: float, accepted: int
) -> None:
    stage = Stage(tmp_path, {"enforce": {"cps": cps}})
    placed = 0
    for to_number in numbers(30):
        try:
            await stage.placed(to_number)
            placed += 1
        except CarrierRefused as refusal:
            assert refusal.disposition is Disposition.RATE_LIMITED
        await stage.run(gap_seconds)

    assert abs(placed - accepted) <= cps / 2  # a window may begin full or empty


# --- faulty events -------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_lost_events_are_in_the_log_and_come_after_a_lookup(tmp_path: Path) -> None:
    stage = Stage(tmp_path, ALL_ANSWERED | {"faults": {"lost": 1}})
    order = await stage.placed("+14155550101")
    await stage.run_until_over()
    assert stage.heard.of(order) == []
    assert [event for event, _ in stage.logged(order)] == ["place", "ring", "answer", "end"]

    await stage.carrier.lookup(order)
    await stage.run(0.01)

    assert stage.heard.kinds(order) == ["Ringing", "Answered", "Ended"]


@pytest.mark.asyncio
async def test_late_events_keep_the_instants_at_which_they_happened(tmp_path: Path) -> None:
    late = Stage(tmp_path / "late", ALL_ANSWERED | {"faults": {"late": 1, "late_seconds": 30}})
    prompt = Stage(tmp_path / "prompt", ALL_ANSWERED)
    orders = await late.placed("+14155550101"), await prompt.placed("+14155550101")

    await prompt.run_until_over()
    await late.run(29)
    assert late.heard.events == []
    await late.run(30)

    assert [event.at for event in late.heard.of(orders[0])] == [event.at for event in prompt.heard.of(orders[1])]
    with pytest.raises(HungUp):
        await line_of(late, orders[0]).say("Anybody there?")


@pytest.mark.asyncio
async def test_doubled_events_come_twice_and_are_logged_once(tmp_path: Path) -> None:
    stage = Stage(tmp_path, ALL_ANSWERED | {"faults": {"doubled": 1}})

    order = await stage.placed("+14155550101")
    await stage.run_until_over()

    assert stage.heard.kinds(order) == ["Ringing", "Ringing", "Answered", "Answered", "Ended", "Ended"]
    assert [event for event, _ in stage.logged(order)] == ["place", "ring", "answer", "end"]


@pytest.mark.asyncio
async def test_reordered_events_come_after_the_one_that_follows(tmp_path: Path) -> None:
    stage = Stage(tmp_path, ALL_ANSWERED | {"faults": {"reordered": 0.5}})
    orders = [await stage.placed(to_number) for to_number in numbers(100)]

    await stage.run_until_over()

    seen = {tuple(stage.heard.kinds(order)) for order in orders}
    assert seen == {
        ("Ringing", "Answered", "Ended"),
        ("Answered", "Ringing", "Ended"),
        ("Ringing", "Ended", "Answered"),
        ("Ended", "Ringing", "Answered"),
    }


@pytest.mark.asyncio
async def test_acceptances_that_are_not_reported_are_known_to_the_lookup(tmp_path: Path) -> None:
    stage = Stage(tmp_path, {"timeouts": 0.25})
    unknown = []
    for to_number in numbers(400):
        order = stage.call(to_number)
        try:
            await stage.carrier.place(order)
        except PlacementUnknown:
            unknown.append(order)

    assert abs(len(unknown) - 100) < 40
    assert {await stage.carrier.lookup(order) for order in unknown} == {Lookup.KNOWN}
    await stage.run_until_over()
    assert all(stage.heard.end(order) for order in unknown)


@pytest.mark.asyncio
async def test_a_carrier_without_lookup_cannot_tell(tmp_path: Path) -> None:
    stage = Stage(tmp_path, ALL_ANSWERED | {"lookup": "refused"})
    order = await stage.placed("+14155550101")

    assert await stage.carrier.lookup(order) is Lookup.CANNOT_TELL
    assert await stage.carrier.lookup(stage.call("+14155550102")) is Lookup.CANNOT_TELL
    await stage.run_until_over()

    assert stage.heard.kinds(order) == ["Ringing", "Answered", "Ended"]


# --- hanging up ----------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_hanging_up_an_answered_call_shortens_it(tmp_path: Path) -> None:
    stage = Stage(tmp_path, ALL_ANSWERED | {"ring_seconds": 1, "talk_seconds": 4})
    order = await stage.placed("+14155550101")
    await stage.run(2.1)

    await stage.carrier.hang_up(order.attempt_uuid)
    await stage.carrier.hang_up(order.attempt_uuid)
    await stage.run_until_over()

    end = stage.heard.end(order)
    assert (end.disposition, end.at) == (Disposition.ANSWERED, START + timedelta(seconds=2.1))
    assert stage.heard.kinds(order) == ["Ringing", "Answered", "Ended"]
    assert [event for event, _ in stage.logged(order)].count("end") == 1


@pytest.mark.asyncio
async def test_hanging_up_before_the_answer_ends_the_call_in_the_log_at_once(tmp_path: Path) -> None:
    stage = Stage(tmp_path, ALL_ANSWERED | {"ring_seconds": 1})
    order = await stage.placed("+14155550101")
    await stage.run(0.5)

    await stage.carrier.hang_up(order.attempt_uuid)

    assert stage.logged(order)[-1] == ("end", "canceled")
    await stage.run_until_over()
    end = stage.heard.end(order)
    assert (end.cause, end.sip_status, end.ringing_at) == ("hung up by us", 487, START + timedelta(seconds=0.1))
    assert stage.heard.kinds(order) == ["Ringing", "Ended"]


@pytest.mark.asyncio
async def test_hanging_up_is_told_at_once_even_when_earlier_events_are_behind(tmp_path: Path) -> None:
    stage = Stage(tmp_path, ALL_ANSWERED | {"ring_seconds": 1})
    order = await stage.placed("+14155550101")
    stage.clock.advance(timedelta(seconds=0.5))  # the ring, due after 0.1 s, has not been told yet

    await stage.carrier.hang_up(order.attempt_uuid)
    await stage.run(0.01)

    assert stage.heard.kinds(order) == ["Ringing", "Ended"]
    assert stage.heard.end(order).at == START + timedelta(seconds=0.5)


@pytest.mark.asyncio
async def test_a_process_learns_that_another_hung_up_its_call(tmp_path: Path) -> None:
    stage = Stage(tmp_path, ALL_ANSWERED | {"ring_seconds": 1, "talk_seconds": 4})
    other = stage.beside()
    order = await stage.placed("+14155550101")
    await other.carrier.lookup(order)
    await stage.run(2)

    await other.carrier.hang_up(order.attempt_uuid)
    await stage.run_until_over()

    assert stage.heard.end(order) == other.heard.end(order)
    assert [event for event, _ in stage.logged(order)].count("end") == 1


# --- one log, several processes ------------------------------------------------------------------


@pytest.mark.asyncio
async def test_two_processes_write_each_end_once(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    other = stage.beside()
    orders = [await stage.placed(to_number) for to_number in numbers(200)]
    await stage.run(1)

    assert {await other.carrier.lookup(order) for order in orders} == {Lookup.KNOWN}
    await stage.run_until_over()

    events = Counter((line["event"], line["attempt_id"]) for line in stage.log() if line["event"] != "lookup")
    assert set(events.values()) == {1}
    assert sum(event == "end" for event, _ in events) == 200
    for order in orders:
        assert stage.heard.end(order) == other.heard.end(order)


@pytest.mark.asyncio
async def test_a_dead_process_leaves_ends_to_the_one_who_asks(tmp_path: Path) -> None:
    died = Stage(tmp_path, ALL_ANSWERED)
    order = await died.placed("+14155550101")
    await died.carrier.close()
    stage = died.beside()
    await stage.run_until_over()
    assert stage.heard.events == []

    assert await stage.carrier.lookup(order) is Lookup.KNOWN
    await stage.run(0.01)

    end = stage.heard.end(order)
    assert end.answered_at is not None
    assert timedelta(seconds=0.5) <= end.at - end.answered_at <= timedelta(seconds=4)  # not the minute that went by
    assert [event for event, _ in stage.logged(order)] == ["place", "lookup", "ring", "answer", "end"]
    with pytest.raises(HungUp):
        await line_of(stage, order).say("Hello")


@pytest.mark.asyncio
async def test_a_double_dial_shows_in_the_log(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    order = stage.call("+15005550001")

    ids = [await stage.carrier.place(order), await stage.beside().carrier.place(order)]
    await stage.run_until_over()

    assert len(set(ids)) == 2
    assert Counter(event for event, _ in stage.logged(order)) == {"place": 2, "end": 2}


@pytest.mark.asyncio
@pytest.mark.parametrize("torn", [b'{"at": "2025-03-03T09:00:00.000000+00:00", "ev', b"\xff\xfe{", b"7"])
async def test_a_torn_last_line_does_no_harm(tmp_path: Path, torn: bytes) -> None:
    stage = Stage(tmp_path)
    first = await stage.placed("+15005550001")
    path = stage.carrier.log_path(7)
    path.write_bytes(path.read_bytes() + torn)

    second = await stage.placed("+15005550001")
    other = stage.beside()

    assert await other.carrier.lookup(first) is Lookup.KNOWN
    assert await other.carrier.lookup(second) is Lookup.KNOWN
    await stage.run_until_over()
    assert stage.heard.end(first) == other.heard.end(first)
    lines = path.read_bytes().splitlines()
    assert lines[1] == torn and all(json.loads(line) for line in lines[2:])


@pytest.mark.asyncio
async def test_a_whole_last_line_without_its_newline_counts(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    order = await stage.placed("+15005550001")
    path = stage.carrier.log_path(7)
    path.write_bytes(path.read_bytes().rstrip(b"\n"))

    assert await stage.beside().carrier.lookup(order) is Lookup.KNOWN


WORKER = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID
from contract import order_to
from dialplane.carriers.simulated import Profile, SimulatedCarrier
from dialplane.clocks import RealClock

async def main(folder, first):
    carrier = SimulatedCarrier(Profile.from_settings({}), RealClock(), Path(folder), carrier_id=3)
    carrier.listen(lambda event: None)
    for ordinal in range(int(first), 100_000):
        order = order_to(f"+1415{ordinal:07d}", at=datetime.now(UTC), uuid=UUID(int=ordinal))
        print(ordinal, flush=True)
        await carrier.place(order)
        await asyncio.sleep(0.001)

asyncio.run(main(*sys.argv[1:]))
"""


def worker(folder: Path, first: int) -> subprocess.Popen[bytes]:
    source = Path(dialplane.__file__).parents[1]
    env = os.environ | {"PYTHONPATH": f"{source}{os.pathsep}{Path(__file__).parent}"}
    command = [sys.executable, "-c", WORKER, str(folder), str(first)]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE)


def announced(process: subprocess.Popen[bytes], count: int) -> Iterator[int]:
    assert process.stdout is not None
    for _ in range(count):
        yield int(process.stdout.readline())


@pytest.mark.asyncio
async def test_killed_workers_leave_a_log_that_can_be_finished(tmp_path: Path) -> None:
    workers = [worker(tmp_path, first) for first in (0, 50_000)]
    begun = [UUID(int=ordinal) for process in workers for ordinal in announced(process, 150)]
    for process in workers:
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate()
        begun += [UUID(int=int(line)) for line in rest.split()]
    clock = VirtualClock(datetime.now(UTC))
    stage = Stage(tmp_path, clock=clock)

    orders = [order_to(f"+1415{uuid.int:07d}", at=clock.now(), uuid=uuid) for uuid in begun]
    answers = [await stage.carrier.lookup(order) for order in orders]
    await stage.run_until_over()

    counts = Counter(line["event"] for line in stage.log())
    assert counts["place"] == counts["end"] == answers.count(Lookup.KNOWN)
    assert answers.count(Lookup.NEVER_PLACED) <= 2  # at most the one in hand of each worker
    ends = Counter(line["attempt_id"] for line in stage.log() if line["event"] == "end")
    assert set(ends.values()) == {1}
    for order, answer in zip(orders, answers, strict=True):
        assert ("Ended" in stage.heard.kinds(order)) is (answer is Lookup.KNOWN)


@pytest.mark.asyncio
async def test_a_process_that_stopped_inside_the_lock_does_not_freeze_the_others(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    before = await stage.placed("+15005550001")
    stopped = Log(stage.carrier.log_path(7))

    with stopped.locked():
        began = time.monotonic()
        for _ in range(20):
            with pytest.raises(CarrierUnavailable):
                await stage.placed("+15005550001")
        assert time.monotonic() - began < 2  # they wait once, not each
        await stage.carrier.hang_up(before.attempt_uuid)
        await stage.run(0.01)
        assert stage.heard.events == []
    await stage.run_until_over()

    end = stage.heard.end(before)
    assert (end.disposition, end.at) == (Disposition.CANCELED, START)


@pytest.mark.asyncio
async def test_who_is_new_to_a_long_log_reads_it_before_it_takes_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "READ_BYTES", 1000)
    stage = Stage(tmp_path)
    for number in numbers(50):
        await stage.placed(number)
    path = stage.carrier.log_path(7)
    new = Log(path)
    unread: list[int] = []
    lock = new._lock

    def note(file: int) -> None:
        unread.append(path.stat().st_size - new.size_bytes)
        lock(file)

    monkeypatch.setattr(new, "_lock", note)

    with new.locked():
        assert len(new.open) == 50
    new.close()

    assert path.stat().st_size > 10_000
    assert [size <= 1000 for size in unread] == [True]


# --- the disk ------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    stage = Stage(tmp_path / "file")

    assert str(tmp_path / "file") in (await stage.carrier.probe() or "")
    with pytest.raises(EnvironmentFault, match=r"carrier-3-campaign-7\.jsonl"):
        await stage.placed("+15005550006")


@pytest.mark.asyncio
async def test_a_full_disk_places_nothing_and_tears_no_line(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    kept = await stage.placed("+15005550001")
    size = stage.carrier.log_path(7).stat().st_size
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, unlimited[1]))
    try:
        refused = stage.call("+15005550006")
        with pytest.raises(EnvironmentFault, match="disk full"):
            await stage.carrier.place(refused)
        with pytest.raises(EnvironmentFault):
            await stage.run(30)  # the end of the first call cannot be written either
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    await stage.run_until_over()

    assert stage.heard.end(kept).disposition is Disposition.BUSY
    assert await stage.carrier.lookup(refused) is Lookup.NEVER_PLACED
    assert [line["event"] for line in stage.log()] == ["place", "end", "lookup"]


@pytest.mark.asyncio
async def test_an_order_that_comes_too_late_is_not_placed(tmp_path: Path) -> None:
    """Its sender was frozen on the way, and another worker may have sent it again."""
    stage = Stage(tmp_path)
    order = stage.order(Disposition.ANSWERED)
    last = order.send_before + timedelta(seconds=order.limits.send_timeout_seconds)

    stage.clock.advance(last - stage.clock.now() + timedelta(microseconds=1))
    with pytest.raises(CarrierUnavailable):
        await stage.carrier.place(order)

    assert await stage.carrier.lookup(order) is Lookup.NEVER_PLACED


# --- real time -----------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_in_real_time_the_calls_are_the_same(tmp_path: Path) -> None:
    settings = {"ring_seconds": [0.01, 0.05], "talk_seconds": [0.01, 0.05]}
    carrier = SimulatedCarrier(Profile.from_settings(settings), RealClock(), tmp_path, carrier_id=3)
    over, heard = asyncio.Event(), Heard()

    def listen(event: CallEvent) -> None:
        heard(event)
        if isinstance(event, Ended):
            over.set()

    carrier.listen(listen)
    order = order_to("+15005550006", at=datetime.now(UTC))

    await carrier.place(order)
    await asyncio.wait_for(over.wait(), 5)
    await carrier.close()

    end = heard.end(order)
    assert heard.kinds(order) == ["Ringing", "Answered", "Ended"]
    assert end.placed_at is not None
    fate = fate_of(Profile.from_settings(settings), "+15005550006", 1)
    assert (end.at - end.placed_at).total_seconds() == pytest.approx(fate.steps[-1][1], abs=2e-6)


@pytest.mark.asyncio
async def test_after_close_nothing_is_told(tmp_path: Path) -> None:
    stage = Stage(tmp_path, ALL_ANSWERED | {"faults": {"late": 0.5}})
    for to_number in numbers(20):
        await stage.placed(to_number)
    await stage.run(1.5)
    told = len(stage.heard.events)

    await stage.carrier.close()
    await stage.run_until_over()

    assert len(stage.heard.events) == told
    assert Counter(line["event"] for line in stage.log())["place"] == 20


# --- the log's lines -----------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_the_log_says_who_was_called_when_and_what_came_of_it(tmp_path: Path) -> None:
    stage = Stage(tmp_path, {"ring_seconds": 1})
    order = await stage.placed("+15005550001")
    await stage.run_until_over()

    assert log_path(tmp_path, 3, 7) == stage.carrier.log_path(7) == tmp_path / "carrier-3-campaign-7.jsonl"
    place, end = stage.log()
    common = {"attempt_id": str(order.attempt_uuid), "to": "+15005550001", "from": "+14155550000", "call": "sim-3-7-0"}
    when = "2025-03-03T09:00:00.000000+00:00"
    accepted = {"event": "place", "at": when, "result": "accepted", "number": 1, "contact_id": 42}
    assert place == common | accepted
    assert end == common | {
        "event": "end",
        "at": "2025-03-03T09:00:01.100000+00:00",
        "result": "busy",
        "sip_status": 486,
        "q850": 17,
        "cause": "user busy",
    }


@pytest.mark.asyncio
async def test_an_idle_log_holds_no_file_open(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0

    for campaign_id in range(50):
        await stage.carrier.place(order_to("+15005550001", at=START, campaign_id=campaign_id))
        await stage.run_until_over()

    after = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    assert after == before


# --- the callee ----------------------------------------------------------------------------------


async def answers(folder: Path, to_number: str, settings: Mapping[str, object]) -> list[Any]:
    stage = Stage(folder, {**ALL_ANSWERED, "talk_seconds": 60, "ring_seconds": 1, **settings})
    order = await stage.placed(to_number)
    await stage.run(2)
    line = line_of(stage, order)
    return [await line.hear(("yes", "no")) for _ in range(10)]


@pytest.mark.asyncio
async def test_people_answer_differently_but_each_always_alike(tmp_path: Path) -> None:
    heard = [await answers(tmp_path, to_number, {}) for to_number in numbers(30)]

    assert heard == [await answers(tmp_path, to_number, {}) for to_number in numbers(30)]
    assert len({tuple(each) for each in heard}) == 30
    said = [None if each is None else each[0].strip(".!").lower() for person in heard for each in person]
    assert {"yes", "no", None} < set(said)
    assert 0.05 < said.count(None) / 300 < 0.16


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("shares", "allowed"), [({"silence": 100}, {None}), ({"other": 1}, {"Hm."}), ({"expected": 1}, {"yes", "no"})]
)
async def test_answers_follow_the_profile(tmp_path: Path, shares: dict[str, float], allowed: set[str | None]) -> None:
    heard = await answers(tmp_path, "+14155550101", {"answers": shares, "phrases": ["Hm."]})

    said = {None if each is None else each[0] for each in heard}
    assert {each if each in allowed or each is None else each.strip(".!").lower() for each in said} == allowed


@pytest.mark.asyncio
async def test_the_person_hangs_up_when_the_talk_time_is_over(tmp_path: Path) -> None:
    stage = Stage(tmp_path, ALL_ANSWERED | {"talk_seconds": 2, "words_per_second": 2, "ring_seconds": 1})
    order = await stage.placed("+14155550101")
    await stage.run(1.5)
    line = line_of(stage, order)

    assert [await line.say("one two"), await line.say("three")] == [0.0, 1.0]
    with pytest.raises(HungUp):
        await line.say("four five six")
    with pytest.raises(HungUp):
        await line.hear()


@pytest.mark.asyncio
async def test_the_agents_goodbye_does_not_change_the_talk_time(tmp_path: Path) -> None:
    stage = Stage(tmp_path, ALL_ANSWERED | {"talk_seconds": 2, "ring_seconds": 1})
    order = await stage.placed("+14155550101")
    await stage.run(1.5)

    await line_of(stage, order).hang_up()
    await stage.run_until_over()

    end = stage.heard.end(order)
    assert end.answered_at is not None and end.at - end.answered_at == timedelta(seconds=2)
    with pytest.raises(HungUp):
        await line_of(stage, order).say("Anybody there?")


# --- settings ------------------------------------------------------------------------------------


def test_the_engine_is_told_the_limits_of_the_profile() -> None:
    default, realistic = Profile.from_settings({}).limits(), Profile.from_settings({"profile": "realistic"}).limits()

    assert (default.cps, default.max_lines, default.slow_start) == (100, None, False)
    assert (default.send_timeout_seconds, default.ring_timeout_seconds, default.max_call_seconds) == (2, 5, 10)
    assert (realistic.cps, realistic.ring_timeout_seconds, realistic.max_call_seconds) == (5, 45, 300)
    assert Profile.from_settings({}) == Profile()


def test_other_keys_override_the_named_base() -> None:
    profile = Profile.from_settings(
        {"provider": "simulated", "profile": "realistic", "talk_seconds": [1, 600], "cps": None, "max_lines": 20}
    )

    assert (profile.ring_seconds, profile.talk_seconds) == ((5, 30), (1, 600))
    assert (profile.cps, profile.max_lines, profile.max_call_seconds) == (None, 20, 605)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"tlak_seconds": [1, 2]}, "unknown field 'tlak_seconds'; did you mean 'talk_seconds'"),
        ({"outcomes": {"anwered": 1}}, "outcomes: unknown field 'anwered'; did you mean 'answered'"),
        ({"outcomes": {"answered": 0.5, "busy": 0.4}}, "outcomes: .* add up to 0.9"),
        ({"outcomes": {"answered": -1, "busy": 2}}, "outcomes.answered: must lie between"),
        ({"outcomes": {"capacity": 1}}, "'capacity' is no outcome .* 'refusals'"),
        ({"outcomes": None}, "outcomes: must be a mapping"),
        ({"ring_seconds": [5, 1]}, r"ring_seconds: .* write \[1, 5\]"),
        ({"ring_seconds": [1, 2, 3]}, "ring_seconds: must be"),
        ({"talk_seconds": "long"}, "talk_seconds: must be a number, not 'long'"),
        ({"talk_seconds": [0, float("nan")]}, "talk_seconds: must be a number"),
        ({"cps": 0}, "cps: must lie between"),
        ({"max_lines": 0}, "max_lines: must be a whole number"),
        ({"seed": True}, "seed: must be a whole number"),
        ({"refusals": {"rate_limited": 2}}, "refusals.rate_limited: is a share .* 0.02"),
        ({"refusals": {"rate_limited": 0.6, "capacity": 0.6}}, "refusals: the shares add up to more than 1"),
        ({"enforce": {"line": 5}}, "enforce: unknown field 'line'; did you mean 'lines'"),
        ({"faults": {"dubbed": 0.1}}, "faults: unknown field 'dubbed'"),
        ({"faults": {"late_seconds": -1}}, "faults.late_seconds: must lie between"),
        ({"timeouts": "1%"}, "timeouts: must be a number"),
        ({"lookup": "sure"}, "lookup: must be one of certain, refused"),
        ({"answers": {"expected": 0.5}}, "answers: .* add up to 0.5"),
        ({"phrases": []}, "phrases: must be a list"),
        ({"phrases": [True]}, "phrases: every entry must be a text"),
        ({"slow_start": "no"}, "slow_start: must be true or false"),
        ({"profile": "realstic"}, "did you mean 'realistic'"),
        ({"provider": "sip"}, "provider: must be one of simulated"),
        ([], "top level: must be a mapping"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_fix(settings: Any, complaint: str) -> None:
    with pytest.raises(Invalid, match=complaint):
        Profile.from_settings(settings)


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["realistic", "busy-friday", "faulty"])
async def test_the_example_profiles_dial(tmp_path: Path, name: str) -> None:
    settings = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())
    stage = Stage(tmp_path, settings)

    for to_number in numbers(300):
        with suppress(CarrierRefused, PlacementUnknown):
            await stage.placed(to_number)
    await stage.run(600)

    counts = Counter(line["event"] for line in stage.log())
    assert counts["place"] == counts["end"] and counts["place"] + counts["refuse"] == 300


# --- large logs ----------------------------------------------------------------------------------


@pytest.fixture
def small_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dialplane.carriers.simulated.log.LARGEST_BYTES", 2_000)


@pytest.mark.asyncio
@pytest.mark.usefixtures("small_logs")
async def test_a_large_log_is_put_aside_and_its_calls_are_still_found(tmp_path: Path) -> None:
    stage = Stage(tmp_path, ALL_ANSWERED)
    before = [await stage.placed(number) for number in numbers(5)]
    await stage.run_until_over()

    after = await stage.placed(numbers(6)[-1])

    assert [line["event"] for line in stage.log()] == ["place"]
    aside = tmp_path / "carrier-3-campaign-7.jsonl.1"
    assert aside.read_text().count('"place"') == 5
    other = stage.beside()
    for order in [*before, after]:
        assert await other.carrier.lookup(order) is Lookup.KNOWN
    remembered = [call.attempt_uuid async for call in stage.carrier.accepted_since(START)]
    assert remembered == [order.attempt_uuid for order in [*before, after]]


@pytest.mark.asyncio
@pytest.mark.usefixtures("small_logs")
async def test_a_large_log_stays_as_long_as_there_is_a_call(tmp_path: Path) -> None:
    stage = Stage(tmp_path, ALL_ANSWERED | {"talk_seconds": [600, 600]})
    long_call = await stage.placed(numbers(1)[0])
    for ordinal, number in enumerate(numbers(20)[1:]):
        await stage.run(ordinal)
        await stage.placed(number)

    assert not (tmp_path / "carrier-3-campaign-7.jsonl.1").exists()
    await stage.run(2_000)
    assert stage.heard.end(long_call).disposition is Disposition.ANSWERED


@pytest.mark.asyncio
@pytest.mark.usefixtures("small_logs")
async def test_a_process_that_did_not_see_the_log_put_aside_goes_on_in_the_new_one(tmp_path: Path) -> None:
    one = Stage(tmp_path, ALL_ANSWERED)
    two = one.beside()
    waits = await two.placed(numbers(1)[0])
    heard: list[str] = []
    for round_ in range(6):
        for number in numbers(5 * round_ + 5)[5 * round_ :]:
            await one.placed(number)
        await one.run_until_over()
        heard = two.heard.kinds(waits)
    later = await two.placed("+14155559999")
    await one.run_until_over()

    lines = [
        json.loads(line)
        for name in ("carrier-3-campaign-7.jsonl.1", "carrier-3-campaign-7.jsonl")
        for line in (tmp_path / name).read_text().splitlines()
    ]
    counts = Counter((line["attempt_id"], line["event"]) for line in lines)
    assert heard[-1] == "Ended" and two.heard.kinds(later)[-1] == "Ended"
    assert set(counts.values()) == {1}, "nothing is written twice"
    assert Counter(event for _, event in counts)["place"] == Counter(event for _, event in counts)["end"]


@pytest.mark.asyncio
async def test_a_log_that_was_deleted_begins_anew(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    await stage.placed("+15005550006")
    await stage.run_until_over()
    stage.carrier.log_path(7).unlink()

    order = await stage.placed("+15005550006")
    await stage.run_until_over()

    assert {line["attempt_id"] for line in stage.log()} == {str(order.attempt_uuid)}
