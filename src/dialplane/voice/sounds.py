"""A WAV file that somebody brings -> a sound as it is kept: what calls play, named by what is in it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from dialplane.errors import Invalid
from dialplane.voice.wav import RATE, SAMPLE_BYTES, sound_of, wav

MOST_BYTES: Final = 20_000_000
MOST_SECONDS: Final = 300.0
NAME: Final = re.compile(r"[0-9a-f]{64}\.wav")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """name: of its file, the same for the same sound. content: the WAV file."""

    name: str
    content: bytes
    seconds: float


def read_sound(content: bytes) -> Sound:
    """Raises Invalid, with words that follow the name of the file."""
    if len(content) > MOST_BYTES:
        raise Invalid(f"has {len(content):,} bytes, and {MOST_BYTES:,} are the most")
    sound = sound_of(content, MOST_SECONDS)
    if not sound:
        raise Invalid("holds no sound")
    kept = wav(sound)
    name = f"{hashlib.sha256(kept).hexdigest()}.wav"
    return Sound(name=name, content=kept, seconds=len(sound) / (SAMPLE_BYTES * RATE))


def key_of(organization_id: int, name: str) -> str:
    """Where the file of an organization's sound is."""
    return f"sounds/{organization_id}/{name}"
