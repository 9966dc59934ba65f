"""One database server for all tests, and a schema of its own for each."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from dialplane.store.embedded import attach
from dialplane.store.postgres import Database


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


@pytest_asyncio.fixture
async def schema(server: Mapping[str, Any]) -> AsyncIterator[str]:
    """The name of a schema that does not exist yet; whatever a test makes there is dropped."""
    name = f"t_{uuid4().hex[:12]}"
    yield name
    database = await Database.open(server, max_connections=1)
    async with database.connection() as connection:
        await connection.execute(f'DROP SCHEMA IF EXISTS "{name}" CASCADE')
    await database.close()


@pytest_asyncio.fixture
async def database(server: Mapping[str, Any], schema: str) -> AsyncIterator[Database]:
    """A migrated database with nothing in it. Commits are not flushed to the disk."""
    opened = await Database.open(server, schema=schema, durable=False)
    yield opened
    await opened.close()
