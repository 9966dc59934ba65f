"""What voice agents cost: 50 conversations at once and one, through pipecat, with models of constant time.

The calls' sound goes over the sockets that carriers use, from a process that plays the people; the agents are in
processes of their own, as they are beside a worker, and the models in another, whose time is not counted.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

from benchmarks.figures import Figure, figure, quantile
from benchmarks.models import LLM_SECONDS, TTS_SECONDS
from dialplane.agents.hosts import Hosts
from dialplane.core.attempt import Conversation, Order
from dialplane.ports import Line, OpenSound
from dialplane.voice.outgoing import FRAME_BYTES, is_audible
from dialplane.voice.settings import Speech
from dialplane.voice.sound import CallSound
from dialplane.voice.speech import Speaker

CALLS = 50
SECONDS = 20.0
PAUSE_SECONDS = 0.4
THINKS_SECONDS = 0.5  # a person, before they answer
TARGET_MS = 150


class Person:
    """Answers whatever the agent says, again and again. waited: from their last sound to the agent's first, seconds."""

    def __init__(self, words: bytes, folder: Path) -> None:
        self.sound = CallSound(self, None)
        self.waited: list[float] = []
        self._words, self._folder = words, folder
        self._left = b""
        self._stopped_at: float | None = None
        self._silent_frames = 0
        self._was_spoken_to = False
        self._sent = bytearray()

    def read(self, max_bytes: int) -> bytes:
        frame, self._left = self._left[:FRAME_BYTES], self._left[FRAME_BYTES:]
        if frame and is_audible(frame):
            self._stopped_at = time.monotonic()
        return frame

    def write(self, pcm: bytes) -> None:
        if self._stopped_at is not None and not self._left and is_audible(pcm):
            self.waited.append(time.monotonic() - self._stopped_at)
            self._stopped_at = None
        self._was_spoken_to, self._silent_frames = True, -len(pcm) // FRAME_BYTES

    def flush_tx(self) -> None:
        self._silent_frames = 0

    def tick(self) -> None:
        self.sound.tick()
        self._silent_frames += 1
        if self._was_spoken_to and self._silent_frames * 0.02 >= THINKS_SECONDS:
            self._left, self._was_spoken_to = self._words, False

    async def open_sound(self) -> OpenSound:
        path, since = await self.sound.open(self._folder)
        return OpenSound(socket=path, since_seconds=since, order=_order())


def _order() -> Order:
    now = datetime.now(UTC)
    return Order(
        organization_id=1,
        campaign_id=1,
        attempt_id=1,
        attempt_uuid=uuid4(),
        contact_id=1,
        number=1,
        carrier_id=1,
        to_number="+14155550101",
        from_number="+14155550100",
        agent_id=1,
        agent_version=1,
        variables={},
        send_at=now,
        send_before=now + timedelta(hours=1),
    )


@dataclass(frozen=True)
class Ran:
    """What some calls at once came to. cpu_seconds, memory_bytes: of all agents' processes. failed: calls."""

    waited: list[float]
    turns: list[Mapping[str, Any]]
    cpu_seconds: float
    memory_bytes: int
    seconds: float
    failed: int


async def measure() -> list[Figure]:
    words = await Speaker(Speech()).spoken("yes please")
    async with _models() as url:
        one = await _run(1, words, url)
        many = await _run(CALLS, words, url)
    return _figures(one, many)


