"""Calls in a line each, and waiting for what becomes of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

from contract import Heard, order_to

from dialplane.core.attempt import Order
from dialplane.ports import Answered, Carrier, Ended, Line

PERSON, FOREVER = "+14155550106", "+14155550102"


async def until(happened: Callable[[], object], seconds: float = 15, what: str = "it") -> None:
    give_up_at = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < give_up_at, f"waited too long for {what}"
        await asyncio.sleep(0.01)


class Calls:
    """By a carrier in real time, with its listener. person: whom it calls where nobody is named."""

    carrier: Carrier
    heard: Heard
    person = PERSON

    def call(self, to_number: str = "") -> Order:
        return order_to(to_number or self.person, at=datetime.now(UTC))

    async def placed(self, to_number: str = "") -> Order:
        order = self.call(to_number)
        await self.carrier.place(order)
        return order

    async def rings(self, to_number: str = FOREVER) -> Order:
        order = await self.placed(to_number)
        await until(lambda: "Ringing" in self.heard.kinds(order), what="the ringing")
        return order

    async def line(self, order: Order, seconds: float = 15) -> Line:
        await until(lambda: "Answered" in self.heard.kinds(order), seconds, "the answer")
        answered = next(event for event in self.heard.of(order) if isinstance(event, Answered))
        assert answered.line is not None
        return answered.line

    async def answered(self, to_number: str = "") -> tuple[Order, Line]:
        order = await self.placed(to_number)
        return order, await self.line(order)

    async def end(self, order: Order, seconds: float = 15) -> Ended:
        await until(lambda: "Ended" in self.heard.kinds(order), seconds, "the end of the call")
        return self.heard.end(order)

    async def ended(self, to_number: str = "", seconds: float = 15) -> Ended:
        return await self.end(await self.placed(to_number), seconds)
