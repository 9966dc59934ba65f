"""Speech to text in processes of their own, for who does other things as well: while it listens, Python stands still.

`python -m dialplane.voice.apart`: JSON lines on standard input, an answer to each. It ends with its standard input,
so that nothing is left of a worker that has died.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from dialplane.voice.hearing import TIMEOUT_SECONDS, HearingFailed, Listener
from dialplane.voice.settings import POCKETSPHINX, Hearing

PROCESSES: Final = min(4, max(1, (os.cpu_count() or 1) - 1))  # at most, each started when the others are busy


class ListenerApart:
    """As `Listener`."""

    def __init__(self, settings: Hearing) -> None:
        self._settings = settings
        self._here = Listener(settings)
        self._idle: list[Process] = []
        self._room = asyncio.Semaphore(PROCESSES)

    async def understood(self, sound: bytes, expected: Sequence[str]) -> str:
        """Raises HearingFailed."""
        if self._settings.engine != POCKETSPHINX:
            return await self._here.understood(sound, expected)
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS), self._room:
                process = self._idle.pop() if self._idle else await _started()
                try:
                    said = await _asked(process, sound, expected)
                except BaseException:
                    _end(process)  # nobody knows what it would answer next
                    raise
                self._idle.append(process)
                return said
        except (TimeoutError, OSError, ValueError, KeyError) as fault:
            raise HearingFailed(f"the process that listens has failed: {fault!r}") from fault

    async def close(self) -> None:
        for process in self._idle:
            _end(process)
        await asyncio.gather(*(process.wait() for process in self._idle))


async def _started() -> Process:
    # -P: a folder called dialplane, where the command was given, is not ours.
    return await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "dialplane.voice.apart", stdin=PIPE, stdout=PIPE
    )


async def _asked(process: Process, sound: bytes, expected: Sequence[str]) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    asked = {"sound": base64.b64encode(sound).decode(), "expected": list(expected)}
    process.stdin.write(json.dumps(asked).encode() + b"\n")
    await process.stdin.drain()
    return str(json.loads(await process.stdout.readline())["text"])


def _end(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()


def main() -> None:
    for everybodys in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(
            everybodys, signal.SIG_IGN
        )  # the worker, which gets it too, lets its calls come to their end first
    listener = Listener(Hearing())
    for line in sys.stdin:
        asked = json.loads(line)
        text = listener.recognised(base64.b64decode(asked["sound"]), tuple(asked["expected"]))
        print(json.dumps({"text": text}), flush=True)


if __name__ == "__main__":
    main()
