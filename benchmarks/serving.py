"""A `dialplane serve` of a benchmark, and requests to it one after another on a few connections."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

KEY = "the key of the benchmarks"
DEADLINE_SECONDS = 60


@asynccontextmanager
async def serving(home: Path, *arguments: str) -> AsyncIterator[int]:
    """The port on which it listens."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("DIALPLANE_")}
    env |= {"DIALPLANE_HOME": str(home), "DIALPLANE_API_KEY": KEY, "DIALPLANE_REQUESTS_PER_SECOND": "0"}
    command = [str(Path(sys.executable).parent / "dialplane"), "serve", "--port", "0", *arguments]
    async with _listening(command, env) as port:
        yield port


@asynccontextmanager
async def bare_fastapi() -> AsyncIterator[int]:
    """One route that answers one object: what a request costs before it does anything."""
    command = [sys.executable, "-m", "benchmarks.bare_api"]
    async with _listening(command, dict(os.environ)) as port:
        yield port


@asynccontextmanager
async def _listening(command: list[str], env: dict[str, str]) -> AsyncIterator[int]:
    process = await asyncio.create_subprocess_exec(*command, env=env, stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not (found := re.search(rb"listens on http://[^:]+:(\d+)", line := await process.stderr.readline())):
                assert line, f"{command} ended"
        draining = asyncio.create_task(process.stderr.read())
        yield int(found[1])
    finally:
        process.terminate()
        async with asyncio.timeout(DEADLINE_SECONDS):
            await process.wait()
    draining.cancel()


async def requests_per_second(port: int, request: Callable[[int], bytes], *, count: int, connections: int = 8) -> float:
    """`request` makes the n-th one, head and body. Every answer must be a success."""
    numbers = iter(range(count))
    started = time.perf_counter()
    await asyncio.gather(*[_ask(port, request, numbers) for _ in range(connections)])
    return count / (time.perf_counter() - started)


async def _ask(port: int, request: Callable[[int], bytes], numbers: Iterator[int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for number in numbers:
        writer.write(request(number))
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        assert length is not None, head
        body = await reader.readexactly(int(length[1]))
        assert head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")), (head, body)
    writer.close()


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {KEY}\r\n\r\n".encode()


def post(path: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
