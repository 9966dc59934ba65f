"""The sound of a call at a socket: what an agent gives is said, and what comes is given to it."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from handset import Handset

from dialplane.voice.outgoing import AHEAD, FRAME_BYTES, SILENCE
from dialplane.voice.sound import CallSound, Gone
from dialplane.voice.wire import AUDIO, CLEAR, DIGIT, MARK, MOST_AHEAD_BYTES, Wire

TONE = array("h", [8000, -8000] * (FRAME_BYTES // 4)).tobytes()
FAINT = array("h", [40, -40] * (FRAME_BYTES // 4)).tobytes()


@dataclass
class Scene:
    handset: Handset
    sound: CallSound
    wire: Wire
    first_words: list[float]
    socket: Path

    async def given(self, *messages: tuple[bytes, bytes]) -> None:
        """Everything has arrived on the other side: it answers a mark in the order in which it came."""
        for kind, content in messages:
            self.wire.send(kind, content)
        await asyncio.sleep(0.02)

    async def tick(self, times: int) -> None:
        for _ in range(times):
            self.sound.tick()
        await asyncio.sleep(0)

    async def next(self, kind: bytes) -> bytes:
        async with asyncio.timeout(5):
            async for came, content in self.wire:
                if came == kind:
                    return content
        raise AssertionError("the call has ended")


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    handset, told = Handset(), list[float]()
    sound = CallSound(handset, None, on_first_word=told.append)
    socket, _ = await sound.open(folder)
    wire = await Wire.connect(str(socket))
    await asyncio.sleep(0.02)
    yield Scene(handset, sound, wire, told, socket)
    sound.close()
    await wire.close()


@pytest.mark.asyncio
async def test_what_comes_is_given_on_frame_by_frame_and_silence_where_nothing_comes(tmp_path: Path) -> None:
    async with scene(tmp_path) as call:
        call.handset.says += TONE

        await call.tick(2)

        assert [await call.next(AUDIO), await call.next(AUDIO)] == [TONE, SILENCE]


@pytest.mark.asyncio
async def test_what_the_agent_gives_goes_out_whole_and_the_mark_comes_back_once_it_has_been_heard(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as call:
        await call.given((AUDIO, 20 * TONE), (MARK, b"over"))
        await call.tick(19)
        before = call.wire.unsent_bytes, bytes(call.handset.heard)
        await call.tick(1)

        assert await call.next(MARK) == b"over"
        assert before[1] == 20 * TONE == bytes(call.handset.heard)


@pytest.mark.asyncio
async def test_an_agent_that_is_interrupted_is_silent_at_once_and_its_marks_come_back(tmp_path: Path) -> None:
    async with scene(tmp_path) as call:
        await call.given((AUDIO, 500 * TONE), (MARK, b"never heard"))
        await call.tick(5)
        await call.given((CLEAR, b""))
        await call.tick(50)

        assert await call.next(MARK) == b"never heard"
        assert len(call.handset.heard) // FRAME_BYTES <= 5 + AHEAD and call.handset.cleared == 1


@pytest.mark.asyncio
async def test_silence_and_the_noise_of_a_line_are_no_first_word(tmp_path: Path) -> None:
    async with scene(tmp_path) as call:
        await call.given((AUDIO, 10 * SILENCE + 10 * FAINT + 5 * TONE))
        await call.tick(19)
        before = list(call.first_words)
        await call.tick(6)

        assert before == [] and len(call.first_words) == 1
        assert call.first_words[0] == pytest.approx(0.4, abs=0.03)


@pytest.mark.asyncio
async def test_keys_are_told_and_stop_nothing_that_is_being_said(tmp_path: Path) -> None:
    async with scene(tmp_path) as call:
        await call.given((AUDIO, 10 * TONE))
        await call.tick(3)
        call.sound.press("5")
        await call.tick(10)

        assert await call.next(DIGIT) == b"5"
        assert bytes(call.handset.heard) == 10 * TONE


@pytest.mark.asyncio
async def test_an_agent_that_gives_sound_without_end_waits_and_fills_no_memory(tmp_path: Path) -> None:
    async with scene(tmp_path) as call:
        flooding = asyncio.create_task(_flood(call.wire))
        await asyncio.sleep(0.3)
        held = call.sound._outgoing.left_bytes  # what a process would grow by
        assert not flooding.done()

        await call.tick(200)
        await asyncio.sleep(0.1)

        assert held <= MOST_AHEAD_BYTES + 0xFFFF
        assert bytes(call.handset.heard) == (200 + AHEAD - 1) * TONE
        flooding.cancel()


async def _flood(wire: Wire) -> None:
    while True:
        wire.send(AUDIO, 50 * TONE)
        await wire.drain()


@pytest.mark.asyncio
async def test_an_agent_that_takes_nothing_loses_what_came_and_holds_up_nobody(tmp_path: Path) -> None:
    async with scene(tmp_path) as call:
        call.wire._reader._transport.pause_reading()  # type: ignore[attr-defined]
        await call.tick(60 * 50)

        server = call.sound._wire
        assert server is not None and server._wire is not None
        assert server._wire.unsent_bytes < 320 * 50 * 6


@pytest.mark.asyncio
async def test_the_end_of_the_call_ends_the_stream_and_nobody_else_can_come(tmp_path: Path) -> None:
    async with scene(tmp_path) as call:
        with pytest.raises(FileNotFoundError):
            await Wire.connect(str(call.socket))
        call.sound.close()

        async with asyncio.timeout(5):
            assert [kind async for kind, _ in call.wire if kind != AUDIO] == []
        with pytest.raises(Gone):
            await call.sound.open(tmp_path)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.asyncio
async def test_an_agent_that_leaves_ends_nothing_of_the_call(tmp_path: Path) -> None:
    async with scene(tmp_path) as call:
        await call.given((AUDIO, 4 * TONE))
        await call.wire.close()
        await asyncio.sleep(0.05)
        await call.tick(10)

        assert bytes(call.handset.heard) == 4 * TONE
