"""contacts file -> contacts and rejects, batch by batch; an import that was killed goes on where it stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import asyncpg

from dialplane.core.campaign import FAIL_IMPORT, FINAL, CampaignState
from dialplane.core.intake import Columns, Reject, missing_columns
from dialplane.engine.batches import batches, one_ahead
from dialplane.engine.contact_file import Table, open_table
from dialplane.engine.jobs import IMPORT, enqueue
from dialplane.engine.preview import Preview, preview
from dialplane.engine.screening import Screening, screen
from dialplane.engine.storing import Storing
from dialplane.errors import Conflict, Invalid, NotFound
from dialplane.ports import Clock, Files
from dialplane.store.postgres import Connection, Database, rows, sql
from dialplane.store.turn import open_command

# Rows of a file after which the server looks at the table, if it does not know of as many.
GROWTH = (1, 50_000, 500_000)
REJECTS_PAGE = 1000
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import came to."""

    contacts: int
    rejects: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactsFile:
    """A file that is in the store already.

    default_region: as `check_region` returns it. columns: names instead of the header's, as `Columns.of` takes them.
    """

    key: str
    name: str
    default_region: str | None = None
    columns: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """One line of the reject file."""

    row: int
    field: str
    value: str
    reason: str
    fix: str


class Intake:
    """Imports of one organization's campaigns."""

    def __init__(self, database: Database, clock: Clock, files: Files, organization_id: int) -> None:
        self._database = database
        self._clock = clock
        self._files = files
        self._organization_id = organization_id
        self._of = {"organization_id": organization_id}

    def check(self, path: Path, required: frozenset[str]) -> Columns:
        """The columns of a file that could be imported, before anything is made for it.

        Raises Invalid: no such file, empty, header only, no phone column, a template variable without a column.
        """
        with _opened(path) as chunks:
            table = open_table(chunks, name=path.name)
            columns = _columns(table, required)
            if next(table.rows, None) is None:
                raise Invalid(f"{path.name} has a header and no contacts below it")
        return columns

    async def screen(self, file: ContactsFile, required: frozenset[str], *, thorough: bool) -> Screening:
        """What is wrong with a stored file, found out in a thread. Raises NotFound and what `screening.screen` does."""

        def read() -> Screening:
            chunks = self._files.read(file.key)
            return screen(
                chunks,
                name=file.name,
                required=required,
                default_region=file.default_region,
                thorough=thorough,
                given=file.columns,
            )

        return await asyncio.to_thread(read)

    async def preview(
        self, file: ContactsFile, required: frozenset[str], names: Sequence[str] | None = None
    ) -> Preview:
        """The beginning of a stored file, read in a thread. names: None has them proposed. As `preview.preview`."""

        def read() -> Preview:
            chunks, region = self._files.read(file.key), file.default_region
            return preview(chunks, name=file.name, required=required, default_region=region, names=names)

        return await asyncio.to_thread(read)

    async def store(self, campaign_id: int, path: Path, default_region: str | None) -> None:
        """Keep a copy of the file as the campaign's; from here on the import can be finished whatever happens."""
        suffix = path.suffix.lower() if path.suffix.lower() in (".xlsx", ".xls") else ".csv"
        key = f"contacts/{self._organization_id}/{uuid4()}{suffix}"
        await asyncio.to_thread(self._files.put, key, path)
        file = ContactsFile(key=key, name=path.name, default_region=default_region)
        async with self._database.transaction() as connection:
            await attach(connection, self._organization_id, campaign_id, file, self._clock.now())

    async def add(self, campaign_id: int, file: ContactsFile) -> None:
        """A further file, which a job imports. Raises Conflict for a campaign that has ended, and while another file is
        being imported; NotFound.
        """
        async with open_command(self._database, self._organization_id, self._clock.instant()) as turn:
            campaign = await sql.campaign(turn.connection, campaign_id=campaign_id, **self._of)
            if campaign is not None and CampaignState(campaign["state"]) in FINAL:
                raise Conflict(f"campaign {campaign_id} is {campaign['state']}: it takes no contacts")
            await attach(turn.connection, self._organization_id, campaign_id, file, turn.now)
            await enqueue(turn.connection, IMPORT, [{**self._of, "campaign_id": campaign_id}])

    async def run(
        self,
        campaign_id: int,
        required: frozenset[str],
        *,
        strict: bool = False,
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> Imported | None:
        """Import what is left of the campaign's unfinished file, and seal it; None where there is none.

        strict: a single bad row stops it with Invalid, and the caller discards the campaign.
        """
        async with self._database.connection() as connection:
            file = await sql.unfinished_file(connection, campaign_id=campaign_id, **self._of)
            campaign = await sql.campaign(connection, campaign_id=campaign_id, **self._of)
        if file is None:
            return None
        table = await asyncio.to_thread(open_table, self._files.read(file["key"]), name=file["name"])
        columns = _columns(table, required, file["columns"])
        names = list(dict.fromkeys([*campaign["variable_names"], *(name for _, name in columns.variables)]))
        async with self._database.connection() as connection:
            await sql.name_variables(connection, campaign_id=campaign_id, variable_names=names, **self._of)
        found = batches(table.rows, columns, file["default_region"], required, after=file["rows_read"])
        salt = f"{campaign['uuid']}/{file['id']}"  # a number that a contact of another file had may come again
        storing = Storing(
            database=self._database,
            clock=self._clock,
            organization_id=self._organization_id,
            campaign_id=campaign_id,
            file_id=file["id"],
            salt=salt,
            sequence_base=file["sequence_base"],
            columns=columns,
        )
        growth = list(GROWTH)
        async with aclosing(one_ahead(found)) as ahead:
            async for decided in ahead:
                rejects = await storing.write(decided)
                on_progress(decided.last_row)
                if growth and decided.last_row >= growth[0]:
                    await self._look_at_table(growth.pop(0))
                if strict and rejects:
                    raise _refused(file["name"], rejects[0])
        return await self._seal(file["id"], names, table.sheet)

    async def give_up(self, campaign_id: int, reason: str) -> None:
        """The campaign's unfinished file cannot be read on: the campaign fails, and keeps what was read before.

        Whoever resumes it calls those. A campaign without an unfinished file is left as it is.
        """
        async with open_command(self._database, self._organization_id, self._clock.instant()) as turn:
            of = {"campaign_id": campaign_id, **self._of}
            failed = await sql.fail_file(turn.connection, error=reason, now=turn.now, **of)
            if failed is None:
                return
            campaign = await sql.campaign(turn.connection, **of)
            await sql.seal(
                turn.connection,
                sealed_sequence=failed["sealed_sequence"],
                contacts=failed["contacts"],
                variable_names=campaign["variable_names"],
                **of,
            )
            kept = f"{failed['contacts']} contacts before the fault are kept, {failed['rejects']} rows rejected"
            details = {"file": failed["name"], "contacts": failed["contacts"], "rejects": failed["rejects"]}
            await turn.log(campaign_id, "contacts.import_failed", f"{reason}; {kept}", level="error", details=details)
            moved = await sql.move_campaign(
                turn.connection,
                states=[state.value for state in FAIL_IMPORT.before],
                state=FAIL_IMPORT.after.value,
                reason=reason,
                now=turn.now,
                **of,
            )
            if moved is not None:
                await turn.take_back(campaign_id=campaign_id)
                await turn.log(campaign_id, "campaign.failed", f"failed: {reason}", level="error")
            await sql.wake(turn.connection, now=turn.now, **self._of)

    async def _seal(self, file_id: int, variable_names: list[str], sheet: str | None) -> Imported:
        """Under the organization's lock: from here on its contacts can be claimed. sheet: of a workbook."""
        async with open_command(self._database, self._organization_id, self._clock.instant()) as turn:
            done = await sql.finish_file(turn.connection, file_id=file_id, now=turn.now, **self._of)
            if done is None:
                raise Conflict("another process has finished this import")
            await sql.seal(
                turn.connection,
                campaign_id=done["campaign_id"],
                sealed_sequence=done["sealed_sequence"],
                contacts=done["contacts"],
                variable_names=variable_names,
                **self._of,
            )
            place = "" if sheet is None else f" from the sheet '{sheet}'"
            message = f"{done['contacts']} contacts imported{place}, {done['rejects']} rows rejected"
            await turn.log(done["campaign_id"], "contacts.imported", message)
            await turn.schedule(turn.now, exclusively=False)
        async with self._database.connection() as connection:
            await connection.execute("ANALYZE contact")
        return Imported(contacts=done["contacts"], rejects=done["rejects"])

    async def _look_at_table(self, rows: int) -> None:
        """A fresh table is planned by chance, and a batch may read all of the campaign until the server has looked."""
        async with self._database.connection() as connection:
            if await sql.contacts_estimated(connection) < rows:
                await connection.execute("ANALYZE contact")

    async def rejects_page(
        self, campaign_id: int, after: tuple[int, int], limit: int = REJECTS_PAGE
    ) -> tuple[list[RejectedRow], tuple[int, int]]:
        """Rejected rows in the order of the file, after (file id, row), and where the next page begins."""
        async with self._database.connection() as connection:
            page = sql.rejects_page(
                connection,
                campaign_id=campaign_id,
                after_file=after[0],
                after_row=after[1],
                limit=limit,
                **self._of,
            )
            found = await rows(page)
        last = (found[-1]["contact_file_id"], found[-1]["row_number"]) if found else after
        return [
            RejectedRow(row["row_number"], row["field"], row["value"], row["reason"], row["fix"]) for row in found
        ], last


async def attach(
    connection: Connection, organization_id: int, campaign_id: int, file: ContactsFile, now: datetime
) -> None:
    """The campaign's next file to import, in the connection's transaction.

    Raises Conflict while another one is being imported, NotFound.
    """
    try:
        file_id = await sql.create_contact_file(
            connection,
            organization_id=organization_id,
            uuid=uuid4(),
            campaign_id=campaign_id,
            name=file.name,
            key=file.key,
            default_region=file.default_region,
            columns=None if file.columns is None else list(file.columns),
            now=now,
        )
    except asyncpg.UniqueViolationError:
        raise Conflict(f"another file of campaign {campaign_id} is being imported: wait for it") from None
    if file_id is None:
        raise NotFound(f"there is no campaign {campaign_id}")


def _refused(name: str, reject: Reject) -> Invalid:
    return Invalid(
        f"{name}, row {reject.row_number}, {reject.field or 'whole row'}: {reject.reason}; {reject.fix}. "
        "--strict accepts no bad row, so nothing was imported"
    )


def _columns(table: Table, required: frozenset[str], given: Sequence[str] | None = None) -> Columns:
    columns = Columns.of(table.header, given)
    if missing := missing_columns(columns, required):
        wanted = ", ".join(f"{{{{{name}}}}}" for name in missing)
        raise Invalid(
            f"the agent's text uses {wanted}, and the file has no such column; "
            f"its columns are {', '.join(columns.names)}"
        )
    return columns


@contextmanager
def _opened(path: Path) -> Iterator[Iterator[bytes]]:
    """The content of a file on this machine, in chunks. Raises Invalid where it cannot be read."""
    try:
        with path.open("rb") as content:
            yield iter(lambda: content.read(CHUNK_BYTES), b"")
    except FileNotFoundError:
        raise Invalid(f"there is no file {path}") from None
    except IsADirectoryError:
        raise Invalid(f"{path} is a folder: name a CSV file in it") from None
    except PermissionError:
        raise Invalid(f"{path} cannot be read: its permissions do not let you") from None
