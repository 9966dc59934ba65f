"""`/campaign`: made, moved, changed, looked at."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from math import ceil
from typing import Annotated
from uuid import NAMESPACE_URL, UUID, uuid5

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field, field_validator

from dialplane.api.access import OperatorApp, ViewerApp
from dialplane.api.contracts.dograh.answers import (
    CampaignList,
    CampaignProgressResponse,
    CampaignResponse,
    DeletedCampaign,
    DownloadResponse,
    campaign_response,
    progress_response,
    source_of,
    state_word,
)
from dialplane.api.contracts.dograh.making import check_concurrency, make
from dialplane.api.contracts.dograh.policies import nearest
from dialplane.api.contracts.dograh.requests import (
    CreateCampaign,
    Duplicate,
    RedialCampaign,
    ScheduleStart,
    UpdateCampaign,
)
from dialplane.api.links import download_link
from dialplane.api.route import IDEMPOTENCY_KEY, Route
from dialplane.api.shapes import Id
from dialplane.core.campaign import CampaignState
from dialplane.engine.campaign_reader import Wanted
from dialplane.engine.drafts import NoMatch
from dialplane.errors import Conflict, InvalidTransition, NotFound
from dialplane.wiring import App

MOST_LISTED = 1000
STATES = {state.value: state for state in CampaignState} | {
    "created": CampaignState.DRAFT,
    "syncing": CampaignState.RUNNING,
}

EndCalls = Annotated[bool, Query(description="Hang up its calls in progress, within about a second.")]

router = APIRouter(prefix="/campaign", tags=["campaigns"], route_class=Route)


class Listing(BaseModel):
    page: int | None = Field(None, ge=1, le=1_000_000)
    limit: int | None = Field(None, ge=1, le=MOST_LISTED, description=f"{MOST_LISTED} unless given; 50 beside `page`")
    state: str = Field("", max_length=200, description="One or more, with commas", examples=["running,paused"])
    search: str = Field("", max_length=255, description="A part of the name")

    @field_validator("state")
    @classmethod
    def _check_state(cls, state: str) -> str:
        for word in _words(state):
            if word not in STATES:
                raise ValueError(f"unknown state '{word}'; {nearest(word, list(STATES))}")
        return state

    def wanted(self) -> Wanted:
        words = _words(self.state)
        importing = True if set(words) == {"syncing"} else None
        return Wanted(states=[STATES[word] for word in words], importing=importing, search=self.search)


@router.post("/create")
async def create_campaign(request: Request, app: OperatorApp, body: CreateCampaign) -> CampaignResponse:
    """Make a campaign of an uploaded contacts file; it calls nobody before it is started."""
    uuid = await _derived_uuid(request, app)
    known = None if uuid is None else await app.campaigns.find(uuid)
    if known is not None:
        return await _shown(app, known, body.doubts())
    made = await make(app, body, uuid)
    return await _shown(app, made.id, made.warnings)


@router.get("")
async def list_campaigns(app: ViewerApp, listing: Annotated[Listing, Query()]) -> CampaignList:
    """Newest first: all of them, up to 1,000, unless a page is asked for."""
    page = listing.page or 1
    limit = listing.limit or (MOST_LISTED if listing.page is None else 50)
    wanted = listing.wanted()
    count = await app.campaigns.count(wanted)
    ids = await app.campaigns.ids(wanted, limit=limit, skip=(page - 1) * limit)
    return CampaignList(
        campaigns=[campaign_response(view) for view in await app.campaigns.views(ids)],
        total_count=count,
        page=page,
        limit=limit,
        total_pages=ceil(count / limit),
    )


@router.get("/{campaign_id}")
async def get_campaign(app: ViewerApp, campaign_id: Id) -> CampaignResponse:
    """A campaign with its settings, numbers and latest warnings."""
    return await _shown(app, campaign_id)


@router.patch("/{campaign_id}")
async def update_campaign(app: OperatorApp, campaign_id: Id, body: UpdateCampaign) -> CampaignResponse:
    """Change settings; they count from the next call on."""
    await check_concurrency(app, body.max_concurrency)
    async with _worded(app, campaign_id, "Cannot update a {state} campaign"):
        await app.campaigns.adjust(campaign_id, body.over, name=body.name, warnings=body.doubts())
    return await _shown(app, campaign_id, body.doubts())


@router.post("/{campaign_id}/start")
async def start_campaign(app: OperatorApp, campaign_id: Id) -> CampaignResponse:
    """Begin to call, also where it was scheduled; one that is paused goes on."""
    async with _worded(app, campaign_id, "Campaign must be in 'created' state to start, current state: {state}"):
        await app.start(campaign_id)
    return await _shown(app, campaign_id)


@router.post("/{campaign_id}/pause")
async def pause_campaign(app: OperatorApp, campaign_id: Id, end_calls: EndCalls = False) -> CampaignResponse:
    """Once this has answered, no call is placed; those in progress end normally, unless they are to be hung up."""
    text = "Campaign must be in 'running' or 'syncing' state to pause, current state: {state}"
    async with _worded(app, campaign_id, text):
        await app.campaigns.pause(campaign_id, end_calls=end_calls)
    return await _shown(app, campaign_id)


@router.post("/{campaign_id}/resume")
async def resume_campaign(app: OperatorApp, campaign_id: Id) -> CampaignResponse:
    """Call on where it was paused or has failed; breakers begin anew."""
    async with _worded(app, campaign_id, "Campaign must be in 'paused' state to resume, current state: {state}"):
        await app.campaigns.resume(campaign_id)
    return await _shown(app, campaign_id)


@router.post("/{campaign_id}/cancel")
async def cancel_campaign(app: OperatorApp, campaign_id: Id, end_calls: EndCalls = False) -> CampaignResponse:
    """Stop for good; calls in progress end normally, unless they are to be hung up."""
    await app.campaigns.cancel(campaign_id, end_calls=end_calls)
    return await _shown(app, campaign_id)


@router.post("/{campaign_id}/close")
async def close_campaign(app: OperatorApp, campaign_id: Id) -> CampaignResponse:
    """Let a campaign that was kept open complete, once everybody has been called."""
    await app.campaigns.close(campaign_id)
    return await _shown(app, campaign_id)


@router.post("/{campaign_id}/schedule")
async def schedule_campaign(app: OperatorApp, campaign_id: Id, body: ScheduleStart) -> CampaignResponse:
    """Let it start by itself."""
    await app.campaigns.schedule(campaign_id, body.starts_at)
    return await _shown(app, campaign_id)


@router.post("/{campaign_id}/unschedule")
async def unschedule_campaign(app: OperatorApp, campaign_id: Id) -> CampaignResponse:
    """Make it a draft again."""
    await app.campaigns.unschedule(campaign_id)
    return await _shown(app, campaign_id)


@router.delete("/{campaign_id}")
async def delete_campaign(app: OperatorApp, campaign_id: Id) -> DeletedCampaign:
    """Delete a draft; what was ever started stays."""
    await app.discard(campaign_id)
    return DeletedCampaign(id=campaign_id)


@router.post("/{campaign_id}/redial")
async def redial_campaign(
    request: Request, app: OperatorApp, campaign_id: Id, body: RedialCampaign | None = None
) -> CampaignResponse:
    """Make a new campaign of those whose last call came to one of these outcomes."""
    body = body or RedialCampaign()
    uuid = await _derived_uuid(request, app)
    known = None if uuid is None else await app.campaigns.find(uuid)
    if known is not None:
        return await _shown(app, known, body.unknown())
    text = "Only completed, cancelled, failed or paused campaigns can be redialed (current state: {state})"
    async with _worded(app, campaign_id, text):
        try:
            child_id = await app.campaigns.redial(
                campaign_id, body.dispositions(), name=body.name, retry=body.retry(), uuid=uuid
            )
        except NoMatch:
            raise Conflict("No subscribers match the selected redial criteria") from None
    return await _shown(app, child_id, body.unknown())


@router.post("/{campaign_id}/duplicate")
async def duplicate_campaign(
    request: Request, app: OperatorApp, campaign_id: Id, body: Duplicate | None = None
) -> CampaignResponse:
    """Make a draft with the same settings and the same contacts."""
    body = body or Duplicate()
    uuid = await _derived_uuid(request, app)
    copy_id = await app.campaigns.duplicate(campaign_id, name=body.name, uuid=uuid)
    return await _shown(app, copy_id, body.unknown())


@router.get("/{campaign_id}/progress")
async def get_campaign_progress(app: ViewerApp, campaign_id: Id) -> CampaignProgressResponse:
    """Where it stands, from counters: as fast for a million contacts as for one."""
    view = await app.campaigns.view(campaign_id)
    return progress_response(view.record, view.progress)


@router.get("/{campaign_id}/source-download-url")
async def get_source_download_url(request: Request, app: ViewerApp, campaign_id: Id) -> DownloadResponse:
    """A link to the contacts file that it was made of."""
    campaign = await app.campaigns.get(campaign_id)
    key = source_of(campaign)
    if not key:
        raise Conflict(f"Campaign {campaign_id} was not made of a contacts file")
    if await app.files.size(key) is None:
        raise NotFound(f"the contacts file of campaign {campaign_id} is gone")
    name = campaign.file.name if campaign.file is not None else key.rpartition("/")[2]
    url, seconds = await download_link(request, app.organization_id, key, name=name)
    return DownloadResponse(download_url=url, expires_in=seconds)


async def _shown(app: App, campaign_id: int, warnings: Sequence[str] = ()) -> CampaignResponse:
    return campaign_response(await app.campaigns.view(campaign_id), warnings)


@asynccontextmanager
async def _worded(app: App, campaign_id: int, text: str) -> AsyncIterator[None]:
    """A wrong state in the words of the contract."""
    try:
        yield
    except InvalidTransition as fault:
        campaign = await app.campaigns.get(campaign_id)
        raise Conflict(text.format(state=state_word(campaign))) from fault


async def _derived_uuid(request: Request, app: App) -> UUID | None:
    """The uuid of what a request makes that may be repeated: the same each time, so that nothing is made twice.

    Not even by a repetition that comes after a crash.
    """
    key = request.headers.get(IDEMPOTENCY_KEY)
    if key is None:
        return None
    body = hashlib.sha256(await request.body()).hexdigest()
    return uuid5(NAMESPACE_URL, f"dialplane:{app.organization_id}:{request.url.path}:{key}:{body}")


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
