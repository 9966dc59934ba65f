"""Circuit breakers: calls that failed -> a campaign paused, or a carrier that rests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from dialplane.core.breaker import CircuitBreaker
from dialplane.core.campaign import Campaign
from dialplane.core.disposition import BREAKER_FAULTS, TRUNK_FAULTS
from dialplane.engine.outcomes import Fault
from dialplane.store.turn import Turn

CARRIER_REST = timedelta(seconds=60)  # of a carrier whose breaker tripped
CARRIER_BREAKER = CircuitBreaker()


async def unbroken(turn: Turn, running: list[Campaign], faults: set[Fault]) -> list[Campaign]:
    """Campaigns that go on running after the breakers of those that had faults were looked at."""
    tripped: set[int] = set()
    for campaign in running:
        if campaign.id in {fault.campaign_id for fault in faults} and await _trips_campaign(turn, campaign):
            tripped.add(campaign.id)
    for carrier_id in {fault.carrier_id for fault in faults}:
        on_carrier = [campaign for campaign in running if campaign.trunk.id == carrier_id]
        if on_carrier and await _trips_carrier(turn, on_carrier):
            tripped.update(campaign.id for campaign in on_carrier)
    return [campaign for campaign in running if campaign.id not in tripped]


async def _trips_campaign(turn: Turn, campaign: Campaign) -> bool:
    breaker = campaign.policies.breaker
    since = breaker.since(turn.now, campaign.resumed_at)
    recent = await turn.recent_calls(since, BREAKER_FAULTS, campaign_id=campaign.id)
    if not breaker.trips(recent.ended, recent.faults):
        return False
    reason = f"{recent.faults} of the last {recent.ended} calls failed"
    if await turn.trip_campaign(campaign.id, reason):
        await turn.take_back(campaign_id=campaign.id)
        details = {"ended": recent.ended, "faults": recent.faults, "calls": list(recent.calls)}
        await turn.log(campaign.id, "breaker.tripped", f"paused: {reason}", level="error", details=details)
    return True


async def _trips_carrier(turn: Turn, campaigns: Sequence[Campaign]) -> bool:
    """The carrier's breaker is the default one: faults of the trunk, over all its campaigns."""
    trunk = campaigns[0].trunk
    since = CARRIER_BREAKER.since(turn.now, trunk.breaker_since)
    recent = await turn.recent_calls(since, TRUNK_FAULTS, carrier_id=trunk.id)
    if not CARRIER_BREAKER.trips(recent.ended, recent.faults):
        return False
    until = turn.now + CARRIER_REST
    await turn.suspend_carrier(trunk.id, until)
    reason = f"the carrier failed {recent.faults} of the last {recent.ended} calls; it rests until {until:%H:%M:%S} UTC"
    for campaign in campaigns:
        await turn.take_back(campaign_id=campaign.id)
        await turn.log(campaign.id, "carrier.suspended", reason, level="error", details={"calls": list(recent.calls)})
    return True
