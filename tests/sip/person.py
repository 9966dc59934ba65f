"""Somebody who is called: SIP over UDP and PCMU in plain asyncio, of another make than sipp and than our stack."""

from __future__ import annotations

import asyncio
import struct
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar
from uuid import uuid4

from callees import HOST, speech

FRAME = 160  # bytes of PCMU, and samples: 20 ms
RESEND_SECONDS = 0.5


@dataclass
class Message:
    """A request or a response. headers: in order, with names in small letters."""

    start: str
    headers: list[tuple[str, str]]
    body: str

    @classmethod
    def parsed(cls, data: bytes) -> Self:
        head, _, body = data.decode().partition("\r\n\r\n")
        start, *lines = head.split("\r\n")
        pairs = [line.partition(":") for line in lines]
        return cls(start, [(name.strip().lower(), value.strip()) for name, _, value in pairs], body)

    @property
    def method(self) -> str:
        """INVITE; of a response, the status."""
        first, second, _ = self.start.split(" ", 2)
        return second if first == "SIP/2.0" else first

    def all(self, name: str) -> list[str]:
        return [value for each, value in self.headers if each == name]

    def __getitem__(self, name: str) -> str:
        return self.all(name)[0]

    def media_port(self) -> int:
        return int(self.body.partition("m=audio ")[2].split(" ")[0])


class Ear(asyncio.DatagramProtocol):
    """A port for RTP: what has been heard there, and a mouth."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.transport: Any = None
        self._sequence, self._timestamp, self._source = 7, 1600, uuid4().int & 0xFFFFFFFF

    @classmethod
    async def opened(cls) -> Self:
        ear = cls()
        ear.transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: ear, local_addr=(HOST, 0))
        return ear

    @property
    def port(self) -> int:
        return int(self.transport.get_extra_info("sockname")[1])

    def datagram_received(self, data: bytes, addr: object) -> None:
        if len(data) > 12 and data[1] & 0x7F == 0:
            self.heard += self.unsealed(data)[12:]

    def sealed(self, packet: bytes) -> bytes:
        return packet

    def unsealed(self, packet: bytes) -> bytes:
        return packet

    async def speak(self, pcmu: bytes, to_port: int) -> None:
        """At the pace at which it is spoken."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        for at in range(0, len(pcmu), FRAME):
            header = struct.pack(">BBHII", 0x80, 0, self._sequence & 0xFFFF, self._timestamp, self._source)
            packet = self.sealed(header + pcmu[at : at + FRAME].ljust(FRAME, b"\xff"))
            self.transport.sendto(packet, (HOST, to_port))
            self._sequence, self._timestamp, due = self._sequence + 1, self._timestamp + FRAME, due + 0.02
            await asyncio.sleep(max(0.0, due - loop.time()))


