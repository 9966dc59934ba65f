"""Runs as Dograh shows them: an attempt -> the JSON of a run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field

from dialplane.api.contracts.dograh.dispositions import FAILURES, call_tags
from dialplane.api.links import artifact_url
from dialplane.core.answered_by import AnsweredBy
from dialplane.core.attempt import AttemptState
from dialplane.core.disposition import Disposition
from dialplane.engine.artifacts import TRANSCRIPTS
from dialplane.engine.attempt_views import AttemptRecord

Status = Literal["initialized", "running", "completed"]


class PublicLinks(BaseModel):
    """Links that need no key, for as long as the call is kept; null in lists."""

    public_access_token: str | None = None
    transcript_public_url: str | None = None
    recording_public_url: str | None = None
    user_recording_public_url: str | None = None
    bot_recording_public_url: str | None = None


def public_links(attempt: AttemptRecord, base: str, token: str) -> PublicLinks:
    """base: how this server is reached. token: what opens the attempt's recording and transcript."""
    return PublicLinks(
        public_access_token=token,
        transcript_public_url=artifact_url(base, token, "transcript") if attempt.has_transcript else None,
        recording_public_url=artifact_url(base, token, "recording") if attempt.recording else None,
        user_recording_public_url=artifact_url(base, token, "user_recording") if attempt.recording else None,
        bot_recording_public_url=artifact_url(base, token, "bot_recording") if attempt.recording else None,
    )


class RecordingKeys(BaseModel):
    """As `/s3/signed-url` takes them; null where there is no recording."""

    recording_url: str | None = Field(description="Key of the recording", examples=["recordings/1042.wav"])
    user_recording_url: str | None = Field(description="Of the person called alone")
    bot_recording_url: str | None = Field(description="Of the agent alone")


def recording_key(attempt: AttemptRecord, part: str = ".wav") -> str | None:
    return f"recordings/{attempt.id}{part}" if attempt.recording else None


class Run(PublicLinks, RecordingKeys):
    """One try to reach one contact: at most one call. What Dograh's clients know, then more."""

    id: int
    workflow_id: int
    name: str = Field(examples=["WR-CAMPAIGN-7-1042"])
    mode: str = Field(description="The provider that carried the call", examples=["simulated"])
    created_at: datetime
    is_completed: bool
    transcript_url: str | None = Field(description="Key of the transcript", examples=["transcripts/1042.txt"])
    cost_info: dict[str, Any] | None = Field(description="`call_duration_seconds`, and `cost` where it is known")
    usage_info: dict[str, Any] | None = None
    definition_id: int | None = Field(description="Which version of the agent talked")
    initial_context: dict[str, Any]
    gathered_context: dict[str, Any]
    call_type: Literal["inbound", "outbound"] = "outbound"
    logs: dict[str, Any] | None = None
    annotations: dict[str, Any] | None = None

    uuid: UUID
    campaign_id: int
    contact_id: int
    external_id: str | None
    attempt: int = Field(description="Its ordinal for this contact, from 1")
    status: Status
    state: AttemptState
    disposition: Disposition | None
    sip_status: int | None
    cause: str
    placed_at: datetime | None
    ringing_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    talk_seconds: float | None
    abandoned: bool | None = Field(
        description="A person answered, and the agent did not begin to speak within 2 s; null where that is not known"
    )
    answered_by: AnsweredBy | None = Field(description="null: nobody answered, or nobody listened for machines")
    summary: str | None = Field(description="Of the call, in the agent's words")
    label: str | None = Field(description="The agent's own word for what came of it; call_disposition, too")
    usage: dict[str, Any] | None = Field(
        default=None, description="Of the agent's services: how much, its cost, how quick they were; null in lists"
    )
    transcript: list[dict[str, Any]] | None = Field(default=None, description="What was said; null in lists")

    @classmethod
    def of(cls, attempt: AttemptRecord) -> Self:
        """As in a list."""
        return cls(
            id=attempt.id,
            workflow_id=attempt.agent_id,
            name=name_of(attempt),
            mode=attempt.provider,
            created_at=attempt.created_at,
            is_completed=attempt.ended_at is not None,
            transcript_url=transcript_key(attempt),
            recording_url=recording_key(attempt),
            user_recording_url=recording_key(attempt, "/user.wav"),
            bot_recording_url=recording_key(attempt, "/bot.wav"),
            cost_info=None if attempt.ended_at is None else _used(attempt),
            definition_id=attempt.agent_version_id,
            initial_context=initial_context(attempt),
            gathered_context=gathered_context(attempt),
            uuid=attempt.uuid,
            campaign_id=attempt.campaign_id,
            contact_id=attempt.contact_id,
            external_id=attempt.external_id,
            attempt=attempt.number,
            status=_status(attempt.state),
            state=attempt.state,
            disposition=attempt.disposition,
            sip_status=attempt.sip_status,
            cause=attempt.cause,
            placed_at=attempt.placed_at,
            ringing_at=attempt.ringing_at,
            answered_at=attempt.answered_at,
            ended_at=attempt.ended_at,
            talk_seconds=None if attempt.talk_seconds is None else round(attempt.talk_seconds, 3),
            abandoned=attempt.abandoned,
            answered_by=attempt.answered_by,
            summary=attempt.summary,
            label=attempt.label,
        )

    @classmethod
    def whole(cls, attempt: AttemptRecord, transcript: Sequence[Mapping[str, Any]] | None, links: PublicLinks) -> Self:
        """With all that a list leaves out."""
        more: dict[str, Any] = {
            "usage_info": {**_services(attempt.usage or {}), "call_duration_seconds": _seconds(attempt)},
            "usage": None if attempt.usage is None else dict(attempt.usage),
            "logs": {"events": _events(attempt)},
            "annotations": {},
            "transcript": None if transcript is None else [dict(said) for said in transcript],
        }
        return cls.of(attempt).model_copy(update=more | links.model_dump())


