"""A conversation that the user's voice server holds: the call's sound to it, and its sound to the call."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final
from uuid import UUID, uuid4

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from dialplane.agents import fields
from dialplane.agents.hosted import HostedCall, Talked, until_one_ends
from dialplane.agents.script import NUMBER
from dialplane.agents.websocket import messages, socket
from dialplane.agents.websocket.definition import VoiceServer
from dialplane.agents.websocket.messages import MOST_VALUES_BYTES, NotUnderstood, Told
from dialplane.agents.websocket.playing import Flooded, Playing
from dialplane.agents.websocket.socket import Unreachable
from dialplane.voice.wire import AUDIO, DIGIT, MARK

FRAME_SECONDS: Final = 0.02
UNREAD_SECONDS: Final = 5.0  # a server that takes nothing for so long has stopped listening
MOST_UTTERANCES: Final = 2000
THEIRS, OURS = "theirs ", "ours "  # what marks begin with on the way to the call


class Failed(Exception):
    """The server cannot go on with it; the text says what it did."""


def prepare(definition: Mapping[str, Any]) -> str:
    """It has nothing to load."""
    VoiceServer.from_definition(definition)
    return ""


async def talk(definition: Mapping[str, Any], call: HostedCall) -> Talked:
    server = VoiceServer.from_definition(definition)
    conversation = _Conversation(server, call)
    failure = ""
    try:
        await until_one_ends(conversation.follow(), conversation.serve(_parameters(server, call)))
    except (Failed, Flooded, NotUnderstood, Unreachable) as fault:
        failure = f"the agent's server {'sent ' if isinstance(fault, (Flooded, NotUnderstood)) else ''}{fault}"
    finally:
        await conversation.leave()
    return Talked(gathered=conversation.gathered, opted_out=conversation.opted_out, failure=failure)


def _parameters(server: VoiceServer, call: HostedCall) -> Mapping[str, str]:
    """What stands in `customParameters`. Raises Invalid."""
    ours = {"attempt_id": call.attempt, "to_number": call.to_number, "from_number": call.from_number}
    if server.parameters is None:
        return {**ours, **call.variables}
    return {**ours, **{name: fields.filled(text, call.variables) for name, text in server.parameters.items()}}


class _Conversation:
    def __init__(self, server: VoiceServer, call: HostedCall) -> None:
        self._server = server
        self._call = call
        self._told = Told(
            stream_sid=f"MZ{uuid4().hex}", call_sid=f"CA{UUID(call.attempt).hex}", account_sid=server.account_sid
        )
        self._playing = Playing(call.wire.send)
        self._socket: ClientConnection | None = None
        self._begun = False  # the server has been told whose call it is
        self._ticks = 0  # since the wire's first frame
        self._opened_at = self._last_at = 0  # ticks
        self._has_spoken = False
        self._marks: dict[str, asyncio.Event] = {}  # of ours
        self._utterances = 0
        self._handing: asyncio.Task[None] | None = None
        self._handed_over = False
        self.gathered: dict[str, Any] = {}
        self.opted_out = False

    # --- the call ------------------------------------------------------------------------------------------------

    async def follow(self) -> None:
        """Until the call ends. Raises Failed."""
        async for kind, content in self._call.wire:
            if kind == AUDIO:
                self._ticks += 1
                self._playing.tick()
                self._check()
                await self._tell(self._told.media, content)
            elif kind == DIGIT:
                await self._tell(self._told.dtmf, content.decode())
            elif kind == MARK:
                await self._reached(content.decode())

    async def _reached(self, name: str) -> None:
        if name.startswith(OURS):
            self._marks[name].set()
        else:
            await self._tell(self._told.mark, name.removeprefix(THEIRS))

    def _check(self) -> None:
        """The call is the clock, as it brings sound every 20 ms. Raises Failed."""
        if self._socket is None or not self._begun:
            return
        if not self._has_spoken and self._passed(self._opened_at) > self._server.first_audio_seconds:
            raise Failed(f"has sent no sound within {self._server.first_audio_seconds:g} s")
        if self._passed(self._last_at) > self._server.max_silence_seconds:
            raise Failed(f"has sent nothing for {self._server.max_silence_seconds:g} s")

    def _passed(self, since: int) -> float:
        return (self._ticks - since) * FRAME_SECONDS

    async def _said(self, what: str) -> None:
        """Return when all has been said that was given until now."""
        name = OURS + what
        self._marks[name] = asyncio.Event()
        self._playing.mark(name)
        await self._marks[name].wait()

    # --- the server ----------------------------------------------------------------------------------------------

    async def serve(self, parameters: Mapping[str, str]) -> None:
        """Until the server is done and its last word has been heard, and the call is hung up. Raises what `talk` takes
        for its failure.
        """
        self._socket = connection = await socket.opened(self._server)
        with suppress(ConnectionClosed):
            await connection.send(self._told.connected())
            await connection.send(self._told.start(parameters))
        self._opened_at = self._last_at = self._ticks
        self._begun = True
        broke = await self._listen(connection)
        self._socket = None
        if self._handing is not None:
            await asyncio.wait((self._handing,))  # whether or not the server waits for that
        if self._handed_over:
            return
        if not self._has_spoken:
            raise Failed(broke or "closed the socket before it had sent any sound")
        await self._said("last word")
        if broke:
            raise Failed(broke)
        await self._call.hang_up()

    async def _listen(self, connection: ClientConnection) -> str:
        """Why it broke off; "" where it is done."""
        try:
            async for message in connection:
                self._last_at = self._ticks
                self._take(messages.read(message))
                await self._call.wire.drain()
                await asyncio.sleep(0)  # who sends without a pause is not the only one that is served here
        except ConnectionClosed as fault:
            return socket.why_closed(fault)
        except OSError:
            await asyncio.Event().wait()  # the call is gone, as `follow` is about to see
        return ""

    def _take(self, heard: messages.Heard) -> None:
        match heard:
            case messages.Media(ulaw):
                self._has_spoken = self._has_spoken or bool(ulaw)
                self._playing.add(ulaw)
            case messages.Mark(name):
                self._playing.mark(THEIRS + name)
            case messages.Clear():
                self._playing.clear()
            case messages.Transcript(speaker, text):
                self._utterances += 1
                if self._utterances > MOST_UTTERANCES:
                    raise Failed(f"sent more than {MOST_UTTERANCES:,} lines of transcript")
                self._call.said(speaker, text, self._call.since_seconds + self._passed(0))
            case messages.Gathered(values):
                self.gathered |= values
                if len(json.dumps(self.gathered)) > MOST_VALUES_BYTES:
                    raise Failed(f"gathered more than {MOST_VALUES_BYTES:,} bytes")
            case messages.OptOut():
                self.opted_out = True
            case messages.Transfer(to) if self._handing is None:
                self._handing = asyncio.create_task(self._hand_over(to))

    async def _hand_over(self, to: str) -> None:
        """Once its words before have been heard."""
        await self._said("transfer")
        if NUMBER.fullmatch(to) and await self._call.transfer(to):
            self._handed_over = True
            await self.leave()
            return
        self._handing = None
        with suppress(Failed):  # which `follow` is about to see, too
            await self._tell(self._told.not_transferred, to)

    async def _tell(self, message: Any, *content: str | bytes) -> None:
        """Nothing, while nobody is there to hear it. Raises Failed."""
        connection = self._socket
        if connection is None or not self._begun:
            return
        try:
            async with asyncio.timeout(UNREAD_SECONDS):
                await connection.send(message(*content))
        except TimeoutError:
            raise Failed(f"has taken no sound for {UNREAD_SECONDS:g} s") from None
        except ConnectionClosed:
            pass  # `serve` knows

    async def leave(self) -> None:
        """The server is told that it is over."""
        connection, self._socket = self._socket, None
        if connection is not None:
            with suppress(ConnectionClosed, TimeoutError):
                async with asyncio.timeout(socket.CLOSE_SECONDS):
                    if self._begun:
                        await connection.send(self._told.stop())
            await connection.close()
        if self._handing is not None and self._handing is not asyncio.current_task():
            self._handing.cancel()
