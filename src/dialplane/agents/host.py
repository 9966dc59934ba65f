"""`python -m dialplane.agents.host`: holds conversations in sound, which JSON lines give it.

In: prepare, talk, answer, stop. Out: ready, said, asks, done. It ends with its standard input, so that nothing is left
of a worker that has died. A signal that goes to everybody does not end it: the worker, which gets it too, lets its
calls come to their end first.
"""

from __future__ import annotations

import asyncio
import importlib
import itertools
import json
import os
import signal
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Final, cast

from dialplane.agents.hosted import HostedCall, Hosting, Talked
from dialplane.voice.wire import Wire

LINE_BYTES: Final = 1 << 24


class Host:
    def __init__(self) -> None:
        self._talks: dict[int, asyncio.Task[None]] = {}
        self._asked: dict[tuple[int, int], asyncio.Future[bool]] = {}
        self._numbers = itertools.count(1)

    async def obey(self, order: Mapping[str, Any]) -> None:
        number = order["id"]
        match order["do"]:
            case "prepare":
                why = await asyncio.to_thread(_prepared, order["kind"], order["definition"])
                tell(told="ready", id=number, why=why)
            case "talk":
                self._talks[number] = asyncio.create_task(self._talk(order))
            case "stop" if number in self._talks:
                self._talks[number].cancel()
            case "answer":
                answer = self._asked.get((number, order["number"]))
                if answer is not None and not answer.done():
                    answer.set_result(order["done"])

    async def _talk(self, order: Mapping[str, Any]) -> None:
        number = order["id"]
        talked = Talked(failure="it was stopped")
        try:
            talked = await self._held(order)
        except Exception as failure:
            traceback.print_exc()  # an agent's bug is nothing of the caller's, who waits for an answer
            talked = Talked(failure=str(failure) or type(failure).__name__)
        finally:
            del self._talks[number]
            tell(told="done", id=number, **asdict(talked))

    async def _held(self, order: Mapping[str, Any]) -> Talked:
        number = order["id"]
        try:
            wire = await Wire.connect(order["socket"])
        except OSError:
            return Talked()  # they have hung up meanwhile
        call = HostedCall(
            attempt=order["attempt"],
            campaign_id=order["campaign_id"],
            to_number=order["to_number"],
            from_number=order["from_number"],
            variables=order["variables"],
            wire=wire,
            since_seconds=order["since_seconds"],
            said=lambda speaker, text, at: tell(told="said", id=number, speaker=speaker, text=text, at=at),
            transfer=lambda to: self._ask(number, "transfer", to=to),
            hang_up=lambda: self._ask(number, "hang_up"),
        )
        try:
            return await _hosting(order["kind"]).talk(order["definition"], call)
        finally:
            await wire.close()

    async def _ask(self, number: int, what: str, **more: str) -> bool:
        asked = number, next(self._numbers)
        answer = self._asked[asked] = asyncio.get_running_loop().create_future()
        tell(told="asks", id=number, number=asked[1], what=what, **more)
        try:
            done: bool = await answer
            return done
        finally:
            del self._asked[asked]


def _prepared(kind: str, definition: Mapping[str, Any]) -> str:
    try:
        return _hosting(kind).prepare(definition)
    except ImportError as fault:
        return f"not installed: {fault.name}; pip install 'dialplane[voice,sip]' brings what is needed"


def _hosting(kind: str) -> Hosting:
    return cast(Hosting, importlib.import_module(f"dialplane.agents.{kind}.talk"))


def tell(**event: Any) -> None:
    with suppress(BrokenPipeError):  # the worker has died; standard input says so too
        os.write(sys.stdout.fileno(), json.dumps(event).encode() + b"\n")


async def main() -> None:
    sys.stdout = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for libraries, which print remarks of their own
    for everybodys in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(everybodys, signal.SIG_IGN)
    reader = asyncio.StreamReader(limit=LINE_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    host = Host()
    obeying: set[asyncio.Task[None]] = set()
    while line := await reader.readline():
        task = asyncio.create_task(host.obey(json.loads(line)))
        obeying.add(task)
        task.add_done_callback(obeying.discard)


if __name__ == "__main__":
    asyncio.run(main())
