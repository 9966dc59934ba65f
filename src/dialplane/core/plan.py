"""What a turn may start, and what keeps it from more: campaigns, loads, windows, paces -> shares and start instants."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from dialplane.core.campaign import Campaign, CampaignState
from dialplane.core.pacing import Pace, Ramp, Want, fair_shares, grant
from dialplane.core.reason import Held, Reason
from dialplane.core.window import CallingWindow, Closed, Open

MAX_CLAIMS = 200  # of one turn: it stays short whatever the room
HORIZON = timedelta(milliseconds=250)  # how far ahead starts are handed out
UNLIMITED = 1_000_000  # lines


# --- who may be called -----------------------------------------------------------------------------------


STOPPED = {
    CampaignState.DRAFT: Reason.DRAFT,
    CampaignState.SCHEDULED: Reason.SCHEDULED,
    CampaignState.PAUSED: Reason.PAUSED,
    CampaignState.FAILED: Reason.FAILED,
    CampaignState.CANCELLED: Reason.CANCELLED,
    CampaignState.COMPLETED: Reason.COMPLETED,
}


def stopped(campaign: Campaign, now: datetime) -> Held | None:
    """Why no call of a campaign begins, whatever its contacts and lines; None while it runs."""
    if campaign.is_over(now) and campaign.state is not CampaignState.CANCELLED:
        return Held(reason=Reason.EXPIRED)
    if campaign.state is CampaignState.RUNNING:
        return None
    return Held(
        reason=STOPPED[campaign.state],
        until=campaign.starts_at if campaign.state is CampaignState.SCHEDULED else None,
    )


def resting(campaign: Campaign, now: datetime) -> Held | None:
    """Its carrier is suspended; None: it is not."""
    until = campaign.trunk.suspended_until
    return Held(reason=Reason.CARRIER_SUSPENDED, until=until) if until is not None and until > now else None


def availability(
    campaign: Campaign,
    zones: tuple[str, ...],
    now: datetime,
    *,
    due_at: datetime | None,
    number_id: int,
    open_lines: Mapping[int, int],
) -> Open | Held:
    """Whether who is in these zones may be called now, and until when.

    due_at: not before; None: in its turn. number_id: from this number alone; 0: from any. open_lines: by number.
    """
    trunk, window = campaign.trunk, campaign.policies.window
    number = trunk.numbers.own(number_id) if number_id else None
    if number_id and number is None:
        return Held(reason=Reason.NUMBER_UNAVAILABLE if trunk.active else Reason.CARRIER_OFF)
    opening = window.opening(zones, now)
    if isinstance(opening, Closed):
        if opening.until is None:
            return Held(reason=Reason(opening.reason))
        return _later(Reason.OUTSIDE_WINDOW, opening.until, due_at, window, zones)
    if due_at is not None and due_at > now:
        return _later(Reason.RETRY_DELAY, due_at, due_at, window, zones)
    if number is not None and number.free(open_lines) == 0:
        return Held(reason=Reason.NUMBER_LINES)
    return opening


def _later(
    reason: Reason, at: datetime, due_at: datetime | None, window: CallingWindow, zones: tuple[str, ...]
) -> Held:
    """Until it is both due and open."""
    at = at if due_at is None else max(at, due_at)
    return Held(reason=reason, until=callable_at(window, zones, at) or at)


def callable_at(window: CallingWindow, zones: tuple[str, ...], at: datetime) -> datetime | None:
    """The first instant from `at` on at which these zones may be called; None for never."""
    opening = window.opening(zones, at)
    return at if isinstance(opening, Open) else opening.until


def closes_at(opening: Open | Closed) -> datetime | None:
    return opening.until if isinstance(opening, Open) else None


# --- how many --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """Limits of an organization, and how many calls a turn can take on. tat: as in `Pace`. room: of the worker."""

    max_lines: int
    cps: float | None
    tat: datetime | None
    room: int = UNLIMITED


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Open attempts by what they count against."""

    total: int = 0
    by_campaign: Mapping[int, int] = field(default_factory=dict)
    by_carrier: Mapping[int, int] = field(default_factory=dict)
    by_number: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """Contacts of a campaign who may be called now. since: without a break, None for always.

    rotating: some may be called from any number. own: numbers that the others have as their own.
    """

    since: datetime | None
    rotating: bool
    own: Collection[int] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """A campaign that has somebody to call now, and the most calls that its own limits let it start.

    bound: which of these limits it is that allows no more. step_at: when a slow start allows more lines.
    """

    campaign: Campaign
    open: int
    limit: int
    bound: Held
    step_at: datetime | None = None


def demand(campaign: Campaign, supply: Supply, caps: Caps, lines: Lines, now: datetime) -> Demand:
    """What the campaign's own limits allow: its lines, its slow start, the numbers that it calls from."""
    trunk, own_cap = campaign.trunk, campaign.policies.max_lines
    cap, reason = caps.max_lines, Reason.ORGANIZATION_LINES
    if own_cap is not None and own_cap <= cap:
        cap, reason = own_cap, Reason.CAMPAIGN_LINES
    ramp = Ramp(enabled=trunk.slow_start)
    since = max((at for at in (campaign.resumed_at, supply.since) if at is not None), default=None)
    allowed = ramp.lines(cap, since, now)
    step_at = ramp.next_step_at(cap, since, now) if trunk.slow_start else None
    in_use = lines.by_campaign.get(campaign.id, 0)
    limit = allowed - in_use
    bound = Held(reason=reason) if allowed >= cap else Held(reason=Reason.RAMP, until=step_at)
    free = trunk.numbers.room(lines.by_number, rotating=supply.rotating, own=supply.own)
    if free is not None and free < limit:
        limit, bound = free, unequipped(campaign) or Held(reason=Reason.NUMBER_LINES)
    return Demand(campaign=campaign, open=in_use, limit=limit, bound=bound, step_at=step_at)


