"""A draft becomes a campaign: hours and limits, the forecast, a call to oneself, the start."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response

from dialplane.api.shapes import Id
from dialplane.core.campaign import CampaignState
from dialplane.core.intake import template_value, template_values
from dialplane.core.window import CONTACT, known_zone
from dialplane.engine import catalog
from dialplane.engine.contact_book import ContactFilter
from dialplane.engine.forecasts import ForecastRecord
from dialplane.engine.single_calls import CallRequest
from dialplane.engine.views import CampaignRecord
from dialplane.errors import DialplaneError, Invalid, NotFound
from dialplane.web.policy_form import RETRIABLE, PolicyFields, PolicyForm
from dialplane.web.route import PageRoute
from dialplane.web.visit import Operating, Viewing, Visit

MOST_VARIABLES = 100

router = APIRouter(route_class=PageRoute, prefix="/campaigns/{campaign_id:int}/setup")


@router.get("")
async def show_setup(campaign_id: Id, visit: Operating) -> Response:
    campaign = await visit.app.campaigns.get(campaign_id)
    if campaign.state is not CampaignState.DRAFT:
        return visit.go(f"/campaigns/{campaign_id}")
    return await _setup_page(visit, campaign, PolicyFields.of(campaign.policies))


@router.post("")
async def set_up_campaign(campaign_id: Id, visit: Operating, fields: PolicyForm) -> Response:
    app = visit.app
    campaign = await app.campaigns.get(campaign_id)
    try:
        most = await _most(visit)
        policies = fields.over(campaign.policies)
        if policies.max_lines is not None and policies.max_lines > most:
            raise Invalid(f"Calls at once: the organization may have {most}; an owner can raise that in the settings")
        await app.campaigns.change(campaign_id, policies)
    except DialplaneError as fault:
        return await _setup_page(visit, campaign, fields, fault=str(fault), status=400)
    if campaign.importing is None:
        with suppress(DialplaneError):  # the next page offers it again, and says why it cannot be made
            await app.forecasts.ask(campaign_id, {})
    return visit.go(f"/campaigns/{campaign_id}/setup/start")


@router.get("/contacts")
async def show_import(campaign_id: Id, visit: Viewing) -> HTMLResponse:
    """A part of the page: how far the file has been read."""
    return visit.page("campaign_import.html", **await _imported(visit, await visit.app.campaigns.get(campaign_id)))


# --- check and start -----------------------------------------------------------------------------


@router.get("/start")
async def show_start(campaign_id: Id, visit: Operating, call: Id | None = None) -> Response:
    campaign = await visit.app.campaigns.get(campaign_id)
    if campaign.state is not CampaignState.DRAFT:
        return visit.go(f"/campaigns/{campaign_id}")
    return await _start_page(visit, campaign, call=call)


@router.get("/forecast")
async def show_forecast(campaign_id: Id, visit: Viewing) -> HTMLResponse:
    """A part of the page."""
    campaign = await visit.app.campaigns.get(campaign_id)
    return visit.page("campaign_forecast.html", campaign=campaign, forecast=await _forecast(visit, campaign_id))


@router.post("/forecast")
async def ask_forecast(campaign_id: Id, visit: Operating) -> Response:
    await visit.app.campaigns.get(campaign_id)
    try:
        await visit.app.forecasts.ask(campaign_id, {})
    except DialplaneError as fault:
        return visit.go(f"/campaigns/{campaign_id}/setup/start", str(fault), fault=True)
    return visit.go(f"/campaigns/{campaign_id}/setup/start")


@router.post("/test-call")
async def make_test_call(
    campaign_id: Id, visit: Operating, request: Request, to_number: Annotated[str, Form(max_length=50)] = ""
) -> Response:
    """Through the campaign's agent, carrier and numbers; it counts for none of its contacts."""
    app = visit.app
    campaign = await app.campaigns.get(campaign_id)
    typed = {
        name.removeprefix("variable."): str(value)[:1000]
        for name, value in (await request.form(max_fields=MOST_VARIABLES)).items()
        if name.startswith("variable.")
    }
    try:
        placed = await app.single_calls.call(
            CallRequest(
                agent_id=campaign.agent_id,
                to_number=to_number,
                carrier_id=campaign.carrier_id,
                number_id=campaign.number_ids[0] if campaign.number_ids else None,
                variables=typed,
            )
        )
    except DialplaneError as fault:
        return await _start_page(visit, campaign, to_number=to_number, typed=typed, call_fault=str(fault), status=400)
    return visit.go(f"/campaigns/{campaign_id}/setup/start?call={placed.attempt_id}")


