"""The sound of calls as Asterisk's AudioSocket brings and takes it: over TCP, which Asterisk opens to us.

A message is its kind, one byte, the length of its content, two bytes, and the content. The first one is the token that
Asterisk was given. Sound is 8 kHz, mono, 16 bits, little endian. Source: docs.asterisk.org, AudioSocket;
res/res_audiosocket.c
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final, cast
from urllib.parse import urlsplit
from uuid import UUID

import structlog

from dialplane.errors import CarrierUnavailable
from dialplane.voice.outgoing import FRAME_BYTES, SILENCE
from dialplane.voice.sound import MOST_BEHIND

HANG_UP, TOKEN, SOUND, FAILED = 0x00, 0x01, 0x10, 0xFF  # kinds; keys come as events of the channel
TOKEN_SECONDS: Final = 5.0  # for who connects to say which call it is
HELD_BACK: Final = 3 * FRAME_BYTES  # what comes unevenly is listened to evenly
MOST_UNSENT_BYTES: Final = 25 * FRAME_BYTES
LAST_SECONDS: Final = 0.2  # from the last frame that is sent until a telephone has played it

log = structlog.get_logger()


class SocketAudio:
    """Implements sound_call.LineAudio. Asterisk passes on what comes as it comes: time is kept here, by `read`."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._came = bytearray()
        self._flows = False
        self._left = bytearray()
        self._is_empty = asyncio.Event()
        self.over = asyncio.Event()

    def came(self, pcm: bytes) -> None:
        self._came += pcm
        del self._came[: max(0, len(self._came) - MOST_BEHIND * FRAME_BYTES)]

    def read(self, max_bytes: int) -> bytes:
        """Every 20 ms: with each frame that is taken one is sent, silence too, so that the telephone's time goes on."""
        self._send()
        self._flows = len(self._came) >= (FRAME_BYTES if self._flows else HELD_BACK)
        if not self._flows:
            return b""
        frame = bytes(self._came[: min(FRAME_BYTES, max_bytes)])
        del self._came[: len(frame)]
        return frame

    def _send(self) -> None:
        frame = bytes(self._left[:FRAME_BYTES]).ljust(FRAME_BYTES, b"\0") if self._left else SILENCE
        del self._left[:FRAME_BYTES]
        if not self._left:
            self._is_empty.set()
        if self._writer.transport.get_write_buffer_size() < MOST_UNSENT_BYTES:
            self._writer.write(_message(SOUND, frame))

    def write(self, pcm: bytes) -> None:
        self._left += pcm
        self._is_empty.clear()

    def flush_tx(self) -> None:
        self._left.clear()

    async def played(self) -> None:
        if self._left:
            await self._is_empty.wait()
        await asyncio.sleep(LAST_SECONDS)

    def close(self) -> None:
        if not self._writer.is_closing():
            self._writer.write(_message(HANG_UP))
            self._writer.close()
        self._is_empty.set()
        self.over.set()


class AudioServer:
    """Where Asterisk brings the sound of this process's calls: at a free port of the address that leads to it."""

    def __init__(self, asterisk_url: str, local_address: str | None) -> None:
        self._url = asterisk_url
        self._local_address = local_address
        self._awaited: dict[UUID, asyncio.Future[SocketAudio]] = {}
        self._opening: asyncio.Task[asyncio.Server] | None = None
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}

    async def address(self) -> str:
        """host:port, open from now on. Raises CarrierUnavailable."""
        if self._opening is None:
            self._opening = asyncio.create_task(self._listen())
        try:
            server = await asyncio.shield(self._opening)
        except OSError as fault:
            self._opening = None
            raise CarrierUnavailable(f"no sound can come to this machine: see local_address ({fault})") from fault
        host, port, *_ = server.sockets[0].getsockname()
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(
            self._connected, self._local_address or await self._address_towards_asterisk()
        )

    async def _address_towards_asterisk(self) -> str:
        """Nothing is sent for it."""
        parts = urlsplit(self._url)
        found = await asyncio.get_running_loop().getaddrinfo(parts.hostname, parts.port or 80, type=socket.SOCK_DGRAM)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(address)
            return str(probe.getsockname()[0])

    def expect(self, token: UUID) -> asyncio.Future[SocketAudio]:
        """The sound that comes with this token, once; `forget` it in the end."""
        self._awaited[token] = asyncio.get_running_loop().create_future()
        return self._awaited[token]

    def forget(self, token: UUID) -> None:
        if (awaited := self._awaited.pop(token, None)) is not None:
            awaited.cancel()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open[writer] = cast("asyncio.Task[None]", asyncio.current_task())
        try:
            if (audio := await self._begun(reader, writer)) is None:
                log.warning("ari.sound_refused", peer=str(writer.get_extra_info("peername")))
                return
            try:
                async for kind, content in _messages(reader):
                    if kind in (HANG_UP, FAILED):
                        return
                    if kind == SOUND:
                        audio.came(content)
            finally:
                audio.close()
        finally:
            writer.close()
            del self._open[writer]

    async def _begun(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> SocketAudio | None:
        """None: nobody waits for what this token belongs to."""
        with suppress(TimeoutError):
            async with asyncio.timeout(TOKEN_SECONDS):
                kind, content = await anext(_messages(reader), (HANG_UP, b""))
            if kind == TOKEN and len(content) == 16:
                awaited = self._awaited.pop(UUID(bytes=content), None)
                if awaited is not None and not awaited.done():
                    audio = SocketAudio(writer)
                    awaited.set_result(audio)
                    return audio
        return None

    async def close(self) -> None:
        if self._opening is not None:
            (await self._opening).close()
            open_now = dict(self._open)
            for writer in open_now:
                writer.close()
            await asyncio.gather(*open_now.values())


def _message(kind: int, content: bytes = b"") -> bytes:
    return bytes([kind]) + len(content).to_bytes(2, "big") + content


async def _messages(reader: asyncio.StreamReader) -> AsyncIterator[tuple[int, bytes]]:
    """(kind, content), until the other end has gone."""
    with suppress(OSError, asyncio.IncompleteReadError):
        while True:
            head = await reader.readexactly(3)
            yield head[0], await reader.readexactly(int.from_bytes(head[1:], "big"))
