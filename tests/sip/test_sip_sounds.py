"""What an agent says from a recording is what the person called hears."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from callees import callee, needs_programs
from executable import Cli
from person import linear, person
from test_sip_campaign import report, sides, trunk
from tones import MELODY, melody, tones_in
from trunks import Stage, press

from dialplane.voice.sounds import key_of, read_sound

pytestmark = needs_programs
TrunkTo = Callable[..., Stage]


def kept(stage: Stage, content: bytes) -> str:
    sound = read_sound(content)
    path = stage.folder / key_of(1, sound.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(sound.content)
    return sound.name


@pytest.mark.asyncio
async def test_a_recorded_sound_is_what_the_person_hears(trunk_to: TrunkTo) -> None:
    async with person() as called:
        stage = trunk_to(called.trunk)
        order, line = await stage.answered()

        began = await line.say("Ding, dong, ding, dong.", kept(stage, melody(44100, channels=2)))
        again = await line.say("Ding, dong, ding, dong.", kept(stage, melody(44100, channels=2)))
        await line.hang_up()
        end = await stage.end(order)

        assert again - began >= 1.55, "the whole of it was said before"
        assert tones_in(linear(called.ear.heard)) == [*MELODY, *MELODY]

    agent, callee_side = sides(stage.folder / end.recording)
    assert tones_in(agent) == [*MELODY, *MELODY] and tones_in(callee_side) == []


@pytest.mark.asyncio
async def test_a_key_stops_a_recorded_sound(trunk_to: TrunkTo) -> None:
    with callee("answer", pause_ms=20_000) as called:
        stage = trunk_to(called.trunk)
        order, line = await stage.answered()

        saying = asyncio.create_task(line.say("Ding, dong.", kept(stage, melody(tones=MELODY * 4))))
        await asyncio.sleep(0.7)
        await asyncio.to_thread(press, called, "9")
        await asyncio.wait_for(saying, 2)  # and not after six seconds
        assert (await line.hear()) is not None
        await line.hang_up()
        await stage.end(order)


@pytest.mark.asyncio
async def test_a_sound_that_is_gone_is_the_agents_fault_and_says_which(trunk_to: TrunkTo) -> None:
    async with person() as called:
        stage = trunk_to(called.trunk)
        order, line = await stage.answered()

        with pytest.raises(Exception, match=r"sounds/1/nowhere\.wav is gone"):
            await line.say("Hello.", "nowhere.wav")
        await line.hang_up()
        await stage.end(order)


def test_a_campaign_whose_agent_plays_a_file_beside_its_own(cli: Cli) -> None:
    (cli.folder / "agents").mkdir()
    (cli.folder / "agents" / "hello.wav").write_bytes(melody(16000))
    greets = {"greeting": {"text": "Ding, dong, ding, dong.", "sound": "hello.wav"}, "goodbye": "Goodbye."}
    agent = cli.file("agents/agent.yaml", yaml.safe_dump(greets))
    contacts = cli.contacts("+14155550113")

    with callee("answer", pause_ms=20_000) as called:
        carrier = trunk(cli, called, slow_start=False)
        done = cli("run", contacts, "--agent", agent, "--carrier", carrier, "--max-retries", "0", "--json")

    (row,) = report(cli.folder / "report.csv")
    assert (done.code, row["disposition"]) == (0, "answered"), done.err
    assert "agent: Ding, dong, ding, dong.\n" in row["transcript"]
    agent_side, _ = sides(Path(cli.env["DIALPLANE_HOME"]) / "files" / row["recording"])
    assert tones_in(agent_side)[: len(MELODY)] == list(MELODY)
