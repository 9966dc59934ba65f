"""API keys: for programs that ask this server for something."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query
from fastapi.responses import HTMLResponse, Response

from dialplane.api.shapes import HIGHEST_ID, Id
from dialplane.engine.keys import NewKey, Role, create_key, keys, reactivate_key, revoke_key
from dialplane.errors import DialplaneError
from dialplane.web.forms import Typed, named
from dialplane.web.route import PageRoute
from dialplane.web.visit import Owning, Visit

PER_PAGE = 100
ENDS = {"never": None, "30": timedelta(days=30), "90": timedelta(days=90), "365": timedelta(days=365)}

router = APIRouter(route_class=PageRoute, prefix="/keys")
Before = Annotated[int | None, Query(ge=1, le=HIGHEST_ID)]


@router.get("")
async def list_keys(visit: Owning, before: Before = None) -> HTMLResponse:
    return await _list(visit, before=before)


@router.post("")
async def create_api_key(
    visit: Owning,
    role: Annotated[Role, Form()],
    name: Typed = "",
    ends: Annotated[Literal["never", "30", "90", "365"], Form()] = "never",
) -> Response:
    """The page shows the key, this once."""
    given = {"name": name, "role": role.value, "ends": ends}
    lasts = ENDS[ends]
    try:
        made = await create_key(
            visit.app.database,
            visit.app.organization_id,
            named(name),
            role,
            expires_at=None if lasts is None else visit.app.clock.now() + lasts,
        )
    except DialplaneError as fault:
        return await _list(visit, given=given, fault=str(fault))
    return await _list(visit, made=made)


@router.post("/{key_id}/revoke")
async def revoke_api_key(visit: Owning, key_id: Id) -> Response:
    await revoke_key(visit.app.database, visit.app.organization_id, key_id)
    return visit.go("/keys", "The key opens nothing any more.")


@router.post("/{key_id}/reactivate")
async def reactivate_api_key(visit: Owning, key_id: Id) -> Response:
    await reactivate_key(visit.app.database, visit.app.organization_id, key_id)
    return visit.go("/keys", "The key works again.")


async def _list(
    visit: Visit,
    *,
    before: int | None = None,
    made: NewKey | None = None,
    given: dict[str, str] | None = None,
    fault: str = "",
) -> HTMLResponse:
    found = await keys(visit.app.database, visit.app.organization_id, before=before, limit=PER_PAGE)
    return visit.page(
        "keys.html",
        keys=found,
        now=visit.app.clock.now(),
        following=found[-1]["id"] if len(found) == PER_PAGE else None,
        made=made,
        given=given or {"name": "", "role": Role.OPERATOR.value, "ends": "never"},
        roles=list(Role),
        fault=fault,
        status=400 if fault else 200,
    )
