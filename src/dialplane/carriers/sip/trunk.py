"""Settings of SIP trunks -> checked values: where it is, who we are to it, how numbers are written for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Any, NamedTuple, Self

from dialplane.carriers import call_settings
from dialplane.carriers import settings as read
from dialplane.carriers.call_settings import CallSettings, Reader
from dialplane.core.disposition import Disposition

TRANSPORTS = ("udp", "tcp", "tls")
CODECS = ("pcmu", "pcma")
ENCRYPTIONS = ("none", "srtp")
FORMATS = ("e164", "digits", "double_zero")
# Of calls, and not of where they go: a call that goes on to another trunk is the same call.
OF_THE_CARRIER = tuple(call_settings.READERS)
_HOST = re.compile(r"[A-Za-z0-9.\-]+|\[[0-9A-Fa-f:]+\]")
_WORD = re.compile(r"[^\s@:;<>\"?]+")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_STATUS = re.compile(r"[3-6]\d\d")
_PROXY = re.compile(rf"(?:sip:)?({_HOST.pattern})(?::(\d{{1,5}}))?((?:;[^;\s]+)*)")


class Hop(NamedTuple):
    """Where our packets go."""

    host: str
    port: int
    transport: str


@dataclass(frozen=True, kw_only=True)
class Trunk(CallSettings):
    """One trunk. user "": it knows us by our address. from_user "": the caller's number.

    dial: what follows `sip:` in the address that is called, with {number}, {host} and {port}.
    dispositions: what a status means on this trunk, where it is not what the standard says.
    local_address: of the interface to use; None: whichever leads there.
    ca_certificates: PEM, of those who are believed over TLS; "": the authorities of this machine.
    others: of the same carrier, in order of preference; this one comes before them.
    """

    modules = ("baresip", *CallSettings.modules)
    extras = "sip,voice"

    host: str
    port: int = 5060
    transport: str = "udp"
    ca_certificates: str = ""
    media_encryption: str = "none"
    user: str = ""
    password: str = ""
    auth_user: str = ""
    outbound_proxy: str = ""
    from_user: str = ""
    display_name: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    asserted_identity: bool = False
    codecs: tuple[str, ...] = CODECS
    number_format: str = "e164"
    dial: str = "{number}@{host}:{port}"
    register: bool = False
    probe: bool = True
    dispositions: Mapping[int, Disposition] = field(default_factory=dict)
    local_address: str | None = None
    others: tuple[Trunk, ...] = ()

    @classmethod
    def from_settings(cls, settings: Mapping[str, object]) -> Self:
        """The first of the trunks that the `--carrier` YAML describes. Raises Invalid."""
        given = read.mapping(settings, "top level", ("provider", "trunks", *READERS))
        common = _values(given)
        if "trunks" not in given:
            return cls(**_with_host(common, "host"))._checked("")
        first, *others = [
            cls(**_with_host({**common, **_values(entry, f"trunks.{ordinal}.")}, f"trunks.{ordinal}.host"))._checked(
                f"trunks.{ordinal}."
            )
            for ordinal, entry in enumerate(_entries(given["trunks"]), 1)
        ]
        return replace(first, others=tuple(others))

    def _checked(self, where: str) -> Self:
        """What one field means for another. Raises Invalid."""
        if self.register and not self.registers_as:
            raise read.complaint(f"{where}register", "wants `user` as well: who is to be registered")
        if self.media_encryption != "none" and self.hop.transport != "tls":
            raise read.complaint(
                f"{where}media_encryption", "has its keys in the signalling: it wants `transport: tls`"
            )
        if self.hop.transport == "tls" and is_address(self.hop.host) and not self.ca_certificates:
            raise read.complaint(
                f"{where}{'outbound_proxy' if self.outbound_proxy else 'host'}",
                "must be a name over TLS, which its certificate is for; or say in `ca_certificates` whose it is",
            )
        return self

    @property
    def hop(self) -> Hop:
        """The outbound proxy, where there is one."""
        found = _PROXY.fullmatch(self.outbound_proxy)
        if found is None:
            return Hop(self.host, self.port, self.transport)
        host, port, parameters = found.groups()
        named = re.search(r";transport=(\w+)", parameters)
        transport = named[1] if named else self.transport
        return Hop(host, int(port or _usual_port(transport)), transport)

    @property
    def route(self) -> str | None:
        """The outbound proxy as the stack wants it, which would take UDP where nothing is said."""
        if not self.outbound_proxy:
            return None
        said = "" if ";transport=" in self.outbound_proxy else f";transport={self.transport}"
        return f"sip:{self.outbound_proxy.removeprefix('sip:')}{said}"

    @property
    def registers_as(self) -> str:
        return self.from_user or self.user

    def written(self, e164: str) -> str:
        """The number as this trunk wants it."""
        return {"e164": e164, "digits": e164[1:], "double_zero": f"00{e164[1:]}"}[self.number_format]

    def address(self, e164: str) -> str:
        """What is called."""
        return "sip:" + self.dial.format(number=self.written(e164), host=self.host, port=self.port)


def settings_of_each(settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of each trunk alone: what its entry says, and what stands beside `trunks` where it says nothing."""
    common = {name: value for name, value in settings.items() if name != "trunks"}
    return [{**common, **entry} for entry in settings.get("trunks", [{}])]


