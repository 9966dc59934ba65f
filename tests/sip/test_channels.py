"""One side of a stereo recording, or both on one track, however the file comes in pieces."""

from __future__ import annotations

import io
import struct
import wave
from array import array
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialplane.voice.channels import MOST_HEADER_BYTES, Channel, NotStereo, channel_of
from dialplane.voice.wav import wav

pytestmark = pytest.mark.asyncio

AGENT, CONTACT = array("h", range(0, 3000, 3)), array("h", range(-20000, -18000, 2))


def stereo(left: array[int] = AGENT, right: array[int] = CONTACT, *, width: int = 2, channels: int = 2) -> bytes:
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(8000)
        both = array("h", bytes(4 * len(left)))
        both[0::2], both[1::2] = left, right
        file.writeframes(both.tobytes())
    return held.getvalue()


async def pieces(content: bytes, sizes: list[int]) -> AsyncIterator[bytes]:
    """The last size goes on to the end."""
    at = 0
    for size in sizes:
        yield content[at : at + size]
        at += size
    while at < len(content):
        yield content[at : at + sizes[-1]]
        at += sizes[-1]


async def read(content: bytes, channel: Channel, sizes: list[int] | None = None) -> bytes:
    size, chunks = await channel_of(len(content), pieces(content, sizes or [len(content)]), channel)
    whole = b"".join([chunk async for chunk in chunks])
    assert len(whole) == size
    return whole


def samples(content: bytes) -> array[int]:
    with wave.open(io.BytesIO(content)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 8000)
        return array("h", file.readframes(file.getnframes()))


@given(st.lists(st.integers(1, 97), min_size=1, max_size=20))
async def test_each_side_comes_whole_wherever_the_pieces_end(sizes: list[int]) -> None:
    recording = stereo()

    assert samples(await read(recording, Channel.AGENT, sizes)) == AGENT
    assert samples(await read(recording, Channel.CONTACT, sizes)) == CONTACT
    mixed = samples(await read(recording, Channel.MONO, sizes))
    assert all(abs(one - (a + c) / 2) <= 1 for one, a, c in zip(mixed, AGENT, CONTACT, strict=True))
    assert await read(recording, Channel.BOTH, sizes) == recording


async def test_two_loud_voices_do_not_overflow() -> None:
    loud = array("h", [32767, -32768])

    assert samples(await read(stereo(loud, loud), Channel.MONO)) == loud


async def test_remarks_around_the_sound_are_left_out() -> None:
    recording = stereo()
    remark = b"LIST" + struct.pack("<I", 5) + b"hello\0"
    dressed = recording[:12] + remark + recording[12:] + remark

    assert samples(await read(dressed, Channel.AGENT, [7])) == AGENT


async def test_a_recording_that_broke_off_has_what_there_is() -> None:
    """Its header, written in the end, says nothing true of its length; it may end in the middle of a frame."""
    endless = stereo()[:40] + struct.pack("<I", 0xFFFFFFFF) + stereo()[44:-3]

    assert samples(await read(endless, Channel.CONTACT, [1000])) == CONTACT[:-1]


async def test_a_recording_without_sound_is_an_empty_file() -> None:
    assert samples(await read(stereo(array("h"), array("h")), Channel.AGENT)) == array("h")


async def test_no_more_is_read_ahead_than_a_piece() -> None:
    recording, given_out = stereo(), 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal given_out
        async for piece in pieces(recording, [100]):
            given_out += len(piece)
            yield piece

    size, chunks = await channel_of(len(recording), counted(), Channel.AGENT)
    assert size == 44 + 2 * len(AGENT) and given_out == 100
    got = 0
    async for chunk in chunks:
        got += len(chunk)
        assert given_out <= 2 * got + 100


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "no WAV file"),
        (b"ID3\x04 an MP3 file, which is something else", "no WAV file"),
        (b"RIFF\0\0\0\0AVI LIST", "no WAV file"),
        (b"RIFF\0\0\0\0WAVE", "no WAV file"),
        (b"RIFF\0\0\0\0WAVEdata\0\0\0\0", "does not say what its sound is like"),
        (b"RIFF\0\0\0\0WAVELIST" + struct.pack("<I", 1 << 31) + bytes(MOST_HEADER_BYTES), "no WAV file"),
        (wav(AGENT.tobytes()), "no stereo WAV file of 16 bits"),
        (stereo(width=1), "no stereo WAV file of 16 bits"),
    ],
)
@pytest.mark.parametrize("channel", [Channel.MONO, Channel.AGENT, Channel.CONTACT])
async def test_what_is_no_stereo_wav_is_refused_before_the_first_byte(
    content: bytes, complaint: str, channel: Channel
) -> None:
    for size in (1, 50_000):
        with pytest.raises(NotStereo, match=complaint):
            await channel_of(len(content), pieces(content, [size]), channel)

    assert await read(content, Channel.BOTH) == content
