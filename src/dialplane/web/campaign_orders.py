"""What can be done to a campaign: moved on, stopped, called again, put away."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import Response

from dialplane.api.shapes import Id
from dialplane.core.disposition import Disposition
from dialplane.errors import DialplaneError
from dialplane.web.route import PageRoute
from dialplane.web.visit import Operating, Visit

EndCalls = Annotated[bool, Form()]

router = APIRouter(route_class=PageRoute, prefix="/campaigns/{campaign_id:int}")


@router.post("/start")
async def start_campaign(campaign_id: Id, visit: Operating) -> Response:
    return await _done(visit, campaign_id, visit.app.start(campaign_id), "It is started.")


@router.post("/schedule")
async def schedule_campaign(campaign_id: Id, visit: Operating, starts_at: Annotated[datetime, Form()]) -> Response:
    scheduled = visit.app.campaigns.schedule(campaign_id, starts_at)
    return await _done(visit, campaign_id, scheduled, "It is scheduled and starts by itself.")


@router.post("/unschedule")
async def unschedule_campaign(campaign_id: Id, visit: Operating) -> Response:
    return await _done(visit, campaign_id, visit.app.campaigns.unschedule(campaign_id), "It is a draft again.")


@router.post("/pause")
async def pause_campaign(campaign_id: Id, visit: Operating, end_calls: EndCalls = False) -> Response:
    paused = visit.app.campaigns.pause(campaign_id, end_calls=end_calls)
    return await _done(visit, campaign_id, paused, f"It is paused. {_calls(end_calls)}")


@router.post("/resume")
async def resume_campaign(campaign_id: Id, visit: Operating) -> Response:
    return await _done(visit, campaign_id, visit.app.campaigns.resume(campaign_id), "It goes on.")


@router.post("/cancel")
async def cancel_campaign(campaign_id: Id, visit: Operating, end_calls: EndCalls = False) -> Response:
    cancelled = visit.app.campaigns.cancel(campaign_id, end_calls=end_calls)
    return await _done(visit, campaign_id, cancelled, f"It is cancelled. {_calls(end_calls)}")


@router.post("/close")
async def close_campaign(campaign_id: Id, visit: Operating) -> Response:
    closed = visit.app.campaigns.close(campaign_id)
    return await _done(visit, campaign_id, closed, "It takes no new contacts, and completes with the last call.")


@router.post("/archive")
async def archive_campaign(campaign_id: Id, visit: Operating) -> Response:
    return await _done(visit, campaign_id, visit.app.campaigns.archive(campaign_id), "It is archived.")


@router.post("/unarchive")
async def unarchive_campaign(campaign_id: Id, visit: Operating) -> Response:
    back = visit.app.campaigns.archive(campaign_id, archived=False)
    return await _done(visit, campaign_id, back, "It is back in the list.")


@router.post("/forecast")
async def forecast_campaign(campaign_id: Id, visit: Operating) -> Response:
    asked = visit.app.forecasts.ask(campaign_id, {})
    return await _done(visit, campaign_id, asked, "The forecast is being made. Nobody is called for it.")


@router.post("/delete")
async def delete_campaign(campaign_id: Id, visit: Operating) -> Response:
    try:
        await visit.app.discard(campaign_id)
    except DialplaneError as refusal:
        return await _refused(visit, campaign_id, refusal)
    return visit.go("/campaigns", "The draft is deleted.")


@router.post("/redial")
async def redial_campaign(
    campaign_id: Id,
    visit: Operating,
    disposition: Annotated[list[Disposition], Form()] = [],  # noqa: B006  (pydantic copies it)
    left_over: Annotated[bool, Form()] = False,
) -> Response:
    try:
        child_id = await visit.app.campaigns.redial(campaign_id, disposition, left_over=left_over)
    except DialplaneError as refusal:
        return await _refused(visit, campaign_id, refusal)
    return visit.go(f"/campaigns/{child_id}", "This is the new campaign. Look at its settings, then start it.")


@router.post("/duplicate")
async def duplicate_campaign(campaign_id: Id, visit: Operating) -> Response:
    try:
        copy_id = await visit.app.campaigns.duplicate(campaign_id)
    except DialplaneError as refusal:
        return await _refused(visit, campaign_id, refusal)
    return visit.go(f"/campaigns/{copy_id}", "This is the copy, with the same contacts.")


async def _done(visit: Visit, campaign_id: int, order: Awaitable[object], say: str) -> Response:
    try:
        await order
    except DialplaneError as refusal:
        return await _refused(visit, campaign_id, refusal)
    return visit.go(f"/campaigns/{campaign_id}", say)


async def _refused(visit: Visit, campaign_id: int, refusal: DialplaneError) -> Response:
    """Back to the campaign, which says why. Raises NotFound for one that is not there."""
    await visit.app.campaigns.get(campaign_id)
    return visit.go(f"/campaigns/{campaign_id}", str(refusal), fault=True)


def _calls(end_calls: bool) -> str:
    return "Calls in progress are hung up." if end_calls else "Calls in progress end by themselves."
