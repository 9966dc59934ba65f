"""Calls one by one: those that were made, by campaigns or alone, and those that are planned for later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from dialplane.core.attempt import AttemptState, ContactState
from dialplane.core.campaign import CampaignState, left_over
from dialplane.engine.attempt_views import AttemptRecord, attempt
from dialplane.engine.ranges import Ranges
from dialplane.errors import NotFound
from dialplane.ports import Clock
from dialplane.store.postgres import Connection, Database, Row, rows, sql

PAGE = 100
LAST = 2**63 - 1  # no call has an id beyond it
NOT_FOUND = "Call not found"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A call that has not been made: a contact. due_at: None once it is over. over: why it will not be made."""

    contact_id: int
    campaign_id: int
    to_number: str
    external_id: str | None
    variables: Mapping[str, str]
    due_at: datetime | None
    over: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One call: `attempt` where it was made, else `planned`. campaign_uuid: None for a single one.

    uuid: by which people know it. hung_up: somebody wanted it ended. number_uuid: of the number that it comes from;
    None where that is gone, or any.
    """

    uuid: UUID
    attempt: AttemptRecord | None
    planned: Planned | None
    transcript: Sequence[Mapping[str, Any]] | None
    hung_up: bool
    agent_uuid: UUID
    number_uuid: UUID | None
    campaign_uuid: UUID | None
    name: str | None
    plan: Mapping[str, Any] | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFilter:
    """Which calls; None lets all pass. number_id: which they come from."""

    made: Ranges = field(default_factory=Ranges)
    agent_id: int | None = None
    number_id: int | None = None


class CallBook:
    """Calls of one organization."""

    def __init__(self, database: Database, clock: Clock, organization_id: int) -> None:
        self._database = database
        self._clock = clock
        self._of = {"organization_id": organization_id}

    async def newest(self, wanted: CallFilter, *, limit: int = PAGE) -> list[CallRecord]:
        """Those that were made last, and those that were planned last."""
        part = {"agent_id": wanted.agent_id, "number_id": wanted.number_id, "limit": limit, **wanted.made.bounds()}
        async with self._database.snapshot() as connection:  # a planned call is made meanwhile
            ids = [row["id"] for row in await rows(sql.newest_calls(connection, **part, **self._of))]
            made = await self._made(connection, ids)
            planned = await rows(sql.planned_calls(connection, contact_uuid=None, **part, **self._of))
        calls = [*made, *map(_planned, planned)]
        return sorted(calls, key=lambda call: call.created_at, reverse=True)[:limit]

    async def get(self, uuid: UUID) -> CallRecord:
        """Raises NotFound."""
        async with self._database.snapshot() as connection:  # a planned call is made meanwhile
            attempt_id = await sql.attempt_with_uuid(connection, uuid=uuid, **self._of)
            if attempt_id is None:
                attempt_id = await sql.attempt_of_planned(connection, contact_uuid=uuid, **self._of)
            if attempt_id is not None:
                return (await self._made(connection, [attempt_id]))[0]
            anything = {"agent_id": None, "number_id": None, "limit": 1, **Ranges().bounds()}
            found = await rows(sql.planned_calls(connection, contact_uuid=uuid, **anything, **self._of))
        if not found:
            raise NotFound(NOT_FOUND)
        return _planned(found[0])

    async def one(self, attempt_id: int) -> CallRecord:
        """A call that was made. Raises NotFound."""
        async with self._database.connection() as connection:
            found = await self._made(connection, [attempt_id])
        if not found:
            raise NotFound(f"there is no call {attempt_id}")
        return found[0]

    async def in_progress(self, *, limit: int = PAGE) -> tuple[list[AttemptRecord], int]:
        """Of all campaigns, newest first; and how many there are."""
        async with self._database.connection() as connection:
            found = await rows(sql.calls_in_progress(connection, limit=limit, **self._of))
            calls = await self._attempts(connection, found)
        going = [call for call in calls if call.state is not AttemptState.ENDED]  # meanwhile
        return going, found[0]["total"] - len(calls) + len(going) if found else 0

    async def ended(self, *, before: int = LAST, limit: int = PAGE) -> list[AttemptRecord]:
        """Of all campaigns, newest first, those with a lower id."""
        async with self._database.connection() as connection:
            found = await rows(sql.ended_calls(connection, before=before, limit=limit, **self._of))
            return await self._attempts(connection, found)

    async def to_number(self, to_number: str, *, before: int = LAST, limit: int = PAGE) -> list[AttemptRecord]:
        """Of all campaigns, also those in progress, newest first, those with a lower id."""
        async with self._database.connection() as connection:
            part = {"to_number": to_number, "before": before, "limit": limit}
            return await self._attempts(connection, await rows(sql.calls_to_number(connection, **part, **self._of)))

    async def note(self, uuid: UUID, *, name: str | None = None, plan: Mapping[str, Any] | None = None) -> None:
        """Remember this of a call; None leaves what there is."""
        kept = None if plan is None else dict(plan)
        async with self._database.connection() as connection:
            await sql.note_call(connection, uuid=uuid, name=name, plan=kept, now=self._clock.now(), **self._of)

    async def hang_up(self, attempt_id: int) -> None:
        """End a call in progress: its worker does so within about a second. One that is over stays as it is."""
        async with self._database.connection() as connection:
            await sql.ask_to_hang_up(connection, attempt_id=attempt_id, now=self._clock.now(), **self._of)

    async def erase(self, attempt_id: int) -> str | None:
        """Forget what was said and gathered in a call that has ended; who was called when stays known.

        The answer: the key of its recording, which is the caller's to delete.
        """
        async with self._database.transaction() as connection:
            found: str | None = await sql.erase_call(connection, attempt_id=attempt_id, **self._of)
        return found or None

    async def _attempts(self, connection: Connection, found: Sequence[Row]) -> list[AttemptRecord]:
        ids = [row["id"] for row in found]
        return [attempt(row) for row in await rows(sql.attempts_by_id(connection, ids=ids, **self._of))] if ids else []

    async def _made(self, connection: Connection, ids: Sequence[int]) -> list[CallRecord]:
        """In the order of the ids."""
        if not ids:
            return []
        facts = {row["id"]: row for row in await rows(sql.call_facts(connection, attempt_ids=ids, **self._of))}
        found = await rows(sql.attempts_by_id(connection, ids=ids, **self._of))
        return [_made(attempt(row), facts[row["id"]]) for row in found]


def _made(record: AttemptRecord, facts: Row) -> CallRecord:
    instants = (record.placed_at, record.ringing_at, record.answered_at, record.ended_at, facts["updated_at"])
    return CallRecord(
        uuid=facts["planned_uuid"] or record.uuid,
        attempt=record,
        planned=None,
        transcript=facts["transcript"],
        hung_up=facts["hang_up_at"] is not None,
        agent_uuid=facts["agent_uuid"],
        number_uuid=facts["number_uuid"],
        campaign_uuid=None if facts["hidden"] else facts["campaign_uuid"],
        name=facts["name"],
        plan=facts["plan"],
        created_at=record.created_at,
        updated_at=max((at for at in instants if at is not None), default=record.created_at),
    )


def _planned(row: Row) -> CallRecord:
    return CallRecord(
        uuid=row["uuid"],
        attempt=None,
        planned=Planned(
            contact_id=row["id"],
            campaign_id=row["campaign_id"],
            to_number=row["to_number"],
            external_id=row["external_id"],
            variables=row["variables"],
            due_at=row["due_at"],
            over=_over(row),
        ),
        transcript=None,
        hung_up=False,
        agent_uuid=row["agent_uuid"],
        number_uuid=row["number_uuid"],
        campaign_uuid=None,
        name=row["name"],
        plan=row["plan"],
        created_at=row["added_at"],
        updated_at=row["updated_at"] or row["added_at"],
    )


def _over(row: Row) -> str | None:
    state = ContactState(row["state"])
    if state is ContactState.REMOVED:
        return "removed"
    if state is ContactState.SKIPPED:
        return str(row["skip_reason"])
    return left_over(CampaignState(row["campaign_state"]), row["state_reason"])
