"""`broken.py FAULT ARGUMENTS…`: the command with an engine that breaks one promise, to see that the checks find it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dialplane.carriers.simulated import SimulatedCarrier
from dialplane.cli.main import main
from dialplane.core.attempt import Order
from dialplane.engine.call import Call
from dialplane.engine.calls import Calls
from dialplane.engine.orders import Orders
from dialplane.ports import Lookup
from dialplane.store.records import Load
from dialplane.store.turn import Turn


def guard() -> None:
    """The guard lets everything pass, whatever became of the intent."""

    async def pass_all(self: Orders, organization_id: int, ids: Sequence[int]) -> dict[int, datetime]:
        return dict.fromkeys(ids, self._clock.now()) | await real_guard(self, organization_id, ids)

    async def start(self: Orders, call: Call, send_at: datetime) -> None:
        call.not_after = None
        await real_start(self, call, send_at)

    real_guard, real_start = Orders._guard, Orders._start
    Orders._guard = pass_all  # type: ignore[method-assign]
    Orders._start = start  # type: ignore[method-assign]


def count() -> None:
    """A turn counts no call in progress."""

    async def count_nothing(self: Turn, campaign_ids: Sequence[int]) -> tuple[Load, Any]:
        _, sources = await real_look(self, campaign_ids)
        return Load(), sources

    real_look = Turn.look
    Turn.look = count_nothing  # type: ignore[method-assign]


def answer() -> None:
    """Nobody writes down that a call was accepted, and whoever asks the carrier hears that it was never placed."""

    async def never_placed(self: SimulatedCarrier, order: Order) -> Lookup:
        return Lookup.NEVER_PLACED

    async def mark_nothing(self: Calls, organization_id: int, calls: Sequence[Call]) -> None:
        pass

    SimulatedCarrier.lookup = never_placed  # type: ignore[method-assign]
    Calls._mark = mark_nothing  # type: ignore[method-assign]


if __name__ == "__main__":
    {"guard": guard, "count": count, "answer": answer}[sys.argv.pop(1)]()
    main()
