"""Carriers: how calls reach the telephone network."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from dialplane.api.shapes import Id
from dialplane.engine.carriers import CarrierRecord
from dialplane.errors import Conflict, DialplaneError, EnvironmentFault
from dialplane.web.carrier_form import PROVIDERS, SHOWN_FORMATS, CarrierForm
from dialplane.web.forms import Typed, named
from dialplane.web.route import PageRoute
from dialplane.web.visit import Owning, Viewing, Visit

PER_PAGE = 50
NUMBERS_SHOWN = 100
MOST_NAME = 64

router = APIRouter(route_class=PageRoute, prefix="/carriers")
After = Annotated[int, Query(ge=0, le=2**63 - 1)]
Provider = Literal["sip", "twilio", "telnyx", "ari", "simulated"]


@router.get("")
async def list_carriers(visit: Viewing, after: After = 0) -> HTMLResponse:
    """Whether each is ready is asked by the page, one by one: a trunk that is down takes seconds to say nothing."""
    carriers = await visit.app.telephony.page(after=after, limit=PER_PAGE)
    lines = await visit.app.telephony.lines()
    return visit.page(
        "carriers.html",
        carriers=carriers,
        lines={carrier_id: by_number.total() for carrier_id, by_number in lines.items()},
        now=visit.app.clock.now(),
        following=carriers[-1].id if len(carriers) == PER_PAGE else None,
    )


@router.get("/new")
async def show_new_carrier(visit: Owning, provider: Provider = "sip") -> HTMLResponse:
    return _new(visit, CarrierForm.new(provider))


@router.post("/new")
async def create_carrier(request: Request, visit: Owning, provider: Provider = "sip") -> Response:
    form = CarrierForm.typed(await request.form(), provider)
    try:
        carrier_id = await visit.app.telephony.create(
            name=named(form.name, most=MOST_NAME),
            provider=provider,
            settings=form.settings(),
            limits={name: limit for name, limit in form.limits().items() if limit is not None},
            is_default=form.is_default,
        )
    except DialplaneError as fault:
        return _new(visit, form, fault=str(fault))
    return visit.go(f"/carriers/{carrier_id}", "The carrier is made. Now add a number that calls come from.")


@router.get("/{carrier_id}")
async def show_carrier(visit: Viewing, carrier_id: Id, after: After = 0) -> HTMLResponse:
    return await _shown(visit, await visit.app.telephony.get(carrier_id), after=after)


@router.post("/{carrier_id}")
async def change_carrier(request: Request, visit: Owning, carrier_id: Id) -> Response:
    carrier = await visit.app.telephony.get(carrier_id)
    form = CarrierForm.typed(await request.form(), carrier.provider)
    try:
        await visit.app.telephony.change(
            carrier_id, name=named(form.name, most=MOST_NAME), settings=form.settings(), limits=form.limits()
        )
    except DialplaneError as fault:
        return await _shown(visit, carrier, form=form, fault=str(fault))
    return visit.go(f"/carriers/{carrier_id}", "Saved. Calls in progress keep the settings that they began with.")


@router.get("/{carrier_id}/probe")
async def probe_carrier(visit: Viewing, carrier_id: Id) -> HTMLResponse:
    """A part of a page: whether calls can be placed through it, and why not."""
    carrier = await visit.app.telephony.get(carrier_id)
    blocked = await visit.app.telephony.blocked(carrier)
    return visit.page("carrier_probe.html", carrier=carrier, blocked=blocked, at=visit.app.clock.now())


@router.post("/{carrier_id}/default")
async def make_carrier_default(visit: Owning, carrier_id: Id) -> Response:
    await visit.app.telephony.set_default(carrier_id)
    return visit.go(f"/carriers/{carrier_id}", "A campaign that names no carrier gets this one.")


@router.post("/{carrier_id}/switch-off")
async def switch_carrier_off(visit: Owning, carrier_id: Id, reason: Typed = "") -> Response:
    await visit.app.telephony.deactivate(carrier_id, reason.strip())
    return visit.go(
        f"/carriers/{carrier_id}", "Nothing more is placed through it. Calls in progress end by themselves."
    )


@router.post("/{carrier_id}/switch-on")
async def switch_carrier_on(visit: Owning, carrier_id: Id) -> Response:
    await visit.app.telephony.reactivate(carrier_id)
    return visit.go(f"/carriers/{carrier_id}", "The carrier is on; its campaigns go on.")


@router.post("/{carrier_id}/delete")
async def delete_carrier(visit: Owning, carrier_id: Id) -> Response:
    try:
        await visit.app.telephony.archive(carrier_id)
    except Conflict as fault:
        return visit.go(f"/carriers/{carrier_id}", str(fault), fault=True)
    return visit.go("/carriers", "The carrier is deleted; reports still name it.")


def _new(visit: Visit, form: CarrierForm, *, fault: str = "") -> HTMLResponse:
    return visit.page(
        "carrier_new.html",
        form=form,
        formats=SHOWN_FORMATS,
        providers=PROVIDERS,
        fault=fault,
        status=400 if fault else 200,
    )


async def _shown(
    visit: Visit, carrier: CarrierRecord, *, after: int = 0, form: CarrierForm | None = None, fault: str = ""
) -> HTMLResponse:
    sealed = ""
    try:
        form = form or CarrierForm.of(carrier, visit.app.telephony.shown(carrier))
    except EnvironmentFault as failure:
        sealed = str(failure)
    numbers = await visit.app.caller_numbers.page(carrier.id, after=after, limit=NUMBERS_SHOWN)
    lines = (await visit.app.telephony.lines()).get(carrier.id)
    return visit.page(
        "carrier.html",
        carrier=carrier,
        form=form,
        sealed=sealed,
        formats=SHOWN_FORMATS,
        numbers=numbers,
        following=numbers[-1].id if len(numbers) == NUMBERS_SHOWN else None,
        lines=lines or {},
        in_use=lines.total() if lines else 0,
        now=visit.app.clock.now(),
        fault=fault,
        status=400 if fault else 200,
    )
