"""events, contacts -> what messages about them could say, read when the messages are made"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from dialplane.core.attempt import ContactState
from dialplane.core.campaign import CampaignState, left_over
from dialplane.core.disposition import Disposition
from dialplane.engine.standings import Standing, standing_of
from dialplane.ports import Happening
from dialplane.store.postgres import Connection, Row, rows, sql

SKIPPED = "contact.skipped"
OVER = frozenset({"campaign.completed", "campaign.cancelled"})
NEVER_CALLED = frozenset({Standing.SKIPPED, Standing.INELIGIBLE})


@dataclass(frozen=True, slots=True)
class _Facts:
    """Rows by id."""

    organization_uuid: UUID
    campaigns: Mapping[int, Row]
    attempts: Mapping[int, Row]
    contacts: Mapping[int, Row]


async def of_events(connection: Connection, organization_id: int, events: Sequence[Row]) -> list[Happening]:
    """In their order; nothing of what is gone since."""
    of = {"organization_id": organization_id}
    attempts = await _by_id(connection, sql.attempts_to_tell, of, (event["attempt_id"] for event in events))
    contact_ids = {attempt["contact_id"] for attempt in attempts.values()} | {_contact_id(event) for event in events}
    facts = _Facts(
        await sql.organization_uuid(connection, **of),
        await _by_id(connection, sql.told_campaigns, of, (event["campaign_id"] for event in events)),
        attempts,
        await _by_id(connection, sql.contacts_to_tell, of, contact_ids),
    )
    found = (_of_event(facts, event) for event in events)
    return [happening for happening in found if happening is not None]


async def of_never_called(
    connection: Connection, contact_ids: Sequence[int], now: datetime, *, organization_id: int, campaign_id: int
) -> list[Happening]:
    """Those of these contacts that their campaign, which is over, has not called; as if each were skipped now."""
    of = {"organization_id": organization_id}
    organization_uuid = await sql.organization_uuid(connection, **of)
    campaigns = await _by_id(connection, sql.told_campaigns, of, [campaign_id])
    contacts = await _by_id(connection, sql.contacts_to_tell, of, contact_ids)
    if campaign_id not in campaigns:
        return []
    campaign = campaigns[campaign_id]
    found = (
        Happening(
            kind=SKIPPED,
            at=now,
            organization_uuid=organization_uuid,
            campaign=campaign,
            contact=contact,
            standing=_standing(campaign, contact),
        )
        for contact in contacts.values()
    )
    return [happening for happening in found if happening.standing in NEVER_CALLED]


def _of_event(facts: _Facts, event: Row) -> Happening | None:
    campaign = facts.campaigns.get(event["campaign_id"])
    attempt = facts.attempts.get(event["attempt_id"])
    contact_id = _contact_id(event) if attempt is None else attempt["contact_id"]
    contact = facts.contacts.get(contact_id) if contact_id is not None else None
    if campaign is None or (attempt is None and event["attempt_id"] is not None) or (contact is None and contact_id):
        return None
    return Happening(
        kind=event["kind"],
        at=event["at"],
        organization_uuid=facts.organization_uuid,
        campaign=campaign,
        attempt=attempt,
        contact=contact,
        standing="" if contact is None else _standing(campaign, contact),
        last=attempt is not None and contact is not None and attempt["number"] == contact["attempts"],
    )


def _contact_id(event: Row) -> int | None:
    """Of an event about a contact alone."""
    if event["kind"] != SKIPPED:
        return None
    found: int = event["details"]["details"]["contact_id"]
    return found


def _standing(campaign: Row, contact: Row) -> Standing:
    disposition = contact["disposition"]
    return standing_of(
        ContactState(contact["state"]),
        None if disposition is None else Disposition(disposition),
        contact["skip_reason"],
        nobody_waits=left_over(CampaignState(campaign["state"]), campaign["state_reason"]) is not None,
    )


async def _by_id(
    connection: Connection, statement: Any, of: Mapping[str, int], ids: Iterable[int | None]
) -> dict[int, Row]:
    wanted = sorted({each for each in ids if each is not None})
    if not wanted:
        return {}
    return {row["id"]: row for row in await rows(statement(connection, ids=wanted, **of))}
