"""Circuit breakers: calls that failed or were abandoned -> a campaign paused, or a carrier that rests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from typing import Any

from dialplane.core.abandon import day_of, start_of
from dialplane.core.breaker import CircuitBreaker
from dialplane.core.campaign import Campaign
from dialplane.core.disposition import BREAKER_FAULTS, TRUNK_FAULTS
from dialplane.engine.outcomes import Fault
from dialplane.store.records import RecentCalls
from dialplane.store.turn import Turn

CARRIER_REST = timedelta(seconds=60)  # of a carrier whose breaker tripped
CARRIER_BREAKER = CircuitBreaker()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """running: campaigns that go on. watched: faults to look at again, since too few calls have ended to judge them."""

    running: list[Campaign]
    watched: set[Fault]


class Verdict(Enum):
    CLOSED = auto()
    TOO_FEW_CALLS = auto()
    TRIPPED = auto()


async def judge(turn: Turn, running: list[Campaign], faults: set[Fault]) -> Judged:
    """Look at the breakers of the campaigns and carriers that had these faults."""
    failed = {fault for fault in faults if not fault.abandoned}
    abandoned = {fault.campaign_id for fault in faults - failed}
    of_campaigns = {c.id: await _judge_campaign(turn, c) for c in running if c.id in {f.campaign_id for f in failed}}
    going_on = [c for c in running if of_campaigns.get(c.id) is not Verdict.TRIPPED]
    of_rates = {c.id: await _judge_abandoned(turn, c) for c in going_on if c.id in abandoned}
    of_carriers: dict[int, Verdict] = {}
    for carrier_id in {fault.carrier_id for fault in failed}:
        if on_carrier := [campaign for campaign in running if campaign.trunk.id == carrier_id]:
            of_carriers[carrier_id] = await _judge_carrier(turn, on_carrier)

    def verdicts(fault: Fault) -> set[Verdict | None]:
        if fault.abandoned:
            return {of_rates.get(fault.campaign_id)}
        return {of_campaigns.get(fault.campaign_id), of_carriers.get(fault.carrier_id)}

    tripped = {Verdict.TRIPPED}
    return Judged(
        running=[c for c in going_on if tripped.isdisjoint({of_rates.get(c.id), of_carriers.get(c.trunk.id)})],
        watched={fault for fault in faults if Verdict.TOO_FEW_CALLS in verdicts(fault)},
    )


async def _judge_campaign(turn: Turn, campaign: Campaign) -> Verdict:
    breaker = campaign.policies.breaker
    since = breaker.since(turn.now, campaign.resumed_at)
    recent = await turn.recent_calls(since, BREAKER_FAULTS, campaign_id=campaign.id)
    if not breaker.trips(recent.ended, recent.faults):
        return _untripped(breaker, recent)
    reason = f"{recent.faults} of the last {recent.ended} calls failed"
    details = {"ended": recent.ended, "faults": recent.faults, "calls": list(recent.calls)}
    await _pause(turn, campaign, "breaker.tripped", reason, details)
    return Verdict.TRIPPED


async def _judge_abandoned(turn: Turn, campaign: Campaign) -> Verdict:
    """By the calls that people have answered today, since the last start or resume."""
    rule, timezone = campaign.policies.abandon, campaign.policies.window.timezone
    today = await turn.answers(campaign.id, day_of(turn.now, timezone), campaign.resumed_at)
    if not rule.is_exceeded(today.answered, today.abandoned):
        return Verdict.TOO_FEW_CALLS if rule.is_open(today.answered, today.abandoned) else Verdict.CLOSED
    pauses = rule.pauses(carries_sound=campaign.trunk.carries_sound)
    midnight = start_of(today.day, timezone)
    since = max(midnight, campaign.resumed_at or midnight)
    if not pauses and await turn.was_logged(campaign.id, "abandon.exceeded", since):
        return Verdict.CLOSED
    reason = f"{today} were abandoned, more than {100 * rule.max_rate:g} %"
    details = {
        "day": today.day.isoformat(),
        "answered": today.answered,
        "abandoned": today.abandoned,
        "calls": await turn.abandoned_calls(campaign.id, since),
    }
    if not pauses:
        await turn.log(campaign.id, "abandon.exceeded", reason, level="warning", details=details)
        return Verdict.CLOSED
    await _pause(turn, campaign, "abandon.tripped", reason, details)
    return Verdict.TRIPPED


async def _pause(turn: Turn, campaign: Campaign, event: str, reason: str, details: Mapping[str, Any]) -> None:
    if await turn.trip_campaign(campaign.id, reason):
        await turn.take_back(campaign_id=campaign.id)
        await turn.log(campaign.id, event, f"paused: {reason}", level="error", details=details)


async def _judge_carrier(turn: Turn, campaigns: Sequence[Campaign]) -> Verdict:
    """The carrier's breaker is the default one: faults of the trunk, over all its campaigns."""
    trunk = campaigns[0].trunk
    since = CARRIER_BREAKER.since(turn.now, trunk.breaker_since)
    recent = await turn.recent_calls(since, TRUNK_FAULTS, carrier_id=trunk.id)
    if not CARRIER_BREAKER.trips(recent.ended, recent.faults):
        return _untripped(CARRIER_BREAKER, recent)
    until = turn.now + CARRIER_REST
    await turn.suspend_carrier(trunk.id, until)
    reason = f"the carrier failed {recent.faults} of the last {recent.ended} calls; it rests until {until:%H:%M:%S} UTC"
    for campaign in campaigns:
        await turn.take_back(campaign_id=campaign.id)
        await turn.log(campaign.id, "carrier.suspended", reason, level="error", details={"calls": list(recent.calls)})
    return Verdict.TRIPPED


def _untripped(breaker: CircuitBreaker, recent: RecentCalls) -> Verdict:
    too_few = breaker.enabled and recent.faults > 0 and recent.ended < breaker.min_calls
    return Verdict.TOO_FEW_CALLS if too_few else Verdict.CLOSED
