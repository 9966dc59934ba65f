"""A little melody, and which one is in a sound: what was recorded is told from any voice."""

from __future__ import annotations

import io
import math
import wave
from array import array
from itertools import groupby, pairwise

MELODY = (500, 1000, 700, 1500)
TONE_SECONDS = 0.4
WINDOW = 400  # samples at 8 kHz: 50 ms
LOUD = 2000


def melody(rate: int = 8000, *, channels: int = 1, tones: tuple[int, ...] = MELODY) -> bytes:
    """As a WAV file."""
    samples = array("h")
    for tone in tones:
        for at in range(int(TONE_SECONDS * rate)):
            samples.extend([round(12000 * math.sin(2 * math.pi * tone * at / rate))] * channels)
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return held.getvalue()


def tones_in(sound: bytes) -> list[int]:
    """Those of MELODY that are heard for at least 150 ms, in order; 8 kHz, mono, 16 bits."""
    samples = array("h", sound[: len(sound) // 2 * 2])
    windows = [_tone(samples[at : at + WINDOW]) for at in range(0, len(samples) - WINDOW, WINDOW)]
    return [tone for tone, alike in groupby(windows) if tone and len(list(alike)) >= 3]


def _tone(window: array[int]) -> int:
    """0: none of them."""
    if max(map(abs, window)) < LOUD:
        return 0
    crossings = sum((one < 0) != (next_one < 0) for one, next_one in pairwise(window))
    heard = crossings / 2 * 8000 / WINDOW
    return next((tone for tone in MELODY if abs(heard - tone) <= 30), 0)
