"""People: who they are, and how they sign in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TypeVar
from uuid import UUID, uuid4

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from dialplane.engine.keys import LOGIN, NewKey, Role, create_key
from dialplane.errors import Conflict, NotFound
from dialplane.store.postgres import Connection, Database, Row, sql

SIGNED_IN = timedelta(days=30)
HASHING_AT_ONCE = 2  # each takes some 50 ms of a core and 64 MB

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    id: int
    uuid: UUID
    organization_id: int
    email: str
    name: str
    role: Role


class People:
    """Of all organizations: an e-mail address is one person's."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._hasher = PasswordHasher()
        self._hashing = asyncio.Semaphore(HASHING_AT_ONCE)

    async def sign_up(self, email: str, password: str, name: str = "") -> Person:
        """The owner of an organization of their own. Raises Conflict for an address that somebody has."""
        email = _address(email)
        password_hash = await self._in_thread(lambda: self._hasher.hash(password))
        now = datetime.now(UTC)
        async with self._database.transaction() as connection:
            await sql.lock_emails(connection)
            if await sql.find_person(connection, email=email) is not None:
                raise Conflict("Email already registered")
            organization_id = await _new_organization(connection, email, now)
            uuid = uuid4()
            person_id = await sql.create_person(
                connection,
                organization_id=organization_id,
                uuid=uuid,
                email=email,
                name=name,
                password_hash=password_hash,
                role=Role.OWNER.value,
                now=now,
            )
        return Person(id=person_id, uuid=uuid, organization_id=organization_id, email=email, name=name, role=Role.OWNER)

    async def sign_in(self, email: str, password: str) -> Person | None:
        """None for an unknown address as for a wrong password, after the same time."""
        nobodys = await self._in_thread(_nobodys_hash)
        async with self._database.connection() as connection:
            found = await sql.find_person(connection, email=_address(email))
        known = nobodys if found is None else found["password_hash"]
        right = await self._in_thread(lambda: self._verify(known, password))
        return _person(found) if found is not None and right else None

    async def session(self, person: Person) -> NewKey:
        """A sign-in: a key with the person's role, for 30 days."""
        return await create_key(
            self._database,
            person.organization_id,
            f"sign-in of {person.email}",
            person.role,
            expires_at=datetime.now(UTC) + SIGNED_IN,
            person_id=person.id,
            kind=LOGIN,
        )

    async def get(self, organization_id: int, person_id: int) -> Person:
        """Raises NotFound."""
        async with self._database.connection() as connection:
            found = await sql.person(connection, organization_id=organization_id, person_id=person_id)
        if found is None:
            raise NotFound("User not found")
        return _person(found)

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except VerificationError:
            return False

    async def _in_thread(self, work: Callable[[], T]) -> T:
        async with self._hashing:
            return await asyncio.to_thread(work)


@cache
def _nobodys_hash() -> str:
    """What the password of an unknown address is compared with."""
    return PasswordHasher().hash(uuid4().hex)


async def _new_organization(connection: Connection, email: str, now: datetime) -> int:
    """Never one that is there already, whoever has called it by this address."""
    await sql.lock_organization_names(connection)
    taken = await sql.find_organization(connection, name=email) is not None
    name = f"{email} ({uuid4().hex[:8]})" if taken else email
    return int(await sql.create_organization(connection, uuid=uuid4(), name=name, now=now))


def _person(row: Row) -> Person:
    return Person(
        id=row["id"],
        uuid=row["uuid"],
        organization_id=row["organization_id"],
        email=row["email"],
        name=row["name"],
        role=Role(row["role"]),
    )


def _address(email: str) -> str:
    return email.strip().lower()
