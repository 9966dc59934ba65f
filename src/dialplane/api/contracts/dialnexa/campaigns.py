"""`/campaigns`: made, listed, changed, moved. They stay open: running while idle, until cancelled or completed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field, field_validator

from dialplane.api.access import OperatorApp, ViewerApp
from dialplane.api.contracts.dialnexa import ids
from dialplane.api.contracts.dialnexa.campaign_shapes import (
    CampaignPage,
    CampaignStatus,
    CampaignView,
    CreateCampaign,
    Names,
    UpdateCampaign,
    campaign_status,
    campaign_view,
)
from dialplane.api.contracts.dialnexa.lookup import find_agent, find_campaign
from dialplane.api.contracts.dialnexa.shapes import FURTHEST_PAGE, MOST_ON_A_PAGE, Message, Meta
from dialplane.api.contracts.dialnexa.words import CAMPAIGN_WORDS, CampaignWord, states_of
from dialplane.api.route import Route
from dialplane.core.campaign import CampaignState, Policies
from dialplane.engine import catalog
from dialplane.engine.campaign_reader import Wanted
from dialplane.engine.views import CampaignRecord
from dialplane.engine.views import CampaignView as Found
from dialplane.errors import Conflict, DialplaneError, Invalid, InvalidTransition
from dialplane.wiring import App

router = APIRouter(prefix="/campaigns", tags=["campaigns"], route_class=Route)

CampaignId = Annotated[str, Path(max_length=ids.LONGEST, examples=["cmp_1b4e28ba2fa111d2883f0016d3cca427"])]


class Listing(BaseModel):
    page: int = Field(1, ge=1, le=FURTHEST_PAGE)
    limit: int = Field(20, ge=1, le=MOST_ON_A_PAGE)
    status: str = Field("", max_length=200, description="One or more, with commas.", examples=["running,paused"])

    @field_validator("status")
    @classmethod
    def _check_status(cls, status: str) -> str:
        for word in _words(status):
            if not states_of(word):
                raise ValueError(
                    f"unknown status '{word}'; there are {', '.join(sorted(set(CAMPAIGN_WORDS.values())))}"
                )
        return status

    def wanted(self) -> Wanted:
        return Wanted(states=[state for word in _words(self.status) for state in states_of(word)])


@router.post("", status_code=201)
async def create_campaign(app: OperatorApp, body: CreateCampaign) -> CampaignView:
    """Make a campaign. It calls its leads as they are added; with `scheduled_at`, from then on."""
    agent = await find_agent(app, body.agent_id)
    number = None if body.from_phone_number is None else await app.directory.call_from(body.from_phone_number)
    carrier_id = await app.telephony.choose(None if number is None else number.carrier_id)
    await check_lines(app, body.max_concurrent_calls)
    campaign_id = await app.campaigns.create(
        name=body.name,
        agent_id=agent.id,
        carrier_id=carrier_id,
        policies=body.over(Policies()),
        keep_open=True,
        number_ids=[] if number is None else [number.number_id],
        warnings=body.unknown(),
    )
    try:
        if body.scheduled_at is not None:
            await app.campaigns.schedule(campaign_id, body.scheduled_at)
        elif body.status != "draft":
            await app.campaigns.start(campaign_id)
    except DialplaneError:
        await app.discard(campaign_id)
        raise
    return await _shown(app, campaign_id, body.unknown())


@router.get("")
async def list_campaigns(app: ViewerApp, listing: Annotated[Listing, Query()]) -> CampaignPage:
    """Newest first, also those that were made through other doors."""
    wanted = listing.wanted()
    total = await app.campaigns.count(wanted)
    found = await app.campaigns.ids(wanted, limit=listing.limit, skip=(listing.page - 1) * listing.limit)
    views = await app.campaigns.views(found)
    names = await _names(app, views)
    return CampaignPage(
        data=[campaign_view(view, names) for view in views], meta=Meta.of(listing.page, listing.limit, total)
    )


@router.get("/{campaign_id}")
async def get_campaign(app: ViewerApp, campaign_id: CampaignId) -> CampaignView:
    """A campaign with its settings and counters."""
    return await _shown(app, (await find_campaign(app, campaign_id)).id)


@router.get("/{campaign_id}/status")
async def get_campaign_status(app: ViewerApp, campaign_id: CampaignId) -> CampaignStatus:
    """Where it stands, for those who ask often."""
    campaign = await find_campaign(app, campaign_id)
    return campaign_status(await app.campaigns.view(campaign.id))


@router.patch("/{campaign_id}")
async def update_campaign(app: OperatorApp, campaign_id: CampaignId, body: UpdateCampaign) -> CampaignView:
    """Change settings, the schedule or the status, in this order; what comes after a refused one is not done."""
    campaign = await find_campaign(app, campaign_id)
    await check_lines(app, body.max_concurrent_calls)
    if body.agent_id is not None:
        agent = await find_agent(app, body.agent_id)
        if agent.id != campaign.agent_id:
            required = (await app.agents.get(app.organization_id, agent.id, agent.version)).variables()
            await app.corrections.change_agent(campaign.id, agent.id, required)
    if body.name is not None or body.over(campaign.policies) != campaign.policies:
        async with worded(app, campaign.id, "Cannot change a {status} campaign"):
            await app.campaigns.adjust(campaign.id, body.over, name=body.name, warnings=body.unknown())
    if "scheduled_at" in body.model_fields_set and body.scheduled_at != campaign.starts_at:
        async with worded(app, campaign.id, "Cannot schedule a {status} campaign"):
            if body.scheduled_at is not None:
                await app.campaigns.schedule(campaign.id, body.scheduled_at)
            else:
                await app.campaigns.unschedule(campaign.id)
    if body.status is not None:
        await _move(app, await app.campaigns.get(campaign.id), body.status)
    return await _shown(app, campaign.id, body.unknown())


@router.delete("/{campaign_id}")
async def delete_campaign(app: OperatorApp, campaign_id: CampaignId) -> Message:
    """Delete a draft with its leads; what was ever started can be cancelled, and stays."""
    campaign = await find_campaign(app, campaign_id)
    async with worded(app, campaign.id, "Cannot delete a {status} campaign"):
        await app.discard(campaign.id)
    return Message(message="Campaign deleted.")


@router.post("/{campaign_id}/start")
async def start_campaign(app: OperatorApp, campaign_id: CampaignId) -> CampaignView:
    """Begin to call, also where it was scheduled for later."""
    campaign = await find_campaign(app, campaign_id)
    async with worded(app, campaign.id, "Cannot start a {status} campaign"):
        await app.campaigns.start(campaign.id)
    return await _shown(app, campaign.id)


@router.post("/{campaign_id}/pause")
async def pause_campaign(app: OperatorApp, campaign_id: CampaignId) -> CampaignView:
    """Once this has answered, no call is placed; those in progress end normally."""
    campaign = await find_campaign(app, campaign_id)
    async with worded(app, campaign.id, "Cannot pause a {status} campaign"):
        await app.campaigns.pause(campaign.id)
    return await _shown(app, campaign.id)


@router.post("/{campaign_id}/resume")
async def resume_campaign(app: OperatorApp, campaign_id: CampaignId) -> CampaignView:
    """Call on."""
    campaign = await find_campaign(app, campaign_id)
    async with worded(app, campaign.id, "Cannot resume a {status} campaign"):
        await app.campaigns.resume(campaign.id)
    return await _shown(app, campaign.id)


@router.post("/{campaign_id}/cancel")
async def cancel_campaign(app: OperatorApp, campaign_id: CampaignId) -> CampaignView:
    """Stop for good; calls in progress end normally."""
    campaign = await find_campaign(app, campaign_id)
    async with worded(app, campaign.id, "Cannot cancel a {status} campaign"):
        await app.campaigns.cancel(campaign.id)
    return await _shown(app, campaign.id)


async def check_lines(app: App, lines: int | None) -> None:
    """Raises Invalid for more calls at once than the organization may have."""
    most = (await catalog.limits(app.database, app.organization_id)).max_lines
    if lines is not None and lines > most:
        raise Invalid(f"max_concurrent_calls ({lines}) cannot be more than the organization's limit ({most})")


@asynccontextmanager
async def worded(app: App, campaign_id: int, text: str) -> AsyncIterator[None]:
    """A wrong state in the words of this door. Raises Conflict."""
    try:
        yield
    except InvalidTransition as fault:
        campaign = await app.campaigns.get(campaign_id)
        raise Conflict(text.format(status=CAMPAIGN_WORDS[campaign.state])) from fault


async def _move(app: App, campaign: CampaignRecord, word: CampaignWord) -> None:
    """To the state that is asked for, by whatever leads there; the one that it has is no move."""
    now = CAMPAIGN_WORDS[campaign.state]
    if word == now or (word == "active" and now == "running"):
        return
    text = f"A {{status}} campaign cannot become {word}"
    async with worded(app, campaign.id, text):
        match word, campaign.state:
            case ("running" | "active", CampaignState.PAUSED | CampaignState.FAILED):
                await app.campaigns.resume(campaign.id)
            case ("running" | "active", _):
                await app.campaigns.start(campaign.id)
            case ("paused", _):
                await app.campaigns.pause(campaign.id)
            case ("cancelled", _):
                await app.campaigns.cancel(campaign.id)
            case ("draft", _):
                await app.campaigns.unschedule(campaign.id)
            case (_, CampaignState.DRAFT | CampaignState.CANCELLED):
                raise Conflict(text.format(status=now))
            case _ if campaign.keep_open:
                await app.campaigns.close(campaign.id)
            case _:
                return  # it completes by itself, and nobody can add to it


async def _shown(app: App, campaign_id: int, warnings: Sequence[str] = ()) -> CampaignView:
    view = await app.campaigns.view(campaign_id)
    return campaign_view(view, await _names(app, [view]), warnings)


async def _names(app: App, views: Sequence[Found]) -> Names:
    records = [view.record for view in views]
    return Names(
        organization=await app.directory.organization(),
        agents=await app.directory.agents(record.agent_id for record in records),
        numbers=await app.directory.numbers(number_id for record in records for number_id in record.number_ids),
    )


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
