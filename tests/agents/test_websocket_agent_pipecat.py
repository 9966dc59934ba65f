"""A voice server built on pipecat's own Twilio serializer and FastAPI socket, unchanged, on a real SIP call."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from callees import needs_programs
from calls import until
from person import Person, linear, person
from recordings import loudness
from test_sip_campaign import transcribed
from trunks import Stage

from dialplane.agents.hosted import HostedAgent
from dialplane.agents.hosts import Hosts
from dialplane.core.disposition import Disposition
from dialplane.ports import TalkBroken
from dialplane.providers import read_agent

pytestmark = [
    needs_programs,
    pytest.mark.asyncio,
    pytest.mark.skipif(find_spec("pipecat") is None, reason="not installed: pipecat"),
]
SPEECH = 500  # loudness


@dataclass
class Server:
    """told: what it has written down."""

    url: str = ""
    told: list[dict[str, Any]] = field(default_factory=list)

    def of(self, what: str) -> list[dict[str, Any]]:
        return [each for each in self.told if each["told"] == what]


@asynccontextmanager
async def pipecat_server() -> AsyncIterator[Server]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("pipecat_server.py")),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    made = Server()
    made.url = f"ws://127.0.0.1:{json.loads(await process.stdout.readline())['port']}/ws"
    reading = asyncio.create_task(_read(process.stdout, made))
    try:
        yield made
    finally:
        process.kill()
        await process.wait()
        await reading


async def _read(lines: asyncio.StreamReader, server: Server) -> None:
    async for line in lines:
        server.told.append(json.loads(line))


def agent(hosts: Hosts, **definition: Any) -> HostedAgent:
    read = read_agent({"kind": "websocket", **definition})
    return HostedAgent(
        kind=read.kind, definition=read.definition, required=read.variables, gathers=read.fields, hosts=hosts
    )


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    return Hosts()


def texts(server: Server) -> list[str]:
    """What it has heard."""
    return [each["text"] for each in server.of("heard")]


async def repeated(called: Person, words: str, heard: Callable[[], bool]) -> None:
    """As people do, of whom something got lost on a machine that is busy elsewhere."""
    for _ in range(4):
        await called.speak(words)
        with suppress(AssertionError):
            return await until(heard, 5)
    raise AssertionError(f"the server does not hear {words!r}")


def tail(called: Person) -> float:
    """How loud the last fifth of a second was that the person heard."""
    return loudness(linear(bytes(called.ear.heard[-1600:])))


async def test_a_pipecat_server_for_twilio_greets_listens_is_interrupted_and_hangs_up(
    tmp_path: Path, hosts: Hosts
) -> None:
    async with pipecat_server() as server, person() as called:
        stage = Stage(called.trunk, tmp_path / "files")
        talks = agent(hosts, url=server.url, parameters={"first_name": "{{first_name}}"}, first_audio_seconds=15)
        await talks.prepare()
        order, line = await stage.answered()
        talking = asyncio.create_task(talks.talk(line, {"first_name": "Ana"}))

        await until(lambda: tail(called) > SPEECH, what="the greeting")
        await asyncio.sleep(2.5)  # of it, to be understood below
        greeting = bytes(called.ear.heard)
        await repeated(called, "yes please", lambda: "yes please" in texts(server))
        await until(lambda: tail(called) < 100, 5, "the greeting, which is much longer, to stop")
        interrupted = len(called.ear.heard)
        await repeated(called, "please stop calling me", lambda: "please stop calling me" in texts(server))
        conversation = await asyncio.wait_for(talking, 15)
        end = await stage.end(order)

        words = set((await asyncio.to_thread(transcribed, linear(greeting))).split())
        assert len(words & {"hello", "this", "is", "the", "clinic", "please", "listen", "to", "all", "of"}) >= 3, words
        assert texts(server)[-1] == "please stop calling me"
        assert server.of("interrupted")
        assert loudness(linear(bytes(called.ear.heard[interrupted:]))) > 0, "goodbye"
        (call,) = server.of("call")
        assert call["provider"] == "twilio" and call["stream"].startswith("MZ")
        assert call["call"] == "CA" + order.attempt_uuid.hex
        assert call["body"] == {
            "attempt_id": str(order.attempt_uuid),
            "to_number": order.to_number,
            "from_number": order.from_number,
            "first_name": "Ana",
        }
        assert [each["call"] for each in server.of("asked to hang up")] == [call["call"]]
        assert (end.disposition, end.cause) == (Disposition.ANSWERED, "hung up by us")
        assert (conversation.transcript, conversation.gathered) == ((), {})

        await stage.carrier.close()

        async with person() as another:
            stage = Stage(another.trunk, tmp_path / "files")
            _, line = await stage.answered()
            talking = asyncio.create_task(talks.talk(line, {"first_name": "Ben"}))
            await until(lambda: len(server.of("call")) == 2)
            await another.hang_up()
            await asyncio.wait_for(talking, 5)
            await until(lambda: len(server.of("over")) == 2, what="the server to be told")
            await stage.carrier.close()
    await hosts.close()


async def test_a_server_that_is_not_there_fails_the_agent_in_words(tmp_path: Path, hosts: Hosts) -> None:
    async with person() as called:
        stage = Stage(called.trunk, tmp_path / "files")
        order, line = await stage.answered()

        with pytest.raises(TalkBroken, match="the agent's server cannot be reached"):
            await agent(hosts, url="ws://127.0.0.1:9/media").talk(line, {})

        await stage.carrier.hang_up(order.attempt_uuid)
        await stage.end(order)
        await stage.carrier.close()
    await hosts.close()
