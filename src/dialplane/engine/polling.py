"""The queue's way to the database behind a pooler: it asks, and does not listen."""

from __future__ import annotations

from collections.abc import Callable

from pgqueuer import AsyncpgPoolDriver


class PollingDriver(AsyncpgPoolDriver):
    """A session that listens would be somebody else's a moment later, and what it hears lost."""

    async def add_listener(self, channel: str, callback: Callable[[str | bytes | bytearray], None]) -> None:
        """Nothing is ever heard; whoever waits for a job looks every few seconds anyway."""
