"""Why somebody is not being called at this moment, by the decision of the turn itself: one contact, or all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Final

from dialplane.core import plan
from dialplane.core.attempt import ContactState
from dialplane.core.campaign import CampaignState, left_over
from dialplane.core.disposition import Disposition
from dialplane.core.reason import Held, Reason
from dialplane.core.window import CONTACT
from dialplane.engine.campaign_reader import count_progress
from dialplane.engine.contacts import e164
from dialplane.engine.grouping import Group, Piece, count, groups, ready
from dialplane.engine.sight import Hold, LineCap, Sight, count_workers, see_campaign
from dialplane.engine.sources import SourceFinder
from dialplane.errors import NotFound
from dialplane.ports import Clock
from dialplane.store.postgres import Database, Row, rows, sql
from dialplane.store.records import Cursor, DueHead
from dialplane.store.turn import Turn, see

MOST_AHEAD: Final = 1_000  # contacts that go before one are counted no further


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactWhy:
    """holds: all that holds it, what binds first; never empty.

    next_at: the earliest instant at which it can be called; None: none can be named, since more than time is needed.
    ahead: contacts who could be called as well and go before it, MOST_AHEAD at most; None: more holds it than they do.
    """

    campaign_id: int
    contact_id: int
    to_number: str
    state: ContactState
    at: datetime
    holds: Sequence[Hold]
    next_at: datetime | None
    ahead: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignWhy:
    """hold: what keeps it from calling more people. lines: in use by it. groups: its contacts by what holds them.

    next_at: the earliest instant at which somebody else can be called; None: none can be named. caps: on its lines.
    workers: alive.
    """

    campaign_id: int
    state: CampaignState
    at: datetime
    hold: Hold
    next_at: datetime | None
    lines: int
    groups: Sequence[Group]
    caps: Sequence[LineCap]
    workers: int


class Explanations:
    """Answers for one organization, each from one snapshot; they wait for nobody and hold up nobody."""

    def __init__(self, database: Database, clock: Clock, organization_id: int) -> None:
        self._database = database
        self._clock = clock
        self._organization_id = organization_id
        self._of = {"organization_id": organization_id}
        self._finder = SourceFinder()

    async def number(self, campaign_id: int, phone_number: str) -> ContactWhy:
        """Of the contact with this number. Raises NotFound, Invalid."""
        to_number = e164(phone_number)
        async with see(self._database, self._organization_id, self._clock.instant()) as turn:
            found = await rows(
                sql.contacts_with_numbers(turn.connection, campaign_id=campaign_id, to_numbers=[to_number], **self._of)
            )
            if found:
                return await self._contact(turn, found[0]["id"], campaign_id)
            await self._see(turn, campaign_id)
            raise NotFound(f"campaign {campaign_id} has no contact {to_number}")

    async def contact(self, contact_id: int, campaign_id: int | None = None) -> ContactWhy:
        """Raises NotFound, also for a contact of another campaign than this."""
        async with see(self._database, self._organization_id, self._clock.instant()) as turn:
            return await self._contact(turn, contact_id, campaign_id)

    async def campaign(self, campaign_id: int) -> CampaignWhy:
        """From counters and by index, whatever its size. Raises NotFound."""
        async with see(self._database, self._organization_id, self._clock.instant()) as turn:
            workers = await count_workers(turn)
            sight = await self._see(turn, campaign_id, workers)
            progress = (await count_progress(turn.connection, self._organization_id, [campaign_id]))[campaign_id]
            found = await groups(sight, self._finder, progress)
        hold, next_at = sight.shown(Held(reason=Reason.NOBODY_WAITS)), None
        if sight.holds or sight.sources.supply is not None:
            holds, next_at = sight.holding([], None)
            hold = sight.shown(holds[0])
        elif progress.waiting:
            hold, next_at = found[0].hold, found[0].next_at
        return CampaignWhy(
            campaign_id=campaign_id,
            state=sight.campaign.state,
            at=turn.now,
            hold=hold,
            next_at=next_at,
            lines=sight.load.by_campaign.get(campaign_id, 0),
            groups=found,
            caps=sight.caps,
            workers=workers,
        )

    async def _see(self, turn: Turn, campaign_id: int, workers: int | None = None) -> Sight:
        alive = await count_workers(turn) if workers is None else workers
        own = self._clock.virtual  # a virtual run has its own worker, which nobody else sees
        return await see_campaign(turn, self._finder, campaign_id, workers=own or alive > 0)

    async def _contact(self, turn: Turn, contact_id: int, campaign_id: int | None) -> ContactWhy:
        row = await sql.see_contact(turn.connection, contact_id=contact_id, **self._of)
        if row is None or campaign_id not in (None, row["campaign_id"]):
            where = "there is" if campaign_id is None else f"campaign {campaign_id} has"
            raise NotFound(f"{where} no contact {contact_id}")
        sight = await self._see(turn, row["campaign_id"])
        over, ahead, next_at = _over(row, sight), None, None
        holds = [over] if over is not None else _held(row, sight)
        if over is None:
            if not holds and not sight.holds:
                ahead, holds = await _in_line(row, sight)
            holds, next_at = sight.holding(holds, tuple(row["zones"]))
        return ContactWhy(
            campaign_id=row["campaign_id"],
            contact_id=contact_id,
            to_number=row["to_number"],
            state=ContactState.SKIPPED if _left_over(sight) and _waits(row) else ContactState(row["state"]),
            at=turn.now,
            holds=[sight.shown(held, *_details(held.reason, row, sight)) for held in holds],
            next_at=next_at,
            ahead=ahead,
        )


def _waits(row: Row) -> bool:
    return ContactState(row["state"]) is ContactState.WAITING


def _left_over(sight: Sight) -> str | None:
    return left_over(sight.campaign.state, sight.state_reason)


def _over(row: Row, sight: Sight) -> Held | None:
    """Why it does not wait at all; None: it waits."""
    match ContactState(row["state"]):
        case ContactState.WAITING:
            left = _left_over(sight)
            return None if left is None else Held(reason=Reason(left))
        case ContactState.DIALING:
            return Held(reason=Reason.IN_CALL)
        case ContactState.REACHED:
            return Held(reason=Reason.REACHED)
        case ContactState.EXHAUSTED:
            retry = sight.campaign.policies.retry
            tried = Disposition(row["disposition"]) in retry.retry_on and retry.used_up(row["spent"])
            return Held(reason=Reason.ATTEMPTS_USED_UP if tried else Reason.NOT_RETRIED)
        case ContactState.SKIPPED:
            return Held(reason=Reason(row["skip_reason"]))
        case ContactState.REMOVED:
            return Held(reason=Reason.REMOVED)


def _held(row: Row, sight: Sight) -> list[Held]:
    """What holds a contact that waits, apart from the others; empty: it could be called now."""
    holds: list[Held] = []
    if row["do_not_call"]:
        holds.append(Held(reason=Reason.DO_NOT_CALL))
    if row["ringing_in"] is not None:
        holds.append(Held(reason=Reason.NUMBER_RINGING))
    if row["sequence"] is not None and row["sequence"] > sight.campaign.sealed_sequence:
        return [*holds, Held(reason=Reason.IMPORT_UNFINISHED)]
    opening = plan.availability(
        sight.campaign,
        tuple(row["zones"]),
        sight.turn.now,
        due_at=row["due_at"],
        number_id=row["number_id"] or 0,
        open_lines=sight.load.by_number,
    )
    if isinstance(opening, Held):
        never_tried = opening.reason is Reason.RETRY_DELAY and not row["attempts"]
        holds.append(replace(opening, reason=Reason.NOT_BEFORE) if never_tried else opening)
    return holds


async def _in_line(row: Row, sight: Sight) -> tuple[int, list[Held]]:
    """How many could be called as well and go before it; and what holds it, with them."""
    before = _before(row, ready(sight))
    ahead = min(MOST_AHEAD, sum(each.contacts for each in await count(sight, before, limit=MOST_AHEAD)))
    if ahead < len(sight.starts):
        return ahead, [Held(reason=Reason.NEXT, until=sight.starts[ahead])]
    bound = sight.bound()
    if bound.reason is Reason.CPS and bound.until is not None:
        bound = replace(bound, until=bound.until + (ahead - len(sight.starts)) * sight.spacing)
    return ahead, [bound]


def _before(row: Row, queue: Sequence[Piece]) -> list[Piece]:
    """What goes before a contact that could be called now."""
    if row["due_at"] is None:
        own = [piece for piece in queue if isinstance(piece.source, Cursor) and _same_zones(piece, row)]
        rest = [replace(piece, until_sequence=row["sequence"] - 1) for piece in own]
    else:
        own = [piece for piece in queue if isinstance(piece.source, DueHead) and _same_head(piece.source, row)]
        rest = [replace(piece, until_at=row["due_at"] - timedelta.resolution) for piece in own]
    return [*takewhile(lambda piece: piece not in own, queue), *rest]


def _same_zones(piece: Piece, row: Row) -> bool:
    return bool(piece.source.zone_group_id == row["zone_group_id"])


def _same_head(head: DueHead, row: Row) -> bool:
    return (head.rank, head.zone_group_id, head.number_id) == (row["rank"], row["zone_group_id"], row["number_id"])


def _details(reason: Reason, row: Row, sight: Sight) -> list[str]:
    match reason:
        case Reason.RETRY_DELAY | Reason.ATTEMPTS_USED_UP | Reason.NOT_RETRIED:
            return [row["disposition"]]
        case Reason.NUMBER_RINGING:
            return [f"campaign {row['ringing_in']}"]
        case Reason.IN_CALL:
            return [row["call_state"] or ""]
        case Reason.OUTSIDE_WINDOW | Reason.NEVER_OPEN if sight.campaign.policies.window.timezone == CONTACT:
            return [" and ".join(row["zones"])]
    return []
