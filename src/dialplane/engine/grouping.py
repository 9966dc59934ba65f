"""The contacts of a campaign by what holds them: from its sources and its counters, never contact by contact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from dialplane.core import plan
from dialplane.core.reason import Held, Reason
from dialplane.engine.sight import Hold, Sight
from dialplane.engine.sources import SourceFinder
from dialplane.engine.views import Progress
from dialplane.store.postgres import rows, sql
from dialplane.store.records import Cursor, DueHead

MOST_COUNTED: Final = 200_000  # index entries that one answer looks at
MOST_ZONES: Final = 20  # that a group names


@dataclass(slots=True, kw_only=True)
class Group:
    """Contacts that the same thing holds. exact: False where there are at least so many. zones: theirs, some of them.

    next_at: the earliest instant at which the first of them can be called; None: none can be named.
    """

    hold: Hold
    contacts: int
    exact: bool = True
    next_at: datetime | None = None
    zones: list[str] = field(default_factory=list)

    def add(self, contacts: int, zones: Sequence[str], *, exact: bool) -> None:
        self.contacts += contacts
        self.exact &= exact
        self.zones += [zone for zone in zones if zone not in self.zones][: MOST_ZONES - len(self.zones)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Contacts of one source that stand alike. held: None: they could be called now.

    from_at, until_at: a stretch of due rows, after the one instant and up to the other; None: no end.
    until_sequence: the same for fresh contacts.
    """

    source: DueHead | Cursor
    held: Held | None = None
    from_at: datetime | None = None
    until_at: datetime | None = None
    until_sequence: int | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """due_at: of the first one, of those that have a due row."""

    contacts: int = 0
    due_at: datetime | None = None


async def groups(sight: Sight, finder: SourceFinder, progress: Progress) -> list[Group]:
    """Who waits first, the soonest first; then everybody else. Together they are the contacts of the campaign."""
    others = {
        Reason.IN_CALL: progress.dialing,
        Reason.REACHED: progress.reached,
        Reason.EXHAUSTED: progress.exhausted,
        **{Reason(word): contacts for word, contacts in progress.skips.items()},
        Reason.REMOVED: progress.removed,
    }
    waiting = await _waiting(sight, finder, progress.waiting) if progress.waiting else []
    never = datetime.max.replace(tzinfo=sight.turn.now.tzinfo)
    return [
        *sorted(waiting, key=lambda group: (group.next_at or never, -group.contacts)),
        *(Group(hold=sight.shown(Held(reason=reason)), contacts=n) for reason, n in others.items() if n),
    ]


async def _waiting(sight: Sight, finder: SourceFinder, total: int) -> list[Group]:
    wanted = _pieces(sight)
    limit = MOST_COUNTED // max(1, len(wanted))
    found: dict[tuple[Reason, datetime | None], Group] = {}

    def add(held: Held | None, contacts: int, zones: tuple[str, ...] | None, *, exact: bool) -> None:
        holds, next_at = sight.holding([held] if held else [], zones)
        key = (holds[0].reason, next_at)
        if key not in found:
            found[key] = Group(hold=sight.shown(holds[0]), contacts=0, next_at=next_at)
        found[key].add(contacts, zones or (), exact=exact)

    for piece, counted in zip(wanted, await count(sight, wanted, limit=limit), strict=True):
        if counted.contacts:
            zones = finder.zones(sight.turn.organization_id, piece.source.zone_group_id)
            held = piece.held or _later(sight, piece, counted, zones)
            add(held, counted.contacts, zones, exact=counted.contacts < limit)
    left = total - sum(group.contacts for group in found.values())
    if (unsealed := min(left, sight.unsealed)) > 0:
        add(Held(reason=Reason.IMPORT_UNFINISHED), unsealed, None, exact=True)
    rough = [group for group in found.values() if not group.exact]
    if len(rough) == 1:  # the others are counted to the last, so what is left is of this one
        rough[0].add(max(0, left - sight.unsealed), (), exact=True)
        rough[0].exact = True
    return list(found.values())


def _pieces(sight: Sight) -> list[Piece]:
    """All who wait and have a place in the order of claims."""
    sources, now = sight.sources, sight.turn.now
    return [
        *ready(sight),
        *(Piece(source=source, held=held) for source, held in sources.held),
        *(Piece(source=head, from_at=now) for head in sources.due),
    ]


def ready(sight: Sight) -> list[Piece]:
    """Who could be called now, in the order in which they would be."""
    due = [Piece(source=head, until_at=sight.turn.now) for head in sight.sources.due]
    return [*due, *(Piece(source=cursor) for cursor in sight.sources.fresh)]


def _later(sight: Sight, piece: Piece, counted: Counted, zones: tuple[str, ...]) -> Held | None:
    """What holds due rows whose instant is still to come, of a source of which some could be called now."""
    if piece.from_at is None or counted.due_at is None:
        return None
    window = sight.campaign.policies.window
    return Held(reason=Reason.RETRY_DELAY, until=plan.callable_at(window, zones, counted.due_at))


async def count(sight: Sight, wanted: Sequence[Piece], *, limit: int) -> list[Counted]:
    """How many there are of each, counted up to the limit, by index alone."""
    of: dict[str, Any] = {
        "organization_id": sight.turn.organization_id,
        "campaign_id": sight.campaign.id,
        "limit": limit,
    }
    due = [(place, piece, piece.source) for place, piece in enumerate(wanted) if isinstance(piece.source, DueHead)]
    fresh = [(place, piece, piece.source) for place, piece in enumerate(wanted) if isinstance(piece.source, Cursor)]
    counted, sealed = [Counted()] * len(wanted), sight.campaign.sealed_sequence
    if due:
        found = sql.count_due(
            sight.turn.connection,
            ranks=[head.rank for _, _, head in due],
            zone_group_ids=[head.zone_group_id for _, _, head in due],
            number_ids=[head.number_id for _, _, head in due],
            from_ats=[piece.from_at for _, piece, _ in due],
            until_ats=[piece.until_at for _, piece, _ in due],
            **of,
        )
        for (place, _, _), row in zip(due, await rows(found), strict=True):
            counted[place] = Counted(row["contacts"], row["due_at"])
    if fresh:
        found = sql.count_fresh(
            sight.turn.connection,
            zone_group_ids=[cursor.zone_group_id for _, _, cursor in fresh],
            afters=[cursor.sequence for _, _, cursor in fresh],
            untils=[sealed if piece.until_sequence is None else piece.until_sequence for _, piece, _ in fresh],
            **of,
        )
        for (place, _, _), row in zip(fresh, await rows(found), strict=True):
            counted[place] = Counted(row["contacts"])
    return counted