def unequipped(campaign: Campaign) -> Held | None:
    """Nothing that a call could come from; None: there is."""
    if not campaign.trunk.active:
        return Held(reason=Reason.CARRIER_OFF)
    return None if campaign.trunk.numbers.caller_ids else Held(reason=Reason.NO_NUMBER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How many calls each campaign may start. of_carriers: that it could, did its carrier's lines alone count.

    room: lines that the organization has left. most: calls that this turn takes on.
    """

    calls: Mapping[int, int]
    of_carriers: Mapping[int, int]
    room: int
    most: int

    def bound(self, demand: Demand) -> Held:
        """What allows a campaign no more lines."""
        campaign_id = demand.campaign.id
        if self.calls[campaign_id] < self.of_carriers[campaign_id]:
            return Held(reason=Reason.ORGANIZATION_LINES if self.room <= self.most else Reason.NEXT)
        if self.of_carriers[campaign_id] < demand.limit:
            return Held(reason=Reason.CARRIER_LINES)
        return demand.bound


def shares(demands: Sequence[Demand], caps: Caps, lines: Lines) -> Shares:
    """Fair first among the campaigns of one carrier, then among all."""
    room, most = caps.max_lines - lines.total, min(caps.room, MAX_CLAIMS)
    wants: dict[int, Want] = {}
    of_carriers: dict[int, int] = {}
    for trunk in {demand.campaign.trunk.id: demand.campaign.trunk for demand in demands}.values():
        of_carrier = {
            demand.campaign.id: Want(open=demand.open, limit=demand.limit)
            for demand in demands
            if demand.campaign.trunk.id == trunk.id
        }
        left = UNLIMITED if trunk.max_lines is None else trunk.max_lines - lines.by_carrier.get(trunk.id, 0)
        for campaign_id, share in fair_shares(of_carrier, left).items():
            of_carriers[campaign_id] = share
            wants[campaign_id] = Want(open=of_carrier[campaign_id].open, limit=share)
    calls = fair_shares(wants, min(room, most)) if wants else {}
    return Shares(calls=calls, of_carriers=of_carriers, room=room, most=most)


# --- how fast --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Starts:
    """at: the instants at which each campaign may start its calls. held: until when a pace holds its next one."""

    at: Mapping[int, Sequence[datetime]] = field(default_factory=dict)
    held: Mapping[int, datetime] = field(default_factory=dict)

    @property
    def next_at(self) -> datetime | None:
        """When a pace lets the next call go."""
        return min(self.held.values(), default=None)


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
        return Starts(
            at={campaign_id: alone.starts}, held={} if alone.next_at is None else {campaign_id: alone.next_at}
        )
    tats = {pace.scope: pace.tat for held in pacing.values() for pace in held}
    given: dict[int, list[datetime]] = {campaign_id: [] for campaign_id in allowed}
    held_until: dict[int, datetime] = {}
    waiting = deque(
        sorted((c for c in allowed if allowed[c] > 0), key=lambda c: (_last_start(pacing[c]) or _never(now), c))
    )
    while waiting:
        campaign_id = waiting.popleft()
        held = [Pace(scope=pace.scope, cps=pace.cps, tat=tats[pace.scope]) for pace in pacing[campaign_id]]
        one = grant(held, now=now, horizon=HORIZON, at_most=1)
        if not one.starts:
            held_until |= {} if one.next_at is None else {campaign_id: one.next_at}
            continue
        given[campaign_id].append(one.starts[0])
        tats.update(one.tats)
        if len(given[campaign_id]) < allowed[campaign_id]:
            waiting.append(campaign_id)
    return Starts(at=given, held=held_until)


def _last_start(held: Sequence[Pace]) -> datetime | None:
    return held[-1].tat  # the campaign's own


def _never(now: datetime) -> datetime:
    return datetime.min.replace(tzinfo=now.tzinfo)


# --- all of it -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """How many calls each campaign may start now, and when; by campaign.

    demands: of those that have somebody to call, also where their limits allow no call.
    """

    demands: Mapping[int, Demand]
    shares: Shares
    pacing: Mapping[int, Sequence[Pace]]
    starts: Starts

    @property
    def cut(self) -> bool:
        """More could start now, by another turn or another worker."""
        started = sum(len(at) for at in self.starts.at.values())
        return bool(self.shares.calls) and started == self.shares.most < self.shares.room

    def bound(self, campaign_id: int) -> Held:
        """What keeps a campaign with somebody to call from starting more calls now."""
        demand = self.demands[campaign_id]
        if demand.limit <= 0:
            return demand.bound
        if campaign_id in self.starts.held:
            return Held(reason=Reason.CPS, until=self.starts.held[campaign_id])
        return self.shares.bound(demand)


def decide(
    running: Sequence[Campaign], supplies: Mapping[int, Supply], caps: Caps, lines: Lines, now: datetime
) -> Decision:
    """supplies: of the campaigns that have somebody to call now."""
    demands = {
        campaign.id: demand(campaign, supplies[campaign.id], caps, lines, now)
        for campaign in running
        if campaign.id in supplies and resting(campaign, now) is None
    }
    able = [each for each in demands.values() if each.limit > 0]
    allowed = shares(able, caps, lines)
    pacing = {each.campaign.id: paces(each.campaign, caps.cps, caps.tat) for each in able}
    return Decision(demands=demands, shares=allowed, pacing=pacing, starts=starts(pacing, allowed.calls, now))
