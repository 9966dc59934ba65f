"""Sound over Telnyx's media stream: an agent is heard, hears, is interrupted, is recorded, hands over."""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from callees import needs_programs, speech
from recordings import loudness, sides
from telnyx_cloud import Telnyx, telnyx_cloud
from test_telnyx import Stage
from test_twilio import until

from dialplane.carriers.stream import HELD_BACK, StreamAudio
from dialplane.core.disposition import Disposition
from dialplane.ports import HungUp
from dialplane.voice.outgoing import FRAME_BYTES
from dialplane.voice.ulaw import from_ulaw, to_ulaw

pytestmark = [needs_programs, pytest.mark.asyncio]


@pytest_asyncio.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with telnyx_cloud() as telnyx:
        made = Stage(telnyx, tmp_path)
        yield made
        await made.close()


@pytest.fixture
def telnyx(stage: Stage) -> Telnyx:
    return stage.cloud


async def test_an_agent_is_heard_hears_and_both_are_recorded(stage: Stage, telnyx: Telnyx) -> None:
    telnyx.says, telnyx.latency = speech("yes"), 0.3
    order, line = await stage.answered()

    await line.say("Can you come tomorrow?")
    heard = await line.hear(("yes", "no"))
    await line.say("Goodbye.")
    await line.hang_up()
    end = await stage.end(order)

    assert heard is not None and "yes" in heard[0]
    assert (end.disposition, end.cause) == (Disposition.ANSWERED, "hung up by us")
    agent, person = sides(stage.folder / end.recording)
    assert loudness(agent) > 500 and loudness(person) > 500
    spoken = stage.carrier._talk._voice.speaker.spoken
    whole = sum([len(await spoken(text)) // 2 for text in ("Can you come tomorrow?", "Goodbye.")])
    assert len(stage.placed().heard) >= whole, "its last word was waited for"


async def test_a_key_interrupts_and_is_the_answer(stage: Stage, telnyx: Telnyx) -> None:
    telnyx.presses = "7"
    order, line = await stage.answered()
    began = time.monotonic()

    await line.say("This is a very long text, which nobody wants to hear to its end, and nobody has to do so.")
    heard = await line.hear()

    assert time.monotonic() - began < 3
    assert heard is not None and heard[0] == "7"
    await until(lambda: stage.placed().cleared == 1, what="what Telnyx still had to be thrown away")
    await line.hang_up()
    await stage.end(order)


async def test_a_call_is_handed_over_once_and_is_over_for_us(stage: Stage) -> None:
    order, line = await stage.answered()

    assert await line.transfer("+14155550199")

    end = await stage.end(order)
    assert (end.disposition, end.cause) == (Disposition.ANSWERED, "transferred to another number")
    ((action, asked),) = stage.placed().commands.values()
    assert (action, asked["to"], asked["from"]) == ("transfer", "+14155550199", "+14155550000")
    with pytest.raises(HungUp):
        await line.say("Still there?")


async def test_a_call_that_cannot_be_handed_over_goes_on(stage: Stage, telnyx: Telnyx) -> None:
    order, line = await stage.answered()
    telnyx.revoked = True

    assert not await line.transfer("+14155550199")

    telnyx.revoked = False
    await line.say("We will call you back.")
    await line.hang_up()
    assert (await stage.end(order)).disposition is Disposition.ANSWERED


async def test_sound_that_comes_in_disorder_is_heard_in_order() -> None:
    """Telnyx does not promise the order of its media messages."""
    frames = [bytes(to_ulaw(bytes([0, each]) * (FRAME_BYTES // 2))) for each in range(1, 7)]
    audio = StreamAudio(lambda _: None)
    for place in (1, 0, 2, 4, 3, 5):
        audio.came(base64.b64encode(frames[place]).decode(), place)

    heard = b"".join(audio.read(FRAME_BYTES) for _ in frames)

    assert heard == b"".join(map(from_ulaw, frames))
    audio.came(base64.b64encode(frames[0]).decode(), 3)
    assert audio.read(FRAME_BYTES) == b"", "what comes after its time is passed over"
    assert HELD_BACK == 3 * FRAME_BYTES


async def test_sound_goes_out_in_whole_frames() -> None:
    """Telnyx takes no less than 20 ms at a time."""
    sent: list[str] = []
    audio = StreamAudio(sent.append)
    audio.write(bytes(FRAME_BYTES + 100))
    audio.write(bytes(100))
    audio.close()
    await audio.played()

    assert [len(base64.b64decode(text.split('"payload": "')[1].split('"')[0])) for text in sent[:2]] == [160, 160]
    assert '"mark"' in sent[2] and len(sent) == 3
