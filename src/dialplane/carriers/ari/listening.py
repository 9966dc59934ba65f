"""What Asterisk tells of one Stasis application: over a WebSocket, which is opened again whenever it breaks."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from dialplane.carriers.ari.asterisk import Asterisk
from dialplane.errors import CarrierUnavailable

OPEN_SECONDS, CLOSE_SECONDS = 5.0, 1.0
SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 10.0  # between tries
MOST_BYTES: Final = 1_000_000  # of an event
REPLACED: Final = "ApplicationReplaced"

Event = Mapping[str, Any]
log = structlog.get_logger()


class Listening:
    """The newest WebSocket of an application hears of it, and no other: each has a name of its own."""

    def __init__(
        self,
        asterisk: Asterisk,
        app: str,
        tell: Callable[[Event], None],
        again: Callable[[], Awaitable[None]],
        *,
        reclaims: bool,
    ) -> None:
        """again: it is open once more, and what was said meanwhile nobody has heard. reclaims: it takes the application
        back from whoever has replaced it, instead of leaving it.
        """
        self._url = f"ws{asterisk.url.removeprefix('http')}/ari/events?{urlencode({'app': app})}"
        secret = base64.b64encode(f"{asterisk.user}:{asterisk.password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {secret}"}
        self._app = app
        self._tell = tell
        self._again = again
        self._reclaims = reclaims
        self._running: asyncio.Task[None] | None = None
        self._tried = asyncio.Event()
        self._fault: str | None = None  # None while it is open

    async def ready(self, seconds: float) -> None:
        """Return once it is open. Raises CarrierUnavailable, at once where it is known to be broken."""
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        try:
            async with asyncio.timeout(seconds):
                await self._tried.wait()
        except TimeoutError:
            raise CarrierUnavailable("Asterisk's events do not come: it does not answer in time") from None
        if self._fault is not None:
            raise CarrierUnavailable(f"Asterisk's events do not come: {self._fault}")

    async def _run(self) -> None:
        pause = SHORTEST_PAUSE_SECONDS
        while True:
            try:
                async with connect(
                    self._url,
                    additional_headers=self._headers,
                    open_timeout=OPEN_SECONDS,
                    close_timeout=CLOSE_SECONDS,
                    max_size=MOST_BYTES,
                ) as socket:
                    pause = SHORTEST_PAUSE_SECONDS
                    await self._opened()
                    if await self._replaced(socket) and not self._reclaims:
                        return self._broke("another worker hears of it")
                self._broke("the connection was closed")
            except (OSError, TimeoutError, WebSocketException) as fault:
                self._broke(str(fault) or type(fault).__name__)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _replaced(self, socket: ClientConnection) -> bool:
        """Once it is over: whether a newer connection hears of the application."""
        async for message in socket:
            if self._heard(message) == REPLACED:
                return True
        return False

    async def _opened(self) -> None:
        is_again, self._fault = self._tried.is_set(), None
        self._tried.set()
        if is_again:
            log.info("ari.events_again", app=self._app)
            await self._again()

    def _broke(self, fault: str) -> None:
        if self._fault is None:
            log.warning("ari.events_lost", app=self._app, error=fault)
        self._fault = fault
        self._tried.set()

    def _heard(self, message: str | bytes) -> object:
        """The type of the event."""
        try:
            event: dict[str, Any] = json.loads(message)
            self._tell(event)
            return event.get("type")
        except Exception:
            # Of one event; the others, and the calls that they are about, must not be lost with it.
            log.exception("ari.event_failed", app=self._app)
            return None

    async def close(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
