"""Organizations and their caps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from dialplane.core.pacing import Pace
from dialplane.store.postgres import Database, sql
from dialplane.store.turn import open_command


async def ensure_organization(database: Database, name: str = "default") -> int:
    """Its id; made on first use, once, by however many at a time."""
    async with database.transaction() as connection:
        await sql.lock_organization_names(connection)
        found = await sql.find_organization(connection, name=name)
        if found is not None:
            return int(found["id"])
        created = await sql.create_organization(connection, uuid=uuid4(), name=name, now=datetime.now(UTC))
        return int(created)


async def find_organization(database: Database, name: str) -> int | None:
    """Its id; None where there is none of this name."""
    async with database.connection() as connection:
        found = await sql.find_organization(connection, name=name)
    return None if found is None else int(found["id"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Caps over all campaigns of an organization. cps: None is no limit of its own."""

    max_lines: int
    cps: float | None


async def limits(database: Database, organization_id: int) -> Limits:
    async with database.connection() as connection:
        found = await sql.organization_limits(connection, organization_id=organization_id)
    return Limits(max_lines=found["max_lines"], cps=found["cps"])


async def set_limits(database: Database, organization_id: int, *, max_lines: int | None, cps: float | None) -> None:
    """Change an organization's caps, from the next turn on. Raises Invalid.

    max_lines: None leaves it as it is. cps: None is no limit.
    """
    Pace(scope="organization", cps=cps)  # raises for one that no turn could pace by
    async with open_command(database, organization_id, None) as turn:
        await sql.set_organization_limits(
            turn.connection, organization_id=organization_id, max_lines=max_lines, cps=cps
        )
        await turn.schedule(turn.now, exclusively=False)
