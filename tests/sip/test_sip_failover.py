"""Several trunks of one carrier: what goes on to the next one, and what must not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from callees import HOST, Callee, callee, free_port, needs_programs
from trunks import Stage

from dialplane.carriers.sip import failover
from dialplane.carriers.sip.failover import has_been_silent, is_trunk_fault, order_of
from dialplane.carriers.sip.outcomes import Closed
from dialplane.carriers.sip.trunk import Trunk
from dialplane.core.disposition import Disposition
from dialplane.errors import CarrierRefused, CarrierUnavailable, Invalid

TrunkTo = Callable[..., Stage]
NO_HOST = {"host": "no-such-host.invalid"}
NOBODY_AT_THE_PORT = {"host": HOST, "port": 9, "transport": "tcp"}


def both(*trunks: Callee | Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Settings of a carrier with these trunks."""
    entries = [{"host": HOST, "port": each.port} if isinstance(each, Callee) else dict(each) for each in trunks]
    return {"provider": "sip", "local_address": HOST, "slow_start": False, "trunks": entries, **more}


def resting(stage: Stage) -> list[bool]:
    return [way.rests_until > 0 for way in stage.carrier._ways]


# --- the choice -----------------------------------------------------------------------------------


def test_trunks_that_rest_are_asked_last_and_the_soonest_ready_first() -> None:
    assert order_of([0, 0, 0], now=100) == [0, 1, 2]
    assert order_of([130, 0, 0], now=100) == [1, 2, 0]
    assert order_of([130, 120, 0], now=100) == [2, 1, 0]
    assert order_of([130, 120, 99], now=130) == [0, 1, 2]


@pytest.mark.parametrize(
    ("text", "disposition", "more", "goes_on"),
    [
        ("503 Service Unavailable", Disposition.CARRIER_FAILED, {}, True),
        ("403 Forbidden", Disposition.CARRIER_FAILED, {}, True),
        ("Connection refused", Disposition.CARRIER_FAILED, {}, True),
        ("503 Service Unavailable", Disposition.CARRIER_FAILED, {"rang": True}, False),
        ("503 Service Unavailable", Disposition.CARRIER_FAILED, {"ended_by_us": Disposition.CANCELED}, False),
        ("606 Not Acceptable", Disposition.CARRIER_FAILED, {}, False),
        ("503 CPS limit exceeded", Disposition.RATE_LIMITED, {}, False),
        ("486 Busy Here", Disposition.BUSY, {}, False),
        ("408 Request Timeout", Disposition.UNREACHABLE, {}, False),
        ("Connection timed out", Disposition.UNKNOWN, {}, False),
    ],
)
def test_only_what_no_telephone_has_heard_goes_on(
    text: str, disposition: Disposition, more: dict[str, Any], goes_on: bool
) -> None:
    assert is_trunk_fault(Closed(text=text), disposition, **{"rang": False, "ended_by_us": None, **more}) is goes_on


def test_a_trunk_that_leaves_a_call_without_a_response_rests_and_one_whose_process_died_does_not() -> None:
    silence, death = Closed(text="Connection timed out"), Closed(text="the SIP process died", lost=True)

    assert has_been_silent(Disposition.UNKNOWN, silence, rang=False)
    assert not has_been_silent(Disposition.UNKNOWN, death, rang=False)
    assert not has_been_silent(Disposition.NO_ANSWER, silence, rang=True)


# --- settings -------------------------------------------------------------------------------------


