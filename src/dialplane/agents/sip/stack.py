"""The SIP stack of an agent process, and the calls that it makes to agents.

Three of the stack's habits matter: it may tell of a call before the one who dials it has its name; a call that is hung
up before any response is forgotten, although the other side may ring later and would never be told; and of two
identities with the same user it refuses REFERs (404) to the second.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections import defaultdict
from contextlib import suppress
from typing import Any, Final

from baresip import (
    Account,
    AudioNotActive,
    AudioRestarted,
    BaresipError,
    Call,
    Config,
    Event,
    Runtime,
    StackEvent,
    UserAgent,
)

from dialplane.agents.sip.definition import SipAgent
from dialplane.voice.outgoing import FRAME_BYTES, is_audible

RTP_TIMEOUT_SECONDS: Final = 60  # without any sound, and a call is taken for dead
NO_RESPONSE_SECONDS: Final = 33.0  # the stack itself gives up after 32 (RFC 3261, timer B) unless something has come
HELD_BACK: Final = 3 * FRAME_BYTES  # what comes unevenly goes on evenly
BEHIND: Final = 6 * FRAME_BYTES  # what comes later than that catches up in the next silence
MOST_BEHIND: Final = 50 * FRAME_BYTES  # and what comes later than a second is passed over
NOWHERE: Final = "dialplane.invalid"  # nobody calls back
ENDED_BY_THEM: Final = "reset by peer"  # the stack's words for a BYE


class Undialled(Exception):
    """Nothing could be sent; the text says why."""


class Leg:
    """A call to an agent. closed: the stack's words, once it is over."""

    def __init__(self, call: Call) -> None:
        loop = asyncio.get_running_loop()
        self.call = call
        self.dialled_at = loop.time()
        self.responded = asyncio.Event()  # or it is over
        self.answered: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[str] = loop.create_future()
        self.has_sounded = False
        self._came = bytearray()
        self._flows = False

    def happened(self, event: StackEvent) -> None:
        if event.event in (Event.CALL_RINGING, Event.CALL_PROGRESS, Event.CALL_ESTABLISHED, Event.CALL_CLOSED):
            self.responded.set()
        if event.event is Event.CALL_ESTABLISHED and not self.answered.done():
            self.answered.set_result(None)
        elif event.event is Event.CALL_CLOSED and not self.closed.done():
            self.closed.set_result(event.text or "")

    def say(self, frame: bytes) -> None:
        """20 ms to the agent."""
        with suppress(AudioNotActive, AudioRestarted):
            waiting = self.call.audio.info().tx_buffered
            if not waiting:
                self.call.audio.write(bytes(HELD_BACK))
            if not _skipped(frame, waiting):
                self.call.audio.write(frame)

    def hear(self) -> bytes:
        """20 ms of the agent; b"": nothing has come."""
        with suppress(AudioNotActive, AudioRestarted):
            self._came += self.call.audio.read(MOST_BEHIND)
        self.has_sounded = self.has_sounded or bool(self._came)
        self._flows = len(self._came) >= (FRAME_BYTES if self._flows else HELD_BACK)
        while self._flows and len(self._came) >= FRAME_BYTES:
            frame = bytes(self._came[:FRAME_BYTES])
            del self._came[:FRAME_BYTES]
            if not _skipped(frame, len(self._came)):
                return frame
        return b""


def _skipped(frame: bytes, waiting_bytes: int) -> bool:
    """Whether it is left out, so that a conversation whose sound was held up once is not late to its end."""
    return waiting_bytes > (MOST_BEHIND if is_audible(frame) else BEHIND)


def trusting() -> str:
    """Lines of the stack's configuration: over TLS it believes whom this machine believes, and of itself everybody."""
    ours = ssl.get_default_verify_paths()
    places = {name: path for name, path in (("sip_cafile", ours.cafile), ("sip_capath", ours.capath)) if path}
    return "".join(f"{name} {value}\n" for name, value in {"sip_verify_server": "yes", **places}.items())


