"""Speech made, heard and understood, and both sides of a call recorded: without any telephone."""

from __future__ import annotations

import asyncio
import os
import stat
import wave
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from callees import needs_programs
from services import service

from dialplane.voice.hearing import Endpointer, HearingFailed, Listener
from dialplane.voice.recording import Recording
from dialplane.voice.resampling import resampled
from dialplane.voice.settings import Hearing, Speech
from dialplane.voice.sound import FRAME_BYTES, FRAME_SECONDS, MOST_BEHIND, SILENCE, CallSound, Gone
from dialplane.voice.speech import Speaker, SpeechFailed
from dialplane.voice.wav import wav

TONE = array("h", [8000, -8000] * (FRAME_BYTES // 4)).tobytes()


@dataclass
class FakeAudio:
    """A SIP stack: what comes is put into `coming`, and what goes is kept in `sent`."""

    coming: bytes = b""
    sent: bytearray = field(default_factory=bytearray)
    flushed: int = 0

    def read(self, max_bytes: int) -> bytes:
        came, self.coming = self.coming[:max_bytes], self.coming[max_bytes:]
        return came

    def write(self, pcm: bytes) -> None:
        self.sent += pcm

    def flush_tx(self) -> None:
        self.flushed += 1


async def passes(sound: CallSound, seconds: float, coming: bytes = b"") -> None:
    """That much time of a call, in which this is said on the other side, without delay."""
    audio: Any = sound._audio
    for ordinal in range(round(seconds / FRAME_SECONDS)):
        audio.coming += coming[ordinal * FRAME_BYTES : (ordinal + 1) * FRAME_BYTES]
        sound.tick()
        await asyncio.sleep(0)


async def spoken(text: str) -> bytes:
    return await Speaker(Speech()).spoken(text)


# --- saying ---------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_what_is_said_goes_out_whole_and_takes_its_time() -> None:
    audio = FakeAudio()
    sound = CallSound(audio, None)
    await passes(sound, 1)

    saying = asyncio.create_task(sound.say(10 * TONE))
    await asyncio.sleep(0)
    await passes(sound, 9 * FRAME_SECONDS)
    assert not saying.done()
    await passes(sound, 2 * FRAME_SECONDS)

    assert await saying == pytest.approx(1.0)
    assert bytes(audio.sent) == 10 * TONE


@pytest.mark.asyncio
async def test_the_first_word_is_told_as_it_goes_out_and_once() -> None:
    told: list[float] = []
    sound = CallSound(FakeAudio(), None, on_first_word=told.append)
    await passes(sound, 1)

    saying = asyncio.create_task(sound.say(10 * TONE))
    await asyncio.sleep(0)
    assert told == [pytest.approx(1.0)] and not saying.done()
    await passes(sound, 1)
    again = asyncio.create_task(sound.say(10 * TONE))
    await passes(sound, 1)

    assert saying.done() and again.done() and len(told) == 1


@pytest.mark.asyncio
async def test_the_stack_is_kept_a_little_ahead_for_a_clock_that_comes_late() -> None:
    audio = FakeAudio()
    sound = CallSound(audio, None)
    saying = asyncio.create_task(sound.say(50 * TONE))
    await asyncio.sleep(0)

    await passes(sound, FRAME_SECONDS)
    ahead = len(audio.sent) // FRAME_BYTES
    await passes(sound, 10 * FRAME_SECONDS)

    assert 5 <= ahead <= 12 and len(audio.sent) // FRAME_BYTES == ahead + 10
    saying.cancel()


@pytest.mark.asyncio
async def test_a_key_stops_what_is_being_said_and_is_heard_next() -> None:
    audio = FakeAudio()
    sound = CallSound(audio, None)
    saying = asyncio.create_task(sound.say(500 * TONE))
    await asyncio.sleep(0)
    await passes(sound, 1)

    sound.press("1")
    await asyncio.wait_for(saying, 1)
    sent = len(audio.sent)
    await passes(sound, 1)

    assert audio.flushed == 1 and len(audio.sent) == sent
    assert await sound.hear(6) == ("1", pytest.approx(1.0))


@needs_programs
@pytest.mark.asyncio
async def test_a_key_that_is_pressed_while_we_listen_is_the_answer() -> None:
    sound = CallSound(FakeAudio(), None)
    hearing = asyncio.create_task(sound.hear(6))
    await asyncio.sleep(0)
    await passes(sound, 2)

    sound.press("#")

    assert await asyncio.wait_for(hearing, 1) == ("#", pytest.approx(2.0))


# --- hearing --------------------------------------------------------------------------------------


@needs_programs
@pytest.mark.asyncio
async def test_silence_is_heard_after_its_time_and_not_before() -> None:
    sound = CallSound(FakeAudio(), None)
    hearing = asyncio.create_task(sound.hear(2))
    await asyncio.sleep(0)

    await passes(sound, 1.9)
    assert not hearing.done()
    await passes(sound, 0.2)

    assert await hearing is None


@needs_programs
@pytest.mark.asyncio
async def test_a_stretch_of_speech_is_found_and_understood() -> None:
    sound = CallSound(FakeAudio(), None)
    hearing = asyncio.create_task(sound.hear(6))
    await asyncio.sleep(0)

    await passes(sound, 4, bytes(16000) + await spoken("yes please"))

    heard = await asyncio.wait_for(hearing, 1)
    assert heard is not None and isinstance(heard[0], bytes)
    assert heard[1] == pytest.approx(1.0, abs=0.5)
    assert "yes" in await Listener(Hearing()).understood(heard[0], ("yes", "no"))


@needs_programs
@pytest.mark.asyncio
async def test_somebody_who_speaks_on_beyond_the_time_is_let_finish() -> None:
    words = await spoken("I would like to say that I will be there tomorrow")
    sound = CallSound(FakeAudio(), None)
    hearing = asyncio.create_task(sound.hear(1))
    await asyncio.sleep(0)

    await passes(sound, len(words) / 16000 + 1, words)

    heard = await asyncio.wait_for(hearing, 1)
    assert heard is not None and len(heard[0]) > 16000


@needs_programs
@pytest.mark.asyncio
async def test_the_endpointer_tells_speech_from_silence() -> None:
    endpointer = Endpointer()
    words = bytes(8000) + await spoken("please stop calling me") + bytes(16000)
    frames = [words[at : at + FRAME_BYTES].ljust(FRAME_BYTES, b"\0") for at in range(0, len(words), FRAME_BYTES)]

    said = [found for found in map(endpointer.feed, frames) if found]

    assert endpointer.frame_bytes == FRAME_BYTES and not endpointer.speaking
    assert len(said) == 1 and len(said[0]) < len(words)
    assert Endpointer().feed(SILENCE) is None


@needs_programs
@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("text", "expected", "words"),
    [
        ("yes", ("yes", "no"), "yes"),
        ("no thank you", ("yes", "no"), "no"),
        ("please stop calling me", ("yes", "no", "stop calling me"), "stop calling me"),
        ("I will be there tomorrow morning", (), "tomorrow morning"),
        ("yes", ("yes", "Dialplane!"), "yes"),  # a word that no dictionary has is left out
        ("tomorrow morning", ("Dialplane",), "tomorrow morning"),
    ],
)
async def test_words_are_understood(text: str, expected: tuple[str, ...], words: str) -> None:
    assert words in await Listener(Hearing()).understood(await spoken(text), expected)


# --- time -----------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_both_sides_are_recorded_as_they_were_spoken(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "call.wav")
    sound = CallSound(FakeAudio(), recording)
    await passes(sound, 0.1, 5 * TONE)
    saying = asyncio.create_task(sound.say(5 * TONE))
    await asyncio.sleep(0)
    await passes(sound, 0.2)
    await saying

    assert sound.close() == (True, "")
    with wave.open(str(tmp_path / "call.wav")) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (2, 8000, 2400)
        both = array("h", file.readframes(2400))
    agent, other = both[0::2].tobytes(), both[1::2].tobytes()
    assert (other[: 5 * FRAME_BYTES], other[5 * FRAME_BYTES :]) == (5 * TONE, 10 * SILENCE)
    assert (agent[: 5 * FRAME_BYTES], agent[5 * FRAME_BYTES : 10 * FRAME_BYTES]) == (5 * SILENCE, 5 * TONE)


@pytest.mark.asyncio
async def test_sound_that_comes_in_bursts_loses_nothing_and_is_never_far_behind(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "call.wav")
    audio = FakeAudio()
    sound = CallSound(audio, recording)
    for _ in range(10):  # 60 ms at once, every 60 ms
        audio.coming += 3 * TONE
        await passes(sound, 3 * FRAME_SECONDS)
    audio.coming += 5 * MOST_BEHIND * TONE  # and then a stack that has been standing still for seconds
    await passes(sound, 5 * FRAME_SECONDS)

    assert sound.close() == (True, "")
    with wave.open(str(tmp_path / "call.wav")) as file:
        other = array("h", file.readframes(35 * 160))[1::2].tobytes()
    assert other == 35 * TONE
    assert len(sound._came) <= MOST_BEHIND * FRAME_BYTES


@needs_programs
@pytest.mark.asyncio
async def test_the_end_of_a_call_ends_what_waits_for_it() -> None:
    sound = CallSound(FakeAudio(), None)
    saying, hearing = asyncio.create_task(sound.say(50 * TONE)), asyncio.create_task(sound.hear(6))
    await asyncio.sleep(0)

    sound.close()

    for waiting in (saying, hearing):
        with pytest.raises(Gone):
            await waiting
    with pytest.raises(Gone):
        await sound.say(TONE)
    with pytest.raises(Gone):
        await sound.hear(1)


# --- a full disk ----------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_full_disk_ends_the_recording_and_not_the_call(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    path.symlink_to("/dev/full")  # where every write fails with ENOSPC
    sound = CallSound(FakeAudio(), Recording(path))

    await passes(sound, 3, 150 * TONE)

    assert sound.seconds == pytest.approx(3)
    assert sound.close() == (False, "No space left on device")
    assert not path.is_symlink()


def test_a_recording_too_short_to_fill_a_buffer_fails_when_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    path.symlink_to("/dev/full")
    recording = Recording(path)
    recording.add(TONE, TONE)

    assert not recording.close() and recording.fault == "No space left on device"
    assert not path.is_symlink()


def test_a_folder_that_is_gone_costs_the_recording_alone(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "gone" / "call.wav")
    recording.add(TONE, TONE)

    assert not recording.close() and recording.fault == "No such file or directory"


# --- services -------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_speech_service_is_asked_once_for_a_text_in_openais_shape() -> None:
    async with service("200 OK", wav(10 * TONE)) as (url, asked):
        speaker = Speaker(Speech(engine="http", url=url, model="kokoro", voice="af", api_key="secret"))

        made = [await speaker.spoken("Hello."), await speaker.spoken("Hello.")]

    assert made == 2 * [10 * TONE] and len(asked) == 1
    assert b"Authorization: Bearer secret" in asked[0].replace(b"authorization", b"Authorization")
    for part in (b'"model":"kokoro"', b'"voice":"af"', b'"input":"Hello."', b'"response_format":"wav"'):
        assert part in asked[0].replace(b'": "', b'":"')


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status", "body", "complaint"),
    [
        ("500 Internal Server Error", b"", "answered 500"),
        ("200 OK", b"ID3 not a wave file", "no WAV file"),
        ("200 OK", wav(TONE).replace(b"\x10\x00data", b"\x08\x00data"), "8 bits"),
    ],
)
async def test_a_speech_service_that_fails_says_how(status: str, body: bytes, complaint: str) -> None:
    async with service(status, body) as (url, asked):
        speaker = Speaker(Speech(engine="http", url=url))
        for _ in range(2):  # a failure is not kept
            with pytest.raises(SpeechFailed, match=complaint):
                await speaker.spoken("Hello.")

    assert len(asked) == 2