class CampaignRuns(BaseModel):
    """A page of runs."""

    runs: list[Run]
    total_count: int = Field(description="Of all pages")
    page: int
    limit: int
    total_pages: int

    @classmethod
    def of(cls, attempts: Sequence[AttemptRecord], total: int, page: int, limit: int, **more: Any) -> Self:
        return cls(
            runs=[Run.of(attempt) for attempt in attempts],
            total_count=total,
            page=page,
            limit=limit,
            total_pages=pages(total, limit),
            **more,
        )


class WorkflowRuns(CampaignRuns):
    """The same over all campaigns of a workflow."""

    applied_filters: list[dict[str, Any]] | None = None


class UsageRun(PublicLinks, RecordingKeys):
    """What one run used."""

    id: int
    workflow_id: int
    workflow_name: str | None
    name: str
    created_at: datetime
    dograh_token_usage: float = 0
    call_duration_seconds: int
    transcript_url: str | None
    phone_number: str | None = Field(deprecated=True)
    caller_number: str | None
    called_number: str | None
    call_type: str | None = "outbound"
    mode: str | None
    disposition: str | None
    initial_context: dict[str, Any] | None
    gathered_context: dict[str, Any] | None
    charge_usd: float | None = None
    campaign_id: int
    status: Status

    @classmethod
    def used(cls, attempt: AttemptRecord, links: PublicLinks) -> Self:
        return cls(
            id=attempt.id,
            workflow_id=attempt.agent_id,
            workflow_name=attempt.agent_name,
            name=name_of(attempt),
            created_at=attempt.created_at,
            call_duration_seconds=_seconds(attempt),
            recording_url=recording_key(attempt),
            user_recording_url=recording_key(attempt, "/user.wav"),
            bot_recording_url=recording_key(attempt, "/bot.wav"),
            transcript_url=transcript_key(attempt),
            phone_number=attempt.to_number,
            caller_number=attempt.from_number,
            called_number=attempt.to_number,
            mode=attempt.provider,
            disposition=attempt.disposition,
            initial_context=initial_context(attempt),
            gathered_context=gathered_context(attempt),
            campaign_id=attempt.campaign_id,
            status=_status(attempt.state),
            **links.model_dump(),
        )


