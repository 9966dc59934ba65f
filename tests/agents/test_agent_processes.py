"""Processes of agents: what is asked of them again, which is given a conversation, and what one that breaks costs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import pytest_asyncio
from contract import order_to
from wired import TICK_SECONDS, Handset

from dialplane.agents import hosts as module
from dialplane.agents.hosts import Hosts
from dialplane.errors import Invalid
from dialplane.ports import Line, OpenSound, TalkBroken
from dialplane.voice.sound import CallSound

pytestmark = pytest.mark.asyncio
# An agent of a kind of its own, which every Python loads at its start: it writes down whom it has prepared.
ODD = """
import os, sys, time, types
odd = types.ModuleType("dialplane.agents.odd.talk")
def prepare(definition):
    name = definition["name"]
    with open({notes!r}, "a") as notes:
        notes.write(f"{{os.getpid()}} {{name}} {{definition.get('key', '')}}\\n")
    once = open({notes!r}).read().count(f" {{name}} ") == 1
    if name == "hangs" or (name == "hangs-once" and once):
        time.sleep(60)
    if name == "dies-once" and once:
        os._exit(1)
    if name == "fails":
        raise ValueError("the key is s3cret")
    return "wants a key" if name == "keyless" and "key" not in definition else ""
async def talk(definition, call):
    call.said("agent", f"{{os.getpid()}} transferred: {{await call.transfer('+14155550102')}}", 0.0)
    raise ValueError("the key is s3cret")
odd.prepare, odd.talk = prepare, talk
sys.modules["dialplane.agents.odd.talk"] = odd
"""


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A line for each preparation: the process, the agent's name, its key."""
    written = tmp_path / "notes"
    (tmp_path / "sitecustomize.py").write_text(ODD.format(notes=str(written)))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return written


@pytest_asyncio.fixture
async def hosts(notes: Path) -> AsyncIterator[Hosts]:
    made = Hosts()
    yield made
    await made.close()


def prepared(notes: Path) -> list[list[str]]:
    return [line.split(" ") for line in notes.read_text().splitlines()]


async def ready(hosts: Hosts, name: str, **more: Any) -> None:
    await hosts.ready("odd", {"name": name, **more})


async def test_an_agent_is_prepared_once_and_anew_with_another_key_or_after_a_failure(
    hosts: Hosts, notes: Path
) -> None:
    await asyncio.gather(*(ready(hosts, "a", key="1") for _ in range(5)))
    await ready(hosts, "a", key="1")
    await ready(hosts, "a", key="2")
    for _ in range(2):
        with pytest.raises(Invalid, match="wants a key"):
            await ready(hosts, "keyless")

    assert [(name, key) for _, name, key in prepared(notes)] == [("a", "1"), ("a", "2"), *2 * [("keyless", "")]]


async def test_what_breaks_in_an_agent_is_named_without_its_words_which_may_be_secret(hosts: Hosts) -> None:
    with pytest.raises(Invalid) as refused:
        await ready(hosts, "fails")

    assert str(refused.value) == "the agent cannot be prepared: ValueError"


@pytest.mark.parametrize("name", ["dies-once", "hangs-once"])
async def test_a_process_that_breaks_is_replaced_and_blames_no_agent(
    hosts: Hosts, notes: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    await ready(hosts, "healthy")
    monkeypatch.setattr(module, "READY_SECONDS", 4)
    await asyncio.gather(ready(hosts, name), ready(hosts, "healthy"))
    await ready(hosts, "healthy")

    first, *_, last = [pid for pid, named, _ in prepared(notes) if named == "healthy"]
    assert first != last
    assert not Path(f"/proc/{first}").exists(), "the broken one has ended"


async def test_an_agent_that_breaks_two_processes_is_refused_and_another_agent_is_ready_in_a_third(
    hosts: Hosts, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as impatient:
        impatient.setattr(module, "READY_SECONDS", 1)
        with pytest.raises(Invalid, match="did not answer within 1 s"):
            await ready(hosts, "hangs")
    await ready(hosts, "healthy")

    *broken, (pid, name, _) = prepared(notes)
    assert name == "healthy" and pid not in {each for each, _, _ in broken}


class Broken(Line):
    async def transfer(self, to_number: str) -> bool:
        raise RuntimeError("the carrier's answer makes no sense")


@asynccontextmanager
async def open_sound() -> AsyncIterator[OpenSound]:
    sound = CallSound(Handset(), None)

    async def tick() -> None:
        while True:
            sound.tick()
            await asyncio.sleep(TICK_SECONDS)

    ticking = asyncio.create_task(tick())
    with TemporaryDirectory(prefix="dp-", dir="/tmp") as folder:
        path, since = await sound.open(Path(folder))
        order = order_to("+14155550101", at=datetime.now(UTC))
        try:
            yield OpenSound(socket=path, since_seconds=since, order=order)
        finally:
            ticking.cancel()
            sound.close()


async def test_a_conversation_goes_to_a_process_that_has_loaded_its_agent_and_one_that_breaks_names_no_secret(
    hosts: Hosts, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ready(hosts, "a")
    monkeypatch.setattr(module, "TALKS_EACH", 0)
    monkeypatch.setattr(module, "MOST_PROCESSES", 2)
    async with open_sound() as sound:
        with pytest.raises(TalkBroken) as broken:
            await asyncio.wait_for(hosts.talk("odd", {"name": "a"}, Broken(), sound, {}), 10)

    (pid, _, _) = prepared(notes)[0]
    assert [each.text for each in broken.value.conversation.transcript] == [f"{pid} transferred: False"]
    assert str(broken.value) == "the agent failed: ValueError"


async def test_an_agent_that_comes_when_nobody_waits_for_it_any_more_has_failed(
    hosts: Hosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ready(hosts, "a")
    sound = OpenSound(
        socket=tmp_path / "gone.sock", since_seconds=0.0, order=order_to("+14155550101", at=datetime.now(UTC))
    )
    assert (await hosts.talk("odd", {"name": "a"}, Broken(), sound, {})).transcript == (), "they had hung up"

    monkeypatch.setattr(module, "CONNECT_SECONDS", 0)
    with pytest.raises(TalkBroken, match="too busy"):
        await hosts.talk("odd", {"name": "a"}, Broken(), sound, {})
