"""Calls as Vapi's clients ask for them and read them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field, model_validator

from dialplane.api.contracts.vapi.lists import Listing
from dialplane.api.contracts.vapi.shapes import Camel, CamelBody, Customer, Overrides, SchedulePlan, one_of
from dialplane.api.contracts.vapi.words import call_ended_reason, call_status
from dialplane.core.campaign import EXPIRED
from dialplane.engine.attempt_views import AttemptRecord
from dialplane.engine.call_book import CallRecord
from dialplane.voice.channels import Channel

MOST_AT_ONCE = 100  # customers of one request
EXTERNAL_ID = "externalId"  # among the variables of a single call
FIELDS = ("name", "email", "extension", EXTERNAL_ID)
HUNG_UP = "manually-canceled"
SPEAKERS = {"agent": "bot", "contact": "user"}
SCRIPTS = {"agent": "AI", "contact": "User"}
Name = Annotated[str, Field(max_length=40)]


class CreateCall(CamelBody):
    """Who calls whom."""

    name: Name | None = None
    assistant_id: UUID | None = None
    workflow_id: UUID | None = None
    squad_id: UUID | None = None
    phone_number_id: UUID | None = Field(None, description="Left out: from the usual carrier")
    customer: Customer | None = None
    customers: list[Customer] | None = Field(None, min_length=1, max_length=MOST_AT_ONCE)
    schedule_plan: SchedulePlan | None = None
    assistant_overrides: Overrides | None = Field(None, description="variableValues are for all customers")
    squad_overrides: Overrides | None = None

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        if "assistant" in (self.model_extra or {}):
            raise ValueError("assistant: make it at /assistant first, and give its id as assistantId")
        if self.target() is None:
            raise ValueError("one of assistantId, workflowId and squadId must be given")
        if one_of(customer=self.customer, customers=self.customers) is None:
            raise ValueError("customer or customers must be given")
        if self.schedule_plan is None and "schedulePlan" in self.meant().values():
            raise ValueError("did you mean 'schedulePlan'? Without one the call is made at once")
        return self

    def target(self) -> str | None:
        return one_of(assistantId=self.assistant_id, workflowId=self.workflow_id, squadId=self.squad_id)

    def target_id(self) -> UUID:
        found = self.assistant_id or self.workflow_id or self.squad_id
        assert found is not None, "a request without an agent is refused before"
        return found


class UpdateCall(CamelBody):
    name: Name | None = None


class CallListing(Listing):
    """Which calls; all of them newest first, those of campaigns too."""

    id: UUID | None = None
    assistant_id: UUID | None = None
    phone_number_id: UUID | None = None


class CustomerOfCall(Camel):
    number: str
    name: str | None = None
    email: str | None = None
    external_id: str | None = None
    extension: str | None = None


class Said(Camel):
    """One thing that was said."""

    role: str = Field(examples=["bot"])
    message: str
    time: float = Field(description="Milliseconds since 1970")
    seconds_from_start: float


class MonoRecording(Camel):
    """Links to one track each."""

    combined_url: str
    assistant_url: str
    customer_url: str


class Recording(Camel):
    """Links to what was heard. stereoUrl: the assistant on the left, the customer on the right."""

    stereo_url: str
    mono: MonoRecording


class Artifact(Camel):
    """What a call left behind."""

    recording_url: str | None = None
    stereo_recording_url: str | None = None
    recording: Recording | None = None
    transcript: str | None = None
    messages: list[Said] = Field(default_factory=list)
    variable_values: dict[str, str] = Field(default_factory=dict)


class Analysis(Camel):
    summary: str | None = None
    structured_data: dict[str, Any] | None = Field(None, description="What the agent gathered")
    success_evaluation: str | None = Field(None, description="The agent's own word for what came of it")


class Call(Camel):
    """One call, or one that is planned."""

    id: UUID
    org_id: UUID
    type: str = "outboundPhoneCall"
    status: str = Field(examples=["queued"])
    ended_reason: str | None = None
    name: str | None = None
    assistant_id: UUID
    phone_number_id: UUID | None = None
    campaign_id: UUID | None = None
    customer: CustomerOfCall
    schedule_plan: dict[str, Any] | None = None
    transcript: str | None = None
    recording_url: str | None = None
    artifact: Artifact
    analysis: Analysis
    cost: float = Field(default=0, description="Of the assistant's services, where their prices are known")
    cost_breakdown: dict[str, Any] | None = Field(None, description="What it is made of")
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = Field(None, description="When it was answered")
    ended_at: datetime | None = None
    warnings: list[str] | None = None


class FailedCall(Camel):
    """A customer who was not called, and why."""

    customer: CustomerOfCall
    error: str


class CallBatch(Camel):
    """What became of each customer, in their order."""

    results: list[Call]
    errors: list[FailedCall]


def call_view(record: CallRecord, organization: UUID, recording_url: str | None, now: datetime) -> Call:
    made = record.attempt
    script = None if record.transcript is None else _script(record.transcript)
    variables, to_number, external_id = _whom(record)
    return Call(
        id=record.uuid,
        org_id=organization,
        status=_status(record, now),
        ended_reason=_ended_reason(record),
        name=record.name,
        assistant_id=record.agent_uuid,
        phone_number_id=record.number_uuid,
        campaign_id=record.campaign_uuid,
        customer=CustomerOfCall(
            number=to_number,
            external_id=external_id or variables.get(EXTERNAL_ID),
            name=variables.get("name"),
            email=variables.get("email"),
            extension=variables.get("extension"),
        ),
        schedule_plan=None if record.plan is None else dict(record.plan),
        transcript=script,
        recording_url=recording_url,
        artifact=Artifact(
            recording_url=recording_url,
            stereo_recording_url=recording_url,
            recording=None if recording_url is None else _recording(recording_url),
            transcript=script,
            messages=_messages(record),
            variable_values={name: value for name, value in variables.items() if name not in FIELDS},
        ),
        analysis=_analysis(made),
        cost=0 if made is None or made.cost is None else made.cost,
        cost_breakdown=_costs(made),
        created_at=record.created_at,
        updated_at=record.updated_at,
        started_at=None if made is None else made.answered_at,
        ended_at=None if made is None else made.ended_at,
    )


def _recording(url: str) -> Recording:
    apart = {Channel.MONO: "combined_url", Channel.AGENT: "assistant_url", Channel.CONTACT: "customer_url"}
    mono = MonoRecording(**{name: f"{url}?channel={channel}" for channel, name in apart.items()})
    return Recording(stereo_url=url, mono=mono)


def _whom(record: CallRecord) -> tuple[Mapping[str, str], str, str | None]:
    known = record.attempt or record.planned
    assert known is not None, "a call was made, or is planned"
    return known.variables, known.to_number, known.external_id


def _status(record: CallRecord, now: datetime) -> str:
    if record.attempt is not None:
        return call_status(record.attempt.state)
    assert record.planned is not None, "a call was made, or is planned"
    if record.planned.over is not None:
        return "ended"
    due_at = record.planned.due_at
    return "scheduled" if due_at is not None and due_at > now else "queued"


def _ended_reason(record: CallRecord) -> str | None:
    made, planned = record.attempt, record.planned
    if made is not None and made.disposition is not None:
        return HUNG_UP if record.hung_up else call_ended_reason(made.disposition)
    if made is not None:
        return None
    assert planned is not None, "a call was made, or is planned"
    if planned.over is None:
        return None
    # No line was free in its hours; or somebody took it back.
    late = "call.start.error-subscription-concurrency-limit-reached"
    return late if planned.over == EXPIRED else "scheduled-call-deleted"


def _script(said: Any) -> str:
    return "\n".join(f"{SCRIPTS[each['speaker']]}: {each['text']}" for each in said)


def _messages(record: CallRecord) -> list[Said]:
    made = record.attempt
    if made is None or made.answered_at is None:
        return []
    began = made.answered_at.timestamp()
    return [
        Said(
            role=SPEAKERS[each["speaker"]],
            message=each["text"],
            time=round((began + each["at_seconds"]) * 1000),
            seconds_from_start=each["at_seconds"],
        )
        for each in record.transcript or ()
    ]


def _analysis(made: AttemptRecord | None) -> Analysis:
    if made is None:
        return Analysis(structured_data=None, success_evaluation=None)
    found = dict(made.gathered or {})
    summary = made.summary or found.get("summary")
    return Analysis(
        summary=summary if isinstance(summary, str) else None,
        structured_data=found or None,
        success_evaluation=made.label,
    )


def _costs(made: AttemptRecord | None) -> dict[str, Any] | None:
    if made is None or made.cost is None:
        return None
    used = {"llmPromptTokens": "llm_input_tokens", "llmCompletionTokens": "llm_output_tokens"}
    used |= {"ttsCharacters": "tts_characters"}
    usage = made.usage or {}
    return {"total": made.cost, **{name: usage[ours] for name, ours in used.items() if ours in usage}}
