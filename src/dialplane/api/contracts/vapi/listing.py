"""Filters of a list of campaigns -> a page of them and how many there are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from dialplane.api.contracts.vapi.requests import Listing
from dialplane.api.contracts.vapi.shapes import as_uuid
from dialplane.api.contracts.vapi.states import ARCHIVED, Version, states_of
from dialplane.engine.campaign_reader import Search
from dialplane.engine.views import CampaignRecord
from dialplane.errors import NotFound
from dialplane.wiring import App

NO_CAMPAIGN = "Campaign not found"
INSTANT = timedelta(microseconds=1)  # the store knows no shorter one


async def campaign_named(app: App, text: str) -> CampaignRecord:
    """The campaign with this uuid. Raises NotFound."""
    uuid = as_uuid(text)
    found = None if uuid is None else await app.campaigns.find(uuid)
    if found is None:
        raise NotFound(NO_CAMPAIGN)
    campaign = await app.campaigns.get(found)
    if campaign.hidden:  # it holds single calls, and is no campaign to anybody
        raise NotFound(NO_CAMPAIGN)
    return campaign


async def page_of(app: App, listing: Listing, version: Version) -> tuple[Sequence[CampaignRecord], int]:
    search = search_of(listing, version)
    if listing.id is not None:
        return await _only(app, listing.id, search)
    found = await app.campaigns.search(search, limit=listing.limit, skip=(listing.page - 1) * listing.limit)
    return found.campaigns, found.total


def search_of(listing: Listing, version: Version) -> Search:
    return Search(
        states=states_of(listing.status, version),
        archived=listing.status == ARCHIVED,
        created_from=_first(listing.created_at_ge, listing.created_at_gt),
        created_to=_end(listing.created_at_le, listing.created_at_lt),
        updated_from=_first(listing.updated_at_ge, listing.updated_at_gt),
        updated_to=_end(listing.updated_at_le, listing.updated_at_lt),
        by_duration=listing.sort_by == "duration",
        ascending=listing.sort_order == "ASC",
    )


async def _only(app: App, text: str, search: Search) -> tuple[Sequence[CampaignRecord], int]:
    """The campaign with this id, if it passes the other filters."""
    try:
        campaign = await campaign_named(app, text)
    except NotFound:
        return [], 0
    passes = (
        (not search.states or campaign.state in search.states)
        and (campaign.archived_at is not None) == search.archived
        and _within(campaign.created_at, search.created_from, search.created_to)
        and _within(campaign.updated_at, search.updated_from, search.updated_to)
    )
    return ([campaign], 1) if passes else ([], 0)


def _within(at: datetime, first: datetime | None, end: datetime | None) -> bool:
    return (first is None or at >= first) and (end is None or at < end)


def _first(at_least: datetime | None, after: datetime | None) -> datetime | None:
    given = [at_least, None if after is None else after + INSTANT]
    return max((at for at in given if at is not None), default=None)


def _end(at_most: datetime | None, before: datetime | None) -> datetime | None:
    given = [None if at_most is None else at_most + INSTANT, before]
    return min((at for at in given if at is not None), default=None)
