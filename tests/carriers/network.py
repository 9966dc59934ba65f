"""The other side of a carrier, on this machine: a server that tests tell what it does, and those who are called."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

import uvicorn
from callees import speech
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

QUIET_SECONDS = 0.4  # after which whoever is called takes it that they may speak
HELD_UP_SECONDS = 0.2  # by which a busy machine may be late, and nothing that was not heard meanwhile is silence


class Quick(uvicorn.Server):
    """Ends once it is told to, and not when it looks next."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.told = asyncio.Event()

    async def main_loop(self) -> None:
        await self.told.wait()


@dataclass
class Network:
    """says: of whoever answers, in answer to all that the agent says, once it has fallen silent. presses: a key, while
    the agent speaks.

    hangs_up_after: seconds from the answer. loses: kinds of what it tells that get lost. twice: all is told twice.
    backwards: what is told of a call waits for its end, and comes after it. revoked: nobody's credentials are taken.
    rings_for: until they take their calls; gives_up_after: where they never do. Both may change while it rings.
    """

    silence: ClassVar[bytes]  # 20 ms

    url: str = ""
    says: bytes = b""
    presses: str = ""
    hangs_up_after: float | None = None
    loses: tuple[str, ...] = ()
    twice: bool = False
    backwards: bool = False
    revoked: bool = False
    rings_for: float = 0.05
    gives_up_after: float = 60.0
    calls: dict[str, Any] = field(default_factory=dict)  # all that there were
    requests: list[tuple[str, str, Mapping[str, Any]]] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    http: Quick | None = None
    serving: asyncio.Task[None] | None = None

    async def ask(self, request: Request) -> Response:
        raise NotImplementedError

    def routes(self) -> list[BaseRoute]:
        return [Route("/{path:path}", self.ask, methods=["GET", "POST", "DELETE"])]

    def call_to(self, number: str) -> Any:
        (call,) = [call for call in self.calls.values() if call.number == number]
        return call

    async def is_taken(self, call: Any, *, never: bool) -> bool:
        """Whether somebody takes it before it has rung for too long, or is wanted over."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not call.wanted_over.is_set():
            await asyncio.sleep(0.01)
            if loop.time() - began > (self.gives_up_after if never else self.rings_for):
                return not never
        return False

    def will_say(self, words: str) -> None:
        self.says = speech(words)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def stop(self) -> None:
        """From now on nobody is at its address."""
        assert self.http is not None and self.serving is not None
        self.closing.set()
        self.http.told.set()
        await self.serving


N = TypeVar("N", bound=Network)


@asynccontextmanager
async def served(made: N) -> AsyncIterator[N]:
    config = uvicorn.Config(
        Starlette(routes=made.routes()), port=0, log_config=None, lifespan="off", timeout_graceful_shutdown=1
    )
    made.http = Quick(config)
    made.serving = asyncio.create_task(made.http.serve())
    while not made.http.started:
        await asyncio.sleep(0.005)
    made.url = f"http://127.0.0.1:{made.http.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        left = list(made.tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await made.stop()


class Mouth:
    """Of whoever has answered."""

    def __init__(self, network: Network) -> None:
        self._says, self._silence, self._presses = network.says, network.silence, network.presses
        self._left = bytearray()
        self._heard = self._answered = 0
        self._quiet_since = 0.0

    async def sounds(self, call: Any) -> AsyncIterator[tuple[bytes, str]]:
        """What is said and pressed, every 20 ms. call: `spoken`, how much the agent has said to them."""
        loop = asyncio.get_running_loop()
        due = self._quiet_since = loop.time()
        while True:
            yield self._frame(call.spoken, loop.time(), loop.time() - due), self._key(call.spoken)
            due += 0.02
            await asyncio.sleep(max(0.0, due - loop.time()))

    def _frame(self, heard: int, now: float, late: float) -> bytes:
        if heard != self._heard or late > HELD_UP_SECONDS:
            self._quiet_since = now
        self._heard = heard
        if not self._left and heard > self._answered and now - self._quiet_since > QUIET_SECONDS:
            self._left += self._says
            self._answered = heard
        size = len(self._silence)
        frame = bytes(self._left[:size])
        del self._left[:size]
        return frame + self._silence[len(frame) :]

    def _key(self, heard: int) -> str:
        key = self._presses if heard > 10 * len(self._silence) else ""
        self._presses = self._presses[len(key) :]
        return key
