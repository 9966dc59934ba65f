"""What is on a recording."""

from __future__ import annotations

import wave
from array import array
from pathlib import Path


def sides(path: Path) -> tuple[bytes, bytes]:
    """The agent's and the callee's."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 8000)
        both = array("h", file.readframes(file.getnframes()))
    return both[0::2].tobytes(), both[1::2].tobytes()


def loudness(pcm: bytes) -> float:
    """Root mean square of 16 bits: 0 is silence, and speech some thousands."""
    samples = array("h", pcm)
    return float((sum(sample * sample for sample in samples) / max(1, len(samples))) ** 0.5)
