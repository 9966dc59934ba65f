"""Messages of Twilio's media streams, as JSON <-> as values; and a few more that a voice server may send.

Source: https://www.twilio.com/docs/voice/media-streams/websocket-messages
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from dialplane.voice.outgoing import FRAME_BYTES
from dialplane.voice.ulaw import to_ulaw

FRAME_MS: Final = 20
MOST_NAME: Final = 1000  # bytes of a mark's name
MOST_TEXT: Final = 40_000  # bytes of an utterance
MOST_VALUES_BYTES: Final = 64_000


class NotUnderstood(Exception):
    """The text says what came."""


@dataclass(slots=True, kw_only=True)
class Told:
    """What we tell a voice server of one call: each message is the next one, numbered as Twilio does."""

    stream_sid: str
    call_sid: str
    account_sid: str
    _numbered: int = 0
    _chunks: int = 0

    def connected(self) -> str:
        return json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"})

    def start(self, parameters: Mapping[str, str]) -> str:
        return self._next(
            "start",
            start={
                "accountSid": self.account_sid,
                "streamSid": self.stream_sid,
                "callSid": self.call_sid,
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": dict(parameters),
            },
        )

    def media(self, frame: bytes) -> str:
        """frame: 20 ms of the person, 16 bits."""
        self._chunks += 1
        payload = base64.b64encode(to_ulaw(frame.ljust(FRAME_BYTES, b"\0"))).decode()
        at = str((self._chunks - 1) * FRAME_MS)
        chunk = {"track": "inbound", "chunk": str(self._chunks), "timestamp": at, "payload": payload}
        return self._next("media", media=chunk)

    def dtmf(self, digit: str) -> str:
        return self._next("dtmf", dtmf={"track": "inbound_track", "digit": digit})

    def mark(self, name: str) -> str:
        return self._next("mark", mark={"name": name})

    def not_transferred(self, to: str) -> str:
        """Of our own."""
        return self._next("transfer", transfer={"to": to, "done": False})

    def stop(self) -> str:
        return self._next("stop", stop={"accountSid": self.account_sid, "callSid": self.call_sid})

    def _next(self, event: str, **content: Mapping[str, Any]) -> str:
        self._numbered += 1
        message = {"event": event, "sequenceNumber": str(self._numbered), **content, "streamSid": self.stream_sid}
        return json.dumps(message)


@dataclass(frozen=True, slots=True)
class Media:
    """ulaw: to be said after what is still to be said."""

    ulaw: bytes


@dataclass(frozen=True, slots=True)
class Mark:
    name: str


@dataclass(frozen=True, slots=True)
class Clear:
    pass


@dataclass(frozen=True, slots=True)
class Transcript:
    speaker: str
    text: str


@dataclass(frozen=True, slots=True)
class Gathered:
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OptOut:
    pass


@dataclass(frozen=True, slots=True)
class Transfer:
    to: str


@dataclass(frozen=True, slots=True)
class Other:
    """A message of a kind that means nothing here; Twilio passes over those, too."""


Heard = Media | Mark | Clear | Transcript | Gathered | OptOut | Transfer | Other


def read(message: str | bytes) -> Heard:
    """Raises NotUnderstood."""
    try:
        given = json.loads(message)
    except (ValueError, RecursionError):
        raise NotUnderstood(f"what is no JSON: {_shown(message)}") from None
    match given:
        case {"event": "media", "media": {"payload": str(payload)}}:
            try:
                return Media(base64.b64decode(payload, validate=True))
            except ValueError:
                raise NotUnderstood(f"media that is no base64: {_shown(payload)}") from None
        case {"event": "mark", "mark": {"name": str(name)}} if _fits(name, MOST_NAME):
            return Mark(name)
        case {"event": "clear"}:
            return Clear()
        case {"event": "transcript", "speaker": "agent" | "contact" as who, "text": str(text)} if _fits(
            text, MOST_TEXT
        ):
            return Transcript(who, text)
        case {"event": "gathered", "values": dict(values)} if _fits(values, MOST_VALUES_BYTES):
            return Gathered(values)
        case {"event": "opt_out"}:
            return OptOut()
        case {"event": "transfer", "to": str(to)}:
            return Transfer(to)
        case {"event": "media" | "mark" | "transcript" | "gathered" | "transfer" as event}:
            raise NotUnderstood(f"a message {event!r} without what belongs to it: {_shown(message)}")
        case {"event": str()}:
            return Other()
    raise NotUnderstood(f"a message without `event`: {_shown(message)}")


def _fits(value: object, most: int) -> bool:
    """Whether it can be kept: JSON as databases have it knows no NaN, no NUL and no half of a character."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        return len(text.encode()) <= most and "\\u0000" not in text
    except (ValueError, RecursionError):
        return False


def _shown(message: str | bytes) -> str:
    return repr(message[:40])
