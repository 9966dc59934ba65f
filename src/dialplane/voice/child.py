"""A process of our own, spoken to in JSON lines. It ends with its standard input: nothing is left of a dead worker."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any, Final, Self

LINE_BYTES: Final = 1 << 24
EVERYBODYS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # signals that a whole group is sent


class Child:
    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._stdin, self._stdout = process.stdin, process.stdout

    @classmethod
    async def start(cls, module: str) -> Self:
        """`python -m <module>`. Raises OSError."""
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # a folder called dialplane, where the command was given, is not ours
                "-m",
                module,
                stdin=PIPE,
                stdout=PIPE,
                start_new_session=True,  # Ctrl-C at the terminal is for the worker, whose calls go on
                limit=LINE_BYTES,
            )
        )

    @property
    def is_alive(self) -> bool:
        return self._process.returncode is None

    def send(self, order: Mapping[str, Any]) -> None:
        """At once; a process that has ended hears nothing, and `told` says so."""
        if self.is_alive:
            self._stdin.write(json.dumps(order).encode() + b"\n")

    async def told(self) -> dict[str, Any] | None:
        """What it says next; None: nothing more. Raises ValueError: what it says is not understood."""
        line = await self._stdout.readline()
        told: dict[str, Any] | None = json.loads(line) if line else None
        return told

    async def close(self, seconds: float) -> None:
        """It has this long to end by itself."""
        self._stdin.close()
        try:
            async with asyncio.timeout(seconds):
                await self._process.wait()
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


class Worker:
    """The other end, in the process itself: what `Child` sends comes here.

    What is printed there is not taken for what is told: a line of a log would be the end of all that it does.
    """

    def __init__(self) -> None:
        self._told = os.dup(1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for libraries, which print remarks of their own
        sys.stdout = sys.stderr
        for each in EVERYBODYS:
            signal.signal(each, signal.SIG_IGN)  # the worker gets it too, and lets its calls come to their end

    def tell(self, **event: Any) -> None:
        with suppress(BrokenPipeError):  # the worker has died; standard input says so too
            os.write(self._told, json.dumps(event).encode() + b"\n")

    async def orders(self) -> AsyncIterator[Mapping[str, Any]]:
        """Until the worker closes standard input, or dies."""
        reader = asyncio.StreamReader(limit=LINE_BYTES)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            yield json.loads(line)
