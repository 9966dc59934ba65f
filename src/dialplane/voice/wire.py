"""The sound of one call between two programs of a machine: a Unix socket, at which the one that has the call listens.

A message is its kind, one byte, the length of its content, two bytes, and the content. To the agent: `a` 20 ms of what
the other side says, silence included, so that it is a clock as well; `d` a key that was pressed; `m` the mark of this
name has been reached. From the agent: `a` sound that is to be said, of any length; `m` a mark after it; `c` forget what
has not been said yet. The end of the stream is the end of the call. 8 kHz, mono, 16 bits, little endian.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import Final, Self

from dialplane.voice.outgoing import Outgoing

AUDIO, DIGIT, MARK, CLEAR = b"a", b"d", b"m", b"c"
MOST_BYTES: Final = 0xFFFE  # of a message's content; even, as samples have two
CONNECT_SECONDS: Final = 10.0  # for the agent to come, once it was told where
MOST_AHEAD_BYTES: Final = 16_000 * 60  # of sound that waits to be said; who gives more waits until there is room
MOST_UNREAD_BYTES: Final = 320 * 50 * 5  # an agent that takes nothing for five seconds has stopped listening


class Wire:
    """One end of it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, path: str) -> Self:
        """To the call at this socket. Raises OSError: it has ended."""
        return cls(*await asyncio.open_unix_connection(path))

    def send(self, kind: bytes, content: bytes = b"") -> None:
        """At once, whatever the other end does; see `unsent_bytes`."""
        for start in range(0, len(content) or 1, MOST_BYTES):
            part = content[start : start + MOST_BYTES]
            if not self._writer.is_closing():
                self._writer.write(kind + len(part).to_bytes(2, "big") + part)

    @property
    def unsent_bytes(self) -> int:
        return self._writer.transport.get_write_buffer_size()

    async def drain(self) -> None:
        """Wait until the other end has taken what was sent. Raises OSError: it has gone."""
        await self._writer.drain()

    async def __aiter__(self) -> AsyncIterator[tuple[bytes, bytes]]:
        """(kind, content), until the other end has gone."""
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await self._reader.readexactly(3)
                yield head[:1], await self._reader.readexactly(int.from_bytes(head[1:], "big"))

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


class WireServer:
    """The end that has the call. The first program that connects gets its sound, and no other."""

    def __init__(self, outgoing: Outgoing, folder: Path) -> None:
        """folder: where nobody else may enter."""
        self._outgoing = outgoing
        self._wire: Wire | None = None
        self._room = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None
        self._came: asyncio.Future[Wire] = asyncio.get_running_loop().create_future()
        self.path = folder / f"{token_hex(8)}.sock"  # short: the path of a socket has at most about 100 characters

    async def open(self) -> None:
        """Raises OSError."""
        self._serving = asyncio.create_task(self._serve(await asyncio.start_unix_server(self._connected, self.path)))

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._came.done():
            writer.close()
        else:
            self._came.set_result(Wire(reader, writer))

    async def _serve(self, server: asyncio.Server) -> None:
        try:
            with suppress(TimeoutError):  # whoever was told where it is knows that it has not come
                async with asyncio.timeout(CONNECT_SECONDS):
                    self._wire = await self._came
        finally:
            server.close()
            self.path.unlink(missing_ok=True)
        if self._wire is not None:
            try:
                async for kind, content in self._wire:
                    await self._take(self._wire, kind, content)
            finally:
                await self._wire.close()

    async def _take(self, wire: Wire, kind: bytes, content: bytes) -> None:
        if kind == AUDIO:
            while self._outgoing.left_bytes > MOST_AHEAD_BYTES:
                self._room.clear()
                await self._room.wait()
            self._outgoing.add(content)
        elif kind == MARK:
            self._outgoing.mark(lambda: wire.send(MARK, content))
        elif kind == CLEAR:
            self._outgoing.clear()

    def heard(self, frame: bytes) -> None:
        """Another 20 ms of the other side."""
        self._room.set()
        if self._wire is not None and self._wire.unsent_bytes < MOST_UNREAD_BYTES:
            self._wire.send(AUDIO, frame)

    def pressed(self, digit: str) -> None:
        if self._wire is not None:
            self._wire.send(DIGIT, digit.encode())

    def close(self) -> None:
        """The call has ended."""
        if self._serving is not None:
            self._serving.cancel()
