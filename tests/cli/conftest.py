"""The real executable, as a subprocess, on one database for the session."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import asyncpg
import pytest
from executable import Cli, with_setting

from dialplane.store.embedded import attach, describe


@pytest.fixture(scope="session")
def environment() -> Iterator[dict[str, str]]:
    """DIALPLANE_HOME with a server that lives as long as the session, or a schema of DIALPLANE_TEST_DATABASE_URL."""
    # Not pytest's own folder: as root that one is 0700, so that the server's user cannot enter it.
    home = Path(tempfile.mkdtemp(prefix="dp-cli-", dir="/tmp"))
    home.chmod(0o755)
    env = {name: value for name, value in os.environ.items() if not name.startswith("DIALPLANE_")}
    env |= {"DIALPLANE_HOME": str(home), "TZ": "UTC", "NO_COLOR": "1", "COLUMNS": "200"}
    if url := os.environ.get("DIALPLANE_TEST_DATABASE_URL"):
        schema = f"cli_{uuid4().hex[:12]}"
        asyncio.run(_execute(url, f'CREATE SCHEMA "{schema}"'))
        yield env | {"DIALPLANE_DATABASE_URL": with_setting(url, f"search_path={schema}")}
        asyncio.run(_drop(url, schema))
    else:
        attachment = attach(home)
        yield env
        attachment.leave()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def cli(environment: dict[str, str], tmp_path: Path) -> Cli:
    return Cli(tmp_path, environment)


@pytest.fixture
def campaigns(environment: dict[str, str]) -> Callable[[], list[tuple[int, str]]]:
    """Those that are not cancelled: id and state. A command that lists them takes a hundred times as long."""
    statement = "SELECT id, state FROM campaign WHERE state <> 'cancelled' ORDER BY id"
    return lambda: [tuple(row) for row in asyncio.run(_fetch(_url(environment), statement))]


@pytest.fixture
def empty(cli: Cli) -> Iterator[Callable[[str], Cli]]:
    """Makes installations with a data folder and a schema of their own, on the session's server."""
    url = _url(cli.env).partition("search_path=")[0].rstrip("?&")
    schemas: list[str] = []

    def make(name: str) -> Cli:
        schemas.append(f"cli_{uuid4().hex[:12]}")
        asyncio.run(_execute(url, f'CREATE SCHEMA "{schemas[-1]}"'))
        own = {"DIALPLANE_HOME": str(cli.folder / name)}
        return Cli(
            cli.folder, cli.env | own | {"DIALPLANE_DATABASE_URL": with_setting(url, f"search_path={schemas[-1]}")}
        )

    yield make
    for schema in schemas:
        asyncio.run(_drop(url, schema))


def _url(env: dict[str, str]) -> str:
    """Of the database that commands in this environment use."""
    if url := env.get("DIALPLANE_DATABASE_URL"):
        return url
    host = quote(str(describe(Path(env["DIALPLANE_HOME"])).socket_folder), safe="")
    return f"postgresql://dialplane@/postgres?host={host}&port=5432&sslmode=disable"


async def _fetch(url: str, statement: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetch(statement)
    except asyncpg.UndefinedTableError:  # before the first command
        return []
    finally:
        await connection.close()


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


async def _drop(url: str, schema: str) -> None:
    """The schema, and those of runs on the virtual clock that were made from it."""
    connection = await asyncpg.connect(url)
    virtual = await connection.fetch("SELECT nspname FROM pg_namespace WHERE nspname LIKE $1", f"{schema}_virtual_%")
    await connection.close()
    await _execute(url, *(f'DROP SCHEMA "{name}" CASCADE' for name in [schema, *(row[0] for row in virtual)]))