@router.get("/test-call/{attempt_id:int}")
async def show_test_call(campaign_id: Id, attempt_id: Id, visit: Operating) -> HTMLResponse:
    """A part of the page."""
    return visit.page(
        "campaign_test_call.html", campaign_id=campaign_id, attempt=await visit.app.attempts.one(attempt_id)
    )


@router.post("/start")
async def begin_campaign(
    campaign_id: Id,
    visit: Operating,
    when: Annotated[Literal["now", "later", "draft"], Form()] = "draft",
    starts_at: Annotated[str, Form(max_length=40)] = "",
    zone: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    campaign = await visit.app.campaigns.get(campaign_id)
    try:
        if when == "now":
            await visit.app.start(campaign_id)
            return visit.go(f"/campaigns/{campaign_id}", "It is started.")
        if when == "later":
            await visit.app.campaigns.schedule(campaign_id, _instant(starts_at, zone))
            return visit.go(f"/campaigns/{campaign_id}", "It is scheduled and starts by itself.")
    except DialplaneError as fault:
        if (await visit.app.campaigns.get(campaign_id)).state is not CampaignState.DRAFT:
            return visit.go(f"/campaigns/{campaign_id}", str(fault), fault=True)
        return await _start_page(
            visit, campaign, fault=str(fault), when=when, starts_at=starts_at, zone=zone, status=400
        )
    return visit.go(f"/campaigns/{campaign_id}", "It stays a draft. Start it whenever you like.")


# --- parts ---------------------------------------------------------------------------------------


async def _setup_page(
    visit: Visit, campaign: CampaignRecord, fields: PolicyFields, *, fault: str = "", status: int = 200
) -> HTMLResponse:
    return visit.page(
        "campaign_setup.html",
        status=status,
        fields=fields,
        fault=fault,
        retriable=RETRIABLE,
        most=await _most(visit),
        **await _imported(visit, campaign),
    )


async def _imported(visit: Visit, campaign: CampaignRecord) -> dict[str, Any]:
    zones = [] if campaign.importing else await visit.app.campaigns.contacts_by_zones(campaign.id)
    return {"campaign": campaign, "zones": zones, "may_start": campaign.state is CampaignState.DRAFT}


async def _start_page(
    visit: Visit,
    campaign: CampaignRecord,
    *,
    fault: str = "",
    call: int | None = None,
    to_number: str = "",
    typed: dict[str, str] | None = None,
    call_fault: str = "",
    when: str = "now",
    starts_at: str = "",
    zone: str = "",
    status: int = 200,
) -> HTMLResponse:
    window = campaign.policies.window
    return visit.page(
        "campaign_start.html",
        status=status,
        fault=fault,
        forecast=await _forecast(visit, campaign.id),
        variables=await _variables(visit, campaign) if typed is None else typed,
        to_number=to_number,
        call_fault=call_fault,
        attempt=None if call is None else await visit.app.attempts.one(call),
        campaign_id=campaign.id,
        when=when,
        starts_at=starts_at,
        zone=zone or ("" if window.timezone == CONTACT else window.timezone),
        **await _imported(visit, campaign),
    )


async def _forecast(visit: Visit, campaign_id: int) -> ForecastRecord | None:
    try:
        return await visit.app.forecasts.latest(campaign_id)
    except NotFound:
        return None


async def _variables(visit: Visit, campaign: CampaignRecord) -> dict[str, str]:
    """What the agent's text uses, with the values of the first contact."""
    required = await visit.app.columns_of(campaign.id)
    contacts, _ = await visit.app.contact_book.page(campaign.id, ContactFilter(), after=0, limit=1)
    if not contacts:
        return dict.fromkeys(sorted(required), "")
    first = contacts[0]
    values = template_values(
        first.variables,
        to_number=first.to_number,
        external_id=first.external_id,
        zones=first.zones,
        priority=first.priority,
    )
    return {name: template_value(name, values) or "" for name in sorted(required)}


async def _most(visit: Visit) -> int:
    return (await catalog.limits(visit.app.database, visit.app.organization_id)).max_lines


def _instant(local: str, zone: str) -> datetime:
    """'2026-12-01T09:00', as a browser sends it, and the zone that it is meant in. Raises Invalid."""
    if not known_zone(zone.strip()):
        raise Invalid(f"'{zone}' is no time zone: write one such as Europe/Berlin")
    try:
        at = datetime.fromisoformat(local.strip())
    except ValueError:
        raise Invalid("choose the day and the hour at which it starts") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=ZoneInfo(zone.strip()))
