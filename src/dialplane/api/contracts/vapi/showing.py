"""Campaigns -> Vapi's shapes: what was told at this door again, and what can be said of those of other doors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from dialplane.api.contracts.vapi.answers import (
    MOST_CALLS,
    CallDetails,
    CallMetrics,
    Campaign,
    CampaignSummary,
    ContactCounters,
    ContactWithOutcome,
    CustomerView,
    DialPlanEntryView,
)
from dialplane.api.contracts.vapi.requests import TARGETS
from dialplane.api.contracts.vapi.shapes import VARIABLES
from dialplane.api.contracts.vapi.states import CONTACT_STATUSES, Version, ended_calls, ended_reason, status
from dialplane.api.contracts.vapi.words import call_ended_reason, call_status
from dialplane.core.campaign import CampaignState
from dialplane.core.disposition import Disposition
from dialplane.engine.attempt_views import AttemptFilter, AttemptRecord, Paging
from dialplane.engine.standings import ContactStanding, Standing, Standings, standing_counts
from dialplane.engine.views import CampaignRecord, Progress
from dialplane.wiring import App

DOOR = "vapi"  # in a campaign's extras
MOST_CUSTOMERS_SHOWN = 1000
FIELDS_OF_CUSTOMERS = ("name", "email", "extension")
UNSTARTED = (CampaignState.DRAFT, CampaignState.SCHEDULED)


@dataclass(frozen=True, slots=True)
class Names:
    """What ids are called at this door."""

    organization: UUID
    agents: Mapping[int, UUID]
    numbers: Mapping[int, UUID]

    @classmethod
    async def of(cls, app: App, campaigns: Sequence[CampaignRecord]) -> Names:
        return cls(
            await app.directory.organization(),
            await app.directory.agents(campaign.agent_id for campaign in campaigns),
            await app.directory.number_uuids(number for campaign in campaigns for number in campaign.number_ids),
        )


async def listed(app: App, records: Sequence[CampaignRecord], version: Version) -> list[Campaign]:
    """Without their calls and customers: a page of them would be a page of a thousand pages."""
    names = await Names.of(app, records)
    counted = await app.campaigns.progress([record.id for record in records])
    return [_campaign(record, counted[record.id], names, version) for record in records]


async def shown(app: App, record: CampaignRecord, version: Version, warnings: Sequence[str] = ()) -> Campaign:
    """One campaign with its first customers and newest calls."""
    names = await Names.of(app, [record])
    progress = (await app.campaigns.progress([record.id]))[record.id]
    campaign = _campaign(record, progress, names, version)
    calls = await app.attempts.of_campaign(record.id, AttemptFilter(), Paging(limit=MOST_CALLS))
    campaign.calls = {str(call.uuid): _call(call) for call in calls.attempts}
    page = await Standings(app.database, app.organization_id).page(record, progress, limit=MOST_CUSTOMERS_SHOWN)
    if told(record).get("dialPlan"):
        campaign.dial_plan = _dial_plan(page.contacts, names.numbers)
    else:
        campaign.customers = [_customer(contact) for contact in page.contacts]
    campaign.warnings = list(warnings) or None
    return campaign


async def summaries(app: App, records: Sequence[CampaignRecord], *, counters: bool) -> list[CampaignSummary]:
    names = await Names.of(app, records)
    if not counters:
        return [CampaignSummary(**_summary(record, names)) for record in records]
    counted = await app.campaigns.progress([record.id for record in records])
    return [CampaignSummary(**_summary(record, names), **_counted(counted[record.id])) for record in records]


def contact_with_outcome(contact: ContactStanding) -> ContactWithOutcome:
    """Of one that was skipped, the reason is ours: `expired`, `cancelled`, `do_not_call`."""
    called = contact.standing in (Standing.CALLED, Standing.NOT_PLACED)
    return ContactWithOutcome(
        id=contact.uuid,
        number=contact.to_number,
        name=contact.variables.get("name"),
        status=CONTACT_STATUSES[contact.standing],
        call_id=contact.call,
        dispatched_at=contact.dispatched_at,
        ended_reason=call_ended_reason(contact.disposition) if called and contact.disposition else contact.reason,
        external_id=contact.external_id,
    )


def told(campaign: CampaignRecord) -> Mapping[str, Any]:
    """What this door was told of a campaign; nothing of one that another door has made."""
    found: Mapping[str, Any] = (campaign.extras or {}).get(DOOR) or {}
    return found


def _base(campaign: CampaignRecord, names: Names, version: Version) -> dict[str, Any]:
    extras = told(campaign)
    numbers = [] if extras.get("dialPlan") else list(campaign.number_ids)
    return {
        "id": campaign.uuid,
        "org_id": names.organization,
        "name": campaign.name,
        "status": status(campaign, version),
        "ended_reason": ended_reason(campaign),
        extras.get("target", TARGETS[0]): names.agents[campaign.agent_id],
        "phone_number_id": names.numbers.get(numbers[0]) if len(numbers) == 1 else None,
        "schedule_plan": extras.get("schedulePlan") or _schedule(campaign),
        "max_concurrency": campaign.policies.max_lines,
        "assistant_overrides": extras.get("assistantOverrides"),
        "squad_overrides": extras.get("squadOverrides"),
        "server": extras.get("server"),
        "server_messages": extras.get("serverMessages"),
        "predial_plan": extras.get("predialPlan"),
        "created_at": campaign.created_at,
        "updated_at": campaign.updated_at,
        "started_at": campaign.started_at,
        "ended_at": campaign.ended_at,
    }


def _campaign(campaign: CampaignRecord, progress: Progress, names: Names, version: Version) -> Campaign:
    unstarted = campaign.state in UNSTARTED
    return Campaign(
        **_base(campaign, names, version),
        calls={},
        calls_counter_scheduled=progress.waiting if unstarted else 0,
        calls_counter_queued=0 if unstarted else progress.waiting,
        calls_counter_in_progress=sum(progress.calls.values()),
        calls_counter_ended_voicemail=progress.dispositions.get(Disposition.VOICEMAIL, 0),
        calls_counter_ended=ended_calls(progress),
    )


def _summary(campaign: CampaignRecord, names: Names) -> dict[str, Any]:
    base = _base(campaign, names, Version.V2)
    if "workflowId" in base:  # summaries know none
        base["assistantId"] = base.pop("workflowId")
    return base


def _counted(progress: Progress) -> dict[str, Any]:
    counts = standing_counts(progress)
    return {"contact_counters": _counters(counts), "call_metrics": _metrics(counts, progress)}


def _counters(counts: Mapping[Standing, int]) -> ContactCounters:
    return ContactCounters(
        pending=counts[Standing.WAITING],
        dispatched=counts[Standing.DIALING],
        completed=counts[Standing.CALLED],
        failed=counts[Standing.NOT_PLACED],
        skipped=counts[Standing.SKIPPED],
        predial_failed=counts[Standing.INELIGIBLE],
    )


def _metrics(counts: Mapping[Standing, int], progress: Progress) -> CallMetrics:
    return CallMetrics(dialed=counts[Standing.CALLED] + counts[Standing.DIALING], connected=progress.reached)


def _schedule(campaign: CampaignRecord) -> dict[str, str] | None:
    """Of a campaign of another door that starts by itself."""
    if campaign.starts_at is None:
        return None
    plan = {"earliestAt": campaign.starts_at, "latestAt": campaign.ends_at}
    return {name: at.isoformat().replace("+00:00", "Z") for name, at in plan.items() if at is not None}


def _call(call: AttemptRecord) -> CallDetails:
    customer = {"number": call.to_number, "name": call.variables.get("name"), "externalId": call.external_id}
    return CallDetails(
        id=call.uuid,
        status=call_status(call.state),
        ended_reason=None if call.disposition is None else call_ended_reason(call.disposition),
        customer={name: value for name, value in customer.items() if value},
        created_at=call.created_at,
        started_at=call.answered_at,
        ended_at=call.ended_at,
    )


def _customer(contact: ContactStanding) -> CustomerView:
    own = {name: value for name, value in contact.variables.items() if name not in FIELDS_OF_CUSTOMERS}
    return CustomerView(
        number=contact.to_number,
        external_id=contact.external_id,
        assistant_overrides={VARIABLES: own} if own else None,
        name=contact.variables.get("name"),
        email=contact.variables.get("email"),
        extension=contact.variables.get("extension"),
    )


def _dial_plan(contacts: Sequence[ContactStanding], numbers: Mapping[int, UUID]) -> list[DialPlanEntryView]:
    """A number that was deleted since is left out, with its customers."""
    entries: dict[int, list[CustomerView]] = {}
    for contact in contacts:
        if contact.number_id is not None and contact.number_id in numbers:
            entries.setdefault(contact.number_id, []).append(_customer(contact))
    return [
        DialPlanEntryView(phone_number_id=numbers[number], customers=customers) for number, customers in entries.items()
    ]
