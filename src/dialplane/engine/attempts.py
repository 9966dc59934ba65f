"""Pages of attempts: of a campaign, of an agent, of the organization; one of them whole; those that have ended."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any
from uuid import UUID

from dialplane.engine.attempt_views import AttemptFilter, AttemptPage, AttemptRecord, Paging, UsagePage, attempt
from dialplane.errors import NotFound
from dialplane.store.postgres import Connection, Database, Row, rows, sql

PAGE = 1000


class Attempts:
    """Attempts of one organization."""

    def __init__(self, database: Database, organization_id: int) -> None:
        self._database = database
        self._of = {"organization_id": organization_id}

    async def of_campaign(self, campaign_id: int, wanted: AttemptFilter, paging: Paging) -> AttemptPage:
        """Raises NotFound."""
        async with self._database.connection() as connection:
            if not await sql.has_campaign(connection, campaign_id=campaign_id, **self._of):
                raise NotFound(f"Campaign {campaign_id} not found")
            return await self._page(connection, [campaign_id], wanted, paging)

    async def of_agent(self, agent_id: int, wanted: AttemptFilter, paging: Paging) -> AttemptPage:
        """Over all its campaigns, the hidden ones of single calls too. Raises NotFound."""
        async with self._database.connection() as connection:
            await self._latest_version(connection, agent_id)
            found = await rows(sql.campaigns_of_agent(connection, agent_id=agent_id, **self._of))
            return await self._page(connection, [row["id"] for row in found], wanted, paging)

    async def of_all(self, wanted: AttemptFilter, paging: Paging) -> AttemptPage:
        """Of the whole organization, the hidden campaigns of single calls too; from counters where they suffice."""
        async with self._database.connection() as connection:
            found = await rows(sql.campaigns_of_organization(connection, **self._of))
            return await self._page(connection, [row["id"] for row in found], wanted, paging)

    async def among(
        self,
        wanted: AttemptFilter,
        paging: Paging,
        *,
        campaign_ids: Sequence[int] | None = None,
        agent_ids: Sequence[int] | None = None,
    ) -> AttemptPage:
        """Of these campaigns and these agents; None is all of them, the hidden campaigns of single calls too."""
        async with self._database.snapshot() as connection:  # or one that ends meanwhile would be among the open
            if campaign_ids is None:
                everywhere = await rows(sql.campaigns_of_organization(connection, **self._of))
                campaign_ids = [row["id"] for row in everywhere]
            if agent_ids is not None:
                theirs = [await self._campaigns(connection, None, agent_id) or [] for agent_id in agent_ids]
                among = set[int]().union(*theirs)
                campaign_ids = [each for each in campaign_ids if each in among]
            return await self._page(connection, campaign_ids, wanted, paging)

    async def of_organization(
        self,
        wanted: AttemptFilter,
        paging: Paging,
        *,
        campaign_id: int | None = None,
        agent_id: int | None = None,
    ) -> UsagePage:
        """With the seconds that were talked, so every attempt that passes is looked at."""
        async with self._database.connection() as connection:
            campaign_ids = await self._campaigns(connection, campaign_id, agent_id)
            if campaign_ids is None:
                found = await rows(sql.campaigns_of_organization(connection, **self._of))
                campaign_ids = [row["id"] for row in found]
            ids, total, talked = await self._matching(connection, campaign_ids, wanted, paging)
            return UsagePage(attempts=await self._records(connection, ids), total=total, talk_seconds=talked)

    async def get(self, agent_id: int, attempt_id: int) -> tuple[AttemptRecord, Sequence[Mapping[str, Any]] | None]:
        """One attempt of this agent, and its transcript: {"speaker", "text", "at_seconds"} each. Raises NotFound."""
        async with self._database.connection() as connection:
            found = await self._records(connection, [attempt_id])
            if not found or found[0].agent_id != agent_id:
                raise NotFound("Workflow run not found")
            said = await sql.attempt_transcript(connection, attempt_id=attempt_id, **self._of)
        return found[0], said

    async def one(self, attempt_id: int) -> AttemptRecord:
        """Whatever its agent. Raises NotFound."""
        async with self._database.connection() as connection:
            found = await self._records(connection, [attempt_id])
        if not found:
            raise NotFound(f"there is no call {attempt_id}")
        return found[0]

    async def by_uuid(self, uuid: UUID) -> tuple[AttemptRecord, Sequence[Mapping[str, Any]] | None]:
        """The same by its uuid, whatever its agent."""
        async with self._database.connection() as connection:
            attempt_id = await sql.attempt_with_uuid(connection, uuid=uuid, **self._of)
            if attempt_id is None:
                raise NotFound(f"there is no call {uuid}")
            found = await self._records(connection, [attempt_id])
            said = await sql.attempt_transcript(connection, attempt_id=attempt_id, **self._of)
        return found[0], said

    async def agent_columns(self, agent_id: int) -> tuple[int, list[str]]:
        """Its latest version, and its contacts' variables, those of the newest campaign first. Raises NotFound."""
        async with self._database.connection() as connection:
            version = await self._latest_version(connection, agent_id)
            campaigns = await rows(sql.campaigns_of_agent(connection, agent_id=agent_id, **self._of))
        names = dict.fromkeys(name for campaign in campaigns for name in campaign["variable_names"])
        return version, list(names)

    # --- those that have ended, page after page --------------------------------------------------------------

    async def ended_of_campaign(
        self, campaign_id: int, wanted: AttemptFilter, *, variables: Sequence[str], fields: Sequence[str]
    ) -> AsyncGenerator[list[Row], None]:
        """All of them, newest first, with these columns of the contact and of what was gathered. Only dates filter."""
        before: int | None = None
        while True:
            async with self._database.connection() as connection:
                page = await rows(
                    sql.ended_of_campaign_page(
                        connection,
                        campaign_id=campaign_id,
                        before=before,
                        created_from=wanted.created_from,
                        created_to=wanted.created_to,
                        variables=variables,
                        fields=fields,
                        limit=PAGE,
                        **self._of,
                    )
                )
            if not page:
                return
            yield page
            before = page[-1]["id"]

    async def ended(
        self,
        wanted: AttemptFilter,
        *,
        campaign_id: int | None = None,
        agent_id: int | None = None,
        variables: Sequence[str] = (),
        fields: Sequence[str] = (),
    ) -> AsyncGenerator[list[Row], None]:
        """The same over the organization, or over an agent's campaigns; every filter but `ended` counts."""
        async with self._database.connection() as connection:
            campaign_ids = await self._campaigns(connection, campaign_id, agent_id)
        before: int | None = None
        while True:
            async with self._database.connection() as connection:
                page = await rows(
                    sql.ended_page(
                        connection,
                        campaign_ids=campaign_ids,
                        before=before,
                        created_from=wanted.created_from,
                        created_to=wanted.created_to,
                        dispositions=wanted.words,
                        least_seconds=wanted.least_seconds,
                        most_seconds=wanted.most_seconds,
                        first_id=wanted.attempt_id,
                        last_id=wanted.attempt_id,
                        from_number=wanted.from_number,
                        to_number=wanted.to_number,
                        variables=variables,
                        fields=fields,
                        limit=PAGE,
                        **self._of,
                    )
                )
            if not page:
                return
            yield page
            before = page[-1]["id"]

    # --- parts -----------------------------------------------------------------------------------------------

    async def _page(
        self, connection: Connection, campaign_ids: Sequence[int], wanted: AttemptFilter, paging: Paging
    ) -> AttemptPage:
        ids, total = await self._ids(connection, campaign_ids, wanted, paging)
        return AttemptPage(attempts=await self._records(connection, ids), total=total)

    async def _ids(
        self, connection: Connection, campaign_ids: Sequence[int], wanted: AttemptFilter, paging: Paging
    ) -> tuple[list[int], int]:
        """The page and the total, by the cheapest way that this filter and order allow."""
        if wanted.dispositions is not None and (not wanted.dispositions or wanted.ended is False):
            return [], 0
        anything = wanted == AttemptFilter()
        if not wanted.countable or paging.by_duration or (paging.ascending and not anything):
            ids, total, _ = await self._matching(connection, campaign_ids, wanted, paging)
            return ids, total
        among: dict[str, Any] = {"campaign_ids": campaign_ids, **self._of}
        counters = {row["measure"]: row["value"] for row in await rows(sql.attempt_counters(connection, **among))}
        if wanted.ended is False:
            in_progress = await self._open(connection, campaign_ids)
            older = [open_id for open_id in in_progress if paging.before is None or open_id < paging.before]
            return older[paging.skip : paging.skip + paging.limit], len(in_progress)
        part = {"before": paging.before, "skip": paging.skip, "limit": paging.limit}
        if not anything:
            found = await rows(sql.newest_ended_attempts(connection, dispositions=wanted.words, **part, **among))
            words = wanted.words
            measures = ["attempts"] if words is None else [f"disposition.{word}" for word in words]
            return [row["id"] for row in found], sum(counters.get(measure, 0) for measure in measures)
        total = counters.get("attempts", 0) + len(await self._open(connection, campaign_ids))
        return await self._all(connection, paging, total, among), total

    async def _all(self, connection: Connection, paging: Paging, total: int, among: Mapping[str, Any]) -> list[int]:
        """From whichever end is nearer: the last page of a million is as quick as the first."""
        left = total - paging.skip - paging.limit
        if paging.before is None and 0 <= left < paging.skip:
            statement = sql.newest_attempts if paging.ascending else sql.oldest_attempts
            found = await rows(statement(connection, before=None, skip=left, limit=paging.limit, **among))
            return [row["id"] for row in reversed(found)]
        statement = sql.oldest_attempts if paging.ascending else sql.newest_attempts
        found = await rows(statement(connection, before=paging.before, skip=paging.skip, limit=paging.limit, **among))
        return [row["id"] for row in found]

    async def _matching(
        self, connection: Connection, campaign_ids: Sequence[int], wanted: AttemptFilter, paging: Paging
    ) -> tuple[list[int], int, int]:
        """The page, the total, the seconds that were talked."""
        found = await rows(
            sql.matching_attempts(
                connection,
                campaign_ids=campaign_ids,
                created_from=wanted.created_from,
                created_to=wanted.created_to,
                dispositions=wanted.words,
                ended=wanted.ended,
                least_seconds=wanted.least_seconds,
                most_seconds=wanted.most_seconds,
                first_id=wanted.attempt_id,
                last_id=wanted.attempt_id,
                from_number=wanted.from_number,
                to_number=wanted.to_number,
                sentiment=wanted.sentiment,
                before=paging.before,
                by_duration=paging.by_duration,
                ascending=paging.ascending,
                skip=paging.skip,
                limit=paging.limit,
                **self._of,
            )
        )
        ids = [row["id"] for row in found if row["id"] is not None]
        return ids, found[0]["total"], found[0]["talk_seconds"]

    async def _open(self, connection: Connection, campaign_ids: Sequence[int]) -> list[int]:
        return [row["id"] for row in await rows(sql.open_attempts(connection, campaign_ids=campaign_ids, **self._of))]

    async def _records(self, connection: Connection, ids: Sequence[int]) -> list[AttemptRecord]:
        return [attempt(row) for row in await rows(sql.attempts_by_id(connection, ids=ids, **self._of))]

    async def _latest_version(self, connection: Connection, agent_id: int) -> int:
        version: int | None = await sql.latest_agent_version(connection, agent_id=agent_id, **self._of)
        if version is None:
            raise NotFound("Workflow not found")
        return version

    async def _campaigns(
        self, connection: Connection, campaign_id: int | None, agent_id: int | None
    ) -> list[int] | None:
        """Those that are asked for; None for all. Another organization's give nothing, as no statement finds them."""
        if agent_id is None:
            return None if campaign_id is None else [campaign_id]
        found = [row["id"] for row in await rows(sql.campaigns_of_agent(connection, agent_id=agent_id, **self._of))]
        if campaign_id is None:
            return found
        return [campaign_id] if campaign_id in found else []
