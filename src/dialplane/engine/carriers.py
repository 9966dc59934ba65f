"""Carriers as they are stored, and whether calls can be placed through them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from dialplane.errors import CarrierUnavailable, Invalid, NotFound
from dialplane.ports import CarrierLimits, Carriers
from dialplane.store.postgres import Connection, Database, Row, rows, sql
from dialplane.store.turn import Turn

NOT_FOUND = "Telephony configuration not found"

Settings = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierRecord:
    """A carrier as it is stored. plain, sealed: its settings, of which only a `Sealer` makes the whole.

    suspended_until: its breaker has tripped, and it rests until then.
    """

    id: int
    uuid: UUID
    name: str
    provider: str
    plain: Settings
    sealed: str
    limits: CarrierLimits
    revision: int
    is_default: bool
    inactive_since: datetime | None
    inactive_reason: str
    suspended_until: datetime | None
    archived_at: datetime | None
    numbers: int
    active_numbers: int
    created_at: datetime
    updated_at: datetime


async def load_carrier(database: Database, organization_id: int, carrier_id: int) -> CarrierRecord:
    """Archived ones too. Raises NotFound."""
    async with database.connection() as connection:
        found = await sql.carrier(connection, organization_id=organization_id, carrier_id=carrier_id)
    if found is None:
        raise NotFound(NOT_FOUND)
    return carrier_record(found)


async def live_carrier(connection: Connection, organization_id: int, carrier_id: int) -> CarrierRecord:
    """Raises NotFound."""
    found = await sql.carrier(connection, organization_id=organization_id, carrier_id=carrier_id)
    if found is None or found["archived_at"] is not None:
        raise NotFound(NOT_FOUND)
    return carrier_record(found)


async def blocked_reason(carriers: Carriers, organization_id: int, carrier: CarrierRecord) -> str | None:
    """Why no call can be placed through a carrier; None when calls can."""
    if carrier.archived_at is not None:
        return "it was deleted"
    if carrier.inactive_since is not None:
        return f"it was switched off{': ' + carrier.inactive_reason if carrier.inactive_reason else ''}"
    try:
        adapter = await carriers.get(organization_id, carrier.id, revision=carrier.revision)
        if not carrier.active_numbers:
            return "it has no active number to call from"
        return await adapter.probe()
    except (Invalid, CarrierUnavailable) as fault:
        return str(fault)


async def withdraw(turn: Turn, carrier_id: int, event: str, message: str) -> list[int]:
    """Intents of the campaigns on a carrier go back, and their logs say why. Ids of these campaigns."""
    campaigns = await campaigns_on(turn, carrier_id)
    for row in campaigns:
        await turn.take_back(campaign_id=row["id"])
        await turn.log(row["id"], event, message, level="warning")
    return [row["id"] for row in campaigns]


async def campaigns_on(turn: Turn, carrier_id: int) -> list[Row]:
    return await rows(
        sql.campaigns_on_carrier(turn.connection, organization_id=turn.organization_id, carrier_id=carrier_id)
    )


def carrier_record(row: Row) -> CarrierRecord:
    return CarrierRecord(
        id=row["id"],
        uuid=row["uuid"],
        name=row["name"],
        provider=row["provider"],
        plain=row["settings"],
        sealed=row["sealed"],
        limits=CarrierLimits(**{field.name: row[field.name] for field in fields(CarrierLimits)}),
        revision=row["revision"],
        is_default=row["is_default"],
        inactive_since=row["inactive_since"],
        inactive_reason=row["inactive_reason"],
        suspended_until=row["suspended_until"],
        archived_at=row["archived_at"],
        numbers=row["numbers"],
        active_numbers=row["active_numbers"],
        created_at=row["created_at"],
        updated_at=row["updated_at"] or row["created_at"],
    )
