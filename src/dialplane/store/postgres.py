"""The database: a pool, transactions, migrations, and the named statements in `queries/`."""

from __future__ import annotations

import asyncio
import hashlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, TypeAlias

import asyncpg

from dialplane.errors import EnvironmentFault
from dialplane.store import hosts, pooled
from dialplane.store.statements import Statements

MINIMUM_VERSION = 15
MIGRATION_LOCK = 0x6469616C  # "dial": an advisory lock, so that processes that start together migrate once

# Statements are planned while their tables are still empty, and the plan stays: it must be the one for a million rows.
# Generic plans alone: otherwise the server plans those with arrays anew each time, which takes longer than to run them.
PLANNER = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_bitmapscan": "off",
    "jit": "off",
}

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

sql = Statements(Path(__file__).with_name("queries"))


async def rows(result: AsyncIterator[Row]) -> list[Row]:
    """All rows of a select: aiosql hands them out one by one."""
    return [row async for row in result]


class Database:
    """A pool on one schema of one database.

    recover: called after a lost connection, before the next attempt; the embedded server is started again there.
    settings: statements that each transaction begins with, behind a pooler; else the sessions have them already.
    """

    def __init__(
        self,
        pool: asyncpg.Pool[Any],
        recover: Callable[[], None] | None,
        connect: Callable[[], Awaitable[Connection]],
        settings: str = "",
    ) -> None:
        self.pool = pool
        self._recover = recover
        self._connect = connect
        self._settings = settings

    @classmethod
    async def open(
        cls,
        connect_arguments: Mapping[str, Any],
        *,
        schema: str | None = None,
        durable: bool = True,
        recover: Callable[[], None] | None = None,
        max_connections: int = 8,
        pooler: bool = False,
        as_it_is: bool = False,
    ) -> Database:
        """A migrated database. `schema`: work in that schema, made if it is missing. Raises EnvironmentFault.

        as_it_is: for who only reads: nothing is migrated, and the tables may be those of an older version, or missing.

        pooler: the way there leads through a pooler in transaction mode, which keeps neither settings nor prepared
        statements of a session.
        """
        settings = dict(PLANNER)
        if schema is not None:
            settings["search_path"] = schema
        if not durable:
            settings["synchronous_commit"] = "off"
        session = {"application_name": "dialplane", **({} if pooler else {**settings, **hosts.SERVER_SETTINGS})}
        if pooler:
            connect_arguments = {**connect_arguments, "statement_cache_size": 0}
        try:
            connection = await hosts.connect(**connect_arguments, timeout=10)
            try:
                await _check_server(connection)
                if not as_it_is:
                    await migrate(connection, schema)
            finally:
                await connection.close(timeout=5)
            pool = await asyncpg.create_pool(
                **connect_arguments,
                connect=hosts.connect,
                connection_class=hosts.WatchedConnection,
                min_size=1,
                max_size=max_connections,
                timeout=10,
                command_timeout=60,
                server_settings=session,
                init=_prepare,
                reset=_keep,
            )
        except ssl.SSLCertVerificationError as fault:
            raise EnvironmentFault(
                f"the certificate of the database's server is refused: {fault.verify_message}. sslrootcert in "
                "DIALPLANE_DATABASE_URL must name the certificate of who signed it, and the URL the host that it is for"
            ) from fault
        except CONNECTION_FAULTS as fault:
            raise EnvironmentFault(
                f"the database cannot be reached: {describe(fault)}. {_fix(fault, connect_arguments)}"
            ) from fault
        except asyncpg.PostgresError as fault:
            raise EnvironmentFault(f"the database refused: {fault}. {_fix(fault, connect_arguments)}") from fault
        connect = partial(hosts.connect, **connect_arguments, timeout=10, server_settings=session)
        database = cls(pool, recover, connect, pooled.set_local(settings) if pooler else "")
        if not pooler:
            await database._check_session()
        return database

    @property
    def listens(self) -> bool:
        """Whether a notification reaches who has asked for it: a pooler passes on none."""
        return not self._settings

    async def close(self) -> None:
        try:
            await asyncio.wait_for(self.pool.close(), timeout=5)
        except CONNECTION_FAULTS:  # TimeoutError is one of them
            self.pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """One connection for statements that commit by themselves."""
        async with self.pool.acquire(timeout=10) as connection:
            yield pooled.Alone(connection, self._settings) if self._settings else connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One transaction, explicitly READ COMMITTED: a statement after a lock must see what the lock waited for."""
        async with self.pool.acquire(timeout=10) as connection, connection.transaction(isolation="read_committed"):
            await self._set_local(connection)
            yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """Several reads of one moment, so that what they count adds up; to be kept short."""
        async with (
            self.pool.acquire(timeout=10) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            await self._set_local(connection)
            yield connection

    @asynccontextmanager
    async def short_transaction(self) -> AsyncIterator[Connection]:
        """A transaction that a frozen process cannot hold for longer than about a second.

        But for 5 s where it was frozen while a connection prepares a statement: the server is not idle then, and ends
        the session by a timeout that it has since PostgreSQL 17. It leaves room for a turn over a slow network.
        """
        async with self.pool.acquire(timeout=10) as connection:
            whole = "SET LOCAL transaction_timeout = '5s';" if connection.get_server_version().major >= 17 else ""
            await connection.execute(
                "BEGIN ISOLATION LEVEL READ COMMITTED;"
                "SET LOCAL statement_timeout = '2s'; SET LOCAL idle_in_transaction_session_timeout = '1s';"
                + whole
                + self._settings
            )
            try:
                yield connection
            except BaseException:
                await _roll_back(connection)
                raise
            await connection.execute("COMMIT")

    async def _set_local(self, connection: Connection) -> None:
        if self._settings:
            await connection.execute(self._settings)

    async def _check_session(self) -> None:
        """Raises EnvironmentFault where a pooler has dropped the session's settings without a word."""
        async with self.pool.acquire(timeout=10) as connection:
            kept = await connection.fetchval("SELECT current_setting('enable_seqscan') = 'off'")
        if not kept:
            await self.close()
            raise EnvironmentFault(pooled.HINT)

    @asynccontextmanager
    async def unhurried(self, *, isolation: str = "read_committed") -> AsyncIterator[Connection]:
        """One transaction on a connection of its own, whose statements may take as long as they need."""
        connection = await self._connect()
        try:
            await _prepare(connection)
            async with connection.transaction(isolation=isolation):
                await self._set_local(connection)
                yield connection
        finally:
            await connection.close(timeout=5)

    async def forget_plans(self) -> None:
        """After tables were made anew: the pool's connections have prepared statements for those before."""
        await self.pool.expire_connections()

    async def recover(self) -> None:
        """After a lost connection: bring an embedded server back. Raises EnvironmentFault when that fails."""
        if self._recover is not None:
            await asyncio.to_thread(self._recover)


