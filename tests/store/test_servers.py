"""Servers that Dialplane does not work on: refused with words that say what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from dialplane.errors import EnvironmentFault
from dialplane.store import postgres
from dialplane.store.postgres import CONNECTION_FAULTS, Database

pytestmark = pytest.mark.asyncio


async def test_a_server_that_is_too_old_is_refused(
    server: Mapping[str, Any], schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "MINIMUM_VERSION", 99)

    with pytest.raises(EnvironmentFault, match=r"PostgreSQL \d+ is too old: Dialplane needs 99 or later"):
        await Database.open(server, schema=schema)


async def test_a_read_only_server_is_refused(server: Mapping[str, Any], schema: str) -> None:
    read_only = {**server, "server_settings": {"default_transaction_read_only": "on"}}

    with pytest.raises(EnvironmentFault, match="read-only: point DIALPLANE_DATABASE_URL at the primary"):
        await Database.open(read_only, schema=schema)


async def test_a_server_that_is_down_is_named(schema: str) -> None:
    with pytest.raises(EnvironmentFault, match="cannot be reached: .*Check DIALPLANE_DATABASE_URL"):
        await Database.open({"dsn": "postgresql://nobody@127.0.0.1:1/none"}, schema=schema)


async def test_a_turn_that_is_frozen_while_it_prepares_a_statement_loses_its_lock(database: Database) -> None:
    """As asyncpg leaves the server after `prepare`, so does a process that is frozen between that and its statement."""
    async with database.connection() as connection:
        await connection.execute("CREATE TABLE held (id int)")
    with pytest.raises(CONNECTION_FAULTS):
        async with database.short_transaction() as frozen:
            await frozen.execute("LOCK TABLE held")
            await frozen.prepare("SELECT count(*) FROM held")
            async with database.connection() as other:
                assert (
                    await other.fetchval("SELECT state FROM pg_stat_activity WHERE pid = $1", frozen.get_server_pid())
                    == "active"
                )
                await other.execute("LOCK TABLE held; DROP TABLE held", timeout=10)
            await frozen.execute("SELECT 1")
