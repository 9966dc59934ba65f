"""A carrier's HTTP interface: what became of a request, in our errors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import httpx2

from dialplane.core.disposition import Disposition
from dialplane.errors import CarrierRefused, CarrierUnavailable, PlacementUnknown

SECONDS: Final = 10.0  # for what places no call
UNSENT: Final = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)
LONGEST_REST_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What a 4xx means. disposition: of the call; None: our account, our number or our request is at fault.

    closes: nothing can be placed with these credentials any more, whoever is called. gone: the call that something was
    asked of has ended.
    """

    cause: str
    disposition: Disposition | None = None
    closes: bool = False
    gone: bool = False


class HttpApi:
    """closed: why no call can be placed with this account any more; "": one can. It stays so until settings change."""

    def __init__(
        self,
        name: str,
        url: str,
        refusal: Callable[[int, Mapping[str, Any], str], Refusal],
        *,
        is_certain: Callable[[int, Mapping[str, Any]], bool] = lambda status, _: 400 <= status < 500,
        **client: Any,
    ) -> None:
        """name: of the carrier, for people. refusal: of a status, the content and the reason. is_certain: whether a
        status and its content say that nothing was placed. client: of httpx2, auth and headers.
        """
        self._name = name
        self._url = url
        self._refusal = refusal
        self._is_certain = is_certain
        self._settings = client
        self._rests_until = 0.0  # by the event loop's clock
        self.closed = ""

    @cached_property
    def _client(self) -> httpx2.AsyncClient:
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=5.0)
        return httpx2.AsyncClient(limits=limits, follow_redirects=False, **self._settings)

    async def place(self, path: str, seconds: float, **body: Any) -> Mapping[str, Any]:
        """POST what starts a call. Raises CarrierRefused, CarrierUnavailable, PlacementUnknown."""
        if self.closed:
            raise CarrierUnavailable(self.closed)
        if self._rests_until > asyncio.get_running_loop().time():
            raise CarrierRefused(Disposition.RATE_LIMITED, cause=f"{self._name} asked for a pause, which is not over")
        try:
            async with asyncio.timeout(seconds):
                answer = await self._client.request("POST", self._url + path, **body)
        except UNSENT as fault:
            raise CarrierUnavailable(f"{self._name} cannot be reached: {_said(fault)}") from fault
        except (httpx2.HTTPError, TimeoutError) as fault:
            raise PlacementUnknown(f"no answer came from {self._name}: {_said(fault)}") from fault
        if answer.is_success:
            return _content(answer)
        if not self._is_certain(answer.status_code, _content(answer)):
            raise PlacementUnknown(f"{self._name} answered {answer.status_code}")
        raise self._refused(answer)

    def _refused(self, answer: httpx2.Response) -> Exception:
        refusal = self._refusal(answer.status_code, _content(answer), answer.reason_phrase)
        if refusal.closes:
            self.closed = f"{self._name} does not accept this account or its credentials: {refusal.cause}"
            return CarrierUnavailable(self.closed)
        disposition = refusal.disposition
        if answer.status_code == 429:
            self._rest(answer.headers.get("Retry-After", ""))
            disposition = disposition or Disposition.RATE_LIMITED
        if disposition is None:
            return CarrierUnavailable(f"{self._name}: {refusal.cause}")
        return CarrierRefused(disposition, cause=refusal.cause)

    def _rest(self, seconds: str) -> None:
        if seconds.isdecimal():
            pause = min(float(seconds), LONGEST_REST_SECONDS)
            self._rests_until = asyncio.get_running_loop().time() + pause

    def unclear(self, what: str) -> PlacementUnknown:
        """It has taken the call, and says nothing by which it could be known again."""
        return PlacementUnknown(f"{self._name} answered without {what}")

    async def ask(self, method: str, path: str, **body: Any) -> Mapping[str, Any] | None:
        """The answer's content; None: there is no such thing, or no more. Raises CarrierUnavailable."""
        try:
            async with asyncio.timeout(SECONDS):
                answer = await self._client.request(method, self._url + path, **body)
        except (httpx2.HTTPError, TimeoutError) as fault:
            raise CarrierUnavailable(f"{self._name} cannot be reached: {_said(fault)}") from fault
        if answer.status_code == 404:
            return None
        content = _content(answer)
        if not answer.is_success:
            refusal = self._refusal(answer.status_code, content, answer.reason_phrase)
            if refusal.gone:
                return None
            raise CarrierUnavailable(f"{self._name}: {refusal.cause}")
        return content

    async def fault(self, path: str) -> str | None:
        """Why no call can be placed, as far as a GET of this path shows; None when calls can."""
        try:
            await self.ask("GET", path)
        except CarrierUnavailable as fault:
            return str(fault)
        return self.closed or None

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
