"""Twilio as an adapter meets it: its API over HTTP, its signed callbacks, its streams; and the people who are called.

Requests are held against Twilio's own description of its API. What it signs is signed by Twilio's own library.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import xml.etree.ElementTree as Xml
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import websockets
from network import Mouth, Network, served
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from twilio.request_validator import RequestValidator

from dialplane.carriers.callbacks import Callback, Callbacks, bring, connect
from dialplane.errors import CarrierUnavailable

SPEC = json.loads(Path(__file__).with_name("twilio_openapi.json").read_text(encoding="utf-8"))
ACCOUNT, TOKEN = "AC" + "0" * 32, "a0b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5"
PUBLIC_URL = "https://calls.example.org"
SILENCE = b"\xff" * 160  # 20 ms
OVER = ("completed", "busy", "failed", "no-answer", "canceled")
# What a number comes to, by its last two digits.
BUSY, NEVER, MACHINE, WRONG, DECLINED, SPAM, ANSWERS = "01", "02", "03", "04", "05", "07", "06"
REFUSED: Mapping[str, tuple[int, int, str]] = {
    "11": (429, 20429, "Too Many Requests"),
    "12": (400, 10004, "Call concurrency limit exceeded"),
    "13": (400, 21211, "Invalid 'To' Phone Number"),
    "14": (400, 21210, "'From' phone number not verified"),
    "15": (401, 20003, "Authenticate"),
    "16": (400, 21215, "Account not authorized to call"),
}
BREAKS, SILENT = "21", "22"  # accepted, and then a 500, or no answer at all


class Door(Protocol):
    """How what Twilio tells gets to the worker."""

    async def post(self, url: str, body: str, headers: Mapping[str, str]) -> int: ...

    async def stream(self, url: str, headers: Mapping[str, str] = MappingProxyType({})) -> Any: ...


class AtTheWorker:
    """As servers do, which are left out."""

    def __init__(self, callbacks: Callbacks) -> None:
        self._callbacks = callbacks

    async def post(self, url: str, body: str, headers: Mapping[str, str]) -> int:
        *_, attempt, what = urlsplit(url).path.split("/")
        lower = {name.lower(): value for name, value in headers.items()}
        return await bring(self._callbacks.address, Callback(attempt=attempt, what=what, headers=lower, body=body))

    async def stream(self, url: str, headers: Mapping[str, str] = MappingProxyType({})) -> Any:
        *_, attempt, what = urlsplit(url).path.split("/")
        messages = await connect(self._callbacks.address, Callback(attempt=attempt, what=what, headers=dict(headers)))

        class Socket:
            async def send(self, text: str) -> None:
                messages.send(text)

            async def recv(self) -> str:
                if (text := await messages.receive()) is None:
                    raise ConnectionError("closed")
                return text

            async def close(self) -> None:
                await messages.close()

        return Socket()


class AtTheServer:
    """Through the proxy that speaks TLS for the public address, and which leads to this server."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def post(self, url: str, body: str, headers: Mapping[str, str]) -> int:
        async with httpx2.AsyncClient(verify=False) as client:
            kind = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}
            answer = await client.post(self._url + urlsplit(url).path, content=body, headers={**kind, **headers})
        return int(answer.status_code)

    async def stream(self, url: str, headers: Mapping[str, str] = MappingProxyType({})) -> Any:
        return await websockets.connect(
            self._url.replace("http", "ws") + urlsplit(url).path, additional_headers=dict(headers)
        )


@dataclass(eq=False)
class CloudCall:
    """heard: what was played to the person, as μ-law; cleared: how often what was waiting was thrown away."""

    sid: str
    form: Mapping[str, list[str]]
    status: str = "queued"
    sip: int | None = None
    answered_at: datetime | None = None
    duration: int | None = None
    wanted_over: asyncio.Event = field(default_factory=asyncio.Event)
    socket: Any = None
    heard: bytearray = field(default_factory=bytearray)
    cleared: int = 0
    redirected: str = ""
    sequence: Any = field(default_factory=itertools.count)
    answers: list[int] = field(default_factory=list)  # to its callbacks
    told: list[tuple[str, Any, Any]] = field(default_factory=list)
    waits: list[tuple[str, Any, Any]] = field(default_factory=list)  # to be told

    @property
    def number(self) -> str:
        return self.one("To")

    @property
    def spoken(self) -> int:
        return len(self.heard)

    def one(self, name: str) -> str:
        (value,) = self.form[name]
        return value


