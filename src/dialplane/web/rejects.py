"""Rejected rows of a campaign: looked at, mended in the page, or downloaded to be mended and uploaded again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query
from fastapi.responses import HTMLResponse, Response
from pydantic import Field

from dialplane.api.shapes import Id
from dialplane.api.streams import streamed
from dialplane.errors import DialplaneError
from dialplane.web.route import PageRoute
from dialplane.web.visit import Operating, Viewing

PER_PAGE = 50

router = APIRouter(route_class=PageRoute, prefix="/campaigns/{campaign_id:int}")
Cells = Annotated[list[Annotated[str, Field(max_length=10_000)]], Form(max_length=500)]
After = Annotated[int, Query(ge=0, le=2**62)]


@router.get("/rejects")
async def show_rejects(campaign_id: Id, visit: Viewing, file: After = 0, row: After = 0) -> HTMLResponse:
    campaign = await visit.app.campaigns.get(campaign_id)
    places, more = await visit.app.mending.page(campaign_id, after=(file, row), limit=PER_PAGE)
    return visit.page("campaign_rejects.html", campaign=campaign, places=places, more=more)


@router.get("/rejects.csv")
async def download_rejects(campaign_id: Id, visit: Viewing) -> Response:
    """Whole rows, with what is wrong with each."""
    await visit.app.campaigns.get(campaign_id)
    name = f"campaign-{campaign_id}-rejected.csv"
    return await streamed(visit.app.mending.csv(campaign_id), "text/csv; charset=utf-8", name=name)


@router.get("/rejects/{file_id:int}/{row_number:int}")
async def show_rejected_row(campaign_id: Id, file_id: Id, row_number: Id, visit: Operating) -> HTMLResponse:
    campaign = await visit.app.campaigns.get(campaign_id)
    row = await visit.app.mending.whole(campaign_id, file_id, row_number)
    return visit.page("campaign_reject.html", campaign=campaign, row=row, cells=row.cells, wrong=row.place, fault="")


@router.post("/rejects/{file_id:int}/{row_number:int}")
async def mend_row(
    campaign_id: Id,
    file_id: Id,
    row_number: Id,
    visit: Operating,
    cell: Cells = [],  # noqa: B006  (pydantic copies it)
) -> Response:
    campaign = await visit.app.campaigns.get(campaign_id)
    row = await visit.app.mending.whole(campaign_id, file_id, row_number)
    wrong, fault = None, ""
    try:
        required = await visit.app.columns_of(campaign_id)
        wrong = await visit.app.mending.mend(campaign_id, file_id, row_number, cell, required)
    except DialplaneError as refusal:
        fault = str(refusal)
    if wrong is None and not fault:
        return visit.go(f"/campaigns/{campaign_id}/rejects", f"Row {row_number} is mended and will be called.")
    return visit.page(
        "campaign_reject.html", status=400, campaign=campaign, row=row, cells=cell, wrong=wrong, fault=fault
    )
