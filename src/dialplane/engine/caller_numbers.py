"""Numbers that calls come from, as people manage them: each belongs to a carrier."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from dialplane.engine.campaigns import Campaigns
from dialplane.engine.carriers import live_carrier, withdraw
from dialplane.engine.contacts import e164
from dialplane.engine.ranges import Ranges
from dialplane.errors import Conflict, NotFound
from dialplane.ports import Clock
from dialplane.store.postgres import Database, Row, rows, sql
from dialplane.store.turn import Turn, open_command

PAGE = 1000
NOT_FOUND = "Phone number not found"


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberRecord:
    """One number. max_lines: calls in progress at once; None is no limit."""

    id: int
    uuid: UUID
    carrier_id: int
    e164: str
    label: str
    active: bool
    is_default: bool
    max_lines: int | None
    metadata: Mapping[str, Any]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedNumber:
    """A number, and what it belongs to."""

    number: NumberRecord
    carrier_uuid: UUID
    provider: str


@dataclass(frozen=True, slots=True)
class NumberPage:
    """total: of all pages."""

    numbers: Sequence[CarriedNumber]
    total: int


class CallerNumbers:
    """Numbers of one organization's carriers."""

    def __init__(self, database: Database, clock: Clock, organization_id: int, campaigns: Campaigns) -> None:
        self._database = database
        self._clock = clock
        self._organization_id = organization_id
        self._of = {"organization_id": organization_id}
        self._campaigns = campaigns

    async def page(self, carrier_id: int, *, after: int = 0, limit: int = PAGE) -> list[NumberRecord]:
        """By id, after the number `after`. Raises NotFound."""
        async with self._database.connection() as connection:
            await live_carrier(connection, self._organization_id, carrier_id)
            found = await rows(sql.numbers(connection, carrier_id=carrier_id, after=after, limit=limit, **self._of))
        return [_record(row) for row in found]

    async def search(
        self,
        made: Ranges,
        *,
        uuid: UUID | None = None,
        text: str | None = None,
        ascending: bool = False,
        skip: int = 0,
        limit: int = PAGE,
    ) -> NumberPage:
        """Of all carriers, newest first unless ascending. text: a part of the number or of its label."""
        async with self._database.connection() as connection:
            found = await rows(
                sql.found_numbers(
                    connection,
                    number_uuid=uuid,
                    search=text,
                    ascending=ascending,
                    skip=skip,
                    limit=limit,
                    **made.bounds(),
                    **self._of,
                )
            )
        numbers = [
            CarriedNumber(number=_record(row), carrier_uuid=row["carrier_uuid"], provider=row["provider"])
            for row in found
            if row["id"] is not None
        ]
        return NumberPage(numbers, found[0]["total"])

    async def by_uuid(self, uuid: UUID) -> CarriedNumber:
        """Raises NotFound."""
        page = await self.search(Ranges(), uuid=uuid, limit=1)
        if not page.numbers:
            raise NotFound(NOT_FOUND)
        return page.numbers[0]

    async def get(self, carrier_id: int, number_id: int) -> NumberRecord:
        """Raises NotFound."""
        async with self._database.connection() as connection:
            await live_carrier(connection, self._organization_id, carrier_id)
            found = await sql.number(connection, carrier_id=carrier_id, number_id=number_id, **self._of)
        if found is None:
            raise NotFound(NOT_FOUND)
        return _record(found)

    async def default(self, carrier_id: int) -> int | None:
        """The active number that single calls of a carrier come from; None: any of its numbers."""
        async with self._database.connection() as connection:
            found: int | None = await sql.default_number(connection, carrier_id=carrier_id, **self._of)
        return found

    async def add(
        self,
        carrier_id: int,
        number: str,
        *,
        region: str | None = None,
        label: str = "",
        active: bool = True,
        is_default: bool = False,
        max_lines: int | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> int:
        """region: of a number without +. Raises Invalid for what is no number, Conflict for one it has, NotFound."""
        written = e164(number, region)
        async with self._command() as turn:
            await live_carrier(turn.connection, self._organization_id, carrier_id)
            number_id = await sql.add_number(
                turn.connection,
                uuid=uuid4(),
                carrier_id=carrier_id,
                e164=written,
                label=label,
                active=active,
                max_lines=max_lines,
                metadata=dict(metadata or {}),
                now=turn.now,
                **self._of,
            )
            if number_id is None:
                raise Conflict(f"this configuration has the number {written} already")
            if is_default:
                await self._make_default(turn, carrier_id, number_id)
        return int(number_id)

    async def change(self, carrier_id: int, number_id: int, changes: Mapping[str, Any]) -> None:
        """changes: any of label, active, max_lines, metadata. Once switched off, nothing more is placed from it.

        Raises NotFound.
        """
        stopped: list[int] = []
        async with self._command() as turn:
            before = await self._find(turn, carrier_id, number_id)
            after = {name: before[name] for name in ("label", "active", "max_lines", "metadata")} | dict(changes)
            await sql.change_number(turn.connection, number_id=number_id, now=turn.now, **after, **self._of)
            if before["active"] and not after["active"]:
                stopped = await self._withdraw(turn, before, "switched off")
        await self._wait_until_sent(stopped)

    async def set_default(self, carrier_id: int, number_id: int) -> None:
        """What single calls come from. Raises NotFound."""
        async with self._command() as turn:
            await self._find(turn, carrier_id, number_id)
            await self._make_default(turn, carrier_id, number_id)

    async def delete(self, carrier_id: int, number_id: int) -> None:
        """Attempts keep the number itself. Raises NotFound, Conflict while a campaign that can dial has no other."""
        async with self._command() as turn:
            number = await self._find(turn, carrier_id, number_id)
            campaigns = await rows(sql.campaigns_on_carrier(turn.connection, carrier_id=carrier_id, **self._of))
            for row in campaigns:
                if not row["hidden"] and list(row["number_ids"]) == [number_id]:
                    raise Conflict(
                        f"campaign {row['id']} '{row['name']}', which is {row['state']}, calls from this number alone: "
                        "cancel it, or wait until it has ended"
                    )
            await sql.delete_number(turn.connection, number_id=number_id, **self._of)
            stopped = await self._withdraw(turn, number, "deleted")
        await self._wait_until_sent(stopped)

    # --- parts -----------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _command(self) -> AsyncIterator[Turn]:
        async with open_command(self._database, self._organization_id, self._clock.instant()) as turn:
            yield turn
            await sql.wake(turn.connection, now=turn.now, **self._of)

    async def _find(self, turn: Turn, carrier_id: int, number_id: int) -> Row:
        await live_carrier(turn.connection, self._organization_id, carrier_id)
        found: Row | None = await sql.number(turn.connection, carrier_id=carrier_id, number_id=number_id, **self._of)
        if found is None:
            raise NotFound(NOT_FOUND)
        return found

    async def _withdraw(self, turn: Turn, number: Row, what: str) -> list[int]:
        message = f"nothing more is placed from {number['e164']}: it was {what}"
        return await withdraw(turn, number["carrier_id"], f"number.{what.replace(' ', '_')}", message)

    async def _make_default(self, turn: Turn, carrier_id: int, number_id: int) -> None:
        await sql.clear_default_number(turn.connection, carrier_id=carrier_id, **self._of)
        await sql.set_default_number(turn.connection, number_id=number_id, now=turn.now, **self._of)

    async def _wait_until_sent(self, campaign_ids: Sequence[int]) -> None:
        for campaign_id in campaign_ids:
            await self._campaigns.wait_until_sent(campaign_id=campaign_id)


def _record(row: Row) -> NumberRecord:
    return NumberRecord(
        id=row["id"],
        uuid=row["uuid"],
        carrier_id=row["carrier_id"],
        e164=row["e164"],
        label=row["label"],
        active=row["active"],
        is_default=row["is_default"],
        max_lines=row["max_lines"],
        metadata=row["metadata"],
        created_at=row["created_at"],
        updated_at=row["updated_at"] or row["created_at"],
    )
