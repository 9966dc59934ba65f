"""People: who they are, how they are invited, and how they sign in."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TypeVar
from uuid import UUID, uuid4

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from dialplane.engine.keys import LOGIN, Caller, NewKey, Role, create_key
from dialplane.errors import Conflict, Invalid, NotFound
from dialplane.store.postgres import Connection, Database, Row, rows, sql

SIGNED_IN = timedelta(days=30)
INVITED = timedelta(days=7)
FEWEST_PASSWORD_CHARACTERS = 8
PAGE = 100
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
        """The owner of an organization of their own. Raises Conflict for an address that somebody has, Invalid."""
        password_hash = await self._hash(password)
        now = datetime.now(UTC)
        async with self._database.transaction() as connection:
            await sql.lock_emails(connection)
            await _check_free(connection, email)
            organization_id = await _new_organization(connection, _address(email), now)
            return await _create(connection, organization_id, email, name, password_hash, Role.OWNER)

    async def invite(self, organization_id: int, role: Role) -> str:
        """What the link carries with which one person can join, once, within INVITED."""
        async with self._database.connection() as connection:
            return await _invite(connection, organization_id, role, first=False)

    async def invite_first(self, organization_id: int) -> str | None:
        """The same for the first person of the installation, an owner; None once there is somebody.

        A link that was made before opens nothing any more.
        """
        async with self._database.transaction() as connection:
            await sql.lock_emails(connection)
            if await sql.anybody(connection, organization_id=organization_id):
                return None
            await sql.forget_first_invitations(connection, organization_id=organization_id)
            return await _invite(connection, organization_id, Role.OWNER, first=True)

    async def invited_as(self, token: str) -> Role | None:
        """The role that the link gives; None for one that is unknown, used or expired."""
        async with self._database.connection() as connection:
            found = await _find_invitation(connection, token)
        return None if found is None else Role(found["role"])

    async def join(self, token: str, email: str, password: str, name: str = "") -> Person:
        """Use an invitation. Raises NotFound for one that opens nothing, Conflict for an address that somebody has,
        Invalid."""
        password_hash = await self._hash(password)
        async with self._database.transaction() as connection:
            await sql.lock_emails(connection)
            found = await _find_invitation(connection, token)
            if found is None:
                raise NotFound("this invitation has been used or has expired; ask for a new one")
            organization_id = found["organization_id"]
            await _check_free(connection, email)
            await sql.take_invitation(connection, organization_id=organization_id, invitation_id=found["id"])
            return await _create(connection, organization_id, email, name, password_hash, Role(found["role"]))

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

    async def page(self, organization_id: int, *, after: int = 0, limit: int = PAGE) -> list[Row]:
        """Those who can sign in, oldest first: id, email, name, role, created_at."""
        async with self._database.connection() as connection:
            return await rows(sql.people_page(connection, organization_id=organization_id, after=after, limit=limit))

    async def set_role(self, organization_id: int, person_id: int, role: Role) -> None:
        """At once, also for those who are signed in. Raises NotFound, Conflict for the last owner."""
        of = {"organization_id": organization_id, "person_id": person_id}
        async with self._database.transaction() as connection:
            if role is not Role.OWNER:
                await _check_other_owner(connection, organization_id, person_id)
            if await sql.set_role(connection, role=role.value, **of) is None:
                raise NotFound("there is no such person")
            await sql.set_login_role(connection, role=role.value, **of)

    async def remove(self, organization_id: int, person_id: int) -> None:
        """They are signed out everywhere. Raises NotFound, Conflict for the last owner."""
        of = {"organization_id": organization_id, "person_id": person_id}
        now = datetime.now(UTC)
        async with self._database.transaction() as connection:
            await _check_other_owner(connection, organization_id, person_id)
            if await sql.remove_person(connection, now=now, **of) is None:
                raise NotFound("there is no such person")
            await sql.end_logins(connection, kept=None, now=now, **of)

    async def change_password(self, caller: Caller, old: str, new: str) -> None:
        """Their other sign-ins end. Raises Invalid for a wrong old password or a new one that is too short."""
        of = {"organization_id": caller.organization_id, "person_id": caller.person_id}
        async with self._database.connection() as connection:
            found = await sql.person(connection, **of)
        if found is None or not await self._in_thread(lambda: self._verify(found["password_hash"], old)):
            raise Invalid("the present password is another one")
        password_hash = await self._hash(new)
        async with self._database.transaction() as connection:
            await sql.set_password(connection, password_hash=password_hash, **of)
            await sql.end_logins(connection, kept=caller.key_id, now=datetime.now(UTC), **of)

    async def note(self, caller: Caller, action: str, path: str) -> None:
        """For the record: what a person did."""
        async with self._database.connection() as connection:
            await sql.audit(
                connection,
                organization_id=caller.organization_id,
                person_id=caller.person_id,
                action=action,
                path=path,
                now=datetime.now(UTC),
            )

    async def notes(self, organization_id: int, *, before: int | None = None, limit: int = PAGE) -> list[Row]:
        """What people did, newest first: id, at, person_id, email, name, action, path."""
        async with self._database.connection() as connection:
            return await rows(sql.audit_page(connection, organization_id=organization_id, before=before, limit=limit))

    async def _hash(self, password: str) -> str:
        if len(password) < FEWEST_PASSWORD_CHARACTERS:
            raise Invalid(f"a password has at least {FEWEST_PASSWORD_CHARACTERS} characters")
        return await self._in_thread(lambda: self._hasher.hash(password))

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


async def _check_free(connection: Connection, email: str) -> None:
    if await sql.find_person(connection, email=_address(email)) is not None:
        raise Conflict("Email already registered")


async def _check_other_owner(connection: Connection, organization_id: int, person_id: int) -> None:
    owners = [row["id"] for row in await rows(sql.owners(connection, organization_id=organization_id))]
    if owners == [person_id]:
        raise Conflict("this is the only owner: make somebody else an owner first")


async def _invite(connection: Connection, organization_id: int, role: Role, *, first: bool) -> str:
    token, now = secrets.token_urlsafe(32), datetime.now(UTC)
    of = {"organization_id": organization_id}
    await sql.forget_invitations(connection, before=now, **of)
    await sql.invite(
        connection, digest=_digest(token), role=role.value, first=first, now=now, expires_at=now + INVITED, **of
    )
    return token


async def _find_invitation(connection: Connection, token: str) -> Row | None:
    found: Row | None = await sql.find_invitation(connection, digest=_digest(token), now=datetime.now(UTC))
    return found


async def _create(
    connection: Connection, organization_id: int, email: str, name: str, password_hash: str, role: Role
) -> Person:
    email, uuid = _address(email), uuid4()
    person_id = await sql.create_person(
        connection,
        organization_id=organization_id,
        uuid=uuid,
        email=email,
        name=name,
        password_hash=password_hash,
        role=role.value,
        now=datetime.now(UTC),
    )
    return Person(id=person_id, uuid=uuid, organization_id=organization_id, email=email, name=name, role=role)


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


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
