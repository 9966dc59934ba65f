"""What is kept for a time only, and is then deleted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from dialplane.engine.events import purge_events
from dialplane.engine.jobs import purge_history
from dialplane.engine.keys import forget_logins
from dialplane.engine.repeats import Repeats
from dialplane.engine.webhooks import purge_deliveries
from dialplane.store.postgres import Database, rows, sql

EVENTS_KEPT = timedelta(days=1)
PAGE = 1000


async def purge(database: Database, now: datetime, uploads: Callable[[int], Awaitable[int]]) -> None:
    """Events and remembered requests after a day, sign-ins that have ended, webhook messages after 30 days, unused
    uploads after a week.

    uploads: deletes those of an organization; how many.
    """
    after = 0
    while page := await _organizations(database, after):
        for organization_id in page:
            await purge_events(database, organization_id, now - EVENTS_KEPT)
            await Repeats(database, organization_id).purge(now)
            await forget_logins(database, organization_id, before=now)
            await uploads(organization_id)
        after = page[-1]
    await purge_deliveries(database)
    await purge_history(database, now)


async def _organizations(database: Database, after: int) -> list[int]:
    async with database.connection() as connection:
        return [row["id"] for row in await rows(sql.organization_page(connection, after=after, limit=PAGE))]
