"""Contacts as people see them: where each stands, and why; and its calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from dialplane.core.attempt import ContactState
from dialplane.core.campaign import CampaignState, left_over
from dialplane.core.disposition import Disposition
from dialplane.core.intake import PhoneNumber
from dialplane.engine.campaigns import Campaigns
from dialplane.engine.numbering import read_number
from dialplane.errors import NotFound
from dialplane.store.postgres import Connection, Database, Row, rows, sql

EXAMINED = 25_000  # contacts that one filtered page looks at
END = 2**63 - 1  # no contact has an id beyond it
NEWEST_ATTEMPTS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactRecord:
    """reason: why it is where it is; None for one that nobody has called yet. due_at: not before; None: in its turn.

    number_id: it is called from this number alone. added_at: None for one of before contacts had this instant.
    disposition, cause, sip_status: of the last call that has ended. attempts: those that have ended.
    """

    id: int
    uuid: UUID
    campaign_id: int
    file: str | None
    row_number: int | None
    to_number: str
    external_id: str | None
    priority: int
    number_id: int | None
    zones: tuple[str, ...]
    state: ContactState
    reason: str | None
    disposition: Disposition | None
    cause: str
    sip_status: int | None
    attempts: int
    added_at: datetime | None
    due_at: datetime | None
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """One try to reach a contact. Instants are None where that point was not reached.

    gathered, summary, label, usage: by the agent, as in a `Conversation`.
    """

    id: int
    uuid: UUID
    number: int
    state: str
    carrier_id: int
    from_number: str
    to_number: str
    agent_id: int
    agent_version: int
    created_at: datetime
    send_at: datetime
    sent_at: datetime | None
    placed_at: datetime | None
    ringing_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    carrier_call_id: str | None
    disposition: str | None
    spent: bool | None
    sip_status: int | None
    cause: str
    transcript: Sequence[Mapping[str, Any]] | None
    gathered: Mapping[str, Any] | None
    summary: str | None
    label: str | None
    usage: Mapping[str, Any] | None
    recording: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactFilter:
    """What a contact must be to be shown; None: anything. among: one of these states.

    text: a part of its number, of its external id or of the value of a variable, in upper or lower case.
    """

    state: ContactState | None = None
    among: frozenset[ContactState] | None = None
    disposition: Disposition | None = None
    external_id: str | None = None
    to_number: str | None = None
    text: str | None = None

    def admits(self, contact: ContactRecord) -> bool:
        return (
            self.state in (None, contact.state)
            and (self.among is None or contact.state in self.among)
            and self.disposition in (None, contact.disposition)
            and self.external_id in (None, contact.external_id)
        )

    def states(self, *, left_over: bool) -> list[str] | None:
        """The states in the store that read as one that is wanted; None: all.

        left_over: who waits in this campaign is skipped.
        """
        wanted = self.among if self.state is None else frozenset({self.state})
        if wanted is None:
            return None
        if left_over:
            waiting = frozenset({ContactState.WAITING})
            wanted = wanted | waiting if ContactState.SKIPPED in wanted else wanted - waiting
        return sorted(state.value for state in wanted)


@dataclass(frozen=True, slots=True)
class _Place:
    """Contacts to show, and where the next page begins; None: there is none."""

    ids: list[int]
    next: int | None


class ContactBook:
    """The contacts of one organization."""

    def __init__(self, database: Database, organization_id: int, campaigns: Campaigns) -> None:
        self._database = database
        self._of = {"organization_id": organization_id}
        self._campaigns = campaigns

    async def page(
        self, campaign_id: int, wanted: ContactFilter, *, after: int, limit: int
    ) -> tuple[list[ContactRecord], int | None]:
        """Contacts by id, after the contact `after`, and where the next page begins. Raises NotFound.

        A page may hold fewer than `limit`, or none, and have a next one: a filter looks at so many contacts at a time.
        """
        campaign = await self._campaigns.get(campaign_id)
        async with self._database.connection() as connection:
            if wanted.to_number is not None:
                place = await self._with_number(connection, campaign_id, wanted.to_number, after)
            elif wanted.external_id is not None:
                place = await self._with_external_id(connection, campaign_id, wanted.external_id, after, limit)
            else:
                states = wanted.states(left_over=campaign.left_over is not None)
                place = await self._walk(connection, campaign_id, states, wanted, after, limit)
            found = await self._details(connection, place.ids)
        return [contact for contact in found if wanted.admits(contact)], place.next

    async def page_before(
        self, campaign_id: int, wanted: ContactFilter, *, before: int = END, limit: int
    ) -> tuple[list[ContactRecord], int | None]:
        """The same from the other end: contacts by id, up to the contact `before`, and where the page before ends."""
        campaign = await self._campaigns.get(campaign_id)
        states = wanted.states(left_over=campaign.left_over is not None)
        async with self._database.connection() as connection:
            place = await self._walk_back(connection, campaign_id, states, wanted, before, limit)
            found = await self._details(connection, place.ids)
        return [contact for contact in found if wanted.admits(contact)], place.next

    async def meant(self, campaign_id: int, text: str, wanted: ContactFilter) -> ContactFilter:
        """Whom somebody looks for with this text: by number or external id, where a contact has it; else by a part."""
        number = _number(text)
        by_number = None if number is None else replace(wanted, to_number=number)
        for precise in (by_number, replace(wanted, external_id=text)):
            if precise is not None and (await self.page(campaign_id, precise, after=0, limit=1))[0]:
                return precise
        return replace(wanted, text=text)

    async def get(self, contact_id: int, campaign_id: int | None = None) -> ContactRecord:
        """Raises NotFound, also for a contact of another campaign than this."""
        async with self._database.connection() as connection:
            found = await self._details(connection, [contact_id])
        if not found or campaign_id not in (None, found[0].campaign_id):
            where = "there is" if campaign_id is None else f"campaign {campaign_id} has"
            raise NotFound(f"{where} no contact {contact_id}")
        return found[0]

    async def by_uuid(self, uuid: UUID) -> ContactRecord:
        """Raises NotFound."""
        async with self._database.connection() as connection:
            contact_id = await sql.contact_with_uuid(connection, uuid=uuid, **self._of)
            if contact_id is None:
                raise NotFound(f"there is no contact {uuid}")
            return (await self._details(connection, [contact_id]))[0]

    async def attempts(self, contact_id: int) -> list[AttemptRecord]:
        """Newest first, no more than a hundred."""
        async with self._database.connection() as connection:
            found = sql.contact_attempts(connection, contact_id=contact_id, limit=NEWEST_ATTEMPTS, **self._of)
            return [AttemptRecord(**dict(row)) for row in await rows(found)]

    async def _walk(
        self,
        connection: Connection,
        campaign_id: int,
        states: Sequence[str] | None,
        wanted: ContactFilter,
        after: int,
        limit: int,
    ) -> _Place:
        if states == []:
            return _Place([], None)
        reach = {"campaign_id": campaign_id, "after": after, "examined": EXAMINED, **self._of}
        passing = {"states": states, "disposition": wanted.disposition, "text": wanted.text, "limit": limit}
        ids = [row["id"] for row in await rows(sql.walk_contacts(connection, **passing, **reach))]
        if len(ids) == limit:
            return _Place(ids, ids[-1])
        walked = await sql.walked_contacts(connection, **reach)
        return _Place(ids, walked["id"] if walked["rows"] == EXAMINED else None)

    async def _walk_back(
        self,
        connection: Connection,
        campaign_id: int,
        states: Sequence[str] | None,
        wanted: ContactFilter,
        before: int,
        limit: int,
    ) -> _Place:
        if states == []:
            return _Place([], None)
        reach = {"campaign_id": campaign_id, "before": before, "examined": EXAMINED, **self._of}
        passing = {"states": states, "disposition": wanted.disposition, "text": wanted.text, "limit": limit}
        ids = [row["id"] for row in await rows(sql.walk_contacts_back(connection, **passing, **reach))]
        if len(ids) == limit:
            return _Place(ids, ids[-1])
        walked = await sql.walked_contacts_back(connection, **reach)
        return _Place(ids, walked["id"] if walked["rows"] == EXAMINED else None)

    async def _with_external_id(
        self, connection: Connection, campaign_id: int, external_id: str, after: int, limit: int
    ) -> _Place:
        found = sql.contacts_with_external_id(
            connection, campaign_id=campaign_id, external_id=external_id, after=after, limit=limit, **self._of
        )
        ids = [row["id"] for row in await rows(found)]
        return _Place(ids, ids[-1] if len(ids) == limit else None)

    async def _with_number(self, connection: Connection, campaign_id: int, to_number: str, after: int) -> _Place:
        found = sql.contacts_with_numbers(connection, campaign_id=campaign_id, to_numbers=[to_number], **self._of)
        return _Place([row["id"] for row in await rows(found) if row["id"] > after], None)

    async def _details(self, connection: Connection, ids: Sequence[int]) -> list[ContactRecord]:
        found = await rows(sql.contact_details(connection, contact_ids=ids, **self._of)) if ids else []
        return [_record(row) for row in found]


def _number(text: str) -> str | None:
    """A number with its country code, with or without the + in front."""
    found = (read_number(spelling, None) for spelling in (text, f"+{text.strip()}"))
    return next((number.e164 for number in found if isinstance(number, PhoneNumber)), None)


def _record(row: Row) -> ContactRecord:
    waits = row["state"] == ContactState.WAITING
    over = left_over(CampaignState(row["campaign_state"]), row["campaign_reason"]) if waits else None
    return ContactRecord(
        id=row["id"],
        uuid=row["uuid"],
        campaign_id=row["campaign_id"],
        file=row["file"],
        row_number=row["row_number"],
        to_number=row["to_number"],
        external_id=row["external_id"],
        priority=row["priority"],
        number_id=row["number_id"],
        zones=tuple(row["zones"]),
        state=ContactState(row["state"]) if over is None else ContactState.SKIPPED,
        reason=over or _reason(row),
        disposition=None if row["disposition"] is None else Disposition(row["disposition"]),
        cause=row["cause"] or "",
        sip_status=row["sip_status"],
        attempts=row["attempts"],
        added_at=row["added_at"],
        due_at=row["due_at"] if over is None else None,
        variables=row["variables"],
    )


def _reason(row: Row) -> str | None:
    if row["call_state"] is not None:
        return f"call in progress ({row['call_state']})"
    if row["state"] == ContactState.REMOVED:
        return "removed"
    if row["skip_reason"] is not None:
        return str(row["skip_reason"])
    if row["disposition"] is None:
        return None
    cause = row["cause"] or ""
    return f"{row['disposition']}: {cause}" if cause else str(row["disposition"])