async def _prepare(connection: Any) -> None:
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=_to_json, decoder=json.loads)


async def _roll_back(connection: Any) -> None:
    """What broke the transaction is the fault to tell of; a connection that cannot roll back is not used again."""
    with suppress(*CONNECTION_FAULTS):  # the pool may have taken it back already
        try:
            await connection.execute("ROLLBACK")
        except CONNECTION_FAULTS:
            connection.terminate()


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


def _fix(fault: Exception, connect_arguments: Mapping[str, Any]) -> str:
    if pooled.NOT_PASSED_ON in str(fault):
        return pooled.HINT
    if "dsn" in connect_arguments:
        for name, path in hosts.files(connect_arguments["dsn"]).items():
            if not path.exists():
                return f"{path}, {name} in DIALPLANE_DATABASE_URL, is not there"
        return "Check DIALPLANE_DATABASE_URL and that the server runs"
    return "`dialplane doctor` shows what is wrong"


def migrations() -> Iterable[tuple[int, str, str]]:
    """(number, name, text) of each migration, in order."""
    folder = files("dialplane.store") / "migrations"
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".sql"):
            yield int(entry.name[:4]), entry.name, entry.read_text(encoding="utf-8")


async def migrate(connection: Any, schema: str | None = None, *, only: Collection[int] | None = None) -> None:
    """Make the schema, if it is missing, and bring it up to date, forward only, in one transaction.

    Concurrent callers wait and find it done. only: apply none but these, for what was dumped before the others were.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", MIGRATION_LOCK)
        if schema is not None:
            await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"; SET LOCAL search_path TO "{schema}"')
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
            if number not in done and (only is None or number in only):
                await connection.execute(text)
                await connection.execute("INSERT INTO schema_migration VALUES ($1, $2, $3)", number, name, digest)
            elif number in done and done[number]["sha256"] != digest:
                raise EnvironmentFault(f"migration {name} is not the one that was applied to this database")
