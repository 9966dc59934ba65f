"""What ids stand for, for doors that show uuids and numbers: many at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from dialplane.engine.contacts import e164
from dialplane.errors import Invalid
from dialplane.store.postgres import Database, rows, sql


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """added_at: None for one that is older than this column. last_attempt: the newest, also one under way."""

    added_at: datetime | None
    last_attempt: UUID | None


@dataclass(frozen=True, slots=True)
class CallFrom:
    """A number to call from, and the carrier that it belongs to."""

    number_id: int
    carrier_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnNumber:
    """A number of ours."""

    id: int
    uuid: UUID
    carrier_id: int
    e164: str
    active: bool


@dataclass(frozen=True, slots=True)
class Born:
    """A campaign, and when it was made."""

    campaign_id: int
    created_at: datetime


class Directory:
    """Ids of one organization. What is not there is left out of the answers."""

    def __init__(self, database: Database, organization_id: int) -> None:
        self._database = database
        self._of = {"organization_id": organization_id}

    async def organization(self) -> UUID:
        async with self._database.connection() as connection:
            found: UUID = await sql.organization_uuid(connection, **self._of)
        return found

    async def agents(self, ids: Iterable[int]) -> dict[int, UUID]:
        return {row["id"]: row["uuid"] for row in await self._look_up(sql.agent_uuids, ids)}

    async def campaigns(self, ids: Iterable[int]) -> dict[int, UUID]:
        """Without the hidden ones of single calls."""
        return {row["id"]: row["uuid"] for row in await self._look_up(sql.campaign_uuids, ids)}

    async def numbers(self, ids: Iterable[int]) -> dict[int, str]:
        return {row["id"]: row["e164"] for row in await self._look_up(sql.number_texts, ids)}

    async def number_uuids(self, ids: Iterable[int]) -> dict[int, UUID]:
        return {row["id"]: row["uuid"] for row in await self._look_up(sql.number_uuids, ids)}

    async def numbers_by_uuid(self, uuids: Iterable[UUID]) -> dict[UUID, OwnNumber]:
        async with self._database.connection() as connection:
            found = await rows(sql.numbers_by_uuid(connection, uuids=list(uuids), **self._of))
        return {
            row["uuid"]: OwnNumber(
                id=row["id"], uuid=row["uuid"], carrier_id=row["carrier_id"], e164=row["e164"], active=row["active"]
            )
            for row in found
        }

    async def born(self, uuids: Iterable[UUID]) -> dict[UUID, Born]:
        """Campaigns with these uuids."""
        async with self._database.connection() as connection:
            found = await rows(sql.campaigns_by_uuid(connection, uuids=list(uuids), **self._of))
        return {row["uuid"]: Born(row["id"], row["created_at"]) for row in found}

    async def contact(self, uuid: UUID) -> int | None:
        """The id of the contact with this uuid."""
        async with self._database.connection() as connection:
            found: int | None = await sql.contact_with_uuid(connection, uuid=uuid, **self._of)
        return found

    async def traces(self, contact_ids: Sequence[int]) -> dict[int, Traces]:
        async with self._database.connection() as connection:
            found = await rows(sql.contacts_and_last_calls(connection, contact_ids=contact_ids, **self._of))
        return {row["id"]: Traces(added_at=row["added_at"], last_attempt=row["last_attempt"]) for row in found}

    async def call_from(self, number: str) -> CallFrom:
        """number: any spelling with +. Raises Invalid for one that no carrier calls from."""
        written = e164(number)
        async with self._database.connection() as connection:
            found = await sql.number_to_call_from(connection, e164=written, **self._of)
        if found is None:
            raise Invalid(f"{written} is no active number of this organization: add it to a carrier first")
        return CallFrom(found["id"], found["carrier_id"])

    async def _look_up(self, statement: Any, ids: Iterable[int]) -> list[Mapping[str, Any]]:
        wanted = sorted(set(ids))
        if not wanted:
            return []
        async with self._database.connection() as connection:
            return await rows(statement(connection, ids=wanted, **self._of))
