"""`/calls`: one call outside a campaign, and every call there was; `/batch-calls/{id}` lists those of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from dialplane.api.access import OperatorApp, ViewerApp
from dialplane.api.contracts.dialnexa import ids
from dialplane.api.contracts.dialnexa.call_listing import CallListing, in_progress, several
from dialplane.api.contracts.dialnexa.call_logs import MOST_OPEN, recording_link
from dialplane.api.contracts.dialnexa.call_shapes import CallView, CreateCall, CreatedCall, call_view
from dialplane.api.contracts.dialnexa.lookup import find_agent, find_agent_id, find_campaign
from dialplane.api.route import Route
from dialplane.engine.agents import AgentRecord
from dialplane.engine.attempt_views import AttemptFilter, AttemptPage, AttemptRecord, Paging
from dialplane.engine.single_calls import CallRequest
from dialplane.errors import Invalid, NotFound
from dialplane.wiring import App

router = APIRouter(prefix="/calls", tags=["calls"], route_class=Route)

CallId = Annotated[str, Path(max_length=ids.LONGEST, examples=["call_1b4e28ba2fa111d2883f0016d3cca427"])]


@router.post("", status_code=201)
async def create_call(app: OperatorApp, body: CreateCall) -> CreatedCall:
    """Call one person; answered once the call is on its way."""
    agent = await find_agent(app, body.agent_id)
    await check_version(app, agent, body.agent_version_number)
    number = None if body.from_phone_number is None else await app.directory.call_from(body.from_phone_number)
    placed = await app.single_calls.call(
        CallRequest(
            agent_id=agent.id,
            to_number=body.number(),
            carrier_id=None if number is None else number.carrier_id,
            number_id=None if number is None else number.number_id,
            variables=body.variables(),
        )
    )
    call_id = ids.shown(ids.CALL, placed.attempt_uuid)
    return CreatedCall(
        id=call_id,
        call_id=call_id,
        to_phone_number=placed.to_number,
        agent_id=ids.shown(ids.AGENT, agent.uuid),
        agent_version_number=agent.version,
        warnings=body.unknown(),
    )


@router.get("", response_model_exclude_none=True)
async def list_calls(request: Request, app: ViewerApp, listing: Annotated[CallListing, Query()]) -> list[CallView]:
    """Newest first unless it says otherwise; of batches, campaigns and single ones."""
    found = await listed(app, listing)
    return await shown(request, app, found.attempts)


@router.get("/{call_id}", response_model_exclude_none=True)
async def get_call(request: Request, app: ViewerApp, call_id: CallId) -> CallView:
    """One call, with what was said."""
    uuid = ids.read(call_id, ids.CALL)
    if uuid is None:
        raise Invalid("Invalid call ID format")
    try:
        call, said = await app.attempts.by_uuid(uuid)
    except NotFound:
        raise NotFound("Call not found") from None
    agents = await app.directory.agents([call.agent_id])
    campaigns = await app.directory.campaigns([call.campaign_id])
    recording_url = recording_link(request, app.organization_id, call)
    return call_view(call, agents[call.agent_id], campaigns.get(call.campaign_id), recording_url, said)


async def check_version(app: App, agent: AgentRecord, version: int | None) -> None:
    """Calls are made with the version in force, so that a correction counts at once. Raises NotFound, Invalid."""
    if version in (None, agent.version):
        return
    if not any(row["version"] == version for row in await app.library.versions(agent.id)):
        raise NotFound(f"Agent version {version} not found")
    raise Invalid(
        f"agent_version_number {version} is not the one in force, which is {agent.version}: give that, or leave it out"
    )


async def listed(app: App, listing: CallListing, campaign_ids: Sequence[int] | None = None) -> AttemptPage:
    """The calls that a list asks for; campaign_ids: of these alone."""
    if listing.nothing():
        return AttemptPage(attempts=[], total=0)
    if listing.batch_call_id:
        asked = await _campaigns(app, several(listing.batch_call_id))
        campaign_ids = asked if campaign_ids is None else [each for each in asked if each in campaign_ids]
    search = _Search(app, campaign_ids, await _agents(app, several(listing.agent_id)) if listing.agent_id else None)
    if listing.call_id:
        return await search.named(several(listing.call_id), listing)
    return await search.page(listing)


class _Search:
    """Calls of these campaigns and agents; None is all."""

    def __init__(self, app: App, campaign_ids: Sequence[int] | None, agent_ids: Sequence[int] | None) -> None:
        self._app = app
        self._campaign_ids = campaign_ids
        self._agent_ids = agent_ids

    async def page(self, listing: CallListing) -> AttemptPage:
        wanted, paging = listing.calls(), listing.paging()
        words = listing.open_words()
        if not words:
            return await self._among(wanted, paging)
        # Calls in progress are as few as there are lines. They come first: all of them are younger than an hour or so.
        open_ones = replace(wanted, dispositions=None, ended=False)
        found = await self._among(open_ones, Paging(limit=MOST_OPEN, ascending=paging.ascending))
        first = in_progress(found.attempts, words)
        shown = first[paging.skip : paging.skip + paging.limit]
        after = replace(paging, skip=max(0, paging.skip - len(first)), limit=paging.limit - len(shown))
        ended = await self._among(wanted, after if after.limit else replace(after, limit=1))
        return AttemptPage(attempts=[*shown, *ended.attempts[: after.limit]], total=len(first) + ended.total)

    async def named(self, texts: Sequence[str], listing: CallListing) -> AttemptPage:
        """Calls with these ids, where they pass the other filters."""
        calls = []
        for text in dict.fromkeys(texts):
            uuid = ids.read(text, ids.CALL)
            try:
                call = None if uuid is None else (await self._app.attempts.by_uuid(uuid))[0]
            except NotFound:
                continue
            if call is not None and await self._passes(call, listing):
                calls.append(call)
        paging = listing.paging()
        calls.sort(key=lambda call: call.id, reverse=not paging.ascending)
        return AttemptPage(attempts=calls[paging.skip : paging.skip + paging.limit], total=len(calls))

    async def _passes(self, call: AttemptRecord, listing: CallListing) -> bool:
        wanted = listing.calls()
        if call.disposition is None and listing.open_words():
            if not in_progress([call], listing.open_words()):
                return False
            wanted = replace(wanted, dispositions=None)
        return (await self._among(replace(wanted, attempt_id=call.id), Paging(limit=1))).total == 1

    async def _among(self, wanted: AttemptFilter, paging: Paging) -> AttemptPage:
        return await self._app.attempts.among(
            wanted, paging, campaign_ids=self._campaign_ids, agent_ids=self._agent_ids
        )


async def shown(request: Request, app: App, calls: Sequence[AttemptRecord]) -> list[CallView]:
    agents = await app.directory.agents(call.agent_id for call in calls)
    campaigns = await app.directory.campaigns(call.campaign_id for call in calls)
    return [
        call_view(
            call,
            agents[call.agent_id],
            campaigns.get(call.campaign_id),
            recording_link(request, app.organization_id, call),
        )
        for call in calls
    ]


async def _campaigns(app: App, texts: Sequence[str]) -> list[int]:
    """Those that there are, each once: a list of calls of no batch is empty."""
    found: set[int] = set()
    for text in texts:
        try:
            found.add((await find_campaign(app, text)).id)
        except NotFound:
            continue
    return sorted(found)


async def _agents(app: App, texts: Sequence[str]) -> list[int]:
    found = []
    for text in texts:
        try:
            found.append(await find_agent_id(app, text))
        except NotFound:
            continue
    return found
