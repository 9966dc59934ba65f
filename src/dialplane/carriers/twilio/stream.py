"""The sound of a call as Twilio's media stream brings and takes it: JSON with μ-law at 8 kHz, in base64."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from dialplane.voice.sound import FRAME_BYTES, MOST_BEHIND
from dialplane.voice.ulaw import from_ulaw, to_ulaw

HELD_BACK: Final = 3 * FRAME_BYTES  # what comes unevenly is listened to evenly


class StreamAudio:
    """Implements voice.sound.Audio."""

    def __init__(self, stream_sid: str, send: Callable[[str], None]) -> None:
        self._stream_sid = stream_sid
        self._send = send
        self._came = bytearray()
        self._flows = False

    def came(self, payload: str) -> None:
        self._came += from_ulaw(base64.b64decode(payload))
        del self._came[: max(0, len(self._came) - MOST_BEHIND * FRAME_BYTES)]

    def read(self, max_bytes: int) -> bytes:
        self._flows = len(self._came) >= (FRAME_BYTES if self._flows else HELD_BACK)
        if not self._flows:
            return b""
        frame = bytes(self._came[: min(FRAME_BYTES, max_bytes)])
        del self._came[: len(frame)]
        return frame

    def write(self, pcm: bytes) -> None:
        self._tell({"event": "media", "media": {"payload": base64.b64encode(to_ulaw(pcm)).decode()}})

    def flush_tx(self) -> None:
        self._tell({"event": "clear"})

    def mark(self, name: str) -> None:
        """It comes back once all has been heard that was written before."""
        self._tell({"event": "mark", "mark": {"name": name}})

    def _tell(self, message: Mapping[str, Any]) -> None:
        self._send(json.dumps({**message, "streamSid": self._stream_sid}))
