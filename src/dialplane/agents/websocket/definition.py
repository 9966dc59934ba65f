"""`kind: websocket`: the voice server of the user, where it is and what it is told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Final, Self
from urllib.parse import urlsplit

from dialplane.agents import fields
from dialplane.agents.fields import complaint
from dialplane.agents.hosted import Described

NO_ACCOUNT: Final = "AC" + "0" * 32
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OURS = re.compile(r"host|connection|upgrade|content-length|transfer-encoding|sec-websocket-.*|x-twilio-signature")
_ACCOUNT = re.compile(r"AC[0-9a-zA-Z]{1,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceServer:
    """headers: of the request that opens the socket; secrets. auth_token: signs that request; "": nothing does.

    parameters: by name, with {{columns}}; None: all columns of the contact. gathers: names of what it may report.
    max_silence_seconds: without any message from it.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] | None = None
    account_sid: str = NO_ACCOUNT
    auth_token: str = ""
    gathers: tuple[str, ...] = ()
    connect_seconds: float = 5.0
    first_audio_seconds: float = 5.0
    max_silence_seconds: float = 120.0

    @classmethod
    def from_definition(cls, definition: Mapping[str, Any]) -> Self:
        """Raises Invalid."""
        found = fields.read(definition, "", READERS)
        url = urlsplit(found["url"] if "url" in found else _url(None, "url"))
        if found.get("headers") and url.scheme == "ws" and not _is_here(url.hostname or ""):
            raise complaint("headers", "would cross the network for all to read; write a wss:// address in `url`")
        gathers = found.get("fields", ())
        return cls(gathers=gathers, **{name: found[name] for name in found if name not in ("kind", "name", "fields")})


def read(definition: Mapping[str, Any]) -> Described:
    """Raises Invalid."""
    server = VoiceServer.from_definition(definition)
    return Described(
        kept=definition, variables=fields.columns((server.parameters or {}).values()), fields=server.gathers
    )


def _url(value: object, place: str) -> str:
    """wss, and ws inside one's own network alone: what people say is nobody else's business."""
    try:
        parts = urlsplit(value) if isinstance(value, str) and value.isascii() else None
        usable = parts is not None and bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, usable = None, False
    if parts is None or not usable or parts.scheme not in ("wss", "ws") or re.search(r"\s|[{}]", parts.geturl()):
        raise complaint(place, "must be such as wss://agent.example.org/media")
    if parts.username is not None or parts.fragment:
        raise complaint(place, "is shown to everybody: write what must stay secret under `headers`")
    if parts.scheme == "ws" and not _is_private(parts.hostname or ""):
        raise complaint(place, "must begin with wss://; ws:// is for this machine and one's own network")
    return str(value)


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_private(host: str) -> bool:
    """A name without a dot is one of the own network, as of a neighbour in a compose file."""
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host


def _headers(value: object, place: str) -> Mapping[str, str]:
    given: dict[str, str] = fields.named(fields.line)(value, place)
    for name, each in given.items():
        if not _HEADER.fullmatch(name) or _OURS.fullmatch(name.lower()):
            raise complaint(f"{place}.{name}", "is no header that may be set here")
        if not each.isascii() or "{{" in each:
            raise complaint(f"{place}.{name}", "must be plain ASCII and the same for everybody; see `parameters`")
    return given


def _account(value: object, place: str) -> str:
    if not isinstance(value, str) or not _ACCOUNT.fullmatch(value):
        raise complaint(place, f"must be such as {NO_ACCOUNT}, not {value!r}")
    return value


def _names(value: object, place: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(fields.listed(fields.value_name, least=0)(value, place)))


READERS: Mapping[str, fields.Reader] = {
    "kind": fields.line,
    "name": fields.line,
    "url": _url,
    "headers": _headers,
    "parameters": fields.named(fields.line_template),
    "account_sid": _account,
    "auth_token": fields.line,
    "fields": _names,
    "connect_seconds": fields.seconds(1, 30),
    "first_audio_seconds": fields.seconds(1, 60),
    "max_silence_seconds": fields.seconds(5, 3600),
}
