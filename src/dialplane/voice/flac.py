"""Recordings as FLAC: the same sound in two fifths of the bytes. soundfile comes with the extra `flac`."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Final

from dialplane.errors import Invalid
from dialplane.voice.wav import SAMPLE_BYTES, wav_header

FLAC: Final = ".flac"
FRAMES_AT_ONCE: Final = 65_536  # eight seconds, 262 kB


class FlacFailed(Exception):
    """No FLAC file was made; it says why."""


def encode(source: Path, target: Path) -> None:
    """A WAV file of ours as FLAC. Raises FlacFailed."""
    try:
        from soundfile import SoundFile  # noqa: PLC0415  (a fifth of a second, for those alone who want it)

        with wave.open(str(source)) as given:
            if not given.getnframes():
                raise FlacFailed("there is no sound")  # of which soundfile makes an empty file
            shape = {"samplerate": given.getframerate(), "channels": given.getnchannels()}
            with SoundFile(str(target), "w", format="FLAC", subtype="PCM_16", **shape) as made:
                while frames := given.readframes(FRAMES_AT_ONCE):
                    made.buffer_write(frames, "int16")
    except (ImportError, OSError, wave.Error, RuntimeError, AssertionError) as fault:  # the last two are soundfile's
        raise FlacFailed(str(fault) or type(fault).__name__) from fault


async def decoded(content: AsyncIterator[bytes]) -> tuple[int, AsyncIterator[bytes]]:
    """The WAV file that a FLAC file was made of: its size, and itself in chunks. Raises Invalid.

    On the disk in between: a FLAC file is read with leaps.
    """
    file = await asyncio.to_thread(TemporaryFile)
    async for chunk in content:
        await asyncio.to_thread(file.write, chunk)
    sound = await asyncio.to_thread(_opened, file)
    head = wav_header(sound.samplerate, sound.frames, sound.channels)
    return len(head) + sound.frames * sound.channels * SAMPLE_BYTES, _written(head, sound, file)


def _opened(file: IO[bytes]) -> Any:
    try:
        from soundfile import SoundFile  # noqa: PLC0415

        file.seek(0)
        return SoundFile(file)
    except ImportError:
        raise Invalid("a FLAC recording has one side alone only where 'dialplane[flac]' is installed") from None
    except RuntimeError as fault:
        raise Invalid(f"this recording cannot be read: {fault}") from fault


async def _written(head: bytes, sound: Any, file: IO[bytes]) -> AsyncIterator[bytes]:
    with file, sound:
        yield head
        while frames := bytes(await asyncio.to_thread(sound.buffer_read, FRAMES_AT_ONCE, "int16")):
            yield frames
