"""The dispatch turn: settle what ended, count, decide, claim, intend. Placing comes after its commit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from dialplane.core import plan
from dialplane.core.attempt import Order
from dialplane.core.campaign import EXPIRED, Campaign, CampaignState, whose_turn
from dialplane.core.intake import template_values
from dialplane.core.numbers import CallerId
from dialplane.core.pacing import Pace
from dialplane.engine.breakers import judge
from dialplane.engine.outcomes import EndedCall, Fault, settle
from dialplane.engine.sources import EXAMINED, SourceFinder, Sources
from dialplane.ports import Clock
from dialplane.store.postgres import Database
from dialplane.store.records import Claim, Intent, Load, Paces, due_rank
from dialplane.store.turn import Turn, open_turn

SEND_WINDOW = timedelta(seconds=2)  # how long after its start an intent may still go out
SEND_GRACE = timedelta(seconds=1)
LEAD = timedelta(milliseconds=50)  # a turn comes this much before the start that a pace allows next
CLASH_DELAY = timedelta(seconds=60)  # a number that rings in another campaign is due again after this
DO_NOT_CALL = "do_not_call"  # why a claim finds a contact skipped
POLL = timedelta(seconds=5)  # a turn of an active organization is never further ahead than this in real time


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnResult:
    """What a turn committed. next_at: when the next one could do something; deadline_at: of the open attempts.

    ahead: by how much this machine's clock is ahead of the database's, whose instants these are.
    watched: faults that the next turn's breakers shall look at again.
    """

    ahead: timedelta
    orders: Sequence[Order] = ()
    next_at: datetime | None = None
    deadline_at: datetime | None = None
    watched: set[Fault] = field(default_factory=set)


@dataclass(slots=True)
class Taken:
    """Contacts claimed for one campaign, how far its cursors went, who was skipped, and whether more is there now."""

    claims: list[Claim] = field(default_factory=list)
    cursors: dict[int, int] = field(default_factory=dict)
    skipped: list[int] = field(default_factory=list)
    more: bool = False


class Dispatcher:
    """Runs turns; it keeps nothing between two of them that it cannot lose."""

    def __init__(self, database: Database, clock: Clock, worker_id: UUID, *, only_campaign: int | None = None) -> None:
        self._database = database
        self._clock = clock
        self._worker_id = worker_id
        self._only_campaign = only_campaign
        self._sources = SourceFinder()

    async def turn(
        self, organization_id: int, ended: Sequence[EndedCall], room: int, faults: Iterable[Fault] = ()
    ) -> TurnResult | None:
        """Settle `ended`, then claim at most `room` calls; committed, not yet placed. None: somebody else has the lock.

        faults: of calls that were settled without a turn; their breakers are looked at in this one.
        """
        async with open_turn(self._database, organization_id, self._clock.instant()) as turn:
            if turn is None:
                return None
            ahead = self._clock.now() - turn.now
            found = await settle(turn.connection, organization_id, self._worker_id, ended, tell=turn.tell)
            return await self._dispatch(turn, room, {*faults, *found}, ahead)

    async def settle_alone(self, organization_id: int, ended: Sequence[EndedCall]) -> set[Fault]:
        """Settle without a turn, while another worker holds the organization."""
        async with self._database.short_transaction() as connection:
            tell = not self._clock.virtual
            return await settle(connection, organization_id, self._worker_id, ended, tell=tell)

    async def _dispatch(self, turn: Turn, room: int, faults: set[Fault], ahead: timedelta) -> TurnResult:
        campaigns = await self._started(turn)
        load, found = await turn.look([c.id for c in campaigns if c.state is CampaignState.RUNNING])
        ended = [c for c in campaigns if c.is_over(turn.now) and await self._end(turn, c, load)]
        active = [c for c in campaigns if c not in ended and self._only_campaign in (None, c.id)]
        started = [c for c in active if plan.stopped(c, turn.now) is None]
        judged = await judge(turn, started, faults)
        running = judged.running
        sources = await self._sources.find(turn, running, load, found)
        never = [await self._sources.skip_never(turn, self._worker_id, c, sources[c.id]) for c in running]

        supplies = {c.id: supply for c in running if (supply := sources[c.id].supply) is not None}
        caps = plan.Caps(max_lines=turn.max_lines, cps=turn.cps, tat=turn.tat, room=room)
        decision = plan.decide(running, supplies, caps, load, turn.now)
        demands, starts = [d for d in decision.demands.values() if d.limit > 0], decision.starts

        lines = dict(load.by_number)
        taken = {
            d.campaign.id: await self._claim(
                turn, d.campaign, sources[d.campaign.id], len(starts.at.get(d.campaign.id, ())), lines
            )
            for d in demands
        }
        orders, back_at = await self._intend(turn, demands, taken, decision, sources, load)
        for campaign_id, ours in taken.items():
            await turn.count_skipped(self._worker_id, campaign_id, DO_NOT_CALL, ours.skipped)

        for campaign in running:
            idle = sources[campaign.id].exhausted and not load.by_campaign.get(campaign.id)
            if idle and not campaign.keep_open and await self._complete(turn, campaign):
                ended.append(campaign)

        # What only this turn or this worker has no room for is work for another one, now; so is what waited in the
        # queue of one that has ended.
        more = decision.cut or running != started or any(never) or any(t.more for t in taken.values())
        more |= any(c.queue for c in ended)
        instants = [turn.now] if more else []
        instants += [d.step_at for d in decision.demands.values() if d.step_at is not None]
        instants += [starts.next_at - LEAD] if starts.next_at else []
        instants += [at for at in back_at if at > turn.now]
        for campaign in running:
            rest = plan.resting(campaign, turn.now)
            instants += [rest.until] if rest and rest.until else sources[campaign.id].later_at
        left = [c for c in active if c not in ended]
        hours = [c.starts_at for c in left if c.state is CampaignState.SCHEDULED] + [c.ends_at for c in left]
        # One whose hour has passed waits in its queue, or for its last calls: the end of these brings a turn about.
        instants.extend(at for at in hours if at is not None and at > turn.now)
        next_at = self._next_turn(turn.now, instants, active=any(c.state is not CampaignState.PAUSED for c in left))
        await turn.schedule(next_at, exclusively=self._only_campaign is None)
        deadlines = [at for at in (load.deadline_at, *(_last_word(order) for order in orders)) if at is not None]
        return TurnResult(
            ahead=ahead,
            orders=orders,
            next_at=next_at,
            deadline_at=min(deadlines, default=None),
            watched=judged.watched,
        )

    async def _started(self, turn: Turn) -> list[Campaign]:
        """Active campaigns, after those whose hour has come were started."""
        campaigns = await turn.campaigns()
        ids = whose_turn(campaigns, turn.now)
        if not ids:
            return campaigns
        for campaign_id in await turn.start_scheduled(ids):
            await turn.log(campaign_id, "campaign.running", "started at its hour")
        return await turn.campaigns()

    async def _complete(self, turn: Turn, campaign: Campaign) -> bool:
        completed = await turn.complete(campaign.id)
        if completed:
            await turn.log(campaign.id, "campaign.completed", "every contact has ended")
        return completed

    async def _end(self, turn: Turn, campaign: Campaign, load: Load) -> bool:
        """Complete a campaign whose end has come, once it has no open attempt. Its intents expire by themselves."""
        if load.by_campaign.get(campaign.id):
            return False
        if await self._complete(turn, campaign):
            return True
        expired = await turn.expire(campaign.id)
        if expired:
            await turn.log(campaign.id, "campaign.completed", f"its end has come ({EXPIRED}): who waits is not called")
        return expired

    def _next_turn(self, now: datetime, instants: Sequence[datetime], *, active: bool) -> datetime | None:
        """The earliest of the instants; in real time soon, whatever they say, while a campaign is active."""
        next_at = max(min(instants), now) if instants else None
        if self._clock.virtual or not active:
            return next_at
        return min(next_at or now + POLL, now + POLL)

    # --- claim -------------------------------------------------------------------------------------------

    async def _claim(
        self, turn: Turn, campaign: Campaign, sources: Sources, count: int, lines: dict[int, int]
    ) -> Taken:
        """Up to `count` contacts: callbacks, priorities, retries, then fresh ones, zones that close soonest first.

        lines: open ones by number; those of contacts with a number of their own are counted here.
        """
        taken = Taken()
        for head in sources.due:
            if len(taken.claims) == count:
                break
            asked = count - len(taken.claims)
            own = campaign.trunk.numbers.own(head.number_id) if head.number_id else None
            if own is not None and (free := own.free(lines)) is not None:
                asked = min(asked, free)
            claims = await turn.claim_due(campaign.id, head, asked)
            if own is not None:
                lines[own.id] = lines.get(own.id, 0) + len(claims)
            _keep(taken, claims)
        for cursor in sources.fresh:
            if len(taken.claims) == count:
                break
            asked = count - len(taken.claims)
            claims = await turn.claim_fresh(campaign, cursor, asked)
            _keep(taken, claims)
            if len(claims) == asked:
                taken.cursors[cursor.zone_group_id] = claims[-1].sequence or cursor.sequence
                continue
            examined, last = await turn.examined(campaign, cursor)
            taken.cursors[cursor.zone_group_id] = last if examined == EXAMINED and last else campaign.sealed_sequence
            taken.more = True  # another thousand rows, or the campaign's end
        taken.more |= bool(taken.skipped)
        return taken

    # --- intend ------------------------------------------------------------------------------------------

    async def _intend(
        self,
        turn: Turn,
        demands: Sequence[plan.Demand],
        taken: Mapping[int, Taken],
        decision: plan.Decision,
        sources: Mapping[int, Sources],
        load: Load,
    ) -> tuple[list[Order], list[datetime]]:
        """The orders that are committed with this turn, and when those who were claimed for nothing are due again."""
        intents: list[Intent] = []
        back: dict[int, tuple[int, datetime]] = {}
        tats: dict[str, datetime] = {}
        rotations: dict[int, tuple[datetime, int]] = {}
        open_lines = dict(load.by_number)
        for campaign in (demand.campaign for demand in demands):
            called, full, rotation = _assign(campaign, taken[campaign.id].claims, open_lines)
            for claim in full:  # another campaign of this turn took the last lines of the numbers
                back[claim.contact_id] = (due_rank(claim.priority), turn.now)
            pacing = decision.pacing[campaign.id]
            ours = [(*pair, at) for pair, at in zip(called, decision.starts.at[campaign.id], strict=False)]
            for claim, caller_id, at in ours:
                closes = _first(sources[campaign.id].openings[claim.zone_group_id].until, campaign.ends_at)
                if closes is not None and at >= closes:
                    back[claim.contact_id] = (due_rank(claim.priority), closes)
                    continue
                zones = self._sources.zones(turn.organization_id, claim.zone_group_id)
                intents.append(_intent(turn, campaign, claim, zones, caller_id, at, closes, pacing))
            if ours:
                last = ours[-1][2]
                for pace in pacing:
                    tats[pace.scope] = max(last + pace.spacing, tats.get(pace.scope, last))
                rotations[campaign.id] = (tats[f"campaign:{campaign.id}"], rotation)
        paces = Paces(
            organization_tat=tats.get("organization") if turn.cps is not None else None,
            carrier_tats={
                d.campaign.trunk.id: tats[scope]
                for d in demands
                if d.campaign.trunk.cps is not None and (scope := f"carrier:{d.campaign.trunk.id}") in tats
            },
            campaigns=rotations,
        )
        cursors = {(c, g): sequence for c, t in taken.items() for g, sequence in t.cursors.items()}
        written = await turn.write(self._worker_id, intents=intents, cursors=cursors, paces=paces)
        orders: list[Order] = []
        for intent in intents:
            attempt_id = written.get(intent.order.contact_id)
            if attempt_id is None:
                back[intent.order.contact_id] = (intent.rank, turn.now + CLASH_DELAY)
            else:
                orders.append(replace(intent.order, attempt_id=attempt_id))
        await turn.put_back(back)
        return orders, [at for _, at in back.values()]


def _last_word(order: Order) -> datetime:
    """By when it is ringing or the reconciler's: the deadline of a call that is placed at the last moment."""
    return order.send_before + timedelta(seconds=order.limits.ring_timeout_seconds)