class UsageHistory(BaseModel):
    """A page of what the organization has used."""

    runs: list[UsageRun]
    total_dograh_tokens: float = 0
    total_duration_seconds: int = Field(description="Talked, over all pages")
    total_count: int
    page: int
    limit: int
    total_pages: int
    applied_filters: list[dict[str, Any]]


# --- parts ---------------------------------------------------------------------------------------------------


def name_of(attempt: AttemptRecord) -> str:
    return f"WR-CAMPAIGN-{attempt.campaign_id}-{attempt.contact_id}"


def transcript_key(attempt: AttemptRecord) -> str | None:
    return f"{TRANSCRIPTS}{attempt.id}.txt" if attempt.has_transcript else None


def whole_seconds(seconds: float) -> int:
    """Half a second counts as one, as in SQL.

    >>> whole_seconds(0.49), whole_seconds(0.5), whole_seconds(2.5)
    (0, 1, 3)
    """
    return int(seconds + 0.5)


def pages(total: int, limit: int) -> int:
    return -(-total // limit)


def initial_context(attempt: AttemptRecord) -> dict[str, Any]:
    """What the call began with: the contact's columns, and what Dograh adds to them."""
    context: dict[str, Any] = {
        **attempt.variables,
        "phone_number": attempt.to_number,
        "campaign_id": attempt.campaign_id,
        "provider": attempt.provider,
        "source_uuid": source_uuid(attempt),
        "caller_number": attempt.from_number,
        "called_number": attempt.to_number,
        "direction": "outbound",
        "telephony_configuration_id": attempt.carrier_id,
    }
    if attempt.number > 1:
        context |= {
            "is_retry": True,
            "retry_attempt": attempt.number - 1,
            "retry_reason": attempt.disposition_before,
        }
    return context


def source_uuid(attempt: AttemptRecord) -> str:
    """csv_1a2b3c4d_row_7, and _retry_1 for the second attempt; without a file the contact's own uuid."""
    if attempt.file_key is None:
        source = str(attempt.contact_uuid)
    else:
        digest = hashlib.md5(attempt.file_key.encode(), usedforsecurity=False).hexdigest()
        source = f"csv_{digest[:8]}_row_{attempt.row_number}"
    return source if attempt.number == 1 else f"{source}_retry_{attempt.number - 1}"


def gathered_context(attempt: AttemptRecord) -> dict[str, Any]:
    """What the call came to, and what the agent learned."""
    return {
        "call_tags": call_tags(attempt.disposition),
        "call_disposition": attempt.label or attempt.disposition,
        "mapped_call_disposition": attempt.disposition,
        "call_id": attempt.carrier_call_id,
        "extracted_variables": dict(attempt.gathered or {}),
        "error": attempt.cause if attempt.disposition in FAILURES else None,
    }


def _used(attempt: AttemptRecord) -> dict[str, Any]:
    used: dict[str, Any] = {"dograh_token_usage": 0, "call_duration_seconds": _seconds(attempt)}
    return used if attempt.cost is None else used | {"cost": attempt.cost}


def _services(usage: Mapping[str, Any]) -> dict[str, Any]:
    """As Dograh groups them; of an agent that measures nothing, empty."""
    groups = {
        "llm": {"prompt_tokens": "llm_input_tokens", "completion_tokens": "llm_output_tokens"},
        "tts": {"characters": "tts_characters"},
        "stt": {"seconds": "stt_seconds"},
    }
    return {
        group: {name: usage[ours] for name, ours in names.items() if ours in usage} for group, names in groups.items()
    }


def _seconds(attempt: AttemptRecord) -> int:
    return whole_seconds(attempt.talk_seconds or 0)


def _status(state: AttemptState) -> Status:
    if state is AttemptState.ENDED:
        return "completed"
    return "initialized" if state in (AttemptState.INTENDED, AttemptState.SENDING) else "running"


def _events(attempt: AttemptRecord) -> list[dict[str, Any]]:
    """What happened when, oldest first."""
    instants = {
        "created": attempt.created_at,
        "placed": attempt.placed_at,
        "ringing": attempt.ringing_at,
        "answered": attempt.answered_at,
        "ended": attempt.ended_at,
    }
    return [{"event": event, "at": at.isoformat()} for event, at in instants.items() if at is not None]
