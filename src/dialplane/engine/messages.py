"""event -> the message that a webhook is sent: made once and kept, so that each delivery is the same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4, uuid5

from dialplane.core.campaign import CampaignState
from dialplane.core.webhook import hears
from dialplane.engine import views
from dialplane.engine.views import Progress
from dialplane.ports import Happening, MessageFormat
from dialplane.store.postgres import Connection, Row, rows, sql

# How much of a call had happened at each of its events: a message tells no more than that.
STAGES = {"placed": 1, "ringing": 2, "answered": 3, "unknown": 3, "ended": 4}
INSTANTS = {"placed_at": 1, "ringing_at": 2, "answered_at": 3, "ended_at": 4}
OUTCOME = ("disposition", "sip_status", "cause", "transcript", "gathered", "summary", "label", "usage", "recording")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDelivery:
    """uuid: the message's id. subject: what is delivered in order, 'attempt:7' or 'campaign:3'."""

    uuid: UUID
    kind: str
    subject: str
    body: str


async def formatted(
    connection: Connection, webhook: Row, format: MessageFormat, happenings: Sequence[Happening]
) -> list[NewDelivery]:
    """What a webhook of another format than our own is told; nothing of what it was told before and hears once."""
    told = [message for happening in happenings for message in format.messages(happening)]
    new = {
        delivery.uuid: delivery
        for delivery in [
            NewDelivery(
                uuid=uuid4() if message.once is None else uuid5(webhook["uuid"], message.once),
                kind=message.kind,
                subject=message.subject,
                body=message.body,
            )
            for message in told
            if hears(webhook["kinds"], message.kind)
        ][::-1]  # of two in one go the earlier one stays
    }
    known = await rows(
        sql.deliveries_with_uuid(connection, organization_id=webhook["organization_id"], uuids=list(new))
    )
    return [new[uuid] for uuid in reversed(new) if uuid not in {row["uuid"] for row in known}]


async def messages(
    connection: Connection, organization_id: int, events: Sequence[Row], kinds: Sequence[str]
) -> list[NewDelivery]:
    """What a webhook for these kinds is told of these events, in their order.

    Nothing about what is gone, and nothing about the hidden campaigns that hold single calls.
    """
    heard = [event for event in events if hears(kinds, event["kind"])]
    if not heard:
        return []
    attempts = await _attempts(connection, organization_id, heard)
    campaigns = await _campaigns(connection, organization_id, heard)
    made: list[NewDelivery] = []
    for event in heard:
        if event["attempt_id"] is None:
            if (campaign := campaigns.get(event["campaign_id"])) is not None:
                data = campaign_data(event, *campaign)
                made.append(_delivery(event, f"campaign:{event['campaign_id']}", data))
        elif (attempt := attempts.get(event["attempt_id"])) is not None:
            data = attempt_data(event["kind"], attempt)
            made.append(_delivery(event, f"attempt:{event['attempt_id']}", data))
    return made


def _delivery(event: Row, subject: str, data: Mapping[str, Any]) -> NewDelivery:
    return NewDelivery(uuid=uuid4(), kind=event["kind"], subject=subject, body=body(event, data))


async def _attempts(connection: Connection, organization_id: int, events: Sequence[Row]) -> dict[int, Row]:
    ids = sorted({event["attempt_id"] for event in events if event["attempt_id"] is not None})
    if not ids:
        return {}
    found = await rows(sql.attempts_to_tell(connection, organization_id=organization_id, ids=ids))
    return {row["id"]: row for row in found}


async def _campaigns(
    connection: Connection, organization_id: int, events: Sequence[Row]
) -> dict[int, tuple[Row, Progress]]:
    ids = sorted({event["campaign_id"] for event in events if event["attempt_id"] is None})
    if not ids:
        return {}
    of: Mapping[str, Any] = {"organization_id": organization_id, "campaign_ids": ids}
    found = await rows(sql.campaigns_to_tell(connection, organization_id=organization_id, ids=ids))
    counted = await rows(sql.progress(connection, **of))
    calls = await rows(sql.open_calls(connection, **of))
    return {
        row["id"]: (
            row,
            views.progress(
                row,
                {count["measure"]: count["value"] for count in counted if count["campaign_id"] == row["id"]},
                [call for call in calls if call["campaign_id"] == row["id"]],
            ),
        )
        for row in found
    }


def attempt_data(kind: str, attempt: Row) -> dict[str, Any]:
    """The attempt as it stood at the event, also where it has gone on since."""
    state = kind.partition(".")[2]
    stage = STAGES.get(state, 0)  # of any other state, nothing of the call had happened yet
    return {
        "campaign_id": attempt["campaign_id"],
        "contact_id": attempt["contact_id"],
        "attempt_id": attempt["id"],
        "uuid": str(attempt["uuid"]),
        "external_id": attempt["external_id"],
        "to_number": attempt["to_number"],
        "from_number": attempt["from_number"],
        "attempt": attempt["number"],
        "state": state,
        "agent_id": attempt["agent_id"],
        "agent_version": attempt["agent_version"],
        "created_at": _instant(attempt["created_at"]),
        **{name: _instant(attempt[name]) if stage >= needed else None for name, needed in INSTANTS.items()},
        **{name: attempt[name] if state == "ended" else None for name in OUTCOME},
        "variables": attempt["variables"],
    }


def campaign_data(event: Row, campaign: Row, progress: Progress) -> dict[str, Any]:
    """state: what the event brought about, if it is a state; else, like the counters, that of this moment."""
    reached = event["kind"].removeprefix("campaign.")
    details = event["details"] or {}
    return {
        "campaign_id": campaign["id"],
        "uuid": str(campaign["uuid"]),
        "name": campaign["name"],
        "state": reached if reached in list(CampaignState) else campaign["state"],
        "level": details.get("level", "info"),
        "message": details.get("message", ""),
        "progress": {
            **progress.contacts(),
            "attempts": progress.attempts,
            "dispositions": dict(progress.dispositions),
            "calls": dict(progress.calls),
        },
    }


def body(event: Row, data: Mapping[str, Any]) -> str:
    """{"type": "attempt.ended", "timestamp": "2026-12-01T09:00:00.000000+00:00", "data": {…}}"""
    message = {"type": event["kind"], "timestamp": _instant(event["at"]), "data": data}
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="microseconds")
