"""Sound through an AudioSocket, where it is another than through streams; and who may bring it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio
from callees import needs_programs
from calls import PERSON, until
from pbx import Pbx, message, pbx
from stages import AriStage

from dialplane.carriers.ari.outcomes import NO_SOUND
from dialplane.core.disposition import Disposition
from dialplane.ports import HungUp

pytestmark = [needs_programs, pytest.mark.asyncio]


@pytest_asyncio.fixture
async def network() -> AsyncIterator[Pbx]:
    async with pbx() as made:
        yield made


async def test_sound_goes_out_every_20_ms_whether_somebody_speaks_or_not(stage: AriStage, network: Pbx) -> None:
    order, line = await stage.answered()
    began = time.monotonic()
    await line.say("Hello.")
    frames = network.call_to(PERSON).frames
    said = len(frames)
    await until(lambda: len(frames) > said + 25, what="half a second of silence")
    seconds = time.monotonic() - began
    await line.hang_up()
    await stage.end(order)

    assert set(frames) == {320}
    assert said + 25 < len(frames) < 50 * (seconds + 0.5)
    await until(lambda: not network.channels and not network.bridges, what="what Asterisk had of it to be gone")


async def test_a_key_that_comes_as_an_event_and_in_the_socket_is_one_answer(network: Pbx, tmp_path: Path) -> None:
    network.presses = "7"
    stage = AriStage(network, tmp_path, hearing={"silence_seconds": 1})
    order, line = await stage.answered()

    await line.say("Press a key.")
    heard, again = await line.hear(), await line.hear()

    assert heard is not None and heard[0] == "7" and again is None
    await line.hang_up()
    await stage.end(order)
    await stage.close()


async def test_an_answer_without_sound_is_the_agents_failure(stage: AriStage, network: Pbx) -> None:
    network.reaches_us = False

    end = await stage.ended(PERSON)

    assert end.disposition is Disposition.AGENT_FAILED and end.cause.startswith(NO_SOUND)
    assert "500 An internal error" in end.cause
    await until(lambda: not network.channels and not network.bridges)


async def test_sound_that_breaks_off_ends_the_call(
    stage: AriStage, network: Pbx, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dialplane.carriers.sound_carrier.LATE_SECONDS", 0.1)
    order, line = await stage.answered()
    socket = network.call_to(PERSON).socket
    assert socket is not None
    socket[1].close()

    with pytest.raises(HungUp):
        await line.hear()

    assert (await stage.end(order)).disposition is Disposition.ANSWERED


@pytest.mark.parametrize(
    "first",
    [
        message(0x01, UUID(int=1).bytes),
        message(0x01, b"short"),
        message(0x10, bytes(320)),
        b"GET / HTTP/1.1\r\n\r\n",
        b"",
    ],
)
async def test_nobody_else_brings_sound(stage: AriStage, first: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dialplane.carriers.ari.audio.TOKEN_SECONDS", 0.2)
    order, line = await stage.answered()
    host, _, port = (await stage.carrier._audio.address()).rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))

    writer.write(first)
    if not first:
        writer.write_eof()

    assert await asyncio.wait_for(reader.read(), 8) == b""
    writer.close()
    await line.say("Hello.")
    await line.hang_up()
    assert (await stage.end(order)).disposition is Disposition.ANSWERED
