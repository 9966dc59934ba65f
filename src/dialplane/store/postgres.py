"""The database: a pool, transactions, migrations, and the named statements in `queries/`."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any, Final, TypeAlias

import aiosql
import asyncpg

from dialplane.errors import EnvironmentFault

MINIMUM_VERSION = 15
MIGRATION_LOCK = 0x6469616C  # "dial": an advisory lock, so that processes that start together migrate once

# Statements are planned while their tables are still empty, and the plan stays: it must be the one for a million rows.
PLANNER = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off", "jit": "off"}

# What a broken or overloaded connection raises; whoever gets one tries again on a new connection.
CONNECTION_FAULTS: Final[tuple[type[Exception], ...]] = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection cut in the middle of an answer
    asyncpg.OperatorInterventionError,  # shutdown, recovery, cancelled by a timeout
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.DeadlockDetectedError,
    asyncpg.TooManyConnectionsError,
)

Connection: TypeAlias = Any  # asyncpg's, or one of its pool
Row = Mapping[str, Any]

sql: Any = aiosql.from_path(str(files("dialplane.store") / "queries"), "asyncpg", mandatory_parameters=True)


async def rows(result: AsyncIterator[Row]) -> list[Row]:
    """All rows of a select: aiosql hands them out one by one."""
    return [row async for row in result]


class Database:
    """A pool on one schema of one database.

    recover: called after a lost connection, before the next attempt; the embedded server is started again there.
    """

    def __init__(self, pool: asyncpg.Pool[Any], recover: Callable[[], None] | None) -> None:
        self.pool = pool
        self._recover = recover

    @classmethod
    async def open(
        cls,
        connect_arguments: Mapping[str, Any],
        *,
        schema: str | None = None,
        durable: bool = True,
        recover: Callable[[], None] | None = None,
        max_connections: int = 8,
    ) -> Database:
        """A migrated database. `schema`: work in that schema, made if it is missing. Raises EnvironmentFault."""
        server_settings = {"application_name": "dialplane", **PLANNER}
        if schema is not None:
            server_settings["search_path"] = schema
        if not durable:
            server_settings["synchronous_commit"] = "off"
        try:
            connection = await asyncpg.connect(**connect_arguments, timeout=10)
            try:
                await _check_server(connection)
                await migrate(connection, schema)
            finally:
                await connection.close(timeout=5)
            pool = await asyncpg.create_pool(
                **connect_arguments,
                min_size=1,
                max_size=max_connections,
                timeout=10,
                command_timeout=60,
                server_settings=server_settings,
                init=_prepare,
                reset=_keep,
            )
        except CONNECTION_FAULTS as fault:
            raise EnvironmentFault(
                f"the database cannot be reached: {describe(fault)}. {_where(connect_arguments)}"
            ) from fault
        except asyncpg.PostgresError as fault:
            raise EnvironmentFault(f"the database refused: {fault}. {_where(connect_arguments)}") from fault
        return cls(pool, recover)

    async def close(self) -> None:
        try:
            await asyncio.wait_for(self.pool.close(), timeout=5)
        except CONNECTION_FAULTS:  # TimeoutError is one of them
            self.pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """One connection for statements that commit by themselves."""
        async with self.pool.acquire(timeout=10) as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One transaction, explicitly READ COMMITTED: a statement after a lock must see what the lock waited for."""
        async with self.pool.acquire(timeout=10) as connection, connection.transaction(isolation="read_committed"):
            yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """Several reads of one moment, so that what they count adds up; to be kept short."""
        async with (
            self.pool.acquire(timeout=10) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield connection

    @asynccontextmanager
    async def short_transaction(self) -> AsyncIterator[Connection]:
        """A transaction that a frozen process cannot hold for longer than about a second."""
        async with self.pool.acquire(timeout=10) as connection:
            await connection.execute(
                "BEGIN ISOLATION LEVEL READ COMMITTED;"
                "SET LOCAL statement_timeout = '2s'; SET LOCAL idle_in_transaction_session_timeout = '1s'"
            )
            try:
                yield connection
            except BaseException:
                if not connection.is_closed():
                    await connection.execute("ROLLBACK")
                raise
            await connection.execute("COMMIT")

    async def recover(self) -> None:
        """After a lost connection: bring an embedded server back. Raises EnvironmentFault when that fails."""
        if self._recover is not None:
            await asyncio.to_thread(self._recover)


async def _prepare(connection: Any) -> None:
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=_to_json, decoder=json.loads)


async def _keep(connection: Any) -> None:
    """Nothing to undo when a connection goes back: all that is set is local to its transaction."""


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


async def _check_server(connection: Any) -> None:
    version = connection.get_server_version().major
    if version < MINIMUM_VERSION:
        raise EnvironmentFault(f"PostgreSQL {version} is too old: Dialplane needs {MINIMUM_VERSION} or later")
    if await connection.fetchval("SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean"):
        raise EnvironmentFault("the database is read-only: point DIALPLANE_DATABASE_URL at the primary")


def describe(fault: BaseException) -> str:
    """A fault in words: some carry none."""
    return str(fault) or type(fault).__name__


def _where(connect_arguments: Mapping[str, Any]) -> str:
    if "dsn" in connect_arguments:
        return "Check DIALPLANE_DATABASE_URL and that the server runs"
    return "`dialplane doctor` shows what is wrong"


def migrations() -> Iterable[tuple[int, str, str]]:
    """(number, name, text) of each migration, in order."""
    folder = files("dialplane.store") / "migrations"
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".sql"):
            yield int(entry.name[:4]), entry.name, entry.read_text(encoding="utf-8")


async def migrate(connection: Any, schema: str | None = None) -> None:
    """Make the schema, if it is missing, and bring it up to date, forward only, in one transaction.

    Concurrent callers wait and find it done.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", MIGRATION_LOCK)
        if schema is not None:
            await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"; SET search_path TO "{schema}"')
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migration"
            " (number integer PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL)"
        )
        done = {
            row["number"]: row for row in await connection.fetch("SELECT number, name, sha256 FROM schema_migration")
        }
        known = {number: (name, text) for number, name, text in migrations()}
        if newer := sorted(set(done) - set(known)):
            raise EnvironmentFault(
                f"the database was made by a newer Dialplane (migration {done[newer[0]]['name']}): upgrade this one"
            )
        for number, (name, text) in known.items():
            digest = hashlib.sha256(text.encode()).hexdigest()
            if number not in done:
                await connection.execute(text)
                await connection.execute("INSERT INTO schema_migration VALUES ($1, $2, $3)", number, name, digest)
            elif done[number]["sha256"] != digest:
                raise EnvironmentFault(f"migration {name} is not the one that was applied to this database")
