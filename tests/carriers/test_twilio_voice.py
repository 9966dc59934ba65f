"""Sound over a media stream: an agent is heard, hears, is interrupted, is recorded; and who may open one."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from callees import needs_programs, speech
from calls import FOREVER, PERSON, until
from cloud import TOKEN, Cloud, cloud
from recordings import loudness, sides
from stages import TwilioStage

from dialplane.carriers.twilio.signing import stream_token
from dialplane.core.answered_by import AnsweredBy
from dialplane.core.disposition import Disposition
from dialplane.core.machines import MachineDetection, OnMachine
from dialplane.core.recording import Recording, RecordingMode
from dialplane.ports import Answered, HungUp
from dialplane.voice.apart import ListenerApart
from dialplane.voice.hearing import HearingFailed
from dialplane.voice.settings import Hearing
from dialplane.voice.ulaw import from_ulaw, to_ulaw

MAILBOX = "+14155550103"
pytestmark = [needs_programs, pytest.mark.asyncio]


@pytest_asyncio.fixture
async def network() -> AsyncIterator[Cloud]:
    async with cloud() as made:
        yield made


async def test_who_says_nothing_is_silent_and_who_leaves_has_hung_up(stage: TwilioStage, network: Cloud) -> None:
    network.hangs_up_after = 3.5
    order, line = await stage.answered()

    assert await line.hear() is None
    with pytest.raises(HungUp):
        await line.hear()
        await line.hear()
    with pytest.raises(HungUp):
        await line.say("Hello?")

    assert (await stage.end(order)).disposition is Disposition.ANSWERED


async def test_before_an_announcement_has_been_said_nobody_is_recorded(stage: TwilioStage, network: Cloud) -> None:
    order = replace(stage.call(), recording=Recording(mode=RecordingMode.ANNOUNCED))
    await stage.carrier.place(order)
    line = await stage.line(order)

    assert await line.announce("This call is recorded.") is not None
    await line.say("Hello, this is the clinic.")
    await line.hang_up()

    agent, _ = sides(stage.folder / (await stage.end(order)).recording)
    second = 16000
    assert loudness(agent[:second]) == 0 and loudness(agent) > 300


async def test_a_call_that_is_not_to_be_recorded_is_not(stage: TwilioStage) -> None:
    order = replace(stage.call(), recording=Recording(mode=RecordingMode.OFF))
    await stage.carrier.place(order)
    line = await stage.line(order)

    assert await line.announce("This call is recorded.") is None
    await line.hang_up()

    assert (await stage.end(order)).recording == ""


async def test_a_machine_that_twilio_finds_is_the_campaigns_to_decide_about(network: Cloud, tmp_path: Path) -> None:
    """It would be hung up on, if the campaign did not listen for machines itself."""
    stage = TwilioStage(network, tmp_path, machine_detection=True)
    order = replace(stage.call(MAILBOX), machines=MachineDetection(on_machine=OnMachine.CARRY_ON))
    await stage.carrier.place(order)
    line = await stage.line(order)

    answered_by = await asyncio.wait_for(line.no_person(), 10)
    assert await line.say("Hello, this is the clinic.") is not None
    await line.hang_up()
    end = await stage.end(order)
    await stage.close()

    assert answered_by is line.answered_by is AnsweredBy.MACHINE
    assert (end.disposition, end.cause) == (Disposition.VOICEMAIL, "a machine answered")


@pytest.mark.parametrize("token", ["", "another", stream_token(TOKEN, "another attempt")])
async def test_nobody_else_opens_a_stream(stage: TwilioStage, network: Cloud, token: str) -> None:
    order = stage.call(FOREVER)
    await stage.carrier.place(order)
    await until(lambda: "Ringing" in stage.heard.kinds(order))
    assert network.door is not None
    call = network.call_to(FOREVER)
    call.socket = await network.door.stream(call.one("StatusCallback").replace("/status", "/stream"))

    await network.begin(call, {"token": token} if token else {})

    with pytest.raises(ConnectionError):
        await asyncio.wait_for(call.socket.recv(), 5)
    assert stage.heard.kinds(order) == ["Ringing"]


async def test_a_second_stream_of_a_call_is_refused(stage: TwilioStage, network: Cloud) -> None:
    order, line = await stage.answered()
    call = network.call_to(PERSON)
    first = call.socket
    assert network.door is not None
    call.socket = await network.door.stream(call.one("StatusCallback").replace("/status", "/stream"))
    await network.begin(call, {"token": stream_token(TOKEN, str(order.attempt_uuid))})
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(call.socket.recv(), 5)
    call.socket = first

    await line.say("Hello.")
    await line.hang_up()
    await stage.end(order)
    assert [type(event) for event in stage.heard.of(order)].count(Answered) == 1


async def test_a_stream_of_nonsense_ends_its_own_call_alone(stage: TwilioStage, network: Cloud) -> None:
    order, line = await stage.answered()
    other, other_line = await stage.answered("+14155550206")

    await network.call_to(PERSON).socket.send(json.dumps({"event": "media", "media": {"payload": "abc"}}))

    with pytest.raises(HungUp):
        await line.hear()
    await other_line.say("Hello.")
    await other_line.hang_up()
    assert (await stage.end(other)).disposition is Disposition.ANSWERED
    assert "Answered" in stage.heard.kinds(order)


async def test_an_answer_without_a_stream_is_the_agents_failure(stage: TwilioStage, network: Cloud) -> None:
    network.opens_streams = False

    end = await stage.ended(PERSON)

    assert end.disposition is Disposition.AGENT_FAILED
    assert "wss://" in end.cause


async def test_sound_comes_through_ulaw_as_it_was() -> None:
    said = from_ulaw(speech("yes"))

    assert to_ulaw(said) == speech("yes")
    assert base64.b64encode(to_ulaw(bytes(2))) == b"/w=="


async def test_while_one_is_understood_the_others_are_served() -> None:
    """Free speech takes a fifth of its own length, in which nothing else would run in the worker."""
    listener = ListenerApart(Hearing())
    sound = from_ulaw(speech("yes please i would like to come tomorrow at ten"))
    began = time.process_time()

    said = await asyncio.gather(listener.understood(sound, ()), listener.understood(sound, ("yes", "no")))

    assert "tomorrow" in said[0] and "yes" in said[1]
    assert time.process_time() - began < 0.2, "none of the work is done in this process"
    await listener.close()


async def test_a_process_that_dies_while_it_listens_fails_its_call_and_is_replaced() -> None:
    listener, sound = ListenerApart(Hearing()), from_ulaw(speech("yes please"))
    assert "yes" in await listener.understood(sound, ("yes", "no"))
    await listener._idle[0].kill()

    with pytest.raises(HearingFailed):
        await listener.understood(sound, ("yes", "no"))

    assert "yes" in await listener.understood(sound, ("yes", "no"))
    await listener.close()
