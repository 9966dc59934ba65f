"""A file of leads -> a batch that calls them: checked whole, then made, filled and started; or nothing of it stays."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any, Final

from dialplane.api.contracts.dialnexa import ids
from dialplane.api.contracts.dialnexa.batch_requests import CreateBatch
from dialplane.api.contracts.dialnexa.batch_shapes import QUEUE, Conflict, CreatedBatch, Warned, batch_word
from dialplane.api.contracts.dialnexa.calls import check_version
from dialplane.api.contracts.dialnexa.campaigns import check_lines
from dialplane.api.contracts.dialnexa.lead_files import examined, kept, sentences
from dialplane.api.contracts.dialnexa.lead_shapes import region_of as region_of_code
from dialplane.api.contracts.dialnexa.lookup import find_agent
from dialplane.core.campaign import HOLDS_QUEUE, CampaignState
from dialplane.engine.agents import AgentRecord
from dialplane.engine.campaign_reader import Search
from dialplane.engine.directory import CallFrom
from dialplane.engine.numbering import region_of
from dialplane.engine.views import CampaignRecord, Progress
from dialplane.errors import DialplaneError, Invalid
from dialplane.wiring import App

MOST_CONFLICTS: Final = 20


async def make(app: App, form: CreateBatch) -> CreatedBatch:
    """Raises NotFound, Invalid, Conflict."""
    now = app.clock.now()
    _check_hours(form, now)
    agent = await find_agent(app, form.agent_id)
    await check_version(app, agent, form.agent_version_number)
    number = None if form.from_phone_number is None else await app.directory.call_from(form.from_phone_number)
    from_number = None if number is None else (await app.directory.numbers([number.number_id]))[number.number_id]
    await check_lines(app, form.max_concurrent_calls)
    region = _region(form, from_number)
    required = (await app.agents.get(app.organization_id, agent.id, agent.version)).variables()
    with kept(form.file) as path:
        found = await asyncio.to_thread(examined, path, required, region)
        campaign_id = await _draft(app, form, agent, number)
        try:
            done = await app.import_now(campaign_id, path, region)
            ahead = await _ahead(app, form, now)
            await _start(app, campaign_id, form, now)
        except DialplaneError:
            await app.discard(campaign_id)
            raise
    campaign = await app.campaigns.get(campaign_id)
    word = batch_word(campaign, app.clock.now())
    warned: dict[str, Any] = {} if ahead is None else {"warning": ahead}
    return CreatedBatch(
        id=ids.shown(ids.BATCH, campaign.uuid),
        title=campaign.name,
        name=campaign.name,
        status="initiated" if word == "running" else word,
        total_records=done.contacts,
        total_leads=done.contacts,
        skipped_records=done.rejects,
        message="; ".join([f"{done.contacts} leads created, {done.rejects} rows skipped", *sentences(found)]),
        completed=0,
        failed=0,
        from_number=from_number,
        agent_id=ids.shown(ids.AGENT, agent.uuid),
        agent_version_number=agent.version,
        starts_at=campaign.starts_at,
        ends_at=campaign.ends_at,
        created_at=campaign.created_at,
        warnings=form.unknown(),
        **warned,
    )


def _check_hours(form: CreateBatch, now: datetime) -> None:
    start, end = form.start(), form.ends_at
    if end is not None and end <= now:
        raise Invalid(f"ends_at {end.isoformat()} is over: nobody would be called")
    if start is not None and end is not None and end <= start:
        raise Invalid(f"ends_at {end.isoformat()} must be later than starts_at {start.isoformat()}")


def _region(form: CreateBatch, from_number: str | None) -> str | None:
    """In which numbers without a country code are read: as it is said, else as at home with the number that calls."""
    if form.countryCode is not None or from_number is None:
        return region_of_code(None, form.countryCode)
    return region_of(from_number)


async def _draft(app: App, form: CreateBatch, agent: AgentRecord, number: CallFrom | None) -> int:
    return await app.campaigns.create(
        name=form.shown_title(),
        agent_id=agent.id,
        carrier_id=await app.telephony.choose(None if number is None else number.carrier_id),
        policies=form.policies(),
        number_ids=[] if number is None else [number.number_id],
        ends_at=form.ends_at,
        queue=QUEUE,
        warnings=form.unknown(),
    )


async def _start(app: App, campaign_id: int, form: CreateBatch, now: datetime) -> None:
    start = form.start()
    if start is not None and start > now:
        await app.campaigns.schedule(campaign_id, start)
    else:
        await app.campaigns.start(campaign_id)


async def _ahead(app: App, form: CreateBatch, now: datetime) -> Warned | None:
    """Batches that hold the queue, wait in it, or will have come to it when this one does."""
    start = max(form.start() or now, now)
    states = (*HOLDS_QUEUE, CampaignState.SCHEDULED)
    page = await app.campaigns.search(Search(states=states, queue=QUEUE, ascending=True), limit=MOST_CONFLICTS)
    first = [each for each in page.campaigns if each.starts_at is None or each.starts_at <= start]
    if not first:
        return None
    progress = await app.campaigns.progress([each.id for each in first])
    conflicts = [_conflict(each, progress[each.id], now) for each in first]
    counts = {kind: sum(each.kind == kind for each in conflicts) for kind in ("running", "waiting", "scheduled")}
    told = " and ".join(f"{count} {kind} batch{'es' if count > 1 else ''}" for kind, count in counts.items() if count)
    return Warned(
        message=f"This batch was created, but your organization already has {told} ahead of it. Batches run one at a "
        "time per organization, so this batch may be delayed.",
        conflicts=conflicts,
    )


def _conflict(campaign: CampaignRecord, progress: Progress, now: datetime) -> Conflict:
    """A paused batch holds the queue as a running one does."""
    word = batch_word(campaign, now)
    return Conflict(
        kind=word if word in ("waiting", "scheduled") else "running",
        batch_name=campaign.name,
        processed_leads=progress.reached + progress.exhausted + progress.skipped,
        total_leads=progress.total - progress.removed,
        starts_at=campaign.started_at or campaign.starts_at or campaign.created_at,
    )
