"""What happened, in order and without gaps: reading the event feed from a position on, and forgetting what is old."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from dialplane.store.postgres import Database, Row, rows, sql

PAGE = 1000  # events that one statement looks at
PURGED_AT_ONCE = 5000


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in the feed: everything up to it has been read. As text `<transaction_id>-<id>`, as clients hold it."""

    transaction_id: int
    id: int

    def __str__(self) -> str:
        return f"{self.transaction_id}-{self.id}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """
        >>> Position.parse("7214-31")
        Position(transaction_id=7214, id=31)
        """
        transaction_id, _, event_id = text.partition("-")
        return cls(int(transaction_id), int(event_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptDetails:
    """The attempt of an event, as far as it is known when the event is read; its end only on `attempt.ended`."""

    id: int
    uuid: UUID
    contact_id: int
    number: int
    from_number: str
    to_number: str
    placed_at: datetime | None
    ringing_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None = None
    disposition: str | None = None
    cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """kind: `attempt.placed|ringing|answered|unknown|ended`, or that of an entry in a campaign's log.

    details: of a log entry, `{"log_id", "level", "message", "details", "state"}`; state: of the campaign at that time.
    """

    position: Position
    campaign_id: int
    kind: str
    at: datetime
    attempt: AttemptDetails | None
    details: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Page:
    """Events in order, and where the next page begins. `at_end`: there was nothing more to look at."""

    events: Sequence[Event]
    position: Position
    at_end: bool


class Events:
    """The feed of one organization, or of one of its campaigns."""

    def __init__(self, database: Database, organization_id: int, campaign_id: int | None = None) -> None:
        self._database = database
        self._of = {"organization_id": organization_id}
        self._campaign_id = campaign_id

    async def now(self) -> Position:
        """After all that has certainly happened."""
        async with self._database.connection() as connection:
            return Position(await sql.event_horizon(connection), 0)

    async def keeps(self, position: Position) -> bool:
        """Whether all that came after this position is still there. One ahead of the feed is of another database."""
        async with self._database.connection() as connection:
            purged = await sql.events_purged(connection, **self._of)
            now = Position(await sql.event_horizon(connection), 0)
        return position <= now and (purged is None or position >= _position(purged))

    async def after(self, position: Position, limit: int = PAGE) -> Page:
        """What came after, of at most `limit` events of the organization."""
        async with self._database.connection() as connection:
            found = await rows(
                sql.events_after(
                    connection,
                    transaction_id=position.transaction_id,
                    id=position.id,
                    limit=limit,
                    campaign_id=self._campaign_id,
                    **self._of,
                )
            )
        if not found:
            return Page((), position, at_end=True)
        events = [_event(row) for row in found if self._campaign_id in (None, row["campaign_id"])]
        return Page(events, _position(found[-1]), at_end=False)


async def purge_events(database: Database, organization_id: int, before: datetime) -> int:
    """Forget what was written before then, in short transactions; the number of events."""
    purged = 0
    while True:
        async with database.connection() as connection:
            gone: int = await sql.purge_events(
                connection, organization_id=organization_id, before=before, limit=PURGED_AT_ONCE
            )
        purged += gone
        if gone < PURGED_AT_ONCE:
            return purged


def _position(row: Row) -> Position:
    return Position(row["transaction_id"], row["id"])


def _event(row: Row) -> Event:
    return Event(
        position=_position(row),
        campaign_id=row["campaign_id"],
        kind=row["kind"],
        at=row["at"],
        attempt=_attempt(row) if row["attempt_uuid"] is not None else None,
        details=row["details"],
    )


def _attempt(row: Row) -> AttemptDetails:
    known = {name: row[name] for name in ("contact_id", "number", "from_number", "to_number")}
    instants = {name: row[name] for name in ("placed_at", "ringing_at", "answered_at")}
    end = {name: row[name] for name in ("ended_at", "disposition", "cause")} if row["kind"] == "attempt.ended" else {}
    return AttemptDetails(id=row["attempt_id"], uuid=row["attempt_uuid"], **known, **instants, **end)
