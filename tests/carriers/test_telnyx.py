"""The Telnyx carrier against a cloud of the tests' own: what it is asked, what it tells, and what the engine hears."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
import yaml
from calls import FOREVER, PERSON, until
from cloud import PUBLIC_URL
from nacl.signing import SigningKey
from sound_contract import CallbackContract, CallbackPromises
from stages import TelnyxStage
from telnyx_cloud import API_KEY, CONNECTION, PUBLIC_KEY, Telnyx, signed, telnyx_cloud

from dialplane.carriers.telnyx.account import Account
from dialplane.carriers.telnyx.outcomes import disposition_of
from dialplane.carriers.telnyx.signing import is_signed
from dialplane.core.disposition import Disposition
from dialplane.errors import CarrierRefused, CarrierUnavailable, Invalid, PlacementUnknown
from dialplane.ports import Lookup


@pytest_asyncio.fixture
async def network() -> AsyncIterator[Telnyx]:
    async with telnyx_cloud() as made:
        yield made


class TestContract(CallbackContract):
    provider = "telnyx"


ACCOUNT = {"api_key": API_KEY, "connection_id": CONNECTION, "webhook_public_key": PUBLIC_KEY}


class TestPromises(CallbackPromises):
    provider, name = "telnyx", "Telnyx"
    account = ACCOUNT
    last = "call.hangup"


# --- signatures -----------------------------------------------------------------------------------

BODY = '{"data": {"event_type": "call.answered", "payload": {"to": "ü"}}}'
OTHERS = SigningKey(b"somebody else's thirty-two bytes")


@pytest.mark.parametrize(
    ("seconds_ago", "changed", "is_good"),
    [
        (0, {}, True),
        (290, {}, True),
        (310, {}, False),
        (-310, {}, False),
        (0, {"telnyx-timestamp": str(int(time.time()) - 60)}, False),
        (0, {"telnyx-timestamp": "now"}, False),
        (0, {"telnyx-timestamp": ""}, False),
        (0, {"telnyx-signature-ed25519": "not base64"}, False),
        (0, {"telnyx-signature-ed25519": base64.b64encode(b"short").decode()}, False),
        (0, {"telnyx-signature-ed25519": ""}, False),
        (0, signed(BODY.replace("answered", "hangup")), False),
        (0, signed(BODY, key=OTHERS), False),
    ],
)
def test_we_believe_what_telnyxs_own_library_believes(
    seconds_ago: float, changed: Mapping[str, str], is_good: bool
) -> None:
    from telnyx.lib import verify_webhook_signature
    from telnyx.lib.webhook_verification import WebhookVerificationError

    headers = signed(BODY, time.time() - seconds_ago) | changed
    try:
        verify_webhook_signature(BODY, headers, PUBLIC_KEY)
        theirs = True
    except WebhookVerificationError:
        theirs = False

    assert theirs == is_good
    assert is_signed(PUBLIC_KEY, BODY, headers, time.time()) == is_good


# --- what is asked --------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_call_is_asked_for_with_its_sound_and_its_own_address(stage: TelnyxStage) -> None:
    """That these are parameters as Telnyx's library has them is seen by the cloud, at every call."""
    order = stage.call()

    call_id = await stage.carrier.place(order)

    asked, attempt = stage.network.calls[call_id].asked, str(order.attempt_uuid)
    assert (asked["to"], asked["from"], asked["connection_id"]) == (PERSON, "+14155550000", CONNECTION)
    assert asked["command_id"] == attempt == base64.b64decode(asked["client_state"]).decode()
    assert asked["webhook_url"] == f"{PUBLIC_URL}/callbacks/1/{attempt}/event"
    assert asked["stream_url"] == f"{PUBLIC_URL.replace('https', 'wss')}/callbacks/1/{attempt}/stream"
    assert (asked["stream_bidirectional_mode"], asked["stream_bidirectional_codec"]) == ("rtp", "PCMU")
    assert (asked["timeout_secs"], asked["time_limit_secs"]) == (45, 1800)
    assert "answering_machine_detection" not in asked
    assert API_KEY not in json.dumps(asked)


@pytest.mark.asyncio
async def test_what_is_hung_up_twice_is_one_command(stage: TelnyxStage) -> None:
    order = stage.call(FOREVER)
    await stage.carrier.place(order)
    await until(lambda: "Ringing" in stage.heard.kinds(order))

    await asyncio.gather(*(stage.carrier.hang_up(order.attempt_uuid) for _ in range(2)))
    await stage.end(order)

    assert [action for action, _ in stage.network.call_to(FOREVER).commands.values()] == ["hangup"]


