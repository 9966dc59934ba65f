"""A SIP carrier in real time, with its listener: calls in a line each, and waiting for what becomes of them."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from callees import HOST, Callee
from contract import Heard, order_to

from dialplane.carriers.sip.carrier import SipCarrier
from dialplane.carriers.sip.trunk import Trunk
from dialplane.clocks import RealClock
from dialplane.core.attempt import Order
from dialplane.files import LocalFiles
from dialplane.ports import Answered, Ended, Line

PERSON = "+14155550101"


class Stage:
    """changes: of the trunk, beyond what its settings allow; such as a ring timeout that suits tests."""

    def __init__(self, settings: Mapping[str, Any], folder: Path, **changes: Any) -> None:
        self.folder = folder
        self.clock = RealClock()
        self.carrier = SipCarrier(
            replace(Trunk.from_settings(settings), **changes), settings, self.clock, LocalFiles(folder)
        )
        self.heard = Heard()
        self.carrier.listen(self.heard)

    def call(self, to_number: str = PERSON) -> Order:
        return order_to(to_number, at=datetime.now(UTC))

    async def placed(self, to_number: str = PERSON) -> Order:
        order = self.call(to_number)
        await self.carrier.place(order)
        return order

    async def end(self, order: Order, seconds: float = 15) -> Ended:
        await until(lambda: "Ended" in self.heard.kinds(order), seconds, "the end of the call")
        return self.heard.end(order)

    async def ended(self, to_number: str = PERSON, seconds: float = 15) -> Ended:
        return await self.end(await self.placed(to_number), seconds)

    async def line(self, order: Order, seconds: float = 10) -> Line:
        await until(lambda: "Answered" in self.heard.kinds(order), seconds, "the answer")
        answered = next(event for event in self.heard.of(order) if isinstance(event, Answered))
        assert answered.line is not None
        return answered.line

    async def answered(self, to_number: str = PERSON) -> tuple[Order, Line]:
        order = await self.placed(to_number)
        return order, await self.line(order)


async def until(happened: Callable[[], bool], seconds: float = 15, what: str = "it") -> None:
    give_up_at = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < give_up_at, f"waited too long for {what}"
        await asyncio.sleep(0.02)


def phones_of(pid: int | None = None) -> list[int]:
    """Ids of the SIP processes that a process has started."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                command = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if parent == (pid or os.getpid()) and b"dialplane.carriers.sip.phone" in command:
                found.append(int(folder.name))
    return sorted(found)


def is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def press(called: Callee, key: str) -> None:
    """The one who was called last presses a key: RFC 4733, as callee's telephones send it."""
    invite = called.received("INVITE")[-1]
    port = int(re.findall(r"m=audio (\d+)", invite)[0])
    event = "0123456789*#".index(key)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rtp:
        for ordinal in range(8):
            marker, last = (0x80 if ordinal == 0 else 0), (0x80 if ordinal >= 5 else 0)
            header = struct.pack(">BBHII", 0x80, marker | 101, 1000 + ordinal, 160_000, 0xD1A1)
            rtp.sendto(header + struct.pack(">BBH", event, last | 10, 160 * min(ordinal + 1, 6)), (HOST, port))
            time.sleep(0.01)
