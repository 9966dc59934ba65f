"""What happens -> DialNexa's webhook messages: {"event", "timestamp", "data"}. A lead's workflow is never run here."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from dialplane.core.disposition import REFUSALS, Disposition
from dialplane.ports import Happening, Told

CallWord = Literal[
    "created",
    "initiated",
    "sent",
    "received",
    "completed",
    "did_not_pick",
    "busy",
    "no_answer",
    "failed",
    "cancelled",
    "retry_expired",
]


class End(NamedTuple):
    """How an ended call reads. reason: their end_reason."""

    status: CallWord
    reason: str


ENDS: Mapping[Disposition, End] = {
    Disposition.ANSWERED: End("completed", "user_disconnected"),
    Disposition.VOICEMAIL: End("did_not_pick", "voicemail_detected"),
    Disposition.BUSY: End("busy", "user_busy"),
    Disposition.NO_ANSWER: End("no_answer", "user_did_not_pick_up"),
    Disposition.DECLINED: End("did_not_pick", "user_busy"),
    Disposition.UNREACHABLE: End("failed", "user_unreachable"),
    Disposition.INVALID_NUMBER: End("failed", "invalid_phone_number"),
    Disposition.BLOCKED: End("failed", "destination_forbidden"),
    Disposition.UNWANTED: End("failed", "destination_forbidden"),
    Disposition.CARRIER_FAILED: End("failed", "network_failure"),
    Disposition.RATE_LIMITED: End("failed", "network_failure"),
    Disposition.CAPACITY: End("failed", "network_failure"),
    Disposition.AGENT_FAILED: End("failed", "agent_disconnected"),
    Disposition.CANCELED: End("cancelled", "agent_disconnected"),
    Disposition.UNKNOWN: End("failed", "network_failure"),
}
CALL_EVENTS: Mapping[CallWord, str] = {
    "completed": "call.completed",
    "did_not_pick": "call.no_answer",
    "busy": "call.no_answer",
    "no_answer": "call.no_answer",
    "failed": "call.failed",
    "cancelled": "call.failed",
}
BECOMES: Mapping[str, Collection[str]] = {
    "attempt.ended": ("call.completed", "call.failed", "call.no_answer"),
    "campaign.completed": ("campaign.completed",),
    "campaign.paused": ("campaign.paused",),
}
LEAD_COMPLETED = "workflow.lead.completed"  # can be asked for; nothing of the kind happens here


class DialNexaMessages:
    """Implements ports.MessageFormat."""

    kinds: Sequence[str] = (*(kind for kinds in BECOMES.values() for kind in kinds), LEAD_COMPLETED)

    def becomes(self, event_kind: str) -> Collection[str]:
        return BECOMES.get(event_kind, ())

    def messages(self, happening: Happening) -> Sequence[Told]:
        campaign, attempt = happening.campaign, happening.attempt
        if attempt is None:
            if campaign["hidden"]:
                return []
            data = {"id": shown("cmp", campaign["uuid"]), "name": campaign["name"], "status": happening.kind[9:]}
            subject = f"campaign:{campaign['id']}"
            return [Told(kind=happening.kind, subject=subject, body=_body(happening.kind, happening.at, data))]
        disposition = Disposition(attempt["disposition"])
        if disposition in REFUSALS and happening.standing in ("waiting", "dialing"):
            return []  # there was no call; it is tried again within the minute
        kind = CALL_EVENTS[ENDS[disposition].status]
        data = _call(happening, attempt, disposition)
        return [Told(kind=kind, subject=f"attempt:{attempt['id']}", body=_body(kind, happening.at, data))]


def shown(prefix: str, uuid: UUID) -> str:
    """
    >>> shown("cmp", UUID("1b4e28ba-2fa1-11d2-883f-0016d3cca427"))
    'cmp_1b4e28ba2fa111d2883f0016d3cca427'
    """
    return f"{prefix}_{uuid.hex}"


def _call(happening: Happening, attempt: Mapping[str, Any], disposition: Disposition) -> dict[str, Any]:
    assert happening.contact is not None, "an attempt has a contact"
    campaign = happening.campaign
    answered_at, ended_at = attempt["answered_at"], attempt["ended_at"]
    gathered = attempt["gathered"]
    call_id = shown("call", attempt["uuid"])
    return {
        "id": call_id,
        "call_id": call_id,
        "agent_id": shown("agt", attempt["agent_uuid"]),
        "campaign_id": None if campaign["hidden"] else shown("cmp", campaign["uuid"]),
        "lead_id": None if campaign["hidden"] else shown("lead", happening.contact["uuid"]),
        "from_phone_number": attempt["from_number"],
        "to_phone_number": attempt["to_number"],
        "attempt": attempt["number"],
        "status": ENDS[disposition].status,
        "end_reason": ENDS[disposition].reason,
        "sentiment": (gathered or {}).get("sentiment"),
        "duration_seconds": 0 if answered_at is None else round((ended_at - answered_at).total_seconds(), 3),
        "analysis": gathered,
        "summary": attempt["summary"],
        "transcript": attempt["transcript"],
        "metadata": attempt["variables"],
        "cause": attempt["cause"],
        "created_at": _instant(attempt["created_at"]),
        "ended_at": _instant(ended_at),
    }


def _body(kind: str, at: datetime, data: Mapping[str, Any]) -> str:
    message = {"event": kind, "timestamp": _instant(at), "data": data}
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
