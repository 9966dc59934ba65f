"""SIP processes of one trunk: started as calls need them, missed when they die."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, Self

import structlog

from dialplane.core.disposition import Disposition
from dialplane.errors import CarrierRefused, CarrierUnavailable
from dialplane.voice.child import Child

CALLS_EACH: Final = 150  # more, and the stack's table of calls is full
STARTS_PER_SECOND: Final = 15  # more, and ending calls takes longer than making them
MOST_PHONES: Final = 16
READY_SECONDS: Final = 15.0
LEAVING_SECONDS: Final = 5.0
RTP_TIMEOUT_SECONDS: Final = 60  # without any sound, and a call is taken for dead
MODULE: Final = "dialplane.carriers.sip.phone"

Told = Mapping[str, Any]

log = structlog.get_logger()


class Phone:
    """One process. calls: names of those that it has."""

    def __init__(self, child: Child, told: Callable[[Told], None], lost: Callable[[Phone], None]) -> None:
        self.calls: set[str] = set()
        self._child = child
        self._told = told
        self._lost = lost
        self._starts: deque[float] = deque(maxlen=STARTS_PER_SECOND)
        self._reading: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, trunk: Mapping[str, Any], told: Callable[[Told], None], lost: Callable[[Phone], None]) -> Self:
        """Raises CarrierUnavailable."""
        try:
            made = cls(await Child.start(MODULE), told, lost)
        except OSError as fault:
            raise CarrierUnavailable(f"the SIP process did not start: {fault}") from fault
        await made._begin(trunk)
        return made

    async def _begin(self, trunk: Mapping[str, Any]) -> None:
        self.send({"trunk": trunk, "rtp_timeout_seconds": RTP_TIMEOUT_SECONDS})
        try:
            async with asyncio.timeout(READY_SECONDS):
                first = await self._child.told()
        except TimeoutError:
            first = {"told": "failed", "why": f"it was not ready within {READY_SECONDS:g} s"}
        if first is None or first["told"] != "ready":
            await self.close()
            raise CarrierUnavailable(f"the SIP process did not start: {first['why'] if first else 'it ended'}")
        self._reading = asyncio.create_task(self._read())

    @property
    def is_alive(self) -> bool:
        return self._child.is_alive

    def has_room(self) -> bool:
        return self.is_alive and len(self.calls) < CALLS_EACH

    def next_start_at(self) -> float:
        """On the monotonic clock."""
        return self._starts[0] + 1 if len(self._starts) == STARTS_PER_SECOND else 0.0

    def count_start(self) -> None:
        self._starts.append(time.monotonic())

    def send(self, order: Mapping[str, Any]) -> None:
        self._child.send(order)

    async def _read(self) -> None:
        try:
            while (told := await self._child.told()) is not None:
                try:
                    self._told(told)
                except Exception:
                    log.exception("sip.not_understood", told=told.get("told"))
        except ValueError:
            log.exception("sip.not_understood")
            await self._child.kill()  # what it says from here on nobody would hear
        await self._child.close(LEAVING_SECONDS)
        self._lost(self)

    async def close(self) -> None:
        """It hangs up what it has, and ends."""
        self.send({"do": "leave"})
        await self._child.close(LEAVING_SECONDS)
        if self._reading is not None:
            await self._reading


class Phones:
    """As many processes as the calls need. on_told: what a process says; on_lost: one has died, with these calls."""

    def __init__(
        self, trunk: Mapping[str, Any], on_told: Callable[[Told], None], on_lost: Callable[[set[str]], None]
    ) -> None:
        self._trunk = trunk
        self._on_told = on_told
        self._on_lost = on_lost
        self._phones: list[Phone] = []
        self._starting: asyncio.Task[None] | None = None
        self._closing = False

    async def ready(self) -> None:
        """One of them has been started, and registered where that is wanted. Raises CarrierUnavailable."""
        if not self._phones:
            await asyncio.shield(self._started())

    async def pick(self) -> Phone:
        """One with a line left, whose pace allows another start at once. Raises CarrierRefused, CarrierUnavailable."""
        while not self._closing:
            now = time.monotonic()
            free = [phone for phone in self._phones if phone.has_room()]
            if ready := [phone for phone in free if phone.next_start_at() <= now]:
                chosen = min(ready, key=lambda phone: len(phone.calls))
                chosen.count_start()
                return chosen
            if len(self._phones) < MOST_PHONES:
                # Whoever gives up waiting leaves it starting: the next call finds it.
                await asyncio.shield(self._started())
            elif free:
                await asyncio.sleep(min(phone.next_start_at() for phone in free) - now)
            else:
                raise CarrierRefused(Disposition.CAPACITY, cause="every SIP process has as many calls as it can carry")
        raise CarrierUnavailable("this carrier has been closed")

    def _started(self) -> asyncio.Task[None]:
        if self._starting is None or self._starting.done():
            self._starting = asyncio.create_task(self._start())
        return self._starting

    async def _start(self) -> None:
        self._phones.append(await Phone.start(self._trunk, self._on_told, self._lost))

    def _lost(self, phone: Phone) -> None:
        self._phones.remove(phone)
        if not self._closing:
            log.error("sip.process_died", calls=len(phone.calls))
        if phone.calls:
            self._on_lost(phone.calls)

    async def close(self) -> None:
        self._closing = True
        if self._starting is not None:
            await asyncio.wait([self._starting])
        await asyncio.gather(*(phone.close() for phone in list(self._phones)))
