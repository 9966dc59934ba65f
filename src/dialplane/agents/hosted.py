"""An agent that carries sound, and what it is given of the call in the process where it talks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from dialplane.agents.hosts import Hosts
from dialplane.agents.known import Known
from dialplane.core.attempt import Conversation
from dialplane.ports import Line
from dialplane.voice.wire import Wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a definition comes to.

    kept: the definition. variables: columns that contacts must have. fields: names of the data that it gathers.
    ignored: what of it has no effect, in words.
    """

    kept: Mapping[str, Any]
    variables: frozenset[str]
    fields: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedAgent(Known):
    """Implements ports.Agent and ports.Prepares. kind: the folder of agents/ that holds the conversation."""

    kind: str
    definition: Mapping[str, Any] = field(repr=False)  # its keys are nobody's business
    hosts: Hosts

    async def prepare(self) -> None:
        """Raises Invalid."""
        await self.hosts.ready(self.kind, self.definition)

    async def talk(self, line: Line, variables: Mapping[str, str]) -> Conversation:
        """Raises NoSound, HungUp: before it began; TalkBroken."""
        return await self.hosts.talk(self.kind, self.definition, line, await line.open_sound(), variables)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedCall:
    """An answered call in the agent's process.

    wire: its sound. since_seconds: from the answer until the wire's first frame. said: (speaker, text, seconds since
    the answer), of the transcript. transfer: to a number, E.164; whether that worked. attempt: its uuid.
    """

    attempt: str
    campaign_id: int
    to_number: str
    from_number: str
    variables: Mapping[str, str]
    wire: Wire
    since_seconds: float
    said: Callable[[str, str, float], None]
    transfer: Callable[[str], Awaitable[bool]]
    hang_up: Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Talked:
    """What came of a conversation, besides its transcript: as in `Conversation`.

    failure: why it could not go on; "" where it could.
    """

    gathered: Mapping[str, Any] = field(default_factory=dict)
    opted_out: bool = False
    summary: str = ""
    label: str = ""
    usage: Mapping[str, Any] = field(default_factory=dict)
    failure: str = ""


async def until_one_ends(*parts: Coroutine[Any, Any, object]) -> None:
    """All sides of a conversation at once: with the first that ends, the others do. Raises what that one has raised."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for each in done:
            each.result()
    finally:
        for each in tasks:
            each.cancel()
        await asyncio.wait(tasks)


class Hosting(Protocol):
    """A module `dialplane.agents.<kind>.talk`."""

    def prepare(self, definition: Mapping[str, Any]) -> str:
        """Load what a conversation will need; "" or why it cannot be held."""

    async def talk(self, definition: Mapping[str, Any], call: HostedCall) -> Talked:
        """Until it is over. What it raises is the agent's failure."""
