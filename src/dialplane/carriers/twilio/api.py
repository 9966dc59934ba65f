"""Twilio's HTTP interface: calls made, asked for, ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dialplane.carriers.http_api import HttpApi, Refusal
from dialplane.carriers.twilio.account import Account
from dialplane.carriers.twilio.outcomes import CLOSED, ERRORS
from dialplane.carriers.twilio.signing import Form


class TwilioApi:
    def __init__(self, account: Account) -> None:
        calls = f"{account.api_url}/2010-04-01/Accounts/{account.account_sid}/Calls"
        self._http = HttpApi("Twilio", calls, _refusal, auth=account.credentials)

    async def create(self, form: Form, seconds: float) -> str:
        """The sid of the call. Raises CarrierRefused, CarrierUnavailable, PlacementUnknown."""
        content = await self._http.place(".json", seconds, data=_fields(form))
        if not isinstance(content.get("sid"), str):
            raise self._http.unclear("a sid")
        return str(content["sid"])

    async def fetch(self, sid: str) -> Mapping[str, Any] | None:
        """The call; None: there is none with this sid. Raises CarrierUnavailable."""
        return await self._http.ask("GET", f"/{sid}.json")

    async def update(self, sid: str, **fields: str) -> bool:
        """Whether there is such a call. Raises CarrierUnavailable."""
        return await self._http.ask("POST", f"/{sid}.json", data=fields) is not None

    async def fault(self) -> str | None:
        """Why no call can be placed; None when calls can."""
        return await self._http.fault(".json?PageSize=1")

    async def close(self) -> None:
        await self._http.close()


def _fields(form: Form) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for name, value in form:
        fields.setdefault(name, []).append(value)
    return fields


def _refusal(status: int, content: Mapping[str, Any], reason: str) -> Refusal:
    code = content.get("code")
    return Refusal(
        cause=f"{code or status} {content.get('message') or reason}",
        disposition=ERRORS.get(code) if isinstance(code, int) else None,
        closes=status == 401 or code in CLOSED,
    )
