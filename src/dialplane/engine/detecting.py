"""What is done about machines while the agent talks: it begins at once, whoever has answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import structlog

from dialplane.core.attempt import Conversation, Order, Utterance
from dialplane.core.machines import Action
from dialplane.engine import announcing
from dialplane.ports import Agent, HungUp, Line, TalkBroken

log = structlog.get_logger()


async def talk(agent: Agent, line: Line, order: Order, hang_up: Callable[[], Awaitable[None]]) -> Conversation:
    """As `announcing.talk`; a machine may cut it short, and may be left a message. hang_up: ends the call."""
    if not order.machines.listens:
        return await announcing.talk(agent, line, order)
    watch = _Watch(line, order, hang_up)
    watching = asyncio.create_task(watch.run())
    try:
        return replace(said := await watch.talk(agent), transcript=(*said.transcript, *await watch.left(watching)))
    finally:
        watching.cancel()


class _Watch:
    def __init__(self, line: Line, order: Order, hang_up: Callable[[], Awaitable[None]]) -> None:
        self._line = line
        self._order = order
        self._hang_up = hang_up
        self._acts = False

    async def talk(self, agent: Agent) -> Conversation:
        """Where the call is not the agent's any more, it has not failed, however it takes that."""
        try:
            return await announcing.talk(agent, self._line, self._order)
        except TalkBroken as broken:
            if not self._acts:
                raise
            return broken.conversation
        except HungUp:
            if not self._acts:
                raise
            return Conversation()

    async def run(self) -> Sequence[Utterance]:
        """What was left, once the call was ended for a machine. Until then it waits."""
        answered_by = await self._line.no_person()
        action = self._order.machines.action(answered_by)
        log.info("call.no_person", attempt_id=self._order.attempt_id, answered_by=answered_by, action=action)
        if action is Action.TALK:
            return ()
        self._acts = True
        left: Sequence[Utterance] = ()
        if action is Action.LEAVE_MESSAGE:
            text = self._order.machines.message_for(self._order.variables)
            try:
                left = (Utterance(speaker="agent", text=text, at_seconds=await self._line.leave_message(text)),)
            except HungUp:
                return ()  # which machines do whose mailbox is full
        await self._hang_up()
        return left

    async def left(self, watching: asyncio.Task[Sequence[Utterance]]) -> Sequence[Utterance]:
        """Once the agent is done."""
        return await watching if self._acts else ()
