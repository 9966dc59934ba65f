"""The ARI carrier against an Asterisk of the tests' own: what it is asked, what it tells, and what the engine hears."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import pytest_asyncio
import yaml
from calls import FOREVER, PERSON, until
from contract import CarrierContract
from pbx import EVENTS, PASSWORD, Pbx, conforms, filled, pbx
from sound_contract import SoundPromises
from stages import AriStage

from dialplane.carriers.ari.asterisk import Asterisk
from dialplane.carriers.ari.outcomes import CUT_OFF, FORGOTTEN
from dialplane.clocks import RealClock
from dialplane.core.disposition import Disposition
from dialplane.errors import CarrierRefused, CarrierUnavailable, Invalid
from dialplane.files import LocalFiles
from dialplane.ports import Lookup
from dialplane.providers import build_carrier


@pytest_asyncio.fixture
async def network() -> AsyncIterator[Pbx]:
    async with pbx() as made:
        yield made


class TestContract(CarrierContract):
    provider = "ari"
    leaves_out: ClassVar = {
        "test_a_person_comes_with_a_line_and_a_machine_without": "Asterisk is not asked for machines"
    }

    @pytest_asyncio.fixture
    async def stage(self, network: Pbx, tmp_path: Path) -> AsyncIterator[AriStage]:
        network.rings_for = 60.0  # nobody answers before the contract lets time pass
        made = AriStage(network, tmp_path)
        yield made
        await made.close()


class TestPromises(SoundPromises):
    pass


# --- what is asked --------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_call_is_asked_for_under_the_attempts_own_id(stage: AriStage) -> None:
    order = stage.call()

    assert await stage.carrier.place(order) == str(order.attempt_uuid)

    request = stage.network.call_to(PERSON).request
    assert (request["endpoint"], request["callerId"]) == ("PJSIP/+14155550106@trunk", "+14155550000")
    assert request["timeout"] == 45 and request["app"].startswith("dialplane-")
    assert request["variables"] == {"dialplane_app": request["app"], "TIMEOUT(absolute)": "1905"}


@pytest.mark.asyncio
async def test_numbers_are_written_as_the_trunk_wants_them(network: Pbx, tmp_path: Path) -> None:
    stage = AriStage(network, tmp_path, number_format="double_zero", endpoint="PJSIP/trunk/sip:{number}@10.0.0.9")
    assert await stage.carrier.probe() is None
    with pytest.raises(CarrierRefused):
        await stage.carrier.place(stage.call("+14155550112"))
    assert network.requests[-1][2]["endpoint"] == "PJSIP/trunk/sip:0014155550112@10.0.0.9"
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
    stage: AriStage, ending: str, disposition: Disposition, sip: int, cause: str
) -> None:
    end = await stage.ended(f"+141555501{ending}")

    assert (end.disposition, end.sip_status, end.answered_at, end.recording) == (disposition, sip, None, "")
    assert end.cause.startswith(cause)


@pytest.mark.asyncio
async def test_who_lets_it_ring_has_not_answered(stage: AriStage) -> None:
    stage.network.gives_up_after = 0.1

    end = await stage.ended(FOREVER)

    assert (end.disposition, end.sip_status) == (Disposition.NO_ANSWER, None)
    assert end.ringing_at is not None


@pytest.mark.asyncio
@pytest.mark.parametrize(("ending", "words"), [("13", "400 Invalid endpoint"), ("14", "503 Asterisk not booted")])
async def test_what_is_certainly_not_placed_may_be_asked_for_again(stage: AriStage, ending: str, words: str) -> None:
    with pytest.raises(CarrierUnavailable, match=words):
        await stage.carrier.place(stage.call(f"+141555501{ending}"))


@pytest.mark.asyncio
async def test_no_channel_is_no_capacity_with_what_may_be_wrong(stage: AriStage) -> None:
    with pytest.raises(CarrierRefused, match="no such endpoint") as refused:
        await stage.carrier.place(stage.order(Disposition.CAPACITY))
    assert refused.value.disposition is Disposition.CAPACITY


@pytest.mark.asyncio
async def test_a_wrong_password_is_named_at_once(network: Pbx, tmp_path: Path) -> None:
    stage = AriStage(network, tmp_path, password="another")
    with pytest.raises(CarrierUnavailable, match=r"events do not come: .*40[13]"):
        await stage.carrier.place(stage.call())
    assert network.calls == {}
    await stage.close()


@pytest.mark.asyncio
async def test_an_answer_that_is_none_is_cleared_up_by_the_calls_own_id(stage: AriStage) -> None:
    order = stage.call("+14155550121")

    assert await stage.carrier.place(order) == str(order.attempt_uuid)

    await (await stage.line(order)).hang_up()
    assert (await stage.end(order)).disposition is Disposition.ANSWERED
    assert len(stage.network.calls) == 1


@pytest.mark.asyncio
async def test_a_server_that_is_no_asterisk_is_named(network: Pbx, tmp_path: Path) -> None:
    stage = AriStage(network, tmp_path, url=f"{network.url}/elsewhere")
    assert "is an ARI: see url" in str(await stage.carrier.probe())
    with pytest.raises(CarrierUnavailable, match="events do not come"):
        await stage.carrier.place(stage.call())
    await stage.close()


@pytest.mark.asyncio
async def test_who_probes_hears_what_is_missing_in_asterisk(stage: AriStage) -> None:
    stage.network.modules = ()
    assert "has not loaded chan_audiosocket.so" in str(await stage.carrier.probe())
    stage.network.modules, stage.network.endpoints = ("chan_audiosocket.so",), ()
    assert "no PJSIP endpoint 'trunk'" in str(await stage.carrier.probe())


# --- events that break off ------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_after_a_break_calls_are_asked_for_and_go_on(stage: AriStage) -> None:
    """One has ended meanwhile, one is being talked on, one rings and is answered later."""
    talking, line = await stage.answered("+14155550306")
    stage.network.rings_for = 60.0
    later = await stage.rings("+14155550206")
    lost = await stage.rings()
    stage.network.loses = ("ChannelDestroyed",)
    stage.network.call_to(FOREVER).wanted_over.set()
    await until(lambda: str(lost.attempt_uuid) not in stage.network.channels)

    await stage.network.cut()
    end = await stage.end(lost)
    stage.network.loses, stage.network.rings_for = (), 0.0

    assert (end.disposition, end.cause) == (Disposition.UNKNOWN, FORGOTTEN)
    for order, each in ((talking, line), (later, await stage.line(later))):
        await each.hang_up()
        assert (await stage.end(order)).disposition is Disposition.ANSWERED


@pytest.mark.asyncio
async def test_while_events_do_not_come_nothing_is_placed(stage: AriStage) -> None:
    await stage.rings()
    await stage.network.stop()
    await until(lambda: stage.carrier._listening._fault)

    with pytest.raises(CarrierUnavailable, match="events do not come"):
        await stage.carrier.place(stage.call())


# --- workers that take over -----------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_call_that_rings_is_talked_on_by_the_worker_that_took_it_over(stage: AriStage) -> None:
    """It was placed for the application of the dead one, to which nobody listened any more."""
    stage.network.rings_for = 60.0
    orders = [await stage.rings(f"+14155550{n}06") for n in (2, 3)]
    await stage.die()
    heirs = [stage.beside(), stage.beside()]  # the newest of them alone hears of that application

    for order, heir in zip(orders, heirs, strict=True):
        assert await heir.carrier.lookup(order) is Lookup.KNOWN
    stage.network.rings_for = 0.0
    for order, heir in zip(orders, heirs, strict=True):
        await (await heir.line(order)).hang_up()
        assert (await heir.end(order)).disposition is Disposition.ANSWERED
    assert "Answered" not in stage.heard.kinds(orders[0])


@pytest.mark.asyncio
async def test_a_call_that_was_being_talked_on_is_hung_up_by_who_takes_it_over(stage: AriStage) -> None:
    order, _ = await stage.answered()
    await stage.die()
    heir = stage.beside()

    assert await heir.carrier.lookup(order) is Lookup.KNOWN

    end = await heir.end(order)
    assert (end.disposition, end.cause) == (Disposition.AGENT_FAILED, CUT_OFF)
    assert stage.network.channels == {} and stage.network.bridges == {}


@pytest.mark.asyncio
async def test_a_worker_that_was_only_frozen_takes_its_events_back(stage: AriStage) -> None:
    first, second = await stage.rings(), await stage.rings("+14155550202")
    heir = stage.beside()

    assert await heir.carrier.lookup(first) is Lookup.KNOWN
    await until(lambda: all(each._fault for each in heir.carrier._inherited.values()), what="its taking back")
    await stage.carrier.hang_up(second.attempt_uuid)

    assert (await stage.end(second)).disposition is Disposition.CANCELED
    assert (await stage.ended("+14155550101")).disposition is Disposition.BUSY


@pytest.mark.asyncio
async def test_a_call_of_which_asterisk_knows_no_more_is_over_if_it_was_accepted(stage: AriStage) -> None:
    order = stage.call("+14155550101")
    placed = replace(order, carrier_call_id=await stage.carrier.place(order))
    await stage.end(order)
    heir = stage.beside()

    assert await heir.carrier.lookup(order) is Lookup.CANNOT_TELL, "it may never have been placed"
    assert await heir.carrier.lookup(placed) is Lookup.KNOWN
    assert ((await heir.end(order)).disposition, heir.heard.end(order).cause) == (Disposition.UNKNOWN, FORGOTTEN)


# --- hanging up, closing --------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_call_does_not_last_longer_than_it_may(network: Pbx, tmp_path: Path) -> None:
    stage = AriStage(network, tmp_path, max_call_seconds=5)
    stage.carrier.limits = replace(stage.carrier.limits, max_call_seconds=0.3)
    order, _ = await stage.answered()

    assert ((await stage.end(order)).disposition, stage.heard.end(order).cause) == ("answered", "hung up by us")
    await stage.close()


@pytest.mark.asyncio
async def test_a_carrier_that_closes_leaves_nobody_alone_on_the_line_and_no_bridge(stage: AriStage) -> None:
    await stage.answered()

    await stage.carrier.close()

    await until(lambda: not stage.network.channels)
    assert stage.network.bridges == {}


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