def _figures(one: Ran, many: Ran) -> list[Figure]:
    constant = PAUSE_SECONDS + LLM_SECONDS + TTS_SECONDS  # hearing is done within the pause
    own_one, own = ([1000 * (each - constant) for each in ran.waited] for ran in (one, many))
    said = [turn["own_ms"] for turn in many.turns]
    assert said, "nobody was answered"
    middle = quantile(own_one, 0.5)
    names = f"pipeline_{CALLS}_calls"
    return [
        figure("pipeline_one_call_added_p50", middle, "ms", target=f"<= {TARGET_MS} ms", met=middle <= TARGET_MS),
        figure(f"{names}_added_p50", quantile(own, 0.5), "ms", baseline=middle),
        figure(f"{names}_added_p99", quantile(own, 0.99), "ms", baseline=quantile(own_one, 0.99)),
        figure(f"{names}_own_ms_p50", quantile(said, 0.5), "ms", baseline=_own(one)),
        figure(f"{names}_cpu", _share(many) / CALLS, "% of a core a call", baseline=_share(one)),
        figure(f"{names}_memory", many.memory_bytes / CALLS / 1e6, "MB a call", baseline=one.memory_bytes / 1e6),
        figure(f"{names}_turns", len(many.waited), "turns", baseline=CALLS * len(one.waited)),
        figure(f"{names}_failed", many.failed, "calls", baseline=one.failed, target="0", met=many.failed == 0),
    ]


def _own(ran: Ran) -> float:
    return quantile([turn["own_ms"] for turn in ran.turns], 0.5)


def _share(ran: Ran) -> float:
    return 100 * ran.cpu_seconds / ran.seconds


async def _run(calls: int, words: bytes, url: str) -> Ran:
    agent = _definition(url)
    hosts = Hosts()
    with tempfile.TemporaryDirectory(prefix="dp-", dir="/tmp") as folder:
        people = [Person(words, Path(folder)) for _ in range(calls)]
        try:
            await hosts.ready("pipeline", agent)
            ticking = asyncio.create_task(_tick(people))
            talks = []
            for person in people:
                talks.append(asyncio.create_task(_talk(hosts, agent, person)))
                await asyncio.sleep(0.1)  # 10 calls answered a second
            await asyncio.sleep(2)
            began, before = time.monotonic(), _cpu_seconds()
            await asyncio.sleep(SECONDS)
            seconds, used, memory = time.monotonic() - began, _cpu_seconds() - before, _memory_bytes()
            waited = [each for person in people for each in person.waited]
            for person in people:
                person.sound.close()
            talked = await asyncio.gather(*talks, return_exceptions=True)
            ticking.cancel()
        finally:
            await hosts.close()
    held = [each for each in talked if isinstance(each, Conversation) and "turns" in each.usage]
    turns = [turn for each in held for turn in each.usage["turns"]]
    return Ran(waited, turns, used, memory, seconds, calls - len(held))


async def _talk(hosts: Hosts, agent: Mapping[str, Any], person: Person) -> Conversation:
    return await hosts.talk("pipeline", agent, cast(Line, person), await person.open_sound(), {})


async def _tick(people: list[Person]) -> None:
    due = time.monotonic()
    while True:
        for person in people:
            person.tick()
        due += 0.02
        await asyncio.sleep(max(0.0, due - time.monotonic()))


def _definition(url: str) -> Mapping[str, Any]:
    server = {"service": "openai", "base_url": url, "model": "constant"}
    return {
        "kind": "pipeline",
        "prompt": "You find out whether they like it.",
        "greeting": "Hello. Do you like it?",
        "llm": server,
        "stt": server,
        "tts": {**server, "voice": "any"},
        "pause_seconds": PAUSE_SECONDS,
    }


@asynccontextmanager
async def _models() -> AsyncIterator[str]:
    command = (sys.executable, "-m", "benchmarks.models")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        port = int(await process.stdout.readline())
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        await process.wait()


def _hosts() -> list[Path]:
    """Processes that we have started for agents."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == os.getpid() and b"dialplane.agents.host" in (folder / "cmdline").read_bytes():
                    found.append(folder)
    return found


def _cpu_seconds() -> float:
    """Of them until now."""
    ticks = sum(sum(map(int, (each / "stat").read_text().rpartition(")")[2].split()[11:13])) for each in _hosts())
    return ticks / os.sysconf("SC_CLK_TCK")


def _memory_bytes() -> int:
    pages = sum(int((each / "statm").read_text().split()[1]) for each in _hosts())
    return pages * os.sysconf("SC_PAGE_SIZE")
