"""Processes that hold conversations in sound: one that dialled beside them would be late for its calls."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from dialplane.core.attempt import Conversation, Utterance
from dialplane.errors import Invalid
from dialplane.ports import HungUp, Line, OpenSound, TalkBroken

TALKS_EACH: Final = 12  # more, and another process is started, as long as there are processors
MOST_PROCESSES: Final = os.cpu_count() or 1
READY_SECONDS: Final = 30.0  # until a process has loaded what an agent needs
AFTER_SECONDS: Final = 60.0  # beyond the longest call, for what an agent still makes of it
LEAVING_SECONDS: Final = 5.0
LINE_BYTES: Final = 1 << 24

log = structlog.get_logger()


class HostDied(Exception):
    """The process that held the conversation is no more."""

    def __str__(self) -> str:
        return "the agent's process died"


@dataclass(eq=False, slots=True)
class _Talk:
    """A conversation in progress, as far as this side has been told."""

    line: Line
    result: asyncio.Future[Mapping[str, Any]]
    transcript: list[Utterance] = field(default_factory=list)


class Hosts:
    """As many processes as the conversations need, each started when there is no room in the others."""

    def __init__(self) -> None:
        self._hosts: list[_Host] = []
        self._starting = asyncio.Lock()

    async def ready(self, kind: str, definition: Mapping[str, Any]) -> None:
        """There is a process that has loaded what this agent needs. Raises Invalid: it cannot."""
        host = await self._pick()
        told = await host.ask({"do": "prepare", "kind": kind, "definition": definition}, READY_SECONDS)
        if why := told.get("why"):
            raise Invalid(str(why))

    async def talk(
        self, kind: str, definition: Mapping[str, Any], line: Line, sound: OpenSound, variables: Mapping[str, str]
    ) -> Conversation:
        """Raises TalkBroken."""
        host = await self._pick()
        order = sound.order
        talk = _Talk(line, asyncio.get_running_loop().create_future())
        facts = {
            "do": "talk",
            "kind": kind,
            "definition": definition,
            "variables": dict(variables),
            "socket": str(sound.socket),
            "since_seconds": sound.since_seconds,
            "attempt": str(order.attempt_uuid),
            "campaign_id": order.campaign_id,
            "to_number": order.to_number,
            "from_number": order.from_number,
        }
        try:
            async with asyncio.timeout(order.limits.max_call_seconds + AFTER_SECONDS):
                told = await host.hold(talk, facts)
        except (TimeoutError, HostDied) as failure:
            why = failure if isinstance(failure, HostDied) else TimeoutError("the agent did not come to an end")
            raise TalkBroken(why, Conversation(transcript=tuple(talk.transcript))) from failure
        conversation = Conversation(
            transcript=tuple(talk.transcript),
            gathered=told["gathered"],
            opted_out=told["opted_out"],
            summary=told["summary"],
            label=told["label"],
            usage=told["usage"],
        )
        if why := told["failure"]:
            raise TalkBroken(RuntimeError(why), conversation)
        return conversation

    async def _pick(self) -> _Host:
        async with self._starting:
            self._hosts = [host for host in self._hosts if host.is_alive]
            least = min(self._hosts, key=lambda host: len(host.talks), default=None)
            if least is None or (len(least.talks) >= TALKS_EACH and len(self._hosts) < MOST_PROCESSES):
                least = _Host()
                await least.start()
                self._hosts.append(least)
            return least

    async def close(self) -> None:
        await asyncio.gather(*(host.close() for host in self._hosts))


class _Host:
    """One process. talks: by the number under which it knows them."""

    def __init__(self) -> None:
        self.talks: dict[int, _Talk] = {}
        self._asked: dict[int, asyncio.Future[Mapping[str, Any]]] = {}
        self._numbers = itertools.count(1)
        self._process: Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._answering: set[asyncio.Task[None]] = set()

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        # -P: a folder called dialplane, where the command was given, is not ours.
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "dialplane.agents.host",
            stdin=PIPE,
            stdout=PIPE,
            start_new_session=True,  # Ctrl-C at the terminal is for the worker, whose calls go on
            limit=LINE_BYTES,
        )
        self._reading = asyncio.create_task(self._read())

    async def ask(self, order: Mapping[str, Any], seconds: float) -> Mapping[str, Any]:
        """Raises Invalid: no answer."""
        number = next(self._numbers)
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            self._send({**order, "id": number})
            async with asyncio.timeout(seconds):
                told: Mapping[str, Any] = await answer
                return told
        except (TimeoutError, HostDied) as fault:
            raise Invalid(f"the agent's process does not answer: {fault or f'not within {seconds:g} s'}") from fault
        finally:
            del self._asked[number]

    async def hold(self, talk: _Talk, facts: Mapping[str, Any]) -> Mapping[str, Any]:
        """What came of it. Raises HostDied."""
        number = next(self._numbers)
        self.talks[number] = talk
        try:
            self._send({**facts, "id": number})
            return await talk.result
        finally:
            del self.talks[number]
            if not talk.result.done() or talk.result.cancelled():
                self._send({"do": "stop", "id": number})

    def _send(self, order: Mapping[str, Any]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        if self.is_alive:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        try:
            while line := await self._process.stdout.readline():
                self._told(json.loads(line))
        except Exception:
            log.exception("agent.host_not_understood")
            self._process.kill()  # what it says from here on nobody would hear
        await self._process.wait()
        for waiting in (*self._asked.values(), *(talk.result for talk in self.talks.values())):
            if not waiting.done():
                waiting.set_exception(HostDied())

    def _told(self, told: Mapping[str, Any]) -> None:
        number = told["id"]
        if (asked := self._asked.get(number)) is not None:
            asked.set_result(told)
        elif (talk := self.talks.get(number)) is not None:
            match told["told"]:
                case "said":
                    said = Utterance(speaker=told["speaker"], text=told["text"], at_seconds=told["at"])
                    talk.transcript.append(said)
                case "asks":
                    answering = asyncio.create_task(self._answer(number, talk.line, told))
                    self._answering.add(answering)
                    answering.add_done_callback(self._answering.discard)
                case "done" if not talk.result.done():
                    talk.result.set_result(told)

    async def _answer(self, number: int, line: Line, asked: Mapping[str, Any]) -> None:
        """What only the worker can do with a call."""
        done = False
        with suppress(HungUp):
            if asked["what"] == "transfer":
                done = await line.transfer(asked["to"])
            else:
                await line.hang_up()
                done = True
        self._send({"do": "answer", "id": number, "number": asked["number"], "done": done})

    async def close(self) -> None:
        """It ends once its standard input does."""
        if self._process is None or self._process.returncode is not None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(LEAVING_SECONDS):
                await self._process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                self._process.kill()
        if self._reading is not None:
            await self._reading
