"""Recording by campaign: not at all, or from the end of an announcement on."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from callees import callee, needs_programs
from executable import Cli
from person import linear, person
from test_sip_campaign import report, sides, transcribed, trunk
from trunks import Stage, press

from dialplane.core.attempt import Order
from dialplane.core.recording import Recording, RecordingMode
from dialplane.ports import HungUp, Line

pytestmark = needs_programs
TrunkTo = Callable[..., Stage]
ANNOUNCED = Recording(mode=RecordingMode.ANNOUNCED)
QUESTION = "Can you come to the clinic tomorrow?"
RATE_BYTES = 16_000  # of a second of one side
LOUD = 1000


async def answered(stage: Stage, recording: Recording) -> tuple[Order, Line]:
    order = replace(stage.call(), recording=recording)
    await stage.carrier.place(order)
    return order, await stage.line(order)


@pytest.mark.asyncio
async def test_nobody_is_recorded_before_the_announcement_has_been_said(trunk_to: TrunkTo) -> None:
    async with person() as called:
        stage = trunk_to(called.trunk)
        order, line = await answered(stage, ANNOUNCED)

        speaking = asyncio.create_task(called.speak("good morning"))
        announced_at = await line.announce("This call is recorded, so that we know later what was said.")
        assert speaking.done()
        said_at = await line.say(QUESTION)
        hearing = asyncio.create_task(line.hear())
        await called.speak("yes please")
        await hearing
        await line.hang_up()
        end = await stage.end(order)
        heard = await asyncio.to_thread(transcribed, linear(called.ear.heard))

    agent, callee_side = sides(stage.folder / end.recording)
    assert announced_at is not None and said_at > announced_at
    assert {"recorded", "clinic"} & set(heard.split()), "the person hears it all"
    recorded = round((said_at - 0.04) * RATE_BYTES)
    for side in (agent, callee_side):
        assert not any(side[:recorded]), "neither the announcement, nor what was said meanwhile"
        assert max(array("h", side[recorded:])) > LOUD, "times in it are those of the transcript"


@pytest.mark.asyncio
async def test_no_key_stops_an_announcement(trunk_to: TrunkTo) -> None:
    with callee("answer", pause_ms=30_000) as called:
        stage = trunk_to(called.trunk)
        order, line = await answered(stage, ANNOUNCED)

        announcing = asyncio.create_task(line.announce("This call is recorded, so that we know later what was said."))
        await asyncio.sleep(0.5)
        await asyncio.to_thread(press, called, "9")
        announced_at = await announcing
        said_at = await line.say("Good.")
        assert await line.hear() is not None, "the key is the answer to what comes next"
        await line.hang_up()
        await stage.end(order)

    assert announced_at is not None and said_at - announced_at > 2


@pytest.mark.asyncio
async def test_a_call_that_ends_in_its_announcement_leaves_no_recording(trunk_to: TrunkTo) -> None:
    async with person() as called:
        stage = trunk_to(called.trunk)
        order, line = await answered(stage, ANNOUNCED)

        announcing = asyncio.create_task(line.announce("This call is recorded, so that we know later what was said."))
        await asyncio.sleep(0.5)
        await called.hang_up()
        with pytest.raises(HungUp):
            await announcing
        end = await stage.end(order)

    assert end.recording == "" and not list(stage.folder.rglob("*.wav"))


@pytest.mark.asyncio
@pytest.mark.parametrize(("record", "mode"), [(True, RecordingMode.OFF), (False, RecordingMode.ANNOUNCED)])
async def test_a_call_that_is_not_recorded_says_nothing_of_it(
    trunk_to: TrunkTo, record: bool, mode: RecordingMode
) -> None:
    async with person() as called:
        stage = trunk_to(called.trunk | {"record": record})
        order, line = await answered(stage, Recording(mode=mode))

        assert await line.announce(ANNOUNCED.announcement) is None
        await line.say("Good.")
        await line.hang_up()
        end = await stage.end(order)

    assert end.recording == "" and not list(stage.folder.rglob("*.wav"))


def test_a_campaign_announces_before_anything_else(cli: Cli) -> None:
    agent = cli.file("agent.yaml", yaml.safe_dump({"greeting": "Hello, this is the clinic.", "goodbye": "Goodbye."}))
    options = ["--recording", "announced", "--announcement", "We record this call.", "--max-retries", "0", "--json"]

    with callee("answer", pause_ms=30_000) as called:
        carrier = trunk(cli, called, slow_start=False)
        done = cli("run", cli.contacts("+14155550113"), "--agent", agent, "--carrier", carrier, *options)

    (row,) = report(cli.folder / "report.csv")
    assert (done.code, row["disposition"]) == (0, "answered"), done.err
    first, second, _ = row["transcript"].splitlines()
    assert "agent: We record this call." in first and "agent: Hello, this is the clinic." in second
    agent_side, _ = sides(Path(cli.env["DIALPLANE_HOME"]) / "files" / row["recording"])
    said_at = float(second[1:].partition("]")[0])
    assert not any(agent_side[: round((said_at - 0.1) * RATE_BYTES)]) and any(agent_side[round(said_at * RATE_BYTES) :])
