"""A telephone system that takes calls from registered devices only (RFC 3261, section 10), and asks for a password."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from hashlib import md5
from typing import Any

from person import Message, Person

REALM, NONCE = "registrar.test", "dcd98b7102dd2f0e"


@dataclass
class Registrar(Person):
    """bindings: until when a device is registered, by where its packets come from. registered: its names, in turn."""

    password: str = "s3cret"
    expires_seconds: int = 600
    bindings: dict[Any, float] = field(default_factory=dict)
    registered: list[str] = field(default_factory=list)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        message = Message.parsed(data) if data.strip() else None
        if message is not None and message.method in ("REGISTER", "INVITE"):
            self._peer = addr
        if message is not None and message.method == "REGISTER":
            self.received.append(message)
            self._register(message, addr)
        elif message is not None and message.method == "INVITE" and self.bindings.get(addr, 0) < time.monotonic():
            self.received.append(message)
            self._reply(message, "403 Forbidden")
        else:
            super().datagram_received(data, addr)

    def _register(self, message: Message, addr: Any) -> None:
        if not message.all("authorization"):
            challenge = f'Digest realm="{REALM}", nonce="{NONCE}", algorithm=MD5, qop="auth"'
            self._reply(message, "401 Unauthorized", WWW_Authenticate=challenge)
        elif not self._knows(message["authorization"]):
            self._reply(message, "403 Wrong password")
        elif message.all("expires") == ["0"] or ";expires=0" in message["contact"]:
            self.bindings.pop(addr, None)
            self._reply(message, "200 OK")
        else:
            self.bindings[addr] = time.monotonic() + self.expires_seconds
            self.registered.append(message["to"])
            device = message["contact"].partition(">")[0]
            self._reply(message, "200 OK", Contact=f"{device}>;expires={self.expires_seconds}")

    def _knows(self, digest: str) -> bool:
        """RFC 2617, 3.2.2.1, with the quality of protection `auth`."""
        given = dict(re.findall(r'(\w+)="?([^",\s]+)', digest))
        secret = _hex(f"{given['username']}:{REALM}:{self.password}")
        request = _hex(f"REGISTER:{given['uri']}")
        right = _hex(f"{secret}:{NONCE}:{given['nc']}:{given['cnonce']}:{given['qop']}:{request}")
        return given["response"] == right


def _hex(text: str) -> str:
    return md5(text.encode()).hexdigest()
