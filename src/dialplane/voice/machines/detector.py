"""Follows one call from its answer on: 20 ms of sound at a time, and the phrases that were found in it."""

from __future__ import annotations

from collections.abc import Collection
from heapq import nlargest
from typing import Any, Final

from dialplane.voice.machines.phrases import Phrase
from dialplane.voice.machines.rules import RULES, Evidence, Rules, Stretch, Tone, Verdict, greeting_of, verdict
from dialplane.voice.machines.tones import WINDOW as TONE_WINDOW
from dialplane.voice.machines.tones import ToneFinder, is_same
from dialplane.voice.machines.voicing import WINDOW, WINDOW_SECONDS, Voicing

FRAME_SECONDS: Final = 0.02
RATE: Final = 8000
_LIKELY: Final = 0.5  # that somebody speaks, for what counts as speech
_QUIETER: Final = 14.0  # decibels below what is loud: somebody else in the room
_ROOM: Final = -33.0  # decibels of full scale: who speaks into a telephone is louder at times
_JOINED: Final = 0.2  # seconds: a pause as short lies within words
_STILL_SPEAKING: Final = 0.3  # seconds without speech
_AGAIN: Final = 1.6  # seconds that are listened to twice: a phrase may lie on the border
_BEFORE: Final = 0.3  # seconds before the first word
_SHORTEST: Final = 0.8  # seconds of speech, all in all: there is no phrase of a machine in it
_NO_MORE: Final = 0.05  # seconds: no word is as short
_LOUD: Final = 5  # windows of speech that are as loud as the voice is


class Detector:
    """`feed` every frame; the sound that it `wants` is listened to for phrases, and `understand` is told of them."""

    def __init__(self, rules: Rules = RULES) -> None:
        import numpy  # noqa: PLC0415  (the extra `voice`)

        self._numpy = numpy
        self._rules = rules
        self._voicing, self._finder = Voicing(), ToneFinder()
        self._sound = bytearray()
        self._pending = numpy.zeros(0)  # less than a window of the model
        self._latest = numpy.zeros(TONE_WINDOW)
        self._frames = self._windows = 0
        self._stretches: list[tuple[Stretch, float]] = []  # each with how loud it was, in decibels of full scale
        self._tones: list[Tone] = []
        self._loudest: list[float] = []  # windows of speech
        self._phrases: frozenset[Phrase] = frozenset()
        self._asked = self._understood = 0.0  # seconds of speech
        self._asked_until = 0.0  # seconds since the answer
        self.verdict: Verdict | None = None

    @property
    def seconds(self) -> float:
        return self._frames * FRAME_SECONDS

    def feed(self, frame: bytes) -> None:
        """20 ms: 8 kHz, mono, 16 bits."""
        is_decided = self.verdict is not None and self.verdict.is_final
        if not is_decided:
            self._sound += frame
        self._frames += 1
        samples = self._numpy.frombuffer(frame, "<i2") / 32768
        self._latest = self._numpy.concatenate((self._latest[len(samples) :], samples))
        self._follow_tone()
        self._pending = self._numpy.concatenate((self._pending, samples))
        if len(self._pending) >= WINDOW:
            self._follow_speech(self._pending[:WINDOW])
            self._pending = self._pending[WINDOW:]
            if not is_decided:
                self.verdict = verdict(self.evidence(), self._rules) or self.verdict

    def evidence(self) -> Evidence:
        missed = self._greeting_seconds() - self._understood
        return Evidence(
            now=self.seconds,
            speech=self._speech(),
            tones=self._tones,
            phrases=self._phrases,
            is_understood=missed < (self._rules.more_words if self._is_speaking() else _NO_MORE),
        )

    # --- words -----------------------------------------------------------------------------------------------

    def wants(self) -> bytes | None:
        """Sound in which there is more speech than has been listened to; None: not now."""
        said = self._greeting_seconds()
        if self._asked > self._understood or said - self._asked < _NO_MORE:
            return None
        due = self._asked + self._rules.more_words if self._asked else self._rules.first_words
        if said < due and (self._is_speaking() or said < _SHORTEST):
            return None
        since, self._asked, self._asked_until = self._asked_until - _AGAIN, said, self.seconds
        begins = max(since, self._speech()[0].since - _BEFORE)
        return bytes(self._sound[2 * round(max(0.0, begins) * RATE) :])

    def understand(self, phrases: Collection[Phrase]) -> None:
        """What was found in the sound that was wanted last."""
        self._phrases |= frozenset(phrases)
        self._understood = self._asked

    def _speech(self) -> list[Stretch]:
        """Of the one who has answered: a crowd behind them is quieter, which shows once they have said a word."""
        return [
            stretch
            for stretch, level in self._stretches
            if stretch.seconds >= self._rules.word and level >= max(self._loudest[-1] - _QUIETER, _ROOM)
        ]

    def _greeting_seconds(self) -> float:
        return sum(stretch.seconds for stretch in greeting_of(self._speech(), self._rules))

    def _is_speaking(self) -> bool:
        speech = self._speech()
        return bool(speech) and self.seconds - speech[-1].until < _STILL_SPEAKING

    # --- what is heard ---------------------------------------------------------------------------------------

    def _follow_speech(self, window: Any) -> None:
        self._windows += 1
        until = self._windows * WINDOW_SECONDS
        since = until - WINDOW_SECONDS
        likely = self._voicing.likely(window)
        if likely < _LIKELY or self._is_tone(since):
            return
        level = 10 * float(self._numpy.log10(self._numpy.mean(window**2) + 1e-10))
        self._loudest = nlargest(_LOUD, (*self._loudest, level))
        if level < self._loudest[-1] - _QUIETER:
            return
        before, loud = self._stretches[-1] if self._stretches else (Stretch(0.0, -1.0), level)
        if since - before.until <= _JOINED:
            self._stretches[-1] = Stretch(before.since, until), max(level, loud)
        else:
            self._stretches.append((Stretch(since, until), level))

    def _is_tone(self, since: float) -> bool:
        """A beep is no speech, however much it sounds like it."""
        return bool(self._tones) and self._tones[-1].until > since and self._tones[-1].seconds >= 0.08

    def _follow_tone(self) -> None:
        hertz = self._finder.pitch(self._latest)
        if hertz is None:
            return
        now = self.seconds
        last = self._tones[-1] if self._tones else None
        if last is not None and now - last.until < 1.5 * FRAME_SECONDS and is_same(hertz, last.hertz):
            self._tones[-1] = Tone(last.since, now, last.hertz)
            return
        if last is not None and last.seconds < self._rules.beep:
            self._tones.pop()
        self._tones.append(Tone(now - TONE_WINDOW / RATE, now, hertz))
