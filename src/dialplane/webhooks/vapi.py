"""What happens to a campaign -> Vapi's server messages: {"message": {"type", "timestamp", "campaignId", …}}.

Vapi knows no pause: nothing is told of one, and going on after it is `campaign.job.continued`. A failed campaign has
ended, as in that door's answers. A contact is dispatched with each of its calls, and completed or failed with the last.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from dialplane.core.disposition import Disposition
from dialplane.ports import Happening, Told

CAMPAIGN_KINDS: Mapping[str, str] = {
    "campaign.completed": "campaign.ended",
    "campaign.failed": "campaign.ended",
    "campaign.cancelled": "campaign.cancelled",
    "campaign.archived": "campaign.archived",
    "campaign.unarchived": "campaign.unarchived",
}
STARTED, CONTINUED = "campaign.started", "campaign.job.continued"
DISPATCHED = "contact.dispatched"
# By what became of the contact, in the words of `engine/standings.py`.
CONTACT_KINDS: Mapping[str, str] = {
    "called": "contact.completed",
    "not_placed": "contact.failed",
    "skipped": "contact.skipped",
    "ineligible": "contact.predial-failed",
}
STATUSES: Mapping[str, str] = {  # of a campaign, after a message of this kind
    STARTED: "in-progress",
    CONTINUED: "in-progress",
    "campaign.ended": "ended",
    "campaign.cancelled": "cancelled",
    "campaign.archived": "archived",
}
ENDED_REASONS: Mapping[Disposition, str] = {  # of calls
    Disposition.ANSWERED: "assistant-ended-call",
    Disposition.VOICEMAIL: "voicemail",
    Disposition.BUSY: "customer-busy",
    Disposition.NO_ANSWER: "customer-did-not-answer",
    Disposition.DECLINED: "customer-ended-call",
    Disposition.UNREACHABLE: "call.in-progress.error-sip-outbound-call-failed-to-connect",
    Disposition.INVALID_NUMBER: "twilio-reported-customer-misdialed",
    Disposition.BLOCKED: "vonage-rejected",
    Disposition.UNWANTED: "customer-ended-call",
    Disposition.CARRIER_FAILED: "twilio-failed-to-connect-call",
    Disposition.RATE_LIMITED: "call.start.error-subscription-concurrency-limit-reached",
    Disposition.CAPACITY: "call.start.error-subscription-concurrency-limit-reached",
    Disposition.AGENT_FAILED: "call.start.error-get-assistant",
    Disposition.CANCELED: "manually-canceled",
    Disposition.UNKNOWN: "worker-shutdown",
}
BECOMES: Mapping[str, Collection[str]] = {
    **{event: (message,) for event, message in CAMPAIGN_KINDS.items()},
    "campaign.running": (STARTED, CONTINUED),
    "contact.skipped": ("contact.skipped", "contact.predial-failed"),
    "attempt.ended": (DISPATCHED, "contact.completed", "contact.failed"),
    **{f"attempt.{state}": (DISPATCHED,) for state in ("placed", "ringing", "answered", "unknown")},
}


class VapiMessages:
    """Implements ports.MessageFormat."""

    kinds: Sequence[str] = tuple(dict.fromkeys(kind for kinds in BECOMES.values() for kind in kinds))

    def becomes(self, event_kind: str) -> Collection[str]:
        return BECOMES.get(event_kind, ())

    def messages(self, happening: Happening) -> Sequence[Told]:
        if happening.contact is None:
            kind = _campaign_kind(happening)
            body = _body(kind, happening)
            return [Told(kind=kind, subject=f"campaign:{happening.campaign['id']}", body=body)]
        return [
            Told(
                kind=kind,
                subject=f"contact:{happening.contact['id']}",
                body=_body(kind, happening),
                once=f"{kind}/{(happening.attempt or happening.contact)['uuid']}",
            )
            for kind in _contact_kinds(happening)
        ]


def ended_reason(campaign: Mapping[str, Any]) -> str | None:
    """Of a campaign: {"state": "cancelled", "started_at": None} -> "campaign.scheduled.ended-by-user"."""
    if campaign["state"] == "completed":
        return "campaign.ended.success"
    if campaign["state"] == "cancelled":
        return f"campaign.{'scheduled' if campaign['started_at'] is None else 'in-progress'}.ended-by-user"
    return None


def _campaign_kind(happening: Happening) -> str:
    if happening.kind != "campaign.running":
        return CAMPAIGN_KINDS[happening.kind]
    return STARTED if happening.at <= happening.campaign["started_at"] else CONTINUED


def _contact_kinds(happening: Happening) -> Iterator[str]:
    attempt = happening.attempt
    if attempt is None:
        if happening.standing in ("skipped", "ineligible"):  # and has not been called after all
            yield CONTACT_KINDS[happening.standing]
        return
    # A call may be over before anybody was told that it began.
    if attempt["placed_at"] is not None or happening.kind != "attempt.ended":
        yield DISPATCHED
    if happening.kind == "attempt.ended" and happening.last and happening.standing in ("called", "not_placed"):
        yield CONTACT_KINDS[happening.standing]


def _body(kind: str, happening: Happening) -> str:
    message = {
        "type": kind,
        "timestamp": int(happening.at.timestamp() * 1000),
        "campaignId": str(happening.campaign["uuid"]),
        "campaign": _campaign(kind, happening),
    }
    if happening.contact is not None:
        message["contact"] = _contact(kind, happening, happening.contact)
    return json.dumps({"message": message}, ensure_ascii=False, separators=(",", ":"))


def _campaign(kind: str, happening: Happening) -> dict[str, Any]:
    campaign = happening.campaign
    shown = {"id": str(campaign["uuid"]), "orgId": str(happening.organization_uuid), "name": campaign["name"]}
    if happening.contact is not None:
        return shown
    status = STATUSES.get(kind) or ("cancelled" if campaign["state"] == "cancelled" else "ended")
    over = {"endedReason": ended_reason(campaign)} if status not in ("in-progress",) else {}
    instants = {name: _instant(campaign[column]) for name, column in INSTANTS.items()}
    return _given({**shown, "status": status, **over, **instants})


INSTANTS = {"createdAt": "created_at", "updatedAt": "updated_at", "startedAt": "started_at", "endedAt": "ended_at"}


def _contact(kind: str, happening: Happening, contact: Mapping[str, Any]) -> dict[str, Any]:
    attempt = happening.attempt
    shown: dict[str, Any] = {
        "id": str(contact["uuid"]),
        "campaignId": str(happening.campaign["uuid"]),
        "orgId": str(happening.organization_uuid),
        "number": contact["to_number"],
        "name": contact["variables"].get("name"),
        "externalId": contact["external_id"],
        "status": kind,
        "createdAt": _instant(contact["added_at"]),
    }
    if attempt is None:
        return _given({**shown, "endedReason": contact["skip_reason"]})
    ended = kind != DISPATCHED and attempt["disposition"] is not None
    return _given(
        {
            **shown,
            "callId": str(attempt["uuid"]),
            "dispatchedAt": _instant(attempt["placed_at"] or attempt["created_at"]),
            "endedReason": ENDED_REASONS[Disposition(attempt["disposition"])] if ended else None,
        }
    )


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _instant(at: datetime | None) -> str | None:
    """As JavaScript writes it: 2026-08-20T20:18:42.000Z"""
    return None if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
