"""The Twilio carrier against a cloud of the tests' own: what it is asked, what it tells, and what the engine hears."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, cast
from uuid import uuid4

import pytest
import pytest_asyncio
import yaml
from calls import PERSON, until
from cloud import ACCOUNT, PUBLIC_URL, TOKEN, Cloud, cloud
from sound_contract import CallbackContract, CallbackPromises
from stages import TwilioStage
from twilio.request_validator import RequestValidator

from dialplane.carriers.callbacks import Callback, Callbacks, bring
from dialplane.carriers.twilio.account import Account
from dialplane.carriers.twilio.signing import is_signed, signature
from dialplane.core.disposition import Disposition
from dialplane.errors import CarrierRefused, CarrierUnavailable, EnvironmentFault, Invalid
from dialplane.ports import HungUp, Lookup


@pytest_asyncio.fixture
async def network() -> AsyncIterator[Cloud]:
    async with cloud() as made:
        yield made


class TestContract(CallbackContract):
    provider = "twilio"


class TestPromises(CallbackPromises):
    provider, name = "twilio", "Twilio"
    account: ClassVar = {"account_sid": ACCOUNT, "auth_token": TOKEN}
    last = "completed"


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
async def test_a_call_is_asked_for_as_twilio_describes_it(stage: TwilioStage) -> None:
    order = stage.call()

    sid = await stage.carrier.place(order)

    call = stage.network.calls[sid]
    assert (call.one("To"), call.one("From")) == (PERSON, "+14155550000")
    assert call.one("StatusCallback") == f"{PUBLIC_URL}/callbacks/1/{order.attempt_uuid}/status"
    assert call.form["StatusCallbackEvent"] == ["initiated", "ringing", "answered", "completed"]
    assert (call.one("Timeout"), call.one("TimeLimit")) == ("45", "1800")
    assert "MachineDetection" not in call.form


@pytest.mark.asyncio
async def test_an_api_key_speaks_in_place_of_the_account(network: Cloud, tmp_path: Path) -> None:
    stage = TwilioStage(network, tmp_path, api_key="SK1", api_secret="of-another-account")
    with pytest.raises(CarrierUnavailable, match="20003 Authenticate"):
        await stage.carrier.place(stage.call())
    await stage.close()


# --- what becomes of it ---------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("ending", "disposition"),
    [("13", Disposition.INVALID_NUMBER), ("16", Disposition.BLOCKED), ("12", Disposition.CAPACITY)],
)
async def test_a_number_that_twilio_refuses(stage: TwilioStage, ending: str, disposition: Disposition) -> None:
    with pytest.raises(CarrierRefused) as refused:
        await stage.carrier.place(stage.call(f"+141555501{ending}"))

    assert refused.value.disposition is disposition
    assert "2121" in refused.value.cause or "10004" in refused.value.cause


@pytest.mark.asyncio
async def test_a_number_of_ours_that_twilio_does_not_know_is_not_the_persons_fault(stage: TwilioStage) -> None:
    with pytest.raises(CarrierUnavailable, match="21210 'From' phone number not verified"):
        await stage.carrier.place(stage.call("+14155550114"))


# --- what is told ---------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_what_others_say_changes_nothing(stage: TwilioStage) -> None:
    """Not signed, signed for something else, signed for another call, of a call that nobody knows."""
    order, other = stage.call("+14155550102"), stage.call("+14155550202")
    await stage.carrier.place(order)
    await stage.carrier.place(other)
    await until(lambda: "Ringing" in stage.heard.kinds(order) and "Ringing" in stage.heard.kinds(other))
    url, sign, fields = next(told for told in stage.network.told if str(order.attempt_uuid) in told[0])
    busy = {**fields, "CallStatus": "busy"}
    theirs = RequestValidator("a token of theirs").compute_signature(url, busy)

    assert await stage.network.bring(url, "", busy) == 403
    assert await stage.network.bring(url, sign, busy) == 403
    assert await stage.network.bring(url, theirs, busy) == 403
    assert await stage.network.bring(url.replace(str(order.attempt_uuid), str(other.attempt_uuid)), sign, fields) == 403
    assert await stage.network.bring(url.replace(str(order.attempt_uuid), str(uuid4())), sign, fields) == 404
    assert await stage.network.bring(url, sign, fields) == 204, "Twilio's own, once more"
    assert stage.heard.kinds(order) == stage.heard.kinds(other) == ["Ringing"]


# --- workers that take over -----------------------------------------------------------------------


@pytest.mark.asyncio
async def test_without_its_sid_nobody_can_tell_until_twilio_does(stage: TwilioStage) -> None:
    stage.network.rings_for = 60.0
    order = await stage.placed()
    second = stage.beside()

    assert await second.carrier.lookup(order) is Lookup.CANNOT_TELL
    stage.network.rings_for = 0.0
    line = await second.line(order)
    await line.hang_up()

    assert (await second.end(order)).disposition is Disposition.ANSWERED


@pytest.mark.asyncio
async def test_a_call_that_is_over_is_told_as_twilio_remembers_it(stage: TwilioStage) -> None:
    stage.network.hangs_up_after = 1.0
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


@pytest.mark.asyncio
async def test_twilio_that_cannot_be_asked_says_nothing(stage: TwilioStage) -> None:
    stage.network.revoked = True
    with pytest.raises(CarrierUnavailable):
        await stage.carrier.lookup(replace(stage.call(), carrier_call_id="CA1"))


# --- hanging up, closing --------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_carrier_that_closes_leaves_nobody_alone_on_the_line(stage: TwilioStage) -> None:
    _, line = await stage.answered()

    await stage.carrier.close()

    await until(lambda: stage.network.call_to(PERSON).status == "completed")
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
