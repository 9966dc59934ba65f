"""Organizations and their caps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from dialplane.core.pacing import Pace
from dialplane.errors import Conflict, Invalid
from dialplane.store.postgres import Database, sql
from dialplane.store.turn import open_command

DEFAULT = "default"  # the installation's own organization: servers and commands find it by this name


async def ensure_organization(database: Database, name: str = DEFAULT) -> int:
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


async def organization_name(database: Database, organization_id: int) -> str:
    async with database.connection() as connection:
        return str(await sql.organization_name(connection, organization_id=organization_id))


async def rename(database: Database, organization_id: int, name: str) -> None:
    """Raises Invalid for no name, Conflict for one that cannot be had."""
    name = name.strip()
    if not name:
        raise Invalid("an organization needs a name")
    async with database.transaction() as connection:
        await sql.lock_organization_names(connection)
        before = await sql.organization_name(connection, organization_id=organization_id)
        if before == name:
            return
        if before == DEFAULT:
            raise Conflict(f"the first organization keeps its name: commands find it as '{DEFAULT}'")
        if name == DEFAULT or await sql.find_organization(connection, name=name) is not None:
            raise Conflict(f"another organization of this installation is called '{name}': take another name")
        await sql.rename_organization(connection, organization_id=organization_id, name=name)


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


async def is_installations_own(database: Database, organization_id: int) -> bool:
    """Whether it is the one that the installation began with: its people look after the machine."""
    return await organization_name(database, organization_id) == DEFAULT
