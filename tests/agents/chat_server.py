"""Models in OpenAI's shape, which answer what a test says and keep what they were asked: thought, hearing, speech."""

from __future__ import annotations

import asyncio
import json
import math
from array import array
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

pytest.importorskip("aiohttp")  # comes with pipecat
from aiohttp import web

HOST = "127.0.0.1"
SPEECH_RATE = 24_000
WORD_SECONDS = 0.2  # of made speech
TONE = array("h", (round(8000 * math.sin(math.tau * at / 80)) for at in range(80))).tobytes()
TOKENS = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}


@dataclass(frozen=True)
class Says:
    """In words, one after the other. until: after so many of them nothing more comes; breaks: the connection goes."""

    text: str
    until: int | None = None
    breaks: bool = False


@dataclass(frozen=True)
class Calls:
    """A tool. says: before, in the same answer."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    says: str = ""


@dataclass(frozen=True)
class Refuses:
    status: int


class Garbage:
    """What is no JSON."""


class Silence:
    """No answer at all."""


class Stops:
    """Sound of a quarter of the words, and then no more."""


class Endless:
    """An answer of a tool that comes to no end."""


Answer = Says | Calls | Refuses | Garbage | Silence


@dataclass
class ChatServer:
    """answers: to the questions of a conversation, in order, the last one again and again; analysis: to one about all.
    hears: what is transcribed, in order, the last one again and again. voice: how speech fares, likewise; None: well.
    """

    answers: deque[Answer] = field(default_factory=deque)
    hears: deque[str | Refuses] = field(default_factory=lambda: deque(["yes please"]))
    voice: deque[Refuses | Silence | Stops | None] = field(default_factory=lambda: deque([None]))
    spoken: list[str] = field(default_factory=list)
    tool: Any = None
    tools: list[tuple[dict[str, str], Any]] = field(default_factory=list)  # (headers, body), as they were called
    analysis: Any = field(default_factory=dict)
    knows_schemas: bool = True
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    delay_seconds: float = 0.0
    url: str = ""
    _over: asyncio.Event = field(default_factory=asyncio.Event)

    def messages(self, question: int) -> list[str]:
        """What stood in it, as "role: text"."""
        return [f"{each['role']}: {each.get('content')}" for each in self.asked[question]["messages"]]

    async def completions(self, request: web.Request) -> web.StreamResponse:
        question = await request.json()
        self.keys.append(request.headers.get("Authorization", ""))
        if not question.get("stream"):
            return self._analysed(question)
        self.asked.append(question)
        answer = _next(self.answers)
        await asyncio.sleep(self.delay_seconds)
        match answer:
            case Silence():
                await self._over.wait()
                return web.Response()
            case Refuses():
                return _refused(answer)
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        match answer:
            case Garbage():
                await stream.write(b"data: {broken\n\n")
            case Says():
                await self._say(stream, request, answer)
            case Calls():
                if answer.says:
                    await self._say(stream, request, Says(answer.says), closes=False)
                function = {"name": answer.name, "arguments": json.dumps(dict(answer.arguments))}
                call = {"index": 0, "id": f"call-{len(self.asked)}", "type": "function", "function": function}
                await _chunk(stream, {"tool_calls": [call]})
                await _last(stream, "tool_calls")
        await stream.write_eof()
        return stream

    async def _say(
        self, stream: web.StreamResponse, request: web.Request, answer: Says, *, closes: bool = True
    ) -> None:
        for place, word in enumerate(answer.text.split(" ")):
            if place == answer.until:
                if answer.breaks:
                    assert request.transport is not None
                    request.transport.abort()
                await self._over.wait()
            await _chunk(stream, {"content": word if place == 0 else f" {word}"})
        if closes:
            await _last(stream, "stop")

    def _analysed(self, question: dict[str, Any]) -> web.Response:
        if "response_format" in question and not self.knows_schemas:
            return web.json_response({"error": {"message": "no schemas here"}}, status=400)
        self.asked.append(question)
        text = self.analysis if isinstance(self.analysis, str) else json.dumps(self.analysis)
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        return web.json_response({"id": "1", "object": "chat.completion", "created": 0, "model": "m",
                                  "choices": [choice], "usage": TOKENS})  # fmt: skip

    async def transcriptions(self, request: web.Request) -> web.Response:
        await request.read()
        heard = _next(self.hears)
        return _refused(heard) if isinstance(heard, Refuses) else web.json_response({"text": heard})

    async def speech(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        self.spoken.append(asked["input"])
        fares = _next(self.voice)
        if isinstance(fares, Refuses):
            return _refused(fares)
        if isinstance(fares, Silence):
            await self._over.wait()
        sound = _tone(len(asked["input"].split()) * WORD_SECONDS)
        stream = web.StreamResponse()
        await stream.prepare(request)
        await stream.write(sound[: len(sound) // 8 * 2] if isinstance(fares, Stops) else sound)
        if isinstance(fares, Stops):
            await self._over.wait()
            return stream
        await stream.write_eof()
        return stream

    async def use_tool(self, request: web.Request) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else dict(request.query)
        self.tools.append((dict(request.headers), body))
        if isinstance(self.tool, Silence):
            await self._over.wait()
        if isinstance(self.tool, Endless):
            stream = web.StreamResponse()
            await stream.prepare(request)
            with suppress(ConnectionError):
                while not self._over.is_set():
                    await stream.write(4096 * b"x")
            return stream
        return _refused(self.tool) if isinstance(self.tool, Refuses) else web.json_response(self.tool)

    def close(self) -> None:
        self._over.set()


def _next(things: deque[Any]) -> Any:
    return things.popleft() if len(things) > 1 else things[0]


def _refused(refuses: Refuses) -> web.Response:
    return web.json_response({"error": {"message": "sk-secret says no", "code": None}}, status=refuses.status)


def _tone(seconds: float) -> bytes:
    return TONE * round(seconds * SPEECH_RATE / 80)


async def _chunk(stream: web.StreamResponse, delta: Mapping[str, Any], finish: str | None = None, **more: Any) -> None:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": choices, **more}
    await stream.write(f"data: {json.dumps(chunk)}\n\n".encode())


async def _last(stream: web.StreamResponse, finish: str) -> None:
    await _chunk(stream, {}, finish)
    await _chunk(stream, {}, choices=[], usage=TOKENS)
    await stream.write(b"data: [DONE]\n\n")


@asynccontextmanager
async def chat_server(*answers: Answer, **more: Any) -> AsyncIterator[ChatServer]:
    server = ChatServer(deque(answers), **more)
    app = web.Application()
    app.router.add_post("/v1/chat/completions", server.completions)
    app.router.add_post("/v1/audio/transcriptions", server.transcriptions)
    app.router.add_post("/v1/audio/speech", server.speech)
    app.router.add_route("*", "/tool", server.use_tool)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, HOST, 0)
    await site.start()
    server.url = f"http://{HOST}:{runner.addresses[0][1]}/v1"
    try:
        yield server
    finally:
        server.close()
        await runner.cleanup()
