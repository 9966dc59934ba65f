"""An Asterisk as an adapter meets it: ARI over HTTP, events over a WebSocket, AudioSocket; and those who are called.

What it tells are the events of a real one, with PJSIP and sipp behind it (ari_events.json; the key and the moves are
made after the models of its API). Each is held against these models once more.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from callees import speech
from network import Mouth, Network, served
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from dialplane.voice.ulaw import from_ulaw

EVENTS = json.loads(Path(__file__).with_name("ari_events.json").read_text(encoding="utf-8"))
USER, PASSWORD = "dialplane", "a-secret-of-ari.conf"
NO_CHANNEL = "Allocation failed"
REPLACED = {"type": "ApplicationReplaced", "application": "<app>", "timestamp": "<now>"}
# What a number comes to, by its last two digits: a sequence of ari_events.json, or an answer to the request.
ENDS = {
    "01": "busy",
    "04": "unknown_number",
    "05": "declined",
    "07": "congestion",
    "08": "unavailable",
    "09": "silent_trunk",
}
NEVER, ANSWERS, BREAKS, SILENT = "02", "06", "21", "22"
REFUSED: Mapping[str, tuple[int, str]] = {
    "11": (429, "Too Many Requests"),  # of a proxy before it
    "12": (500, NO_CHANNEL),
    "13": (400, "Invalid endpoint specified"),
    "14": (503, "Asterisk not booted"),
}
# Source: rest-api/api-docs/*.json, the fields that a model requires; "type" is in all events.
CHANNEL = ("id", "protocol_id", "name", "state", "caller", "connected", "accountcode", "dialplan", "creationtime",
           "language")  # fmt: skip
EVENT = ("application", "timestamp")
MODELS: Mapping[str, tuple[str, ...]] = {
    "Dial": (*EVENT, "peer", "dialstatus"),
    "ChannelStateChange": (*EVENT, "channel"),
    "ChannelDestroyed": (*EVENT, "cause", "cause_txt", "channel"),
    "ChannelHangupRequest": (*EVENT, "channel"),
    "ChannelDtmfReceived": (*EVENT, "digit", "duration_ms", "channel"),
    "ChannelVarset": (*EVENT, "variable", "value"),
    "ChannelCallerId": (*EVENT, "caller_presentation", "caller_presentation_txt", "channel"),
    "ChannelConnectedLine": (*EVENT, "channel"),
    "ChannelDialplan": (*EVENT, "dialplan_app", "dialplan_app_data", "channel"),
    "ChannelEnteredBridge": (*EVENT, "bridge"),
    "ChannelLeftBridge": (*EVENT, "bridge", "channel"),
    "StasisStart": (*EVENT, "args", "channel"),
    "StasisEnd": (*EVENT, "channel"),
    "ApplicationReplaced": EVENT,
}
# The same of its operations: what must be given, and what may.
OPERATIONS: Mapping[str, tuple[set[str], set[str]]] = {
    "originate": ({"endpoint"}, {"app", "callerId", "timeout", "variables", "formats"}),
    "externalMedia": (
        {"app", "external_host", "format"}, {"channelId", "encapsulation", "transport", "data", "direction"}
    ),
    "subscription": ({"eventSource"}, set()),
    "move": ({"app"}, {"appArgs"}),
    "continue": (set(), {"context", "extension", "priority", "label"}),
    "variable": ({"variable"}, set()),
    "hangup": (set(), {"reason", "reason_code"}),
    "bridge": (set(), {"type", "name"}),
    "addChannel": ({"channel"}, {"role", "absorbDTMF", "mute"}),
}  # fmt: skip


@dataclass(eq=False)
class PbxCall:
    """heard: what was played to the person. frames: how many messages that were; app: which it is in, "": none yet."""

    id: str
    request: Mapping[str, Any]
    state: str = "Down"
    app: str = ""
    sequence: str = ""
    wanted_over: asyncio.Event = field(default_factory=asyncio.Event)
    joined: asyncio.Event = field(default_factory=asyncio.Event)
    heard: bytearray = field(default_factory=bytearray)
    spoken: int = 0  # of that, up to the last sound that was none of silence
    frames: list[int] = field(default_factory=list)
    handed_over: tuple[str, str] | None = None
    waits: list[tuple[str, Any]] = field(default_factory=list)  # to be told
    socket: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    @property
    def number(self) -> str:
        found = re.search(r"\+?\d{5,}", self.request["endpoint"])
        return found[0] if found else ""


@dataclass
class Pbx(Network):
    """has_label: the dialplan hands calls over. reaches_us: with sound."""

    silence = bytes(320)

    has_label: bool = True
    reaches_us: bool = True
    modules: tuple[str, ...] = ("chan_audiosocket.so",)
    endpoints: tuple[str, ...] = ("PJSIP/trunk",)
    channels: dict[str, PbxCall] = field(default_factory=dict)  # those that there are
    bridges: dict[str, list[str]] = field(default_factory=dict)
    sockets: dict[str, WebSocket] = field(default_factory=dict)  # the newest one of each application
    subscribed: dict[str, set[str]] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "provider": "ari", "url": self.url, "user": USER, "password": PASSWORD, "endpoint": "PJSIP/{number}@trunk",
            "transfer_context": "dialplane-transfer", "slow_start": False, "hearing": {"silence_seconds": 2},
        }  # fmt: skip

    async def stop(self) -> None:
        """From now on nobody is at its address."""
        await self.cut()
        await super().stop()

    def routes(self) -> list[BaseRoute]:
        return [WebSocketRoute("/ari/events", self.listen), *super().routes()]

    def will_say(self, words: str) -> None:
        self.says = from_ulaw(speech(words))

    async def cut(self) -> None:
        """All WebSockets break, once."""
        for socket in list(self.sockets.values()):
            with suppress(RuntimeError):
                await socket.close(1011)

    # --- its API ---------------------------------------------------------------------------------------------

    async def ask(self, request: Request) -> Response:
        path = request.url.path.removeprefix("/ari")
        given = dict(request.query_params) | (json.loads(await request.body() or b"{}"))
        self.requests.append((request.method, path, given))
        if self.revoked or not allowed(request.headers):
            return said(401, "Authentication required")
        match request.method, path.strip("/").split("/"):
            case "GET", ["asterisk", "info"]:
                return JSONResponse({"system": {"version": "22.5.0", "entity_id": "00:00:00:00:00:00"}})
            case "GET", ["asterisk", "modules", name]:
                return JSONResponse({"name": name}) if name in self.modules else said(404, "Module could not be found")
            case "GET", ["endpoints", kind, name]:
                known = f"{kind}/{name}" in self.endpoints
                return JSONResponse({"resource": name}) if known else said(404, "Endpoint not found")
            case "POST", ["channels", "externalMedia"]:
                return mistake("externalMedia", given) or await self._external_media(given)
            case "POST", ["applications", app, "subscription"]:
                return mistake("subscription", given) or self._subscribe(app, given["eventSource"])
            case "POST", ["bridges", bridge]:
                self.bridges[bridge] = []
                return mistake("bridge", given) or JSONResponse({"id": bridge})
            case "DELETE", ["bridges", bridge]:
                return said(404, "Bridge not found") if self.bridges.pop(bridge, None) is None else Response(None, 204)
            case "POST", ["bridges", bridge, "addChannel"]:
                return mistake("addChannel", given) or self._join(bridge, given["channel"].split(","))
            case "POST", ["channels", channel]:
                return mistake("originate", given) or await self._originate(channel, given)
            case method, ["channels", channel, *rest]:
                call = self.channels.get(channel)
                return said(404, "Channel not found") if call is None else await self._of(call, method, rest, given)
        return said(404, "Resource not found")

    async def _of(self, call: PbxCall, method: str, rest: list[str], given: Mapping[str, Any]) -> Response:
        match method, rest:
            case "GET", []:
                return JSONResponse(self._shown(call))
            case "GET", ["variable"]:
                value = call.request["variables"].get(given["variable"])
                return mistake("variable", given) or (
                    said(404, "Provided variable was not found") if value is None else JSONResponse({"value": value})
                )
            case "DELETE", []:
                call.wanted_over.set()
                return mistake("hangup", given) or Response(None, 204)
            case "POST", ["move"] if call.app:
                await self.tell(call.id, "moved_away", app=call.app)
                self._enter(call, given["app"])
                await self.tell(call.id, "moved_here", app=call.app)
                return mistake("move", given) or Response(None, 204)
            case "POST", ["continue"] if call.app:
                if not self.has_label:
                    return said(404, "Requested label can not be found")
                assert given["label"] == "transfer"
                call.handed_over = given["context"], given["extension"]
                return mistake("continue", given) or Response(None, 204)
        return said(409, "Channel not in Stasis application")

    async def _originate(self, channel: str, given: Mapping[str, Any]) -> Response:
        if channel in self.channels:
            return said(409, "Channel with given unique ID already exists")
        call = PbxCall(channel, given)
        ending = call.number[-2:]
        if ending in REFUSED:
            return said(*REFUSED[ending])
        assert UUID(channel) and isinstance(given["timeout"], int)
        self.calls[channel] = self.channels[channel] = call
        self._subscribe(given["app"], f"channel:{channel}")
        self.spawn(self._live(call, ending))
        if ending == BREAKS:
            return Response("bad gateway", 502)
        if ending == SILENT:
            await self.closing.wait()
        return JSONResponse(self._shown(call))

    async def _external_media(self, given: Mapping[str, Any]) -> Response:
        assert (given["encapsulation"], given["transport"], given["format"]) == ("audiosocket", "tcp", "slin")
        host, _, port = given["external_host"].rpartition(":")
        if not self.reaches_us:
            return said(500, "An internal error prevented this request from being handled")
        media = PbxCall(given["channelId"], {"endpoint": "AudioSocket", "variables": {}})
        media.socket = await asyncio.open_connection(host.strip("[]"), int(port))
        media.socket[1].write(message(0x01, UUID(given["data"]).bytes))
        self.channels[media.id] = media
        self._enter(media, given["app"])
        self.spawn(self.tell(media.id, "sound"))
        return JSONResponse(self._shown(media))

    def _subscribe(self, app: str, source: str) -> Response:
        if app not in self.sockets and app not in self.subscribed:
            return said(404, "Application not found")
        if source.removeprefix("channel:") not in self.channels:
            return said(422, "Event source does not exist")
        self.subscribed.setdefault(app, set()).add(source.removeprefix("channel:"))
        return JSONResponse({"name": app})

    def _enter(self, call: PbxCall, app: str) -> None:
        call.app = app
        self.subscribed.setdefault(app, set()).add(call.id)

    def _join(self, bridge: str, channels: list[str]) -> Response:
        if bridge not in self.bridges:
            return said(404, "Bridge not found")
        for channel in channels:
            if channel not in self.channels:
                return said(400, "Channel not found")
            if not self.channels[channel].app:
                return said(422, "Channel not in Stasis application")
        self.bridges[bridge] = channels
        person, media = (self.channels[channel] for channel in channels)
        person.socket = media.socket
        person.joined.set()
        return Response(None, 204)

    def _shown(self, call: PbxCall) -> dict[str, Any]:
        party = {"name": "", "number": call.request.get("callerId", "")}
        dialplan = {"context": "default", "exten": "s", "priority": 1, "app_name": "", "app_data": ""}
        found = {
            "id": call.id, "name": "PJSIP/trunk-00000000", "state": call.state, "protocol_id": "", "caller": party,
            "connected": party, "accountcode": "", "dialplan": dialplan, "language": "en",
            "creationtime": datetime.now(UTC).isoformat(),
        }  # fmt: skip
        assert set(CHANNEL) <= set(found)
        return found

    # --- a call ----------------------------------------------------------------------------------------------

    async def _live(self, call: PbxCall, ending: str) -> None:
        await self.tell(call.id, "dialled")
        if ending in ENDS:
            return await self._destroy(call, ENDS[ending])
        call.state = "Ringing"
        await self.tell(call.id, "rings")
        if not await self.is_taken(call, never=ending == NEVER):
            return await self._destroy(call, "cancelled" if call.wanted_over.is_set() else "ring_timeout")
        call.state = "Up"
        await self.tell(call.id, "answered")
        if call.request["app"] not in self.sockets:
            return await self._destroy(call, "hung_up_by_us")
        self._enter(call, call.request["app"])
        await self.tell(call.id, "starts", app=call.app)
        return await self._destroy(call, await self._talk(call))

    async def _talk(self, call: PbxCall) -> str:
        """Until it is over: how."""
        ways = [asyncio.create_task(way) for way in (self._speak(call), self._listen(call), call.wanted_over.wait())]
        await asyncio.wait(ways, timeout=self.hangs_up_after, return_when=asyncio.FIRST_COMPLETED)
        if ways[1].done():  # the sound is gone, and the person is still there
            await call.wanted_over.wait()
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        if call.socket is not None:
            call.socket[1].close()
        return "hung_up_by_us" if call.wanted_over.is_set() else "hung_up_by_the_person"

    async def _speak(self, call: PbxCall) -> None:
        await call.joined.wait()
        assert call.socket is not None
        async for said, pressed in Mouth(self).sounds(call):
            if pressed:
                await self.tell(call.id, "key", digit=pressed)
                call.socket[1].write(message(0x03, pressed.encode()))
            call.socket[1].write(message(0x10, said))

    async def _listen(self, call: PbxCall) -> None:
        await call.joined.wait()
        assert call.socket is not None
        reader, _ = call.socket
        with suppress(OSError, asyncio.IncompleteReadError):
            while (head := await reader.readexactly(3))[0] == 0x10:
                frame = await reader.readexactly(int.from_bytes(head[1:], "big"))
                call.heard += frame
                call.frames.append(len(frame))
                call.spoken = len(call.heard) if any(frame) else call.spoken

    async def _destroy(self, call: PbxCall, sequence: str) -> None:
        del self.channels[call.id]
        for media in [each for each in self.channels.values() if each.socket and each.socket is call.socket]:
            del self.channels[media.id]
        await self.tell(call.id, sequence)
        if self.twice:
            await self.tell(call.id, sequence)
        if self.backwards:
            for app, event in reversed(call.waits):
                await self._send(app, event)
        for channels in self.subscribed.values():
            channels.discard(call.id)

    # --- what it tells ---------------------------------------------------------------------------------------

    async def tell(self, channel: str, sequence: str, *, app: str = "", digit: str = "") -> None:
        """app: which alone hears of it; "": all that have subscribed."""
        apps = [app] if app else [each for each, channels in self.subscribed.items() if channel in channels]
        for each in apps:
            for event in EVENTS[sequence]:
                made = filled(event, channel=channel, app=each, digit=digit)
                call = self.calls.get(channel)
                if self.backwards and call is not None and channel in self.channels:
                    call.waits.append((each, made))
                else:
                    await self._send(each, made)

    async def _send(self, app: str, event: Mapping[str, Any]) -> None:
        conforms(event)
        socket = self.sockets.get(app)
        if socket is None or event["type"] in self.loses:
            return
        with suppress(RuntimeError, WebSocketDisconnect):
            for _ in range(2 if self.twice else 1):
                await socket.send_text(json.dumps(event))

    async def listen(self, socket: WebSocket) -> None:
        if self.revoked or not allowed(socket.headers):
            await socket.close()
            return
        app = socket.query_params["app"]
        await socket.accept()
        if (older := self.sockets.get(app)) is not None:
            with suppress(RuntimeError):
                await older.send_text(json.dumps(filled(REPLACED, app=app)))
        self.sockets[app] = socket
        self.subscribed.setdefault(app, set())
        with suppress(WebSocketDisconnect, RuntimeError):
            while True:
                await socket.receive_text()
        if self.sockets.get(app) is socket:
            del self.sockets[app]


def allowed(headers: Mapping[str, str]) -> bool:
    return headers.get("authorization") == f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"


def said(status: int, words: str) -> JSONResponse:
    """Source: res/res_ari.c, which has another key for the one answer that it keeps ready."""
    return JSONResponse({"error" if words == NO_CHANNEL else "message": words}, status)


def mistake(operation: str, given: Mapping[str, Any]) -> Response | None:
    """What the description of the API does not allow."""
    needed, allowed = OPERATIONS[operation]
    if missing := needed - set(given):
        return said(400, f"missing: {missing}")
    unknown = set(given) - needed - allowed
    assert not unknown, f"{operation} has no {unknown}"
    return None


def message(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + len(content).to_bytes(2, "big") + content


def filled(event: Any, **values: str) -> Any:
    """The event of the recording as one of this call, now."""
    if isinstance(event, dict):
        return {key: filled(value, **values) for key, value in event.items()}
    if isinstance(event, list):
        return [filled(value, **values) for value in event]
    if isinstance(event, str):
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "+0000")
        for name, value in {**values, "now": now}.items():
            event = event.replace(f"<{name}>", value)
    return event


def conforms(event: Mapping[str, Any]) -> None:
    """Raises AssertionError for what no Asterisk tells."""
    for name in MODELS[event["type"]]:
        assert name in event, f"{event['type']} has a {name}"
    for name in ("channel", "peer"):
        for part in CHANNEL if name in event else ():
            assert part in event[name], f"a channel has a {part}"


@asynccontextmanager
async def pbx(**more: Any) -> AsyncIterator[Pbx]:
    async with served(Pbx(**more)) as made:
        yield made
