"""Settings of an account with Telnyx -> checked values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from dialplane.carriers import call_settings
from dialplane.carriers import settings as read
from dialplane.carriers.call_settings import CallSettings, Reader
from dialplane.carriers.telnyx.signing import is_public_key

API_URL = "https://api.telnyx.com/v2"
USUAL_CPS = 1.0  # until its owner knows what the account allows; it may refuse more, or place them late


@dataclass(frozen=True, kw_only=True)
class Account(CallSettings):
    """connection_id: of the Voice API application that calls belong to. webhook_public_key: what Telnyx signs with, "":
    not given.
    """

    api_key: str = ""
    connection_id: str = ""
    webhook_public_key: str = ""
    api_url: str = API_URL
    machine_detection: bool = False
    cps: float | None = USUAL_CPS

    @classmethod
    def from_settings(cls, settings: Mapping[str, object]) -> Self:
        """What the `--carrier` YAML says, complete or not: see `checked`. Raises Invalid."""
        given = read.mapping(settings, "top level", ("provider", *READERS))
        return cls(**call_settings.values(READERS, given))

    def checked(self) -> Self:
        """Itself, if calls can be placed with it. Raises Invalid."""
        if not self.api_key:
            raise read.complaint("api_key", "is missing: KEY…, from API Keys in Telnyx's portal")
        if not self.connection_id:
            raise read.complaint("connection_id", "is missing: the id of a Voice API application in Telnyx's portal")
        if not is_public_key(self.webhook_public_key):
            raise read.complaint(
                "webhook_public_key",
                "must be the public key under Keys & Credentials in Telnyx's portal: it signs"
                " with it what it tells of calls",
            )
        return self


def _code(value: object, name: str) -> str:
    return read.code(value, name, "Telnyx's portal") if value != "" else ""


def _key(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise read.complaint(name, f"must be text, not {value!r}")
    return value.strip()


READERS: Mapping[str, Reader] = {
    "api_key": _code,
    "connection_id": _code,
    "webhook_public_key": _key,
    "api_url": lambda value, name: read.url(value, name, API_URL),
    "machine_detection": read.flag,
    **call_settings.READERS,
}
