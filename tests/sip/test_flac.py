"""Recordings as FLAC: the same sound, and one side of it, however the file comes in pieces."""

from __future__ import annotations

import asyncio
import random
from array import array
from collections.abc import AsyncIterator, Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from callees import needs_programs
from person import person
from test_channels import pieces, samples
from test_sip_campaign import transcribed
from trunks import Stage

from dialplane.carriers.sip.trunk import Trunk
from dialplane.errors import Invalid
from dialplane.voice.channels import Channel, channel_of
from dialplane.voice.flac import FlacFailed, decoded, encode
from dialplane.voice.recording import Recording

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.skipif(find_spec("soundfile") is None, reason="not installed: soundfile"),
]
TrunkTo = Callable[..., Stage]


def sound(seed: int, seconds: int = 20) -> array[int]:
    """Louder and quieter, as speech is."""
    noise, loudness = random.Random(seed), 0
    samples = array("h")
    for at in range(8000 * seconds):
        loudness = noise.choice((0, 30, 8000)) if at % 4000 == 0 else loudness
        samples.append(noise.randint(-loudness, loudness))
    return samples


def recorded(path: Path, agent: array[int], contact: array[int]) -> bytes:
    recording = Recording(path)
    recording.add(agent.tobytes(), contact.tobytes())
    assert recording.close()
    return path.read_bytes()


async def whole(content: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in content])


async def test_what_comes_back_is_the_same_file_to_the_last_bit(tmp_path: Path) -> None:
    agent, contact = sound(1), sound(2)
    original = recorded(tmp_path / "call.wav", agent, contact)

    encode(tmp_path / "call.wav", tmp_path / "call.flac")
    flac = (tmp_path / "call.flac").read_bytes()
    size, back = await decoded(pieces(flac, [1, 7, 3000]))

    assert flac.startswith(b"fLaC") and len(flac) < 0.7 * len(original)
    assert (await whole(back), size) == (original, len(original))
    for channel, side in ((Channel.AGENT, agent), (Channel.CONTACT, contact)):
        length, chunks = await channel_of(*await decoded(pieces(flac, [len(flac)])), channel)
        content = await whole(chunks)
        assert samples(content) == side and len(content) == length


async def test_what_cannot_be_read_or_written_says_so(tmp_path: Path) -> None:
    recorded(tmp_path / "call.wav", sound(1, 1), sound(2, 1))
    with pytest.raises(FlacFailed):
        encode(tmp_path / "call.wav", tmp_path / "nowhere" / "call.flac")
    with pytest.raises(FlacFailed):
        encode(tmp_path / "none.wav", tmp_path / "call.flac")
    recorded(tmp_path / "empty.wav", array("h"), array("h"))
    with pytest.raises(FlacFailed, match="no sound"):
        encode(tmp_path / "empty.wav", tmp_path / "call.flac")
    with pytest.raises(Invalid, match="cannot be read"):
        await decoded(pieces(b"fLaC and no more", [4]))


@needs_programs
async def test_a_call_on_a_trunk_that_wants_it_is_kept_as_flac_and_no_other_file(trunk_to: TrunkTo) -> None:
    async with person() as called:
        stage = trunk_to(called.trunk | {"recording_format": "flac"})
        order, line = await stage.answered()
        await line.say("Can you come to the clinic tomorrow?")
        await line.hang_up()
        end = await stage.end(order)

    files = [path for path in stage.folder.rglob("*") if path.is_file()]
    assert files == [stage.folder / end.recording] and end.recording == f"recordings/1/{order.attempt_uuid}.flac"
    size, back = await decoded(pieces(files[0].read_bytes(), [10_000]))
    content = await whole(back)
    _, chunks = await channel_of(size, pieces(content, [10_000]), Channel.AGENT)
    words = await asyncio.to_thread(transcribed, (await whole(chunks))[44:])
    assert len(content) == size and {"clinic", "tomorrow"} & set(words.split())


@needs_programs
async def test_a_recording_that_flac_cannot_take_is_kept_as_wav(
    trunk_to: TrunkTo, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Path) -> None:
        raise FlacFailed("No space left on device")

    monkeypatch.setattr("dialplane.carriers.sound_files.encode", full)
    async with person() as called:
        stage = trunk_to(called.trunk | {"recording_format": "flac"})
        order, line = await stage.answered()
        await line.say("Hello.")
        await line.hang_up()
        end = await stage.end(order)

    assert end.recording == f"recordings/1/{order.attempt_uuid}.wav" and (stage.folder / end.recording).exists()


async def test_the_setting_is_known_and_what_it_needs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    trunk = Trunk.from_settings({"host": "trunk.example", "recording_format": "flac"})
    monkeypatch.setattr(
        "dialplane.carriers.call_settings.find_spec", lambda name: None if name == "soundfile" else name
    )

    assert trunk.missing() == "not installed: soundfile; pip install 'dialplane[flac]' brings it"
    with pytest.raises(Invalid, match="recording_format"):
        Trunk.from_settings({"host": "trunk.example", "recording_format": "mp3"})
