"""The ARI carrier against an Asterisk of the tests' own: what it is asked, what it tells, and what the engine hears."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest
import pytest_asyncio
import yaml
from contract import CarrierContract, Heard, Live, order_to
from pbx import EVENTS, PASSWORD, Pbx, conforms, filled, pbx

from dialplane.carriers.ari.asterisk import Asterisk
from dialplane.carriers.ari.carrier import AriCarrier
from dialplane.carriers.ari.outcomes import CUT_OFF, FORGOTTEN
from dialplane.clocks import RealClock
from dialplane.core.attempt import CallLimits, Order
from dialplane.core.disposition import Disposition
from dialplane.errors import CarrierRefused, CarrierUnavailable, Invalid, PlacementUnknown
from dialplane.files import LocalFiles
from dialplane.ports import Answered, Ended, Line, Lookup
from dialplane.providers import build_carrier

ENDINGS = {
    Disposition.BUSY: "01",
    Disposition.NO_ANSWER: "02",
    Disposition.ANSWERED: "06",
    Disposition.RATE_LIMITED: "11",
    Disposition.CAPACITY: "12",
}
PERSON, FOREVER = "+14155550106", "+14155550102"


async def until(happened: Callable[[], object], seconds: float = 10, what: str = "it") -> None:
    give_up_at = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < give_up_at, f"waited too long for {what}"
        await asyncio.sleep(0.01)


class Stage(Live):
    """A carrier of one worker."""

    def __init__(self, pbx: Pbx, folder: Path, **settings: Any) -> None:
        self.pbx, self.folder, self.settings = pbx, folder, settings
        asterisk = Asterisk.from_settings({**pbx.settings, **settings}).checked()
        self.carrier = AriCarrier(asterisk, RealClock(), LocalFiles(folder))
        self.heard = Heard()
        self.made: list[Order] = []
        self.later: list[Stage] = []
        self.carrier.listen(self.heard)

    def order(self, outcome: Disposition) -> Order:
        return self.call(f"+141555501{ENDINGS[outcome]}")

    def unanswered(self) -> Order:
        return self.call("+14155550122", seconds=1.0)

    def told_twice(self) -> Order:
        self.pbx.twice = True
        return self.order(Disposition.ANSWERED)

    def told_backwards(self) -> Order:
        self.pbx.backwards = True
        return self.order(Disposition.BUSY)

    def accepted(self, order: Order) -> int:
        return sum(call == str(order.attempt_uuid) for call in self.pbx.calls)

    async def vanish(self) -> None:
        await self.pbx.stop()

    async def die(self) -> None:
        """What the kernel does for a process that is killed."""
        await self.carrier._listening.close()
        await self.carrier._audio.close()

    async def run_until_over(self) -> None:
        self.pbx.rings_for = 0.05
        await super().run_until_over()

    async def successor(self) -> Stage:
        await self.die()
        second = self.beside()
        second.made = self.made
        return second

    def beside(self) -> Stage:
        self.later.append(Stage(self.pbx, self.folder, **self.settings))
        return self.later[-1]

    def call(self, to_number: str = PERSON, seconds: float = 5.0) -> Order:
        made = order_to(to_number, at=datetime.now(UTC))
        self.made.append(replace(made, limits=CallLimits(send_timeout_seconds=seconds)))
        return self.made[-1]

    async def end(self, order: Order, seconds: float = 10) -> Ended:
        await until(lambda: "Ended" in self.heard.kinds(order), seconds, "the end of the call")
        return self.heard.end(order)

    async def ended(self, to_number: str) -> Ended:
        order = self.call(to_number)
        await self.carrier.place(order)
        return await self.end(order)

    async def answered(self, to_number: str = PERSON) -> tuple[Order, Line]:
        order = self.call(to_number)
        await self.carrier.place(order)
        return order, await self.line(order)

    async def line(self, order: Order) -> Line:
        await until(lambda: "Answered" in self.heard.kinds(order), what="the answer")
        answered = next(event for event in self.heard.of(order) if isinstance(event, Answered))
        assert answered.line is not None
        return answered.line

    async def rings(self, to_number: str = FOREVER) -> Order:
        order = self.call(to_number)
        await self.carrier.place(order)
        await until(lambda: "Ringing" in self.heard.kinds(order), what="the ringing")
        return order

    async def close(self) -> None:
        for each in (self, *self.later):
            await each.carrier.close()


@pytest_asyncio.fixture
async def asterisk() -> AsyncIterator[Pbx]:
    async with pbx() as made:
        yield made


@pytest_asyncio.fixture
async def stage(asterisk: Pbx, tmp_path: Path) -> AsyncIterator[Stage]:
    made = Stage(asterisk, tmp_path)
    yield made
    await made.close()


class TestContract(CarrierContract):
    provider = "ari"
    leaves_out: ClassVar = {
        "test_a_person_comes_with_a_line_and_a_machine_without": "Asterisk is not asked for machines"
    }

    @pytest_asyncio.fixture
    async def stage(self, asterisk: Pbx, tmp_path: Path) -> AsyncIterator[Stage]:
        asterisk.rings_for = 60.0  # nobody answers before the contract lets time pass
        made = Stage(asterisk, tmp_path)
        yield made
        await made.close()


# --- what is asked --------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_call_is_asked_for_under_the_attempts_own_id(stage: Stage) -> None:
    order = stage.call()

    assert await stage.carrier.place(order) == str(order.attempt_uuid)

    request = stage.pbx.call_to(PERSON).request
    assert (request["endpoint"], request["callerId"]) == ("PJSIP/+14155550106@trunk", "+14155550000")
    assert request["timeout"] == 45 and request["app"].startswith("dialplane-")
    assert request["variables"] == {"dialplane_app": request["app"], "TIMEOUT(absolute)": "1905"}


@pytest.mark.asyncio
async def test_numbers_are_written_as_the_trunk_wants_them(asterisk: Pbx, tmp_path: Path) -> None:
    stage = Stage(asterisk, tmp_path, number_format="double_zero", endpoint="PJSIP/trunk/sip:{number}@10.0.0.9")
    assert await stage.carrier.probe() is None
    with pytest.raises(CarrierRefused):
        await stage.carrier.place(stage.call("+14155550112"))
    assert asterisk.requests[-1][2]["endpoint"] == "PJSIP/trunk/sip:0014155550112@10.0.0.9"
    await stage.close()


# --- what becomes of it ---------------------------------------------------------------------------


@pytest.mark.parametrize("sequence", EVENTS)
def test_the_recorded_events_are_those_of_the_api(sequence: str) -> None:
    for event in EVENTS[sequence]:
        conforms(filled(event, channel="a", app="b", digit="5"))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("ending", "disposition", "sip", "cause"),
    [
        ("01", Disposition.BUSY, 486, "17 User busy, SIP 486"),
        ("04", Disposition.INVALID_NUMBER, 404, "1 Unallocated"),
        ("05", Disposition.DECLINED, 603, "21 Call Rejected, SIP 603"),
        ("07", Disposition.CARRIER_FAILED, 503, "34 Circuit/channel congestion, SIP 503"),
        ("08", Disposition.UNREACHABLE, 480, "19 "),
        ("09", Disposition.UNKNOWN, 408, "18 No user responding"),
    ],
)
async def test_a_call_that_nobody_takes(
    stage: Stage, ending: str, disposition: Disposition, sip: int, cause: str
) -> None:
    end = await stage.ended(f"+141555501{ending}")

    assert (end.disposition, end.sip_status, end.answered_at, end.recording) == (disposition, sip, None, "")
    assert end.cause.startswith(cause)


@pytest.mark.asyncio
async def test_who_lets_it_ring_has_not_answered(stage: Stage) -> None:
    stage.pbx.gives_up_after = 0.1

    end = await stage.ended(FOREVER)

    assert (end.disposition, end.sip_status) == (Disposition.NO_ANSWER, None)
    assert end.ringing_at is not None


@pytest.mark.asyncio
@pytest.mark.parametrize(("ending", "words"), [("13", "400 Invalid endpoint"), ("14", "503 Asterisk not booted")])
async def test_what_is_certainly_not_placed_may_be_asked_for_again(stage: Stage, ending: str, words: str) -> None:
    with pytest.raises(CarrierUnavailable, match=words):
        await stage.carrier.place(stage.call(f"+141555501{ending}"))


@pytest.mark.asyncio
async def test_no_channel_is_no_capacity_with_what_may_be_wrong(stage: Stage) -> None:
    with pytest.raises(CarrierRefused, match="no such endpoint") as refused:
        await stage.carrier.place(stage.order(Disposition.CAPACITY))
    assert refused.value.disposition is Disposition.CAPACITY


@pytest.mark.asyncio
async def test_a_password_that_is_refused_in_the_middle_ends_the_carrier_with_the_reason(stage: Stage) -> None:
    await stage.rings()
    stage.pbx.revoked = True
    before = len(stage.pbx.requests)
    for _ in range(3):
        with pytest.raises(CarrierUnavailable, match="does not accept this account or its credentials: 401"):
            await stage.carrier.place(stage.call())
    assert len(stage.pbx.requests) == before + 1, "nobody asks again who has been told no for good"
    assert "401 Authentication required" in str(await stage.carrier.probe())


@pytest.mark.asyncio
async def test_a_wrong_password_is_named_at_once(asterisk: Pbx, tmp_path: Path) -> None:
    stage = Stage(asterisk, tmp_path, password="another")
    with pytest.raises(CarrierUnavailable, match=r"events do not come: .*40[13]"):
        await stage.carrier.place(stage.call())
    assert asterisk.calls == {}
    await stage.close()


@pytest.mark.asyncio
async def test_an_answer_that_is_none_is_cleared_up_by_the_calls_own_id(stage: Stage) -> None:
    order = stage.call("+14155550121")

    assert await stage.carrier.place(order) == str(order.attempt_uuid)

    await (await stage.line(order)).hang_up()
    assert (await stage.end(order)).disposition is Disposition.ANSWERED
    assert len(stage.pbx.calls) == 1


@pytest.mark.asyncio
async def test_where_no_answer_came_the_calls_events_tell_of_it(stage: Stage) -> None:
    order = stage.unanswered()

    with pytest.raises(PlacementUnknown):
        await stage.carrier.place(order)

    await (await stage.line(order)).hang_up()
    assert (await stage.end(order)).disposition is Disposition.ANSWERED


@pytest.mark.asyncio
async def test_a_server_that_is_no_asterisk_is_named(asterisk: Pbx, tmp_path: Path) -> None:
    stage = Stage(asterisk, tmp_path, url=f"{asterisk.url}/elsewhere")
    assert "is an ARI: see url" in str(await stage.carrier.probe())
    with pytest.raises(CarrierUnavailable, match="events do not come"):
        await stage.carrier.place(stage.call())
    await stage.close()


@pytest.mark.asyncio
async def test_who_probes_hears_what_is_missing_in_asterisk(stage: Stage) -> None:
    stage.pbx.modules = ()
    assert "has not loaded chan_audiosocket.so" in str(await stage.carrier.probe())
    stage.pbx.modules, stage.pbx.endpoints = ("chan_audiosocket.so",), ()
    assert "no PJSIP endpoint 'trunk'" in str(await stage.carrier.probe())


# --- events that break off ------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_after_a_break_calls_are_asked_for_and_go_on(stage: Stage) -> None:
    """One has ended meanwhile, one is being talked on, one rings and is answered later."""
    talking, line = await stage.answered("+14155550306")
    stage.pbx.rings_for = 60.0
    later = await stage.rings("+14155550206")
    lost = await stage.rings()
    stage.pbx.loses = ("ChannelDestroyed",)
    stage.pbx.call_to(FOREVER).wanted_over.set()
    await until(lambda: str(lost.attempt_uuid) not in stage.pbx.channels)

    await stage.pbx.cut()
    end = await stage.end(lost)
    stage.pbx.loses, stage.pbx.rings_for = (), 0.0

    assert (end.disposition, end.cause) == (Disposition.UNKNOWN, FORGOTTEN)
    for order, each in ((talking, line), (later, await stage.line(later))):
        await each.hang_up()
        assert (await stage.end(order)).disposition is Disposition.ANSWERED


@pytest.mark.asyncio
async def test_while_events_do_not_come_nothing_is_placed(stage: Stage) -> None:
    await stage.rings()
    await stage.pbx.stop()
    await until(lambda: stage.carrier._listening._fault)

    with pytest.raises(CarrierUnavailable, match="events do not come"):
        await stage.carrier.place(stage.call())


# --- workers that take over -----------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_call_that_rings_is_talked_on_by_the_worker_that_took_it_over(stage: Stage) -> None:
    """It was placed for the application of the dead one, to which nobody listened any more."""
    stage.pbx.rings_for = 60.0
    orders = [await stage.rings(f"+14155550{n}06") for n in (2, 3)]
    await stage.die()
    heirs = [stage.beside(), stage.beside()]  # the newest of them alone hears of that application

    for order, heir in zip(orders, heirs, strict=True):
        assert await heir.carrier.lookup(order) is Lookup.KNOWN
    stage.pbx.rings_for = 0.0
    for order, heir in zip(orders, heirs, strict=True):
        await (await heir.line(order)).hang_up()
        assert (await heir.end(order)).disposition is Disposition.ANSWERED
    assert "Answered" not in stage.heard.kinds(orders[0])


@pytest.mark.asyncio
async def test_a_call_that_was_being_talked_on_is_hung_up_by_who_takes_it_over(stage: Stage) -> None:
    order, _ = await stage.answered()
    await stage.die()
    heir = stage.beside()

    assert await heir.carrier.lookup(order) is Lookup.KNOWN

    end = await heir.end(order)
    assert (end.disposition, end.cause) == (Disposition.AGENT_FAILED, CUT_OFF)
    assert stage.pbx.channels == {} and stage.pbx.bridges == {}


@pytest.mark.asyncio
async def test_a_worker_that_was_only_frozen_takes_its_events_back(stage: Stage) -> None:
    first, second = await stage.rings(), await stage.rings("+14155550202")
    heir = stage.beside()

    assert await heir.carrier.lookup(first) is Lookup.KNOWN
    await until(lambda: all(each._fault for each in heir.carrier._inherited.values()), what="its taking back")
    await stage.carrier.hang_up(second.attempt_uuid)

    assert (await stage.end(second)).disposition is Disposition.CANCELED
    assert (await stage.ended("+14155550101")).disposition is Disposition.BUSY


@pytest.mark.asyncio
async def test_a_call_of_which_asterisk_knows_no_more_is_over_if_it_was_accepted(stage: Stage) -> None:
    order = stage.call("+14155550101")
    placed = replace(order, carrier_call_id=await stage.carrier.place(order))
    await stage.end(order)
    heir = stage.beside()

    assert await heir.carrier.lookup(order) is Lookup.CANNOT_TELL, "it may never have been placed"
    assert await heir.carrier.lookup(placed) is Lookup.KNOWN
    assert ((await heir.end(order)).disposition, heir.heard.end(order).cause) == (Disposition.UNKNOWN, FORGOTTEN)


# --- hanging up, closing --------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_call_does_not_last_longer_than_it_may(asterisk: Pbx, tmp_path: Path) -> None:
    stage = Stage(asterisk, tmp_path, max_call_seconds=5)
    stage.carrier.limits = replace(stage.carrier.limits, max_call_seconds=0.3)
    order, _ = await stage.answered()

    assert ((await stage.end(order)).disposition, stage.heard.end(order).cause) == ("answered", "hung up by us")
    await stage.close()


@pytest.mark.asyncio
async def test_a_carrier_that_closes_leaves_nobody_alone_on_the_line_and_no_bridge(stage: Stage) -> None:
    await stage.answered()

    await stage.carrier.close()

    await until(lambda: not stage.pbx.channels)
    assert stage.pbx.bridges == {}


# --- settings -------------------------------------------------------------------------------------

WHOLE = {"url": "http://10.0.0.5:8088", "user": "dialplane", "password": PASSWORD, "endpoint": "PJSIP/{number}@trunk"}


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"url": ""}, "url"),
        ({"url": "10.0.0.5:8088"}, "url"),
        ({"url": "http://me:secret@10.0.0.5:8088"}, "holds a user"),
        ({"user": ""}, "user"),
        ({"password": "two\nlines"}, "password"),
        ({"endpoint": ""}, "endpoint"),
        ({"endpoint": "PJSIP/trunk"}, "endpoint"),
        ({"endpoint": "{number}"}, "endpoint"),
        ({"endpoint": "PJSIP/{number}@{host}"}, "endpoint"),
        ({"transfer_context": "two words"}, "transfer_context"),
        ({"local_address": "no address"}, "local_address"),
        ({"endpiont": "PJSIP/{number}@trunk"}, "did you mean 'endpoint'"),
        ({"ring_timeout_seconds": 5}, "ring_timeout_seconds"),
    ],
)
def test_settings_that_are_wrong_name_the_field(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(Invalid, match=complaint):
        Asterisk.from_settings(WHOLE | settings).checked()


def test_the_names_of_dograhs_contract_are_understood() -> None:
    given = {"ari_endpoint": WHOLE["url"], "app_name": "dialplane", "app_password": PASSWORD, "ws_client_name": "x"}

    kept = Asterisk.from_settings(given)

    assert (kept.url, kept.user, kept.password) == (WHOLE["url"], "dialplane", PASSWORD)
    with pytest.raises(Invalid, match="endpoint, is missing|endpoint: is missing"):
        kept.checked()


def test_the_example_is_understood(tmp_path: Path) -> None:
    example = yaml.safe_load((Path(__file__).parents[2] / "examples" / "ari.yaml").read_text(encoding="utf-8"))
    given = {name: value for name, value in example.items() if name not in ("name", "numbers")}

    carrier = build_carrier("ari", given, RealClock(), tmp_path, 1, LocalFiles(tmp_path))

    assert carrier.limits.max_lines == 10
