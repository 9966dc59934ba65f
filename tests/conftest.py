"""One database server for all tests, and a schema of its own for each."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from argon2 import PasswordHasher
from schemas import migrated, opened

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


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--one-of-each", action="store_true", help="of each file only its first test on the database")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Those files first that take minutes: begun last, one of them would run alone beside idle processors."""
    items.sort(key=lambda item: not item.path.as_posix().endswith(LONG))
    if config.getoption("--one-of-each"):
        on_database = [item for item in items if "schema" in getattr(item, "fixturenames", ())]
        firsts = {item.path: item for item in reversed(on_database)}
        config.hook.pytest_deselected(items=[item for item in items if firsts.get(item.path) is not item])
        items[:] = [item for item in items if firsts.get(item.path) is item]


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """A password is hashed as cheaply as can be: to make that dear, as it must be elsewhere, takes 0.2 s each time."""
    with pytest.MonkeyPatch.context() as patch:
        cheap = partial(PasswordHasher, time_cost=1, memory_cost=8, parallelism=1)
        patch.setattr("dialplane.engine.people.PasswordHasher", cheap)
        yield


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
    async with migrated(server, clean_schemas) as name:
        yield name


@pytest_asyncio.fixture
async def fresh_schema(server: Mapping[str, Any]) -> AsyncIterator[str]:
    """The name of a schema that does not exist yet; whatever a test makes there is dropped."""
    name = f"t_{uuid4().hex[:12]}"
    yield name
    connection = await asyncpg.connect(**server)
    await connection.execute(f'DROP SCHEMA IF EXISTS "{name}" CASCADE')
    await connection.close()


@pytest_asyncio.fixture
async def database(server: Mapping[str, Any], schema: str) -> AsyncIterator[Database]:
    """A migrated database with nothing in it."""
    async with opened(server, schema) as database:
        yield database
