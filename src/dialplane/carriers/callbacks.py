"""What a carrier tells us over HTTP: from the server, which it reaches, to the worker that has the call.

One line of JSON is one message. The first says what came; of a WebSocket each of its messages follows, in both
directions. Whether it came from the carrier is for the adapter to see, by the signature that it has from there.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final, Protocol, cast

import structlog

from dialplane.core.attempt import Order
from dialplane.errors import CarrierUnavailable, EnvironmentFault

SECONDS: Final = 5.0  # within which a worker takes what is brought
MOST_BYTES: Final = 256_000  # of a message

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """attempt: its uuid. what: the last part of the address. headers: their names in small letters."""

    attempt: str
    what: str
    headers: Mapping[str, str]
    body: str = ""


class Messages:
    """The messages of a WebSocket on their way between server and worker."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, message: str) -> None:
        if not self._writer.is_closing():
            self._writer.write(message.replace("\n", " ").encode() + b"\n")

    async def receive(self) -> str | None:
        """None once no more will come."""
        with suppress(OSError, ValueError):  # it broke, or the message is longer than any that we understand
            return (await self._reader.readline()).decode().strip() or None
        return None

    async def __aiter__(self) -> AsyncIterator[str]:
        while (message := await self.receive()) is not None:
            yield message

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


class Follower(Protocol):
    """An adapter that has calls of which its carrier will tell."""

    def told(self, callback: Callback) -> int:
        """The HTTP status to answer."""

    async def talked(self, callback: Callback, messages: Messages) -> None:
        """A WebSocket has been opened; it is closed when this returns."""


class Callbacks:
    """Where the servers reach this worker. Its adapters share it."""

    def __init__(self, public_url: str, host: str) -> None:
        """public_url: where carriers reach the servers. host: an address of this machine, which the servers reach."""
        self.public_url = public_url
        self._host = host
        self._followers: dict[str, Follower] = {}
        self._opening: asyncio.Task[asyncio.Server] | None = None
        self._open: dict[Messages, asyncio.Task[None]] = {}

    def url(self, order: Order, what: str) -> str:
        """Where the carrier tells of this call."""
        return f"{self.public_url}/callbacks/{order.organization_id}/{order.attempt_uuid}/{what}"

    @cached_property
    def _socket(self) -> socket.socket:
        try:
            return socket.create_server(
                (self._host, 0), family=socket.AF_INET6 if ":" in self._host else socket.AF_INET
            )
        except OSError as fault:
            raise EnvironmentFault(
                f"DIALPLANE_WORKER_ADDRESS: {self._host} cannot be listened on ({fault}): name one of this machine's"
            ) from fault

    @property
    def address(self) -> str:
        """host:port, taken from here on. Raises EnvironmentFault."""
        host, port, *_ = self._socket.getsockname()
        return f"{host}:{port}"

    async def follow(self, attempt: str, follower: Follower) -> None:
        self._followers[attempt] = follower
        if self._opening is None:
            self._opening = asyncio.create_task(
                asyncio.start_server(self._connected, sock=self._socket, limit=MOST_BYTES)
            )
        await asyncio.shield(self._opening)

    def forget(self, attempt: str) -> None:
        self._followers.pop(attempt, None)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        messages = Messages(reader, writer)
        self._open[messages] = cast("asyncio.Task[None]", asyncio.current_task())
        try:
            async with asyncio.timeout(SECONDS):
                callback = Callback(**json.loads(await messages.receive() or "{}"))
            follower = self._followers.get(callback.attempt)
            if callback.what == STREAM and follower is not None:
                await follower.talked(callback, messages)
            else:
                messages.send(json.dumps({"status": 404 if follower is None else follower.told(callback)}))
        except (TimeoutError, ValueError, TypeError) as fault:
            log.warning("callback.not_understood", error=repr(fault))
        except Exception:
            log.exception("callback.failed")
        finally:
            await messages.close()
            del self._open[messages]

    async def close(self) -> None:
        if self._opening is not None:
            (await self._opening).close()
            open_now = dict(self._open)
            await asyncio.gather(*(messages.close() for messages in open_now))
            await asyncio.gather(*open_now.values())
        elif "_socket" in self.__dict__:
            self._socket.close()


STREAM: Final = "stream"  # what is a WebSocket


async def bring(address: str, callback: Callback) -> int:
    """To the worker at this address; the HTTP status that it answers. Raises CarrierUnavailable: it is not there."""
    try:
        async with asyncio.timeout(SECONDS):
            messages = await _opened(address, callback)
            try:
                answer: Any = json.loads(await messages.receive() or "{}")
                return int(answer["status"])
            finally:
                await messages.close()
    except (OSError, TimeoutError, ValueError, KeyError) as fault:
        raise CarrierUnavailable(f"the worker at {address} does not answer: {fault!r}") from fault


async def connect(address: str, callback: Callback) -> Messages:
    """The same for a WebSocket, whose messages are the caller's to pass on. Raises CarrierUnavailable."""
    try:
        async with asyncio.timeout(SECONDS):
            return await _opened(address, callback)
    except (OSError, TimeoutError) as fault:
        raise CarrierUnavailable(f"the worker at {address} does not answer: {fault!r}") from fault


async def _opened(address: str, callback: Callback) -> Messages:
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=MOST_BYTES)
    messages = Messages(reader, writer)
    messages.send(json.dumps(asdict(callback)))
    return messages
