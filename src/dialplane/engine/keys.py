"""API keys and sign-ins: a secret that a caller shows -> an organization and a role."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import uuid4

from dialplane.errors import Invalid, NotFound
from dialplane.store.postgres import Connection, Database, Row, rows, sql

PREFIX = "dp_"
SHOWN_CHARACTERS = 11  # of a key, for people to recognise it by
USED_EVERY = timedelta(minutes=1)  # how exact `last_used_at` is
KEY, LOGIN = "key", "login"


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
    """Who shows a valid key. kind: KEY, or LOGIN of the person who signed in."""

    organization_id: int
    key_id: int
    kind: str
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
        kind=found["kind"],
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
    kind: str = KEY,
) -> NewKey:
    """A new key, with an end or without. Raises Invalid for an end that has passed."""
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise Invalid(f"expires_at, {expires_at.isoformat()}, has passed: the key would open nothing")
    key = PREFIX + secrets.token_urlsafe(32)
    async with database.connection() as connection:
        return await _insert(
            connection, organization_id, name, role, key, kind=kind, expires_at=expires_at, person_id=person_id
        )


async def ensure_key(database: Database, organization_id: int, key: str) -> None:
    """The operator's own key opens the organization as its owner; once made, it can be revoked like any other."""
    async with database.transaction() as connection:
        await sql.lock_organization_names(connection)
        if not await sql.key_known(connection, organization_id=organization_id, digest=_digest(key)):
            await _insert(connection, organization_id, "DIALPLANE_API_KEY", Role.OWNER, key)


async def _insert(
    connection: Connection,
    organization_id: int,
    name: str,
    role: Role,
    key: str,
    *,
    kind: str = KEY,
    expires_at: datetime | None = None,
    person_id: int | None = None,
) -> NewKey:
    now = datetime.now(UTC)
    prefix = key[:SHOWN_CHARACTERS] if len(key) > 2 * SHOWN_CHARACTERS else key[:3]
    key_id = await sql.create_key(
        connection,
        organization_id=organization_id,
        uuid=uuid4(),
        kind=kind,
        name=name,
        role=role.value,
        prefix=prefix,
        digest=_digest(key),
        person_id=person_id,
        expires_at=expires_at,
        now=now,
    )
    return NewKey(id=key_id, key=key, prefix=prefix, created_at=now)


async def keys(
    database: Database,
    organization_id: int,
    *,
    with_revoked: bool = True,
    before: int | None = None,
    limit: int = 1000,
) -> list[Row]:
    """Newest first, sign-ins not among them."""
    async with database.connection() as connection:
        return await rows(
            sql.keys_page(
                connection, organization_id=organization_id, with_revoked=with_revoked, before=before, limit=limit
            )
        )


async def revoke_key(database: Database, organization_id: int, key_id: int) -> None:
    """It opens nothing from now on. Raises NotFound."""
    await _set_revoked(database, organization_id, key_id, KEY, datetime.now(UTC))


async def reactivate_key(database: Database, organization_id: int, key_id: int) -> None:
    """Raises NotFound."""
    await _set_revoked(database, organization_id, key_id, KEY, None)


async def sign_out(database: Database, caller: Caller) -> None:
    """The sign-in ends; another one of the same person does not. Raises NotFound for a key that is none."""
    await _set_revoked(database, caller.organization_id, caller.key_id, LOGIN, datetime.now(UTC))


async def forget_logins(database: Database, organization_id: int, *, before: datetime) -> None:
    """Delete sign-ins that ended before this instant."""
    async with database.connection() as connection:
        await sql.forget_logins(connection, organization_id=organization_id, before=before)


async def _set_revoked(database: Database, organization_id: int, key_id: int, kind: str, at: datetime | None) -> None:
    async with database.connection() as connection:
        changed = await sql.set_key_revoked(
            connection, organization_id=organization_id, key_id=key_id, kind=kind, revoked_at=at
        )
    if changed is None:
        raise NotFound("API key not found")


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
