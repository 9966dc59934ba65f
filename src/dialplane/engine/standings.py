"""Where contacts stand, for doors that show pages by number: the page, its total, the last call of each contact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from dialplane.core.attempt import AttemptState, ContactState
from dialplane.core.campaign import left_over
from dialplane.core.disposition import Disposition
from dialplane.engine.views import CampaignRecord, Progress
from dialplane.errors import Invalid
from dialplane.store.postgres import Connection, Database, Row, rows, sql

MOST_SORTED = 50_000  # contacts of a campaign whose pages can be filtered or sorted by standing
INELIGIBLE_REASON: Final = "predial_failed"
# The network took no call. Every other disposition is of a call that there was, whoever or whatever answered it.
NOT_PLACED: Final = (
    Disposition.CARRIER_FAILED,
    Disposition.INVALID_NUMBER,
    Disposition.BLOCKED,
    Disposition.RATE_LIMITED,
    Disposition.CAPACITY,
)


class Standing(StrEnum):
    """What became of a contact, whether or not a person was reached; in the order in which it goes."""

    WAITING = "waiting"
    DIALING = "dialing"
    CALLED = "called"  # its last call has ended
    NOT_PLACED = "not_placed"  # and none came about
    SKIPPED = "skipped"  # and nobody tried
    INELIGIBLE = "ineligible"  # the check before the call said no


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactStanding:
    """reason: why it was skipped. call: the uuid of the newest attempt, also of one under way; None: there was none."""

    id: int
    uuid: UUID
    to_number: str
    external_id: str | None
    variables: Mapping[str, str]
    number_id: int | None
    state: ContactState
    standing: Standing
    reason: str | None
    disposition: Disposition | None
    call: UUID | None
    call_state: AttemptState | None
    dispatched_at: datetime | None


@dataclass(frozen=True, slots=True)
class StandingPage:
    """total: of all pages."""

    contacts: Sequence[ContactStanding]
    total: int


class Standings:
    """Contacts of one organization's campaigns."""

    def __init__(self, database: Database, organization_id: int) -> None:
        self._database = database
        self._of = {"organization_id": organization_id}

    async def page(
        self,
        campaign: CampaignRecord,
        progress: Progress,
        *,
        standings: Sequence[Standing] = (),
        by_standing: bool = False,
        skip: int = 0,
        limit: int = 50,
    ) -> StandingPage:
        """standings: () is all. Raises Invalid for a filter or a sorting of too many contacts."""
        if (standings or by_standing) and progress.total > MOST_SORTED:
            raise Invalid(
                f"the campaign has {progress.total:,} contacts: only up to {MOST_SORTED:,} can be filtered or sorted "
                f"by status; page through them by position, or use /api/v1/campaign/{campaign.id}/contacts"
            )
        async with self._database.connection() as connection:
            if standings or by_standing:
                ids, total = await self._matching(connection, campaign, standings, by_standing, skip, limit)
            else:
                found = sql.contact_places(connection, campaign_id=campaign.id, skip=skip, limit=limit, **self._of)
                ids, total = [row["id"] for row in await rows(found)], progress.total
            details = await rows(sql.standings_by_id(connection, contact_ids=ids, **self._of))
        return StandingPage([_standing(row, _left_over(campaign)) for row in details], total)

    async def _matching(
        self,
        connection: Connection,
        campaign: CampaignRecord,
        standings: Sequence[Standing],
        by_standing: bool,
        skip: int,
        limit: int,
    ) -> tuple[list[int], int]:
        found = await rows(
            sql.contact_standings(
                connection,
                campaign_id=campaign.id,
                nobody_waits=_left_over(campaign) is not None,
                not_placed=list(NOT_PLACED),
                ineligible=INELIGIBLE_REASON,
                standings=list(standings) or None,
                sorted_by=list(Standing) if by_standing else None,
                skip=skip,
                limit=limit,
                **self._of,
            )
        )
        return [row["id"] for row in found if row["id"] is not None], found[0]["total"]


def _left_over(campaign: CampaignRecord) -> str | None:
    """Why those who still wait are skipped; None: they wait."""
    return left_over(campaign.state, campaign.state_reason)


def _standing(row: Row, left: str | None) -> ContactStanding:
    state = ContactState(row["state"])
    disposition = None if row["disposition"] is None else Disposition(row["disposition"])
    return ContactStanding(
        id=row["id"],
        uuid=row["uuid"],
        to_number=row["to_number"],
        external_id=row["external_id"],
        variables=row["variables"],
        number_id=row["number_id"],
        state=state,
        standing=standing_of(state, disposition, row["skip_reason"], nobody_waits=left is not None),
        reason=left if state is ContactState.WAITING else row["skip_reason"],
        disposition=disposition,
        call=row["call"],
        call_state=None if row["call_state"] is None else AttemptState(row["call_state"]),
        dispatched_at=row["dispatched_at"],
    )


def standing_of(
    state: ContactState, disposition: Disposition | None, skip_reason: str | None, *, nobody_waits: bool = False
) -> Standing:
    """As `contact_standings` has it. nobody_waits: the campaign is over, whoever waits in it is skipped.

    >>> standing_of(ContactState.EXHAUSTED, Disposition.BUSY, None)
    <Standing.CALLED: 'called'>
    """
    match state:
        case ContactState.WAITING:
            return Standing.SKIPPED if nobody_waits else Standing.WAITING
        case ContactState.DIALING:
            return Standing.DIALING
        case ContactState.REACHED:
            return Standing.CALLED
        case ContactState.EXHAUSTED:
            return Standing.NOT_PLACED if disposition in NOT_PLACED else Standing.CALLED
        case ContactState.SKIPPED if skip_reason == INELIGIBLE_REASON:
            return Standing.INELIGIBLE
        case _:
            return Standing.SKIPPED


def standing_counts(progress: Progress) -> dict[Standing, int]:
    """From counters, so that it takes as long for a million contacts as for one; they add up to its contacts.

    Attempts are counted, not contacts: where contacts were called several times, who ended as NOT_PLACED may be among
    the CALLED.
    """
    ineligible = min(progress.skipped, progress.skips.get(INELIGIBLE_REASON, 0))
    placed = sum(
        count
        for word, count in progress.dispositions.items()
        if word != Disposition.ANSWERED and Disposition(word) not in NOT_PLACED
    )
    not_placed = max(0, progress.exhausted - placed)
    return {
        Standing.WAITING: progress.waiting,
        Standing.DIALING: progress.dialing,
        Standing.CALLED: progress.reached + progress.exhausted - not_placed,
        Standing.NOT_PLACED: not_placed,
        Standing.SKIPPED: progress.skipped - ineligible + progress.removed,
        Standing.INELIGIBLE: ineligible,
    }
