"""Speech to text in processes of their own, for who does other things as well: while it listens, Python stands still.

`python -m dialplane.voice.apart`: JSON lines on standard input, an answer to each: the words, or the numbers of the
phrases that are in it.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from dialplane.voice.child import Child, Worker
from dialplane.voice.hearing import TIMEOUT_SECONDS, HearingFailed, Listener
from dialplane.voice.machines.phrases import PHRASES, Phrase, in_words
from dialplane.voice.machines.spotting import Spotting
from dialplane.voice.settings import POCKETSPHINX, Hearing

MODULE: Final = "dialplane.voice.apart"
PROCESSES: Final = min(4, max(1, (os.cpu_count() or 1) - 1))  # at most, each started when the others are busy


class ListenerApart:
    """As `Listener`."""

    def __init__(self, settings: Hearing) -> None:
        self._settings = settings
        self._here = Listener(settings)
        self._idle: list[Child] = []
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
                child = self._idle.pop() if self._idle else await Child.start(MODULE)
                try:
                    child.send(question)
                    told = await child.told()
                    if told is None:
                        raise HearingFailed("the process that listens has died")
                except BaseException:
                    await child.kill()  # nobody knows what it would answer next
                    raise
                self._idle.append(child)
                return told["answer"]
        except (TimeoutError, OSError, ValueError) as fault:
            raise HearingFailed(f"the process that listens has failed: {fault!r}") from fault

    async def close(self) -> None:
        await asyncio.gather(*(child.kill() for child in self._idle))


def _written(sound: bytes) -> str:
    return base64.b64encode(sound).decode()


def main() -> None:
    worker = Worker()
    listener, spotting = Listener(Hearing()), Spotting()
    for line in sys.stdin:
        asked = json.loads(line)
        sound = base64.b64decode(asked["sound"])
        if "expected" in asked:
            answer: object = listener.recognised(sound, tuple(asked["expected"]))
        else:
            answer = [PHRASES.index(phrase) for phrase in spotting.found(sound)]
        worker.tell(answer=answer)


if __name__ == "__main__":
    main()
