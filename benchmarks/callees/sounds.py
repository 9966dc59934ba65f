"""Words, tones and noises as sound: 8 kHz, float, 1.0 is full scale."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
import wave
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dialplane.voice.resampling import resampled
from dialplane.voice.ulaw import from_ulaw, to_ulaw

RATE = 8000
VOICES = ("rms", "slt", "awb", "kal", "kal16")  # of flite
Sound = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Said:
    """Words in a voice of flite. stretch: 1.2 is a fifth slower. pitch: of its own, 1.1 is a tenth higher."""

    words: str
    voice: str
    stretch: float
    pitch: float


PITCHES = {"rms": 105, "slt": 180, "awb": 120, "kal": 95, "kal16": 95}  # Hz, about what each has


class Speech:
    """What has been said once is kept in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def make(self, all_said: set[Said]) -> None:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(self._file, sorted(all_said, key=repr)))

    def of(self, said: Said) -> Sound:
        with wave.open(str(self._file(said))) as file:
            pcm = resampled(file.readframes(file.getnframes()), file.getframerate(), RATE)
        return _trimmed(samples(pcm))

    def _file(self, said: Said) -> Path:
        path = self._folder / f"{hashlib.sha256(repr(said).encode()).hexdigest()[:24]}.wav"
        if not path.exists():
            with tempfile.NamedTemporaryFile(dir=self._folder, suffix=".part") as part:
                subprocess.run(
                    ["flite", "-voice", said.voice, "--setf", f"duration_stretch={said.stretch}",
                     "--setf", f"int_f0_target_mean={PITCHES[said.voice] * said.pitch}",
                     "-t", said.words, "-o", part.name],
                    check=True, capture_output=True,
                )  # fmt: skip
                path.write_bytes(Path(part.name).read_bytes())
        return path


def _trimmed(sound: Sound) -> Sound:
    """Without the silence around it, so that pauses are as long as they are said to be."""
    loud = np.flatnonzero(np.abs(sound) > 0.01 * np.abs(sound).max())
    return sound[loud[0] : loud[-1] + 1] if len(loud) else sound


def silence(seconds: float) -> Sound:
    return np.zeros(round(seconds * RATE))


def tone(hertz: float, seconds: float, level: float = 0.3) -> Sound:
    """With 5 ms to rise and to fall."""
    at = np.arange(round(seconds * RATE)) / RATE
    edge = np.minimum(1.0, np.minimum(at, at[::-1]) / 0.005)
    return level * edge * np.sin(2 * np.pi * hertz * at)


def hum(length: int, hertz: float, chance: np.random.Generator) -> Sound:
    at = np.arange(length) / RATE
    return sum((np.sin(2 * np.pi * hertz * k * at + chance.uniform(0, 6)) / k for k in (1, 2, 3, 5)), np.zeros(length))


def white(length: int, chance: np.random.Generator) -> Sound:
    return chance.standard_normal(length)


def pink(length: int, chance: np.random.Generator) -> Sound:
    """As of traffic and wind: the lower the louder."""
    spectrum = np.fft.rfft(chance.standard_normal(length))
    return np.fft.irfft(spectrum / np.sqrt(np.arange(1, len(spectrum) + 1)), length)


def babble(length: int, speech: list[Sound], chance: np.random.Generator) -> Sound:
    """Several voices from somewhere in the middle of what they say."""
    mixed = np.zeros(length)
    for each in speech:
        mixed += np.resize(np.roll(each, int(chance.integers(len(each)))), length)
    return mixed


def at_level(sound: Sound, decibels: float) -> Sound:
    """decibels: of full scale, root mean square."""
    rms = np.sqrt(np.mean(sound**2)) if len(sound) else 0.0
    return sound if rms == 0 else sound * 10 ** (decibels / 20) / rms


def samples(pcm: bytes) -> Sound:
    return np.frombuffer(pcm, "<i2").astype(np.float64) / 32768


def pcm(sound: Sound) -> bytes:
    """As a telephone network brings it, through μ-law."""
    whole: Any = np.clip(sound * 32768, -32768, 32767).astype("<i2")
    return from_ulaw(to_ulaw(whole.tobytes()))