class Stack:
    """Of one process and one local address: the library allows no more."""

    def __init__(self, runtime: Runtime, local_address: str | None) -> None:
        self.local_address = local_address
        self._runtime = runtime
        self._identities: dict[tuple[object, ...], UserAgent] = {}
        self._users: dict[str, tuple[object, ...]] = {}  # the first identity of each
        self._legs: dict[int, Leg] = {}
        self._early: defaultdict[int, list[StackEvent]] = defaultdict(list)
        self._dialling = 0
        self._parting: set[asyncio.Task[None]] = set()
        runtime.subscribe(self._heard_of)

    @classmethod
    async def started(cls, local_address: str | None) -> Stack:
        """Raises BaresipError."""
        runtime = Runtime()
        await runtime.start(
            Config(
                net_interface=local_address,
                max_concurrent_calls=None,
                rtp_timeout=RTP_TIMEOUT_SECONDS,
                extra_config_text=trusting(),
            )
        )
        runtime.on_dead = lambda: os._exit(1)  # it cannot be started again here: another process can
        return cls(runtime, local_address)

    @property
    def is_idle(self) -> bool:
        return not self._legs and not self._dialling

    async def dial(self, agent: SipAgent, headers: dict[str, str]) -> Leg:
        """Raises Undialled."""
        self._dialling += 1
        try:
            call = await (await self._identity(agent)).dial(agent.address, headers=headers)
        except (BaresipError, ValueError) as fault:
            raise Undialled(str(fault)) from None
        finally:
            self._dialling -= 1
        leg = self._legs[call.handle] = Leg(call)
        for event in self._early.pop(call.handle, ()):
            self._happened(leg, event)
        if not self._dialling:
            self._early.clear()
        return leg

    def suits(self, agent: SipAgent) -> bool:
        """Whether this agent's REFERs would be heard."""
        return self._users.get(agent.from_user, _key(agent)) == _key(agent)

    async def _identity(self, agent: SipAgent) -> UserAgent:
        key = _key(agent)
        if key not in self._identities:
            account = Account(
                user=agent.from_user,
                domain=self.local_address or NOWHERE,
                password=agent.password,
                auth_user=agent.auth_user or agent.user or None,
                reg_interval=0,
                audio_codecs=agent.codecs,
            )
            made = await UserAgent.create(self._runtime, account, transfer_policy="manual")
            made.on_incoming(lambda call: self._spawn(call.reject()))  # nobody is called here
            self._identities[key] = made
            self._users.setdefault(agent.from_user, key)
        return self._identities[key]

    def _heard_of(self, event: StackEvent) -> None:
        if (leg := self._legs.get(event.call)) is not None:
            self._happened(leg, event)
        elif event.call and self._dialling:
            self._early[event.call].append(event)

    def _happened(self, leg: Leg, event: StackEvent) -> None:
        leg.happened(event)
        if leg.closed.done():
            self._legs.pop(leg.call.handle, None)

    async def end(self, leg: Leg) -> None:
        """At once where it has rung; else as soon as that can be said, whether or not anybody waits for it."""
        if leg.responded.is_set():
            with suppress(BaresipError):  # the other side was first
                await leg.call.hangup()
        else:
            self._spawn(self._end(leg))

    async def _end(self, leg: Leg) -> None:
        passed = asyncio.get_running_loop().time() - leg.dialled_at
        with suppress(TimeoutError):
            await asyncio.wait_for(leg.responded.wait(), NO_RESPONSE_SECONDS - passed)
        await leg.call.hangup()

    def _spawn(self, work: Any) -> None:
        async def quietly() -> None:
            with suppress(BaresipError):  # the other side was first
                await work

        task = asyncio.create_task(quietly())
        self._parting.add(task)
        task.add_done_callback(self._parting.discard)

    async def close(self) -> None:
        for task in self._parting:
            task.cancel()
        await self._runtime.close()


def _key(agent: SipAgent) -> tuple[object, ...]:
    """The same for agents that may share an identity."""
    return agent.from_user, agent.user, agent.auth_user, agent.password, agent.codecs


class Stacks:
    """The one of this process, once it is needed."""

    def __init__(self) -> None:
        self._stack: Stack | None = None
        self._changing = asyncio.Lock()

    async def for_agent(self, agent: SipAgent) -> Stack:
        """Raises Undialled."""
        async with self._changing:
            stack = self._stack
            if stack is not None and not (stack.local_address == agent.local_address and stack.suits(agent)):
                if stack.is_idle:
                    await stack.close()
                    self._stack = None
                elif stack.local_address != agent.local_address:
                    raise Undialled("calls of another `local_address` are in progress here: take one for all agents")
            if self._stack is None:
                try:
                    self._stack = await Stack.started(agent.local_address)
                except BaresipError as fault:
                    raise Undialled(f"the SIP stack does not start: {fault}") from None
            return self._stack