@pytest.mark.asyncio
async def test_a_transcription_service_is_asked_in_openais_shape() -> None:
    async with service("200 OK", b'{"text": " Yes, please. "}') as (url, asked):
        listener = Listener(Hearing(engine="http", url=url, model="whisper-1", api_key="secret"))

        assert await listener.understood(TONE, ("yes",)) == "Yes, please."

    for part in (b"whisper-1", b"speech.wav", b"RIFF", b"Bearer secret"):
        assert part in asked[0]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status", "body"), [("500 Internal Server Error", b"{}"), ("200 OK", b"<html>"), ("200 OK", b'{"words": []}')]
)
async def test_a_transcription_service_that_fails_says_so(status: str, body: bytes) -> None:
    async with service(status, body) as (url, _):
        with pytest.raises(HearingFailed, match="transcription service failed"):
            await Listener(Hearing(engine="http", url=url)).understood(TONE, ())


@pytest.mark.asyncio
async def test_services_that_are_down_say_so() -> None:
    url = "http://127.0.0.1:9/v1/audio"

    with pytest.raises(SpeechFailed, match="cannot be reached"):
        await Speaker(Speech(engine="http", url=url)).spoken("Hello.")
    with pytest.raises(HearingFailed, match="failed"):
        await Listener(Hearing(engine="http", url=url)).understood(TONE, ())


@pytest.mark.asyncio
async def test_a_machine_without_flite_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(SpeechFailed, match="flite is not installed"):
        await spoken("Hello.")


@pytest.mark.asyncio
async def test_a_flite_that_fails_says_how(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "flite"
    broken.write_text("#!/bin/sh\necho no such voice >&2\nexit 1\n")
    broken.chmod(broken.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")

    with pytest.raises(SpeechFailed, match="flite: no such voice"):
        await spoken("Hello.")


@needs_programs
@pytest.mark.asyncio
async def test_words_that_look_like_options_are_spoken() -> None:
    assert len(await spoken("-voice list; $(rm -rf /) `ls`")) > 16000


def test_sound_is_brought_to_another_rate() -> None:
    assert len(resampled(bytes(3200), 16000, 8000)) == pytest.approx(1600, abs=4)
    assert resampled(TONE, 8000, 8000) == TONE
    assert resampled(array("h", [100, 300] * 8).tobytes(), 8000, 8000, channels=2) == array("h", [200] * 8).tobytes()