def _keep(taken: Taken, claims: Sequence[Claim]) -> None:
    taken.claims.extend(claim for claim in claims if not claim.skipped)
    taken.skipped.extend(claim.contact_id for claim in claims if claim.skipped)


def _assign(
    campaign: Campaign, claims: Sequence[Claim], open_lines: dict[int, int]
) -> tuple[list[tuple[Claim, CallerId]], list[Claim], int]:
    """A number for each claim, those for which there is no line left, and the rotation. Counts in `open_lines`."""
    pool = campaign.trunk.numbers
    own: dict[int, CallerId] = {}
    for claim in claims:
        number = pool.own(claim.number_id) if claim.number_id else None
        if number is not None and number.free(open_lines) != 0:
            own[claim.contact_id] = number
            open_lines[number.id] = open_lines.get(number.id, 0) + 1
    others = sum(not claim.number_id for claim in claims)
    rotating, rotation = pool.assign(others, open_lines, campaign.rotation)
    for number in rotating:
        open_lines[number.id] = open_lines.get(number.id, 0) + 1
    turns = iter(rotating)
    called: list[tuple[Claim, CallerId]] = []
    full: list[Claim] = []
    for claim in claims:
        caller_id = own.get(claim.contact_id) if claim.number_id else next(turns, None)
        if caller_id is None:
            full.append(claim)
        else:
            called.append((claim, caller_id))
    return called, full, rotation


