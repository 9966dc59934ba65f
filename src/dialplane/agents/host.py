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
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict
from hashlib import sha256
from typing import Any, cast

from dialplane.agents.hosted import HostedCall, Hosting, Talked
from dialplane.errors import Invalid
from dialplane.voice.child import Worker
from dialplane.voice.wire import Wire


class Host:
    def __init__(self, tell: Callable[..., None]) -> None:
        self._tell = tell
        self._talks: dict[int, asyncio.Task[None]] = {}
        self._asked: dict[tuple[int, int], asyncio.Future[bool]] = {}
        self._prepared: dict[bytes, asyncio.Task[str]] = {}  # by what they prepare, its secrets included
        self._numbers = itertools.count(1)

    async def obey(self, order: Mapping[str, Any]) -> None:
        number = order["id"]
        match order["do"]:
            case "prepare":
                self._tell(told="ready", id=number, why=await self._prepare(order["kind"], order["definition"]))
            case "talk":
                self._talks[number] = asyncio.create_task(self._talk(order))
            case "stop" if number in self._talks:
                self._talks[number].cancel()
            case "answer":
                answer = self._asked.get((number, order["number"]))
                if answer is not None and not answer.done():
                    answer.set_result(order["done"])

    async def _prepare(self, kind: str, definition: Mapping[str, Any]) -> str:
        """Once for each definition, as it is asked before every call; what failed is tried again."""
        key = sha256(json.dumps([kind, definition], sort_keys=True).encode()).digest()
        if key not in self._prepared:
            self._prepared[key] = asyncio.create_task(asyncio.to_thread(_prepared, kind, definition))
        if why := await self._prepared[key]:
            self._prepared.pop(key, None)
        return why

    async def _talk(self, order: Mapping[str, Any]) -> None:
        number = order["id"]
        talked = Talked(failure="it was stopped")
        try:
            talked = await self._held(order)
        except Invalid as fault:
            talked = Talked(failure=str(fault))
        except Exception as failure:
            talked = Talked(failure=f"the agent failed: {_kind(failure)}")
        finally:
            del self._talks[number]
            self._tell(told="done", id=number, **asdict(talked))

    async def _held(self, order: Mapping[str, Any]) -> Talked:
        number = order["id"]
        try:
            wire = await Wire.connect(order["socket"])
        except OSError:  # they have hung up meanwhile, or nobody waits for the agent any more
            is_late = asyncio.get_running_loop().time() >= order["connect_by"]
            return Talked(failure="the agent's process was too busy for the call" if is_late else "")
        call = HostedCall(
            attempt=order["attempt"],
            campaign_id=order["campaign_id"],
            to_number=order["to_number"],
            from_number=order["from_number"],
            variables=order["variables"],
            wire=wire,
            since_seconds=order["since_seconds"],
            said=lambda speaker, text, at: self._tell(told="said", id=number, speaker=speaker, text=text, at=at),
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
        self._tell(told="asks", id=number, number=asked[1], what=what, **more)
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
    except Exception as fault:
        return f"the agent cannot be prepared: {_kind(fault)}"


def _kind(failure: Exception) -> str:
    """Without its words, which may hold a key; where it happened goes to the log."""
    traceback.print_tb(failure.__traceback__)
    return type(failure).__name__


def _hosting(kind: str) -> Hosting:
    return cast(Hosting, importlib.import_module(f"dialplane.agents.{kind}.talk"))


async def main() -> None:
    worker = Worker()
    host = Host(worker.tell)
    obeying: set[asyncio.Task[None]] = set()
    async for order in worker.orders():
        task = asyncio.create_task(host.obey(order))
        obeying.add(task)
        task.add_done_callback(obeying.discard)


if __name__ == "__main__":
    asyncio.run(main())
