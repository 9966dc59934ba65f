"""The SIP carrier against callees that sipp plays: what each of them does, and what the engine is told of it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import pytest
import pytest_asyncio
from callees import EXAMPLES, Callee, callee, header, needs_programs
from calls import until
from contract import CarrierContract, Live
from trunks import PERSON, Stage, phones_of, press

from dialplane.carriers.sip import marks
from dialplane.carriers.sip.carrier import SipCarrier
from dialplane.core.attempt import Order
from dialplane.core.disposition import Disposition
from dialplane.errors import CarrierRefused, CarrierUnavailable
from dialplane.ports import HungUp, Lookup

pytestmark = needs_programs

ENDINGS = {
    Disposition.BUSY: "01",
    Disposition.VOICEMAIL: "15",
    Disposition.ANSWERED: "13",
    Disposition.RATE_LIMITED: "11",
    Disposition.CAPACITY: "12",
}
TrunkTo = Callable[..., Stage]


class ContractStage(Live, Stage):
    """Calls to callees of the examples. What these do not do others do, to which the trunk leads from then on."""

    def __init__(self, called: Callee, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack = folder, stack
        self.made: list[Order] = []
        self.opened: list[SipCarrier] = []
        self.lead_to(called)

    def lead_to(self, called: Callee, **settings: Any) -> None:
        self.called = called
        super().__init__({**called.trunk, **settings}, self.folder)
        self.opened.append(self.carrier)

    def order(self, outcome: Disposition) -> Order:
        return self.call(f"+141555501{ENDINGS[outcome]}")

    def unanswered(self) -> Order:
        return self.order_of("late_answer")

    def told_twice(self) -> Order:
        return self.order_of("twice")

    def told_backwards(self) -> Order:
        return self.order_of("backwards")

    def order_of(self, scenario: str) -> Order:
        self.lead_to(self.stack.enter_context(callee(scenario)))
        return self.call()

    def call(self, to_number: str = PERSON) -> Order:
        self.made.append(super().call(to_number))
        return self.made[-1]

    def accepted(self, order: Order) -> int:
        return self.called.invites()[str(order.attempt_uuid)]

    async def vanish(self) -> None:
        """By TCP: whether anybody has heard a datagram nobody can say."""
        self.lead_to(self.called, port=9, transport="tcp")

    async def successor(self) -> ContractStage:
        """The processes of ours are killed, and it does not notice before another worker has asked: it is dead too."""
        second = ContractStage(self.called, self.folder, self.stack)
        self.opened.append(second.carrier)
        for pid in phones_of():
            os.kill(pid, signal.SIGKILL)
        give_up_at = time.monotonic() + 10
        for name in [str(order.attempt_uuid) for order in self.made if self.accepted(order)]:
            while not marks.is_orphaned(name):  # the last thread takes the lock with it
                assert time.monotonic() < give_up_at, "a killed process still carries its call"
                time.sleep(0.01)  # noqa: ASYNC251
        return second


class TestContract(CarrierContract):
    provider = "sip"
    leaves_out: ClassVar = {
        "test_where_nobody_is_there_to_be_asked_nothing_is_said": "a trunk remembers nothing, so that nobody is asked"
    }
    no_doubt = "a response that was lost is given again to the next copy of the INVITE"

    @pytest_asyncio.fixture
    async def stage(self, tmp_path: Path) -> AsyncIterator[ContractStage]:
        with ExitStack() as stack:
            stage = ContractStage(stack.enter_context(callee(EXAMPLES / "callees.xml")), tmp_path, stack)
            yield stage
            for carrier in stage.opened:
                await carrier.close()

    @pytest.mark.asyncio
    async def test_a_person_comes_with_a_line_and_a_machine_without(self, stage: ContractStage) -> None:
        """A trunk tells no difference between the two: whoever answers is talked to."""
        order, line = await stage.answered("+14155550115")

        await line.hang_up()

        assert (await stage.end(order)).disposition is Disposition.ANSWERED


# --- nobody takes the call ------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("scenario", "status", "disposition"),
    [
        ("refuse_at_once", "404 Not Found", "invalid_number"),
        ("refuse_at_once", "503 Service Unavailable", "carrier_failed"),
        ("refuse_at_once", "488 Not Acceptable Here", "carrier_failed"),
        ("refuse_at_once", "608 Rejected", "blocked"),
        ("refuse", "480 Temporarily Unavailable", "unreachable"),
        ("refuse", "486 Busy Here", "busy"),
        ("refuse", "603 Decline", "declined"),
        ("refuse", "607 Unwanted", "unwanted"),
    ],
)
async def test_a_final_response_is_a_result(trunk_to: TrunkTo, scenario: str, status: str, disposition: str) -> None:
    with callee(scenario, status=status) as called:
        stage = trunk_to(called.trunk)
        end = await stage.ended()

        assert (end.disposition, end.sip_status, end.cause) == (disposition, int(status[:3]), status)
        assert (end.ringing_at is not None) == (scenario == "refuse")
        assert (end.answered_at, end.recording) == (None, "")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("scenario", "status", "disposition"),
    [
        ("refuse_at_once", "429 Too Many Requests", "rate_limited"),
        ("refuse_at_once", "503 CPS limit exceeded", "rate_limited"),
        ("refuse_at_once", "403 Channel limit exceeded D1", "capacity"),
        ("refuse", "429 Too Many Requests", "rate_limited"),
    ],
)
async def test_a_refusal_spends_nothing(trunk_to: TrunkTo, scenario: str, status: str, disposition: str) -> None:
    with callee(scenario, status=status) as called:
        stage = trunk_to(called.trunk)
        order = stage.call()
        if scenario == "refuse":  # which rings first: then it has been accepted, and its end says why
            await stage.carrier.place(order)
            assert (await stage.end(order)).disposition == disposition
        else:
            with pytest.raises(CarrierRefused) as refused:
                await stage.carrier.place(order)
            assert (refused.value.disposition, refused.value.sip_status) == (disposition, int(status[:3]))
            assert stage.heard.of(order) == []


@pytest.mark.asyncio
async def test_the_reason_of_a_response_is_told(trunk_to: TrunkTo) -> None:
    with callee("refuse", status="603 Decline", headers="\n    Reason: Q.850;cause=21") as called:
        end = await trunk_to(called.trunk).ended()

        assert (end.disposition, end.cause) == (Disposition.DECLINED, "603 Decline,Q.850;cause=21")


@pytest.mark.asyncio
async def test_a_trunk_may_mean_something_else_by_a_status(trunk_to: TrunkTo) -> None:
    with callee("refuse_at_once", status="404 Not Found") as called:
        end = await trunk_to(called.trunk | {"dispositions": {404: "no_answer"}}).ended()

        assert (end.disposition, end.sip_status) == (Disposition.NO_ANSWER, 404)


@pytest.mark.asyncio
async def test_early_media_counts_as_ringing(trunk_to: TrunkTo) -> None:
    with callee("early_then_busy") as called:
        end = await trunk_to(called.trunk).ended()

        assert end.disposition is Disposition.BUSY and end.ringing_at is not None and end.answered_at is None


@pytest.mark.asyncio
async def test_a_telephone_that_rings_for_ever_is_cancelled(trunk_to: TrunkTo) -> None:
    with callee("ring_for_ever") as called:
        end = await trunk_to(called.trunk, ring_timeout_seconds=0.5).ended()

        assert (end.disposition, end.cause) == (Disposition.NO_ANSWER, "nobody answered")
        assert len(called.wait_for("CANCEL")) == 1 and called.wait_for("ACK")


@pytest.mark.asyncio
async def test_a_200_that_crosses_the_cancel_is_taken_and_hung_up(trunk_to: TrunkTo) -> None:
    with callee("cancel_crosses_200") as called:
        stage = trunk_to(called.trunk, ring_timeout_seconds=0.5)
        order = await stage.placed()
        end = await stage.end(order)

        assert end.disposition is Disposition.NO_ANSWER, "nobody was talked to"
        assert stage.heard.kinds(order) == ["Ringing", "Ended"]
        called.wait_for("ACK")
        called.wait_for("BYE")


@pytest.mark.asyncio
async def test_a_call_that_was_given_up_before_any_response_is_hung_up_when_it_is_answered(trunk_to: TrunkTo) -> None:
    """A CANCEL must not go out before a response (RFC 3261 section 9.1), and the answer must not find nobody."""
    with callee("late_answer") as called:
        stage = trunk_to(called.trunk, ring_timeout_seconds=0.2)
        order = stage.call()
        await stage.carrier.place(order)
        end = await stage.end(order)

        called.wait_for("BYE")
        assert called.received("CANCEL") == [] and "Answered" not in stage.heard.kinds(order)
        assert end.disposition is Disposition.UNKNOWN or end.ringing_at is not None


@pytest.mark.asyncio
async def test_an_order_that_is_hung_up_at_once_is_not_left_ringing(trunk_to: TrunkTo) -> None:
    with callee("ring_for_ever") as called:
        stage = trunk_to(called.trunk)
        order = stage.call()
        placing = asyncio.create_task(stage.carrier.place(order))
        await until(lambda: called.received("INVITE") != [] or placing.done())
        await stage.carrier.hang_up(order.attempt_uuid)
        await placing

        assert (await stage.end(order)).disposition is Disposition.CANCELED
        called.wait_for("CANCEL")


# --- the request cannot leave, or is not liked ----------------------------------------------------


@pytest.mark.asyncio
async def test_a_digest_is_answered_and_the_call_goes_on(trunk_to: TrunkTo) -> None:
    with callee("auth") as called:
        order, line = await trunk_to(called.trunk | {"user": "alice", "password": "s3cret"}).answered()
        await line.hang_up()

        assert called.invites() == {str(order.attempt_uuid): 1}, "with the digest it is the same call"
        assert len(called.received("INVITE")) == 2


@pytest.mark.asyncio
async def test_a_wrong_password_is_the_trunks_fault(trunk_to: TrunkTo) -> None:
    with callee("auth") as called:
        end = await trunk_to(called.trunk | {"user": "alice", "password": "wrong"}).ended()

        assert (end.disposition, end.sip_status) == (Disposition.CARRIER_FAILED, 403)


@pytest.mark.asyncio
async def test_an_unknown_host_has_certainly_heard_nothing(trunk_to: TrunkTo) -> None:
    stage = trunk_to({"provider": "sip", "host": "no-such-host.invalid", "local_address": "127.0.0.1"})

    with pytest.raises(CarrierUnavailable):
        await stage.carrier.place(stage.call())
    assert stage.heard.events == []


@pytest.mark.asyncio
async def test_a_closed_tcp_port_has_certainly_heard_nothing(trunk_to: TrunkTo) -> None:
    stage = trunk_to(
        {"provider": "sip", "host": "127.0.0.1", "port": 9, "transport": "tcp", "local_address": "127.0.0.1"}
    )

    with pytest.raises(CarrierUnavailable, match="refused"):
        await stage.carrier.place(stage.call())


# --- what goes out --------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_the_invite_says_who_calls_whom_and_for_which_attempt(trunk_to: TrunkTo) -> None:
    settings = {
        "number_format": "digits", "display_name": "The clinic", "headers": {"X-Account": "17"},
        "asserted_identity": True,
    }  # fmt: skip
    with callee("refuse", status="486 Busy Here") as called:
        stage = trunk_to(called.trunk | settings)
        order = await stage.placed()
        await stage.end(order)
        (invite,) = called.received("INVITE")

    assert invite.startswith(f"INVITE sip:14155550101@127.0.0.1:{called.port}")
    assert header(invite, "From").startswith('"The clinic" <sip:14155550000@127.0.0.1')
    assert header(invite, "P-Asserted-Identity") == "<sip:14155550000@127.0.0.1>"
    assert (header(invite, "X-Account"), header(invite, "X-Dialplane-Attempt")) == ("17", str(order.attempt_uuid))
    assert "PCMU/8000" in invite and "PCMA/8000" in invite and "telephone-event/8000" in invite


@pytest.mark.asyncio
async def test_an_outbound_proxy_gets_what_is_for_a_host_that_nobody_knows(trunk_to: TrunkTo) -> None:
    with callee("refuse", status="486 Busy Here") as called:
        proxy = {"host": "trunk.invalid", "port": 5060, "outbound_proxy": f"127.0.0.1:{called.port}"}
        end = await trunk_to(called.trunk | proxy).ended()

        assert end.disposition is Disposition.BUSY
        assert called.received("INVITE")[0].startswith("INVITE sip:+14155550101@trunk.invalid:5060")


@pytest.mark.asyncio
@pytest.mark.parametrize("contact", ["", ";transport=UDP"])
async def test_a_contact_in_capital_letters_is_reached_by_the_bye(trunk_to: TrunkTo, contact: str) -> None:
    with callee("answer", contact=contact) as called:
        _, line = await trunk_to(called.trunk).answered()
        await line.hang_up()

        called.wait_for("BYE")


@pytest.mark.asyncio
async def test_calls_go_over_tcp_too(trunk_to: TrunkTo) -> None:
    with callee("answer", transport="t1") as called:
        stage = trunk_to(called.trunk | {"transport": "tcp"})
        order, line = await stage.answered()
        await line.hang_up()

        assert (await stage.end(order)).disposition is Disposition.ANSWERED
        assert called.invites() == {str(order.attempt_uuid): 1}


# --- the call is answered -------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_people_are_heard_and_recorded(trunk_to: TrunkTo) -> None:
    with callee("speak", says="yes please") as called:
        stage = trunk_to(called.trunk)
        order, line = await stage.answered()

        said_at = await line.say("Can you come?")
        heard = await line.hear(("yes", "no"))
        await line.hang_up()
        end = await stage.end(order)

    assert heard is not None and "yes" in heard[0]
    assert 0 <= said_at < 1 < heard[1]
    assert (end.disposition, end.cause) == (Disposition.ANSWERED, "hung up by us")
    assert end.recording == f"recordings/1/{order.attempt_uuid}.wav"
    with wave.open(str(stage.folder / end.recording)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8000)
        assert end.answered_at is not None
        assert file.getnframes() / 8000 == pytest.approx((end.at - end.answered_at).total_seconds(), abs=0.4)


@pytest.mark.asyncio
async def test_a_trunk_without_recording_keeps_none(trunk_to: TrunkTo) -> None:
    with callee("answer") as called:
        stage = trunk_to(called.trunk | {"record": False})
        order, line = await stage.answered()
        await line.hang_up()

        assert (await stage.end(order)).recording == ""
        assert not list(stage.folder.rglob("*.wav"))


@pytest.mark.asyncio
async def test_a_key_interrupts_and_is_the_answer(trunk_to: TrunkTo) -> None:
    with callee("answer") as called:
        stage = trunk_to(called.trunk)
        order, line = await stage.answered()

        saying = asyncio.create_task(line.say("Can you come to the clinic tomorrow morning? Please press one or two."))
        await asyncio.sleep(0.7)
        await asyncio.to_thread(press, called, "1")
        await asyncio.wait_for(saying, 1)
        heard = await line.hear(("yes", "no"))
        await line.hang_up()
        await stage.end(order)

    assert heard is not None and heard[0] == "1" and 0.3 < heard[1] < 2.5


@pytest.mark.asyncio
async def test_sound_that_never_comes_is_silence_and_no_fault(trunk_to: TrunkTo) -> None:
    with callee("answer") as called:
        stage = trunk_to(called.trunk | {"hearing": {"silence_seconds": 1}})
        order, line = await stage.answered()

        assert await line.hear(("yes", "no")) is None
        await line.hang_up()
        assert (await stage.end(order)).disposition is Disposition.ANSWERED


@pytest.mark.asyncio
async def test_an_answer_without_sdp_is_the_trunks_fault_and_is_hung_up(trunk_to: TrunkTo) -> None:
    with callee("no_sdp") as called:
        stage = trunk_to(called.trunk)
        order, line = await stage.answered()

        with pytest.raises(HungUp):
            await line.say("Hello. " * 40)
        end = await stage.end(order)

        assert (end.disposition, end.cause) == (Disposition.CARRIER_FAILED, "the trunk's answer agreed on no sound")
        called.wait_for("BYE")


@pytest.mark.asyncio
async def test_somebody_who_hangs_up_during_the_greeting_has_answered(trunk_to: TrunkTo) -> None:
    with callee("hang_up", pause_ms=500) as called:
        stage = trunk_to(called.trunk)
        order, line = await stage.answered()

        with pytest.raises(HungUp):
            await line.say("Hello, this is the clinic, and we have a very long greeting for everybody.")
        end = await stage.end(order)
        with pytest.raises(HungUp):
            await line.hear()

        assert (end.disposition, end.cause) == (Disposition.ANSWERED, "hung up by the person called")
        assert end.recording, "what was said until then is kept"


@pytest.mark.asyncio
async def test_a_call_has_a_longest_time(trunk_to: TrunkTo) -> None:
    with callee("answer") as called:
        stage = trunk_to(called.trunk, max_call_seconds=1)
        order, line = await stage.answered()

        with pytest.raises(HungUp):
            await line.hear()
        end = await stage.end(order)

        assert end.disposition is Disposition.ANSWERED and end.answered_at is not None
        assert 0.9 < (end.at - end.answered_at).total_seconds() < 3


# --- asking again, and the end --------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_call_in_progress_tells_its_past_to_who_asks(trunk_to: TrunkTo) -> None:
    with callee("answer") as called:
        stage = trunk_to(called.trunk)
        order, line = await stage.answered()
        stage.heard.events.clear()

        assert await stage.carrier.lookup(order) is Lookup.KNOWN
        assert stage.heard.kinds(order) == ["Ringing", "Answered"]
        await line.hang_up()
        await stage.end(order)


@pytest.mark.asyncio
async def test_closing_hangs_up_tells_it_and_leaves_no_recording_behind(
    trunk_to: TrunkTo, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with callee("answer") as called:
        stage = trunk_to(called.trunk)
        talking, _ = await stage.answered()
        assert list(tmp_path.glob("dialplane-calls-*/*.wav"))

        await stage.carrier.close()

        end = stage.heard.end(talking)
        assert end.disposition is Disposition.ANSWERED and (stage.folder / end.recording).exists()
        assert not list(tmp_path.glob("dialplane-calls-*"))
        called.wait_for("BYE")
        with pytest.raises(CarrierUnavailable):
            await stage.carrier.place(stage.call())
