"""Migrated schemas with nothing in them, and databases that work in one: for fixtures, whichever loop is theirs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from graphlib import TopologicalSorter
from typing import Any
from uuid import uuid4

import asyncpg

from dialplane.store.postgres import Database


@asynccontextmanager
async def migrated(server: Mapping[str, Any], clean: list[str]) -> AsyncIterator[str]:
    """The name of a migrated schema with nothing in it, of those that are `clean` if there is any; it is emptied."""
    name = clean.pop() if clean else f"t_{uuid4().hex[:12]}"
    await (await Database.open(server, schema=name, durable=False, max_connections=1)).close()
    yield name
    connection = await asyncpg.connect(**server, server_settings={"search_path": name, "lock_timeout": "3s"})
    try:
        await connection.execute(await _emptying(connection))
    except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError, asyncpg.ForeignKeyViolationError):
        pass  # what a test has left behind is at work in it; nobody else gets it
    else:
        clean.append(name)
    await connection.close()


async def _emptying(connection: Any) -> str:
    """Statements that empty all tables, those that refer to others first, and begin all ids at 1."""
    tables = [
        row[0]
        for row in await connection.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'"
            " AND relname <> 'schema_migration'"
        )
    ]
    refers = {table: set[str]() for table in tables}
    for table, other in await connection.fetch(
        "SELECT c.relname, f.relname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid"
        " JOIN pg_class f ON f.oid = k.confrelid"
        " WHERE k.contype = 'f' AND k.connamespace = current_schema()::regnamespace"
    ):
        refers[table].add(other)
    order = reversed(list(TopologicalSorter(refers).static_order()))
    sequences = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'S'"
    )
    restarts = ", ".join(f"setval('{row[0]}', 1, false)" for row in sequences)
    return "; ".join([*(f'DELETE FROM "{table}"' for table in order), f"SELECT {restarts}"])


@asynccontextmanager
async def opened(server: Mapping[str, Any], schema: str) -> AsyncIterator[Database]:
    """Commits are not flushed to the disk."""
    database = await Database.open(server, schema=schema, durable=False)
    yield database
    await database.close()
