"""Telnyx as an adapter meets it: its API over HTTP, its signed webhooks, its streams; and the people who are called.

Requests are held against the parameters of Telnyx's own library, and answers and webhooks against its models; its
verifier looks at what is signed here.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, Required, get_args, get_origin, get_type_hints
from urllib.parse import unquote
from uuid import uuid4

import websockets
from cloud import BREAKS, BUSY, DECLINED, MACHINE, NEVER, SILENT, SPAM, WRONG, Cloud, CloudCall
from nacl.signing import SigningKey
from network import served
from pydantic import BaseModel, TypeAdapter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dialplane.errors import CarrierUnavailable

API_KEY, CONNECTION = "KEY0123456789ABCDEF_abcdefghijklmnop", "1684641123236054244"
SIGNING = SigningKey(b"thirty-two bytes for the tests !")
PUBLIC_KEY = base64.b64encode(bytes(SIGNING.verify_key)).decode()
# By the last two digits of a number.
REFUSED: Mapping[str, tuple[int, Mapping[str, Any]]] = {
    "11": (429, {"code": "10011", "title": "Too many requests", "detail": "You have exceeded the limit."}),
    "12": (403, {"code": "10010", "title": "Authorization failed", "detail": "User channel limit exceeded D1"}),
    "13": (422, {"code": "10016", "title": "Phone number must be in +E.164 format", "source": {"pointer": "/to"}}),
    "14": (403, {"code": "10010", "title": "Authorization failed", "detail": "Unverified origination number D51"}),
    "15": (401, {"code": "10009", "title": "Authentication failed", "detail": "No key found"}),
    "16": (403, {"code": "10010", "title": "", "detail": "Dialed number is not included in whitelisted countries D13"}),
    "17": (422, {"code": "10016", "title": "Phone number must be in +E.164 format", "source": {"pointer": "/from"}}),
}


@dataclass(eq=False)
class TelnyxCall(CloudCall):
    """sid: its call_control_id. commands: that it was given, by their ids."""

    asked: Mapping[str, Any] = field(default_factory=dict)
    ended_at: datetime | None = None
    commands: dict[str, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)


@dataclass
class Telnyx(Cloud):
    """breaks_stream: none can be opened. switched_off: the application of the portal. codec: of streams."""

    initiates_after: float = 0.05  # it has taken a call
    breaks_stream: bool = False
    switched_off: bool = False
    codec: str = "PCMU"

    def __post_init__(self) -> None:
        self._ids = (f"v3:{n:032x}" for n in itertools.count(1))

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "provider": "telnyx", "api_key": API_KEY, "connection_id": CONNECTION, "webhook_public_key": PUBLIC_KEY,
            "api_url": f"{self.url}/v2", "cps": None, "slow_start": False, "hearing": {"silence_seconds": 2},
        }  # fmt: skip

    # --- its API ---------------------------------------------------------------------------------------------

    async def ask(self, request: Request) -> Response:
        text = await request.body()
        path = unquote(request.url.path)
        body = json.loads(text) if text else {}
        self.requests.append((request.method, path, body))
        if self.revoked or request.headers.get("Authorization") != f"Bearer {API_KEY}":
            return refusal(401, REFUSED["15"][1])
        match path.removeprefix("/v2/").split("/"):
            case ["calls"]:
                return await self._dialled(body)
            case ["call_control_applications", id]:
                return self._application(id)
            case ["calls", id]:
                call = self.calls.get(id)
                return refusal(404, NOT_FOUND) if call is None else answer("CallRetrieveStatusResponse", shown(call))
            case ["calls", id, "actions", action]:
                call = self.calls.get(id)
                return refusal(404, NOT_FOUND) if call is None else self._commanded(call, action, body)
        return refusal(404, NOT_FOUND)

    def _application(self, id: str) -> Response:
        if id != CONNECTION:
            return refusal(404, NOT_FOUND)
        return answer("CallControlApplicationRetrieveResponse", {"id": id, "active": not self.switched_off})

    async def _dialled(self, body: Mapping[str, Any]) -> Response:
        if (fault := mistake("CallDialParams", body)) is not None:
            return refusal(422, {"code": "10015", "title": "Bad Request", "detail": fault})
        for call in self.calls.values():
            if call.asked["command_id"] == body["command_id"]:
                return answer("CallDialResponse", shown(call))
        ending = body["to"][-2:]
        if ending in REFUSED:
            refused = refusal(*REFUSED[ending])
            if self.retry_after:
                refused.headers["Retry-After"] = self.retry_after
            return refused
        # What conversations look for, under the names that they know.
        form = {"To": [body["to"]], "From": [body["from"]], "StatusCallback": [body["webhook_url"]]}
        call = TelnyxCall(next(self._ids), form, asked=body)
        self.calls[call.sid] = call
        self.spawn(self._dial(call, ending))
        if ending == BREAKS:
            return refusal(500, {"code": "10007", "title": "Unexpected error"})
        if ending == SILENT:
            await self.closing.wait()
        await asyncio.sleep(self.answers_after)
        return answer("CallDialResponse", shown(call))

    def _commanded(self, call: TelnyxCall, action: str, body: Mapping[str, Any]) -> Response:
        if (fault := mistake(f"Action{action.capitalize()}Params", body)) is not None:
            return refusal(422, {"code": "10015", "title": "Bad Request", "detail": fault})
        if call.ended_at is not None:
            return refusal(422, {"code": "90018", "title": "Call has already ended", "detail": "It has ended."})
        if body["command_id"] not in call.commands:
            call.commands[body["command_id"]] = action, body
            if action == "hangup":
                call.wanted_over.set()
            else:
                call.redirected = body["to"]
        return answer(f"Action{action.capitalize()}Response", {"result": "ok"})

    # --- calls -----------------------------------------------------------------------------------------------

    async def _dial(self, call: CloudCall, ending: str) -> None:
        assert isinstance(call, TelnyxCall)
        await asyncio.sleep(self.initiates_after)
        await self.tell(call, "call.initiated", state="bridging", direction="outgoing")
        if ending == WRONG:
            return await self._end(call, "not_found", 404)
        if ending == SPAM:
            return await self._end(call, "call_rejected", 608)
        if not await self.is_taken(call, never=ending == NEVER):
            return await self._end(call, "originator_cancel" if call.wanted_over.is_set() else "timeout", 487)
        if ending in (BUSY, DECLINED):
            return await self._end(call, *(("user_busy", 486) if ending == BUSY else ("call_rejected", 603)))
        call.answered_at = datetime.now(UTC)
        await self.tell(call, "call.answered", state="answered", start_time=call.answered_at.isoformat())
        if not self.opens_streams or not await self._talk(call, ending):
            await call.wanted_over.wait()  # Telnyx hangs up on nobody because a stream has ended
        return await self._end(call, "normal_clearing", 200)

    async def _end(self, call: TelnyxCall, cause: str, sip: int) -> None:
        call.ended_at = datetime.now(UTC)
        await self.tell(
            call, "call.hangup", state="hangup", hangup_cause=cause, hangup_source="callee", sip_hangup_cause=str(sip)
        )

    async def tell(self, call: CloudCall, event: str, **more: str) -> None:
        assert isinstance(call, TelnyxCall)
        if event in self.loses:
            return
        body = json.dumps({"data": self.event(call, event, **more), "meta": {"attempt": 1}})
        headers = signed(body)
        is_theirs(body, headers)
        await self.deliver(call, (call.asked["webhook_url"], headers, body), is_last=event == "call.hangup")

    def event(self, call: TelnyxCall, event: str, **more: str) -> dict[str, Any]:
        ids = {"call_control_id": call.sid, "call_leg_id": f"leg {call.sid}", "call_session_id": f"session {call.sid}"}
        asked = {name: call.asked[name] for name in ("client_state", "connection_id")}
        ends = {} if event.startswith("streaming.") else {"from": call.asked["from"], "to": call.asked["to"]}
        payload = {**ids, **asked, **ends, **more}
        at = datetime.now(UTC).isoformat()
        return {
            "record_type": "event", "event_type": event, "id": str(uuid4()), "occurred_at": at, "payload": payload,
        }  # fmt: skip

    async def bring(self, url: str, signature: Mapping[str, str], fields: Any) -> int:
        assert self.door is not None
        try:
            return await self.door.post(url, fields, signature)
        except CarrierUnavailable:
            return 503

    # --- streams ---------------------------------------------------------------------------------------------

    async def _talk(self, call: CloudCall, ending: str) -> bool:
        """Whether the person has hung up."""
        assert isinstance(call, TelnyxCall) and self.door is not None
        asked, has_left = call.asked, False
        assert asked["stream_url"].startswith("wss://"), "Telnyx takes nothing else"
        if self.breaks_stream:
            await self.tell(call, "streaming.failed", failure_reason="connection_failed", stream_id="1")
            return False
        with suppress(OSError, websockets.WebSocketException, CarrierUnavailable):
            call.socket = await self.door.stream(
                asked["stream_url"], {"x-telnyx-streaming-auth-token": asked["stream_auth_token"]}
            )
            await self.begin(call, {})
            await self.tell(call, "streaming.started", stream_url=asked["stream_url"])
            if ending == MACHINE and "answering_machine_detection" in asked:
                await self.tell(call, "call.machine.premium.detection.ended", result="machine")
            has_left = await self._converse(call)
        if not has_left and not call.wanted_over.is_set():
            await self.tell(call, "streaming.stopped", stream_url=asked["stream_url"])
        return has_left

    async def begin(self, call: CloudCall, parameters: Mapping[str, str]) -> None:
        assert isinstance(call, TelnyxCall)
        start = {
            "user_id": str(uuid4()), "call_control_id": call.sid, "client_state": call.asked["client_state"],
            "media_format": {"encoding": self.codec, "sample_rate": 8000, "channels": 1}, **parameters,
        }  # fmt: skip
        await call.socket.send(json.dumps({"event": "connected", "version": "1.0.0"}))
        await call.socket.send(json.dumps({"event": "start", "sequence_number": "1", "start": start, "stream_id": "1"}))

    def media(self, call: CloudCall, payload: str) -> dict[str, Any]:
        chunk = str(next(call.sequence))
        return {"event": "media", "stream_id": "1", "media": {"track": "inbound", "chunk": chunk, "payload": payload}}

    def stream_of(self, call: CloudCall) -> str | None:
        return None


def signed(body: str, at: float | None = None, key: SigningKey = SIGNING) -> dict[str, str]:
    """The headers that go with it."""
    timestamp = str(int(time.time() if at is None else at))
    signature = base64.b64encode(key.sign(f"{timestamp}|{body}".encode()).signature).decode()
    return {"telnyx-timestamp": timestamp, "telnyx-signature-ed25519": signature}


NOT_FOUND = {"code": "10005", "title": "Resource not found"}


def refusal(status: int, error: Mapping[str, Any]) -> JSONResponse:
    return JSONResponse({"errors": [error]}, status)


def shown(call: TelnyxCall) -> dict[str, Any]:
    ended = {} if call.ended_at is None else {"end_time": call.ended_at.isoformat()}
    return {
        "call_control_id": call.sid, "call_leg_id": f"leg {call.sid}", "call_session_id": f"session {call.sid}",
        "is_alive": call.ended_at is None and bool(call.told), "record_type": "call",
        "client_state": call.asked["client_state"], **ended,
    }  # fmt: skip


# --- Telnyx's own library, which takes seconds to load ----------------------------------------------


def answer(model: str, data: Mapping[str, Any]) -> JSONResponse:
    understood_as(model, {"data": data})
    return JSONResponse({"data": data})


def understood_as(model: str, content: Mapping[str, Any]) -> Any:
    """What the library makes of it, if it knows every field."""
    read = model_of(model).model_validate(content)
    assert not (unknown := list(strange(read))), f"{model} has no {unknown}"
    return read


def is_theirs(body: str, headers: Mapping[str, str]) -> None:
    """A webhook as the library takes it: signed, and an event that it knows with every field."""
    verifier()(body, headers, PUBLIC_KEY)
    content = json.loads(body)
    words = content["data"]["event_type"].removeprefix("call.").split(".")
    model = f"Call{''.join(map(str.capitalize, words))}WebhookEvent"
    understood_as(model, {"data": content["data"]})


@cache
def verifier() -> Callable[[str, Mapping[str, str], str], None]:
    from telnyx.lib import verify_webhook_signature

    return verify_webhook_signature


@cache
def model_of(name: str) -> Any:
    from telnyx import types
    from telnyx.types import calls

    return getattr(types, name, None) or getattr(calls, name)


def strange(read: BaseModel) -> Iterator[str]:
    yield from read.model_extra or ()
    for name in type(read).model_fields:
        if isinstance(value := getattr(read, name), BaseModel):
            yield from strange(value)


@cache
def parameters_of(name: str) -> Mapping[str, tuple[bool, Any]]:
    """By their names on the wire: whether they must be there, and what they are."""
    return dict(_parameter(*each) for each in get_type_hints(model_of(name), include_extras=True).items())


def _parameter(name: str, hint: Any, is_required: bool = False) -> tuple[str, tuple[bool, Any]]:
    """Required[Annotated[str, PropertyInfo(alias="from")]] -> ("from", (True, str))"""
    if get_origin(hint) not in (Required, Annotated):
        return name, (is_required, hint)
    inner, *more = get_args(hint)
    alias = next((each.alias for each in more if getattr(each, "alias", None)), name)
    return _parameter(alias, inner, is_required or get_origin(hint) is Required)


def mistake(params: str, body: Mapping[str, Any]) -> str | None:
    """What the parameters of Telnyx's library do not allow."""
    known = parameters_of(params)
    if missing := [name for name, (is_required, _) in known.items() if is_required and name not in body]:
        return f"{missing[0]} is missing"
    for name, value in body.items():
        if name not in known:
            return f"{name} is unknown"
        try:
            TypeAdapter(known[name][1]).validate_python(value, strict=True)
        except ValueError as fault:
            return f"{name}: {fault}"
    return None


@asynccontextmanager
async def telnyx_cloud(**more: Any) -> AsyncIterator[Telnyx]:
    parameters_of("CallDialParams"), verifier()  # loaded before anybody waits for an answer
    async with served(Telnyx(**more)) as made:
        yield made
