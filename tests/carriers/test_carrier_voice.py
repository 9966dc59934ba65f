"""Sound through each carrier that brings it here: an agent is heard, hears, is interrupted, is recorded, hands over."""

from __future__ import annotations

import pytest
from callees import needs_programs
from calls import PERSON
from cloud import Cloud
from recordings import loudness, sides
from stages import SoundStage

from dialplane.core.disposition import Disposition
from dialplane.ports import HungUp
from dialplane.voice.hearing import Listener
from dialplane.voice.settings import Hearing
from dialplane.voice.ulaw import from_ulaw, to_ulaw

pytestmark = [needs_programs, pytest.mark.asyncio]

EAR = Listener(Hearing())  # what a person would make of it


async def test_an_agent_is_heard_hears_and_both_are_recorded(stage: SoundStage) -> None:
    stage.network.will_say("yes")
    order, line = await stage.answered()

    began = await line.say("Can you come tomorrow?")
    question = stage.sound()
    heard = await line.hear(("yes", "no"))
    await line.hang_up()
    end = await stage.end(order)

    assert 0 <= began < 5 and line.first_word_seconds == began
    assert heard is not None and "yes" in heard[0]
    questions = ("can you come tomorrow", "can you come today", "how are you")
    assert EAR.recognised(question, questions) == questions[0]
    assert (end.disposition, end.cause) == (Disposition.ANSWERED, "hung up by us")
    agent, person = sides(stage.folder / end.recording)
    assert loudness(agent) > 500 and loudness(person) > 500
    assert end.answered_at is not None
    assert abs(len(agent) / 16000 - (end.at - end.answered_at).total_seconds()) < 1


async def test_the_last_word_is_heard_before_the_call_is_hung_up(stage: SoundStage) -> None:
    if isinstance(stage.network, Cloud):
        stage.network.latency = 0.5
    order, line = await stage.answered()
    await line.say("Goodbye.")
    await line.hang_up()
    await stage.end(order)

    spoken = await stage.carrier._talk._voice.speaker.spoken("Goodbye.")
    said, heard = (from_ulaw(to_ulaw(sound)).strip(b"\0") for sound in (spoken, stage.sound()))
    assert said == heard


async def test_a_key_interrupts_and_is_the_answer(stage: SoundStage) -> None:
    text = "This is a very long text, which nobody wants to hear to its end, and nobody has to do so."
    stage.network.presses = "7"
    order, line = await stage.answered()

    await line.say(text)
    heard = await line.hear()
    await line.hang_up()
    await stage.end(order)

    assert heard is not None and heard[0] == "7"
    assert len(stage.sound().strip(b"\0")) < len(await stage.carrier._talk._voice.speaker.spoken(text)) / 2


async def test_who_leaves_has_hung_up(stage: SoundStage) -> None:
    stage.network.hangs_up_after = 0.5
    order, line = await stage.answered()

    with pytest.raises(HungUp):
        await line.hear()
    with pytest.raises(HungUp):
        await line.say("Hello?")

    end = await stage.end(order)
    assert (end.disposition, end.cause) == (Disposition.ANSWERED, stage.left)


async def test_a_call_is_handed_over_and_is_over_for_us(stage: SoundStage) -> None:
    order, line = await stage.answered()

    assert await line.transfer("+14155550199")

    end = await stage.end(order)
    assert (end.disposition, end.cause) == (Disposition.ANSWERED, "transferred to another number")
    assert stage.is_handed_to("+14155550199")
    with pytest.raises(HungUp):
        await line.say("Still there?")
    stage.network.call_to(PERSON).wanted_over.set()


async def test_a_call_that_cannot_be_handed_over_goes_on(stage: SoundStage) -> None:
    order, line = await stage.answered()

    with stage.nobody_handed_over():
        assert not await line.transfer("+14155550199")

    await line.say("We will call you back.")
    assert loudness(stage.sound()) > 500
    await line.hang_up()
    assert (await stage.end(order)).disposition is Disposition.ANSWERED
