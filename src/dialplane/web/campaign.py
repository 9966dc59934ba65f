"""One campaign while it runs: why nothing is being dialled, how far it is, how its calls go, its log."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, Response

from dialplane.api.shapes import Id
from dialplane.api.streams import streamed
from dialplane.core.opening import hours_of
from dialplane.engine.timeline import time_left
from dialplane.engine.views import CampaignView
from dialplane.errors import NotFound
from dialplane.web.advice import headline
from dialplane.web.route import PageRoute
from dialplane.web.visit import Viewing, Visit

LATEST = 5
LOG_PAGE = 50
CSV = "text/csv; charset=utf-8"

router = APIRouter(route_class=PageRoute, prefix="/campaigns/{campaign_id:int}")


@router.get("")
async def show_campaign(campaign_id: Id, visit: Viewing) -> HTMLResponse:
    view = await visit.app.campaigns.view(campaign_id)
    return visit.page("campaign.html", **await _now(visit, view))


@router.get("/bar")
async def show_bar(campaign_id: Id, visit: Viewing) -> HTMLResponse:
    """What can be done, and the state that says so."""
    return visit.page("campaign_bar_part.html", record=await visit.app.campaigns.get(campaign_id))


@router.get("/now")
async def show_now(campaign_id: Id, visit: Viewing) -> HTMLResponse:
    return visit.page("campaign_now.html", **await _now(visit, await visit.app.campaigns.view(campaign_id)))


@router.get("/chart")
async def show_chart(campaign_id: Id, visit: Viewing) -> dict[str, Any]:
    """Calls that ended, by disposition, in slots of some seconds."""
    timeline = await visit.app.timelines.of(await visit.app.campaigns.get(campaign_id))
    return {
        "starts": [start.isoformat() for start in timeline.starts()],
        "slot_seconds": timeline.slot_seconds,
        "calls": timeline.calls,
        "whole": timeline.whole,
    }


@router.get("/log")
async def show_log(
    campaign_id: Id,
    visit: Viewing,
    level: Literal["all", "faults"] = "all",
    before: Annotated[Id | None, Query()] = None,
) -> HTMLResponse:
    record = await visit.app.campaigns.get(campaign_id)
    log = visit.app.campaigns.log(campaign_id, before=before, limit=LOG_PAGE + 1, faults=level == "faults")
    entries = await log
    return visit.page(
        "campaign_log.html",
        record=record,
        entries=entries[:LOG_PAGE],
        older=entries[LOG_PAGE - 1].id if len(entries) > LOG_PAGE else None,
        level=level,
        before=before,
    )


@router.get("/report.csv")
async def download_report(campaign_id: Id, visit: Viewing) -> Response:
    return await streamed(visit.app.reports.text(campaign_id), CSV, name=f"campaign_{campaign_id}_report.csv")


async def _now(visit: Visit, view: CampaignView) -> dict[str, Any]:
    """What the live part shows."""
    app, record, progress = visit.app, view.record, view.progress
    why = await app.explanations.campaign(record.id)
    lately = await app.timelines.lately(record)
    return {
        "record": record,
        "progress": progress,
        "why": why,
        "headline": headline(why, progress),
        "lately": lately,
        "left": time_left(progress, lately.per_minute),
        "hours": hours_of(record.policies.window, await app.campaigns.zones(record.id), why.at),
        "entries": await app.campaigns.log(record.id, limit=LATEST),
        "forecast": await _forecast(visit, record.id),
    }


async def _forecast(visit: Visit, campaign_id: int) -> object:
    try:
        return await visit.app.forecasts.latest(campaign_id)
    except NotFound:
        return None
