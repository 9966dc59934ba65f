"""What campaigns are made of: organizations, agents by version, carriers with their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from dialplane.errors import NotFound
from dialplane.ports import CarrierLimits
from dialplane.store.postgres import Database, sql
from dialplane.store.turn import open_command


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentVersion:
    """What an agent was at one version."""

    name: str
    kind: str
    definition: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierRecord:
    """A carrier as it was given; an adapter is made from it."""

    id: int
    name: str
    provider: str
    settings: Mapping[str, Any]


async def ensure_organization(database: Database, name: str = "default") -> int:
    """Its id; made on first use, once, by however many at a time."""
    async with database.transaction() as connection:
        await sql.lock_organization_names(connection)
        found = await sql.find_organization(connection, name=name)
        if found is not None:
            return int(found["id"])
        created = await sql.create_organization(connection, uuid=uuid4(), name=name, now=datetime.now(UTC))
        return int(created)


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
    """Change an organization's caps; None leaves one as it is. From the next turn."""
    async with open_command(database, organization_id, None) as turn:
        await sql.set_organization_limits(
            turn.connection, organization_id=organization_id, max_lines=max_lines, cps=cps
        )
        await turn.schedule(turn.now, exclusively=False)


async def ensure_agent(
    database: Database, organization_id: int, name: str, kind: str, definition: Mapping[str, Any]
) -> int:
    """The id of the agent of this name; a definition that differs from its last becomes a new version."""
    async with open_command(database, organization_id, None) as turn:
        of = {"organization_id": organization_id}
        found = await sql.find_agent(turn.connection, name=name, kind=kind, **of)
        if found is not None and found["definition"] == definition:
            return int(found["id"])
        if found is None:
            agent_id = await sql.create_agent(turn.connection, uuid=uuid4(), name=name, kind=kind, now=turn.now, **of)
            version = 1
        else:
            agent_id = found["id"]
            version = await sql.new_agent_version(turn.connection, agent_id=agent_id, **of)
        await sql.create_agent_version(
            turn.connection, agent_id=agent_id, version=version, definition=dict(definition), now=turn.now, **of
        )
        return int(agent_id)


async def agent_version(database: Database, organization_id: int, agent_id: int, version: int) -> AgentVersion:
    async with database.connection() as connection:
        found = await sql.agent_version(connection, organization_id=organization_id, agent_id=agent_id, version=version)
    if found is None:
        raise NotFound(f"no version {version} of agent {agent_id}")
    return AgentVersion(name=found["name"], kind=found["kind"], definition=found["definition"])


async def ensure_carrier(
    database: Database,
    organization_id: int,
    *,
    name: str,
    provider: str,
    settings: Mapping[str, Any],
    limits: CarrierLimits,
    numbers: Sequence[str],
) -> int:
    """The id of the carrier with these very settings; numbers are added to those that it has."""
    async with open_command(database, organization_id, None) as turn:
        of = {"organization_id": organization_id}
        given = {"name": name, "provider": provider, "settings": dict(settings)}
        carrier_id = await sql.find_carrier(turn.connection, **given, **of)
        if carrier_id is None:
            carrier_id = await sql.create_carrier(
                turn.connection,
                uuid=uuid4(),
                max_lines=limits.max_lines,
                cps=limits.cps,
                send_timeout_seconds=limits.send_timeout_seconds,
                ring_timeout_seconds=limits.ring_timeout_seconds,
                max_call_seconds=limits.max_call_seconds,
                slow_start=limits.slow_start,
                now=turn.now,
                **given,
                **of,
            )
        for number in numbers:
            await sql.create_number(
                turn.connection, uuid=uuid4(), carrier_id=carrier_id, e164=number, max_lines=None, now=turn.now, **of
            )
        return int(carrier_id)


async def carrier(database: Database, organization_id: int, carrier_id: int) -> CarrierRecord:
    async with database.connection() as connection:
        found = await sql.carrier(connection, organization_id=organization_id, carrier_id=carrier_id)
    if found is None:
        raise NotFound(f"no carrier {carrier_id}")
    return CarrierRecord(id=found["id"], name=found["name"], provider=found["provider"], settings=found["settings"])
