"""Numbers that calls come from: each belongs to a carrier."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query
from fastapi.responses import HTMLResponse, Response

from dialplane.api.shapes import Id
from dialplane.engine.caller_numbers import NumberRecord
from dialplane.engine.numbering import check_region
from dialplane.engine.ranges import Ranges
from dialplane.errors import Conflict, DialplaneError, Invalid, NotFound
from dialplane.web.forms import Asked, Typed, whole
from dialplane.web.paging import Page, Paging
from dialplane.web.route import PageRoute
from dialplane.web.visit import Owning, Viewing, Visit

PER_PAGE = 50
MOST_LABEL = 64
EMPTY = {"carrier_id": "", "number": "", "region": "", "label": "", "max_lines": ""}

router = APIRouter(route_class=PageRoute)


@router.get("/numbers")
async def list_numbers(
    visit: Viewing,
    search: Asked = "",
    page: Page = 1,
    carrier: Annotated[Id | None, Query()] = None,
) -> HTMLResponse:
    """carrier: that a number is to be added to."""
    given = None if carrier is None else {**EMPTY, "carrier_id": str(carrier)}
    return await _list(visit, search=search, page=page, given=given)


@router.post("/numbers")
async def add_number(
    visit: Owning,
    carrier_id: Annotated[Id, Form()],
    number: Typed = "",
    region: Typed = "",
    label: Typed = "",
    max_lines: Typed = "",
) -> Response:
    given = {"carrier_id": str(carrier_id), "number": number, "region": region, "label": label, "max_lines": max_lines}
    try:
        await visit.app.caller_numbers.add(
            carrier_id,
            number,
            region=check_region(region or None),
            label=_label(label),
            max_lines=whole(max_lines, "Calls at once"),
        )
    except NotFound:
        raise
    except DialplaneError as fault:
        return await _list(visit, given=given, fault=str(fault))
    return visit.go("/numbers", f"{number} is added: campaigns on its carrier can call from it.")


@router.get("/carriers/{carrier_id}/numbers/{number_id}")
async def show_number(visit: Viewing, carrier_id: Id, number_id: Id) -> HTMLResponse:
    number = await visit.app.caller_numbers.get(carrier_id, number_id)
    return await _shown(
        visit, number, label=number.label, max_lines="" if number.max_lines is None else str(number.max_lines)
    )


@router.post("/carriers/{carrier_id}/numbers/{number_id}")
async def change_number(
    visit: Owning, carrier_id: Id, number_id: Id, label: Typed = "", max_lines: Typed = ""
) -> Response:
    number = await visit.app.caller_numbers.get(carrier_id, number_id)
    try:
        changes = {"label": _label(label), "max_lines": whole(max_lines, "Calls at once")}
        await visit.app.caller_numbers.change(carrier_id, number_id, changes)
    except Invalid as fault:
        return await _shown(visit, number, label=label, max_lines=max_lines, fault=str(fault))
    return visit.go(_path(carrier_id, number_id), "Saved.")


@router.post("/carriers/{carrier_id}/numbers/{number_id}/switch-off")
async def switch_number_off(visit: Owning, carrier_id: Id, number_id: Id) -> Response:
    await visit.app.caller_numbers.change(carrier_id, number_id, {"active": False})
    return visit.go(
        _path(carrier_id, number_id), "Nothing more is placed from it. Calls in progress end by themselves."
    )


@router.post("/carriers/{carrier_id}/numbers/{number_id}/switch-on")
async def switch_number_on(visit: Owning, carrier_id: Id, number_id: Id) -> Response:
    await visit.app.caller_numbers.change(carrier_id, number_id, {"active": True})
    return visit.go(_path(carrier_id, number_id), "Calls can come from it again.")


@router.post("/carriers/{carrier_id}/numbers/{number_id}/default")
async def make_number_default(visit: Owning, carrier_id: Id, number_id: Id) -> Response:
    await visit.app.caller_numbers.set_default(carrier_id, number_id)
    return visit.go(_path(carrier_id, number_id), "Single calls through this carrier come from it.")


@router.post("/carriers/{carrier_id}/numbers/{number_id}/delete")
async def delete_number(visit: Owning, carrier_id: Id, number_id: Id) -> Response:
    try:
        await visit.app.caller_numbers.delete(carrier_id, number_id)
    except Conflict as fault:
        return visit.go(_path(carrier_id, number_id), str(fault), fault=True)
    return visit.go(f"/carriers/{carrier_id}", "The number is deleted; reports still show it.")


def _path(carrier_id: int, number_id: int) -> str:
    return f"/carriers/{carrier_id}/numbers/{number_id}"


def _label(text: str) -> str:
    if len(text.strip()) > MOST_LABEL:
        raise Invalid(f"Label: write at most {MOST_LABEL} characters")
    return text.strip()


async def _list(
    visit: Visit, *, search: str = "", page: int = 1, given: dict[str, str] | None = None, fault: str = ""
) -> HTMLResponse:
    skip = Paging(page, PER_PAGE, 0).skip
    found = await visit.app.caller_numbers.search(Ranges(), text=search.strip() or None, skip=skip, limit=PER_PAGE)
    return visit.page(
        "numbers.html",
        numbers=[each.number for each in found.numbers],
        paging=Paging(page, PER_PAGE, found.total),
        carriers={carrier.id: carrier.name for carrier in await visit.app.telephony.page()},
        lines=await visit.app.telephony.lines(),
        search=search,
        given=given or EMPTY,
        adding=given is not None,
        fault=fault,
        status=400 if fault else 200,
    )


async def _shown(visit: Visit, number: NumberRecord, *, label: str, max_lines: str, fault: str = "") -> HTMLResponse:
    lines = await visit.app.telephony.lines()
    return visit.page(
        "number.html",
        number=number,
        carrier=await visit.app.telephony.get(number.carrier_id),
        in_use=lines[number.carrier_id][number.id] if number.carrier_id in lines else 0,
        label=label,
        max_lines=max_lines,
        fault=fault,
        status=400 if fault else 200,
    )
