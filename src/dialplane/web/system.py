"""How the installation works at present, and what to do where something is wrong.

Everybody sees whether calls can be dialled, and the calls of their own organization. Hosts, the queue, the database,
the disks and the times of all organizations together are for the people of the installation's own organization: as
`/metrics` they name no contact, campaign or organization, but they tell of what others do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from dialplane import __version__
from dialplane.engine import catalog, health, space
from dialplane.engine.health import SILENT, DatabaseState, Load
from dialplane.errors import EnvironmentFault
from dialplane.metrics import Spread, registry
from dialplane.store.postgres import Row
from dialplane.web.route import PageRoute
from dialplane.web.visit import Viewing, Visit

WORKERS_SHOWN = 100
LONG_TRANSACTION_SECONDS = 300
FULL_CONNECTIONS = 0.9  # a share of what the database takes
SLOW_REFILL_SECONDS = 0.25
MANY_WAITING = 10_000  # messages to webhooks
NO_WORKER = "No worker is alive: nothing is dialled."

router = APIRouter(route_class=PageRoute)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong, and what to do."""

    tone: Literal["danger", "warning"]
    text: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """All organizations together. refill, requests: None until there was one since this server started."""

    load: Load
    workers: Sequence[Row]
    database: DatabaseState
    disks: Sequence[space.Disk]
    refill: Spread | None
    requests: Spread | None

    def troubles(self) -> Iterator[Trouble]:
        if not self.load.workers:
            yield Trouble("danger", NO_WORKER, "Start `dialplane serve`, or `dialplane worker` on any host.")
        for disk in self.disks:
            if disk.is_low:
                yield Trouble("danger" if disk.is_full else "warning", f"Only {disk}.", f"{space.FIX}.".capitalize())
        if failed := self.load.jobs.get("failed", 0):
            yield Trouble(
                "warning", f"Jobs that were put aside: {failed:,}.", "The log of `dialplane jobs` says why each failed."
            )
        if self.load.deliveries > MANY_WAITING:
            waiting = f"Messages to webhooks that wait: {self.load.deliveries:,}."
            yield Trouble("warning", waiting, "A receiver may be down: see the deliveries of each webhook.")
        yield from self._troubles_of_the_database()
        if self.refill is not None and self.refill.half > SLOW_REFILL_SECONDS:
            slow = "Lines wait long for their next call."
            yield Trouble("warning", slow, "The database is slow, or far away: docs/scaling.md says what to measure.")

    def _troubles_of_the_database(self) -> Iterator[Trouble]:
        if self.database.longest_transaction_seconds > LONG_TRANSACTION_SECONDS:
            open_for = f"A transaction has been open for {self.database.longest_transaction_seconds / 60:.0f} minutes."
            yield Trouble("warning", open_for, "Find it in pg_stat_activity and end it: meanwhile the tables grow.")
        if self.database.connections > FULL_CONNECTIONS * self.database.most_connections:
            taken = f"{self.database.connections} of {self.database.most_connections} connections are taken."
            yield Trouble("warning", taken, "Run fewer processes, raise max_connections, or put PgBouncer in between.")


@router.get("/system")
async def show_system(visit: Viewing) -> HTMLResponse:
    database = visit.server.database
    own = await catalog.is_installations_own(database, visit.caller.organization_id)
    alive = await health.alive_workers(database)
    lines = await visit.app.telephony.lines()
    installation = await _installation(visit) if own else None
    if installation is not None:
        troubles = list(installation.troubles())
    else:
        troubles = [] if alive else [Trouble("danger", NO_WORKER, "Tell whoever looks after this installation.")]
    return visit.page(
        "system.html",
        version=__version__,
        alive=alive,
        lines=sum(by_number.total() for by_number in lines.values()),
        limits=await catalog.limits(database, visit.caller.organization_id),
        installation=installation,
        troubles=troubles,
        silent=SILENT,
        looked_at=datetime.now(UTC),
    )


async def _installation(visit: Visit) -> Installation:
    database = visit.server.database
    counted = registry()
    refill, requests, disks = await asyncio.gather(
        asyncio.to_thread(Spread.of, counted, "dialplane_refill_seconds"),
        asyncio.to_thread(Spread.of, counted, "dialplane_request_seconds"),
        asyncio.to_thread(_disks, visit),
    )
    return Installation(
        load=await health.measure(database),
        workers=await health.workers(database, limit=WORKERS_SHOWN),
        database=await health.database_state(database),
        disks=disks,
        refill=refill,
        requests=requests,
    )


def _disks(visit: Visit) -> list[space.Disk]:
    try:
        return space.disks(visit.server.folders)
    except (EnvironmentFault, OSError):  # of an embedded database that cannot be found: the rest is looked at
        return space.disks([visit.server.settings.home])
