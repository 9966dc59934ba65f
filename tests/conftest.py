"""One database server for all tests, and a schema of its own for each."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

from dialplane.store.embedded import attach
from dialplane.store.postgres import Database

LONG = (
    "engine/test_whole_campaign.py",
    "api/test_million.py",
    "chaos/test_network.py",
    "chaos/test_kill_loop.py",
    "web/test_journey.py",
    "web/test_every_page.py",
    "web/test_new_campaign.py",
    "web/test_administration.py",
    "web/test_campaign_live.py",
    "sip/test_sip_campaign.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those files first that take minutes: begun last, one of them would run alone beside idle processors."""
    items.sort(key=lambda item: not item.path.as_posix().endswith(LONG))


@pytest.fixture(scope="session")
def server() -> Iterator[Mapping[str, Any]]:
    """How to connect: to DIALPLANE_TEST_DATABASE_URL (its user owns the database), else to an embedded server."""
    if url := os.environ.get("DIALPLANE_TEST_DATABASE_URL"):
        yield {"dsn": url}
        return
    # Not pytest's own folder: as root that one is 0700, so that the server's user cannot enter it.
    home = Path(tempfile.mkdtemp(prefix="dp-", dir="/tmp"))
    home.chmod(0o755)
    attachment = attach(home)
    yield attachment.connect_arguments
    attachment.leave()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def clean_schemas() -> list[str]:
    """Schemas that are migrated and empty: making one takes longer than most tests."""
    return []


@pytest_asyncio.fixture
async def schema(server: Mapping[str, Any], clean_schemas: list[str]) -> AsyncIterator[str]:
    """The name of a migrated schema with nothing in it; it is emptied for the next test."""
    name = clean_schemas.pop() if clean_schemas else f"t_{uuid4().hex[:12]}"
    await (await Database.open(server, schema=name, durable=False, max_connections=1)).close()
    yield name
    connection = await asyncpg.connect(**server, server_settings={"search_path": name, "lock_timeout": "3s"})
    try:
        await connection.execute(await emptying(connection))
    except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError, asyncpg.ForeignKeyViolationError):
        pass  # what a test has left behind is at work in it; nobody else gets it
    else:
        clean_schemas.append(name)
    await connection.close()


@pytest_asyncio.fixture
async def fresh_schema(server: Mapping[str, Any]) -> AsyncIterator[str]:
    """The name of a schema that does not exist yet; whatever a test makes there is dropped."""
    name = f"t_{uuid4().hex[:12]}"
    yield name
    connection = await asyncpg.connect(**server)
    await connection.execute(f'DROP SCHEMA IF EXISTS "{name}" CASCADE')
    await connection.close()


async def emptying(connection: Any) -> str:
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


@pytest_asyncio.fixture
async def database(server: Mapping[str, Any], schema: str) -> AsyncIterator[Database]:
    """A migrated database with nothing in it. Commits are not flushed to the disk."""
    opened = await Database.open(server, schema=schema, durable=False)
    yield opened
    await opened.close()