@dataclass
class Cloud(Network):
    """twice: what was told first comes once more at the end as well."""

    silence = SILENCE

    door: Door | None = None
    latency: float = 0.0  # from what we send until it is heard
    answers_after: float = 0.0  # that it has taken a call
    opens_streams: bool = True
    retry_after: str = ""
    told: list[tuple[str, Any, Any]] = field(default_factory=list)  # url, signature, body

    def __post_init__(self) -> None:
        self._validator = RequestValidator(TOKEN)
        self._sids = (f"CA{n:032x}" for n in itertools.count(1))

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "provider": "twilio", "account_sid": ACCOUNT, "auth_token": TOKEN, "api_url": self.url, "cps": None,
            "slow_start": False, "hearing": {"silence_seconds": 2},
        }  # fmt: skip

    # --- its API ---------------------------------------------------------------------------------------------

    async def ask(self, request: Request) -> Response:
        form = parse_qs((await request.body()).decode(), keep_blank_values=True)
        path = request.url.path
        self.requests.append((request.method, path, form))
        expected = base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
        if self.revoked or request.headers.get("Authorization") != f"Basic {expected}":
            return refusal(401, 20003, "Authenticate")
        operation, sid = operation_of(request.method, path)
        if (fault := mistake(operation, form)) is not None:
            return refusal(400, 20001, fault)
        if operation == "list":
            return JSONResponse({"calls": []})
        if operation == "create":
            return await self._create(form)
        call = self.calls.get(sid)
        if call is None:
            return refusal(404, 20404, "The requested resource was not found")
        if operation == "update":
            if "Twiml" in form:
                call.redirected = form["Twiml"][0]
            call.wanted_over.set()
        return JSONResponse(shown(call))

    async def _create(self, form: Mapping[str, list[str]]) -> Response:
        ending = form["To"][0][-2:]
        if ending in REFUSED:
            answer = refusal(*REFUSED[ending])
            if self.retry_after:
                answer.headers["Retry-After"] = self.retry_after
            return answer
        call = CloudCall(next(self._sids), form)
        self.calls[call.sid] = call
        self.spawn(self._dial(call, ending))
        if ending == BREAKS:
            return JSONResponse({"code": 20500, "message": "Internal Server Error", "status": 500}, 500)
        if ending == SILENT:
            await self.closing.wait()
        await asyncio.sleep(self.answers_after)
        return JSONResponse(shown(call), 201)

    # --- calls -----------------------------------------------------------------------------------------------

    async def _dial(self, call: CloudCall, ending: str) -> None:
        await asyncio.sleep(0.05)
        await self.tell(call, "initiated")
        if ending == WRONG:
            return await self._over(call, "failed", 404)
        if ending == SPAM:
            return await self._over(call, "failed", 608)
        call.status = "ringing"
        await self.tell(call, "ringing")
        if not await self.is_taken(call, never=ending == NEVER):
            return await self._over(call, "canceled" if call.wanted_over.is_set() else "no-answer", 487)
        if ending in (BUSY, DECLINED):
            return await self._over(call, "busy", 486 if ending == BUSY else 603)
        call.status, call.answered_at = "in-progress", datetime.now(UTC)
        await self.tell(call, "answered")
        if self.opens_streams:
            await self._talk(call, ending)
        return await self._over(call, "completed", 200)

    async def _over(self, call: CloudCall, status: str, sip: int) -> None:
        call.status, call.sip = status, sip
        if call.answered_at is not None:
            call.duration = round((datetime.now(UTC) - call.answered_at).total_seconds())
        await self.tell(call, "completed")

    async def tell(self, call: CloudCall, event: str, **more: str) -> None:
        if event in self.loses:
            return
        fields = {
            "CallSid": call.sid, "AccountSid": ACCOUNT, "To": call.one("To"), "From": call.one("From"),
            "CallStatus": "initiated" if event == "initiated" else call.status, "Direction": "outbound-api",
            "ApiVersion": "2010-04-01", "CallbackSource": "call-progress-events", "Timestamp": format_datetime(
                datetime.now(UTC)), "SequenceNumber": str(next(call.sequence)), "CallerName": "", **more,
        }  # fmt: skip
        if call.sip is not None:
            fields["SipResponseCode"] = str(call.sip)
        url = call.one("AsyncAmdStatusCallback" if event == "amd" else "StatusCallback")
        await self.deliver(call, (url, self._validator.compute_signature(url, fields), fields), event == "completed")

    async def deliver(self, call: CloudCall, told: tuple[str, Any, Any], is_last: bool) -> None:
        """In the way that its callbacks come."""
        self.told.append(told)
        call.told.append(told)
        if self.backwards and not is_last:
            call.waits.append(told)
            return
        call.answers.append(await self.bring(*told))
        for before in reversed(call.waits):
            call.answers.append(await self.bring(*before))
        if self.twice:
            call.answers.append(await self.bring(*told))
            for old in list(call.told) if is_last else ():
                call.answers.append(await self.bring(*old))

    async def bring(self, url: str, signature: str, fields: Mapping[str, str]) -> int:
        assert self.door is not None
        try:
            return await self.door.post(url, urlencode(fields), {"X-Twilio-Signature": signature})
        except CarrierUnavailable:
            return 503

    # --- streams ---------------------------------------------------------------------------------------------

    async def _talk(self, call: CloudCall, ending: str) -> None:
        """What the TwiML of the call says."""
        answer = Xml.fromstring(call.one("Twiml"))
        stream = answer.find("./Connect/Stream")
        assert answer.tag == "Response" and stream is not None, "an agent needs a stream"
        assert stream.attrib["url"].startswith("wss://"), "Twilio takes nothing else"
        assert self.door is not None
        with suppress(OSError, websockets.WebSocketException, CarrierUnavailable):
            call.socket = await self.door.stream(stream.attrib["url"])
            parameters = {each.attrib["name"]: each.attrib["value"] for each in stream.findall("Parameter")}
            await self.begin(call, parameters)
            if ending == MACHINE and "AsyncAmd" in call.form:
                await self.tell(call, "amd", AnsweredBy="machine_start", MachineDetectionDuration="1200")
            await self._converse(call)

    async def begin(self, call: CloudCall, parameters: Mapping[str, str]) -> None:
        start = {
            "streamSid": f"MZ{call.sid[2:]}", "accountSid": ACCOUNT, "callSid": call.sid, "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": dict(parameters),
        }  # fmt: skip
        await call.socket.send(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
        await call.socket.send(json.dumps({"event": "start", "sequenceNumber": "1", "start": start}))

    async def _converse(self, call: CloudCall) -> bool:
        """Whether it was the person who hung up."""
        ways = [asyncio.create_task(way) for way in (self._speak(call), self._listen(call))]
        ways.append(asyncio.create_task(call.wanted_over.wait()))
        ended, others = await asyncio.wait(ways, timeout=self.hangs_up_after, return_when=asyncio.FIRST_COMPLETED)
        for way in others:
            way.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        with suppress(OSError, websockets.WebSocketException):
            await call.socket.send(json.dumps({"event": "stop", "stop": {"callSid": call.sid}}))
            await call.socket.close()
        return not ended

    async def _speak(self, call: CloudCall) -> None:
        async for said, pressed in Mouth(self).sounds(call):
            if pressed:
                await call.socket.send(json.dumps({"event": "dtmf", "dtmf": {"track": "inbound", "digit": pressed}}))
            await call.socket.send(json.dumps(self.media(call, base64.b64encode(said).decode())))

    def media(self, call: CloudCall, payload: str) -> dict[str, Any]:
        return {"event": "media", "media": {"track": "inbound", "payload": payload}}

    async def _listen(self, call: CloudCall) -> None:
        while True:
            message = json.loads(await call.socket.recv())
            assert message.pop("streamSid", None) == self.stream_of(call)
            match message["event"]:
                case "media" | "mark":
                    self.spawn(self._played(call, message))
                case "clear":
                    call.cleared += 1

    def stream_of(self, call: CloudCall) -> str | None:
        """What every message to it names."""
        return f"MZ{call.sid[2:]}"

    async def _played(self, call: CloudCall, message: Mapping[str, Any]) -> None:
        await asyncio.sleep(self.latency)
        if call.wanted_over.is_set():
            return
        if message["event"] == "media":
            call.heard += base64.b64decode(message["media"]["payload"])
        else:
            await call.socket.send(json.dumps({"event": "mark", "mark": message["mark"]}))


def operation_of(method: str, path: str) -> tuple[str, str]:
    calls = f"/2010-04-01/Accounts/{ACCOUNT}/Calls"
    if path == f"{calls}.json":
        return ("create" if method == "POST" else "list"), ""
    assert path.startswith(f"{calls}/") and path.endswith(".json"), path
    return ("update" if method == "POST" else "fetch"), path[len(calls) + 1 : -len(".json")]


def mistake(operation: str, form: Mapping[str, list[str]]) -> str | None:
    """What the description of the API does not allow."""
    schema = SPEC["operations"][operation].get("schema", {"properties": {}})
    for name in schema.get("required", ()):
        if name not in form:
            return f"{name} is missing"
    for name, values in form.items():
        if name not in schema["properties"]:
            return f"{name} is unknown"
        kind = schema["properties"][name]
        if "$ref" in kind:
            kind = SPEC["enums"][kind["$ref"].rpartition("/")[2]]
        if kind["type"] == "array":
            continue
        if len(values) != 1:
            return f"{name} is given twice"
        if kind["type"] == "integer" and not values[0].isdecimal():
            return f"{name} is no whole number"
        if "enum" in kind and values[0] not in kind["enum"]:
            return f"{name} must be one of {kind['enum']}"
    return None if len(form.get("Twiml", [""])[0]) <= 4000 else "Twiml is too long"


def shown(call: CloudCall) -> dict[str, Any]:
    """The resource; its fields are those of the description, and its statuses too."""
    ended = call.answered_at and call.status in OVER
    found = {
        "sid": call.sid, "account_sid": ACCOUNT, "to": call.one("To"), "from": call.one("From"),
        "status": call.status, "direction": "outbound-api", "answered_by": None,
        "duration": None if call.duration is None else str(call.duration),
        "end_time": format_datetime(datetime.now(UTC)) if ended else None,
    }  # fmt: skip
    assert set(found) <= set(SPEC["call"]["properties"])
    assert call.status in SPEC["enums"]["call_enum_status"]["enum"]
    return found


def refusal(status: int, code: int, message: str) -> JSONResponse:
    more = f"https://www.twilio.com/docs/errors/{code}"
    return JSONResponse({"code": code, "message": message, "more_info": more, "status": status}, status)


@asynccontextmanager
async def cloud(**more: Any) -> AsyncIterator[Cloud]:
    async with served(Cloud(**more)) as made:
        yield made
