"""One dispatch turn as statements: the organization is locked from the first to the last."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Any
from uuid import UUID

from dialplane.core.abandon import AbandonDay
from dialplane.core.campaign import Campaign
from dialplane.store.postgres import Connection, Database, Row, rows, sql
from dialplane.store.records import (
    ABANDONED,
    ANSWERED,
    SKIP,
    UNPACED,
    Claim,
    Cursor,
    DueHead,
    Intent,
    Load,
    Paces,
    RecentCalls,
    answer_period,
    campaign,
    claim,
    due_rank,
    load,
)

NOTHING: Mapping[tuple[int, int], int] = {}


class Turn:
    """Statements of one turn. `now` is the instant read with the lock; everything in the turn computes with it."""

    def __init__(self, connection: Connection, organization: Row, *, tell: bool) -> None:
        self.connection = connection
        self.tell = tell  # whether anybody could listen to events: not in virtual time
        self.organization_id: int = organization["id"]
        self.now: datetime = organization["now"]
        self.max_lines: int = organization["max_lines"]
        self.cps: float | None = organization["cps"]
        self.tat: datetime | None = organization["tat"]
        self.next_turn_at: datetime | None = organization["next_turn_at"]

    async def start_scheduled(self, ids: Sequence[int]) -> list[int]:
        """Those of these that were started."""
        started = sql.start_scheduled(self.connection, organization_id=self.organization_id, ids=ids, now=self.now)
        return [row["id"] for row in await rows(started)]

    async def campaigns(self) -> list[Campaign]:
        """Running and scheduled ones, and paused ones that hold a queue or have an end, by id."""
        found = await rows(sql.active_campaigns(self.connection, organization_id=self.organization_id))
        return [campaign(row) for row in found]

    async def look(self, campaign_ids: Sequence[int]) -> tuple[Load, dict[int, list[DueHead | Cursor]]]:
        """What lines are in use for, and where the calls of these campaigns could come from: due rows by their head,
        cursors that are not at their end.
        """
        found = await rows(sql.look(self.connection, organization_id=self.organization_id, campaign_ids=campaign_ids))
        sources: dict[int, list[DueHead | Cursor]] = {campaign_id: [] for campaign_id in campaign_ids}
        for row in found:
            if row["rank"] is not None:
                sources[row["campaign_id"]].append(
                    DueHead(
                        rank=row["rank"],
                        zone_group_id=row["zone_group_id"],
                        number_id=row["number_id"],
                        due_at=row["due_at"],
                    )
                )
            elif row["sequence"] is not None:
                cursor = Cursor(zone_group_id=row["zone_group_id"], sequence=row["sequence"])
                sources[row["campaign_id"]].append(cursor)
        return load([row for row in found if row["open"] is not None]), sources

    async def zone_groups(self, ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
        found = await rows(sql.zone_groups(self.connection, organization_id=self.organization_id, ids=ids))
        return {row["id"]: tuple(row["zones"]) for row in found}

    async def claim_due(self, campaign_id: int, head: DueHead, limit: int) -> list[Claim]:
        found = sql.claim_due(
            self.connection,
            organization_id=self.organization_id,
            campaign_id=campaign_id,
            zone_group_id=head.zone_group_id,
            number_id=head.number_id,
            rank=head.rank,
            now=self.now,
            limit=limit,
        )
        return [claim(row) for row in sorted(await rows(found), key=lambda row: (row["due_at"], row["id"]))]

    async def claim_fresh(self, campaign: Campaign, cursor: Cursor, limit: int) -> list[Claim]:
        found = sql.claim_fresh(
            self.connection,
            organization_id=self.organization_id,
            campaign_id=campaign.id,
            zone_group_id=cursor.zone_group_id,
            after=cursor.sequence,
            sealed=campaign.sealed_sequence,
            limit=limit,
        )
        return [
            claim(row, sequence=row["sequence"]) for row in sorted(await rows(found), key=lambda row: row["sequence"])
        ]

    async def examined(self, campaign: Campaign, cursor: Cursor) -> tuple[int, int | None]:
        """How many rows a short claim has looked at, and the sequence of the last."""
        row = await sql.examined(
            self.connection,
            organization_id=self.organization_id,
            campaign_id=campaign.id,
            zone_group_id=cursor.zone_group_id,
            after=cursor.sequence,
            sealed=campaign.sealed_sequence,
        )
        return row["rows"], row["sequence"]

    async def skip_fresh(self, campaign: Campaign, cursor: Cursor, reason: str) -> list[int]:
        """Contacts that can never be called and have ended now."""
        found = sql.skip_fresh(
            self.connection,
            organization_id=self.organization_id,
            campaign_id=campaign.id,
            zone_group_id=cursor.zone_group_id,
            after=cursor.sequence,
            sealed=campaign.sealed_sequence,
            reason=reason,
        )
        return [row["id"] for row in await rows(found)]

    async def skip_due(self, campaign_id: int, head: DueHead, reason: str, limit: int) -> list[int]:
        found = sql.skip_due(
            self.connection,
            organization_id=self.organization_id,
            campaign_id=campaign_id,
            zone_group_id=head.zone_group_id,
            number_id=head.number_id,
            rank=head.rank,
            reason=reason,
            limit=limit,
        )
        return [row["id"] for row in await rows(found)]

    async def write(
        self,
        worker_id: UUID,
        *,
        intents: Sequence[Intent] = (),
        cursors: Mapping[tuple[int, int], int] = NOTHING,
        paces: Paces = UNPACED,
    ) -> dict[int, int]:
        """Attempt ids by contact. A contact left out clashed with an open attempt.

        cursors: (campaign id, zone group id) -> sequence.
        """
        if not (intents or cursors or paces.campaigns):
            return {}
        orders = [intent.order for intent in intents]
        written = sql.write_turn(
            self.connection,
            organization_id=self.organization_id,
            worker_id=worker_id,
            now=self.now,
            uuids=[order.attempt_uuid for order in orders],
            campaign_ids=[order.campaign_id for order in orders],
            contact_ids=[order.contact_id for order in orders],
            numbers=[order.number for order in orders],
            carrier_ids=[order.carrier_id for order in orders],
            number_ids=[intent.number_id for intent in intents],
            from_numbers=[order.from_number for order in orders],
            to_numbers=[order.to_number for order in orders],
            agent_ids=[order.agent_id for order in orders],
            agent_versions=[order.agent_version for order in orders],
            send_ats=[order.send_at for order in orders],
            send_befores=[order.send_before for order in orders],
            deadlines=[intent.deadline_at for intent in intents],
            cursor_campaign_ids=[campaign_id for campaign_id, _ in cursors],
            cursor_zone_group_ids=[zone_group_id for _, zone_group_id in cursors],
            cursor_sequences=list(cursors.values()),
            paced_campaign_ids=list(paces.campaigns),
            campaign_tats=[tat for tat, _ in paces.campaigns.values()],
            rotations=[rotation for _, rotation in paces.campaigns.values()],
            paced_carrier_ids=list(paces.carrier_tats),
            carrier_tats=list(paces.carrier_tats.values()),
            organization_tat=paces.organization_tat,
        )
        return {row["contact_id"]: row["id"] for row in await rows(written)}

    async def put_back(self, back: Mapping[int, tuple[int, datetime]]) -> None:
        """contact id -> (rank, due at): claimed contacts wait again."""
        if back:
            await sql.put_back(
                self.connection,
                organization_id=self.organization_id,
                contact_ids=list(back),
                ranks=[rank for rank, _ in back.values()],
                due_ats=[due_at for _, due_at in back.values()],
            )

    async def take_back_expired(self) -> int:
        """Intents past their hour go, their contacts are due at once. How many."""
        gone = await rows(sql.take_back_expired(self.connection, organization_id=self.organization_id, now=self.now))
        await self._requeue([row["contact_id"] for row in gone])
        return len(gone)

    async def take_back(
        self, *, campaign_id: int | None = None, contact_ids: Sequence[int] = (), to_numbers: Sequence[str] = ()
    ) -> int:
        """Withdraw intents of a campaign, of contacts, or to numbers. How many."""
        gone = sql.take_back(
            self.connection,
            organization_id=self.organization_id,
            campaign_id=campaign_id,
            contact_ids=contact_ids,
            to_numbers=to_numbers,
        )
        taken = [row["contact_id"] for row in await rows(gone)]
        await self._requeue(taken)
        return len(taken)

    async def _requeue(self, contact_ids: Sequence[int]) -> None:
        if contact_ids:
            found = sql.ranks(self.connection, organization_id=self.organization_id, contact_ids=contact_ids)
            await self.put_back({row["id"]: (due_rank(row["priority"]), self.now) for row in await rows(found)})

    async def schedule(self, next_turn_at: datetime | None, *, exclusively: bool) -> None:
        """Set the instant of the next turn. Not exclusively: never later than somebody else has asked for.

        An earlier one that is still to come stays: a turn too many costs less than a write in every turn.
        """
        stands = self.next_turn_at is not None and (not exclusively or self.next_turn_at > self.now)
        if stands and next_turn_at is not None:
            next_turn_at = min(next_turn_at, self.next_turn_at or next_turn_at)
        elif not exclusively:
            next_turn_at = next_turn_at or self.next_turn_at
        if next_turn_at != self.next_turn_at:
            await sql.schedule_turn(self.connection, organization_id=self.organization_id, next_turn_at=next_turn_at)
            self.next_turn_at = next_turn_at

    async def complete(self, campaign_id: int) -> bool:
        done = await sql.complete(
            self.connection, organization_id=self.organization_id, campaign_id=campaign_id, now=self.now
        )
        return done is not None

    async def expire(self, campaign_id: int) -> bool:
        """Complete a campaign whose end has come; not while an attempt is open."""
        done = await sql.expire(
            self.connection, organization_id=self.organization_id, campaign_id=campaign_id, now=self.now
        )
        return done is not None

    async def recent_calls(
        self, since: datetime, faults: Iterable[str], *, campaign_id: int | None = None, carrier_id: int | None = None
    ) -> RecentCalls:
        """What ended since then, of a campaign or of a carrier."""
        asked = {"organization_id": self.organization_id, "since": since, "faults": list(faults)}
        if campaign_id is not None:
            found = await rows(sql.recent_of_campaign(self.connection, campaign_id=campaign_id, **asked))
        else:
            found = await rows(sql.recent_of_carrier(self.connection, carrier_id=carrier_id, **asked))
        return RecentCalls(ended=found[0]["ended"], faults=found[0]["faults"], calls=found[0]["calls"] or [])

    async def answers(self, campaign_id: int, day: date, resumed_at: datetime | None) -> AbandonDay:
        """Calls that people answered on a day, since the last start or resume."""
        period = answer_period(day, resumed_at)
        row = await sql.answers_of_campaign(
            self.connection,
            organization_id=self.organization_id,
            campaign_id=campaign_id,
            answered=ANSWERED + period,
            abandoned=ABANDONED + period,
        )
        return AbandonDay(day=day, answered=row["answered"], abandoned=row["abandoned"])

    async def abandoned_calls(self, campaign_id: int, since: datetime) -> list[str]:
        """The latest that have ended since then."""
        asked = {"organization_id": self.organization_id, "campaign_id": campaign_id, "since": since}
        return await sql.abandoned_of_campaign(self.connection, **asked) or []

    async def was_logged(self, campaign_id: int, event: str, since: datetime) -> bool:
        """A warning or an error."""
        asked = {"organization_id": self.organization_id, "campaign_id": campaign_id, "event": event, "since": since}
        return bool(await sql.was_logged(self.connection, **asked))

    async def trip_campaign(self, campaign_id: int, reason: str) -> bool:
        tripped = await sql.trip_campaign(
            self.connection,
            organization_id=self.organization_id,
            campaign_id=campaign_id,
            reason=reason,
            now=self.now,
        )
        return tripped is not None

    async def suspend_carrier(self, carrier_id: int, until: datetime) -> None:
        await sql.suspend_carrier(
            self.connection, organization_id=self.organization_id, carrier_id=carrier_id, until=until
        )

    async def log(
        self,
        campaign_id: int,
        event: str,
        message: str,
        *,
        level: str = "info",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """One more row in the campaign's log."""
        await sql.log(
            self.connection,
            organization_id=self.organization_id,
            campaign_id=campaign_id,
            now=self.now,
            level=level,
            event=event,
            message=message,
            details=None if details is None else dict(details),
            tell=self.tell,
        )

    async def count_skipped(self, worker_id: UUID, campaign_id: int, reason: str, contact_ids: Sequence[int]) -> None:
        """Progress of contacts that ended as skipped, and an event each where a webhook of the campaign could hear."""
        if not contact_ids:
            return
        count = len(contact_ids)
        await self.add_progress(worker_id, {(campaign_id, "skipped"): count, (campaign_id, SKIP + reason): count})
        if self.tell:
            await sql.tell_skipped(
                self.connection,
                organization_id=self.organization_id,
                campaign_id=campaign_id,
                contact_ids=contact_ids,
                reason=reason,
                now=self.now,
            )

    async def add_progress(self, worker_id: UUID, counts: Mapping[tuple[int, str], int]) -> None:
        """(campaign id, measure) -> how many more."""
        if counts:
            await sql.add_progress(
                self.connection,
                organization_id=self.organization_id,
                worker_id=worker_id,
                campaign_ids=[campaign_id for campaign_id, _ in counts],
                measures=[measure for _, measure in counts],
                counts=list(counts.values()),
            )


