"""request for a campaign -> what it is made of, checked whole -> a campaign that calls at once, or at its hour

Nothing is dialled before everything is in place: the draft, its webhook, its contacts, and the start last of all. Each
step does nothing the second time, so that a repetition goes on where a crash has left it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from dialplane.api.contracts.vapi.callers import Caller, Line, agent_of, line_of
from dialplane.api.contracts.vapi.customers import Called, contacts_of, duplicated
from dialplane.api.contracts.vapi.listing import NO_CAMPAIGN
from dialplane.api.contracts.vapi.requests import CreateCampaign, as_json
from dialplane.api.contracts.vapi.servers import Listener, listener_of
from dialplane.api.contracts.vapi.shapes import VARIABLES, SchedulePlan, variable_values
from dialplane.api.contracts.vapi.showing import DOOR, told
from dialplane.core.campaign import CampaignState, Policies
from dialplane.core.retry import RetryPolicy
from dialplane.engine import catalog
from dialplane.engine.views import CampaignRecord
from dialplane.errors import DialplaneError, Invalid, InvalidTransition, NotFound
from dialplane.wiring import App, Server

DEFAULT_CONCURRENCY: Final = 10
HOUR: Final = timedelta(hours=1)  # after its start; who could not be called by then is not called any more
ADDED_AT_ONCE = 1000  # the organization is locked for as long as a page of them takes


@dataclass(frozen=True, slots=True)
class Made:
    """warnings: what of the request may not be as it was meant."""

    id: int
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A campaign that can be made."""

    name: str
    caller: Caller
    line: Line
    called: Called
    max_lines: int
    plan: SchedulePlan | None
    ends_at: datetime
    listener: Listener
    extras: dict[str, Any]
    warnings: Sequence[str]


async def make(server: Server, app: App, body: CreateCampaign, uuid: UUID, now: datetime) -> Made:
    """uuid: of the campaign; one that has begun is answered as it is. Raises NotFound, Invalid, Conflict: then there is
    none.
    """
    known = await app.campaigns.find(uuid)
    if known is not None and (await app.campaigns.get(known)).state is not CampaignState.DRAFT:
        return Made(known)
    order = await _order(server, app, body, now)
    campaign_id = await app.campaigns.create(
        name=order.name,
        agent_id=order.caller.agent_id,
        carrier_id=order.line.carrier_id,
        policies=Policies(retry=RetryPolicy(max_retries=0), max_lines=order.max_lines),
        uuid=uuid,
        number_ids=order.line.number_ids,
        ends_at=order.ends_at,
        screening=order.listener.screening,
        extras={DOOR: order.extras},
        warnings=order.warnings,
    )
    try:
        await order.listener.listen(server.webhooks(app.organization_id), campaign_id)
        for first in range(0, len(order.called.contacts), ADDED_AT_ONCE):
            page = order.called.contacts[first : first + ADDED_AT_ONCE]
            await app.contacts.add(campaign_id, page, required=order.caller.required)
        await begin(app, campaign_id, order.plan, now)
    except DialplaneError:
        with suppress(DialplaneError):  # a repetition at the same time has started it
            await app.discard(campaign_id)
        raise
    return Made(campaign_id, order.warnings)


async def max_lines(app: App, asked: int | None, otherwise: int | None = None) -> int:
    """Raises Invalid for more than the organization has."""
    most = (await catalog.limits(app.database, app.organization_id)).max_lines
    if asked is not None and asked > most:
        raise Invalid(f"maxConcurrency ({asked}) must not be greater than the organization's limit ({most})")
    return asked or min(otherwise or DEFAULT_CONCURRENCY, most)


def end_of(plan: SchedulePlan | None, now: datetime) -> datetime:
    """From when on nobody is called any more. Raises Invalid for a plan that is over.

    >>> start = datetime.fromisoformat("2026-12-01T09:00:00+00:00")
    >>> end_of(None, start).isoformat()
    '2026-12-01T10:00:00+00:00'
    """
    if plan is None:
        return now + HOUR
    if plan.latest_at is not None and plan.latest_at <= now:
        raise Invalid(f"schedulePlan.latestAt {plan.latest_at.isoformat()} is over: nobody would be called")
    hour = max(plan.earliest_at, now) + HOUR
    return hour if plan.latest_at is None else min(hour, plan.latest_at)


async def begin(app: App, campaign_id: int, plan: SchedulePlan | None, now: datetime) -> None:
    """Start it, or let it start by itself; one that has started meanwhile has. Raises Conflict."""
    try:
        if plan is not None and plan.earliest_at > now:
            await app.campaigns.schedule(campaign_id, plan.earliest_at)
        else:
            await app.campaigns.start(campaign_id)
    except InvalidTransition:
        if (await app.campaigns.get(campaign_id)).started_at is None:
            raise


def unheard(**overrides: dict[str, Any] | None) -> list[str]:
    """What of overrides is kept and answered, and has no effect on calls."""
    return [
        f"{name}.{key} is kept and has no effect: calls are made as the agent is defined"
        for name, given in overrides.items()
        for key in given or {}
        if key != VARIABLES
    ]


async def _order(server: Server, app: App, body: CreateCampaign, now: datetime) -> Order:
    source = await _source(app, body.duplicate_from_campaign_id)
    caller = await agent_of(app, body, source)
    line = await line_of(app, body, source)
    listener = listener_of(server, body, source)
    plan = body.schedule_plan or _plan_of(source, now)
    kept = {} if source is None else {name: value for name, value in told(source).items() if name != "schedulePlan"}
    told_now = kept | body.told()
    if body.customers is None and body.dial_plan is None:
        assert source is not None, "the request has customers, or is for a duplicate"
        newly = variable_values(body.assistant_overrides, body.squad_overrides)
        called = await duplicated(app, source, line, caller.required, newly)
    else:
        common = variable_values(told_now.get("assistantOverrides"), told_now.get("squadOverrides"))
        called = contacts_of(body, line, caller.required, common)
    extras = told_now | listener.extras | {"target": caller.target, "dialPlan": line.own}
    if plan is not None:
        extras["schedulePlan"] = as_json(plan)
    warnings = [
        *body.unknown(),
        *unheard(assistantOverrides=body.assistant_overrides, squadOverrides=body.squad_overrides),
        *called.warnings,
        *listener.warnings,
    ]
    return Order(
        name=body.name,
        caller=caller,
        line=line,
        called=called,
        max_lines=await max_lines(app, body.max_concurrency, source.policies.max_lines if source is not None else None),
        plan=plan,
        ends_at=end_of(plan, now),
        listener=listener,
        extras=extras,
        warnings=warnings,
    )


async def _source(app: App, uuid: UUID | None) -> CampaignRecord | None:
    """What a duplicate is made of. Raises NotFound."""
    if uuid is None:
        return None
    found = await app.campaigns.find(uuid)
    if found is None:
        raise NotFound(f"duplicateFromCampaignId: {NO_CAMPAIGN}")
    return await app.campaigns.get(found)


def _plan_of(source: CampaignRecord | None, now: datetime) -> SchedulePlan | None:
    """A duplicate of what has not begun begins no earlier; the hours of what has are over."""
    plan = None if source is None else told(source).get("schedulePlan")
    found = None if plan is None else SchedulePlan.model_validate(plan)
    return found if found is not None and found.earliest_at > now else None
