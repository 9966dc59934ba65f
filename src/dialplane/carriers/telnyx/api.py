"""Telnyx's HTTP interface: calls made, asked for, ended, handed over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from dialplane.carriers.http_api import HttpApi
from dialplane.carriers.telnyx.account import Account
from dialplane.carriers.telnyx.outcomes import refusal
from dialplane.errors import CarrierUnavailable


class TelnyxApi:
    def __init__(self, account: Account) -> None:
        self._connection_id = account.connection_id
        headers = {"Authorization": f"Bearer {account.api_key}"}
        self._http = HttpApi("Telnyx", account.api_url, refusal, headers=headers)

    async def dial(self, request: Mapping[str, Any], seconds: float) -> str:
        """The call_control_id. Raises CarrierRefused, CarrierUnavailable, PlacementUnknown."""
        match await self._http.place("/calls", seconds, json=request):
            case {"data": {"call_control_id": str(call_id)}}:
                return call_id
        raise self._http.unclear("a call_control_id")

    async def status(self, call_id: str) -> Mapping[str, Any] | None:
        """The call; None: there is none of this id, or none any more. Raises CarrierUnavailable."""
        content = await self._http.ask("GET", f"/calls/{_quoted(call_id)}")
        found = content.get("data") if content is not None else None
        return found if isinstance(found, dict) else None

    async def command(self, call_id: str, action: str, **fields: str) -> bool:
        """Whether there is such a call. Raises CarrierUnavailable."""
        return await self._http.ask("POST", f"/calls/{_quoted(call_id)}/actions/{action}", json=fields) is not None

    async def fault(self) -> str | None:
        """Why no call can be placed; None when calls can."""
        try:
            found = await self._http.ask("GET", f"/call_control_applications/{_quoted(self._connection_id)}")
        except CarrierUnavailable as fault:
            return str(fault)
        match found:
            case None:
                return f"Telnyx has no Voice API application {self._connection_id}: see connection_id"
            case {"data": {"active": False}}:
                return f"the Voice API application {self._connection_id} is switched off in Telnyx's portal"
        return self._http.closed or None

    async def close(self) -> None:
        await self._http.close()


def _quoted(word: str) -> str:
    return quote(word, safe=":")
