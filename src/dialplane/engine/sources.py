"""Where a campaign's next calls come from: what is open now, when the rest opens, and who can never be called."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from dialplane.core import plan
from dialplane.core.campaign import Campaign
from dialplane.core.reason import Held, Reason, Release
from dialplane.core.window import Open
from dialplane.store.records import Cursor, DueHead, Load
from dialplane.store.turn import Turn

EXAMINED = 1000  # rows that one claim looks at


@dataclass(slots=True)
class Sources:
    """Where a campaign's next calls come from, in the order in which to take them.

    openings: how long each open zone group stays open. held: sources from which nobody can be called now, and why;
    never: those of them that never can.
    """

    due: list[DueHead] = field(default_factory=list)
    fresh: list[Cursor] = field(default_factory=list)
    openings: dict[int, Open] = field(default_factory=dict)
    held: list[tuple[DueHead | Cursor, Held]] = field(default_factory=list)

    @property
    def never(self) -> list[tuple[DueHead | Cursor, Reason]]:
        return [(source, held.reason) for source, held in self.held if held.release is Release.NEVER]

    @property
    def later_at(self) -> list[datetime]:
        """When sources open or fall due."""
        return [held.until for _, held in self.held if held.until is not None]

    @property
    def open_since(self) -> datetime | None:
        """Since when somebody can be called without a break; None for always."""
        since = [opening.since for opening in self.openings.values()]
        return None if None in since else min((at for at in since if at is not None), default=None)

    @property
    def supply(self) -> plan.Supply | None:
        """Who can be called now; None: nobody."""
        if not (self.due or self.fresh):
            return None
        own = {head.number_id for head in self.due}
        return plan.Supply(since=self.open_since, rotating=bool(self.fresh) or 0 in own, own=own - {0})

    @property
    def exhausted(self) -> bool:
        return not (self.due or self.fresh or self.held)


class SourceFinder:
    """Finds the sources of campaigns. It keeps zone groups, which never change."""

    def __init__(self) -> None:
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
        """Open and due now, by rank, then soonest closing; what is not says why."""
        sources = Sources()
        for source in found:
            due = source if isinstance(source, DueHead) else None
            opening = plan.availability(
                campaign,
                self._zone_groups[turn.organization_id, source.zone_group_id],
                turn.now,
                due_at=due.due_at if due else None,
                number_id=due.number_id if due else 0,
                open_lines=load.by_number,
            )
            if isinstance(opening, Held):
                sources.held.append((source, opening))
                continue
            sources.openings[source.zone_group_id] = opening
            if isinstance(source, DueHead):
                sources.due.append(source)
            else:
                sources.fresh.append(source)
        sources.due.sort(key=lambda h: (h.rank, _closing(sources.openings[h.zone_group_id]), h.due_at))
        sources.fresh.sort(key=lambda c: (_closing(sources.openings[c.zone_group_id]), c.zone_group_id))
        return sources

    async def skip_never(self, turn: Turn, worker_id: UUID, campaign: Campaign, sources: Sources) -> bool:
        """Whether there are any who can never be called: they end, so that the campaign can, and their rows say why."""
        cursors: dict[tuple[int, int], int] = {}
        never = sources.never
        for source, reason in never:
            if isinstance(source, DueHead):
                skipped = await turn.skip_due(campaign.id, source, reason, EXAMINED)
            else:
                skipped = await turn.skip_fresh(campaign, source, reason)
                examined, last = await turn.examined(campaign, source)
                end = campaign.sealed_sequence if examined < EXAMINED or last is None else last
                cursors[campaign.id, source.zone_group_id] = end
            await turn.count_skipped(worker_id, campaign.id, reason, skipped)
            if reason is Reason.NUMBER_UNAVAILABLE and skipped:
                message = f"{len(skipped)} cannot be called: their number is switched off, or not of this carrier"
                await turn.log(campaign.id, "contacts.skipped", message, level="warning", details={"reason": reason})
        if cursors:
            await turn.write(worker_id, cursors=cursors)
        return bool(never)


def _closing(opening: Open) -> float:
    """A sort key: the sooner it closes, the smaller."""
    return math.inf if opening.until is None else opening.until.timestamp()
