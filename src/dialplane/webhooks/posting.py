"""A POST to an address that we have looked at, and what came of it.

The name in the URL is looked up once, when a connection is made, and the connection goes to one of the very addresses
that were looked at: a second look-up, which could answer differently, never happens. TLS is verified against the name.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TypeAlias

import httpcore2
import httpx2

from dialplane import __version__
from dialplane.webhooks.addresses import AddressRefused, Lookup, Resolver, refusal

KEEP_ALIVE_SECONDS = 15.0
MOST_IDLE_CONNECTIONS = 50
MOST_ANSWER_BYTES = 65_536  # what is longer is not read to its end
LOOKUP_THREADS = 16
USER_AGENT = f"Dialplane/{__version__}"
DEFAULT_PORTS = {"http": 80, "https": 443}

HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
HEADER_VALUE = re.compile(r"[\x20-\x7e\t]{0,2000}")
OURS = frozenset(
    {"host", "content-type", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"}
)

Headers: TypeAlias = Sequence[tuple[str, str]]


class PostFailed(Exception):
    """No answer came; the text says why."""


@dataclass(frozen=True, slots=True)
class Reply:
    """body: as far as it was read."""

    status: int
    body: bytes


class Posting:
    """Connections to the servers of others. own_network: whether they may go to addresses of one's own network."""

    def __init__(
        self, *, own_network: bool = False, resolver: Resolver | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self._own_network = own_network
        self._threads = ThreadPoolExecutor(LOOKUP_THREADS, thread_name_prefix="lookup")
        self._connections = httpcore2.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=None,  # whoever sends has bounds of its own
            max_keepalive_connections=MOST_IDLE_CONNECTIONS,
            keepalive_expiry=KEEP_ALIVE_SECONDS,
            network_backend=_LookedAt(resolver or Lookup(self._threads), own_network=own_network),
        )

    def objection(self, url: str) -> str | None:
        """Why nothing can ever be sent to this URL; None for one that may work."""
        try:
            parsed = httpx2.URL(url)
        except httpx2.InvalidURL as fault:
            return f"it is no URL: {fault}"
        if parsed.scheme not in DEFAULT_PORTS or not parsed.host:
            return "it must look like https://example.org/hooks"
        if parsed.userinfo:
            return "it must hold no user name and no password"
        if parsed.fragment:
            return "it must hold no '#': that part is never sent"
        with suppress(ValueError):  # a name, which is looked up when something is sent
            why = refusal(str(ip_address(parsed.host)), own_network=self._own_network)
            return None if why is None else f"its address is not allowed: {why}"
        return None

    @staticmethod
    def header_objection(headers: Mapping[str, str]) -> str | None:
        """Why one of these headers can never be sent; None where all can."""
        for name, value in headers.items():
            if not HEADER_NAME.fullmatch(name) or name.lower() in OURS:
                return f"the header '{name[:100]}' cannot be sent"
            if not HEADER_VALUE.fullmatch(value):
                return f"the header '{name}' has a value that cannot be sent: plain characters alone, 2,000 at most"
        return None

    async def post(self, url: str, body: bytes, headers: Headers, *, deadline_seconds: float) -> Reply:
        """Once; JSON. The deadline is for all of it: look-up, connection, TLS, the answer. Raises PostFailed."""
        try:
            async with asyncio.timeout(deadline_seconds):
                return await self._post(url, body, headers)
        except TimeoutError:
            raise PostFailed(f"no answer within {deadline_seconds:g} seconds") from None
        except AddressRefused as refused:
            raise PostFailed(f"its address is not allowed: {refused}") from refused
        except (
            httpcore2.NetworkError,
            httpcore2.ProtocolError,
            httpcore2.TimeoutException,
            httpcore2.UnsupportedProtocol,
            httpx2.InvalidURL,
            OSError,
            UnicodeError,
        ) as fault:
            raise PostFailed(f"{type(fault).__name__}: {fault}"[:500]) from fault

    async def _post(self, text: str, content: bytes, headers: Headers) -> Reply:
        url = httpx2.URL(text)
        target = httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        common = [
            ("Host", url.netloc.decode()),
            ("Content-Type", "application/json"),
            ("User-Agent", USER_AGENT),
            ("Content-Length", str(len(content))),
        ]
        async with self._connections.stream(b"POST", target, headers=[*common, *headers], content=content) as response:
            body = b""
            async for part in response.aiter_stream():
                body += part
                if len(body) > MOST_ANSWER_BYTES:
                    break
        return Reply(response.status, body)

    async def close(self) -> None:
        await self._connections.aclose()
        self._threads.shutdown(wait=False, cancel_futures=True)


class _LookedAt(httpcore2.AsyncNetworkBackend):
    """Connections to names, made to addresses that may be reached."""

    def __init__(self, resolver: Resolver, *, own_network: bool) -> None:
        self._resolver = resolver
        self._own_network = own_network
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  (its signature is httpcore2's)
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """The first of the name's addresses that answers. Raises AddressRefused where one of them is not allowed."""
        addresses = await self._resolver(host, port)
        for address in addresses:
            if (why := refusal(address, own_network=self._own_network)) is not None:
                raise AddressRefused(f"{host}: {why}")
        faults: list[str] = []
        for address in addresses:
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore2.NetworkError as fault:
                faults.append(f"{address}: {fault}")
        raise httpcore2.ConnectError("; ".join(faults) or f"{host} has no address")

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)
