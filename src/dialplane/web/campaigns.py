"""The list of campaigns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from dialplane.core.campaign import CampaignState
from dialplane.core.opening import hours_of
from dialplane.core.window import CONTACT
from dialplane.engine.campaign_reader import Order, Wanted
from dialplane.engine.views import CampaignRecord, CampaignView
from dialplane.web.paging import Page, Paging
from dialplane.web.route import PageRoute
from dialplane.web.visit import Viewing, Visit

PER_PAGE = 25
ORDERS = {Order.NEWEST: "newest first", Order.OLDEST: "oldest first", Order.CHANGED: "last changed first"}

router = APIRouter(route_class=PageRoute)


@dataclass(frozen=True, slots=True)
class Next:
    """What happens to a campaign next, or happened last: '', 'starts', 'opens', 'closes' or 'ended'."""

    what: str
    at: datetime | None


@router.get("/campaigns")
async def list_campaigns(
    visit: Viewing,
    search: Annotated[str, Query(max_length=200)] = "",
    state: Annotated[list[CampaignState], Query(max_length=20)] = [],  # noqa: B006  (pydantic copies it)
    archived: bool = False,
    order: Order = Order.NEWEST,
    page: Page = 1,
) -> HTMLResponse:
    campaigns = visit.app.campaigns
    wanted = Wanted(states=state, search=search, archived=archived, order=order)
    paging = Paging(page, PER_PAGE, await campaigns.count(wanted))
    ids = await campaigns.ids(wanted, limit=PER_PAGE, skip=paging.skip)
    found = {view.record.id: view for view in await campaigns.views(ids)}
    views = [found[each] for each in ids if each in found]
    return visit.page(
        "campaigns.html",
        views=views,
        upcoming=await _upcoming(visit, views),
        paging=paging,
        search=search,
        chosen=state,
        states=list(CampaignState),
        archived=archived,
        order=order,
        orders=ORDERS,
    )


async def _upcoming(visit: Visit, views: Sequence[CampaignView]) -> Mapping[int, Next]:
    """By campaign; from the hours alone, which ask the database once for all."""
    of_contacts = [view.record.id for view in views if _by_contact(view.record)]
    zones = await visit.app.campaigns.zones_of(of_contacts) if of_contacts else {}
    now = visit.app.clock.now()
    return {view.record.id: _next(view.record, zones.get(view.record.id, []), now) for view in views}


def _by_contact(record: CampaignRecord) -> bool:
    return record.state is CampaignState.RUNNING and record.policies.window.timezone == CONTACT


def _next(record: CampaignRecord, zones: Sequence[tuple[str, ...]], now: datetime) -> Next:
    if record.ended_at is not None:
        return Next("ended", record.ended_at)
    if record.state is CampaignState.SCHEDULED:
        return Next("starts", record.starts_at)
    if record.state is CampaignState.RUNNING:
        hours = hours_of(record.policies.window, zones, now)
        if hours and hours[0].is_open:
            return Next(
                "closes", max((each.changes_at for each in hours if each.is_open and each.changes_at), default=None)
            )
        if hours:
            return Next("opens", hours[0].changes_at)
    return Next("", None)
