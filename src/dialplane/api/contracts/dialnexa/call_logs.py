"""`/call-logs`: every call of the organization, or of one campaign; with an ETag, for those who ask often."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, BeforeValidator, Field

from dialplane.api.access import ViewerApp, server_of
from dialplane.api.contracts.dialnexa import ids
from dialplane.api.contracts.dialnexa.headers import Tagged
from dialplane.api.contracts.dialnexa.lookup import find_agent_id, find_campaign
from dialplane.api.contracts.dialnexa.shapes import FURTHEST_PAGE, MOST_ON_A_PAGE, Meta
from dialplane.api.contracts.dialnexa.words import ENDS, OPEN_WORDS, CallWord, call_word, dispositions_of
from dialplane.api.instants import first_instant, last_instant
from dialplane.api.links import artifact_token, artifact_url, base_url
from dialplane.engine.attempt_views import AttemptFilter, AttemptPage, AttemptRecord, Paging
from dialplane.wiring import App

MOST_OPEN = 10_000  # calls in progress that are looked through for one word
MOST_SECONDS = 1e9

Pages = Callable[[AttemptFilter, Paging], Awaitable[AttemptPage]]

router = APIRouter(prefix="/call-logs", tags=["call logs"], route_class=Tagged)

CampaignId = Annotated[str, Path(max_length=ids.LONGEST, examples=["cmp_1b4e28ba2fa111d2883f0016d3cca427"])]
Seconds = Annotated[float | None, Field(ge=0, le=MOST_SECONDS, allow_inf_nan=False)]


class Listing(BaseModel):
    page: int = Field(1, ge=1, le=FURTHEST_PAGE)
    limit: int = Field(20, ge=1, le=MOST_ON_A_PAGE)
    status: CallWord | None = None
    sentiment: str | None = Field(None, max_length=100, description="As the agent gathered it.")
    start_date: Annotated[datetime | None, BeforeValidator(first_instant)] = Field(
        None, description="Calls made at or after this date or instant, ISO 8601; UTC unless it says otherwise."
    )
    end_date: Annotated[datetime | None, BeforeValidator(last_instant)] = Field(
        None, description="Calls made at or before it; a date without a time covers its whole day."
    )
    duration_min: Seconds = Field(None, description="Seconds of talk, inclusive.")
    duration_max: Seconds = Field(None, description="Seconds of talk, inclusive.")
    created_at: Literal["asc", "desc"] = Field("desc", description="Newest first, unless it says otherwise.")

    def attempts(self) -> AttemptFilter:
        is_open = self.status in OPEN_WORDS.values()
        return AttemptFilter(
            created_from=self.start_date,
            created_to=self.end_date,
            dispositions=None if self.status is None or is_open else dispositions_of(self.status),
            ended=False if is_open else None,
            least_seconds=self.duration_min,
            most_seconds=self.duration_max,
            sentiment=self.sentiment,
        )

    def paging(self) -> Paging:
        return Paging(skip=(self.page - 1) * self.limit, limit=self.limit, ascending=self.created_at == "asc")


class AllCalls(Listing):
    agent_id: str | None = Field(None, max_length=ids.LONGEST)


class CallLog(BaseModel):
    """One call, or one try to make it."""

    id: str = Field(examples=["call_1b4e28ba2fa111d2883f0016d3cca427"])
    call_id: str
    agent_id: str
    campaign_id: str | None = Field(description="null: a single call.")
    lead_id: str | None
    from_phone_number: str
    to_phone_number: str
    attempt: int = Field(description="Its ordinal for this lead, from 1.")
    status: CallWord
    sentiment: str | None = Field(description="As the agent gathered it.")
    duration_seconds: float | None = Field(description="Of talk; null while the call goes on.")
    recording_url: str | None
    analysis: dict[str, Any] | None = Field(description="What the agent gathered.")
    summary: str | None = Field(description="Of the call, in the agent's words.")
    created_at: datetime
    ended_at: datetime | None
    end_reason: str | None
    cause: str = Field(description="In the carrier's words.", examples=["486 Busy Here"])
    fallback_stt_transcriber_id: str | None = None


class CallLogPage(BaseModel):
    data: list[CallLog]
    meta: Meta


@router.get("")
async def list_call_logs(request: Request, app: ViewerApp, listing: Annotated[AllCalls, Query()]) -> CallLogPage:
    """Calls of all campaigns, and single ones."""
    if listing.agent_id is None:
        return await _shown(request, app, listing, app.attempts.of_all)
    agent_id = await find_agent_id(app, listing.agent_id)
    return await _shown(request, app, listing, lambda wanted, paging: app.attempts.of_agent(agent_id, wanted, paging))


@router.get("/campaign/{campaign_id}")
async def list_campaign_call_logs(
    request: Request, app: ViewerApp, campaign_id: CampaignId, listing: Annotated[Listing, Query()]
) -> CallLogPage:
    """Calls of one campaign."""
    campaign = await find_campaign(app, campaign_id)
    return await _shown(
        request, app, listing, lambda wanted, paging: app.attempts.of_campaign(campaign.id, wanted, paging)
    )


async def _shown(request: Request, app: App, listing: Listing, pages: Pages) -> CallLogPage:
    found = await _page(listing, pages)
    agents = await app.directory.agents(attempt.agent_id for attempt in found.attempts)
    campaigns = await app.directory.campaigns(attempt.campaign_id for attempt in found.attempts)
    data = [
        call_log(request, app.organization_id, attempt, agents[attempt.agent_id], campaigns.get(attempt.campaign_id))
        for attempt in found.attempts
    ]
    return CallLogPage(data=data, meta=Meta.of(listing.page, listing.limit, found.total))


async def _page(listing: Listing, pages: Pages) -> AttemptPage:
    paging = listing.paging()
    if listing.status not in OPEN_WORDS.values():
        return await pages(listing.attempts(), paging)
    # Calls in progress are as few as there are lines: those of one word are picked out here.
    found = await pages(listing.attempts(), Paging(limit=MOST_OPEN, ascending=paging.ascending))
    wanted = [each for each in found.attempts if call_word(each.state, each.disposition) == listing.status]
    return AttemptPage(attempts=wanted[paging.skip : paging.skip + paging.limit], total=len(wanted))


def call_log(
    request: Request, organization_id: int, attempt: AttemptRecord, agent: UUID, campaign: UUID | None
) -> CallLog:
    """agent, campaign: the uuids of the attempt's; None for a single call."""
    gathered = dict(attempt.gathered or {})
    sentiment = gathered.get("sentiment")
    call_id = ids.shown(ids.CALL, attempt.uuid)
    return CallLog(
        id=call_id,
        call_id=call_id,
        agent_id=ids.shown(ids.AGENT, agent),
        campaign_id=None if campaign is None else ids.shown(ids.CAMPAIGN, campaign),
        lead_id=None if campaign is None else ids.shown(ids.LEAD, attempt.contact_uuid),
        from_phone_number=attempt.from_number,
        to_phone_number=attempt.to_number,
        attempt=attempt.number,
        status=call_word(attempt.state, attempt.disposition),
        sentiment=sentiment if isinstance(sentiment, str) else None,
        duration_seconds=None if attempt.talk_seconds is None else round(attempt.talk_seconds, 3),
        recording_url=recording_link(request, organization_id, attempt),
        analysis=gathered or None,
        summary=attempt.summary,
        created_at=attempt.created_at,
        ended_at=attempt.ended_at,
        end_reason=None if attempt.disposition is None else ENDS[attempt.disposition].reason,
        cause=attempt.cause,
    )


def recording_link(request: Request, organization_id: int, attempt: AttemptRecord) -> str | None:
    """A link that stays, so that an answer without news stays the same too."""
    if not attempt.recording:
        return None
    token = artifact_token(server_of(request).secrets, organization_id, attempt.uuid)
    return artifact_url(base_url(request), token, "recording")
