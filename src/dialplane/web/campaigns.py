"""The list of campaigns."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from dialplane.core.campaign import CampaignState
from dialplane.engine.campaign_reader import Wanted
from dialplane.web.paging import Page, Paging
from dialplane.web.route import PageRoute
from dialplane.web.visit import Viewing

PER_PAGE = 25

router = APIRouter(route_class=PageRoute)


@router.get("/campaigns")
async def list_campaigns(
    visit: Viewing,
    search: Annotated[str, Query(max_length=200)] = "",
    state: Annotated[list[CampaignState], Query(max_length=20)] = [],  # noqa: B006  (pydantic copies it)
    page: Page = 1,
) -> HTMLResponse:
    campaigns = visit.app.campaigns
    wanted = Wanted(states=state, search=search)
    paging = Paging(page, PER_PAGE, await campaigns.count(wanted))
    views = await campaigns.views(await campaigns.ids(wanted, limit=PER_PAGE, skip=paging.skip))
    return visit.page(
        "campaigns.html", views=views, paging=paging, search=search, chosen=state, states=list(CampaignState)
    )
