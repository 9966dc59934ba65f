"""Twilio's HTTP interface: calls made, asked for, ended."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

import httpx2

from dialplane.carriers.twilio.account import Account
from dialplane.carriers.twilio.outcomes import CLOSED, ERRORS
from dialplane.carriers.twilio.signing import Form
from dialplane.core.disposition import Disposition
from dialplane.errors import CarrierRefused, CarrierUnavailable, PlacementUnknown

SECONDS: Final = 10.0  # for what places no call
UNSENT: Final = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)
LONGEST_REST_SECONDS: Final = 60.0


class TwilioApi:
    """closed: why no call can be placed with this account any more; "": one can. It stays so until settings change."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._calls = f"{account.api_url}/2010-04-01/Accounts/{account.account_sid}/Calls"
        self._rests_until = 0.0  # by the event loop's clock
        self.closed = ""

    @cached_property
    def _client(self) -> httpx2.AsyncClient:
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=5.0)
        return httpx2.AsyncClient(auth=self._account.credentials, limits=limits, follow_redirects=False)

    async def create(self, form: Form, seconds: float) -> str:
        """The sid of the call. Raises CarrierRefused, CarrierUnavailable, PlacementUnknown."""
        if self.closed:
            raise CarrierUnavailable(self.closed)
        if self._rests_until > asyncio.get_running_loop().time():
            raise CarrierRefused(Disposition.RATE_LIMITED, cause="Twilio asked for a pause, which is not over")
        try:
            async with asyncio.timeout(seconds):
                answer = await self._send("POST", ".json", form)
        except UNSENT as fault:
            raise CarrierUnavailable(f"Twilio cannot be reached: {_said(fault)}") from fault
        except (httpx2.HTTPError, TimeoutError) as fault:
            raise PlacementUnknown(f"no answer came from Twilio: {_said(fault)}") from fault
        content = _content(answer)
        if answer.is_success and isinstance(content.get("sid"), str):
            return str(content["sid"])
        if not answer.is_client_error:
            raise PlacementUnknown(f"Twilio answered {answer.status_code}")
        raise self._refusal(answer, content)

    def _refusal(self, answer: httpx2.Response, content: Mapping[str, Any]) -> Exception:
        code = content.get("code")
        cause = f"{code or answer.status_code} {content.get('message') or answer.reason_phrase}"
        disposition = ERRORS.get(code) if isinstance(code, int) else None
        if answer.status_code == 429:
            self._rest(answer.headers.get("Retry-After", ""))
            disposition = disposition or Disposition.RATE_LIMITED
        if answer.status_code == 401 or code in CLOSED:
            self.closed = f"Twilio does not accept this account or its credentials: {cause}"
            return CarrierUnavailable(self.closed)
        return (
            CarrierUnavailable(f"Twilio: {cause}") if disposition is None else CarrierRefused(disposition, cause=cause)
        )

    def _rest(self, seconds: str) -> None:
        if seconds.isdecimal():
            pause = min(float(seconds), LONGEST_REST_SECONDS)
            self._rests_until = asyncio.get_running_loop().time() + pause

    async def fetch(self, sid: str) -> Mapping[str, Any] | None:
        """The call; None: there is none with this sid. Raises CarrierUnavailable."""
        return await self._asked("GET", f"/{sid}.json")

    async def update(self, sid: str, **fields: str) -> bool:
        """Whether there is such a call. Raises CarrierUnavailable."""
        return await self._asked("POST", f"/{sid}.json", list(fields.items())) is not None

    async def fault(self) -> str | None:
        """Why no call can be placed; None when calls can."""
        try:
            await self._asked("GET", ".json?PageSize=1")
        except CarrierUnavailable as fault:
            return str(fault)
        return self.closed or None

    async def _asked(self, method: str, path: str, form: Form = ()) -> Mapping[str, Any] | None:
        try:
            async with asyncio.timeout(SECONDS):
                answer = await self._send(method, path, form)
        except (httpx2.HTTPError, TimeoutError) as fault:
            raise CarrierUnavailable(f"Twilio cannot be reached: {_said(fault)}") from fault
        if answer.status_code == 404:
            return None
        content = _content(answer)
        if not answer.is_success:
            cause = f"{content.get('code') or answer.status_code} {content.get('message') or answer.reason_phrase}"
            raise CarrierUnavailable(f"Twilio: {cause}")
        return content

    async def _send(self, method: str, path: str, form: Form) -> httpx2.Response:
        fields: dict[str, list[str]] = {}
        for name, value in form:
            fields.setdefault(name, []).append(value)
        return await self._client.request(method, self._calls + path, data=fields or None)

    async def close(self) -> None:
        if "_client" in self.__dict__:
            await self._client.aclose()


def _content(answer: httpx2.Response) -> Mapping[str, Any]:
    try:
        content = answer.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _said(fault: BaseException) -> str:
    return str(fault) or type(fault).__name__