def _entries(value: object) -> list[Mapping[str, object]]:
    if not isinstance(value, list | tuple) or not value:
        raise read.complaint("trunks", "must be a list of at least one trunk, such as [{host: sbc1.example}]")
    known = [name for name in READERS if name not in OF_THE_CARRIER]
    for ordinal, entry in enumerate(value, 1):
        for name in OF_THE_CARRIER:
            if isinstance(entry, Mapping) and name in entry:
                raise read.complaint(f"trunks.{ordinal}.{name}", "is one for all trunks: write it beside `trunks`")
        read.mapping(entry, f"trunks.{ordinal}", known)
    return list(value)


def _values(given: Mapping[str, object], where: str = "") -> dict[str, Any]:
    return {name: READERS[name](given[name], f"{where}{name}") for name in READERS if name in given}


def _with_host(values: dict[str, Any], name: str) -> dict[str, Any]:
    if "host" not in values:
        raise read.complaint(name, "is missing: the name or address of the trunk")
    return {"port": _usual_port(values.get("transport", "udp")), **values}


def _usual_port(transport: str) -> int:
    return 5061 if transport == "tls" else 5060


def is_address(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _text(pattern: re.Pattern[str], what: str) -> Callable[[object, str], str]:
    def text(value: object, name: str) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise read.complaint(name, f"must be {what}, not {value!r}")
        return value

    return text


def _any_text(value: object, name: str) -> str:
    if not isinstance(value, str) or any(char in value for char in '\r\n"\\'):
        raise read.complaint(name, "must be text on one line, without quotes; a number is written in quotes")
    return value


def _headers(value: object, name: str) -> Mapping[str, str]:
    if not isinstance(value, Mapping):
        raise read.complaint(name, "must be a mapping such as {X-Account: '17'}")
    return {
        _text(_HEADER, "the name of a header")(key, name): _any_text(each, f"{name}.{key}")
        for key, each in value.items()
    }


def _codecs(value: object, name: str) -> tuple[str, ...]:
    return tuple(read.word(each.lower(), name, CODECS) for each in read.texts(value, name))


def _dial(value: object, name: str) -> str:
    template = _any_text(value, name)
    try:
        filled = template.format(number="1", host="h", port=1)
    except (KeyError, IndexError, ValueError):
        filled = ""
    if "{number}" not in template or not filled or " " in filled:
        raise read.complaint(name, f"must hold {{number}}, and may hold {{host}} and {{port}}, not {template!r}")
    return template


def _proxy(value: object, name: str) -> str:
    found = _PROXY.fullmatch(value) if isinstance(value, str) else None
    named = re.search(r";transport=([^;]*)", found[3]) if found else None
    if found is None or (named and named[1] not in TRANSPORTS):
        raise read.complaint(name, f"must be such as sbc.example:5060 or sbc.example;transport=tcp, not {value!r}")
    return found[0]


def _certificates(value: object, name: str) -> str:
    from cryptography.x509 import load_pem_x509_certificates  # noqa: PLC0415  (which most trunks, and commands, save)

    try:
        load_pem_x509_certificates(value.encode() if isinstance(value, str) else b"")
    except ValueError:
        raise read.complaint(name, "must be the text of certificates, -----BEGIN CERTIFICATE----- and so on") from None
    return str(value)


def _dispositions(value: object, name: str) -> Mapping[int, Disposition]:
    if not isinstance(value, Mapping):
        raise read.complaint(name, "must be a mapping such as {404: no_answer}")
    known = [disposition.value for disposition in Disposition]
    found = {}
    for status, word in value.items():
        if not _STATUS.fullmatch(str(status)):
            raise read.complaint(name, f"must name SIP statuses from 300 to 699, not {status!r}")
        found[int(str(status))] = Disposition(read.word(word, f"{name}.{status}", known))
    return found


_word = _text(_WORD, "a name without spaces")
READERS: Mapping[str, Reader] = {
    "host": _text(_HOST, "a host name or an address"),
    "port": lambda value, name: read.whole(value, name, 1, 65535),
    "transport": lambda value, name: read.word(value, name, TRANSPORTS),
    "ca_certificates": _certificates,
    "media_encryption": lambda value, name: read.word(value, name, ENCRYPTIONS),
    "user": _word,
    "password": _any_text,
    "auth_user": _word,
    "outbound_proxy": _proxy,
    "from_user": _word,
    "display_name": _any_text,
    "headers": _headers,
    "asserted_identity": read.flag,
    "codecs": _codecs,
    "number_format": lambda value, name: read.word(value, name, FORMATS),
    "dial": _dial,
    "register": read.flag,
    "probe": read.flag,
    "dispositions": _dispositions,
    "local_address": call_settings.optional(_text(_HOST, "an address of this machine")),
    **call_settings.READERS,
}
