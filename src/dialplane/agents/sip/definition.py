"""`kind: sip`: an agent that is called itself, at a SIP address; who it is told about, and how long it may ring."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Final, Self

from dialplane.agents import fields
from dialplane.agents.fields import complaint
from dialplane.agents.hosted import Described

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
        found = fields.read(definition, "", READERS)
        uri = _URI.fullmatch(found["uri"] if "uri" in found else _uri(None, "uri"))
        assert uri is not None
        transport = found.get("transport", "udp")
        if transport == "tls" and _is_address(uri[2]):
            raise complaint("uri", "must have a name over TLS, which its certificate is for")
        if "password" in found and not found.get("user"):
            raise complaint("password", "wants `user` as well: who has it")
        given = {name: found[name] for name in found if name not in ("kind", "name", "uri")}
        return cls(
            uri=uri[0],
            host=uri[2],
            port=int(uri[3] or (5061 if transport == "tls" else 5060)),
            **{"from_user": found.get("user") or NOBODY, **given},
        )


def read(definition: Mapping[str, Any]) -> Described:
    """Raises Invalid."""
    agent = SipAgent.from_definition(definition)
    return Described(kept=definition, variables=fields.columns(agent.headers.values()))


def _uri(value: object, place: str) -> str:
    if not isinstance(value, str) or not _URI.fullmatch(value):
        raise complaint(place, f"must be such as sip:agent@pbx.example.org, not {value!r}")
    return value


def _is_address(host: object) -> bool:
    try:
        ip_address(host.strip("[]") if isinstance(host, str) else "")
    except ValueError:
        return False
    return True


def _local_address(value: object, place: str) -> str | None:
    if value is not None and not _is_address(value):
        raise complaint(place, f"must be an address of this machine, not {value!r}")
    return None if value is None else str(value)


def _word(value: object, place: str) -> str:
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise complaint(place, f"must be a name without spaces, not {value!r}; put a number in quotes")
    return value


def _login(value: object, place: str) -> str:
    """Or "", where nobody asks for it."""
    return _word(value, place) if value != "" else ""


def _password(value: object, place: str) -> str:
    text = fields.line(value, place)
    if '"' in text or "\\" in text:
        raise complaint(place, "must have no quotes and no backslashes, which cannot be sent")
    return text


def _headers(value: object, place: str) -> Mapping[str, str]:
    given: dict[str, str] = fields.named(fields.line_template)(value, place)
    for name in given:
        if not _HEADER.fullmatch(name) or _OURS.fullmatch(name):
            raise complaint(f"{place}.{name}", "is no header that may be set here; take one that begins with X-")
    return given


def _codecs(value: object, place: str) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not value:
        raise complaint(place, f"must be a list with any of: {', '.join(CODECS)}")
    names = tuple(str(each).lower() for each in value)
    for name in names:
        if name not in CODECS:
            raise complaint(place, f"must have {', '.join(CODECS)} alone, not {name!r}")
    return names


READERS: Mapping[str, fields.Reader] = {
    "kind": fields.line,
    "name": fields.line,
    "uri": _uri,
    "transport": fields.one_of(*TRANSPORTS),
    "user": _login,
    "password": _password,
    "auth_user": _login,
    "from_user": _word,
    "headers": _headers,
    "codecs": _codecs,
    "answer_seconds": fields.seconds(1, 60),
    "local_address": _local_address,
}
