"""An agent that is called over SIP, in plain asyncio: it answers or refuses, has keys, and can hand the caller on."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from callees import HOST
from person import Message, Person

EVENTS = "0123456789*#ABCD"


@dataclass
class AgentPhone(Person):
    """refuses: with this status. rings: for ever. mute: it says nothing at all. pressed: keys of the
    caller. notified: what became of its REFER."""

    refuses: str = ""
    rings: bool = False
    mute: bool = False
    pressed: list[str] = field(default_factory=list)
    notified: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    _stamps: set[bytes] = field(default_factory=set)

    @property
    def uri(self) -> str:
        return f"sip:agent@{HOST}:{self.port}"

    def __post_init__(self) -> None:
        heard = self.ear.datagram_received

        def listen(data: bytes, addr: object) -> None:
            """Keys too: a key's last packets say that it has ended, several times."""
            heard(data, addr)
            if data[1] & 0x7F == 101 and data[13] & 0x80 and data[4:8] not in self._stamps:
                self._stamps.add(data[4:8])
                self.pressed.append(EVENTS[data[12]])

        self.ear.datagram_received = listen  # type: ignore[method-assign]

    def datagram_received(self, data: bytes, addr: Any) -> None:
        message = Message.parsed(data) if data.strip() else None
        if message is not None and message.method == "NOTIFY":
            self._reply(message, "200 OK")
            self.notified.put_nowait(message)
        elif message is not None and message.method == "CANCEL":
            assert self.invite is not None
            self._reply(message, "200 OK")
            self._reply(self.invite, "487 Request Terminated")
            self.cancelled.set()
        elif not (self.mute and message is not None):
            super().datagram_received(data, addr)

    async def _answer(self, invite: Message) -> None:
        if self.refuses:
            self._reply(invite, self.refuses)
        elif not self.rings:
            await super()._answer(invite)

    def _sdp(self, port: int, version: int) -> str:
        return (
            super()
            ._sdp(port, version)
            .replace("RTP/AVP 0\r\n", "RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n")
        )

    def press(self, key: str) -> None:
        """RFC 4733, as telephones send it."""
        for ordinal in range(8):
            marker, last = (0x80 if ordinal == 0 else 0), (0x80 if ordinal >= 5 else 0)
            header = struct.pack(">BBHII", 0x80, marker | 101, 1000 + ordinal, 160_000, 0xD1A1)
            packet = header + struct.pack(">BBH", EVENTS.index(key), last | 10, 160 * min(ordinal + 1, 6))
            self.ear.transport.sendto(packet, (HOST, self.their_port))

    def refer(self, to: str) -> None:
        """Call the caller on to this address (RFC 3515)."""
        assert self.invite is not None
        self._sequence += 1
        self._send(
            f"REFER {self.invite['contact'].partition('<')[2].partition('>')[0]} SIP/2.0",
            [
                ("Via", f"SIP/2.0/UDP {HOST}:{self.port};branch=z9hG4bK{uuid4().hex};rport"),
                ("Max-Forwards", "70"),
                ("From", f"{self.invite['to']};tag={self.tag}"),
                ("To", self.invite["from"]),
                ("Call-ID", self.invite["call-id"]),
                ("CSeq", f"{self._sequence} REFER"),
                ("Refer-To", f"<{to}>"),
            ],
            "",
        )