@pytest.mark.asyncio
async def test_an_application_that_cannot_be_used_is_named(stage: TelnyxStage, network: Telnyx, tmp_path: Path) -> None:
    network.switched_off = True
    assert "switched off" in str(await stage.carrier.probe())

    other = TelnyxStage(network, tmp_path, connection_id="1")
    assert "no Voice API application 1: see connection_id" in str(await other.carrier.probe())
    await other.close()


# --- what becomes of it ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cause", "sip", "disposition"),
    [
        ("timeout", 487, Disposition.NO_ANSWER),
        ("no_answer", 480, Disposition.NO_ANSWER),
        ("originator_cancel", 487, Disposition.CANCELED),
        ("user_busy", 486, Disposition.BUSY),
        ("not_found", 404, Disposition.INVALID_NUMBER),
        ("call_rejected", None, Disposition.DECLINED),
        ("call_rejected", 607, Disposition.UNWANTED),
        ("call_rejected", 403, Disposition.CARRIER_FAILED),
        ("unspecified", 480, Disposition.UNREACHABLE),
        ("unspecified", 503, Disposition.CARRIER_FAILED),
        ("unspecified", None, Disposition.CARRIER_FAILED),
        ("a new word", None, Disposition.CARRIER_FAILED),
    ],
)
def test_what_the_end_of_a_call_that_nobody_took_comes_to(
    cause: str, sip: int | None, disposition: Disposition
) -> None:
    assert disposition_of(cause, sip) is disposition


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("ending", "disposition", "cause"),
    [
        ("13", Disposition.INVALID_NUMBER, "10016 Phone number must be in +E.164 format"),
        ("16", Disposition.BLOCKED, "whitelisted countries D13"),
        ("12", Disposition.CAPACITY, "User channel limit exceeded D1"),
    ],
)
async def test_a_call_that_telnyx_refuses(
    stage: TelnyxStage, ending: str, disposition: Disposition, cause: str
) -> None:
    with pytest.raises(CarrierRefused) as refused:
        await stage.carrier.place(stage.call(f"+141555501{ending}"))

    assert refused.value.disposition is disposition
    assert cause in refused.value.cause


@pytest.mark.asyncio
@pytest.mark.parametrize(("ending", "cause"), [("14", "Unverified origination number D51"), ("17", "10016")])
async def test_a_number_of_ours_that_telnyx_does_not_take_is_not_the_persons_fault(
    stage: TelnyxStage, ending: str, cause: str
) -> None:
    for _ in range(2):
        with pytest.raises(CarrierUnavailable, match=cause):
            await stage.carrier.place(stage.call(f"+141555501{ending}"))
    assert len(stage.network.requests) == 2, "another number of ours may do"


@pytest.mark.asyncio
async def test_a_call_in_doubt_that_is_hung_up_does_not_ring_on(stage: TelnyxStage) -> None:
    """Nobody has its id until the first webhook comes."""
    stage.network.initiates_after, stage.network.rings_for = 0.3, 30.0
    order = stage.unanswered()
    with pytest.raises(PlacementUnknown):
        await stage.carrier.place(order)

    await stage.carrier.hang_up(order.attempt_uuid)

    assert (await stage.end(order)).disposition is Disposition.CANCELED


# --- what is told ---------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_what_others_say_changes_nothing(stage: TelnyxStage) -> None:
    """Not signed, signed by others, signed for something else, for another call or long ago; of a call nobody knows."""
    order, other = stage.call(FOREVER), stage.call("+14155550202")
    await stage.carrier.place(order)
    await stage.carrier.place(other)
    await until(lambda: "Ringing" in stage.heard.kinds(order) and "Ringing" in stage.heard.kinds(other))
    url, headers, body = next(told for told in stage.network.told if str(order.attempt_uuid) in told[0])
    its_end = json.dumps(
        {"data": stage.network.event(stage.network.call_to(FOREVER), "call.hangup", hangup_cause="user_busy")}
    )
    of_other = url.replace(str(order.attempt_uuid), str(other.attempt_uuid))

    assert await stage.network.bring(url, {}, its_end) == 403
    assert await stage.network.bring(url, headers, its_end) == 403
    assert await stage.network.bring(url, signed(its_end, key=OTHERS), its_end) == 403
    assert await stage.network.bring(url, signed(its_end, time.time() - 600), its_end) == 403
    assert await stage.network.bring(of_other, signed(its_end), its_end) == 403, "its signature is that of any address"
    assert await stage.network.bring(url, signed("[]"), "[]") == 403
    assert await stage.network.bring(url.replace(str(order.attempt_uuid), str(uuid4())), headers, body) == 404
    assert await stage.network.bring(url, headers, body) == 204, "Telnyx's own, once more"
    assert stage.heard.kinds(order) == stage.heard.kinds(other) == ["Ringing"]


