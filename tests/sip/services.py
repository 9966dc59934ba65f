"""Speech and transcription services that are what a test wants them to be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def service(status: str, body: bytes, *, pause_seconds: float = 0) -> AsyncIterator[tuple[str, list[bytes]]]:
    """An HTTP endpoint that gives this answer to whatever it is asked, after a pause, and its questions."""
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        asked.append(head + await reader.readexactly(length))
        await asyncio.sleep(pause_seconds)
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/audio", asked
