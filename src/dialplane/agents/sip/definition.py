"""`kind: sip`: an agent that is called itself, at a SIP address; who it is told about, and how long it may ring."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Final, Self

from dialplane.agents import fields as read_field
from dialplane.agents.fields import complaint
from dialplane.agents.hosted import Described

FIELDS: Final = (
    "kind", "name", "uri", "transport", "user", "password", "auth_user", "from_user", "headers", "codecs",
    "answer_seconds", "local_address",
)  # fmt: skip
TRANSPORTS: Final = ("udp", "tcp", "tls")
CODECS: Final = ("pcmu", "pcma")
NOBODY: Final = "dialplane"  # who calls, where nothing is said of that
_HOST = r"[A-Za-z0-9.\-]+|\[[0-9A-Fa-f:]+\]"
_URI = re.compile(rf"sip:([A-Za-z0-9\-_.!~*'()&=+$,/%]+)@({_HOST})(?::(\d{{1,5}}))?")
_WORD = re.compile(r"[^\s@:;<>\"?\\]+")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OURS = re.compile(
    r"via|v|from|f|to|t|call-id|i|cseq|contact|m|max-forwards|route|record-route|content-.*|[cel]|require|supported|k"
    r"|authorization|proxy-.*|replaces|expires|session-expires|x|min-se|x-dialplane-.*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SipAgent:
    """uri: without port and transport where those are the usual ones. headers: with {{columns}}.

    user, password: for who is asked for them. from_user: who calls, by its name of this. local_address: of the
    interface to use; None: whichever leads there.
    """

    uri: str
    host: str
    port: int
    transport: str = "udp"
    user: str = ""
    password: str = ""
    auth_user: str = ""
    from_user: str = NOBODY
    headers: Mapping[str, str] = field(default_factory=dict)
    codecs: tuple[str, ...] = CODECS
    answer_seconds: float = 10.0
    local_address: str | None = None

    @property
    def address(self) -> str:
        """What is dialled."""
        user = self.uri.removeprefix("sip:").partition("@")[0]
        return f"sip:{user}@{self.host}:{self.port};transport={self.transport}"

    @classmethod
    def from_definition(cls, definition: Mapping[str, Any]) -> Self:
        """Raises Invalid."""
        read_field.known_only(definition, FIELDS)
        uri = definition.get("uri")
        found = _URI.fullmatch(uri) if isinstance(uri, str) else None
        if found is None:
            raise complaint("uri", f"must be such as sip:agent@pbx.example.org, not {uri!r}")
        transport = definition.get("transport", "udp")
        if transport not in TRANSPORTS:
            raise complaint("transport", f"must be one of {', '.join(TRANSPORTS)}, not {transport!r}")
        if transport == "tls" and _is_address(found[2]):
            raise complaint("uri", "must have a name over TLS, which its certificate is for")
        user = _word(definition, "user", "")
        if "password" in definition and not user:
            raise complaint("password", "wants `user` as well: who has it")
        local_address = definition.get("local_address")
        if local_address is not None and not _is_address(local_address):
            raise complaint("local_address", f"must be an address of this machine, not {local_address!r}")
        return cls(
            uri=found[0],
            host=found[2],
            port=int(found[3] or (5061 if transport == "tls" else 5060)),
            transport=transport,
            user=user,
            password=_password(definition.get("password", "")),
            auth_user=_word(definition, "auth_user", ""),
            from_user=_word(definition, "from_user", user or NOBODY),
            headers=_headers(definition),
            codecs=_codecs(definition.get("codecs", CODECS)),
            answer_seconds=read_field.seconds(definition, "answer_seconds", 10, 1, 60),
            local_address=local_address,
        )


def read(definition: Mapping[str, Any]) -> Described:
    """Raises Invalid."""
    agent = SipAgent.from_definition(definition)
    read_field.line(definition.get("name", ""), "name")
    return Described(kept=definition, variables=read_field.columns(agent.headers.values()))


def _is_address(host: object) -> bool:
    try:
        ip_address(host.strip("[]") if isinstance(host, str) else "")
    except ValueError:
        return False
    return True


def _word(definition: Mapping[str, Any], name: str, default: str) -> str:
    value = definition.get(name, default)
    if value != default and (not isinstance(value, str) or not _WORD.fullmatch(value)):
        raise complaint(name, f"must be a name without spaces, not {value!r}; put a number in quotes")
    return str(value)


def _password(value: object) -> str:
    text = read_field.line(value, "password")
    if '"' in text or "\\" in text:
        raise complaint("password", "must have no quotes and no backslashes, which cannot be sent")
    return text


def _headers(definition: Mapping[str, Any]) -> Mapping[str, str]:
    given = read_field.mapping(definition, "headers", "{X-First-Name: '{{first_name}}'}")
    for name in given:
        if not _HEADER.fullmatch(name) or _OURS.fullmatch(name):
            raise complaint(f"headers.{name}", "is no header that may be set here; take one that begins with X-")
    return {name: read_field.template(value, f"headers.{name}") for name, value in given.items()}


def _codecs(value: object) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not value:
        raise complaint("codecs", f"must be a list with any of: {', '.join(CODECS)}")
    names = tuple(str(each).lower() for each in value)
    for name in names:
        if name not in CODECS:
            raise complaint("codecs", f"must have {', '.join(CODECS)} alone, not {name!r}")
    return names
