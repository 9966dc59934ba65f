"""What is changed of a campaign, and what becomes of it when it is deleted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dialplane.api.contracts.vapi.callers import Caller, Line, agent_of, line_of
from dialplane.api.contracts.vapi.customers import Called, contacts_of, duplicated
from dialplane.api.contracts.vapi.making import begin, end_of
from dialplane.api.contracts.vapi.requests import UpdateCampaign, as_json
from dialplane.api.contracts.vapi.shapes import SchedulePlan, variable_values
from dialplane.api.contracts.vapi.showing import DOOR, UNSTARTED, told
from dialplane.core.campaign import CampaignState
from dialplane.engine.replacement import Replacement
from dialplane.engine.views import CampaignRecord
from dialplane.errors import Conflict, InvalidTransition
from dialplane.wiring import App

ENDED = "Campaign has ended: nothing of it can be changed any more"
STARTED = "Campaign has started: only its name and its status can be changed"


async def update(app: App, campaign: CampaignRecord, body: UpdateCampaign, now: datetime) -> Sequence[str]:
    """What of the request may not be as it was meant. Raises NotFound, Invalid; Conflict in a wrong state."""
    warnings = list(body.unknown())
    if body.changes_target():
        warnings += await _retarget(app, campaign, body, now)
    if body.name is not None:
        try:
            await app.campaigns.change(campaign.id, name=body.name)
        except InvalidTransition:
            raise Conflict(ENDED) from None
    if body.status is not None:
        await _stop(app, campaign)
    return warnings


async def remove(app: App, campaign: CampaignRecord) -> bool:
    """Whether it is gone for good. One that has called somebody is stopped and archived: who was called stays known."""
    if campaign.archived_at is not None:
        return False
    if campaign.state in UNSTARTED:
        try:
            if campaign.state is CampaignState.SCHEDULED:
                await app.campaigns.unschedule(campaign.id)
            await app.discard(campaign.id)
        except InvalidTransition:
            campaign = await app.campaigns.get(campaign.id)  # it has started in this moment
        else:
            return True
    if campaign.state not in (CampaignState.COMPLETED, CampaignState.CANCELLED):
        await _stop(app, campaign)
    await app.campaigns.archive(campaign.id)
    return False


async def _stop(app: App, campaign: CampaignRecord) -> None:
    """A second time it changes nothing: clients repeat what was not answered."""
    try:
        await app.campaigns.cancel(campaign.id)
    except InvalidTransition:
        if (await app.campaigns.get(campaign.id)).state is not CampaignState.CANCELLED:
            raise Conflict(ENDED) from None


async def _retarget(app: App, campaign: CampaignRecord, body: UpdateCampaign, now: datetime) -> Sequence[str]:
    if campaign.state not in UNSTARTED:
        raise Conflict(STARTED if campaign.ended_at is None else ENDED)
    extras, more = dict(told(campaign)), _plan(campaign, body.schedule_plan, now)
    caller = await agent_of(app, body, campaign)
    called = None
    if body.phone_number_id is not None or body.dial_plan is not None:
        line = await line_of(app, body, campaign)
        called = await _called(app, campaign, body, line, caller)
        more |= {"carrier_id": line.carrier_id, "number_ids": list(line.number_ids)}
        extras["dialPlan"] = line.own
    if body.schedule_plan is not None:
        extras["schedulePlan"] = as_json(body.schedule_plan)
    extras["target"] = caller.target
    try:
        await app.campaigns.change(campaign.id, extras={DOOR: extras}, **more)
        if called is not None:
            replacement = Replacement(app.database, app.clock, app.organization_id, app.campaigns)
            await replacement.replace(campaign.id, called.contacts, required=caller.required)
    except InvalidTransition:
        raise Conflict(STARTED) from None
    if body.target() is not None:
        await app.corrections.change_agent(campaign.id, caller.agent_id, caller.required)
    if body.schedule_plan is not None:
        await begin(app, campaign.id, body.schedule_plan, now)
    return called.warnings if called is not None else ()


def _plan(campaign: CampaignRecord, plan: SchedulePlan | None, now: datetime) -> dict[str, Any]:
    if plan is None:
        return {}
    starts = {"starts_at": max(plan.earliest_at, now)} if campaign.state is CampaignState.SCHEDULED else {}
    return {"ends_at": end_of(plan, now), **starts}


async def _called(
    app: App, campaign: CampaignRecord, body: UpdateCampaign, line: Line, caller: Caller
) -> Called | None:
    """Who is called in the place of those before; None: they stay. Other numbers for all leave each without its own."""
    extras = told(campaign)
    if body.dial_plan is not None:
        common = variable_values(extras.get("assistantOverrides"), extras.get("squadOverrides"))
        return contacts_of(body, line, caller.required, common)
    return await duplicated(app, campaign, line, caller.required, {}) if extras.get("dialPlan") else None
