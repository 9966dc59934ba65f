"""`/campaign` and `/v2/campaign`: made, looked at, changed, stopped; by uuid, whichever door has made them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from dialplane.api.access import CallerDep, OperatorApp, ServerDep, ViewerApp
from dialplane.api.contracts.vapi.answers import (
    Campaign,
    CampaignPage,
    CampaignSummary,
    ContactPage,
    SummaryPage,
)
from dialplane.api.contracts.vapi.identity import campaign_uuid
from dialplane.api.contracts.vapi.listing import campaign_named, page_of
from dialplane.api.contracts.vapi.making import make
from dialplane.api.contracts.vapi.requests import (
    CreateCampaign,
    ListedCampaigns,
    ListedContacts,
    ListedSummaries,
    UpdateCampaign,
)
from dialplane.api.contracts.vapi.shapes import PageMeta
from dialplane.api.contracts.vapi.showing import contact_with_outcome, listed, shown, summaries
from dialplane.api.contracts.vapi.states import STANDINGS, Version
from dialplane.api.contracts.vapi.updating import remove, update
from dialplane.api.route import Route
from dialplane.engine.keys import Caller
from dialplane.engine.standings import Standings
from dialplane.wiring import App, Server

V1, V2 = "/campaign", "/v2/campaign"
CampaignId = Annotated[str, Path(alias="id", max_length=100, description="The campaign's uuid")]

router = APIRouter(tags=["campaigns"], route_class=Route)


@router.post(V1, status_code=201, response_model_exclude_none=True)
async def create_campaign(
    request: Request, app: OperatorApp, caller: CallerDep, server: ServerDep, body: CreateCampaign
) -> Campaign:
    """Call these customers, now or from `schedulePlan.earliestAt` on, for an hour at most."""
    return await _create(request, app, caller, server, body, Version.V1)


@router.get(V1, response_model_exclude_none=True)
async def list_campaigns(app: ViewerApp, listing: ListedCampaigns) -> CampaignPage:
    """Newest first unless asked for otherwise, without calls and customers."""
    campaigns, total = await page_of(app, listing, Version.V1)
    return CampaignPage(
        results=await listed(app, campaigns, Version.V1),
        metadata=PageMeta.of(listing.page, listing.limit, total, listing.sort_order),
    )


@router.get(V1 + "/{id}", response_model_exclude_none=True)
async def get_campaign(app: ViewerApp, campaign_id: CampaignId) -> Campaign:
    """A campaign with its counters and its newest calls."""
    return await shown(app, await campaign_named(app, campaign_id), Version.V1)


@router.patch(V1 + "/{id}", response_model_exclude_none=True)
async def update_campaign(app: OperatorApp, campaign_id: CampaignId, body: UpdateCampaign) -> Campaign:
    """Stop it with `status`; rename it; before it has started, change who calls, from where, and when."""
    return await _update(app, campaign_id, body, Version.V1)


@router.delete(V1 + "/{id}", response_model_exclude_none=True)
async def delete_campaign(app: OperatorApp, campaign_id: CampaignId) -> Campaign:
    """Delete one that has not started; stop and archive any other."""
    return await _delete(app, campaign_id, Version.V1)


@router.post(V2, status_code=201, response_model_exclude_none=True)
async def create_campaign_v2(
    request: Request, app: OperatorApp, caller: CallerDep, server: ServerDep, body: CreateCampaign
) -> Campaign:
    """Call these customers, now or from `schedulePlan.earliestAt` on, for an hour at most."""
    return await _create(request, app, caller, server, body, Version.V2)


@router.get(V2, response_model_exclude_none=True)
async def list_campaign_summaries(app: ViewerApp, listing: ListedSummaries) -> SummaryPage:
    """Newest first unless asked for otherwise."""
    campaigns, total = await page_of(app, listing, Version.V2)
    return SummaryPage(
        results=await summaries(app, campaigns, counters=listing.include_counters),
        metadata=PageMeta.of(listing.page, listing.limit, total, listing.sort_order),
    )


@router.get(V2 + "/{id}", response_model_exclude_none=True)
async def get_campaign_summary(
    app: ViewerApp, campaign_id: CampaignId, counters: Annotated[bool, Query(alias="includeCounters")] = False
) -> CampaignSummary:
    """A campaign; its numbers if they are asked for."""
    return (await summaries(app, [await campaign_named(app, campaign_id)], counters=counters))[0]


@router.patch(V2 + "/{id}", response_model_exclude_none=True)
async def update_campaign_v2(app: OperatorApp, campaign_id: CampaignId, body: UpdateCampaign) -> Campaign:
    """Stop it with `status`; rename it; before it has started, change who calls, from where, and when."""
    return await _update(app, campaign_id, body, Version.V2)


@router.delete(V2 + "/{id}", response_model_exclude_none=True)
async def delete_campaign_v2(app: OperatorApp, campaign_id: CampaignId) -> Campaign:
    """Delete one that has not started; stop and archive any other."""
    return await _delete(app, campaign_id, Version.V2)


@router.get(V2 + "/{id}/contacts", response_model_exclude_none=True)
async def list_campaign_contacts(app: ViewerApp, campaign_id: CampaignId, listing: ListedContacts) -> ContactPage:
    """Contacts and what became of them, in the order in which they were given."""
    campaign = await campaign_named(app, campaign_id)
    progress = (await app.campaigns.progress([campaign.id]))[campaign.id]
    page = await Standings(app.database, app.organization_id).page(
        campaign,
        progress,
        standings=[STANDINGS[word] for word in dict.fromkeys(listing.status)],
        by_standing=listing.sort_by == "status",
        skip=(listing.page - 1) * listing.limit,
        limit=listing.limit,
    )
    return ContactPage(
        results=[contact_with_outcome(contact) for contact in page.contacts],
        metadata=PageMeta.of(listing.page, listing.limit, page.total),
    )


async def _create(
    request: Request, app: App, caller: Caller, server: Server, body: CreateCampaign, version: Version
) -> Campaign:
    now = app.clock.now()
    uuid = await campaign_uuid(request, caller, app.directory, now)
    made = await make(server, app, body, uuid, now)
    return await shown(app, await app.campaigns.get(made.id), version, made.warnings)


async def _update(app: App, campaign_id: str, body: UpdateCampaign, version: Version) -> Campaign:
    campaign = await campaign_named(app, campaign_id)
    warnings = await update(app, campaign, body, app.clock.now())
    return await shown(app, await app.campaigns.get(campaign.id), version, warnings)


async def _delete(app: App, campaign_id: str, version: Version) -> Campaign:
    campaign = await campaign_named(app, campaign_id)
    as_it_was = await shown(app, campaign, version)
    gone = await remove(app, campaign)
    return as_it_was if gone else await shown(app, await app.campaigns.get(campaign.id), version)
