"""rejected rows, whole again, as they were in their file -> mended by hand, or a file to mend and upload once more"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dialplane.core.intake import Columns, NewContact, Reject, Row, decide, duplicate
from dialplane.core.window import known_zone
from dialplane.engine.additions import Added, LateContact, Rejected
from dialplane.engine.contact_file import open_table
from dialplane.engine.contacts import Contacts
from dialplane.engine.numbering import read_number
from dialplane.engine.reports import csv_text, defused
from dialplane.errors import Invalid, NotFound
from dialplane.ports import Files
from dialplane.store.postgres import Database, rows, sql

PAGE = 1000
REASON, FIX = "reject_reason", "reject_fix"  # columns of the file that is to be mended


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedPlace:
    """Where a rejected row is, and what is wrong with it."""

    file_id: int
    row_number: int
    field: str
    value: str
    reason: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeRow:
    """A rejected row with all its cells. names: of its columns, those that are left out not among them."""

    place: RejectedPlace
    names: Sequence[str]
    cells: Sequence[str]


class Mending:
    """Rejected rows of one organization's campaigns."""

    def __init__(self, database: Database, files: Files, organization_id: int, contacts: Contacts) -> None:
        self._database = database
        self._files = files
        self._of = {"organization_id": organization_id}
        self._contacts = contacts

    async def page(
        self, campaign_id: int, *, after: tuple[int, int] = (0, 0), limit: int
    ) -> tuple[list[RejectedPlace], tuple[int, int] | None]:
        """In the order of the files, after (file id, row), and where the next page begins."""
        async with self._database.connection() as connection:
            found = await rows(
                sql.rejects_page(
                    connection,
                    campaign_id=campaign_id,
                    after_file=after[0],
                    after_row=after[1],
                    limit=limit + 1,
                    **self._of,
                )
            )
        places = [_place(row["contact_file_id"], row["row_number"], row) for row in found[:limit]]
        more = (places[-1].file_id, places[-1].row_number) if len(found) > limit else None
        return places, more

    async def whole(self, campaign_id: int, file_id: int, row_number: int) -> WholeRow:
        """Read again from the file, up to this row. Raises NotFound."""
        found = await self._found(campaign_id, file_id, row_number)
        columns, read = await asyncio.to_thread(self._rows, found, {row_number})
        cells = [*read[0].cells, *[""] * len(columns.names)] if read else [""] * len(columns.names)
        used = _used(columns)
        return WholeRow(
            place=_place(file_id, row_number, found),
            names=[columns.names[at] for at in used],
            cells=[cells[at] for at in used],
        )

    async def mend(
        self, campaign_id: int, file_id: int, row_number: int, cells: Sequence[str], required: frozenset[str]
    ) -> Reject | None:
        """The row with these cells is added as a contact, and no reject any more; or what is still wrong with it.

        required: variables of the agent's text. Raises NotFound, Invalid, Conflict for a campaign that has ended.
        """
        whole = await self.whole(campaign_id, file_id, row_number)
        found = await self._found(campaign_id, file_id, row_number)
        if len(cells) != len(whole.names):
            raise Invalid(f"the row has {len(whole.names)} cells, not {len(cells)}")
        columns = Columns.of(whole.names)
        verdict = decide(
            Row(row_number, tuple(cells)),
            columns,
            read_number=read_number,
            default_region=found["default_region"],
            known_zone=known_zone,
            required=required,
        )
        if not isinstance(verdict, NewContact):
            return verdict or Reject(
                row_number=row_number, field="", value="", reason="the row is empty", fix="fill it in, or leave it out"
            )
        zoned = columns.timezone is not None and cells[columns.timezone].strip()
        contact = LateContact(
            phone_number=verdict.to_number,
            external_id=verdict.external_id,
            timezone=verdict.zones[0] if zoned else None,
            priority=verdict.priority,
            variables=verdict.variables,
        )
        (addition,) = await self._contacts.add_each(campaign_id, [contact], required=required)
        if isinstance(addition, Rejected):
            return Reject(
                row_number=row_number,
                field=addition.field,
                value=addition.value,
                reason=addition.reason,
                fix=addition.fix,
            )
        if not isinstance(addition, Added):
            return duplicate(row_number, columns.names[columns.phone], verdict.to_number, None)
        async with self._database.connection() as connection:
            await sql.forget_reject(connection, file_id=file_id, row_number=row_number, **self._of)
        return None

    async def csv(self, campaign_id: int) -> AsyncGenerator[str, None]:
        """All rejected rows whole, with what is wrong with each, file after file; to be mended and uploaded again."""
        after_file = 0
        while True:
            async with self._database.connection() as connection:
                file = await sql.file_with_rejects(
                    connection, campaign_id=campaign_id, after_file=after_file, **self._of
                )
            if file is None:
                return
            after_file = file["id"]
            async for text in self._csv_of(file):
                yield text

    async def _csv_of(self, file: Any) -> AsyncGenerator[str, None]:
        columns, table_rows = await asyncio.to_thread(self._open, file)
        used = _used(columns)
        yield csv_text([[*(defused(columns.names[at]) for at in used), REASON, FIX]])
        after_row = 0
        while True:
            async with self._database.connection() as connection:
                page = await rows(
                    sql.rejects_of_file(connection, file_id=file["id"], after_row=after_row, limit=PAGE, **self._of)
                )
            if not page:
                return
            after_row = page[-1]["row_number"]
            why = {row["row_number"]: row for row in page}
            for row in await asyncio.to_thread(_among, table_rows, why.keys(), after_row):
                cells = [*row.cells, *[""] * len(columns.names)]
                reason = why[row.number]
                line = [*(defused(cells[at]) for at in used), defused(reason["reason"]), defused(reason["fix"])]
                yield csv_text([line])

    async def _found(self, campaign_id: int, file_id: int, row_number: int) -> Any:
        async with self._database.connection() as connection:
            found = await sql.rejected_row(
                connection, campaign_id=campaign_id, file_id=file_id, row_number=row_number, **self._of
            )
        if found is None:
            raise NotFound(f"row {row_number} of this file is not rejected any more")
        return found

    def _open(self, file: Any) -> tuple[Columns, Iterator[Row]]:
        table = open_table(self._files.read(file["key"]), name=file["name"])
        return Columns.of(table.header, file["columns"]), table.rows

    def _rows(self, file: Any, wanted: Collection[int]) -> tuple[Columns, list[Row]]:
        columns, table_rows = self._open(file)
        return columns, _among(table_rows, wanted, max(wanted))


def _among(table_rows: Iterator[Row], wanted: Collection[int], last: int) -> list[Row]:
    """Those of the wanted rows that are still to come; it reads up to the last of them and not beyond."""
    found = []
    for row in table_rows:
        if row.number in wanted:
            found.append(row)
        if row.number >= last:
            break
    return found


def _used(columns: Columns) -> list[int]:
    """Positions of the columns that are not left out."""
    special = {columns.phone, columns.timezone, columns.priority, columns.external_id} - {None}
    variables = {position for position, _ in columns.variables}
    return [position for position in range(len(columns.names)) if position in special | variables]


def _place(file_id: int, row_number: int, row: Any) -> RejectedPlace:
    return RejectedPlace(
        file_id=file_id,
        row_number=row_number,
        field=row["field"],
        value=row["value"],
        reason=row["reason"],
        fix=row["fix"],
    )
