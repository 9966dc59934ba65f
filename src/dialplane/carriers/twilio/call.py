"""One call through Twilio as this process knows it, and the line that an agent has on it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from dialplane.carriers.sound_files import SoundFiles
from dialplane.carriers.twilio.stream import StreamAudio
from dialplane.core.attempt import Order
from dialplane.ports import CallEvent, HungUp, Line
from dialplane.voice.apart import ListenerApart
from dialplane.voice.sound import CallSound, Gone
from dialplane.voice.speech import Speaker, recorded

HEARD_SECONDS: Final = 2.0  # at most, until Twilio has played what it was given last
LAST_WORD: Final = "last word"  # the mark after it


@dataclass(eq=False, slots=True)
class TwilioCall:
    """sid: Twilio's name of it, once that is known. placed_here: all of it was told to this process.

    held: events that wait for `place` to return. sound: since Twilio has opened the stream; recorded: what came of the
    recording, once the stream is over. heard: set when the last word has been.
    """

    order: Order
    placed_here: bool
    sid: str | None = None
    placed_at: datetime | None = None
    ringing_at: datetime | None = None
    answered_at: datetime | None = None
    first_word_seconds: float | None = None
    is_placing: bool = False
    hung_up: bool = False
    by_machine: bool = False
    is_over: bool = False
    held: list[CallEvent] = field(default_factory=list)
    audio: StreamAudio | None = None
    sound: CallSound | None = None
    recorded: tuple[bool, str] | None = None
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    alarm: Callable[[], None] = lambda: None

    @property
    def name(self) -> str:
        return str(self.order.attempt_uuid)

    @property
    def talks(self) -> bool:
        return self.sound is not None and self.recorded is None

    def fall_silent(self) -> tuple[bool, str]:
        """The sound is over. The answer: whether there is a recording, and what was wrong with it."""
        if self.recorded is None:
            self.recorded = (False, "") if self.sound is None else self.sound.close()
            self.heard.set()
        return self.recorded


@dataclass(frozen=True, slots=True)
class Voice:
    """What every line of a carrier speaks and hears with."""

    speaker: Speaker
    listener: ListenerApart
    silence_seconds: float
    files: SoundFiles


class TwilioLine(Line):
    """Implements ports.Line."""

    def __init__(
        self,
        call: TwilioCall,
        voice: Voice,
        *,
        is_recorded: bool,
        transfer: Callable[[TwilioCall, str], Awaitable[bool]],
        hang_up: Callable[[TwilioCall], Awaitable[None]],
    ) -> None:
        assert call.sound is not None
        assert call.audio is not None
        self._call, self._sound, self._audio = call, call.sound, call.audio
        self._voice = voice
        self._is_recorded = is_recorded
        self._transfer = transfer
        self._hang_up = hang_up

    @property
    def first_word_seconds(self) -> float | None:
        return self._call.first_word_seconds

    async def say(self, text: str, sound: str | None = None) -> float:
        if sound is None:
            pcm = await self._voice.speaker.spoken(text)
        else:
            path = await self._voice.files.sound(self._call.order.organization_id, sound)
            pcm = await asyncio.to_thread(recorded, path)
        with _gone_is_hung_up():
            return await self._sound.say(pcm)

    async def announce(self, text: str) -> float | None:
        if not self._is_recorded:
            return None
        pcm = await self._voice.speaker.spoken(text)
        with _gone_is_hung_up():
            return await self._sound.announce(pcm)

    async def hear(self, expected: tuple[str, ...] = ()) -> tuple[str, float] | None:
        with _gone_is_hung_up():
            heard = await self._sound.hear(self._voice.silence_seconds)
        if heard is None:
            return None
        said, at = heard
        return said if isinstance(said, str) else await self._voice.listener.understood(said, expected), at

    async def transfer(self, to_number: str) -> bool:
        if not self._call.talks:
            raise HungUp
        return await self._transfer(self._call, to_number)

    async def hang_up(self) -> None:
        if self._call.talks:
            self._audio.mark(LAST_WORD)
            with suppress(TimeoutError):
                async with asyncio.timeout(HEARD_SECONDS):
                    await self._call.heard.wait()
        await self._hang_up(self._call)


@contextmanager
def _gone_is_hung_up() -> Iterator[None]:
    try:
        yield
    except Gone:
        raise HungUp from None
