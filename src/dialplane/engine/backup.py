"""database, files on the disk -> one file, of which `restoring.py` makes the same again"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Final

from dialplane.engine.archive import MANIFEST, SECRET, Manifest, NewArchive, new_archive
from dialplane.errors import Conflict
from dialplane.store.dump import Table, applied, copy_out, tables
from dialplane.store.postgres import Connection, Database, sql

FILES: Final = "files"
CARRIER_LOGS: Final = "carrier-logs"
ARRIVING: Final = "arriving"  # below the files: what is not whole, and is sent again by whoever sends it


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What lies on this machine beside the database.

    files: None where they are in an object store, or are to stay out. secret: where it is to go into the backup.
    secret_mark: of the one in use, "" without one.
    """

    files: Path | None
    carrier_logs: Path
    secret_mark: str
    secret: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A backup that was written. rows: of all tables."""

    made_at: datetime
    rows: int
    files: int
    carrier_logs: int


async def back_up(database: Database, path: Path, left: Left, *, version: str) -> Made:
    """Write a backup of one moment, while everything goes on. version: of this Dialplane.

    Rows and files pass through, so memory stays as it is. Files come after the rows that name them, and a carrier's log
    after the attempts that it knows: the backup has none without the other. Raises Conflict where there is such a file
    already, or nothing to back up; EnvironmentFault. The database may be of an older version: `restoring.py` migrates.
    """
    with new_archive(path) as archive:
        async with database.snapshot() as connection:
            manifest = await _copy_tables(connection, archive, left.secret_mark, version)
        if not any(manifest.rows.values()):
            raise Conflict("there is nothing to back up: is this the right DIALPLANE_HOME, or DIALPLANE_DATABASE_URL?")
        files = _copy_files(archive, FILES, left.files, _whole_files(left.files)) if left.files else 0
        # Those of runs on the virtual clock are in folders below, and stay out like the runs.
        logs = _copy_files(archive, CARRIER_LOGS, left.carrier_logs, left.carrier_logs.glob("*.jsonl*"))
        if left.secret is not None:
            with archive.entry(SECRET) as entry:
                entry.write(left.secret.encode())
        with archive.entry(MANIFEST) as entry:
            entry.write(manifest.to_json().encode())
    return Made(made_at=manifest.made_at, rows=sum(manifest.rows.values()), files=files, carrier_logs=logs)


async def _copy_tables(connection: Connection, archive: NewArchive, secret_mark: str, version: str) -> Manifest:
    made_at = await sql.moment(connection)
    made_by = await applied(connection)
    found = await tables(connection)
    copied = {table.name: await _copy_table(connection, archive, table) for table in found}
    return Manifest(
        dialplane=version,
        postgres=connection.get_settings().server_version,
        made_at=made_at,
        migrations=made_by,
        tables=found,
        rows=copied,
        secret_mark=secret_mark,
    )


async def _copy_table(connection: Connection, archive: NewArchive, table: Table) -> int:
    with archive.entry(f"tables/{table.name}.copy") as entry:
        return await copy_out(connection, table, _writing(entry))


def _writing(entry: IO[bytes]) -> Callable[[bytes], Awaitable[None]]:
    async def write(data: bytes) -> None:
        entry.write(data)

    return write


def _whole_files(folder: Path) -> Iterable[Path]:
    for path in folder.rglob("*"):
        inside = path.relative_to(folder)
        # '<name>#1' is what the local store calls a file while it writes it.
        if path.is_file() and inside.parts[0] != ARRIVING and "#" not in path.name:
            yield path


def _copy_files(archive: NewArchive, name: str, folder: Path, paths: Iterable[Path]) -> int:
    """How many; one that was deleted since it was found stays out."""
    return sum(archive.add(f"{name}/{path.relative_to(folder)}", path) for path in paths)
