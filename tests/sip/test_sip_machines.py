"""Machine detection on real SIP calls: a machine is hung up on or left a message, a person is talked to at once."""

from __future__ import annotations

import asyncio
import math
from array import array
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec

import pytest
import yaml
from callees import needs_programs, speech
from calls import until
from executable import Cli
from person import Person, linear, person
from test_sip_campaign import report, transcribed, trunk
from trunks import Stage

from dialplane.agents.scripted import ScriptedAgent
from dialplane.core.answered_by import AnsweredBy
from dialplane.core.attempt import Conversation, Order
from dialplane.core.machines import MachineDetection, OnMachine
from dialplane.engine import detecting
from dialplane.ports import Line
from dialplane.voice.ulaw import to_ulaw

pytestmark = [
    needs_programs,
    pytest.mark.skipif(find_spec("onnxruntime") is None, reason="not installed: onnxruntime"),
]
TrunkTo = Callable[..., Stage]
MAILBOX = "not available, please leave a message after the tone"
GREETING = "hello this is the clinic about your appointment of tomorrow morning at nine"
AGENT = ScriptedAgent.from_definition(
    {
        "greeting": GREETING,
        "steps": [{"say": "Can you come to the clinic?", "gather": "confirmed", "expect": ["yes", "no"]}],
        "goodbye": "Goodbye.",
    }
)
MESSAGE = "this is the clinic please call me back later"


def beep(hertz: float = 1000, seconds: float = 0.5) -> bytes:
    at = range(round(8000 * seconds))
    return to_ulaw(array("h", [round(8000 * math.sin(2 * math.pi * hertz * n / 8000)) for n in at]).tobytes())


def hush(seconds: float) -> bytes:
    return b"\xff" * round(8000 * seconds)


async def answers_like_a_machine(called: Person) -> int:
    """How many bytes had been heard when its beep was over."""
    await called.confirmed.wait()
    await called.ear.speak(hush(0.4) + speech(MAILBOX) + hush(0.6) + beep(), called.their_port)
    heard = len(called.ear.heard)
    await called.ear.speak(hush(20), called.their_port)
    return heard


async def talked(stage: Stage, machines: MachineDetection) -> tuple[Order, Line, asyncio.Task[Conversation]]:
    order = replace(stage.call(), machines=machines)
    await stage.carrier.place(order)
    line = await stage.line(order)

    async def hang_up() -> None:
        await stage.carrier.hang_up(order.attempt_uuid)

    return order, line, asyncio.create_task(detecting.talk(AGENT, line, order, hang_up))


@pytest.mark.asyncio
async def test_a_machine_is_left_a_message_after_its_beep(trunk_to: TrunkTo) -> None:
    leave = MachineDetection(on_machine=OnMachine.LEAVE_MESSAGE, message=MESSAGE)
    async with person() as called:
        stage = trunk_to(called.trunk)
        speaking = asyncio.create_task(answers_like_a_machine(called))
        order, line, talking = await talked(stage, leave)
        conversation = await asyncio.wait_for(talking, 30)
        await stage.end(order)
        speaking.cancel()
        heard = linear(called.ear.heard)

    assert line.answered_by is AnsweredBy.MACHINE
    left = conversation.transcript[-1]
    assert left.text == MESSAGE
    assert line.first_word_seconds is not None and line.first_word_seconds < left.at_seconds - 2, "the agent had begun"
    message = heard[round(left.at_seconds * 16_000) - 3200 :]
    assert await asyncio.to_thread(transcribed, message, MESSAGE, GREETING) == MESSAGE
    assert left.at_seconds > 0.4 + len(speech(MAILBOX)) / 8000 + 0.6 + 0.5, "once the beep is over"


@pytest.mark.asyncio
async def test_a_person_is_talked_to_without_delay(trunk_to: TrunkTo) -> None:
    hang_up = MachineDetection(on_machine=OnMachine.HANG_UP)
    async with person() as called:
        stage = trunk_to(called.trunk)
        order, line, talking = await talked(stage, hang_up)
        await until(lambda: line.first_word_seconds is not None, 10, "the agent's first word")
        assert line.answered_by in (None, AnsweredBy.UNCERTAIN), "which waits for nothing"
        await called.speak("hello")
        await until(lambda: line.answered_by is AnsweredBy.HUMAN, 10, "the verdict")
        await called.hang_up()
        await talking
        end = await stage.end(order)

    assert end.disposition == "answered"


@pytest.mark.asyncio
async def test_where_words_cannot_be_understood_time_and_tones_decide_and_the_call_goes_on(trunk_to: TrunkTo) -> None:
    deaf = {"engine": "http", "url": "http://127.0.0.1:1/transcribe"}
    async with person() as called:
        stage = trunk_to(called.trunk | {"hearing": deaf})
        order = replace(stage.call(), machines=MachineDetection(on_machine=OnMachine.HANG_UP))
        await stage.carrier.place(order)
        line = await stage.line(order)
        speaking = asyncio.create_task(answers_like_a_machine(called))
        assert await asyncio.wait_for(line.no_person(), 15) is AnsweredBy.MACHINE
        await line.hang_up()
        end = await stage.end(order)
        speaking.cancel()

    assert (end.disposition, end.cause) == ("answered", "hung up by us")


def test_a_campaign_hangs_up_on_a_machine(cli: Cli) -> None:
    agent = cli.file("agent.yaml", yaml.safe_dump({"greeting": 12 * "Hello, this is the clinic. ", "goodbye": "Bye."}))

    async def dialled() -> None:
        async with person() as called:
            carrier = trunk(cli, called, slow_start=False)
            options = ["--machines", "hang-up", "--max-retries", "0", "--json"]
            speaking = asyncio.create_task(answers_like_a_machine(called))
            done = await asyncio.to_thread(
                cli, "run", cli.contacts("+14155550113"), "--agent", agent, "--carrier", carrier, *options
            )
            speaking.cancel()
            assert done.code == 0, done.err

    asyncio.run(dialled())

    (row,) = report(cli.folder / "report.csv")
    assert (row["disposition"], row["cause"], row["contact_state"]) == ("voicemail", "a machine answered", "exhausted")
    assert float(row["talk_seconds"]) < 10, "and not when the agent was done, after 20 s"
