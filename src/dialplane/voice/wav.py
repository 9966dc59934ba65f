"""WAV files <-> sound as a call has it: 8 kHz, mono, 16 bits, little endian."""

from __future__ import annotations

import io
import struct
import wave
from typing import Final

from dialplane.errors import Invalid
from dialplane.voice.resampling import resampled

RATE: Final = 8000
SAMPLE_BYTES: Final = 2
PCM: Final = 1
LEAST_RATE, MOST_RATE = 8000, 48000


def wav_header(rate: int, frames: int, channels: int = 1) -> bytes:
    """What precedes so many frames of 16 bits in their file."""
    frame = SAMPLE_BYTES * channels
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, PCM, channels, rate, rate * frame, frame, 8 * SAMPLE_BYTES)
    length = frames * frame
    return struct.pack("<4sI4s", b"RIFF", 36 + length, b"WAVE") + form + struct.pack("<4sI", b"data", length)


def wav(sound: bytes) -> bytes:
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(SAMPLE_BYTES)
        file.setframerate(RATE)
        file.writeframes(sound)
    return held.getvalue()


def sound_of(content: bytes, most_seconds: float = float("inf")) -> bytes:
    """Of a WAV file of 16 bits, mono or stereo. Raises Invalid, also where it is longer."""
    try:
        with wave.open(io.BytesIO(content)) as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            found = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as fault:
        raise Invalid(f"is no WAV file of PCM sound: {fault or 'it ends too early'}") from fault
    if width != SAMPLE_BYTES or channels not in (1, 2):
        raise Invalid(f"has {8 * width} bits and {channels} channels: save it with 16 bits and one or two channels")
    if not LEAST_RATE <= rate <= MOST_RATE:
        raise Invalid(f"has {rate} Hz: save it with {LEAST_RATE} to {MOST_RATE}")
    if (seconds := len(found) / (width * channels * rate)) > most_seconds:
        raise Invalid(f"lasts {seconds:.0f} seconds, and {most_seconds:g} are the most")
    return resampled(found, rate, RATE, channels=channels)
