"""Processes beside this one: started, started again when they die, told to stop, waited for."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 30.0
STEADY_SECONDS = 60.0  # who lived as long starts again at once

log = structlog.get_logger()


@dataclass
class Children:
    """`dialplane` commands that run as long as this process does: they stop when their standard input ends."""

    commands: Sequence[Sequence[str]]
    _running: dict[int, asyncio.subprocess.Process] = field(default_factory=dict)
    _keepers: list[asyncio.Task[None]] = field(default_factory=list)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def start(self) -> None:
        self._keepers = [asyncio.create_task(self._keep(i, command)) for i, command in enumerate(self.commands)]

    def stop(self) -> None:
        """The first time: let calls end. The second: hang up. The third: leave at once."""
        self._stopping.set()
        for process in self._running.values():
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)

    async def wait(self) -> None:
        """Until all have ended after `stop`."""
        await asyncio.gather(*self._keepers)

    async def _keep(self, index: int, command: Sequence[str]) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            began = asyncio.get_running_loop().time()
            # A session of its own: Ctrl-C at the terminal is this process's to pass on.
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "dialplane.cli.main",
                *command,
                "--with-parent",
                stdin=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
            self._running[index] = process
            if self._stopping.is_set():
                process.send_signal(signal.SIGTERM)
            code = await process.wait()
            del self._running[index]
            if self._stopping.is_set():
                return
            lived = asyncio.get_running_loop().time() - began
            pause = FIRST_PAUSE_SECONDS if lived > STEADY_SECONDS else min(2 * pause, LONGEST_PAUSE_SECONDS)
            log.error("process.died", command=command[0], exit_code=code, again_in_seconds=pause)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)


async def when_parent_leaves(stop: Callable[[], None]) -> None:
    """Call `stop` once standard input has ended: the parent has left, in whatever way."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(1024):
        pass
    stop()
