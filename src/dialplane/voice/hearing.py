"""sound of the other side -> what was said, once they have stopped speaking"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any, Final

from dialplane.voice.resampling import resampled
from dialplane.voice.settings import POCKETSPHINX, Hearing
from dialplane.voice.wav import RATE, wav

MODEL_RATE: Final = 16000
TIMEOUT_SECONDS: Final = 20.0
_WORD = re.compile(r"[a-z']+")


class HearingFailed(Exception):
    """Nothing could be made of the sound; it says why."""


class Endpointer:
    """Finds the stretch of sound in which somebody speaks. Takes 20 ms at a time, silence included."""

    def __init__(self) -> None:
        from pocketsphinx import Endpointer as Native  # noqa: PLC0415  (the extra `voice`)

        # 10 to 30 ms frames at 8 kHz are what the WebRTC detector inside takes.
        self._native = Native(window=0.3, ratio=0.8, vad_mode=2, sample_rate=RATE, frame_length=0.02)
        self.frame_bytes: int = self._native.frame_bytes
        self._said = bytearray()

    @property
    def speaking(self) -> bool:
        return bool(self._native.in_speech)

    def feed(self, frame: bytes) -> bytes | None:
        """The whole of what was said, once it has ended."""
        before = self._native.in_speech
        part = self._native.process(frame)
        if part is not None:
            self._said += part
        if before and not self._native.in_speech:
            said, self._said = bytes(self._said), bytearray()
            return said
        return None


class Listener:
    """Speech to text. pocketsphinx takes a share of the sound's length, in a thread, one stretch at a time."""

    def __init__(self, settings: Hearing) -> None:
        self._settings = settings
        self._decoder: Any = None
        self._searches: dict[tuple[str, ...], str] = {}  # by what is expected: the name of its grammar
        self._one_at_a_time = asyncio.Lock()

    async def understood(self, sound: bytes, expected: Sequence[str]) -> str:
        """The words; '' for sound without any. Raises HearingFailed."""
        if self._settings.engine != POCKETSPHINX:
            return await self._transcribed(sound)
        async with self._one_at_a_time:
            return await asyncio.to_thread(self.recognised, sound, tuple(expected))

    def recognised(self, sound: bytes, expected: tuple[str, ...]) -> str:
        """By pocketsphinx, which lets nothing else run meanwhile."""
        from pocketsphinx import Decoder  # noqa: PLC0415

        if self._decoder is None:
            self._decoder = Decoder(samprate=MODEL_RATE, loglevel="FATAL")
            self._anything: str = self._decoder.current_search()
        decoder = self._decoder
        decoder.activate_search(self._search(expected))
        decoder.start_utt()
        decoder.process_raw(resampled(sound, RATE, MODEL_RATE), no_search=False, full_utt=True)
        decoder.end_utt()
        hypothesis = decoder.hyp()
        return hypothesis.hypstr if hypothesis else ""

    def _search(self, expected: tuple[str, ...]) -> str:
        """A grammar of the likely answers, which is far better than all of the language; that where none is known."""
        if expected not in self._searches:
            known = [
                each
                for each in map(_spoken, expected)
                if each and all(self._decoder.lookup_word(word) for word in each.split())
            ]
            name = f"answers{len(self._searches)}" if known else self._anything
            if known:
                self._decoder.add_jsgf_string(name, _grammar(known))
            self._searches[expected] = name
        return self._searches[expected]

    async def _transcribed(self, sound: bytes) -> str:
        import httpx2  # noqa: PLC0415

        headers = {"Authorization": f"Bearer {self._settings.api_key}"} if self._settings.api_key else {}
        file = {"file": ("speech.wav", wav(sound), "audio/wav")}
        body = {"model": self._settings.model}
        try:
            async with httpx2.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
                answer = await client.post(self._settings.url, data=body, files=file, headers=headers)
            answer.raise_for_status()
            return str(answer.json()["text"]).strip()
        except (httpx2.HTTPError, ValueError, KeyError, TypeError) as fault:
            raise HearingFailed(f"the transcription service failed: {fault or type(fault).__name__}") from fault


def _spoken(answer: str) -> str:
    return " ".join(_WORD.findall(answer.lower()))


def _grammar(answers: Sequence[str]) -> str:
    """One of the answers, with some words around it that people say."""
    return (
        "#JSGF V1.0;\ngrammar answers;\n"
        f"public <answer> = [ well | oh | um ] ( {' | '.join(answers)} ) [ please | thank you | thanks ];\n"
    )
