"""Where a campaign's next calls come from: what is open now, when the rest opens, and who can never be called."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from dialplane.core import plan
from dialplane.core.campaign import Campaign
from dialplane.core.window import CallingWindow, Closed, Open
from dialplane.store.records import Cursor, DueHead, Load
from dialplane.store.turn import Turn

EXAMINED = 1000  # rows that one claim looks at
NUMBER_UNAVAILABLE = "number_unavailable"  # the contact's own


@dataclass(slots=True)
class Sources:
    """Where a campaign's next calls come from, in the order in which to take them.

    openings: how long each open zone group stays open. later_at: when a source opens or falls due next. held: there are
    sources that wait for a line of their number, or for their carrier to be switched on.
    """

    due: list[DueHead] = field(default_factory=list)
    fresh: list[Cursor] = field(default_factory=list)
    never: list[tuple[DueHead | Cursor, str]] = field(default_factory=list)
    openings: dict[int, Open] = field(default_factory=dict)
    later_at: list[datetime] = field(default_factory=list)
    held: bool = False

    @property
    def open_since(self) -> datetime | None:
        """Since when somebody can be called without a break; None for always."""
        since = [opening.since for opening in self.openings.values()]
        return None if None in since else min((at for at in since if at is not None), default=None)

    @property
    def exhausted(self) -> bool:
        return not (self.due or self.fresh or self.never or self.later_at or self.held)


class SourceFinder:
    """Finds the sources of campaigns. It keeps zone groups, which never change."""

    def __init__(self, worker_id: UUID) -> None:
        self._worker_id = worker_id
        self._zone_groups: dict[tuple[int, int], tuple[str, ...]] = {}

    def zones(self, organization_id: int, zone_group_id: int) -> tuple[str, ...]:
        """Candidate zones of a group that `find` has come across."""
        return self._zone_groups[organization_id, zone_group_id]

    async def find(
        self, turn: Turn, running: Sequence[Campaign], load: Load, found: Mapping[int, Sequence[DueHead | Cursor]]
    ) -> dict[int, Sources]:
        """`found`: what there is, by campaign."""
        await self._load_zone_groups(turn, found.values())
        return {campaign.id: self._sort(turn, campaign, found[campaign.id], load) for campaign in running}

    async def _load_zone_groups(self, turn: Turn, found: Iterable[Sequence[DueHead | Cursor]]) -> None:
        ids = {source.zone_group_id for sources in found for source in sources}
        missing = [i for i in ids if (turn.organization_id, i) not in self._zone_groups]
        if missing:
            for zone_group_id, zones in (await turn.zone_groups(missing)).items():
                self._zone_groups[turn.organization_id, zone_group_id] = zones

    def _sort(self, turn: Turn, campaign: Campaign, found: Sequence[DueHead | Cursor], load: Load) -> Sources:
        """Open and due now, by rank, then soonest closing; what is not says when it will be, or that it never is."""
        sources = Sources()
        window = campaign.policies.window
        for source in found:
            own = source.number_id if isinstance(source, DueHead) else 0
            number = campaign.trunk.numbers.own(own) if own else None
            if own and number is None:
                if campaign.trunk.active:
                    sources.never.append((source, NUMBER_UNAVAILABLE))
                sources.held = True
                continue
            zones = self._zone_groups[turn.organization_id, source.zone_group_id]
            opening = window.opening(zones, turn.now)
            if isinstance(opening, Closed):
                if opening.until is None:
                    sources.never.append((source, opening.reason))
                else:
                    sources.later_at.append(_no_earlier(source, opening.until, window, zones))
                continue
            if isinstance(source, DueHead) and source.due_at > turn.now:
                sources.later_at.append(_no_earlier(source, source.due_at, window, zones))
                continue
            if number is not None and number.free(load.by_number) == 0:
                sources.held = True
                continue
            sources.openings[source.zone_group_id] = opening
            if isinstance(source, DueHead):
                sources.due.append(source)
            else:
                sources.fresh.append(source)
        sources.due.sort(key=lambda h: (h.rank, _closing(sources.openings[h.zone_group_id]), h.due_at))
        sources.fresh.sort(key=lambda c: (_closing(sources.openings[c.zone_group_id]), c.zone_group_id))
        return sources

    async def skip_never(self, turn: Turn, campaign: Campaign, sources: Sources) -> None:
        """Contacts who can never be called end, so that the campaign can: their rows say why."""
        cursors: dict[tuple[int, int], int] = {}
        for source, reason in sources.never:
            if isinstance(source, DueHead):
                skipped = await turn.skip_due(campaign.id, source, reason, EXAMINED)
            else:
                skipped = await turn.skip_fresh(campaign, source, reason)
                examined, last = await turn.examined(campaign, source)
                end = campaign.sealed_sequence if examined < EXAMINED or last is None else last
                cursors[campaign.id, source.zone_group_id] = end
            await turn.count_skipped(self._worker_id, campaign.id, reason, skipped)
            if reason == NUMBER_UNAVAILABLE and skipped:
                message = f"{len(skipped)} cannot be called: their number is switched off, or not of this carrier"
                await turn.log(campaign.id, "contacts.skipped", message, level="warning", details={"reason": reason})
        if sources.never:
            await turn.write(self._worker_id, cursors=cursors)
            sources.later_at.append(turn.now)


def _no_earlier(source: DueHead | Cursor, at: datetime, window: CallingWindow, zones: tuple[str, ...]) -> datetime:
    """When a source that has to wait until `at` at least is both due and open."""
    if isinstance(source, DueHead):
        at = max(at, source.due_at)
    return plan.callable_at(window, zones, at) or at


def _closing(opening: Open) -> float:
    """A sort key: the sooner it closes, the smaller."""
    return math.inf if opening.until is None else opening.until.timestamp()
