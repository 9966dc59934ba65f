"""A pipeline agent on a real call: SIP to a callee that speaks, pipecat in a process of its own, nothing online."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from callees import SCENARIOS, callee, needs_programs
from calls import until
from chat_server import Calls, Says, Silence, chat_server
from trunks import Stage

from dialplane.agents.hosts import Hosts
from dialplane.core.attempt import Order
from dialplane.ports import Agent, Line, Prepares, TalkBroken
from dialplane.providers import build_agent

pytest.importorskip("pipecat")
pytestmark = [needs_programs, pytest.mark.asyncio]
GREETING, QUESTION, GOODBYE = "Hello Ana. Tuesday?", "Good.", "Goodbye."
FOREVER = '<nop><action><exec rtp_stream="speech.ulaw,-1,0"/></action></nop>'
IN_TURNS = 4 * '<pause milliseconds="2500"/><nop><action><exec rtp_stream="speech.ulaw,1,0"/></action></nop>'


def definition(url: str, **more: Any) -> dict[str, Any]:
    return {
        "kind": "pipeline",
        "prompt": "You ask {{first_name}} whether a visit on Tuesday suits.",
        "greeting": "Hello {{first_name}}. Tuesday?",
        "llm": {"service": "openai", "model": "small", "base_url": url},
        "stt": {"service": "pocketsphinx", "expected": ["yes please", "no"]},
        "tts": {"service": "flite"},
        "fields": {"suits": {"type": "boolean", "description": "Whether Tuesday suits."}},
        "disposition": ["booked", "refused"],
        "summary": True,
        "interruptible": False,  # for a callee that does not listen
        **more,
    }


@pytest.fixture
def speaks(tmp_path: Path) -> Path:
    """A callee that says something now and then, whatever it hears."""
    text = (SCENARIOS / "speak.xml").read_text(encoding="utf-8")
    assert FOREVER in text
    scenario = tmp_path / "speaks.xml"
    scenario.write_text(text.replace(FOREVER, IN_TURNS), encoding="utf-8")
    return scenario


@asynccontextmanager
async def call_to(trunk: dict[str, Any], folder: Path) -> AsyncIterator[tuple[Stage, Order, Line]]:
    stage = Stage(trunk, folder)
    try:
        yield stage, *await stage.answered()
    finally:
        await stage.carrier.close()


@asynccontextmanager
async def ready_agent(url: str, **more: Any) -> AsyncIterator[Agent]:
    hosts = Hosts()
    agent = build_agent("pipeline", definition(url, **more), hosts)
    assert isinstance(agent, Prepares)
    try:
        await agent.prepare()
        yield agent
    finally:
        await hosts.close()


async def test_a_call_is_held_offline_from_greeting_to_goodbye(tmp_path: Path, speaks: Path) -> None:
    analysis = {"fields": {"suits": "true"}, "disposition": "booked", "summary": "Tuesday suits."}
    answers = Says(QUESTION), Calls("end_call", {"words": GOODBYE})
    async with chat_server(*answers, analysis=analysis) as server, ready_agent(server.url) as agent:
        with callee(speaks, says="yes please") as called:
            async with call_to(called.trunk, tmp_path) as (stage, order, line):
                talked = await agent.talk(line, {"first_name": "Ana"})
                ended = await stage.end(order)

    agents = [each.text for each in talked.transcript if each.speaker == "agent"]
    theirs = [each.text for each in talked.transcript if each.speaker == "contact"]
    assert agents == [GREETING, QUESTION, GOODBYE]
    assert theirs and all("yes" in each for each in theirs)
    times = [each.at_seconds for each in talked.transcript]
    assert 0 < times[0] < times[-1] and times == sorted(times)
    assert server.messages(0)[0] == "system: You ask Ana whether a visit on Tuesday suits."
    assert f"assistant: {GREETING}" in server.messages(1) and any("user: yes" in each for each in server.messages(0))
    assert (talked.gathered, talked.label, talked.summary) == ({"suits": True}, "booked", "Tuesday suits.")
    assert ended.answered_at is not None and ended.cause == "hung up by us"
    assert talked.usage["turns"]
    for turn in talked.usage["turns"]:
        assert set(turn) == {f"{part}_ms" for part in ("pause", "stt", "llm", "tools", "tts", "own", "total")}
        assert turn["total_ms"] == pytest.approx(sum(turn.values()) - turn["total_ms"], abs=5)


async def test_what_was_said_until_the_agents_process_died_is_kept(tmp_path: Path, speaks: Path) -> None:
    async with chat_server(Silence()) as server, ready_agent(server.url) as agent:
        with callee(speaks, says="yes please") as called:
            async with call_to(called.trunk, tmp_path) as (stage, order, line):
                talking = asyncio.ensure_future(agent.talk(line, {"first_name": "Ana"}))
                await until(lambda: bool(server.asked), 30, "the model's being asked")
                os.kill(_host(), signal.SIGKILL)
                with pytest.raises(TalkBroken, match="process died") as broken:
                    await talking
                await line.hang_up()
                await stage.end(order)

    said = [(each.speaker, each.text) for each in broken.value.conversation.transcript]
    assert ("agent", GREETING) in said


def _host() -> int:
    """The agents' process that we have started."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"dialplane.agents.host" in (folder / "cmdline").read_bytes():
                return int(folder.name)
    raise AssertionError("there is none")
