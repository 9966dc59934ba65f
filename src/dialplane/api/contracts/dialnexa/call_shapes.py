"""Calls in requests and answers, as the present API has them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from dialplane.api.contracts.dialnexa import ids
from dialplane.api.contracts.dialnexa.lead_shapes import MOST_NOTES, Notes, texts
from dialplane.api.contracts.dialnexa.shapes import FURTHEST_PAGE, TextId
from dialplane.api.contracts.dialnexa.words import ENDS, OPEN_WORDS, CallWord, call_word, dispositions_of
from dialplane.api.instants import first_instant, last_instant
from dialplane.api.shapes import Tolerant
from dialplane.core.disposition import Disposition
from dialplane.engine.attempt_views import AttemptFilter, AttemptRecord, Paging

MOST_CALLS = 200  # on a page
MOST_EXPORTED = 5000
MOST_NAMED = 50  # ids in one filter
MOST_METADATA = 200
MOST_MILLISECONDS = 1e12
NOTES: Final = "notes"  # the variable that keeps a call's notes, as JSON
SPEAKERS: Final = {"agent": "Agent", "contact": "User"}
WORDS: Final = frozenset(OPEN_WORDS.values()) | {end.status for end in ENDS.values()} | {"created", "retry_expired"}
# What nobody measures or keeps here. A filter that is passed over would answer with the wrong calls.
UNSERVED: Final = ("latency_min", "latency_max", "agent_version_id", "agent_version_name")

Milliseconds = Annotated[float | None, Field(ge=0, le=MOST_MILLISECONDS, allow_inf_nan=False)]
Listed = Annotated[str, Field(max_length=MOST_NAMED * (ids.LONGEST + 1))]


class CallListing(BaseModel):
    """Which calls, and which part of them. Several values of a filter are separated by commas."""

    model_config = ConfigDict(populate_by_name=True)

    agent_id: Listed = ""
    call_id: Listed = ""
    batch_call_id: Listed = ""
    from_number: str = Field("", alias="from", max_length=64)
    to_number: str = Field("", alias="to", max_length=64)
    type: str = Field("", max_length=20, description="phone; there are no web calls.")
    call_direction: str = Field("", max_length=20, description="outbound; no calls come in.")
    latency_min: str = Field("", max_length=64, description="Refused: not measured.")
    latency_max: str = Field("", max_length=64, description="Refused: not measured.")
    agent_version_id: str = Field("", max_length=255, description="Refused.")
    agent_version_name: str = Field("", max_length=255, description="Refused.")
    sentiment: str = Field("", max_length=100, description="One, as the agent gathered it.")
    start_date: Annotated[datetime | None, BeforeValidator(first_instant)] = None
    end_date: Annotated[datetime | None, BeforeValidator(last_instant)] = None
    duration_greater_than: Milliseconds = None
    duration_less_than: Milliseconds = None
    duration_min: Milliseconds = None
    duration_max: Milliseconds = None
    page: int = Field(1, ge=1, le=FURTHEST_PAGE)
    limit: int = Field(20, ge=1, le=MOST_CALLS)
    created_at: Literal["asc", "desc"] = "desc"
    duration: Literal["asc", "desc"] | None = None
    status: str = Field("", max_length=255)
    end_reason: str = Field("", max_length=2000)
    export: bool = Field(False, description="The first 5,000 of them, whatever the page.")
    columns: str = Field("", max_length=1000, description="Without effect: every answer has all columns.")

    @field_validator("status")
    @classmethod
    def _check_status(cls, text: str) -> str:
        for word in several(text):
            if word not in WORDS:
                raise ValueError(f"unknown status '{word}'; there are {', '.join(sorted(WORDS))}")
        return text

    @field_validator("agent_id", "call_id", "batch_call_id")
    @classmethod
    def _check_count(cls, text: str) -> str:
        if len(several(text)) > MOST_NAMED:
            raise ValueError(f"name {MOST_NAMED} at most")
        return text

    @model_validator(mode="after")
    def _check_served(self) -> Self:
        for name in UNSERVED:
            if getattr(self, name):
                raise ValueError(f"calls cannot be listed by {name} here: leave it out")
        return self

    def nothing(self) -> bool:
        """Whether it asks for what there never is."""
        return bool(
            (self.type and "phone" not in several(self.type))
            or (self.call_direction and "outbound" not in several(self.call_direction))
        )

    def open_words(self) -> set[str]:
        """Of calls in progress that are asked for; none with a reason of their end."""
        return set() if self.end_reason else set(several(self.status)) & set(OPEN_WORDS.values())

    def paging(self) -> Paging:
        order = self.created_at if self.duration is None else self.duration
        size, page = (MOST_EXPORTED, 1) if self.export else (self.limit, self.page)
        return Paging(
            skip=(page - 1) * size, limit=size, by_duration=self.duration is not None, ascending=order == "asc"
        )

    def calls(self) -> AttemptFilter:
        """Without those in progress, where a status is asked for."""
        return AttemptFilter(
            created_from=self.start_date,
            created_to=self.end_date,
            dispositions=self._dispositions(),
            least_seconds=_seconds(max, self.duration_min, self.duration_greater_than),
            most_seconds=_seconds(min, self.duration_max, self.duration_less_than),
            from_number=self.from_number.strip() or None,
            to_number=self.to_number.strip() or None,
            sentiment=self.sentiment or None,
        )

    def _dispositions(self) -> frozenset[Disposition] | None:
        found = None
        if self.status:
            found = frozenset[Disposition]().union(*(dispositions_of(word) for word in several(self.status)))
        if self.end_reason:
            reasons = several(self.end_reason)
            ended = frozenset(disposition for disposition, end in ENDS.items() if end.reason in reasons)
            found = ended if found is None else found & ended
        return found


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
    recording_url: str | None = None
    transcript: str | None = Field(None, description="Of a single call's answer.")


class CallPage(BaseModel):
    """Calls of a batch."""

    callLogs: list[CallView]  # noqa: N815  (theirs)
    total: int
    page: int
    limit: int
    totalPages: int  # noqa: N815


def several(text: str) -> list[str]:
    """
    >>> several(" busy, completed,")
    ['busy', 'completed']
    """
    return [part.strip() for part in text.split(",") if part.strip()]


def in_progress(calls: Sequence[AttemptRecord], words: Collection[str]) -> list[AttemptRecord]:
    return [call for call in calls if call.disposition is None and call_word(call.state, None) in words]


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


def _seconds(choose: Any, *milliseconds: float | None) -> float | None:
    given = [each / 1000 for each in milliseconds if each is not None]
    return choose(given) if given else None
