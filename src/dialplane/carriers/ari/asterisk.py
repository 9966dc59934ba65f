"""Settings of an Asterisk -> checked values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlsplit

from dialplane.carriers import call_settings
from dialplane.carriers import settings as read
from dialplane.carriers.call_settings import CallSettings, Reader

FORMATS = ("e164", "digits", "double_zero")
# Their names in Dograh's contract; and what only its own server has a use for.
OTHER_NAMES: Final[Mapping[str, str]] = {"ari_endpoint": "url", "app_name": "user", "app_password": "password"}
UNUSED: Final = ("ws_client_name", "external_pbx")
_WORD = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True, kw_only=True)
class Asterisk(CallSettings):
    """user, password: of ari.conf. endpoint: what Asterisk dials, with {number}.

    transfer_context: of its dialplan, which knows how to hand calls over; "": they are not.
    local_address: of this machine, where Asterisk brings the sound; None: whichever leads to Asterisk.
    """

    url: str = ""
    user: str = ""
    password: str = ""
    endpoint: str = ""
    number_format: str = "e164"
    transfer_context: str = ""
    local_address: str | None = None

    @classmethod
    def from_settings(cls, settings: Mapping[str, object]) -> Self:
        """What the `--carrier` YAML says, complete or not: see `checked`. Raises Invalid."""
        given = dict(read.mapping(settings, "top level", ("provider", *OTHER_NAMES, *UNUSED, *READERS)))
        for other, name in OTHER_NAMES.items():
            if other in given:
                given.setdefault(name, given[other])
        return cls(**call_settings.values(READERS, given))

    def checked(self) -> Self:
        """Itself, if calls can be placed with it. Raises Invalid."""
        if not self.url:
            raise read.complaint("url", "is missing: http://… of http.conf, such as http://10.0.0.5:8088")
        if urlsplit(self.url).username is not None:
            raise read.complaint("url", "holds a user: write it as user and password")
        if not self.user or not self.password:
            raise read.complaint("user", "and password are missing: those of ari.conf")
        if not self.endpoint:
            raise read.complaint("endpoint", "is missing: what Asterisk dials, such as PJSIP/{number}@trunk")
        return self

    def written(self, e164: str) -> str:
        """The number as this Asterisk wants it."""
        return {"e164": e164, "digits": e164[1:], "double_zero": f"00{e164[1:]}"}[self.number_format]

    def dialled(self, e164: str) -> str:
        return self.endpoint.format(number=self.written(e164))

    @property
    def trunk(self) -> str | None:
        """The endpoint of pjsip.conf that is dialled; None: of another kind, or another one for each number.

        >>> Asterisk(endpoint="PJSIP/{number}@trunk").trunk
        'trunk'
        >>> Asterisk(endpoint="PJSIP/trunk/sip:{number}@10.0.0.9").trunk
        'trunk'
        >>> Asterisk(endpoint="DAHDI/g1/{number}").trunk
        """
        kind, _, rest = self.endpoint.partition("/")
        name = rest.partition("/")[0] if "/" in rest else rest.rpartition("@")[2]
        return name if kind.upper() == "PJSIP" and "{" not in name else None


def _url(value: object, name: str) -> str:
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
        understood = parts is not None and parts.scheme in ("http", "https") and parts.hostname and not parts.query
        _ = parts and parts.port
    except ValueError:
        understood = False
    if not understood:
        raise read.complaint(name, f"must look like http://10.0.0.5:8088, not {value!r}")
    return str(value).rstrip("/")


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise read.complaint(name, "must be text on one line; a number is written in quotes")
    return value


def _word(value: object, name: str) -> str:
    if not isinstance(value, str) or not (value == "" or _WORD.fullmatch(value)):
        raise read.complaint(name, f"must be a name of letters and digits, not {value!r}")
    return value


def _endpoint(value: object, name: str) -> str:
    template = _text(value, name)
    try:
        filled = template.format(number="1")
    except (KeyError, IndexError, ValueError, AttributeError):
        filled = ""
    if not template:
        return ""
    if "{number}" not in template or not re.fullmatch(r"[A-Za-z0-9]+/\S+", filled):
        raise read.complaint(name, f"must be such as PJSIP/{{number}}@trunk, not {template!r}")
    return template


def _address(value: object, name: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9.:-]+", value):
        raise read.complaint(name, f"must be an address of this machine, not {value!r}")
    return value


READERS: Mapping[str, Reader] = {
    "url": _url,
    "user": _text,
    "password": _text,
    "endpoint": _endpoint,
    "number_format": lambda value, name: read.word(value, name, FORMATS),
    "transfer_context": _word,
    "local_address": call_settings.optional(_address),
    **call_settings.READERS,
}
