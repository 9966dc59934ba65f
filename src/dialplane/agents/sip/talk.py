"""A conversation that an agent at a SIP address holds: it is called, and both calls' sound is joined."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from typing import Any, Final

from baresip import BaresipError, TransferRequest

from dialplane.agents import fields
from dialplane.agents.hosted import HostedCall, Talked, until_one_ends
from dialplane.agents.script import NUMBER
from dialplane.agents.sip.definition import SipAgent
from dialplane.agents.sip.stack import ENDED_BY_THEM, Leg, Stacks, Undialled
from dialplane.agents.sip.tones import tone
from dialplane.voice.wire import AUDIO, DIGIT, MARK

FRAME_SECONDS: Final = 0.02
SOUNDLESS_SECONDS: Final = 10.0  # from the answer on; then it has agreed on no sound
MOST_KEYS: Final = 100  # that wait to be pressed; who presses more is not heard
LAST_WORD: Final = b"last word"
_TARGET = re.compile(r"(?:sips?|tel):([^@;?]+)", re.IGNORECASE)
_SEPARATORS = re.compile(r"[-.() ]|%20")
_STATUS = re.compile(r"[3-6]\d\d\b")

stacks = Stacks()


class Failed(Exception):
    """The agent is not there, or not any more; the text says why."""


def prepare(definition: Mapping[str, Any]) -> str:
    """The stack is loaded with this module, and starts in a moment."""
    SipAgent.from_definition(definition)
    return ""


async def talk(definition: Mapping[str, Any], call: HostedCall) -> Talked:
    agent = SipAgent.from_definition(definition)
    headers = _headers(agent, call)
    try:
        stack = await stacks.for_agent(agent)
        leg = await stack.dial(agent, headers)
    except Undialled as fault:
        return Talked(failure=f"the agent at {agent.uri} cannot be called: {fault}")
    bridge = _Bridge(leg, call)
    try:
        await until_one_ends(bridge.follow(), bridge.speak(agent.answer_seconds))
    except Failed as fault:
        return Talked(failure=f"the agent at {agent.uri} {fault}")
    finally:
        try:
            await bridge.close()
        finally:
            await stack.end(leg)
    return Talked()


def _headers(agent: SipAgent, call: HostedCall) -> dict[str, str]:
    """On one line each, whatever a contact's columns hold. Raises Invalid."""
    filled = {name: " ".join(fields.filled(text, call.variables).split()) for name, text in agent.headers.items()}
    return {
        "X-Dialplane-Attempt": call.attempt,
        "X-Dialplane-To": call.to_number,
        "X-Dialplane-From": call.from_number,
        **{name: "".join(filter(str.isprintable, value)) for name, value in filled.items()},
    }


class _Bridge:
    def __init__(self, leg: Leg, call: HostedCall) -> None:
        self._leg = leg
        self._call = call
        self._ticks = 0  # since the answer
        self._heard_out = asyncio.Event()
        self._handed_over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._handing: asyncio.Task[None] | None = None
        self._keys: asyncio.Queue[str] = asyncio.Queue(MOST_KEYS)
        self._working: set[asyncio.Task[None]] = set()
        leg.call.on_dtmf(lambda pressed: call.wire.send(AUDIO, tone(pressed.digit)))
        leg.call.on_transfer_request(self._asked_to_hand_over)

    async def follow(self) -> None:
        """The call and its clock, until it ends. Raises Failed."""
        async for kind, content in self._call.wire:
            if kind == AUDIO:
                self._tick(content)
            elif kind == DIGIT and not self._keys.full():
                self._keys.put_nowait(content.decode())
            elif kind == MARK and content == LAST_WORD:
                self._heard_out.set()

    def _tick(self, frame: bytes) -> None:
        """Before the agent has answered, nobody hears anything."""
        if not self._leg.answered.done():
            return
        self._ticks += 1
        self._leg.say(frame)
        if came := self._leg.hear():
            self._call.wire.send(AUDIO, came)
        elif not self._leg.has_sounded and self._ticks * FRAME_SECONDS > SOUNDLESS_SECONDS:
            raise Failed(f"has sent no sound within {SOUNDLESS_SECONDS:g} s")

    async def speak(self, answer_seconds: float) -> None:
        """Until the agent is done, and the call has been hung up or handed over. Raises Failed."""
        leg = self._leg
        await asyncio.wait((leg.answered, leg.closed), timeout=answer_seconds, return_when=asyncio.FIRST_COMPLETED)
        if leg.closed.done():
            why = leg.closed.result()
            raise Failed(f"refused the call: {why}" if _STATUS.match(why) else f"cannot be reached: {why}")
        if not leg.answered.done():
            raise Failed(f"did not answer within {answer_seconds:g} s")
        self._spawn(self._press())
        await asyncio.wait((leg.closed, self._handed_over), return_when=asyncio.FIRST_COMPLETED)
        if self._handing is not None:
            await asyncio.wait((self._handing,))  # whether or not the agent waits for that
        if self._handed_over.done():
            return
        self._call.wire.send(MARK, LAST_WORD)
        await self._heard_out.wait()
        if ENDED_BY_THEM not in leg.closed.result():
            raise Failed(f"is not there any more: {leg.closed.result()}")
        await self._call.hang_up()

    async def _press(self) -> None:
        """Keys that the person has pressed, one after another."""
        while True:
            key = await self._keys.get()
            with suppress(BaresipError, ValueError):
                await self._leg.call.send_dtmf(key)

    def _asked_to_hand_over(self, request: TransferRequest) -> None:
        """The agent wants the person to be called on (REFER)."""
        if self._handing is None:
            self._handing = self._spawn(self._hand_over(request))

    async def _hand_over(self, request: TransferRequest) -> None:
        to = number_in(request.target)
        if to is not None and await self._call.transfer(to):
            self._handed_over.set_result(None)
            return
        self._handing = None
        with suppress(BaresipError):  # it has hung up meanwhile
            await self._leg.call.reject_transfer(404 if to is None else 603)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return task

    async def close(self) -> None:
        """Raises what went wrong beside the conversation."""
        working = tuple(self._working)
        for each in working:
            each.cancel()
        for came in await asyncio.gather(*working, return_exceptions=True):
            if isinstance(came, Exception):
                raise came


def number_in(target: str) -> str | None:
    """
    >>> number_in("sip:+14155550177@pbx.example.org;user=phone"), number_in("tel:+1-415-555-0177")
    ('+14155550177', '+14155550177')
    >>> number_in("sip:desk@pbx.example.org")
    """
    found = _TARGET.match(target.strip())
    number = _SEPARATORS.sub("", found[1]) if found else ""
    return number if NUMBER.fullmatch(number) else None
