"""What is changed of a campaign, and what becomes of it when it is deleted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dialplane.api.contracts.vapi.callers import agent_of, line_of
from dialplane.api.contracts.vapi.making import begin, end_of
from dialplane.api.contracts.vapi.requests import UpdateCampaign, as_json
from dialplane.api.contracts.vapi.showing import DOOR, UNSTARTED, told
from dialplane.core.campaign import CampaignState
from dialplane.engine.views import CampaignRecord
from dialplane.errors import Conflict, InvalidTransition
from dialplane.wiring import App

ENDED = "Campaign has ended: nothing of it can be changed any more"
STARTED = "Campaign has started: only its name and its status can be changed"


async def update(app: App, campaign: CampaignRecord, body: UpdateCampaign, now: datetime) -> Sequence[str]:
    """What of the request may not be as it was meant. Raises NotFound, Invalid; Conflict in a wrong state."""
    if body.changes_target():
        await _retarget(app, campaign, body, now)
    if body.name is not None:
        try:
            await app.campaigns.change(campaign.id, name=body.name)
        except InvalidTransition:
            raise Conflict(ENDED) from None
    if body.status is not None:
        await _stop(app, campaign)
    return body.unknown()


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


async def _retarget(app: App, campaign: CampaignRecord, body: UpdateCampaign, now: datetime) -> None:
    if campaign.state not in UNSTARTED:
        raise Conflict(STARTED if campaign.ended_at is None else ENDED)
    if body.dial_plan is not None or (body.phone_number_id is not None and told(campaign).get("dialPlan")):
        raise Conflict("dialPlan cannot be changed: delete the campaign, which has called nobody, and make it again")
    extras = dict(told(campaign))
    more: dict[str, Any] = {}
    if body.target() is not None:
        caller = await agent_of(app, body, campaign)
        await app.corrections.change_agent(campaign.id, caller.agent_id, caller.required)
        extras["target"] = caller.target
    if body.phone_number_id is not None:
        line = await line_of(app, body, campaign)
        more |= {"carrier_id": line.carrier_id, "number_ids": list(line.number_ids)}
    plan = body.schedule_plan
    if plan is not None:
        extras["schedulePlan"] = as_json(plan)
        more["ends_at"] = end_of(plan, now)
        if campaign.state is CampaignState.SCHEDULED:
            more["starts_at"] = max(plan.earliest_at, now)
    try:
        await app.campaigns.change(campaign.id, extras={DOOR: extras}, **more)
    except InvalidTransition:
        raise Conflict(STARTED) from None
    if plan is not None:
        await begin(app, campaign.id, plan, now)
