"""What can be seen of campaigns: from counters and by index, whatever their size."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from dialplane.core.campaign import CampaignState
from dialplane.engine.views import CampaignRecord, CampaignView, LogEntry, Progress, entry, progress, record
from dialplane.errors import NotFound
from dialplane.store.postgres import Connection, Database, Row, rows, sql

PAGE = 100
MOST_COUNTED = 200_000  # index entries that one answer looks at
LAST = 2**62  # no sequence is as high
FAULTS_SHOWN = 50


class Order(StrEnum):
    NEWEST = "newest"
    OLDEST = "oldest"
    CHANGED = "changed"  # state or settings, lately


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which campaigns a list is to have, and in which order. states: () is all. importing: whether a file is; None:
    either. search: a part of the name, in any case. archived: those alone, or none of them."""

    states: Sequence[CampaignState] = ()
    importing: bool | None = None
    search: str = ""
    archived: bool = False
    order: Order = Order.NEWEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Which campaigns a list is to have, and in which order. states: () is all. archived: those alone, or none of them.

    The ranges are from an instant on until right before another one. by_duration: from start to end, those that have
    not ended last; else by age, the newest first unless ascending.
    """

    states: Sequence[CampaignState] = ()
    queue: str | None = None
    archived: bool = False
    created_from: datetime | None = None
    created_to: datetime | None = None
    updated_from: datetime | None = None
    updated_to: datetime | None = None
    by_duration: bool = False
    ascending: bool = False


@dataclass(frozen=True, slots=True)
class CampaignPage:
    """total: of all pages."""

    campaigns: Sequence[CampaignRecord]
    total: int


@dataclass(frozen=True, slots=True)
class ZoneCount:
    """zones: candidates of each of these contacts; () is unknown. exact: False where there are at least so many."""

    zones: tuple[str, ...]
    contacts: int
    exact: bool


class CampaignReader:
    """Campaigns of one organization, to be looked at."""

    def __init__(self, database: Database, organization_id: int) -> None:
        self._database = database
        self._organization_id = organization_id
        self._of = {"organization_id": organization_id}

    async def get(self, campaign_id: int) -> CampaignRecord:
        """Raises NotFound."""
        async with self._database.connection() as connection:
            found = await rows(sql.campaign_records(connection, campaign_ids=[campaign_id], **self._of))
        if not found:
            raise no_campaign(campaign_id)
        return record(found[0])

    async def find(self, uuid: UUID) -> int | None:
        """The id of the campaign with this uuid."""
        async with self._database.connection() as connection:
            found: int | None = await sql.campaign_of_uuid(connection, uuid=uuid, **self._of)
        return found

    async def by_uuid(self, uuid: UUID) -> CampaignRecord:
        """Raises NotFound."""
        campaign_id = await self.find(uuid)
        if campaign_id is None:
            raise NotFound(f"there is no campaign {uuid}")
        return await self.get(campaign_id)

    async def view(self, campaign_id: int) -> CampaignView:
        """Raises NotFound."""
        views = await self.views([campaign_id])
        if not views:
            raise no_campaign(campaign_id)
        return views[0]

    async def views(self, campaign_ids: Sequence[int]) -> list[CampaignView]:
        """Newest first, by as many statements for a thousand as for one; ids that are not there are left out."""
        async with self._database.snapshot() as connection:
            found = await rows(sql.campaign_records(connection, campaign_ids=campaign_ids, **self._of))
            logged = await rows(sql.faults(connection, campaign_ids=campaign_ids, limit=FAULTS_SHOWN, **self._of))
            counted = await count_progress(connection, self._organization_id, campaign_ids)
        faults: defaultdict[int, list[LogEntry]] = defaultdict(list)
        for row in logged:
            faults[row["campaign_id"]].append(entry(row))
        return [
            CampaignView(record=record(row), progress=counted[row["id"]], faults=faults[row["id"]]) for row in found
        ]

    async def ids(self, wanted: Wanted, *, limit: int, skip: int = 0) -> list[int]:
        """Hidden ones left out."""
        statement = {
            Order.NEWEST: sql.newest_campaign_ids,
            Order.OLDEST: sql.oldest_campaign_ids,
            Order.CHANGED: sql.changed_campaign_ids,
        }[wanted.order]
        async with self._database.connection() as connection:
            found = await rows(statement(connection, limit=limit, skip=skip, **_conditions(wanted), **self._of))
        return [row["id"] for row in found]

    async def count(self, wanted: Wanted) -> int:
        async with self._database.connection() as connection:
            return int(await sql.count_campaigns(connection, **_conditions(wanted), **self._of))

    async def search(self, wanted: Search, *, limit: int, skip: int = 0) -> CampaignPage:
        """A page of those that pass, and how many there are in all; hidden ones are left out."""
        async with self._database.connection() as connection:
            found = await rows(
                sql.search_campaigns(
                    connection,
                    states=[state.value for state in wanted.states] or None,
                    queue=wanted.queue,
                    archived=wanted.archived,
                    created_from=wanted.created_from,
                    created_to=wanted.created_to,
                    updated_from=wanted.updated_from,
                    updated_to=wanted.updated_to,
                    by_duration=wanted.by_duration,
                    ascending=wanted.ascending,
                    skip=skip,
                    limit=limit,
                    **self._of,
                )
            )
            ids = [row["id"] for row in found if row["id"] is not None]
            records = await rows(sql.campaign_records(connection, campaign_ids=ids, **self._of)) if ids else []
        of_id = {row["id"]: record(row) for row in records}
        return CampaignPage([of_id[each] for each in ids if each in of_id], found[0]["total"])

    async def page(self, *, before: int | None = None, limit: int = PAGE) -> list[Row]:
        """Newest first: id, uuid, name, state, total, created_at, started_at, ended_at."""
        async with self._database.connection() as connection:
            return await rows(sql.campaigns(connection, before=before, limit=limit, **self._of))

    async def progress(self, campaign_ids: Sequence[int]) -> dict[int, Progress]:
        """Read from counters and open attempts, whatever the size of the campaign."""
        async with self._database.snapshot() as connection:
            return await count_progress(connection, self._organization_id, campaign_ids)

    async def skip_reasons(self, campaign_id: int) -> dict[str, int]:
        """Contacts that were never called, by reason."""
        async with self._database.connection() as connection:
            found = await rows(sql.skip_reasons(connection, campaign_id=campaign_id, **self._of))
        reasons = {row["skip_reason"]: row["contacts"] for row in found}
        over = (await self.get(campaign_id)).left_over
        if over is not None:
            left = (await self.progress([campaign_id]))[campaign_id].skipped - sum(reasons.values())
            if left > 0:
                reasons[over] = left
        return reasons

    async def rejected_rows(self, campaign_id: int) -> int:
        async with self._database.connection() as connection:
            return int(await sql.rejected_rows(connection, campaign_id=campaign_id, **self._of))

    async def zones(self, campaign_id: int) -> list[tuple[str, ...]]:
        """The candidate zones of its contacts, a group each."""
        async with self._database.connection() as connection:
            found = await rows(sql.zones_of(connection, campaign_id=campaign_id, **self._of))
        return [tuple(row["zones"]) for row in found]

    async def contacts_by_zones(self, campaign_id: int) -> list[ZoneCount]:
        """Where its contacts are, most first; those that have a place in the order of fresh ones, by index alone."""
        async with self._database.connection() as connection:
            found = await rows(sql.zones_of(connection, campaign_id=campaign_id, **self._of))
            limit = MOST_COUNTED // max(1, len(found))
            counted = await rows(
                sql.count_fresh(
                    connection,
                    campaign_id=campaign_id,
                    zone_group_ids=[row["id"] for row in found],
                    afters=[0] * len(found),
                    untils=[LAST] * len(found),
                    limit=limit,
                    **self._of,
                )
            )
        counts = [
            ZoneCount(tuple(group["zones"]), count["contacts"], count["contacts"] < limit)
            for group, count in zip(found, counted, strict=True)
            if count["contacts"]
        ]
        return sorted(counts, key=lambda count: (-count.contacts, count.zones))

    async def zones_of(self, campaign_ids: Sequence[int]) -> dict[int, list[tuple[str, ...]]]:
        """The same of several campaigns."""
        async with self._database.connection() as connection:
            found = await rows(sql.zones_of_campaigns(connection, campaign_ids=campaign_ids, **self._of))
        zones: defaultdict[int, list[tuple[str, ...]]] = defaultdict(list)
        for row in found:
            zones[row["campaign_id"]].append(tuple(row["zones"]))
        return zones

    async def numbers_of(self, carrier_id: int) -> list[int]:
        """Ids of the numbers that campaigns on this carrier can call from."""
        async with self._database.connection() as connection:
            found = await rows(sql.active_numbers(connection, carrier_id=carrier_id, **self._of))
        return [row["id"] for row in found]

    async def log(
        self, campaign_id: int, *, before: int | None = None, limit: int = PAGE, faults: bool = False
    ) -> list[LogEntry]:
        """Newest first. faults: warnings and errors alone."""
        page = sql.fault_page if faults else sql.log_page
        async with self._database.connection() as connection:
            found = await rows(page(connection, campaign_id=campaign_id, before=before, limit=limit, **self._of))
        return [entry(row) for row in found]


async def count_progress(
    connection: Connection, organization_id: int, campaign_ids: Sequence[int]
) -> dict[int, Progress]:
    """Progress in the snapshot of a connection."""
    of = {"organization_id": organization_id, "campaign_ids": campaign_ids}
    counted = await rows(sql.progress(connection, **of))
    calls = await rows(sql.open_calls(connection, **of))
    totals = await rows(sql.totals(connection, **of))
    measures: defaultdict[int, dict[str, int]] = defaultdict(dict)
    for row in counted:
        measures[row["campaign_id"]][row["measure"]] = row["value"]
    open_calls: defaultdict[int, list[Row]] = defaultdict(list)
    for row in calls:
        open_calls[row["campaign_id"]].append(row)
    return {row["id"]: progress(row, measures[row["id"]], open_calls[row["id"]]) for row in totals}


def no_campaign(campaign_id: int) -> NotFound:
    return NotFound(f"there is no campaign {campaign_id}")


def _conditions(wanted: Wanted) -> dict[str, object]:
    literal = wanted.search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return {
        "states": [state.value for state in wanted.states] or None,
        "importing": wanted.importing,
        "archived": wanted.archived,
        "search": f"%{literal}%" if wanted.search else None,
    }