def test_an_entry_overrides_what_stands_beside_the_list() -> None:
    first = Trunk.from_settings(
        {
            "provider": "sip", "user": "alice", "password": "s3cret", "cps": 5, "number_format": "digits",
            "trunks": [{"host": "sbc1.example"}, {"host": "sbc2.example", "port": 5070, "user": "bob"}],
        }
    )  # fmt: skip
    (second,) = first.others

    assert (first.host, first.port, first.user, first.limits().cps) == ("sbc1.example", 5060, "alice", 5)
    assert (second.host, second.port, second.user, second.password) == ("sbc2.example", 5070, "bob", "s3cret")
    assert second.address("+14155550101") == "sip:14155550101@sbc2.example:5070"


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"trunks": []}, "trunks: must be a list of at least one trunk"),
        ({"trunks": {"host": "a"}}, "trunks: must be a list of at least one trunk"),
        ({"trunks": ["sbc.example"]}, "trunks.1: must be a mapping"),
        ({"trunks": [{"host": "a"}, {"port": 5060}]}, "trunks.2.host: is missing"),
        ({"trunks": [{"host": "a"}, {"host": "b", "port": 0}]}, "trunks.2.port: must be a whole number"),
        ({"trunks": [{"host": "a", "prot": 1}]}, "trunks.1: unknown field 'prot'"),
        ({"trunks": [{"host": "a", "cps": 1}]}, "trunks.1.cps: is one for all trunks"),
        ({"trunks": [{"host": "a", "trunks": []}]}, "trunks.1: unknown field 'trunks'"),
    ],
)
def test_a_wrong_entry_is_named(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(Invalid, match=f"carrier settings, {complaint}"):
        Trunk.from_settings({"provider": "sip", **settings})


# --- calls ----------------------------------------------------------------------------------------


@needs_programs
@pytest.mark.asyncio
async def test_a_call_that_the_first_trunk_fails_is_answered_on_the_second_which_the_next_call_asks_first(
    trunk_to: TrunkTo,
) -> None:
    with callee("refuse_at_once", status="503 Service Unavailable") as broken, callee("answer") as well:
        stage = trunk_to(both(broken, well))
        order, line = await stage.answered()
        await line.hang_up()
        end = await stage.end(order)

        assert (end.disposition, end.sip_status) == (Disposition.ANSWERED, None)
        assert broken.invites() == well.invites() == {str(order.attempt_uuid): 1}
        assert stage.heard.kinds(order) == ["Ringing", "Answered", "Ended"]

        next_order, next_line = await stage.answered("+14155550102")
        await next_line.hang_up()
        await stage.end(next_order)

        assert str(next_order.attempt_uuid) not in broken.invites(), "it rests"
        assert well.invites()[str(next_order.attempt_uuid)] == 1


@needs_programs
@pytest.mark.asyncio
async def test_a_trunk_that_has_rested_is_preferred_again(trunk_to: TrunkTo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failover, "REST_SECONDS", 0.5)
    with (
        callee("refuse_at_once", status="500 Server Internal Error") as broken,
        callee("refuse", status="486 Busy Here") as well,
    ):
        stage = trunk_to(both(broken, well))
        for number in ("+14155550101", "+14155550102"):
            assert (await stage.ended(number)).disposition is Disposition.BUSY
            await asyncio.sleep(0.5)

        assert sum(broken.invites().values()) == 2


@needs_programs
@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("scenario", "status", "disposition"),
    [
        ("refuse", "503 Service Unavailable", "carrier_failed"),
        ("refuse_at_once", "486 Busy Here", "busy"),
        ("refuse_at_once", "404 Not Found", "invalid_number"),
        ("refuse_at_once", "606 Not Acceptable", "carrier_failed"),
    ],
)
async def test_what_has_rung_or_speaks_of_the_person_is_not_asked_again(
    trunk_to: TrunkTo, scenario: str, status: str, disposition: str
) -> None:
    with callee(scenario, status=status) as first, callee("answer") as second:
        stage = trunk_to(both(first, second))
        end = await stage.ended()

        assert (end.disposition, end.sip_status) == (disposition, int(status[:3]))
        assert (sum(first.invites().values()), second.received("INVITE")) == (1, [])
        assert resting(stage) == [False, False]


@needs_programs
@pytest.mark.asyncio
async def test_a_trunk_that_is_full_or_asked_too_often_is_waited_for(trunk_to: TrunkTo) -> None:
    with callee("refuse_at_once", status="429 Too Many Requests") as first, callee("answer") as second:
        stage = trunk_to(both(first, second))

        with pytest.raises(CarrierRefused):
            await stage.carrier.place(stage.call())

        assert second.received("INVITE") == [] and resting(stage) == [False, False]


@needs_programs
@pytest.mark.asyncio
@pytest.mark.parametrize("nobody", [NO_HOST, NOBODY_AT_THE_PORT], ids=["no_host", "refused"])
async def test_what_could_not_be_sent_goes_to_the_second(trunk_to: TrunkTo, nobody: dict[str, Any]) -> None:
    with callee("answer") as well:
        stage = trunk_to(both(nobody, well))
        order, line = await stage.answered()
        await line.hang_up()

        assert (await stage.end(order)).disposition is Disposition.ANSWERED
        assert well.invites() == {str(order.attempt_uuid): 1}


@needs_programs
@pytest.mark.asyncio
async def test_where_every_trunk_fails_the_last_one_says_what_became_of_it(trunk_to: TrunkTo) -> None:
    with callee("refuse_at_once", status="503 Service Unavailable") as broken:
        stage = trunk_to(both(NO_HOST, broken))
        end = await stage.ended()
        assert (end.disposition, end.sip_status) == (Disposition.CARRIER_FAILED, 503)

        # Both rest, and that is no reason to ask nobody: the one that has rested longest comes first.
        assert (await stage.ended("+14155550102")).disposition is Disposition.CARRIER_FAILED
        assert sum(broken.invites().values()) == 2