def _first(*instants: datetime | None) -> datetime | None:
    return min((at for at in instants if at is not None), default=None)


def _intent(
    turn: Turn,
    campaign: Campaign,
    claim: Claim,
    zones: tuple[str, ...],
    caller_id: CallerId,
    at: datetime,
    closes: datetime | None,
    pacing: Sequence[Pace],
) -> Intent:
    window = SEND_WINDOW if campaign.check is None else SEND_WINDOW + campaign.check.timeout
    send_before = at + window if closes is None else min(at + window, closes)
    order = Order(
        organization_id=turn.organization_id,
        campaign_id=campaign.id,
        attempt_id=0,  # the database gives it
        attempt_uuid=uuid4(),
        contact_id=claim.contact_id,
        number=claim.attempts + 1,
        carrier_id=campaign.trunk.id,
        to_number=claim.to_number,
        from_number=caller_id.e164,
        agent_id=campaign.agent_id,
        agent_version=campaign.version_for(claim.contact_id),
        variables=template_values(
            claim.variables,
            to_number=claim.to_number,
            external_id=claim.external_id,
            zones=zones,
            priority=claim.priority,
        ),
        send_at=at,
        send_before=send_before,
        spacing={f"{turn.organization_id}/{pace.scope}": pace.spacing_seconds for pace in pacing if pace.cps},
        limits=campaign.trunk.limits,
        check=campaign.check,
        recording=campaign.policies.recording,
        machines=campaign.policies.machines,
    )
    deadline_at = send_before + timedelta(seconds=campaign.trunk.limits.send_timeout_seconds) + SEND_GRACE
    return Intent(order=order, number_id=caller_id.id, rank=due_rank(claim.priority), deadline_at=deadline_at)
