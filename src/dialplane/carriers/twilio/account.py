"""Settings of an account with Twilio -> checked values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from dialplane.carriers import call_settings
from dialplane.carriers import settings as read
from dialplane.carriers.call_settings import CallSettings, Reader

API_URL = "https://api.twilio.com"
USUAL_CPS = 1.0  # calls that come faster wait in Twilio's queue, past the hours that we have looked at


@dataclass(frozen=True, kw_only=True)
class Account(CallSettings):
    """An account, or a subaccount. auth_token: Twilio signs with it what it tells us.

    api_key, api_secret: who we are to Twilio; "": the account itself, with its token.
    """

    account_sid: str = ""
    auth_token: str = ""
    api_key: str = ""
    api_secret: str = ""
    api_url: str = API_URL
    machine_detection: bool = False
    cps: float | None = USUAL_CPS

    @classmethod
    def from_settings(cls, settings: Mapping[str, object]) -> Self:
        """What the `--carrier` YAML says, complete or not: see `checked`. Raises Invalid."""
        given = dict(read.mapping(settings, "top level", ("provider", "amd_enabled", *READERS)))
        if "amd_enabled" in given:  # its name in Dograh's contract
            given.setdefault("machine_detection", given["amd_enabled"])
        return cls(**call_settings.values(READERS, given))

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


def _word(value: object, name: str) -> str:
    return read.code(value, name, "Twilio's console")


def _sid(value: object, name: str) -> str:
    if not _word(value, name).startswith("AC"):
        raise read.complaint(name, f"begins with AC, not {value!r}")
    return str(value)


READERS: Mapping[str, Reader] = {
    "account_sid": _sid,
    "auth_token": _word,
    "api_key": _word,
    "api_secret": _word,
    "api_url": lambda value, name: read.url(value, name, "https://api.dublin.ie1.twilio.com"),
    "machine_detection": read.flag,
    **call_settings.READERS,
}
