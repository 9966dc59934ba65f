"""Migrations: once, in order, by however many processes; and never over somebody else's schema."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import asyncpg
import pytest

from dialplane.errors import EnvironmentFault
from dialplane.store import postgres
from dialplane.store.postgres import Database, migrations

pytestmark = pytest.mark.asyncio

OPEN = """
import asyncio, json, sys
from dialplane.store.postgres import Database
async def main():
    database = await Database.open(json.loads(sys.argv[1]), schema=sys.argv[2])
    await database.close()
sys.stdin.readline()
asyncio.run(main())
"""


@pytest.fixture
def schema(fresh_schema: str) -> str:
    """One that does not exist yet."""
    return fresh_schema


async def connected(server: Mapping[str, Any], schema: str) -> asyncpg.Connection:
    return await asyncpg.connect(**server, server_settings={"search_path": schema})


async def applied(server: Mapping[str, Any], schema: str) -> list[str]:
    connection = await connected(server, schema)
    try:
        return [row["name"] for row in await connection.fetch("SELECT name FROM schema_migration ORDER BY number")]
    finally:
        await connection.close()


async def test_four_processes_that_start_together_migrate_once(server: Mapping[str, Any], schema: str) -> None:
    pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE}
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", OPEN, json.dumps(dict(server)), schema, **pipes)
        for _ in range(4)
    ]

    ends = await asyncio.gather(*[process.communicate(b"go\n") for process in processes])

    assert [process.returncode for process in processes] == [0] * 4, [errors.decode() for _, errors in ends]
    assert await applied(server, schema) == [name for _, name, _ in migrations()]


async def test_a_second_opening_changes_nothing(server: Mapping[str, Any], schema: str) -> None:
    for _ in range(2):
        database = await Database.open(server, schema=schema)
        await database.close()

    assert await applied(server, schema) == [name for _, name, _ in migrations()]


async def test_a_file_that_was_changed_after_it_was_applied_is_refused(
    server: Mapping[str, Any], schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await (await Database.open(server, schema=schema)).close()
    changed = [(number, name, text + "-- and one more thing\n") for number, name, text in migrations()]
    monkeypatch.setattr(postgres, "migrations", lambda: changed)

    with pytest.raises(EnvironmentFault, match="migration 0001_engine.sql is not the one that was applied"):
        await Database.open(server, schema=schema)


async def test_a_database_of_a_newer_version_is_refused(server: Mapping[str, Any], schema: str) -> None:
    await (await Database.open(server, schema=schema)).close()
    connection = await connected(server, schema)
    await connection.execute("INSERT INTO schema_migration VALUES (9001, '9001_later.sql', 'x')")
    await connection.close()

    with pytest.raises(EnvironmentFault, match=r"newer Dialplane \(migration 9001_later\.sql\): upgrade"):
        await Database.open(server, schema=schema)


async def test_a_new_migration_is_applied_to_a_database_that_is_in_use(
    server: Mapping[str, Any], schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await (await Database.open(server, schema=schema)).close()
    known = [*migrations(), (9000, "9000_more.sql", "CREATE TABLE more (id bigint PRIMARY KEY);")]
    monkeypatch.setattr(postgres, "migrations", lambda: known)

    await (await Database.open(server, schema=schema)).close()

    assert (await applied(server, schema))[-1] == "9000_more.sql"


async def test_one_that_fails_leaves_nothing_behind(
    server: Mapping[str, Any], schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = [*migrations(), (9000, "9000_broken.sql", "CREATE TABLE half (id bigint); SELECT 1 / 0;")]
    with monkeypatch.context() as patched:
        patched.setattr(postgres, "migrations", lambda: broken)
        with pytest.raises(EnvironmentFault, match="the database refused: division by zero"):
            await Database.open(server, schema=schema)

    await (await Database.open(server, schema=schema)).close()

    assert await applied(server, schema) == [name for _, name, _ in migrations()]


async def test_schemas_do_not_see_each_other(server: Mapping[str, Any], schema: str) -> None:
    database = await Database.open(server, schema=schema)
    try:
        async with database.connection() as connection:
            assert await connection.fetchval("SELECT current_schema()") == schema
            assert await connection.fetchval("SELECT count(*) FROM organization") == 0
    finally:
        await database.close()


async def test_a_server_that_is_not_there_is_an_environment_fault() -> None:
    with pytest.raises(EnvironmentFault, match="cannot be reached"):
        await Database.open({"dsn": "postgresql://nobody@127.0.0.1:9/nothing"})
