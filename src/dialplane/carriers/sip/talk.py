"""The lines of a SIP process and what is said and heard on them."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baresip import AudioNotActive, AudioRestarted, Call, CallAudio

from dialplane.carriers.sip.trunk import Trunk
from dialplane.voice.apart import ListenerApart
from dialplane.voice.hearing import HearingFailed, Listener
from dialplane.voice.sound import CallSound, Gone
from dialplane.voice.speech import Speaker, SpeechFailed, recorded


@dataclass(slots=True)
class Line:
    """A call here, and its sound once it is answered. listens: for machines.

    unwanted: it is to be hung up as soon as that can be said. transfer: who waits to hear that it has been handed over.
    """

    name: str
    recording: Path | None
    announced: bool
    listens: bool
    call: Call | None = None
    dialled_at: float = 0.0
    has_rung: bool = False
    unwanted: bool = False
    soundless: bool = False
    mark: int | None = None
    transfer: int | None = None
    audio: StackAudio | None = None
    sound: CallSound | None = None


class StackAudio:
    """Implements voice.sound.Audio: while the stack has no sound on this call, it is silent. has_been: it had some."""

    def __init__(self, audio: CallAudio) -> None:
        self._audio = audio
        self.has_been = False

    def read(self, max_bytes: int) -> bytes:
        with suppress(AudioNotActive, AudioRestarted):
            came: bytes = self._audio.read(max_bytes)
            self.has_been = True
            return came
        return b""

    def write(self, pcm: bytes) -> None:
        with suppress(AudioNotActive, AudioRestarted):
            self._audio.write(pcm)

    def flush_tx(self) -> None:
        with suppress(AudioNotActive, AudioRestarted):
            self._audio.flush_tx()


class Talk:
    """Speaks and hears as the orders say, line by line; each order is answered under its id."""

    def __init__(self, trunk: Trunk, lines: Mapping[str, Line], tell: Callable[..., None]) -> None:
        self._speaker = Speaker(trunk.speech)
        self._listener = Listener(trunk.hearing)
        self.phrases = ListenerApart(trunk.hearing).phrases  # of every call at once: this process has no time for it
        self._silence_seconds = trunk.hearing.silence_seconds
        self._lines = lines
        self._tell = tell

    async def say(self, order: Mapping[str, Any]) -> None:
        await self.answer(order, self._said(order["call"], order["text"], order["sound"]))

    async def _said(self, name: str, text: str, sound: str | None) -> dict[str, Any]:
        if sound is None:
            pcm = await self._speaker.spoken(text)
        else:
            pcm = await asyncio.to_thread(recorded, Path(sound))
        return {"told": "said", "at": await self._sound(name).say(pcm)}

    async def announce(self, order: Mapping[str, Any]) -> None:
        await self.answer(order, self._announced(order["call"], order["text"]))

    async def _announced(self, name: str, text: str) -> dict[str, Any]:
        pcm = await self._speaker.spoken(text)
        return {"told": "said", "at": await self._sound(name).announce(pcm)}

    async def leave_message(self, order: Mapping[str, Any]) -> None:
        await self.answer(order, self._left(order["call"], order["text"]))

    async def _left(self, name: str, text: str) -> dict[str, Any]:
        pcm = await self._speaker.spoken(text)
        sound = self._sound(name)
        await sound.take_over()
        return {"told": "said", "at": await sound.leave(pcm)}

    async def hear(self, order: Mapping[str, Any]) -> None:
        await self.answer(order, self._heard(order["call"], order["expected"]))

    async def _heard(self, name: str, expected: list[str]) -> dict[str, Any]:
        heard = await self._sound(name).hear(self._silence_seconds)
        if heard is None:
            return {"told": "heard", "text": None, "at": 0.0}
        said, at = heard
        text = said if isinstance(said, str) else await self._listener.understood(said, expected)
        return {"told": "heard", "text": text, "at": at}

    async def open_sound(self, order: Mapping[str, Any]) -> None:
        await self.answer(order, self._opened(order["call"], Path(order["folder"])))

    async def _opened(self, name: str, folder: Path) -> dict[str, Any]:
        socket, at = await self._sound(name).open(folder)
        return {"told": "opened", "socket": str(socket), "at": at}

    async def answer(self, order: Mapping[str, Any], work: Coroutine[Any, Any, dict[str, Any]]) -> None:
        """Tell whoever gave the order what came of it."""
        try:
            answer = await work
        except Gone:
            answer = {"told": "gone"}
        except (SpeechFailed, HearingFailed) as fault:
            answer = {"told": "failed", "why": str(fault)}
        except Exception as fault:
            # Whoever asked waits for an answer, and somebody for a voice.
            traceback.print_exc()
            answer = {"told": "failed", "why": f"the call's process failed: {type(fault).__name__}"}
        self._tell(call=order["call"], id=order["id"], **answer)

    def _sound(self, name: str) -> CallSound:
        line = self._lines.get(name)
        if line is None or line.sound is None:
            raise Gone
        return line.sound
