"""Speech to text in processes of their own, for who does other things as well: while it listens, Python stands still.

`python -m dialplane.voice.apart`: JSON lines on standard input, an answer to each: the words, or the numbers of the
phrases that are in it. It ends with its standard input, so that nothing is left of a worker that has died.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from dialplane.voice.hearing import TIMEOUT_SECONDS, HearingFailed, Listener
from dialplane.voice.machines.phrases import PHRASES, Phrase, in_words
from dialplane.voice.machines.spotting import Spotting
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
        return str(await self._answer({"sound": _written(sound), "expected": list(expected)}))

    async def phrases(self, sound: bytes) -> Collection[Phrase]:
        """Those of machines, in what is said. Raises HearingFailed."""
        if self._settings.engine != POCKETSPHINX:
            return in_words(await self._here.understood(sound, ()))
        return [PHRASES[number] for number in await self._answer({"sound": _written(sound)})]

    async def _answer(self, question: Mapping[str, Any]) -> Any:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS), self._room:
                process = self._idle.pop() if self._idle else await _started()
                try:
                    answer = await _asked(process, question)
                except BaseException:
                    _end(process)  # nobody knows what it would answer next
                    raise
                self._idle.append(process)
                return answer
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


def _written(sound: bytes) -> str:
    return base64.b64encode(sound).decode()


async def _asked(process: Process, question: Mapping[str, Any]) -> Any:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(question).encode() + b"\n")
    await process.stdin.drain()
    return json.loads(await process.stdout.readline())["answer"]


def _end(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()


def main() -> None:
    for everybodys in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(
            everybodys, signal.SIG_IGN
        )  # the worker, which gets it too, lets its calls come to their end first
    listener, spotting = Listener(Hearing()), Spotting()
    for line in sys.stdin:
        asked = json.loads(line)
        sound = base64.b64decode(asked["sound"])
        if "expected" in asked:
            answer: object = listener.recognised(sound, tuple(asked["expected"]))
        else:
            answer = [PHRASES.index(phrase) for phrase in spotting.found(sound)]
        print(json.dumps({"answer": answer}), flush=True)


if __name__ == "__main__":
    main()