# --- streams --------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_nobody_is_left_in_silence_when_telnyx_cannot_open_a_stream(stage: TelnyxStage) -> None:
    stage.network.breaks_stream = True

    end = await stage.ended(PERSON)

    assert end.disposition is Disposition.AGENT_FAILED
    assert "wss://" in end.cause and "connection_failed" in end.cause


@pytest.mark.asyncio
async def test_nobody_is_left_in_silence_when_no_stream_is_opened(
    stage: TelnyxStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dialplane.carriers.telnyx.carrier.STREAM_SECONDS", 0.2)
    stage.network.opens_streams = False

    assert (await stage.ended(PERSON)).disposition is Disposition.AGENT_FAILED


@pytest.mark.asyncio
async def test_a_stream_that_would_be_noise_is_not_taken(stage: TelnyxStage) -> None:
    stage.network.codec = "OPUS"

    assert (await stage.ended(PERSON)).disposition is Disposition.AGENT_FAILED


@pytest.mark.asyncio
async def test_nobody_else_opens_a_stream(stage: TelnyxStage) -> None:
    """Without a token, with another one, and with the right one for another call."""
    order = stage.call(FOREVER)
    await stage.carrier.place(order)
    await until(lambda: "Ringing" in stage.heard.kinds(order))
    call, name = stage.network.call_to(FOREVER), "x-telnyx-streaming-auth-token"
    token = call.asked["stream_auth_token"]
    assert stage.network.door is not None
    for headers, sid in (({}, call.sid), ({name: "another"}, call.sid), ({name: token}, "v3:another")):
        call.socket = await stage.network.door.stream(call.asked["stream_url"], headers)
        await stage.network.begin(call, {"call_control_id": sid})
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(call.socket.recv(), 5)

    assert stage.heard.kinds(order) == ["Ringing"]


# --- workers that take over -----------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_call_whose_stream_died_with_its_worker_is_hung_up_by_the_next(stage: TelnyxStage) -> None:
    """Telnyx leaves it open, and the person in silence; it tells that the stream has stopped."""
    order, _ = await stage.answered()
    second = await stage.successor()
    assert (
        await second.carrier.lookup(replace(order, carrier_call_id=stage.network.call_to(PERSON).sid)) is Lookup.KNOWN
    )

    await stage.network.call_to(PERSON).socket.close()

    assert (await second.end(order)).disposition is Disposition.AGENT_FAILED


@pytest.mark.asyncio
async def test_of_a_call_that_is_over_telnyx_does_not_tell_how_it_ended(stage: TelnyxStage) -> None:
    order = stage.call("+14155550101")
    call_id = await stage.carrier.place(order)
    await stage.end(order)
    second = await stage.successor()

    assert await second.carrier.lookup(replace(order, carrier_call_id=call_id)) is Lookup.KNOWN

    end = await second.end(order)
    assert end.disposition is Disposition.UNKNOWN and "does not tell" in end.cause
    nobodys = replace(stage.call(), carrier_call_id="v3:nobodys")
    assert await second.carrier.lookup(nobodys) is Lookup.CANNOT_TELL


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"api_key": "with a space"}, "api_key"),
        ({"connection_id": 1684641123236054244}, "connection_id"),
        ({"webhook_public_key": "c2hvcnQ="}, "webhook_public_key"),
        ({"webhook_public_key": "no base64"}, "webhook_public_key"),
        ({"api_url": "http://api.example.org"}, "api_url"),
        ({"conection_id": "1"}, "did you mean 'connection_id'"),
        ({"ring_timeout_seconds": 5}, "ring_timeout_seconds"),
    ],
)
def test_settings_that_are_wrong_name_the_field(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(Invalid, match=complaint):
        Account.from_settings(ACCOUNT | settings).checked()


@pytest.mark.parametrize("missing", ACCOUNT)
def test_an_account_that_lacks_something_is_kept_and_places_nothing(missing: str) -> None:
    account = Account.from_settings({name: value for name, value in ACCOUNT.items() if name != missing})

    assert account.limits().cps == 1.0
    with pytest.raises(Invalid, match=missing):
        account.checked()


def test_the_example_is_understood() -> None:
    example = yaml.safe_load((Path(__file__).parents[2] / "examples" / "telnyx.yaml").read_text(encoding="utf-8"))
    given = {name: value for name, value in example.items() if name not in ("name", "numbers")}

    assert Account.from_settings(given).checked().machine_detection