@asynccontextmanager
async def open_turn(
    database: Database, organization_id: int, now: datetime | None, *, wait: bool = False
) -> AsyncIterator[Turn | None]:
    """A turn with the organization locked, or None where somebody else holds it; `wait`: until they let go."""
    lock = sql.await_organization if wait else sql.lock_organization
    async with database.short_transaction() as connection:
        organization = await lock(connection, organization_id=organization_id, now=now)
        yield None if organization is None else Turn(connection, organization, tell=now is None)


@asynccontextmanager
async def see(database: Database, organization_id: int, now: datetime | None) -> AsyncIterator[Turn]:
    """What a turn would see, in one snapshot and without the lock: its statements that only look."""
    async with database.snapshot() as connection:
        organization = await sql.see_organization(connection, organization_id=organization_id, now=now)
        assert organization is not None, f"organization {organization_id} is gone"
        yield Turn(connection, organization, tell=False)


@asynccontextmanager
async def open_command(database: Database, organization_id: int, now: datetime | None) -> AsyncIterator[Turn]:
    """The same for a command, which waits for the lock; one that is stopped in the middle loses it after a second."""
    async with database.transaction() as connection:
        await connection.execute("SET LOCAL idle_in_transaction_session_timeout = '1s'")
        yield await locked(connection, organization_id, now)


async def locked(connection: Connection, organization_id: int, now: datetime | None) -> Turn:
    """The same in a transaction that has begun already."""
    organization = await sql.await_organization(connection, organization_id=organization_id, now=now)
    assert organization is not None, f"organization {organization_id} is gone"
    return Turn(connection, organization, tell=now is None)
