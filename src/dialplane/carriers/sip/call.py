"""A call over a trunk: what is known of it, and the conversation that an agent holds on it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from dialplane.carriers.placed_call import PlacedCall, PlacedLine
from dialplane.carriers.sip.failover import Way
from dialplane.carriers.sip.outcomes import Closed
from dialplane.carriers.sip.phones import Phone, Told
from dialplane.carriers.sound_files import SoundFiles
from dialplane.core.disposition import Disposition
from dialplane.ports import HungUp, OpenSound


class AgentFailed(Exception):
    """Speech could not be made, or not be understood."""


@dataclass(eq=False, slots=True, kw_only=True)
class SipCall(PlacedCall):
    """A call of this process. first: set when the trunk has said anything; ended_by_us: why, if it was us.

    ways: which could still be asked. failed: how the last one failed, and what `place` raises then, until the next one
    is asked.
    """

    ways: list[Way]
    way: Way
    phone: Phone
    first: asyncio.Future[None]
    failed: tuple[Closed, Exception | None] | None = None
    call_id: str = ""
    ended_by_us: Disposition | None = None
    is_placing: bool = True
    asked: dict[int, asyncio.Future[Told]] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=partial(itertools.count, 1))

    async def ask(self, order: Mapping[str, Any]) -> Told:
        """What its process answers. Raises HungUp, AgentFailed."""
        if self.is_over:
            raise HungUp
        number = next(self._numbers)
        answer = self.asked[number] = asyncio.get_running_loop().create_future()
        self.phone.send({**order, "call": self.name, "id": number})
        try:
            told: Told = await answer
        finally:
            del self.asked[number]
        if told["told"] == "failed":
            raise AgentFailed(told["why"])
        return told

    def end(self, why: Disposition) -> None:
        if not self.is_over:
            self.ended_by_us = self.ended_by_us or why
            self.phone.send({"do": "hang_up", "call": self.name})


class SipLine(PlacedLine):
    """Implements ports.Line."""

    _call: SipCall

    def __init__(self, call: SipCall, sound_files: SoundFiles, *, is_recorded: bool) -> None:
        super().__init__(call, is_recorded=is_recorded)
        self._sound_files = sound_files

    async def leave_message(self, text: str) -> float:
        self._is_taken_over = True
        told = await self._call.ask({"do": "leave_message", "text": text})
        return float(told["at"])

    async def say(self, text: str, sound: str | None = None) -> float:
        organization_id = self._call.order.organization_id
        path = None if sound is None else str(await self._sound_files.sound(organization_id, sound))
        told = await self._call.ask({"do": "say", "text": text, "sound": path})
        return float(told["at"])

    async def _announce(self, text: str) -> float:
        told = await self._call.ask({"do": "announce", "text": text})
        return float(told["at"])

    async def hear(self, expected: tuple[str, ...] = ()) -> tuple[str, float] | None:
        told = await self._call.ask({"do": "hear", "expected": list(expected)})
        return None if told["text"] is None else (told["text"], float(told["at"]))

    async def open_sound(self) -> OpenSound:
        told = await self._call.ask({"do": "open_sound", "folder": str(self._sound_files.folder)})
        return OpenSound(socket=Path(told["socket"]), since_seconds=float(told["at"]), order=self._call.order)

    async def transfer(self, to_number: str) -> bool:
        told = await self._call.ask({"do": "transfer", "to": to_number})
        return bool(told["done"])

    async def hang_up(self) -> None:
        if not self._is_taken_over:  # else, for who is done with it, it is over already
            self._call.end(Disposition.ANSWERED)
