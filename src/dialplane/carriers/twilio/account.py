"""Settings of an account with Twilio -> checked values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

from dialplane.carriers import settings as read
from dialplane.ports import CarrierLimits
from dialplane.voice.settings import Hearing, Speech, hearing, speech

API_URL = "https://api.twilio.com"
USUAL_CPS = 1.0  # calls that come faster wait in Twilio's queue, past the hours that we have looked at
LEAST_RING_SECONDS = 15.0  # 47 CFR 64.1200(a)(6): no unanswered call is ended sooner
RECORDING_FORMATS = ("wav", "flac")
_WORD = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, kw_only=True)
class Account:
    """An account, or a subaccount. auth_token: Twilio signs with it what it tells us.

    api_key, api_secret: who we are to Twilio; "": the account itself, with its token.
    """

    account_sid: str = ""
    auth_token: str = ""
    api_key: str = ""
    api_secret: str = ""
    api_url: str = API_URL
    machine_detection: bool = False
    record: bool = True
    recording_format: str = "wav"
    speech: Speech = field(default_factory=Speech)
    hearing: Hearing = field(default_factory=Hearing)
    cps: float | None = USUAL_CPS
    max_lines: int | None = None
    ring_timeout_seconds: float = 45.0
    max_call_seconds: float = 1800.0
    slow_start: bool = True

    @classmethod
    def from_settings(cls, settings: Mapping[str, object]) -> Self:
        """What the `--carrier` YAML says, complete or not: see `checked`. Raises Invalid."""
        given = dict(read.mapping(settings, "top level", ("provider", "amd_enabled", *READERS)))
        if "amd_enabled" in given:  # its name in Dograh's contract
            given.setdefault("machine_detection", given["amd_enabled"])
        return cls(**{name: reader(given[name], name) for name, reader in READERS.items() if name in given})

    def checked(self) -> Self:
        """Itself, if calls can be placed with it. Raises Invalid."""
        if not self.account_sid:
            raise read.complaint("account_sid", "is missing: AC…, from the first page of Twilio's console")
        if not self.auth_token:
            raise read.complaint(
                "auth_token", "is missing: Twilio signs with it what it tells of calls, also where an api_key is given"
            )
        if bool(self.api_key) != bool(self.api_secret):
            raise read.complaint("api_key", "and api_secret belong together: give both, or neither")
        return self

    @property
    def credentials(self) -> tuple[str, str]:
        return (self.api_key, self.api_secret) if self.api_key else (self.account_sid, self.auth_token)

    def limits(self) -> CarrierLimits:
        return CarrierLimits(
            cps=self.cps,
            max_lines=self.max_lines,
            ring_timeout_seconds=self.ring_timeout_seconds,
            max_call_seconds=self.max_call_seconds,
            slow_start=self.slow_start,
        )


def _word(value: object, name: str) -> str:
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise read.complaint(name, "must be text of letters and digits, as Twilio's console shows it")
    return value


def _sid(value: object, name: str) -> str:
    if not _word(value, name).startswith("AC"):
        raise read.complaint(name, f"begins with AC, not {value!r}")
    return str(value)


def _url(value: object, name: str) -> str:
    parts = urlsplit(value) if isinstance(value, str) else None
    local = parts is not None and parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost")
    if parts is None or not parts.hostname or not (parts.scheme == "https" or local) or parts.query or parts.username:
        raise read.complaint(name, f"must look like https://api.dublin.ie1.twilio.com, not {value!r}")
    return str(value).rstrip("/")


def _optional(reader: Callable[[object, str], Any]) -> Callable[[object, str], Any]:
    return lambda value, name: None if value is None else reader(value, name)


READERS: Mapping[str, Callable[[object, str], Any]] = {
    "account_sid": _sid,
    "auth_token": _word,
    "api_key": _word,
    "api_secret": _word,
    "api_url": _url,
    "machine_detection": read.flag,
    "record": read.flag,
    "recording_format": lambda value, name: read.word(value, name, RECORDING_FORMATS),
    "speech": speech,
    "hearing": hearing,
    "cps": _optional(lambda value, name: read.number(value, name, 0.001, 10_000)),
    "max_lines": _optional(lambda value, name: read.whole(value, name, 1, 1_000_000)),
    "ring_timeout_seconds": lambda value, name: read.number(value, name, LEAST_RING_SECONDS, 600),
    "max_call_seconds": lambda value, name: read.number(value, name, 5, read.MAX_SECONDS),
    "slow_start": read.flag,
}
