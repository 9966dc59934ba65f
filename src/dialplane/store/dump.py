"""Our tables as text: out of one moment of a database and into an empty one, whatever the versions of the servers."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import AsyncIterable, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Final

from dialplane.errors import EnvironmentFault
from dialplane.store.postgres import MIGRATION_LOCK, Connection, migrate, migrations, rows, sql

# What the processes of one installation are at, and runs on the virtual clock, which have schemas of their own.
LEFT_OUT: Final = frozenset({"worker", "job_begin", "event_purge", "virtual_run"})
EMPTY_WITH: Final = frozenset({"organization", "worker"})  # any command makes the organization that is there by default
MOST_SECONDS: Final = 7 * 86_400.0  # for one table

# Values are spelled alike everywhere, whatever a server or a database was told to do.
SPELLING: Final = (
    "SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL intervalstyle = 'iso_8601';"
    "SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 1"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """sequences: of its identity columns, by column: the last value, and whether a row has had it."""

    name: str
    columns: Sequence[str]
    sequences: Mapping[str, tuple[int, bool]]


async def tables(connection: Connection) -> list[Table]:
    """What a dump holds, those first that others refer to. Called in the transaction that copies."""
    await connection.execute(SPELLING)
    names = [name for name in await _present(connection) if name not in LEFT_OUT]
    columns: dict[str, list[str]] = defaultdict(list)
    sequences: dict[str, dict[str, tuple[int, bool]]] = defaultdict(dict)
    for row in await rows(sql.columns_of(connection, names=names)):
        columns[row["table_name"]].append(row["name"])
        if row["sequence"] is not None:
            state = await connection.fetchrow(f"SELECT last_value, is_called FROM {row['sequence']}")
            sequences[row["table_name"]][row["name"]] = (state["last_value"], state["is_called"])
    return [Table(name=name, columns=columns[name], sequences=sequences[name]) for name in names]


async def copy_out(connection: Connection, table: Table, write: Callable[[bytes], Awaitable[None]]) -> int:
    """Its rows, as COPY's text; how many."""
    selected = f'SELECT {_quoted(table.columns)} FROM "{table.name}"'
    done: str = await connection.copy_from_query(selected, output=write, format="text", timeout=MOST_SECONDS)
    return int(done.removeprefix("COPY "))


async def filled(connection: Connection) -> list[str]:
    """Our tables that have a row, but for what every installation has."""
    names = [name for name in await _present(connection) if name not in EMPTY_WITH]
    return [name for name in names if await connection.fetchval(f'SELECT EXISTS (SELECT FROM "{name}")')]


async def lock(connection: Connection) -> None:
    """Until the end of the transaction nobody else migrates or restores."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", MIGRATION_LOCK)


async def rebuild(connection: Connection, numbers: Collection[int]) -> None:
    """Empty tables as they were after these migrations, in place of those that are there."""
    await connection.execute(SPELLING)
    for name in [*reversed(await _present(connection)), "schema_migration"]:
        await connection.execute(f'DROP TABLE "{name}"')
    await migrate(connection, only=numbers)


async def copy_in(connection: Connection, table: Table, content: AsyncIterable[bytes]) -> int:
    """What `copy_out` wrote; how many rows."""
    done: str = await connection.copy_to_table(
        table.name, source=content, columns=list(table.columns), format="text", timeout=MOST_SECONDS
    )
    for column, (last_value, is_called) in table.sequences.items():
        await sql.set_sequence(
            connection, table_name=table.name, column_name=column, last_value=last_value, is_called=is_called
        )
    return int(done.removeprefix("COPY "))


async def analyze(connection: Connection) -> None:
    """Tell the planner what was copied in, before it is asked about it."""
    await connection.execute(f"ANALYZE {_quoted(await _present(connection))}")


async def applied(connection: Connection) -> list[dict[str, str | int]]:
    """[{"number": 1, "name": "0001_engine.sql", "sha256": …}, …], none where nothing was ever made.

    Raises EnvironmentFault where a newer version has made tables that this one does not know.
    """
    if not await rows(sql.tables_among(connection, names=["schema_migration"])):
        return []
    done = [dict(row) for row in await rows(sql.applied_migrations(connection))]
    known = {number for number, _, _ in migrations()}
    if newer := [each["name"] for each in done if each["number"] not in known]:
        raise EnvironmentFault(f"the database was made by a newer Dialplane (migration {newer[0]}): upgrade this one")
    return done


async def _present(connection: Connection) -> list[str]:
    """Tables of ours in this schema, in which others may have tables too; those first that others refer to."""
    named = sorted({name for _, _, text in migrations() for name in re.findall(r"^CREATE TABLE (\w+)", text, re.M)})
    present = [row["name"] for row in await rows(sql.tables_among(connection, names=named))]
    needs: dict[str, set[str]] = {name: set() for name in sorted(present)}
    for row in await rows(sql.references_of(connection, names=present)):
        needs[row["table_name"]].add(row["needs"])
    return list(TopologicalSorter(needs).static_order())


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
