"""One call whose sound is in this process, as it is known here; and the line that an agent has on it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final, Protocol

from dialplane.carriers.placed_call import PlacedCall, PlacedLine
from dialplane.carriers.sound_files import SoundFiles
from dialplane.core.disposition import Disposition
from dialplane.ports import HungUp, OpenSound
from dialplane.voice.apart import ListenerApart
from dialplane.voice.sound import Audio, CallSound, Gone
from dialplane.voice.speech import Speaker, recorded

HEARD_SECONDS: Final = 2.0  # at most, until the carrier has played what it was given last
HUNG_UP, MACHINE = "hung up by us", "a machine answered"


class LineAudio(Audio, Protocol):
    """A call's sound on its way to the carrier and from there."""

    async def played(self) -> None:
        """Return once all has been heard that was written before, or never will be."""

    def close(self) -> None:
        """Nothing more will be heard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a call ended, as its carrier says."""

    disposition: Disposition
    cause: str
    sip_status: int | None = None


@dataclass(eq=False, slots=True, kw_only=True)
class SoundCall(PlacedCall):
    """call_id: the carrier's name of it, once that is known. placed_here: all of it was told to this process.

    audio, sound: since it is talked on; recorded: what came of the recording, once that is over. no_sound: why it is
    not talked on, where the carrier has said so.
    """

    placed_here: bool
    call_id: str | None = None
    hung_up: bool = False
    by_machine: bool = False
    no_sound: str = ""
    audio: LineAudio | None = None
    sound: CallSound | None = None
    recorded: tuple[bool, str] | None = None

    @property
    def talks(self) -> bool:
        return self.sound is not None and self.recorded is None

    def fall_silent(self) -> tuple[bool, str]:
        """The sound is over. The answer: whether there is a recording, and what was wrong with it."""
        if self.recorded is None:
            self.recorded = (False, "") if self.sound is None else self.sound.close()
            if self.audio is not None:
                self.audio.close()
        return self.recorded

    def judged(self, end: End, nobody_there: str) -> End:
        """What the end is by all that is known here. nobody_there: why, if it was answered and never talked on."""
        if self.by_machine:
            return End(disposition=Disposition.VOICEMAIL, cause=MACHINE)
        if self.sound is not None:
            return End(disposition=Disposition.ANSWERED, cause=HUNG_UP if self.hung_up else end.cause)
        if self.no_sound:
            return End(disposition=Disposition.AGENT_FAILED, cause=self.no_sound)
        if self.hung_up and end.disposition in (Disposition.ANSWERED, Disposition.NO_ANSWER, Disposition.CANCELED):
            return End(disposition=Disposition.CANCELED, cause=HUNG_UP)
        if end.disposition is Disposition.ANSWERED and self.placed_here:
            return End(disposition=Disposition.AGENT_FAILED, cause=nobody_there)
        return end


@dataclass(frozen=True, slots=True)
class Voice:
    """What every line of a carrier speaks and hears with."""

    speaker: Speaker
    listener: ListenerApart
    silence_seconds: float
    files: SoundFiles


class SoundLine(PlacedLine):
    """Implements ports.Line."""

    _call: SoundCall

    def __init__(
        self,
        call: SoundCall,
        voice: Voice,
        *,
        is_recorded: bool,
        transfer: Callable[[SoundCall, str], Awaitable[bool]],
        hang_up: Callable[[SoundCall], Awaitable[None]],
    ) -> None:
        super().__init__(call, is_recorded=is_recorded)
        assert call.sound is not None
        assert call.audio is not None
        self._sound, self._audio = call.sound, call.audio
        self._voice = voice
        self._transfer = transfer
        self._hang_up = hang_up

    async def leave_message(self, text: str) -> float:
        pcm = await self._voice.speaker.spoken(text)
        self._is_taken_over = True
        with _gone_is_hung_up():
            await self._sound.take_over()
            return await self._sound.leave(pcm)

    async def say(self, text: str, sound: str | None = None) -> float:
        if sound is None:
            pcm = await self._voice.speaker.spoken(text)
        else:
            path = await self._voice.files.sound(self._call.order.organization_id, sound)
            pcm = await asyncio.to_thread(recorded, path)
        with _gone_is_hung_up():
            return await self._sound.say(pcm)

    async def _announce(self, text: str) -> float:
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

    async def open_sound(self) -> OpenSound:
        with _gone_is_hung_up():
            socket, at = await self._sound.open(self._voice.files.folder)
        return OpenSound(socket=socket, since_seconds=at, order=self._call.order)

    async def transfer(self, to_number: str) -> bool:
        if not self._call.talks:
            raise HungUp
        return await self._transfer(self._call, to_number)

    async def hang_up(self) -> None:
        if self._is_taken_over:
            return  # for who is done with it, it is over already
        if self._call.talks:
            with suppress(TimeoutError):
                async with asyncio.timeout(HEARD_SECONDS):
                    await self._audio.played()
        await self._hang_up(self._call)


@contextmanager
def _gone_is_hung_up() -> Iterator[None]:
    try:
        yield
    except Gone:
        raise HungUp from None
