"""Sound through an AudioSocket: an agent is heard, hears, is interrupted, is recorded; and who may bring sound."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from callees import needs_programs, speech
from pbx import Pbx, message, pbx
from recordings import loudness, sides
from test_ari import PERSON, Stage, until

from dialplane.carriers.ari.outcomes import NO_SOUND
from dialplane.core.disposition import Disposition
from dialplane.ports import HungUp
from dialplane.voice.hearing import Listener
from dialplane.voice.settings import Hearing
from dialplane.voice.ulaw import from_ulaw

pytestmark = [needs_programs, pytest.mark.asyncio]


@pytest_asyncio.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with pbx() as asterisk:
        made = Stage(asterisk, tmp_path)
        yield made
        await made.close()


@pytest.fixture
def asterisk(stage: Stage) -> Pbx:
    return stage.pbx


async def test_an_agent_is_heard_hears_and_both_are_recorded(stage: Stage, asterisk: Pbx) -> None:
    asterisk.says = from_ulaw(speech("yes"))
    order, line = await stage.answered()

    began = await line.say("Can you come tomorrow?")
    heard = await line.hear(("yes", "no"))
    await line.hang_up()
    end = await stage.end(order)

    call = asterisk.call_to(PERSON)
    assert began < 1.5 and line.first_word_seconds == began
    assert heard is not None and "yes" in heard[0]
    questions = ("can you come tomorrow", "can you come today", "how are you")
    assert await Listener(Hearing()).understood(bytes(call.heard), questions) == questions[0]
    assert (end.disposition, end.cause) == (Disposition.ANSWERED, "hung up by us")
    agent, person = sides(stage.folder / end.recording)
    assert loudness(agent) > 500 and loudness(person) > 500
    assert end.answered_at is not None
    assert abs(len(agent) / 16000 - (end.at - end.answered_at).total_seconds()) < 1
    await until(lambda: not asterisk.channels and not asterisk.bridges, what="what Asterisk had of it to be gone")


async def test_sound_goes_out_every_20_ms_whether_somebody_speaks_or_not(stage: Stage, asterisk: Pbx) -> None:
    order, line = await stage.answered()
    began = time.monotonic()
    await line.say("Hello.")
    await asyncio.sleep(1)
    frames, seconds = asterisk.call_to(PERSON).frames, time.monotonic() - began
    await line.hang_up()
    await stage.end(order)

    assert set(frames) == {320}
    assert abs(len(frames) / 50 - seconds) < 0.5


async def test_the_last_word_is_heard_before_the_call_is_hung_up(stage: Stage, asterisk: Pbx) -> None:
    order, line = await stage.answered()
    await line.say("Goodbye.")
    await line.hang_up()
    await stage.end(order)

    whole = await stage.carrier._talk._voice.speaker.spoken("Goodbye.")
    assert whole.strip(b"\0") in bytes(asterisk.call_to(PERSON).heard)


async def test_a_key_interrupts_and_is_the_answer_once(stage: Stage, asterisk: Pbx) -> None:
    """It comes as an event and in the socket."""
    asterisk.presses = "7"
    order, line = await stage.answered()
    began = time.monotonic()

    await line.say("This is a very long text, which nobody wants to hear to its end, and nobody has to do so.")
    heard = await line.hear()
    again = await line.hear()

    assert time.monotonic() - began < 5 and again is None
    assert heard is not None and heard[0] == "7"
    await line.hang_up()
    await stage.end(order)


async def test_who_leaves_has_hung_up(stage: Stage, asterisk: Pbx) -> None:
    asterisk.hangs_up_after = 0.5
    order, line = await stage.answered()

    with pytest.raises(HungUp):
        await line.hear()
    with pytest.raises(HungUp):
        await line.say("Hello?")

    end = await stage.end(order)
    assert (end.disposition, end.cause) == (Disposition.ANSWERED, "16 Normal Clearing")


async def test_a_call_is_handed_over_and_is_over_for_us(stage: Stage, asterisk: Pbx) -> None:
    order, line = await stage.answered()

    assert await line.transfer("+14155550199")

    end = await stage.end(order)
    assert (end.disposition, end.cause) == (Disposition.ANSWERED, "transferred to another number")
    assert asterisk.call_to(PERSON).handed_over == ("dialplane-transfer", "+14155550199")
    assert PERSON in {call.number for call in asterisk.channels.values()}, "the person is still there"
    with pytest.raises(HungUp):
        await line.say("Still there?")
    asterisk.call_to(PERSON).wanted_over.set()


async def test_a_call_that_the_dialplan_does_not_take_goes_on(stage: Stage, asterisk: Pbx) -> None:
    asterisk.has_label = False
    order, line = await stage.answered()

    assert not await line.transfer("+14155550199")

    await line.say("We will call you back.")
    await line.hang_up()
    assert (await stage.end(order)).disposition is Disposition.ANSWERED


async def test_an_answer_without_sound_is_the_agents_failure(stage: Stage, asterisk: Pbx) -> None:
    asterisk.reaches_us = False

    end = await stage.ended(PERSON)

    assert end.disposition is Disposition.AGENT_FAILED and end.cause.startswith(NO_SOUND)
    assert "500 An internal error" in end.cause
    await until(lambda: not asterisk.channels and not asterisk.bridges)


async def test_sound_that_breaks_off_ends_the_call(
    stage: Stage, asterisk: Pbx, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dialplane.carriers.sound_carrier.LATE_SECONDS", 0.1)
    order, line = await stage.answered()
    socket = asterisk.call_to(PERSON).socket
    assert socket is not None
    socket[1].close()

    with pytest.raises(HungUp):
        await line.hear()

    assert (await stage.end(order)).disposition is Disposition.ANSWERED


@pytest.mark.parametrize(
    "first",
    [message(0x01, uuid4().bytes), message(0x01, b"short"), message(0x10, bytes(320)), b"GET / HTTP/1.1\r\n\r\n", b""],
)
async def test_nobody_else_brings_sound(stage: Stage, first: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
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
