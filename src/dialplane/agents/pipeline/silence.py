"""What an agent does when nobody says anything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from dialplane.agents.pipeline.definition import Silence
from dialplane.agents.pipeline.timer import Timer


class Hush:
    """say: a prompt. end: the call."""

    def __init__(
        self, settings: Silence, say: Callable[[str], Awaitable[None]], end: Callable[[], Awaitable[None]]
    ) -> None:
        self._settings = settings
        self._say = say
        self._end = end
        self._prompted = 0
        self._timer = Timer(self._due)

    def falls(self) -> None:
        """From now on nobody speaks."""
        last = self._prompted == len(self._settings.prompts)
        self._timer.start(self._settings.hang_up_after_seconds if last else self._settings.prompt_after_seconds)

    def breaks(self) -> None:
        self._timer.stop()

    def they_speak(self) -> None:
        """The other side: the prompts begin anew."""
        self._timer.stop()
        self._prompted = 0

    async def _due(self) -> None:
        if self._prompted == len(self._settings.prompts):
            await self._end()
        else:
            self._prompted += 1
            await self._say(self._settings.prompts[self._prompted - 1])
