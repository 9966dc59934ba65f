"""A message -> a signed POST to an address that we have looked at, and what came of it.

The name in the URL is looked up once, when a connection is made, and the connection goes to one of the very addresses
that were looked at: a second look-up, which could answer differently, never happens. TLS is verified against the name.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ipaddress import ip_address

import httpcore2
import httpx2
from standardwebhooks import Webhook

from dialplane import __version__
from dialplane.ports import Answer, Message
from dialplane.webhooks.addresses import AddressRefused, Lookup, Resolver, refusal

DEADLINE_SECONDS = 10.0  # for all of it: look-up, connection, TLS, the answer and its body
KEEP_ALIVE_SECONDS = 15.0
MOST_IDLE_CONNECTIONS = 50
MOST_ANSWER_BYTES = 65_536  # of a body that nobody reads, for the connection's sake
LOOKUP_THREADS = 16
USER_AGENT = f"Dialplane/{__version__}"
DEFAULT_PORTS = {"http": 80, "https": 443}


class HttpSender:
    """own_network: whether messages may go to addresses of one's own network."""

    def __init__(
        self,
        *,
        own_network: bool = False,
        resolver: Resolver | None = None,
        tls: ssl.SSLContext | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._own_network = own_network
        self._deadline_seconds = deadline_seconds
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

    async def send(self, message: Message) -> Answer:
        """Sent once; what it raises are faults of ours alone."""
        try:
            async with asyncio.timeout(self._deadline_seconds):
                return await self._post(message)
        except TimeoutError:
            return Answer(fault=f"no answer within {self._deadline_seconds:g} seconds")
        except AddressRefused as refused:
            return Answer(fault=f"its address is not allowed: {refused}")
        except (
            httpcore2.NetworkError,
            httpcore2.ProtocolError,
            httpcore2.TimeoutException,
            httpcore2.UnsupportedProtocol,
            httpx2.InvalidURL,
            OSError,
            UnicodeError,
        ) as fault:
            return Answer(fault=f"{type(fault).__name__}: {fault}"[:500])

    async def _post(self, message: Message) -> Answer:
        url = httpx2.URL(message.url)
        body = message.body.encode()
        target = httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        headers = [("Host", url.netloc.decode()), *_signed(message), ("Content-Length", str(len(body)))]
        async with self._connections.stream(b"POST", target, headers=headers, content=body) as response:
            read = 0
            async for part in response.aiter_stream():
                read += len(part)
                if read > MOST_ANSWER_BYTES:
                    break
        return Answer(status=response.status, fault=_fault(response.status))

    async def close(self) -> None:
        await self._connections.aclose()
        self._threads.shutdown(wait=False, cancel_futures=True)


def _signed(message: Message) -> list[tuple[bytes | str, bytes | str]]:
    """Source: Standard Webhooks, https://www.standardwebhooks.com: one signature for each secret that is valid."""
    signatures = [Webhook(secret).sign(str(message.id), message.sent_at, message.body) for secret in message.secrets]
    return [
        ("Content-Type", "application/json"),
        ("User-Agent", USER_AGENT),
        ("webhook-id", str(message.id)),
        ("webhook-timestamp", str(int(message.sent_at.timestamp()))),
        ("webhook-signature", " ".join(signatures)),
    ]


def _fault(status: int) -> str:
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return f"answered {status}: redirects are not followed, so give the webhook the final URL"
    return f"answered {status}"


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
