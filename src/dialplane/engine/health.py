"""How the whole installation stands: lines, jobs, workers, messages that wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from dialplane.store.postgres import Database, Row, rows, sql

SILENT = timedelta(seconds=5)  # a worker beats every second


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """lines: open attempts by state. jobs: in the queue, by state. workers: alive. deliveries: that wait."""

    lines: Mapping[str, int]
    jobs: Mapping[str, int]
    workers: int
    deliveries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseState:
    """connections: open now, of most_connections. longest_transaction_seconds: of those that are open."""

    version: str
    bytes: int
    connections: int
    most_connections: int
    longest_transaction_seconds: float


async def workers(database: Database, *, limit: int) -> list[Row]:
    """Those last heard of first: host, pid, started_at, heartbeat_at, lines, and `now` by the database's clock."""
    async with database.connection() as connection:
        return await rows(sql.workers(connection, limit=limit))


async def alive_workers(database: Database) -> int:
    async with database.connection() as connection:
        return len(await rows(sql.live_workers(connection, silent=SILENT)))


async def database_state(database: Database) -> DatabaseState:
    async with database.connection() as connection:
        return DatabaseState(**dict(await sql.database_state(connection)))


async def measure(database: Database) -> Load:
    """Over all organizations, for the machine's operator."""
    async with database.connection() as connection:
        lines = await rows(sql.all_lines(connection))
        jobs = await rows(sql.all_jobs(connection))
        workers = await rows(sql.live_workers(connection, silent=SILENT))
        deliveries = await sql.all_pending_deliveries(connection)
    return Load(
        lines={row["state"]: row["lines"] for row in lines},
        jobs={row["state"]: row["jobs"] for row in jobs},
        workers=len(workers),
        deliveries=deliveries,
    )
