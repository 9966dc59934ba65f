"""The Twilio carrier against a cloud of the tests' own: what it is asked, what it tells, and what the engine hears."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest
import pytest_asyncio
import yaml
from cloud import ACCOUNT, PUBLIC_URL, TOKEN, AtTheWorker, Cloud, cloud
from contract import CarrierContract, Heard, Live, order_to
from twilio.request_validator import RequestValidator

from dialplane.carriers.callback_carrier import CallbackCarrier
from dialplane.carriers.callbacks import Callback, Callbacks, bring
from dialplane.carriers.twilio.account import Account
from dialplane.carriers.twilio.carrier import TwilioCarrier
from dialplane.carriers.twilio.signing import is_signed, signature
from dialplane.clocks import RealClock
from dialplane.core.attempt import CallLimits, Order
from dialplane.core.disposition import Disposition
from dialplane.errors import CarrierRefused, CarrierUnavailable, EnvironmentFault, Invalid, PlacementUnknown
from dialplane.files import LocalFiles
from dialplane.ports import Answered, Ended, HungUp, Line, Lookup
from dialplane.providers import build_carrier

ENDINGS = {
    Disposition.BUSY: "01",
    Disposition.NO_ANSWER: "02",
    Disposition.VOICEMAIL: "03",
    Disposition.ANSWERED: "06",
    Disposition.RATE_LIMITED: "11",
    Disposition.CAPACITY: "12",
}
PERSON = "+14155550106"


async def until(happened: Callable[[], object], seconds: float = 10, what: str = "it") -> None:
    give_up_at = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < give_up_at, f"waited too long for {what}"
        await asyncio.sleep(0.01)


class Stage(Live):
    """A carrier of one worker. `beside`: that of another worker, once Twilio's callbacks are brought to it."""

    def __init__(self, cloud: Cloud, folder: Path, **settings: Any) -> None:
        self.cloud, self.folder, self.settings = cloud, folder, settings
        self.clock = RealClock()
        self.callbacks = Callbacks(PUBLIC_URL, "127.0.0.1")
        self.carrier: CallbackCarrier = self.opened({**cloud.settings, **settings})
        self.heard = Heard()
        self.made: list[Order] = []
        self.later: list[Stage] = []
        self.carrier.listen(self.heard)
        cloud.door = AtTheWorker(self.callbacks)

    def opened(self, settings: dict[str, Any]) -> CallbackCarrier:
        account = Account.from_settings(settings).checked()
        return TwilioCarrier(account, self.clock, LocalFiles(self.folder), self.callbacks)

    def beside(self) -> Stage:
        return type(self)(self.cloud, self.folder, **self.settings)

    def order(self, outcome: Disposition) -> Order:
        return self.call(f"+141555501{ENDINGS[outcome]}")

    def unanswered(self) -> Order:
        return self.call("+14155550121")

    def told_twice(self) -> Order:
        self.cloud.twice = True
        return self.order(Disposition.ANSWERED)

    def told_backwards(self) -> Order:
        self.cloud.backwards = True
        return self.order(Disposition.BUSY)

    def accepted(self, order: Order) -> int:
        return sum(str(order.attempt_uuid) in call.one("StatusCallback") for call in self.cloud.calls.values())

    async def vanish(self) -> None:
        await self.cloud.stop()

    async def successor(self) -> Stage:
        second = self.beside()
        second.made = self.made
        self.later.append(second)
        return second

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

    async def close(self) -> None:
        for stage in (self, *self.later):
            await stage.carrier.close()
            await stage.callbacks.close()


@pytest_asyncio.fixture
async def twilio() -> AsyncIterator[Cloud]:
    async with cloud() as made:
        yield made


@pytest_asyncio.fixture
async def stage(twilio: Cloud, tmp_path: Path) -> AsyncIterator[Stage]:
    made = Stage(twilio, tmp_path)
    yield made
    await made.close()


class TestContract(CarrierContract):
    provider = "twilio"

    @pytest_asyncio.fixture
    async def stage(self, twilio: Cloud, tmp_path: Path) -> AsyncIterator[Stage]:
        made = Stage(twilio, tmp_path, machine_detection=True)
        yield made
        await made.close()

    @pytest.mark.asyncio
    async def test_a_person_comes_with_a_line_and_a_machine_without(self, stage: Stage) -> None:
        """Both are talked to at once; it is told later that one of them is a machine, which is hung up on."""
        person, machine = stage.order(Disposition.ANSWERED), stage.order(Disposition.VOICEMAIL)

        await stage.carrier.place(person)
        await stage.carrier.place(machine)

        assert (await stage.end(machine)).disposition is Disposition.VOICEMAIL
        await stage.run_until_over()
        assert stage.heard.end(person).disposition is Disposition.ANSWERED


