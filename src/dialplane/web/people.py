"""People of the organization, how they are invited, and what they did."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query
from fastapi.responses import HTMLResponse, Response

from dialplane.api.links import base_url
from dialplane.api.shapes import HIGHEST_ID, Id
from dialplane.engine.keys import Role
from dialplane.engine.people import INVITED
from dialplane.errors import Conflict
from dialplane.web.route import PageRoute
from dialplane.web.visit import Owning, Visit

PER_PAGE = 100

router = APIRouter(route_class=PageRoute)
Key = Annotated[int | None, Query(ge=1, le=HIGHEST_ID)]
ChosenRole = Annotated[Role, Form()]


@router.get("/people")
async def list_people(visit: Owning, after: Key = None) -> HTMLResponse:
    return await _list(visit, after=after or 0)


@router.post("/people/invite")
async def invite_person(visit: Owning, role: ChosenRole) -> HTMLResponse:
    """The page shows the link, this once."""
    token = await visit.server.people.invite(visit.caller.organization_id, role)
    return await _list(visit, link=f"{base_url(visit.request)}/welcome?token={token}", role=role)


@router.post("/people/{person_id}/role")
async def change_role(visit: Owning, person_id: Id, role: ChosenRole) -> Response:
    try:
        await visit.server.people.set_role(visit.caller.organization_id, person_id, role)
    except Conflict as fault:
        return visit.go("/people", _sentence(fault), fault=True)
    mine = person_id == visit.caller.person_id and role is not Role.OWNER
    return visit.go("/account" if mine else "/people", f"The role is {role} from now on.")


@router.post("/people/{person_id}/remove")
async def remove_person(visit: Owning, person_id: Id) -> Response:
    try:
        await visit.server.people.remove(visit.caller.organization_id, person_id)
    except Conflict as fault:
        return visit.go("/people", _sentence(fault), fault=True)
    return visit.go("/people", "They are removed, and signed out everywhere.")


@router.get("/audit")
async def show_audit(visit: Owning, before: Key = None) -> HTMLResponse:
    notes = await visit.server.people.notes(visit.caller.organization_id, before=before, limit=PER_PAGE)
    return visit.page(
        "audit.html", notes=notes, before=before, following=notes[-1]["id"] if len(notes) == PER_PAGE else None
    )


async def _list(visit: Visit, *, after: int = 0, link: str = "", role: Role = Role.OPERATOR) -> HTMLResponse:
    people = await visit.server.people.page(visit.caller.organization_id, after=after, limit=PER_PAGE)
    return visit.page(
        "people.html",
        people=people,
        following=people[-1]["id"] if len(people) == PER_PAGE else None,
        link=link,
        role=role,
        roles=list(Role),
        lasts=INVITED.days,
    )


def _sentence(fault: Conflict) -> str:
    text = str(fault)
    return f"{text[:1].upper()}{text[1:]}."
