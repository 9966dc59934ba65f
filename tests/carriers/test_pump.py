"""The clock that all calls of a process share."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from contract import order_to

from dialplane.carriers.call_settings import CallSettings
from dialplane.carriers.sound_call import SoundCall
from dialplane.carriers.talk import Talk
from dialplane.files import LocalFiles

pytestmark = pytest.mark.asyncio


class Telephone:
    """Implements carriers.sound_call.LineAudio."""

    def read(self, max_bytes: int) -> bytes:
        return b""

    def write(self, pcm: bytes) -> None:
        pass

    def flush_tx(self) -> None:
        pass

    async def played(self) -> None:
        pass

    def close(self) -> None:
        pass


class Broken(Telephone):
    def read(self, max_bytes: int) -> bytes:
        raise RuntimeError("a packet that makes no sense")


async def test_a_call_whose_sound_breaks_falls_silent_and_the_others_go_on(tmp_path: Path) -> None:
    talk = Talk(CallSettings(record=False), LocalFiles(tmp_path))
    broken, whole = (SoundCall(order=order_to("+14155550101", at=datetime.now(UTC)), placed_here=True) for _ in "ab")
    talk.begin(broken, Broken())
    talk.begin(whole, Telephone())
    assert whole.sound is not None

    async with asyncio.timeout(5):
        while whole.sound.seconds < 0.1:
            await asyncio.sleep(0.01)

    assert not broken.talks and whole.talks
    whole.fall_silent()
    await talk.close()