# --- signatures -----------------------------------------------------------------------------------

FORMS: list[dict[str, str]] = [
    {"CallSid": "CA1", "CallStatus": "ringing", "CallerName": ""},
    {"To": "+14155550100", "Digits": "1 & 2 = ü", "a": "z", "B": "y"},
    {},
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("url", [f"{PUBLIC_URL}/callbacks/1/x/status", "https://calls.example.org:8443/a?b=c&d=%20"])
def test_our_signatures_are_twilios(url: str, form: dict[str, str]) -> None:
    """In both directions, and nothing else is taken."""
    theirs = RequestValidator(TOKEN)
    pairs = list(form.items())

    assert theirs.validate(url, form, signature(TOKEN, url, pairs))
    assert is_signed(TOKEN, url, pairs, theirs.compute_signature(url, form))
    assert is_signed(TOKEN, url, pairs, theirs.compute_signature(url.replace(":8443", ""), form))
    assert not is_signed(TOKEN, url, [*pairs, ("CallStatus", "busy")], theirs.compute_signature(url, form))
    assert not is_signed("another token", url, pairs, theirs.compute_signature(url, form))
    assert not is_signed(TOKEN, f"{url}x", pairs, theirs.compute_signature(url, form))
    assert not is_signed(TOKEN, url, pairs, "")
    assert not is_signed(TOKEN, url, pairs, "ü")


# --- what is asked --------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_call_is_asked_for_as_twilio_describes_it(stage: Stage) -> None:
    order = stage.call()

    sid = await stage.carrier.place(order)

    call = stage.cloud.calls[sid]
    assert (call.one("To"), call.one("From")) == (PERSON, "+14155550000")
    assert call.one("StatusCallback") == f"{PUBLIC_URL}/callbacks/1/{order.attempt_uuid}/status"
    assert call.form["StatusCallbackEvent"] == ["initiated", "ringing", "answered", "completed"]
    assert (call.one("Timeout"), call.one("TimeLimit")) == ("45", "1800")
    assert "MachineDetection" not in call.form


@pytest.mark.asyncio
async def test_an_api_key_speaks_in_place_of_the_account(twilio: Cloud, tmp_path: Path) -> None:
    stage = Stage(twilio, tmp_path, api_key="SK1", api_secret="of-another-account")
    with pytest.raises(CarrierUnavailable, match="20003 Authenticate"):
        await stage.carrier.place(stage.call())
    await stage.close()


# --- what becomes of it ---------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("ending", "disposition", "sip"),
    [
        ("01", Disposition.BUSY, 486),
        ("04", Disposition.INVALID_NUMBER, 404),
        ("05", Disposition.DECLINED, 603),
        ("07", Disposition.BLOCKED, 608),
    ],
)
async def test_a_call_that_nobody_takes(stage: Stage, ending: str, disposition: Disposition, sip: int) -> None:
    end = await stage.ended(f"+1415555010{ending[-1]}")

    assert (end.disposition, end.sip_status, end.answered_at, end.recording) == (disposition, sip, None, "")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("ending", "disposition"),
    [("13", Disposition.INVALID_NUMBER), ("16", Disposition.BLOCKED), ("12", Disposition.CAPACITY)],
)
async def test_a_number_that_twilio_refuses(stage: Stage, ending: str, disposition: Disposition) -> None:
    with pytest.raises(CarrierRefused) as refused:
        await stage.carrier.place(stage.call(f"+141555501{ending}"))

    assert refused.value.disposition is disposition
    assert "2121" in refused.value.cause or "10004" in refused.value.cause


@pytest.mark.asyncio
async def test_a_number_of_ours_that_twilio_does_not_know_is_not_the_persons_fault(stage: Stage) -> None:
    with pytest.raises(CarrierUnavailable, match="21210 'From' phone number not verified"):
        await stage.carrier.place(stage.call("+14155550114"))


@pytest.mark.asyncio
async def test_a_pause_that_twilio_asks_for_is_kept(stage: Stage) -> None:
    stage.cloud.retry_after = "1"
    for _ in range(3):
        with pytest.raises(CarrierRefused) as refused:
            await stage.carrier.place(stage.order(Disposition.RATE_LIMITED))
        assert refused.value.disposition is Disposition.RATE_LIMITED
    assert len(stage.cloud.requests) == 1

    await asyncio.sleep(1.05)

    assert (await stage.ended("+14155550101")).disposition is Disposition.BUSY


@pytest.mark.asyncio
async def test_a_token_that_was_revoked_ends_the_carrier_with_the_reason(stage: Stage) -> None:
    stage.cloud.revoked = True
    for _ in range(3):
        with pytest.raises(CarrierUnavailable, match="does not accept this account or its credentials: 20003"):
            await stage.carrier.place(stage.call())
    assert len(stage.cloud.requests) == 1, "nobody asks again who has been told no for good"
    assert "20003 Authenticate" in str(await stage.carrier.probe())


