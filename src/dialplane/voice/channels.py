"""A stereo recording -> one side of it, or both on one track, while it is read: an hour of it is 115 MB."""

from __future__ import annotations

import struct
from array import array
from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Final

from dialplane.errors import Invalid
from dialplane.voice.resampling import resampled
from dialplane.voice.wav import PCM, wav_header

MOST_HEADER_BYTES: Final = 65536  # other programs put remarks before the sound
FRAME_BYTES: Final = 4


class Channel(StrEnum):
    """Whom one hears: both as they were recorded, both mixed, or one of the two."""

    BOTH = "both"
    MONO = "mono"
    AGENT = "agent"
    CONTACT = "contact"


class NotStereo(Invalid):
    """There are no two sides to choose from."""


async def channel_of(size: int, content: AsyncIterator[bytes], channel: Channel) -> tuple[int, AsyncIterator[bytes]]:
    """How many bytes the WAV file of this channel has, and itself in chunks, of a file of `size` bytes.

    Raises NotStereo before the first one.
    """
    if channel is Channel.BOTH:
        return size, content
    begun = bytearray()
    while (found := _sound_in(begun)) is None and len(begun) < MOST_HEADER_BYTES:
        chunk = await anext(content, None)
        if chunk is None:
            break
        begun += chunk
    if found is None:
        raise NotStereo("this recording is no WAV file: there is channel=both alone")
    rate, at, length = found
    frames = min(length, size - at) // FRAME_BYTES  # of a file that broke off, what there is
    return len(wav_header(rate, 0)) + 2 * frames, _written(
        wav_header(rate, frames), begun[at:], content, frames, channel
    )


async def _written(
    header: bytes, begun: bytearray, content: AsyncIterator[bytes], frames: int, channel: Channel
) -> AsyncIterator[bytes]:
    yield header
    left = frames * FRAME_BYTES
    while left:
        whole = bytes(begun[: min(left, len(begun) // FRAME_BYTES * FRAME_BYTES)])
        del begun[: len(whole)]
        left -= len(whole)
        if whole:
            yield _chosen(whole, channel)
        if left:
            chunk = await anext(content, None)
            if chunk is None:
                return
            begun += chunk


def _chosen(frames: bytes, channel: Channel) -> bytes:
    if channel is Channel.MONO:
        return resampled(frames, 1, 1, channels=2)
    return array("h", frames)[0 if channel is Channel.AGENT else 1 :: 2].tobytes()


def _sound_in(begun: bytearray) -> tuple[int, int, int] | None:
    """(rate, where the sound begins, its length) of a WAV file that begins so; None: more of it has to be seen."""
    if not b"RIFF".startswith(begun[:4]) or not b"WAVE".startswith(begun[8:12]):
        raise NotStereo("this recording is no WAV file: there is channel=both alone")
    at, rate = 12, 0
    while len(begun) >= at + 8:
        name, length = struct.unpack_from("<4sI", begun, at)
        at += 8
        if name == b"data":
            if not rate:
                raise NotStereo("this recording does not say what its sound is like: there is channel=both alone")
            return rate, at, length
        if name == b"fmt " and len(begun) >= at + 16:
            form, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", begun, at)
            if (form, channels, bits) != (PCM, 2, 16):
                raise NotStereo("this recording is no stereo WAV file of 16 bits: there is channel=both alone")
        at += length + length % 2
    return None
