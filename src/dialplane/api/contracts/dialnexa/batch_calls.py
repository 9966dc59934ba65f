"""`/batch-calls`: a file of leads, called once each; one batch after the other. Wrong states are 400 here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from math import ceil
from typing import Annotated, Final

from fastapi import APIRouter, Form, Path, Query, Request
from pydantic import BaseModel, Field, field_validator

from dialplane.api.access import OperatorApp, ViewerApp
from dialplane.api.contracts.dialnexa import ids
from dialplane.api.contracts.dialnexa.batch_making import make
from dialplane.api.contracts.dialnexa.batch_requests import ChangeStatus, CreateBatch
from dialplane.api.contracts.dialnexa.batch_shapes import (
    WORDS,
    AffectedCalls,
    BatchPage,
    BatchStatus,
    BatchView,
    ChangedStatus,
    CreatedBatch,
    batch_view,
    batch_word,
)
from dialplane.api.contracts.dialnexa.call_listing import CallListing, several
from dialplane.api.contracts.dialnexa.call_shapes import CallPage
from dialplane.api.contracts.dialnexa.calls import listed, shown
from dialplane.api.contracts.dialnexa.lookup import find_campaign
from dialplane.api.contracts.dialnexa.shapes import FURTHEST_PAGE, MOST_ON_A_PAGE
from dialplane.api.route import Route
from dialplane.core.campaign import CampaignState
from dialplane.engine.campaign_reader import Search
from dialplane.engine.stages import CallStages
from dialplane.engine.views import CampaignRecord, Progress
from dialplane.engine.views import CampaignView as Found
from dialplane.errors import Conflict, Invalid, InvalidTransition, NotFound
from dialplane.wiring import App

MOST_SIFTED = 1000  # scheduled batches of a list that tells those who wait from those whose hour has not come
DONE: Final = {"pause": "paused", "resume": "resumed", "cancel": "cancelled"}
STATES: Final[dict[str, tuple[CampaignState, ...]]] = {
    **{word: tuple(state for state, shown in WORDS.items() if shown == word) for word in WORDS.values()},
    "waiting": (CampaignState.SCHEDULED,),
    "active": (CampaignState.RUNNING,),
    "initiated": (CampaignState.RUNNING,),
    "deleted": (),
}

router = APIRouter(prefix="/batch-calls", tags=["batch calls"], route_class=Route)

BatchId = Annotated[str, Path(max_length=ids.LONGEST, examples=["batch_1b4e28ba2fa111d2883f0016d3cca427"])]


class Listing(BaseModel):
    page: int = Field(1, ge=1, le=FURTHEST_PAGE)
    limit: int = Field(20, ge=1, le=MOST_ON_A_PAGE)
    status: str = Field("", max_length=200, description="One or more, with commas.", examples=["running,paused"])

    @field_validator("status")
    @classmethod
    def _check_status(cls, text: str) -> str:
        words = several(text)
        for word in words:
            if word not in STATES:
                raise ValueError(f"unknown status '{word}'; there are {', '.join(sorted(STATES))}")
        if "deleted" in words and len(set(words)) > 1:
            raise ValueError("deleted batches are listed by themselves")
        return text


@router.post("", status_code=201, response_model_exclude_unset=True)
async def create_batch_call(
    app: OperatorApp, form: Annotated[CreateBatch, Form(media_type="multipart/form-data")]
) -> CreatedBatch:
    """Call everybody in a file, now or from `starts_at` on, as soon as no other batch is being called."""
    return await make(app, form)


@router.get("", response_model_exclude_unset=True)
async def list_batch_calls(app: ViewerApp, listing: Annotated[Listing, Query()]) -> BatchPage:
    """Newest first; campaigns that were made in another way, too."""
    now = app.clock.now()
    campaigns, total = await _page(app, listing, now)
    views = await app.campaigns.views([campaign.id for campaign in campaigns])
    return BatchPage(items=await _shown(app, views, now), total=total, page=listing.page, limit=listing.limit)


@router.get("/{batch_id}", response_model_exclude_none=True)
async def get_batch_call(
    request: Request, app: ViewerApp, batch_id: BatchId, listing: Annotated[CallListing, Query()]
) -> CallPage:
    """The calls of a batch."""
    campaign = await _find(app, batch_id)
    found = await listed(app, listing, [campaign.id])
    paging = listing.paging()
    return CallPage(
        callLogs=await shown(request, app, found.attempts),
        total=found.total,
        page=1 if listing.export else listing.page,
        limit=paging.limit,
        totalPages=ceil(found.total / paging.limit),
    )


@router.get("/{batch_id}/status", response_model_exclude_unset=True)
async def get_batch_call_status(app: ViewerApp, batch_id: BatchId) -> BatchView:
    """How far a batch is."""
    campaign = await _find(app, batch_id)
    return (await _shown(app, [await app.campaigns.view(campaign.id)], app.clock.now()))[0]


@router.patch("/{batch_id}/status")
async def update_batch_call_status(app: OperatorApp, batch_id: BatchId, body: ChangeStatus) -> ChangedStatus:
    """Pause, resume or cancel a batch. Once this has answered, a pause or a cancellation holds: no call is placed."""
    if body.action not in DONE:
        raise Invalid("Invalid action. Must be one of: pause, resume, cancel")
    campaign = await _find(app, batch_id)
    before = await _progress(app, campaign)
    async with _told(app, campaign.id, body.action):
        if body.action == "pause":
            await app.campaigns.pause(campaign.id)
        elif body.action == "resume":
            await app.campaigns.resume(campaign.id)
        else:
            await app.campaigns.cancel(campaign.id)
    moved = await app.campaigns.get(campaign.id)
    return ChangedStatus(
        message=f"Campaign {DONE[body.action]} successfully",
        campaign=BatchStatus(
            id=ids.shown(ids.BATCH, moved.uuid), status=batch_word(moved, app.clock.now()), title=moved.name
        ),
        affectedCalls=_affected(body.action, before, await _progress(app, moved)),
    )


async def _find(app: App, batch_id: str) -> CampaignRecord:
    """Raises Invalid for what is no id, NotFound."""
    if ids.read(batch_id, ids.BATCH, ids.CAMPAIGN) is None:
        raise Invalid("Invalid batch call ID format")
    try:
        return await find_campaign(app, batch_id)
    except NotFound:
        raise NotFound("Batch call not found") from None


async def _page(app: App, listing: Listing, now: datetime) -> tuple[Sequence[CampaignRecord], int]:
    words = set(several(listing.status))
    states = tuple(dict.fromkeys(state for word in words for state in STATES[word]))
    wanted = Search(states=states, archived="deleted" in words)
    skip = (listing.page - 1) * listing.limit
    if len(words & {"waiting", "scheduled"}) != 1:
        page = await app.campaigns.search(wanted, limit=listing.limit, skip=skip)
        return page.campaigns, page.total
    unwanted = "scheduled" if "waiting" in words else "waiting"
    page = await app.campaigns.search(wanted, limit=MOST_SIFTED)
    found = [campaign for campaign in page.campaigns if batch_word(campaign, now) != unwanted]
    return found[skip : skip + listing.limit], len(found)


async def _shown(app: App, views: Sequence[Found], now: datetime) -> list[BatchView]:
    calls = CallStages(app.database, app.organization_id)
    stages = await calls.of(views)
    last_calls = await calls.last_calls([view.record.id for view in views])
    agents = await app.directory.agents(view.record.agent_id for view in views)
    return [
        batch_view(
            view,
            ids.shown(ids.AGENT, agents[view.record.agent_id]),
            stages.get(view.record.id),
            last_calls[view.record.id],
            now,
        )
        for view in views
    ]


@asynccontextmanager
async def _told(app: App, campaign_id: int, action: str) -> AsyncIterator[None]:
    """A wrong state in the words of this contract. Raises Invalid."""
    try:
        yield
    except InvalidTransition as fault:
        word = batch_word(await app.campaigns.get(campaign_id), app.clock.now())
        raise Invalid(f"Cannot {action} a {word} batch") from fault
    except Conflict as fault:
        raise Invalid(str(fault)) from fault


async def _progress(app: App, campaign: CampaignRecord) -> Progress:
    return (await app.campaigns.progress([campaign.id]))[campaign.id]


def _affected(action: str, before: Progress, after: Progress) -> AffectedCalls:
    match action:
        case "pause":
            return AffectedCalls(removedFromQueue=after.waiting)
        case "cancel":
            return AffectedCalls(removedFromQueue=before.waiting, cancelledCallLogs=after.skipped - before.skipped)
        case _:
            return AffectedCalls(initiated=after.dialing, queued=after.waiting, resumedCallLogs=after.waiting)
