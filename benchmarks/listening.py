"""Many listeners on the events of one campaign, in a process of their own: how many ends of calls each was told."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import uvloop

from benchmarks.serving import get

END_OF_CALL, END = b'"kind":"attempt.ended"', b'"kind":"campaign.completed"'
DEADLINE_SECONDS = 120


@asynccontextmanager
async def listeners(port: int, campaign_id: int, count: int) -> AsyncIterator[Awaitable[list[int]]]:
    """All of them listen within; awaiting what is given waits until each has heard of the campaign's end."""
    command = (sys.executable, "-m", "benchmarks.listening", str(port), str(campaign_id), str(count))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"listening\n"
    reading = asyncio.create_task(_counts(process))
    yield reading


async def _counts(process: asyncio.subprocess.Process) -> list[int]:
    async with asyncio.timeout(DEADLINE_SECONDS):
        told, _ = await process.communicate()
    counts: list[int] = json.loads(told)
    return counts


async def main(port: int, campaign_id: int, count: int) -> None:
    path = f"/api/v1/campaign/{campaign_id}/events"
    streams = [await _open(port, path) for _ in range(count)]
    print("listening", flush=True)
    async with asyncio.timeout(DEADLINE_SECONDS):
        print(json.dumps(await asyncio.gather(*[_hear(reader) for reader, _ in streams])))


async def _open(port: int, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    writer.write(get(path))
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    return reader, writer


async def _hear(reader: asyncio.StreamReader) -> int:
    """Ends of calls until the end of the campaign. A word may be cut in two by the edge of a block."""
    ended, rest = 0, b""
    while not (block := rest + await reader.read(1 << 20)).count(END):
        assert len(block) > len(rest), "the stream has ended"
        ended += block.count(END_OF_CALL)
        rest = block[-len(END_OF_CALL) + 1 :]
    return ended + block.count(END_OF_CALL)


if __name__ == "__main__":
    uvloop.run(main(*map(int, sys.argv[1:])))