@pytest.mark.asyncio
async def test_where_nothing_could_be_sent_by_any_trunk_nothing_is_spent(trunk_to: TrunkTo) -> None:
    stage = trunk_to(both(NOBODY_AT_THE_PORT, NO_HOST))

    with pytest.raises(CarrierUnavailable):
        await stage.carrier.place(stage.call())
    assert stage.heard.events == []


@needs_programs
@pytest.mark.asyncio
async def test_silence_is_not_asked_again_elsewhere(trunk_to: TrunkTo) -> None:
    """It may be ringing."""
    with callee("silent") as first, callee("answer") as second:
        stage = trunk_to(both(first, second))
        order = await stage.placed()

        assert first.invites() == {str(order.attempt_uuid): 1}
        assert second.received("INVITE") == [] and stage.heard.of(order) == []


@needs_programs
@pytest.mark.asyncio
async def test_nothing_leaves_by_the_second_once_the_order_is_too_old(
    trunk_to: TrunkTo, monkeypatch: pytest.MonkeyPatch
) -> None:
    with callee("refuse_at_once", status="503 Service Unavailable") as broken, callee("answer") as well:
        stage = trunk_to(both(broken, well))
        order = stage.call()
        pick = stage.carrier._ways[1].phones.pick

        async def picked_late() -> Any:
            late = order.send_before + timedelta(seconds=order.limits.send_timeout_seconds + 1)
            monkeypatch.setattr(stage.clock, "now", lambda: late, raising=False)
            return await pick()

        monkeypatch.setattr(stage.carrier._ways[1].phones, "pick", picked_late)
        await stage.carrier.place(order)
        end = await stage.end(order)

        assert (end.disposition, end.sip_status) == (Disposition.CARRIER_FAILED, 503)
        assert well.received("INVITE") == []


@needs_programs
@pytest.mark.asyncio
async def test_a_call_that_is_hung_up_between_two_trunks_does_not_go_on(
    trunk_to: TrunkTo, monkeypatch: pytest.MonkeyPatch
) -> None:
    with callee("refuse_at_once", status="503 Service Unavailable") as broken, callee("answer") as well:
        stage = trunk_to(both(broken, well))
        order = stage.call()
        pick = stage.carrier._ways[1].phones.pick

        async def picked_and_hung_up() -> Any:
            await stage.carrier.hang_up(order.attempt_uuid)
            return await pick()

        monkeypatch.setattr(stage.carrier._ways[1].phones, "pick", picked_and_hung_up)
        await stage.carrier.place(order)
        await stage.end(order)

        assert well.received("INVITE") == []


@needs_programs
@pytest.mark.asyncio
async def test_a_second_trunk_that_is_not_ready_in_time_leaves_the_failure_of_the_first(
    trunk_to: TrunkTo, monkeypatch: pytest.MonkeyPatch
) -> None:
    with callee("refuse_at_once", status="503 Service Unavailable") as broken:
        stage = trunk_to(both(broken, NO_HOST))
        order = stage.call()
        order = replace(order, limits=replace(order.limits, send_timeout_seconds=3))
        monkeypatch.setattr(stage.carrier._ways[1].phones, "pick", lambda: asyncio.sleep(60))
        await stage.carrier.place(order)

        assert (await stage.end(order)).sip_status == 503


@needs_programs
@pytest.mark.asyncio
async def test_whoever_stops_waiting_between_two_trunks_is_told_the_end_all_the_same(
    trunk_to: TrunkTo, monkeypatch: pytest.MonkeyPatch
) -> None:
    with callee("refuse_at_once", status="503 Service Unavailable") as broken:
        stage = trunk_to(both(broken, NO_HOST))
        order = stage.call()
        picking = asyncio.Event()

        async def picked_never() -> None:
            picking.set()
            await asyncio.sleep(60)

        monkeypatch.setattr(stage.carrier._ways[1].phones, "pick", picked_never)
        placing = asyncio.create_task(stage.carrier.place(order))
        await asyncio.wait_for(picking.wait(), 10)
        placing.cancel()

        assert (await stage.end(order)).sip_status == 503


# --- whether anybody is there ---------------------------------------------------------------------


@needs_programs
@pytest.mark.asyncio
async def test_one_trunk_that_answers_is_enough_and_the_others_are_asked_last(trunk_to: TrunkTo) -> None:
    with callee("answer") as well:
        stage = trunk_to(both(NO_HOST, well))

        assert await stage.carrier.probe() is None
        assert resting(stage) == [True, False]


@needs_programs
@pytest.mark.asyncio
async def test_where_none_answers_all_are_named(trunk_to: TrunkTo) -> None:
    port = free_port()
    fault = await trunk_to(both(NO_HOST, {"host": HOST, "port": port, "transport": "tcp"})).carrier.probe()

    assert fault is not None and "no-such-host.invalid" in fault and f"{HOST}:{port}" in fault
