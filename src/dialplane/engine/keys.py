"""API keys and sign-ins: a secret that a caller shows -> an organization and a role."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import uuid4

from dialplane.errors import NotFound
from dialplane.store.postgres import Database, Row, rows, sql

PREFIX = "dp_"
SHOWN_CHARACTERS = 11  # of a key, for people to recognise it by
USED_EVERY = timedelta(minutes=1)  # how exact `last_used_at` is


class Role(StrEnum):
    """viewer looks, operator runs campaigns, owner also has keys, carriers and webhooks in hand."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    OWNER = "owner"

    def includes(self, other: Role) -> bool:
        order = list(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who shows a valid key. person_id: of somebody who signed in."""

    organization_id: int
    key_id: int
    name: str
    role: Role
    person_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key that was just made: the only time that its text is known."""

    id: int
    key: str
    prefix: str
    created_at: datetime


async def identify(database: Database, key: str) -> Caller | None:
    """The caller with this key; None for one that is unknown, expired or revoked."""
    now = datetime.now(UTC)
    async with database.connection() as connection:
        found = await sql.find_key(connection, digest=_digest(key), now=now)
        if found is None:
            return None
        if found["last_used_at"] is None or now - found["last_used_at"] > USED_EVERY:
            await sql.use_key(connection, organization_id=found["organization_id"], key_id=found["id"], now=now)
    return Caller(
        organization_id=found["organization_id"],
        key_id=found["id"],
        name=found["name"],
        role=Role(found["role"]),
        person_id=found["person_id"],
    )


async def create_key(
    database: Database,
    organization_id: int,
    name: str,
    role: Role,
    *,
    expires_at: datetime | None = None,
    person_id: int | None = None,
    kind: str = "key",
    key: str | None = None,
) -> NewKey:
    """key: its text, where somebody has chosen one."""
    key = key or PREFIX + secrets.token_urlsafe(32)
    now = datetime.now(UTC)
    async with database.connection() as connection:
        key_id = await sql.create_key(
            connection,
            organization_id=organization_id,
            uuid=uuid4(),
            kind=kind,
            name=name,
            role=role.value,
            prefix=key[:SHOWN_CHARACTERS] if len(key) > 2 * SHOWN_CHARACTERS else key[:3],
            digest=_digest(key),
            person_id=person_id,
            expires_at=expires_at,
            now=now,
        )
    return NewKey(id=key_id, key=key, prefix=key[:SHOWN_CHARACTERS], created_at=now)


async def ensure_key(database: Database, organization_id: int, key: str) -> None:
    """The operator's own key opens the organization as its owner; once made, it can be revoked like any other."""
    async with database.transaction() as connection:
        await sql.lock_organization_names(connection)
        known = await sql.key_known(connection, organization_id=organization_id, digest=_digest(key))
    if not known:
        await create_key(database, organization_id, "DIALPLANE_API_KEY", Role.OWNER, key=key)


async def keys(database: Database, organization_id: int, *, before: int | None = None, limit: int = 100) -> list[Row]:
    """Newest first, revoked ones included, sign-ins not."""
    async with database.connection() as connection:
        return await rows(sql.keys_page(connection, organization_id=organization_id, before=before, limit=limit))


async def revoke_key(database: Database, organization_id: int, key_id: int) -> None:
    """It opens nothing from now on. Raises NotFound."""
    await _set_revoked(database, organization_id, key_id, datetime.now(UTC))


async def reactivate_key(database: Database, organization_id: int, key_id: int) -> None:
    """Raises NotFound."""
    await _set_revoked(database, organization_id, key_id, None)


async def _set_revoked(database: Database, organization_id: int, key_id: int, at: datetime | None) -> None:
    async with database.connection() as connection:
        changed = await sql.set_key_revoked(connection, organization_id=organization_id, key_id=key_id, revoked_at=at)
    if changed is None:
        raise NotFound(f"there is no API key {key_id}")


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
