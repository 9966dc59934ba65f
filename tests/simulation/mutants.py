"""Engines that each lack one thing which the promises rest on, to see that the simulation misses it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from datetime import datetime
from typing import Any

import pytest

from dialplane.core import plan
from dialplane.core.attempt import Order
from dialplane.engine.call import Call
from dialplane.engine.dispatcher import Dispatcher, Taken
from dialplane.engine.orders import Orders
from dialplane.engine.sources import Sources
from dialplane.store.postgres import Connection, Row, sql
from dialplane.store.records import Load, load
from dialplane.store.turn import Turn

Mutation = Callable[[pytest.MonkeyPatch], None]


def no_guard(patch: pytest.MonkeyPatch) -> None:
    """Every order goes out, whatever became of its intent."""
    real_guard, real_start = Orders._guard, Orders._start

    async def pass_all(self: Orders, organization_id: int, ids: Sequence[int]) -> dict[int, datetime]:
        return dict.fromkeys(ids, self._clock.now()) | await real_guard(self, organization_id, ids)

    async def start(self: Orders, call: Call, send_at: datetime) -> None:
        call.not_after = None
        await real_start(self, call, send_at)

    patch.setattr(Orders, "_guard", pass_all)
    patch.setattr(Orders, "_start", start)


def cursor_first(patch: pytest.MonkeyPatch) -> None:
    """The cursors move in a transaction of their own, before the intents are written."""
    real = Dispatcher._intend

    async def intend(
        self: Dispatcher,
        turn: Turn,
        demands: Sequence[plan.Demand],
        taken: Mapping[int, Taken],
        decision: plan.Decision,
        sources: Mapping[int, Sources],
        load: Load,
    ) -> list[Order]:
        cursors = {(c, group): to for c, ours in taken.items() for group, to in ours.cursors.items()}
        async with self._database.transaction() as connection:
            await sql.move_cursors(
                connection,
                organization_id=turn.organization_id,
                campaign_ids=[campaign_id for campaign_id, _ in cursors],
                zone_group_ids=[zone_group_id for _, zone_group_id in cursors],
                sequences=list(cursors.values()),
            )
        return await real(self, turn, demands, taken, decision, sources, load)

    patch.setattr(Dispatcher, "_intend", intend)


# --- one statement ----------------------------------------------------------------------------------

# The key of an advisory lock, by task: whoever holds it keeps the task's turns from their organization's lock. Nobody
# holds 0.
gate: ContextVar[int] = ContextVar("gate", default=0)

# The engine's own statement, but that it waits at the gate: by so long is its snapshot older than its lock.
LOCK = """
SELECT o.id, o.max_lines, o.cps, o.tat, o.next_turn_at, coalesce($2::timestamptz, statement_timestamp()) AS now
FROM (SELECT pg_advisory_xact_lock_shared($3) OFFSET 0) AS gate, organization o
WHERE o.id = $1
FOR NO KEY UPDATE OF o SKIP LOCKED
"""
LOCK_AND_COUNT = """
SELECT o.id, o.max_lines, o.cps, o.tat, o.next_turn_at, coalesce($2::timestamptz, statement_timestamp()) AS now,
       (SELECT jsonb_agg(to_jsonb(c)) FROM (
            SELECT campaign_id, carrier_id, number_id, count(*) AS open FROM attempt
            WHERE organization_id = $1 AND ended_at IS NULL GROUP BY campaign_id, carrier_id, number_id
        ) AS c) AS counted
FROM (SELECT pg_advisory_xact_lock_shared($3) OFFSET 0) AS gate, organization o
WHERE o.id = $1
FOR NO KEY UPDATE OF o SKIP LOCKED
"""


def gated(patch: pytest.MonkeyPatch) -> None:
    """No mutation: a turn can be held where it takes the organization's lock."""

    async def lock(connection: Connection, *, organization_id: int, now: datetime | None) -> Row | None:
        locked: Row | None = await connection.fetchrow(LOCK, organization_id, now, gate.get())
        return locked

    patch.setattr(sql, "lock_organization", lock)


def counted_with_the_lock(patch: pytest.MonkeyPatch) -> None:
    """Gated, and open attempts are counted in the statement that locks: in a snapshot older than the lock."""
    real_init, real_look = Turn.__init__, Turn.look

    async def lock(connection: Connection, *, organization_id: int, now: datetime | None) -> Row | None:
        locked: Row | None = await connection.fetchrow(LOCK_AND_COUNT, organization_id, now, gate.get())
        return locked

    def init(self: Turn, connection: Connection, organization: Row, *, tell: bool) -> None:
        real_init(self, connection, organization, tell=tell)
        self.counted = organization.get("counted")

    async def look(self: Turn, campaign_ids: Sequence[int]) -> tuple[Load, Any]:
        _, sources = await real_look(self, campaign_ids)
        return load([row | {"deadline_at": self.now} for row in self.counted or []]), sources

    patch.setattr(sql, "lock_organization", lock)
    patch.setattr(Turn, "__init__", init)
    patch.setattr(Turn, "look", look)
