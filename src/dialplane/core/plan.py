"""What a turn may claim: campaigns, loads, windows, paces -> sources in the order in which to take them, and starts."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from dialplane.core.campaign import Campaign
from dialplane.core.pacing import Pace, Want, fair_shares, grant
from dialplane.core.window import CallingWindow, Closed, Open

MAX_CLAIMS = 200  # of one turn: it stays short whatever the room
HORIZON = timedelta(milliseconds=250)  # how far ahead starts are handed out


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """A campaign that has somebody to call now, and the most calls that its own limits let it start."""

    campaign: Campaign
    open: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Starts:
    """at: the instants at which each campaign may start its calls. next_at: when a pace lets the next one go."""

    at: Mapping[int, Sequence[datetime]] = field(default_factory=dict)
    next_at: datetime | None = None


def shares(demands: Sequence[Demand], carrier_room: Mapping[int, int], room: int) -> dict[int, int]:
    """How many calls each campaign may start: fair first among those of one carrier, then among all."""
    wants: dict[int, Want] = {}
    for carrier_id, lines in carrier_room.items():
        of_carrier = {
            demand.campaign.id: Want(open=demand.open, limit=demand.limit)
            for demand in demands
            if demand.campaign.trunk.id == carrier_id
        }
        for campaign_id, share in fair_shares(of_carrier, lines).items():
            wants[campaign_id] = Want(open=of_carrier[campaign_id].open, limit=share)
    return fair_shares(wants, min(room, MAX_CLAIMS)) if wants else {}


def paces(campaign: Campaign, organization_cps: float | None, organization_tat: datetime | None) -> list[Pace]:
    """Everything that spaces the starts of a campaign's calls."""
    trunk = campaign.trunk
    return [
        Pace(scope="organization", cps=organization_cps, tat=organization_tat),
        Pace(scope=f"carrier:{trunk.id}", cps=trunk.cps, tat=trunk.tat),
        Pace(scope=f"campaign:{campaign.id}", cps=campaign.policies.cps, tat=campaign.tat),
    ]


def starts(pacing: Mapping[int, Sequence[Pace]], allowed: Mapping[int, int], now: datetime) -> Starts:
    """Instants for the calls of each campaign, handed out in turn: whoever started least recently begins."""
    if len(allowed) == 1:
        ((campaign_id, count),) = allowed.items()
        alone = grant(pacing[campaign_id], now=now, horizon=HORIZON, at_most=count)
        return Starts(at={campaign_id: alone.starts}, next_at=alone.next_at)
    tats = {pace.scope: pace.tat for held in pacing.values() for pace in held}
    given: dict[int, list[datetime]] = {campaign_id: [] for campaign_id in allowed}
    held_until: list[datetime] = []
    waiting = deque(
        sorted((c for c in allowed if allowed[c] > 0), key=lambda c: (_last_start(pacing[c]) or _never(now), c))
    )
    while waiting:
        campaign_id = waiting.popleft()
        held = [Pace(scope=pace.scope, cps=pace.cps, tat=tats[pace.scope]) for pace in pacing[campaign_id]]
        one = grant(held, now=now, horizon=HORIZON, at_most=1)
        if not one.starts:
            held_until.extend([one.next_at] if one.next_at else [])
            continue
        given[campaign_id].append(one.starts[0])
        tats.update(one.tats)
        if len(given[campaign_id]) < allowed[campaign_id]:
            waiting.append(campaign_id)
    return Starts(at=given, next_at=min(held_until, default=None))


def _last_start(held: Sequence[Pace]) -> datetime | None:
    return held[-1].tat  # the campaign's own


def _never(now: datetime) -> datetime:
    return datetime.min.replace(tzinfo=now.tzinfo)


def callable_at(window: CallingWindow, zones: tuple[str, ...], at: datetime) -> datetime | None:
    """The first instant from `at` on at which these zones may be called; None for never."""
    opening = window.opening(zones, at)
    return at if isinstance(opening, Open) else opening.until


def closes_at(opening: Open | Closed) -> datetime | None:
    return opening.until if isinstance(opening, Open) else None
