"""Processes that hold conversations in sound: one that dialled beside them would be late for its calls."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from dialplane.core.attempt import Conversation, Utterance
from dialplane.errors import Invalid
from dialplane.ports import HungUp, Line, OpenSound, TalkBroken
from dialplane.voice.child import Child
from dialplane.voice.wire import CONNECT_SECONDS

TALKS_EACH: Final = 12  # more, and another process is started, as long as there are processors
MOST_PROCESSES: Final = os.cpu_count() or 1
READY_SECONDS: Final = 30.0  # until a process has loaded what an agent needs
AFTER_SECONDS: Final = 60.0  # beyond the longest call, for what an agent still makes of it
LEAVING_SECONDS: Final = 5.0
MODULE: Final = "dialplane.agents.host"

log = structlog.get_logger()


class HostFailed(Exception):
    """A process has died, or answers no more; the text says which. It says nothing of the agent."""


@dataclass(eq=False, slots=True)
class _Talk:
    """A conversation in progress, as far as this side has been told."""

    line: Line
    result: asyncio.Future[Mapping[str, Any]]
    transcript: list[Utterance] = field(default_factory=list)

    def in_order(self) -> tuple[Utterance, ...]:
        """An agent tells of what it says once that has been heard, and of what it hears once it is understood."""
        return tuple(sorted(self.transcript, key=lambda said: said.at_seconds))


class Hosts:
    """As many processes as the conversations need, each started when there is no room in the others."""

    def __init__(self) -> None:
        self._hosts: list[_Host] = []
        self._starting = asyncio.Lock()

    async def ready(self, kind: str, definition: Mapping[str, Any]) -> None:
        """There is a process that has loaded what this agent needs, and answers. Raises Invalid: there cannot be.

        Whoever broke a process may have been another agent: a second one is asked before this agent is blamed.
        """
        try:
            why = await (await self._pick()).prepare(kind, definition)
        except HostFailed as fault:
            log.warning("agent.host_failed", why=str(fault))
            try:
                why = await (await self._pick()).prepare(kind, definition)
            except HostFailed as again:
                raise Invalid(str(again)) from again
        if why:
            raise Invalid(why)

    async def talk(
        self, kind: str, definition: Mapping[str, Any], line: Line, sound: OpenSound, variables: Mapping[str, str]
    ) -> Conversation:
        """Raises TalkBroken."""
        order = sound.order
        talk = _Talk(line, asyncio.get_running_loop().create_future())
        facts = {
            "do": "talk",
            "kind": kind,
            "definition": definition,
            "variables": dict(variables),
            "socket": str(sound.socket),
            "connect_by": asyncio.get_running_loop().time() + CONNECT_SECONDS,  # one clock for the whole machine
            "since_seconds": sound.since_seconds,
            "attempt": str(order.attempt_uuid),
            "campaign_id": order.campaign_id,
            "to_number": order.to_number,
            "from_number": order.from_number,
        }
        try:
            async with asyncio.timeout(order.limits.max_call_seconds + AFTER_SECONDS):
                told = await (self._loaded(kind) or await self._pick()).hold(talk, facts)
        except (TimeoutError, HostFailed) as failure:
            why = failure if isinstance(failure, HostFailed) else TimeoutError("the agent did not come to an end")
            raise TalkBroken(why, Conversation(transcript=talk.in_order())) from failure
        conversation = Conversation(
            transcript=talk.in_order(),
            gathered=told["gathered"],
            opted_out=told["opted_out"],
            summary=told["summary"],
            label=told["label"],
            usage=told["usage"],
        )
        if why := told["failure"]:
            raise TalkBroken(RuntimeError(why), conversation)
        return conversation

    def _loaded(self, kind: str) -> _Host | None:
        """However busy: in one that has to load it first, the agent would begin to speak seconds late."""
        loaded = [host for host in self._hosts if host.is_fit and kind in host.loaded]
        return min(loaded, key=_talks, default=None)

    async def _pick(self) -> _Host:
        """Raises HostFailed: another process cannot be started."""
        async with self._starting:
            self._hosts = [host for host in self._hosts if host.is_alive]
            fit = [host for host in self._hosts if host.is_fit]
            least = min(fit, key=_talks, default=None)
            if least is None or (_talks(least) >= TALKS_EACH and len(fit) < MOST_PROCESSES):
                try:
                    least = _Host(await Child.start(MODULE))
                except OSError as fault:
                    raise HostFailed(f"the agent's process cannot be started: {fault}") from fault
                self._hosts.append(least)
            return least

    async def close(self) -> None:
        await asyncio.gather(*(host.close() for host in self._hosts))


class _Host:
    """One process. talks: by the number under which it knows them. loaded: kinds of agents that begin at once there.

    is_fit: to be given more. One that did not answer in time is not; it ends with the last of its conversations.
    """

    def __init__(self, child: Child) -> None:
        self.talks: dict[int, _Talk] = {}
        self.loaded: set[str] = set()
        self._child = child
        self._hangs = False
        self._asked: dict[int, asyncio.Future[Mapping[str, Any]]] = {}
        self._numbers = itertools.count(1)
        self._answering: set[asyncio.Task[None]] = set()
        self._reading = asyncio.create_task(self._read())

    @property
    def is_alive(self) -> bool:
        return self._child.is_alive and not self._reading.done()

    @property
    def is_fit(self) -> bool:
        return self.is_alive and not self._hangs

    async def prepare(self, kind: str, definition: Mapping[str, Any]) -> str:
        """Why the agent cannot talk, or "". Raises HostFailed."""
        number = next(self._numbers)
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            self._child.send({"do": "prepare", "kind": kind, "definition": definition, "id": number})
            async with asyncio.timeout(READY_SECONDS):
                why = str((await answer)["why"])
        except TimeoutError:
            self._hangs = True
            await self._retire()
            raise HostFailed(f"the agent's process did not answer within {READY_SECONDS:g} s") from None
        finally:
            del self._asked[number]
        if not why:
            self.loaded.add(kind)
        return why

    async def hold(self, talk: _Talk, facts: Mapping[str, Any]) -> Mapping[str, Any]:
        """What came of it. Raises HostFailed."""
        number = next(self._numbers)
        self.talks[number] = talk
        try:
            self._child.send({**facts, "id": number})
            return await talk.result
        finally:
            del self.talks[number]
            if not talk.result.done() or talk.result.cancelled():
                self._child.send({"do": "stop", "id": number})
            await self._retire()

    async def _retire(self) -> None:
        if self._hangs and not self.talks:
            await self._child.kill()

    async def _read(self) -> None:
        try:
            while (told := await self._child.told()) is not None:
                self._told(told)
        except Exception:
            log.exception("agent.host_not_understood")
            await self._child.kill()  # what it says from here on nobody would hear
        await self._child.close(LEAVING_SECONDS)
        for waiting in (*self._asked.values(), *(talk.result for talk in self.talks.values())):
            if not waiting.done():
                waiting.set_exception(HostFailed("the agent's process died"))

    def _told(self, told: Mapping[str, Any]) -> None:
        number = told["id"]
        if (asked := self._asked.get(number)) is not None:
            if not asked.done():  # its time may just be up
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
        try:
            if asked["what"] == "transfer":
                done = await line.transfer(asked["to"])
            else:
                await line.hang_up()
                done = True
        except HungUp:
            pass
        except Exception:
            log.exception("agent.line_failed", what=asked["what"])  # the agent is told that it was not done
        self._child.send({"do": "answer", "id": number, "number": asked["number"], "done": done})

    async def close(self) -> None:
        await self._child.close(LEAVING_SECONDS)
        await self._reading


def _talks(host: _Host) -> int:
    return len(host.talks)
