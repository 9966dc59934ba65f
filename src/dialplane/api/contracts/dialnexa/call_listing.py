"""Which calls a list is to have."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from dialplane.api.contracts.dialnexa import ids
from dialplane.api.contracts.dialnexa.shapes import FURTHEST_PAGE
from dialplane.api.contracts.dialnexa.words import ENDS, OPEN_WORDS, call_word, dispositions_of
from dialplane.api.instants import first_instant, last_instant
from dialplane.core.disposition import Disposition
from dialplane.engine.attempt_views import AttemptFilter, AttemptRecord, Paging

MOST_CALLS = 200  # on a page
MOST_EXPORTED = 5000
MOST_NAMED = 50  # ids in one filter
MOST_MILLISECONDS = 1e12
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


def several(text: str) -> list[str]:
    """
    >>> several(" busy, completed,")
    ['busy', 'completed']
    """
    return [part.strip() for part in text.split(",") if part.strip()]


def in_progress(calls: Sequence[AttemptRecord], words: Collection[str]) -> list[AttemptRecord]:
    return [call for call in calls if call.disposition is None and call_word(call.state, None) in words]


def _seconds(choose: Any, *milliseconds: float | None) -> float | None:
    given = [each / 1000 for each in milliseconds if each is not None]
    return choose(given) if given else None
