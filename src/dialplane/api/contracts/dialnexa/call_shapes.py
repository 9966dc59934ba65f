"""Calls in requests and answers, as the present API has them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from dialplane.api.contracts.dialnexa import ids
from dialplane.api.contracts.dialnexa.lead_shapes import MOST_NOTES, Notes, texts
from dialplane.api.contracts.dialnexa.shapes import TextId
from dialplane.api.contracts.dialnexa.words import ENDS, CallWord, call_word
from dialplane.api.shapes import Tolerant
from dialplane.engine.attempt_views import AttemptRecord

MOST_METADATA = 200
NOTES: Final = "notes"  # the variable that keeps a call's notes, as JSON
SPEAKERS: Final = {"agent": "Agent", "contact": "User"}


class CreateCall(Tolerant):
    """One call, to one person, now."""

    phone_number: str | None = Field(None, max_length=64, examples=["+911234567890"])
    to_phone_number: str | None = Field(None, max_length=64, description="The older phone_number.")
    from_phone_number: str | None = Field(None, max_length=64, description="Left out: the default carrier's.")
    agent_id: TextId
    agent_version_number: int | None = Field(
        None, ge=0, le=2**31 - 1, description="The version in force: no other one calls."
    )
    metadata: Annotated[dict[Annotated[str, Field(max_length=255)], Any], Field(max_length=MOST_METADATA)] = Field(
        default={}, description="Values for the agent's {{variables}}."
    )
    notes: Notes | None = Field(None, description=f"Kept with the call; {MOST_NOTES} keys at most.")

    @model_validator(mode="after")
    def _check_number(self) -> Self:
        both = self.phone_number, self.to_phone_number
        if None not in both and both[0] != both[1]:
            raise ValueError("phone_number and to_phone_number say the same thing and differ: give one of them")
        if both == (None, None):
            raise ValueError("phone_number must be given")
        if self.notes is not None and NOTES in self.metadata:
            raise ValueError("metadata has 'notes' of its own: give notes in one place")
        return self

    def number(self) -> str:
        return self.phone_number or self.to_phone_number or ""

    def variables(self) -> dict[str, str]:
        return texts({**self.metadata, **({} if self.notes is None else {NOTES: self.notes})})


class CreatedCall(BaseModel):
    """It is on its way to the carrier."""

    id: str = Field(examples=["call_1b4e28ba2fa111d2883f0016d3cca427"])
    call_id: str
    to_phone_number: str
    agent_id: str
    agent_version_number: int
    warnings: list[str] = []


class CallView(BaseModel):
    """A call. What there is not, or not yet, is left out."""

    id: str
    call_id: str
    agent_id: str
    agent_version_number: int
    agent_name: str
    batch_id: str | None = Field(None, description="Left out for a single call.")
    lead_id: str | None = None
    from_number: str
    to_number: str
    status: CallWord
    type: Literal["phone"] = "phone"
    call_direction: Literal["outbound"] = "outbound"
    createdAt: datetime  # noqa: N815  (theirs)
    answeredAt: datetime | None = None  # noqa: N815
    endedAt: datetime | None = None  # noqa: N815
    duration: float | None = Field(None, description="Seconds of talk.")
    end_reason: str | None = None
    cause: str = Field(description="In the carrier's words.")
    attempt: int = Field(description="Its ordinal for this lead, from 1.")
    metadata: dict[str, str]
    notes: dict[str, Any] | None = None
    sentiment: str | None = None
    analysis: dict[str, Any] | None = Field(None, description="What the agent gathered.")
    summary: str | None = Field(None, description="Of the call, in the agent's words.")
    recording_url: str | None = None
    transcript: str | None = Field(None, description="Of a single call's answer.")


class CallPage(BaseModel):
    """Calls of a batch."""

    callLogs: list[CallView]  # noqa: N815  (theirs)
    total: int
    page: int
    limit: int
    totalPages: int  # noqa: N815


def call_view(
    call: AttemptRecord,
    agent: UUID,
    batch: UUID | None,
    recording_url: str | None,
    said: Sequence[Mapping[str, Any]] | None = None,
) -> CallView:
    """agent, batch: the uuids of the call's; None for a single call."""
    metadata, notes = _split_notes(call.variables)
    gathered = dict(call.gathered or {})
    sentiment = gathered.get("sentiment")
    call_id = ids.shown(ids.CALL, call.uuid)
    return CallView(
        id=call_id,
        call_id=call_id,
        agent_id=ids.shown(ids.AGENT, agent),
        agent_version_number=call.agent_version,
        agent_name=call.agent_name,
        batch_id=None if batch is None else ids.shown(ids.BATCH, batch),
        lead_id=None if batch is None else ids.shown(ids.LEAD, call.contact_uuid),
        from_number=call.from_number,
        to_number=call.to_number,
        status=call_word(call.state, call.disposition),
        createdAt=call.created_at,
        answeredAt=call.answered_at,
        endedAt=call.ended_at,
        duration=None if call.talk_seconds is None else round(call.talk_seconds, 3),
        end_reason=None if call.disposition is None else ENDS[call.disposition].reason,
        cause=call.cause,
        attempt=call.number,
        metadata=metadata,
        notes=notes,
        sentiment=sentiment if isinstance(sentiment, str) else None,
        analysis=gathered or None,
        summary=call.summary,
        recording_url=recording_url,
        transcript=None if said is None else _script(said),
    )


def _split_notes(variables: Mapping[str, str]) -> tuple[dict[str, str], dict[str, Any] | None]:
    """The variables, and the notes that one of them may hold.

    >>> _split_notes({"name": "Ana", "notes": '{"crm": 7}'}), _split_notes({"notes": "call late"})
    (({'name': 'Ana'}, {'crm': 7}), ({'notes': 'call late'}, None))
    """
    rest = dict(variables)
    try:
        notes = json.loads(rest.get(NOTES, ""))
    except (ValueError, RecursionError):
        notes = None
    if not isinstance(notes, dict):
        return rest, None
    del rest[NOTES]
    return rest, notes


def _script(said: Sequence[Mapping[str, Any]]) -> str:
    """
    >>> _script([{"speaker": "agent", "text": "Hello"}, {"speaker": "contact", "text": "Hi"}])
    'Agent: Hello\\nUser: Hi'
    """
    return "\n".join(f"{SPEAKERS.get(part['speaker'], part['speaker'])}: {part['text']}" for part in said)