@pytest.mark.asyncio
async def test_an_answer_that_never_comes_leaves_it_open_and_what_twilio_tells_closes_it(stage: Stage) -> None:
    order = stage.call("+14155550122", seconds=1.5)

    with pytest.raises(PlacementUnknown):
        await stage.carrier.place(order)

    line = await stage.line(order)
    await line.hang_up()
    assert (await stage.end(order)).disposition is Disposition.ANSWERED
    assert len(stage.cloud.calls) == 1


# --- what is told ---------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_what_is_told_again_is_taken_as_if_it_were_new(stage: Stage) -> None:
    stage.cloud.twice = True
    order, line = await stage.answered()
    await line.hang_up()
    await stage.end(order)
    call = stage.cloud.call_to(PERSON)
    await until(lambda: len(call.answers) == 12, what="four callbacks three times")

    assert set(call.answers) == {204}
    assert await stage.cloud.bring(*stage.cloud.told[0]) == 204, "long after the end too"


@pytest.mark.asyncio
async def test_what_others_say_changes_nothing(stage: Stage) -> None:
    """Not signed, signed for something else, signed for another call, of a call that nobody knows."""
    order, other = stage.call("+14155550102"), stage.call("+14155550202")
    await stage.carrier.place(order)
    await stage.carrier.place(other)
    await until(lambda: "Ringing" in stage.heard.kinds(order) and "Ringing" in stage.heard.kinds(other))
    url, sign, fields = next(told for told in stage.cloud.told if str(order.attempt_uuid) in told[0])
    busy = {**fields, "CallStatus": "busy"}
    theirs = RequestValidator("a token of theirs").compute_signature(url, busy)

    assert await stage.cloud.bring(url, "", busy) == 403
    assert await stage.cloud.bring(url, sign, busy) == 403
    assert await stage.cloud.bring(url, theirs, busy) == 403
    assert await stage.cloud.bring(url.replace(str(order.attempt_uuid), str(other.attempt_uuid)), sign, fields) == 403
    assert await stage.cloud.bring(url.replace(str(order.attempt_uuid), str(uuid4())), sign, fields) == 404
    assert await stage.cloud.bring(url, sign, fields) == 204, "Twilio's own, once more"
    assert stage.heard.kinds(order) == stage.heard.kinds(other) == ["Ringing"]


