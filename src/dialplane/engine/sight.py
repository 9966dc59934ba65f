"""A campaign as a turn would see it now, without the turn's lock: what stops it, who could be called, what binds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from dialplane.core import plan
from dialplane.core.campaign import Campaign, CampaignState, whose_turn
from dialplane.core.reason import MEANINGS, Held, Reason, Release, binding_first, free_at
from dialplane.engine.campaign_reader import no_campaign
from dialplane.engine.sources import SourceFinder, Sources
from dialplane.store.postgres import rows, sql
from dialplane.store.records import Load
from dialplane.store.records import campaign as campaign_of
from dialplane.store.turn import Turn

TRIPPED: Final = {"breaker.tripped": Reason.BREAKER, "abandon.tripped": Reason.ABANDONED}
SILENT: Final = timedelta(seconds=5)  # a worker beats every second


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One thing that holds. until: when time lifts it; None: what `release` names has to happen. text: for people."""

    reason: Reason
    release: Release
    until: datetime | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LineCap:
    """Lines in use against a cap. scope: campaign, organization, carrier or numbers. most: None: no cap of its own."""

    scope: str
    in_use: int
    most: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """holds: what stops the whole campaign. state_reason: why it is in its state, in the words of who brought it there.

    unsealed: contacts of a file that is still being imported.
    """

    turn: Turn
    campaign: Campaign
    state_reason: str
    unsealed: int
    sources: Sources
    load: Load
    decision: plan.Decision
    holds: Sequence[Held]

    @property
    def starts(self) -> Sequence[datetime]:
        """When calls of it could begin now."""
        return self.decision.starts.at.get(self.campaign.id, ())

    @property
    def spacing(self) -> timedelta:
        """Between two calls at least."""
        return max(pace.spacing for pace in self.decision.pacing[self.campaign.id])

    @property
    def caps(self) -> list[LineCap]:
        """What its calls count against."""
        trunk, load = self.campaign.trunk, self.load
        numbers = [number for number in trunk.numbers.caller_ids if number.rotates]
        of_numbers = [number.max_lines for number in numbers if number.max_lines is not None]
        return [
            LineCap(
                scope="campaign",
                in_use=load.by_campaign.get(self.campaign.id, 0),
                most=self.campaign.policies.max_lines,
            ),
            LineCap(scope="organization", in_use=load.total, most=self.turn.max_lines),
            LineCap(scope="carrier", in_use=load.by_carrier.get(trunk.id, 0), most=trunk.max_lines),
            LineCap(
                scope="numbers",
                in_use=sum(load.by_number.get(number.id, 0) for number in numbers),
                most=sum(of_numbers) if len(of_numbers) == len(numbers) else None,
            ),
        ]

    def bound(self) -> Held:
        """What keeps it from calling more of those who could be called."""
        if self.campaign.id not in self.decision.demands:  # its hour has come, or somebody has just been added
            return Held(reason=Reason.NEXT, until=self.turn.now)
        held = self.decision.bound(self.campaign.id)
        return replace(held, until=self.turn.now) if held.reason is Reason.NEXT else held

    def holding(self, holds: Sequence[Held], zones: tuple[str, ...] | None) -> tuple[list[Held], datetime | None]:
        """All that holds somebody, what binds first; and the earliest instant at which they can be called, if known.

        holds: of these alone; none: they could be called now. zones: theirs; None where they do not matter.
        """
        found = binding_first([*self.holds, *holds] or [self.bound()])
        at = free_at(found)
        if at is not None and zones is not None:
            at = plan.callable_at(self.campaign.policies.window, zones, at)
        ends_at = self.campaign.ends_at
        if at is not None and ends_at is not None and at >= ends_at:
            return [Held(reason=Reason.ENDS_BEFORE), *found], None
        return found, at

    def shown(self, held: Held, *details: str) -> Hold:
        """In words."""
        said = [detail for detail in (*details, self._detail(held.reason)) if detail]
        words = MEANINGS[held.reason].words
        return Hold(
            reason=held.reason,
            release=held.release,
            until=held.until,
            text=f"{words}: {', '.join(said)}" if said else words,
        )

    def _detail(self, reason: Reason) -> str:
        campaign = self.campaign
        details: Mapping[Reason, object] = {
            Reason.PAUSED: self.state_reason,
            Reason.BREAKER: self.state_reason,
            Reason.ABANDONED: self.state_reason,
            Reason.FAILED: self.state_reason,
            Reason.QUEUE: campaign.queue or "",
            Reason.OUTSIDE_WINDOW: campaign.policies.window.describe(),
            Reason.NEVER_OPEN: campaign.policies.window.describe(),
            Reason.CAMPAIGN_LINES: campaign.policies.max_lines,
            Reason.ORGANIZATION_LINES: self.turn.max_lines,
            Reason.CARRIER_LINES: campaign.trunk.max_lines,
        }
        return self._pace() if reason is Reason.CPS else str(details.get(reason, ""))

    def _pace(self) -> str:
        """The slowest one: '0.5 of the campaign'."""
        limited = [pace for pace in self.decision.pacing[self.campaign.id] if pace.cps is not None]
        slowest = max(limited, key=lambda pace: (pace.tat or self.turn.now, pace.spacing))
        return f"{slowest.cps:g} of the {slowest.scope.partition(':')[0]}"


async def see_campaign(turn: Turn, finder: SourceFinder, campaign_id: int, *, workers: bool) -> Sight:
    """workers: whether any is alive. Raises NotFound."""
    of = {"organization_id": turn.organization_id}
    row = await sql.see_campaign(turn.connection, campaign_id=campaign_id, **of)
    if row is None:
        raise no_campaign(campaign_id)
    campaign = campaign_of(row)
    active = await turn.campaigns()
    running = [each for each in active if plan.stopped(each, turn.now) is None]
    looked = running if campaign_id in {each.id for each in running} else [*running, campaign]
    load, found = await turn.look([each.id for each in looked])
    sources = await finder.find(turn, looked, load, found)
    supplies = {each.id: supply for each in running if (supply := sources[each.id].supply) is not None}
    caps = plan.Caps(max_lines=turn.max_lines, cps=turn.cps, tat=turn.tat)
    stopped = _stopped(campaign, active, turn.now, tripped=row["tripped"])
    holds = [stopped, plan.resting(campaign, turn.now), plan.unequipped(campaign)]
    if not workers and (stopped is None or stopped.release is Release.TIME):
        holds.append(Held(reason=Reason.NO_WORKER))
    return Sight(
        turn=turn,
        campaign=campaign,
        state_reason=row["state_reason"],
        unsealed=row["unsealed"],
        sources=sources[campaign_id],
        load=load,
        decision=plan.decide(running, supplies, caps, load, turn.now),
        holds=[held for held in holds if held is not None],
    )


def _stopped(campaign: Campaign, active: Sequence[Campaign], now: datetime, *, tripped: str | None) -> Held | None:
    """As the turn has it, which first starts those whose hour has come; and who has paused it."""
    held = plan.stopped(campaign, now)
    if held is None or held.reason not in (Reason.SCHEDULED, Reason.PAUSED):
        return held
    if campaign.state is CampaignState.PAUSED:
        return held if tripped is None else Held(reason=TRIPPED[tripped])
    if campaign.id in whose_turn(active, now):
        return None
    return held if held.until is not None and held.until > now else Held(reason=Reason.QUEUE)


async def count_workers(turn: Turn) -> int:
    """Those that are alive."""
    return len(await rows(sql.live_workers(turn.connection, silent=SILENT)))
