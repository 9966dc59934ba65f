"""What has answered a call, as it becomes known: heard here, or said by the carrier."""

from __future__ import annotations

import asyncio

from dialplane.core.answered_by import PEOPLE, AnsweredBy


class Answering:
    """value: None until anything is known."""

    def __init__(self) -> None:
        self.value: AnsweredBy | None = None
        self._is_no_person = asyncio.Event()

    def told(self, value: AnsweredBy) -> None:
        """What is no person stays that."""
        if not self._is_no_person.is_set():
            self.value = value
            if value not in PEOPLE:
                self._is_no_person.set()

    async def no_person(self) -> AnsweredBy:
        """Return once it turns out that no person has answered; where one has, never."""
        await self._is_no_person.wait()
        assert self.value is not None
        return self.value