@pytest.mark.asyncio
async def test_an_end_that_is_never_told_is_asked_for(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dialplane.carriers.sound_carrier.LATE_SECONDS", 0.2)
    stage.cloud.loses, stage.cloud.hangs_up_after = ("completed",), 0.3
    order, line = await stage.answered()

    with pytest.raises(HungUp):
        await line.hear()
        await line.hear()

    assert (await stage.end(order)).disposition is Disposition.ANSWERED


# --- workers that take over -----------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_call_that_rings_is_talked_on_by_the_worker_that_took_it_over(stage: Stage) -> None:
    stage.cloud.rings_for = 1.0
    order = stage.call()
    sid = await stage.carrier.place(order)
    await until(lambda: "Ringing" in stage.heard.kinds(order))
    second = stage.beside()  # the first one has died

    assert await second.carrier.lookup(replace(order, carrier_call_id=sid)) is Lookup.KNOWN
    line = await second.line(order)
    await line.hang_up()

    assert (await second.end(order)).disposition is Disposition.ANSWERED
    assert "Answered" not in stage.heard.kinds(order)
    await second.close()


@pytest.mark.asyncio
async def test_without_its_sid_nobody_can_tell_until_twilio_does(stage: Stage) -> None:
    stage.cloud.rings_for = 1.0
    order = stage.call()
    await stage.carrier.place(order)
    second = stage.beside()

    assert await second.carrier.lookup(order) is Lookup.CANNOT_TELL
    line = await second.line(order)
    await line.hang_up()

    assert (await second.end(order)).disposition is Disposition.ANSWERED
    await second.close()


@pytest.mark.asyncio
async def test_a_call_that_is_over_is_told_as_twilio_remembers_it(stage: Stage) -> None:
    stage.cloud.hangs_up_after = 1.0
    order = stage.call()
    sid = await stage.carrier.place(order)
    await stage.end(order)
    second = stage.beside()

    assert await second.carrier.lookup(replace(order, carrier_call_id=sid)) is Lookup.KNOWN

    end = await second.end(order)
    assert end.disposition is Disposition.ANSWERED and end.answered_at is not None
    assert abs((end.at - end.answered_at).total_seconds() - 1) < 1.2
    assert await second.carrier.lookup(replace(order, carrier_call_id="CA0")) is Lookup.KNOWN, "it remembers"
    nobodys = replace(stage.call(), carrier_call_id="CA" + "f" * 32)
    assert await second.carrier.lookup(nobodys) is Lookup.CANNOT_TELL
    await second.close()


@pytest.mark.asyncio
async def test_twilio_that_cannot_be_asked_says_nothing(stage: Stage) -> None:
    stage.cloud.revoked = True
    with pytest.raises(CarrierUnavailable):
        await stage.carrier.lookup(replace(stage.call(), carrier_call_id="CA1"))


# --- hanging up, closing --------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_call_that_is_hung_up_while_it_is_being_placed_does_not_ring_on(stage: Stage) -> None:
    stage.cloud.answers_after = 0.3
    order = stage.call("+14155550102")
    placing = asyncio.create_task(stage.carrier.place(order))
    await until(lambda: stage.cloud.requests)
    await stage.carrier.hang_up(order.attempt_uuid)
    await placing

    assert (await stage.end(order)).disposition is Disposition.CANCELED


@pytest.mark.asyncio
async def test_a_carrier_that_closes_leaves_nobody_alone_on_the_line(stage: Stage) -> None:
    _, line = await stage.answered()

    await stage.carrier.close()

    await until(lambda: stage.cloud.call_to(PERSON).status == "completed")
    with pytest.raises(HungUp):
        await line.hear()


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"account_sid": None}, "account_sid"),
        ({"account_sid": "SK1"}, "begins with AC"),
        ({"auth_token": "with a space"}, "auth_token"),
        ({"api_url": "http://api.example.org"}, "api_url"),
        ({"api_url": "https://user:secret@api.example.org"}, "api_url"),
        ({"api_key": "SK1"}, "belong together"),
        ({"acount_sid": "AC1"}, "did you mean 'account_sid'"),
        ({"cps": 0}, "cps"),
        ({"ring_timeout_seconds": 5}, "ring_timeout_seconds"),
    ],
)
def test_settings_that_are_wrong_name_the_field(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(Invalid, match=complaint):
        Account.from_settings({"account_sid": ACCOUNT, "auth_token": TOKEN} | settings).checked()


@pytest.mark.parametrize("settings", [{"account_sid": ACCOUNT}, {"auth_token": TOKEN}])
def test_an_account_that_lacks_something_is_kept_and_places_nothing(settings: dict[str, Any]) -> None:
    account = Account.from_settings(settings)

    assert account.limits().cps == 1.0
    with pytest.raises(Invalid, match="is missing"):
        account.checked()


@pytest.mark.parametrize("public_url", [None, "http://calls.example.org"])
def test_without_an_address_that_twilio_reaches_nothing_is_placed(public_url: str | None, tmp_path: Path) -> None:
    callbacks = None if public_url is None else Callbacks(public_url, "127.0.0.1")
    with pytest.raises(Invalid, match="DIALPLANE_PUBLIC_URL"):
        build_carrier(
            "twilio", {"account_sid": ACCOUNT, "auth_token": TOKEN}, RealClock(), tmp_path, 1, LocalFiles(tmp_path),
            callbacks,
        )  # fmt: skip


def test_an_address_that_is_not_this_machines_is_named() -> None:
    with pytest.raises(EnvironmentFault, match=r"DIALPLANE_WORKER_ADDRESS: 203\.0\.113\.7 cannot be listened on"):
        _ = Callbacks(PUBLIC_URL, "203.0.113.7").address


def test_the_example_is_understood() -> None:
    example = yaml.safe_load((Path(__file__).parents[2] / "examples" / "twilio.yaml").read_text(encoding="utf-8"))
    given = {name: value for name, value in example.items() if name not in ("name", "numbers")}

    assert Account.from_settings(given).checked().machine_detection


@pytest.mark.asyncio
async def test_what_nobody_understands_does_not_stop_a_worker_from_listening() -> None:
    callbacks = Callbacks(PUBLIC_URL, "127.0.0.1")

    class Anybody:
        def told(self, callback: Callback) -> int:
            return 204

    await callbacks.follow("one", cast(Any, Anybody()))
    address = callbacks.address
    host, _, port = address.rpartition(":")
    for nonsense in (b"\n", b"GET / HTTP/1.1\r\n\r\n", b"[]\n", b'{"attempt": 1}\n', b"x" * 600_000):
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(nonsense)
        writer.close()

    assert await bring(address, Callback(attempt="one", what="status", headers={})) == 204
    assert await bring(address, Callback(attempt="two", what="status", headers={})) == 404
    await callbacks.close()
    with pytest.raises(CarrierUnavailable):
        await bring(address, Callback(attempt="one", what="status", headers={}))
