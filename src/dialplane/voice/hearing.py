"""sound of the other side -> what was said, once they have stopped speaking"""

from __future__ import annotations

import io
import re
import wave
from collections.abc import Sequence
from threading import Lock
from typing import Any, Final

from dialplane.voice.resampling import resampled
from dialplane.voice.settings import POCKETSPHINX, Hearing

RATE: Final = 8000
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
    """Speech to text. Recognising takes a share of its length: it is for a thread, one at a time."""

    def __init__(self, settings: Hearing) -> None:
        self._settings = settings
        self._decoders: dict[tuple[str, ...], Any] = {}
        self._lock = Lock()

    def understood(self, sound: bytes, expected: Sequence[str]) -> str:
        """The words; '' for sound without any. Raises HearingFailed."""
        if self._settings.engine != POCKETSPHINX:
            return self._transcribed(sound)
        with self._lock:
            decoder = self._decoder(tuple(expected))
            decoder.start_utt()
            decoder.process_raw(resampled(sound, RATE, MODEL_RATE), no_search=False, full_utt=True)
            decoder.end_utt()
            hypothesis = decoder.hyp()
        return hypothesis.hypstr if hypothesis else ""

    def _decoder(self, expected: tuple[str, ...]) -> Any:
        """With a grammar of the likely answers, which is far better than all of the language; anything without any."""
        if expected not in self._decoders:
            from pocketsphinx import Decoder  # noqa: PLC0415

            decoder = Decoder(samprate=MODEL_RATE, loglevel="FATAL")
            known = [
                each
                for each in map(_spoken, expected)
                if each and all(decoder.lookup_word(word) for word in each.split())
            ]
            if known:
                decoder.add_jsgf_string("answers", _grammar(known))
                decoder.activate_search("answers")
            self._decoders[expected] = decoder
        return self._decoders[expected]

    def _transcribed(self, sound: bytes) -> str:
        import httpx2  # noqa: PLC0415

        headers = {"Authorization": f"Bearer {self._settings.api_key}"} if self._settings.api_key else {}
        file = {"file": ("speech.wav", wav(sound), "audio/wav")}
        try:
            answer = httpx2.post(
                self._settings.url,
                data={"model": self._settings.model},
                files=file,
                headers=headers,
                timeout=TIMEOUT_SECONDS,
            )
            answer.raise_for_status()
            return str(answer.json()["text"]).strip()
        except (httpx2.HTTPError, ValueError, KeyError, TypeError) as fault:
            raise HearingFailed(f"the transcription service failed: {fault or type(fault).__name__}") from fault


def wav(sound: bytes) -> bytes:
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(sound)
    return held.getvalue()


def _spoken(answer: str) -> str:
    return " ".join(_WORD.findall(answer.lower()))


def _grammar(answers: Sequence[str]) -> str:
    """One of the answers, with some words around it that people say."""
    return (
        "#JSGF V1.0;\ngrammar answers;\n"
        f"public <answer> = [ well | oh | um ] ( {' | '.join(answers)} ) [ please | thank you | thanks ];\n"
    )
