"""What is said before the agent's own first word."""

from __future__ import annotations

from dataclasses import replace

from dialplane.core.attempt import Conversation, Order, Utterance
from dialplane.core.recording import RecordingMode
from dialplane.ports import Agent, Line, TalkBroken


async def talk(agent: Agent, line: Line, order: Order) -> Conversation:
    """As Agent.talk, after the announcement of a recording that has one; HungUp is for an end in the middle of that."""
    text = order.recording.announcement
    said_at = await line.announce(text) if order.recording.mode is RecordingMode.ANNOUNCED else None
    if said_at is None:
        return await agent.talk(line, order.variables)
    announced = Conversation(transcript=(Utterance(speaker="agent", text=text, at_seconds=said_at),))
    try:
        return _joined(announced, await agent.talk(line, order.variables))
    except TalkBroken as failure:
        raise TalkBroken(failure, _joined(announced, failure.conversation)) from failure
    except Exception as failure:
        raise TalkBroken(failure, announced) from failure


def _joined(announced: Conversation, conversation: Conversation) -> Conversation:
    return replace(conversation, transcript=(*announced.transcript, *conversation.transcript))
