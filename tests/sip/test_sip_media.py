"""Sound that stops, comes from elsewhere or moves during a call, with a callee of another make."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
from callees import needs_programs
from person import Ear, Person, linear, person
from recordings import sides
from test_sip_campaign import transcribed
from trunks import Stage

from dialplane.carriers.sip import phones
from dialplane.core.disposition import Disposition
from dialplane.ports import HungUp, Line

pytestmark = [needs_programs, pytest.mark.asyncio]
TrunkTo = Callable[..., Stage]
QUESTION = "Can you come to the clinic tomorrow?"


async def yes_is_heard(line: Line, called: Person, *, by: Ear | None = None) -> bool:
    hearing = asyncio.create_task(line.hear(("yes", "no")))
    await called.speak("yes please", by=by)
    heard = await hearing
    return heard is not None and "yes" in heard[0]


async def question_in(sound: bytes) -> bool:
    words = await asyncio.to_thread(transcribed, sound)
    return bool({"clinic", "tomorrow"} & set(words.split()))


async def test_a_whole_call_with_a_callee_of_another_make(trunk_to: TrunkTo) -> None:
    async with person() as called:
        stage = trunk_to(called.trunk)
        order, line = await stage.answered()

        await line.say(QUESTION)
        heard = await yes_is_heard(line, called)
        reply = await called.hang_up()
        end = await stage.end(order)

        assert heard
        assert await question_in(linear(called.ear.heard))
        assert (reply.method, called.count("INVITE"), called.count("BYE")) == ("200", 1, 0)
        assert (end.disposition, end.cause) == (Disposition.ANSWERED, "hung up by the person called")

    agent, callee = sides(stage.folder / end.recording)
    assert await question_in(agent) and not await question_in(callee)
    assert "yes" in await asyncio.to_thread(transcribed, callee, "yes", "no")


async def test_a_call_whose_sound_stops_is_taken_for_dead_within_the_time_for_that(
    trunk_to: TrunkTo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phones, "RTP_TIMEOUT_SECONDS", 2)
    async with person() as called:
        stage = trunk_to(called.trunk | {"hearing": {"silence_seconds": 30}})
        order, line = await stage.answered()
        hearing = asyncio.create_task(line.hear())
        await called.ear.speak(bytes([0xFF]) * 8000, called.their_port)  # a second of silence is sound, too

        stopped_at = time.monotonic()
        with pytest.raises(HungUp):
            await hearing
        end = await stage.end(order)

        assert 1 < time.monotonic() - stopped_at < 8
        assert (end.disposition, end.cause) == (Disposition.ANSWERED, "no more sound came from the trunk")
        assert end.recording, "what was said until then is kept"
        await asyncio.wait_for(called.ended.wait(), 5)


async def test_a_person_is_heard_whose_sound_comes_from_another_port_than_was_said(trunk_to: TrunkTo) -> None:
    async with person() as called:
        elsewhere = await Ear.opened()
        stage = trunk_to(called.trunk)
        order, line = await stage.answered()

        heard = await yes_is_heard(line, called, by=elsewhere)
        await line.say(QUESTION)
        await line.hang_up()
        await stage.end(order)
        elsewhere.transport.close()

    assert heard
    assert await question_in(linear(called.ear.heard)) and elsewhere.heard == b"", "we speak to where we were told to"


async def test_a_conversation_goes_on_when_the_sound_moves_to_another_port(trunk_to: TrunkTo) -> None:
    """A re-INVITE in the middle of a call."""
    async with person() as called:
        stage = trunk_to(called.trunk)
        order, line = await stage.answered()
        before, after = called.ear, await Ear.opened()
        assert await yes_is_heard(line, called)

        reply = await called.move_to(after)
        await line.say(QUESTION)
        heard = await yes_is_heard(line, called)
        await line.hang_up()
        end = await stage.end(order)
        await asyncio.wait_for(called.ended.wait(), 5)
        after.transport.close()

        assert reply.method == "200" and heard
        assert await question_in(linear(after.heard)) and not await question_in(linear(before.heard))
        assert stage.heard.kinds(order) == ["Ringing", "Answered", "Ended"]
        assert end.disposition is Disposition.ANSWERED

    agent, _ = sides(stage.folder / end.recording)
    assert await question_in(agent), "one recording, of the whole call"


@pytest.mark.parametrize(("held", "answer"), [("sendonly", "recvonly"), ("inactive", "inactive")])
async def test_a_conversation_goes_on_after_it_was_held(trunk_to: TrunkTo, held: str, answer: str) -> None:
    """Somebody puts us on hold while the agent speaks."""
    async with person() as called:
        stage = trunk_to(called.trunk)
        order, line = await stage.answered()
        saying = asyncio.create_task(line.say(QUESTION))

        reply = await called.offer(held)
        await asyncio.sleep(0.3)  # what was on its way
        before = len(called.ear.heard)
        await asyncio.sleep(1)
        nothing_came = len(called.ear.heard) == before
        resumed = await called.offer("sendrecv")
        await saying
        await line.say(QUESTION)
        after = bytes(called.ear.heard[before:])
        heard = await yes_is_heard(line, called)
        await line.hang_up()
        end = await stage.end(order)

        assert f"a={answer}" in reply.body and nothing_came
        assert "a=sendrecv" in resumed.body
        assert await question_in(linear(after)) and heard
        assert stage.heard.kinds(order) == ["Ringing", "Answered", "Ended"]
        assert (end.disposition, end.cause) == (Disposition.ANSWERED, "hung up by us")
