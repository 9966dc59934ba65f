"""A server that webhooks are sent to: over real sockets, with every request it got."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Request:
    """headers: names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> dict[str, Any]:
        return json.loads(self.body)


async def take(_: Request) -> bytes:
    return answer(204)


def answer(status: int, *, location: str | None = None) -> bytes:
    redirect = f"Location: {location}\r\n" if location else ""
    return f"HTTP/1.1 {status} Words\r\n{redirect}Content-Length: 0\r\n\r\n".encode()


@dataclass
class Receiver:
    """reply: the whole answer to a request, or b"" to hang up. connections: open now, and the most that were."""

    reply: Callable[[Request], Awaitable[bytes]] = take
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    most_connections: int = 0
    port: int = 0
    _came: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks?of=dialplane"

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [request.message for request in self.requests]

    async def until(self, happened: Callable[[], bool], *, seconds: float = 20) -> None:
        """Looks after every request."""
        async with asyncio.timeout(seconds), self._came:
            await self._came.wait_for(happened)

    async def got(self, count: int, *, seconds: float = 20) -> None:
        await self.until(lambda: len(self.requests) >= count, seconds=seconds)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.most_connections = max(self.most_connections, self.connections)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while await self._one(reader, writer):
                    pass
        finally:
            self.connections -= 1
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        request = Request(path=first.split(" ")[1], headers=headers, body=body)
        text = await self.reply(request)
        writer.write(text)
        await writer.drain()
        async with self._came:
            self.requests.append(request)
            self._came.notify_all()
        return bool(text)


@asynccontextmanager
async def receiving(
    reply: Callable[[Request], Awaitable[bytes]] = take, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    receiver = Receiver(reply)
    open_connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_connections.add(task)
        task.add_done_callback(open_connections.discard)
        with suppress(asyncio.CancelledError):
            await receiver.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in list(open_connections):
            task.cancel()
        await asyncio.gather(*open_connections)
