"""What is kept for a time only, and is then deleted."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from dialplane.core.retention import Retention, shorter
from dialplane.engine.events import purge_events
from dialplane.engine.jobs import purge_history
from dialplane.engine.keys import forget_logins
from dialplane.engine.repeats import Repeats
from dialplane.engine.webhooks import purge_deliveries
from dialplane.ports import Files
from dialplane.store.postgres import Connection, Database, rows, sql

PAGE: Final = 1000
WORKERS_KEPT: Final = timedelta(days=1)  # that were killed, for `doctor` to show

PurgeUploads = Callable[[int, datetime], Awaitable[int]]


async def purge(
    database: Database, files: Files, now: datetime, keep: Retention, uploads: PurgeUploads
) -> dict[str, int]:
    """How many of each went, those of all organizations together. In short transactions, while everything goes on.

    uploads: deletes those of an organization that nobody has asked for since then; how many.
    """
    gone: Counter[str] = Counter()
    for organization_id in await _organizations(database):
        of = {"organization_id": organization_id}
        if keep.events is not None:
            gone["events"] += await purge_events(database, organization_id, now - keep.events)
        gone["requests"] += await Repeats(database, organization_id).purge(now)
        await forget_logins(database, organization_id, before=now)
        if keep.uploads is not None:
            gone["uploads"] += await uploads(organization_id, now - keep.uploads)
        if keep.transcripts is not None:
            gone["transcripts"] += await _forget_transcripts(database, of, now - keep.transcripts)
        recordings = shorter(keep.recordings, await recordings_kept(database, organization_id))
        if recordings is not None:
            gone["recordings"] += await _purge_recordings(database, files, of, now - recordings)
        if keep.contacts_files is not None:
            gone["contacts_files"] += await _purge_contacts_files(database, files, of, now - keep.contacts_files, now)
    if keep.deliveries is not None:
        gone["deliveries"] += await purge_deliveries(database, now - keep.deliveries)
    await purge_history(database, now)
    async with database.connection() as connection:
        await sql.forget_workers(connection, before=now - WORKERS_KEPT)
    return dict(gone)


async def _forget_transcripts(database: Database, of: Mapping[str, int], before: datetime) -> int:
    """Attempts stay, with what the calls came to."""
    gone = after = 0
    while page := await _with_transcripts(database, of, before, after):
        for campaign_id, since in page:
            gone += await _forget_transcripts_of(database, {**of, "campaign_id": campaign_id}, since, before)
        after = page[-1][0]
    return gone


async def _with_transcripts(
    database: Database, of: Mapping[str, int], before: datetime, after: int
) -> list[tuple[int, datetime]]:
    async with database.connection() as connection:
        found = sql.campaigns_with_transcripts(connection, before=before, after=after, limit=PAGE, **of)
        return [(row["id"], row["gone_to"]) for row in await rows(found)]


async def _forget_transcripts_of(database: Database, of: Mapping[str, int], since: datetime, before: datetime) -> int:
    gone = 0
    while True:
        async with database.connection() as connection:
            found = await rows(sql.forget_transcripts(connection, since=since, before=before, limit=PAGE, **of))
        gone += len(found)
        if len(found) < PAGE:
            break
        since = max(row["ended_at"] for row in found)
    async with database.connection() as connection:
        await sql.transcripts_gone(connection, before=before, **of)
    return gone


async def recordings_kept(database: Database, organization_id: int) -> timedelta | None:
    """How long the organization wants them kept; None: for as long as the installation keeps them."""
    async with database.connection() as connection:
        kept: timedelta | None = await sql.recordings_kept(connection, organization_id=organization_id)
    return kept


async def keep_recordings(database: Database, organization_id: int, kept: timedelta | None) -> None:
    async with database.connection() as connection:
        await sql.keep_recordings(connection, organization_id=organization_id, kept=kept)


async def _purge_recordings(database: Database, files: Files, of: Mapping[str, int], before: datetime) -> int:
    """Files first, as below."""
    purged = 0
    while True:
        async with database.transaction() as connection:
            found = await rows(sql.forget_recordings(connection, before=before, limit=PAGE, **of))
            for row in found:
                await asyncio.to_thread(files.delete, row["key"])
        purged += len(found)
        if len(found) < PAGE:
            return purged


async def _purge_contacts_files(
    database: Database, files: Files, of: Mapping[str, int], before: datetime, now: datetime
) -> int:
    """The files go first: should the process die in between, the rows are there to try again by."""
    purged = 0
    while True:
        async with database.transaction() as connection:
            found = await rows(sql.purge_contacts_files(connection, before=before, now=now, limit=PAGE, **of))
            keys = {row["key"] for row in found} - {None}
            for key in keys:
                await asyncio.to_thread(files.delete, key)
        purged += len(keys)
        if len(found) < PAGE:
            return purged


async def purge_virtual_runs(
    database: Database, files: Files, before: datetime, delete_logs: Callable[[str], None]
) -> int:
    """Their schemas, with their copies of contacts files and their logs. delete_logs: of the run in that schema."""
    dropped = 0
    for organization_id in await _organizations(database):
        async with database.connection() as connection:
            found = await rows(sql.old_virtual_runs(connection, organization_id=organization_id, before=before))
        for row in found:
            for key in await _own_files(database, organization_id, row["schema_name"]):
                await asyncio.to_thread(files.delete, key)
            delete_logs(row["schema_name"])
            await drop_virtual_run(database, organization_id, row["campaign_id"], row["schema_name"])
        dropped += len(found)
    return dropped


async def _own_files(database: Database, organization_id: int, schema: str) -> list[str]:
    """Keys of files that this run alone has; none where its tables were never made."""
    async with database.connection() as connection:
        if await connection.fetchval("SELECT to_regclass($1)", f'"{schema}".contact_file') is None:
            return []
        keys = [row["key"] for row in await connection.fetch(f'SELECT key FROM "{schema}".contact_file')]
        return [
            row["key"] for row in await rows(sql.keys_of_nobody(connection, organization_id=organization_id, keys=keys))
        ]


async def drop_virtual_run(database: Database, organization_id: int, campaign_id: int, schema: str) -> None:
    async with database.unhurried() as connection:
        await sql.forget_virtual_run(connection, organization_id=organization_id, campaign_id=campaign_id)
        await connection.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')


async def campaigns_over(database: Database, campaign_ids: Iterable[int], before: datetime) -> list[int]:
    """Those of these that were completed or cancelled before then."""
    over: list[int] = []
    wanted = list(campaign_ids)
    for organization_id in await _organizations(database):
        async with database.connection() as connection:
            found = sql.campaigns_over(connection, organization_id=organization_id, campaign_ids=wanted, before=before)
            over += [row["id"] for row in await rows(found)]
    return over


async def _organizations(database: Database) -> list[int]:
    found: list[int] = []
    async with database.connection() as connection:
        while page := await _page(connection, found[-1] if found else 0):
            found += page
    return found


async def _page(connection: Connection, after: int) -> list[int]:
    return [row["id"] for row in await rows(sql.organization_page(connection, after=after, limit=PAGE))]
