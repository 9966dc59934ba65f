"""The sound of a call as a carrier's WebSocket brings and takes it: JSON with μ-law at 8 kHz, in base64."""

from __future__ import annotations

import asyncio
import base64
import json
from bisect import insort
from collections.abc import Callable, Mapping
from typing import Any, Final

from dialplane.carriers.callbacks import Messages
from dialplane.voice.outgoing import FRAME_BYTES
from dialplane.voice.sound import MOST_BEHIND
from dialplane.voice.ulaw import from_ulaw, to_ulaw

START_SECONDS: Final = 5.0  # for a stream to say whose it is
HELD_BACK: Final = 3 * FRAME_BYTES  # what comes unevenly is listened to evenly
LAST_WORD: Final = "last word"  # the mark after it


class StreamAudio:
    """Implements sound_call.LineAudio."""

    def __init__(self, send: Callable[[str], None], **always: str) -> None:
        """always: what every message to the carrier holds besides."""
        self._send = send
        self._always = always
        self._waits: list[tuple[int, bytes]] = []  # what came, by its place in the stream
        self._taken = -1  # the place up to which it has been taken
        self._came = bytearray()
        self._flows = False
        self._left = bytearray()  # of what is to be said, less than a frame
        self._played = asyncio.Event()
        self.is_closed = False

    def came(self, payload: str, place: int | None) -> None:
        """place: in the stream; None: after all others."""
        if place is None:
            place = self._waits[-1][0] + 1 if self._waits else self._taken + 1
        if place > self._taken:
            insort(self._waits, (place, from_ulaw(base64.b64decode(payload))))
        while self._waiting > MOST_BEHIND * FRAME_BYTES:
            self._take()
            del self._came[: max(0, self._waiting - MOST_BEHIND * FRAME_BYTES)]

    def read(self, max_bytes: int) -> bytes:
        self._flows = self._waiting >= (FRAME_BYTES if self._flows else HELD_BACK)
        if not self._flows:
            return b""
        while len(self._came) < FRAME_BYTES:
            self._take()
        frame = bytes(self._came[: min(FRAME_BYTES, max_bytes)])
        del self._came[: len(frame)]
        return frame

    @property
    def _waiting(self) -> int:
        return len(self._came) + sum(len(pcm) for _, pcm in self._waits)

    def _take(self) -> None:
        if self._waits:
            self._taken, pcm = self._waits.pop(0)
            self._came += pcm

    def write(self, pcm: bytes) -> None:
        """Whole frames at a time: not every carrier takes less."""
        self._left += pcm
        if whole := len(self._left) // FRAME_BYTES * FRAME_BYTES:
            payload = base64.b64encode(to_ulaw(bytes(self._left[:whole]))).decode()
            del self._left[:whole]
            self._tell({"event": "media", "media": {"payload": payload}})

    def flush_tx(self) -> None:
        self._left.clear()
        self._tell({"event": "clear"})

    async def played(self) -> None:
        self.write(bytes(-len(self._left) % FRAME_BYTES))
        self._tell({"event": "mark", "mark": {"name": LAST_WORD}})
        await self._played.wait()

    def marked(self, name: str) -> None:
        """The carrier has played all that came before this mark."""
        if name == LAST_WORD:
            self._played.set()

    def close(self) -> None:
        self.is_closed = True
        self._played.set()

    def _tell(self, message: Mapping[str, Any]) -> None:
        self._send(json.dumps({**message, **self._always}))


async def start_of(messages: Messages) -> dict[str, Any]:
    """The message that says whose stream it is; {} if none came in time."""
    try:
        async with asyncio.timeout(START_SECONDS):
            async for text in messages:
                if (message := _read(text)).get("event") == "start":
                    return message
    except TimeoutError:
        pass
    return {}


async def sound_of(messages: Messages, audio: StreamAudio, press: Callable[[str], None]) -> None:
    """Until the carrier ends it, or it is closed here. press: is told which key was."""
    async for text in messages:
        match _read(text):
            case {"event": "media", "media": {"payload": str(payload), **more}}:
                chunk = str(more.get("chunk"))
                audio.came(payload, int(chunk) if chunk.isdecimal() else None)
            case {"event": "dtmf", "dtmf": {"digit": str(digit)}}:
                press(digit)
            case {"event": "mark", "mark": {"name": str(name)}}:
                audio.marked(name)
            case {"event": "stop"}:
                return
        if audio.is_closed:
            return


def _read(message: str) -> dict[str, Any]:
    """{}: what came is no message."""
    try:
        read = json.loads(message)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}
