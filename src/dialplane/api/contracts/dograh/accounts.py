"""Sign-up, sign-in, and the keys of an organization."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

from dialplane.api.access import CallerDep, OwnerApp, ServerDep, ViewerApp
from dialplane.api.guessing import check_pace, guesses_of
from dialplane.api.route import Route
from dialplane.api.shapes import HIGHEST_ID, Id
from dialplane.engine import keys
from dialplane.engine.keys import LOGIN, Role
from dialplane.engine.people import Person
from dialplane.errors import Conflict

router = APIRouter(route_class=Route, tags=["accounts"])

Email = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=254, pattern=r"^[^@\s]+@[^@\s]+$"),
    Field(examples=["ana@example.org"]),
]


class SignUp(BaseModel):
    email: Email
    password: str = Field(min_length=8, max_length=200)
    name: str | None = Field(default=None, max_length=255)


class SignIn(BaseModel):
    email: Email
    password: str = Field(max_length=200)


class User(BaseModel):
    """Somebody who has signed in, or the program with this key, which has no e-mail."""

    id: int
    email: str | None
    name: str | None
    organization_id: int
    provider_id: str
    role: Role


class Session(BaseModel):
    token: str = Field(description="Shown as `Authorization: Bearer …`.")
    user: User


class UserId(BaseModel):
    id: int
    is_superuser: bool = False


class Done(BaseModel):
    success: bool = True
    message: str


class NewApiKey(BaseModel):
    name: str = Field(min_length=1, max_length=255, examples=["CRM"])
    role: Role = Field(
        default=Role.OWNER,
        description="viewer looks, operator runs campaigns, owner also manages keys, carriers and webhooks.",
    )
    expires_at: AwareDatetime | None = Field(default=None, description="Opens nothing from then on; null: no end.")


class ApiKey(BaseModel):
    id: int
    name: str
    key_prefix: str
    role: Role
    is_active: bool
    created_at: datetime
    last_used_at: datetime | None = Field(description="To the minute.")
    expires_at: datetime | None
    archived_at: datetime | None = Field(description="When it was revoked.")


class CreatedApiKey(BaseModel):
    id: int
    name: str
    key_prefix: str
    api_key: str = Field(description="The key itself: this answer is the only one that has it.")
    created_at: datetime
    role: Role
    expires_at: datetime | None


@router.post("/auth/signup")
async def sign_up(new: SignUp, request: Request, server: ServerDep) -> Session:
    """Make a person and an organization of their own, with the examples."""
    if not server.settings.signup:
        raise HTTPException(403, "Signup is disabled; DIALPLANE_SIGNUP=on allows it")
    check_pace(request, new.email)
    person = await server.people.sign_up(new.email, new.password, new.name or "")
    await server.provision(person.organization_id)
    return await _session(server, person)


@router.post("/auth/login")
async def sign_in(given: SignIn, request: Request, server: ServerDep) -> Session:
    """A token for 30 days."""
    check_pace(request, given.email)
    person = await server.people.sign_in(given.email, given.password)
    if person is None:
        raise HTTPException(401, "Invalid email or password")
    guesses_of(request).right(given.email.lower())
    return await _session(server, person)


@router.get("/auth/me")
async def get_current_user(_: ViewerApp, caller: CallerDep, server: ServerDep) -> User:
    """Who asks."""
    if caller.person_id is not None:
        return _user(await server.people.get(caller.organization_id, caller.person_id))
    return User(
        id=caller.key_id,
        email=None,
        name=caller.name,
        organization_id=caller.organization_id,
        provider_id=f"key-{caller.key_id}",
        role=caller.role,
    )


@router.get("/user/auth/user")
async def get_user_id(_: ViewerApp, caller: CallerDep) -> UserId:
    """The id alone."""
    return UserId(id=caller.person_id or caller.key_id)


@router.post("/auth/logout")
async def sign_out(_: ViewerApp, caller: CallerDep, server: ServerDep) -> Done:
    """End this sign-in; others of the same person go on."""
    if caller.kind != LOGIN:
        raise Conflict("this is an API key and no sign-in: revoke it under /user/api-keys")
    await keys.sign_out(server.database, caller)
    return Done(message="Signed out")


@router.get("/user/api-keys")
async def list_api_keys(
    app: OwnerApp,
    include_archived: Annotated[bool, Query(description="Revoked ones too.")] = False,
    before: Annotated[int | None, Query(ge=1, le=HIGHEST_ID, description="Only those with a lower id.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
) -> list[ApiKey]:
    """Keys of the organization, newest first."""
    found = await keys.keys(
        app.database, app.organization_id, with_revoked=include_archived, before=before, limit=limit
    )
    now = app.clock.now()
    return [
        ApiKey(
            id=row["id"],
            name=row["name"],
            key_prefix=row["prefix"],
            role=row["role"],
            is_active=row["revoked_at"] is None and (row["expires_at"] is None or row["expires_at"] > now),
            created_at=row["created_at"],
            last_used_at=row["last_used_at"],
            expires_at=row["expires_at"],
            archived_at=row["revoked_at"],
        )
        for row in found
    ]


@router.post("/user/api-keys")
async def create_api_key(new: NewApiKey, app: OwnerApp) -> CreatedApiKey:
    """Make a key; only this answer has its text."""
    made = await keys.create_key(app.database, app.organization_id, new.name, new.role, expires_at=new.expires_at)
    return CreatedApiKey(
        id=made.id,
        name=new.name,
        key_prefix=made.prefix,
        api_key=made.key,
        created_at=made.created_at,
        role=new.role,
        expires_at=new.expires_at,
    )


@router.delete("/user/api-keys/{api_key_id}")
async def revoke_api_key(api_key_id: Id, app: OwnerApp) -> Done:
    """From now on it opens nothing."""
    await keys.revoke_key(app.database, app.organization_id, api_key_id)
    return Done(message="API key archived successfully")


@router.put("/user/api-keys/{api_key_id}/reactivate")
async def reactivate_api_key(api_key_id: Id, app: OwnerApp) -> Done:
    """It opens again, unless its end has come."""
    await keys.reactivate_key(app.database, app.organization_id, api_key_id)
    return Done(message="API key reactivated successfully")


async def _session(server: ServerDep, person: Person) -> Session:
    return Session(token=(await server.people.session(person)).key, user=_user(person))


def _user(person: Person) -> User:
    return User(
        id=person.id,
        email=person.email,
        name=person.name,
        organization_id=person.organization_id,
        provider_id=str(person.uuid),
        role=person.role,
    )
