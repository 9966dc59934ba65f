"""`kind: websocket`: the voice server of the user, where it is and what it is told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Final, Self
from urllib.parse import SplitResult, urlsplit

from dialplane.agents import fields as read_field
from dialplane.agents.fields import complaint
from dialplane.agents.hosted import Described

FIELDS: Final = (
    "kind", "name", "url", "headers", "parameters", "account_sid", "auth_token", "fields",
    "connect_seconds", "first_audio_seconds", "max_silence_seconds",
)  # fmt: skip
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
        read_field.known_only(definition, FIELDS)
        url = _url(definition.get("url"))
        headers = _headers(definition)
        if headers and url.scheme == "ws" and not _is_here(url.hostname or ""):
            raise complaint("headers", "would cross the network for all to read; write a wss:// address in `url`")
        return cls(
            url=str(definition["url"]),
            headers=headers,
            parameters=_parameters(definition) if "parameters" in definition else None,
            account_sid=_account(definition.get("account_sid", NO_ACCOUNT)),
            auth_token=read_field.line(definition.get("auth_token", ""), "auth_token"),
            gathers=read_field.names(definition, "fields"),
            connect_seconds=read_field.seconds(definition, "connect_seconds", 5, 1, 30),
            first_audio_seconds=read_field.seconds(definition, "first_audio_seconds", 5, 1, 60),
            max_silence_seconds=read_field.seconds(definition, "max_silence_seconds", 120, 5, 3600),
        )


def read(definition: Mapping[str, Any]) -> Described:
    """Raises Invalid."""
    server = VoiceServer.from_definition(definition)
    read_field.line(definition.get("name", ""), "name")
    return Described(
        kept=definition, variables=read_field.columns((server.parameters or {}).values()), fields=server.gathers
    )


def _url(value: object) -> SplitResult:
    """wss, and ws inside one's own network alone: what people say is nobody else's business."""
    try:
        parts = urlsplit(value) if isinstance(value, str) and value.isascii() else None
        usable = parts is not None and bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, usable = None, False
    if parts is None or not usable or parts.scheme not in ("wss", "ws") or re.search(r"\s|[{}]", parts.geturl()):
        raise complaint("url", "must be such as wss://agent.example.org/media")
    if parts.username is not None or parts.fragment:
        raise complaint("url", "is shown to everybody: write what must stay secret under `headers`")
    if parts.scheme == "ws" and not _is_private(parts.hostname or ""):
        raise complaint("url", "must begin with wss://; ws:// is for this machine and one's own network")
    return parts


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


def _headers(definition: Mapping[str, Any]) -> Mapping[str, str]:
    given = read_field.mapping(definition, "headers", "{Authorization: Bearer 0a1b2c}")
    for name, value in given.items():
        if not _HEADER.fullmatch(name) or _OURS.fullmatch(name.lower()):
            raise complaint(f"headers.{name}", "is no header that may be set here")
        if not read_field.line(value, f"headers.{name}").isascii() or "{{" in value:
            raise complaint(f"headers.{name}", "must be plain ASCII and the same for everybody; see `parameters`")
    return dict(given)


def _parameters(definition: Mapping[str, Any]) -> Mapping[str, str]:
    given = read_field.mapping(definition, "parameters", "{first_name: '{{first_name}}'}")
    return {name: read_field.template(value, f"parameters.{name}") for name, value in given.items()}


def _account(value: object) -> str:
    if not isinstance(value, str) or not _ACCOUNT.fullmatch(value):
        raise complaint("account_sid", f"must be such as {NO_ACCOUNT}, not {value!r}")
    return value