@dataclass
class Person(asyncio.DatagramProtocol):
    """Takes one call: it rings, is answered at once, and what is said then is the test's."""

    ear: Ear
    tag: str = field(default_factory=lambda: uuid4().hex[:8])
    received: list[Message] = field(default_factory=list)
    invite: Message | None = None
    their_port: int = 0
    confirmed: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    _sequence: int = 0
    _version: int = 1
    _transport: Any = None
    _peer: Any = None
    _replies: dict[int, asyncio.Future[Message]] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def port(self) -> int:
        return int(self._transport.get_extra_info("sockname")[1])

    @property
    def trunk(self) -> dict[str, Any]:
        return {"provider": "sip", "host": HOST, "port": self.port, "local_address": HOST, "slow_start": False}

    def count(self, method: str) -> int:
        return sum(message.method == method for message in self.received)

    # --- what comes --------------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if not data.strip():
            return  # only to keep a way through NAT open
        message = Message.parsed(data)
        self.received.append(message)
        match message.method:
            case "INVITE" if self.invite is None:
                self.invite, self._peer = message, addr
                self.their_port = message.media_port()
                self._reply(message, "100 Trying")
                self._reply(message, "180 Ringing")
                answering = asyncio.get_running_loop().create_task(self._answer(message))
                self._tasks.add(answering)
            case "ACK":
                self.confirmed.set()
            case "BYE":
                self._reply(message, "200 OK")
                self.ended.set()
            case "OPTIONS":
                self._peer = addr
                self._reply(message, "200 OK")
            case status if status.isdigit() and int(status) >= 200:
                reply = self._replies.get(int(message["cseq"].split()[0]))
                if reply is not None and not reply.done():
                    reply.set_result(message)

    async def _answer(self, invite: Message) -> None:
        while not self.confirmed.is_set():
            self._reply(invite, "200 OK", self._sdp(self.ear.port, 1))
            await asyncio.sleep(RESEND_SECONDS)

    def _reply(self, to: Message, status: str, sdp: str = "", **more: str) -> None:
        copied = [("Via", via) for via in to.all("via")]
        copied += [(name, to[name.lower()]) for name in ("From", "Call-ID", "CSeq")]
        copied += [(name.replace("_", "-"), value) for name, value in more.items()]
        self._send(f"SIP/2.0 {status}", [*copied, ("To", f"{to['to'].partition(';tag=')[0]};tag={self.tag}")], sdp)

    # --- what goes ---------------------------------------------------------------------------------------------

    async def hang_up(self) -> Message:
        reply = await self._request("BYE")
        self.ended.set()
        return reply

    async def move_to(self, ear: Ear) -> Message:
        """Their media go to another port from now on, as when a telephone system puts a call through."""
        self.ear = ear
        return await self.offer("sendrecv")

    async def offer(self, direction: str) -> Message:
        """A re-INVITE. sendonly or inactive: the call is held; sendrecv: it goes on (RFC 3264, 8.4)."""
        self._version += 1
        offered = self._sdp(self.ear.port, self._version).replace("a=sendrecv", f"a={direction}")
        reply = await self._request("INVITE", offered)
        self._send_in_dialog("ACK", self._sequence, "")
        self.their_port = reply.media_port()
        return reply

    async def speak(self, words: str, *, by: Ear | None = None) -> None:
        await (by or self.ear).speak(speech(words), self.their_port)

    async def _request(self, method: str, sdp: str = "") -> Message:
        self._sequence += 1
        reply = self._replies[self._sequence] = asyncio.get_running_loop().create_future()
        branch = uuid4().hex
        for _ in range(10):
            self._send_in_dialog(method, self._sequence, sdp, branch)
            done, _ = await asyncio.wait([reply], timeout=RESEND_SECONDS)
            if done:
                break
        return reply.result()

    def _send_in_dialog(self, method: str, sequence: int, sdp: str, branch: str = "") -> None:
        assert self.invite is not None
        target = self.invite["contact"].partition("<")[2].partition(">")[0]
        headers = [
            ("Via", f"SIP/2.0/UDP {HOST}:{self.port};branch=z9hG4bK{branch or uuid4().hex};rport"),
            ("Max-Forwards", "70"),
            ("From", f"{self.invite['to']};tag={self.tag}"),
            ("To", self.invite["from"]),
            ("Call-ID", self.invite["call-id"]),
            ("CSeq", f"{sequence} {method}"),
        ]
        self._send(f"{method} {target} SIP/2.0", headers, sdp)

    def _send(self, start: str, headers: list[tuple[str, str]], sdp: str) -> None:
        if "Contact" not in dict(headers):
            headers = [*headers, ("Contact", f"<sip:person@{HOST}:{self.port}>")]
        if sdp:
            headers.append(("Content-Type", "application/sdp"))
        lines = [start, *(f"{name}: {value}" for name, value in headers), f"Content-Length: {len(sdp)}", "", sdp]
        self._transport.sendto("\r\n".join(lines).encode(), self._peer)

    def _sdp(self, port: int, version: int) -> str:
        lines = (
            "v=0", f"o=person 1 {version} IN IP4 {HOST}", "s=call", f"c=IN IP4 {HOST}", "t=0 0",
            f"m=audio {port} RTP/AVP 0", "a=rtpmap:0 PCMU/8000", "a=ptime:20", "a=sendrecv",
        )  # fmt: skip
        return "".join(f"{line}\r\n" for line in lines)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._transport.close()


P = TypeVar("P", bound=Person)


@asynccontextmanager
async def person(kind: type[P] = Person, **more: Any) -> AsyncIterator[P]:
    ear = await Ear.opened()
    made = kind(ear, **more)
    await asyncio.get_running_loop().create_datagram_endpoint(lambda: made, local_addr=(HOST, 0))
    try:
        yield made
    finally:
        made.close()
        ear.transport.close()


def linear(pcmu: bytes) -> bytes:
    """G.711 as 16 bits (ITU-T G.711, mu-law)."""
    samples = array("h")
    for byte in pcmu:
        code = ~byte & 0xFF
        size = (((code & 0x0F) << 3) + 0x84 << (code >> 4 & 7)) - 0x84
        samples.append(-size if code & 0x80 else size)
    return samples.tobytes()
