"""SIP processes of one trunk: started as calls need them, missed when they die."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import structlog

from dialplane.core.disposition import Disposition
from dialplane.errors import CarrierRefused, CarrierUnavailable

CALLS_EACH: Final = 150  # more, and the stack's table of calls is full
STARTS_PER_SECOND: Final = 15  # more, and ending calls takes longer than making them
MOST_PHONES: Final = 16
READY_SECONDS: Final = 15.0
LEAVING_SECONDS: Final = 5.0
RTP_TIMEOUT_SECONDS: Final = 60  # without any sound, and a call is taken for dead
LINE_BYTES: Final = 1 << 20

Told = Mapping[str, Any]

log = structlog.get_logger()


class Phone:
    """One process. calls: names of those that it has."""

    def __init__(self, told: Callable[[Told], None], lost: Callable[[Phone], None]) -> None:
        self.calls: set[str] = set()
        self._told = told
        self._lost = lost
        self._starts: deque[float] = deque(maxlen=STARTS_PER_SECOND)
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def has_room(self) -> bool:
        return self.is_alive and len(self.calls) < CALLS_EACH

    def next_start_at(self) -> float:
        """On the monotonic clock."""
        return self._starts[0] + 1 if len(self._starts) == STARTS_PER_SECOND else 0.0

    def count_start(self) -> None:
        self._starts.append(time.monotonic())

    async def start(self, trunk: Mapping[str, Any]) -> None:
        """Raises CarrierUnavailable."""
        # -P: a folder called dialplane, where the command was given, is not ours.
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "dialplane.carriers.sip.phone",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C at the terminal is for the worker, whose calls go on
            limit=LINE_BYTES,
        )
        self.send({"trunk": trunk, "rtp_timeout_seconds": RTP_TIMEOUT_SECONDS})
        try:
            async with asyncio.timeout(READY_SECONDS):
                first = await self._next()
        except TimeoutError:
            first = {"told": "failed", "why": f"it was not ready within {READY_SECONDS:g} s"}
        if first is None or first["told"] != "ready":
            await self.close()
            raise CarrierUnavailable(f"the SIP process did not start: {first['why'] if first else 'it ended'}")
        self._reading = asyncio.create_task(self._read())

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def send(self, order: Mapping[str, Any]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")

    async def _next(self) -> dict[str, Any] | None:
        assert self._process is not None
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        told: dict[str, Any] | None = json.loads(line) if line else None
        return told

    async def _read(self) -> None:
        assert self._process is not None
        try:
            while (told := await self._next()) is not None:
                try:
                    self._told(told)
                except Exception:
                    log.exception("sip.not_understood", told=told.get("told"))
        except ValueError:
            log.exception("sip.not_understood")
            self._process.kill()  # what it says from here on nobody would hear
        await self._process.wait()
        self._lost(self)

    async def close(self) -> None:
        """It hangs up what it has, and ends."""
        if self._process is None or self._process.returncode is not None:
            return
        assert self._process.stdin is not None
        self.send({"do": "leave"})
        self._process.stdin.close()
        try:
            async with asyncio.timeout(LEAVING_SECONDS):
                await self._process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
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
        phone = Phone(self._on_told, self._lost)
        await phone.start(self._trunk)
        self._phones.append(phone)

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
