"""Batch calls in requests and answers: the present shape, and the fields of the one before it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self

from fastapi import UploadFile
from pydantic import AwareDatetime, BaseModel, Field, field_validator, model_validator

from dialplane.api.contracts.dialnexa import ids
from dialplane.api.contracts.dialnexa.campaign_shapes import FIRST_YEAR, LAST_YEAR, Lines, RetryConfig
from dialplane.api.contracts.dialnexa.shapes import TextId
from dialplane.api.shapes import Tolerant
from dialplane.core.campaign import CampaignState, Policies
from dialplane.core.window import CONTACT, CallingWindow, Slot
from dialplane.engine.stages import Stage
from dialplane.engine.views import CampaignRecord
from dialplane.engine.views import CampaignView as Found

QUEUE: Final = "batch"  # batches of an organization run one at a time
MOST_TITLE = 35
MOST_VERSION = 2**31 - 1
EVERY_DAY: Final = frozenset(range(7))
COUNTED_RETRIES: Final = ("first_retry_count", "second_retry_count", "third_retry_count", "fourth_retry_count")

BatchWord = Literal[
    "initiated", "draft", "waiting", "scheduled", "running", "paused", "completed", "cancelled", "deleted"
]
# A batch that a fault has stopped waits, like a paused one, for somebody to resume it.
WORDS: Final[dict[CampaignState, BatchWord]] = {
    CampaignState.DRAFT: "draft",
    CampaignState.SCHEDULED: "scheduled",
    CampaignState.RUNNING: "running",
    CampaignState.PAUSED: "paused",
    CampaignState.FAILED: "paused",
    CampaignState.COMPLETED: "completed",
    CampaignState.CANCELLED: "cancelled",
}
# A batch begins to call as it is made: what resembles one of these and is none would be missed too late.
GUARDED: Final = frozenset(
    {"starts_at", "scheduled_at", "ends_at", "calling_hours_start", "calling_hours_end", "timezone",
     "max_concurrent_calls", "retry_config", "from_phone_number", "agent_version_number"}
)  # fmt: skip

_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::00)?")

Instant = Annotated[AwareDatetime | None, Field(description="ISO 8601 with a zone.", examples=["2026-12-01T09:00:00Z"])]


class CreateBatch(Tolerant):
    """A file of leads, who calls them, and when. Empty fields are as if they were left out."""

    file: UploadFile = Field(description="CSV, XLSX or XLS with a phone_number column, 10 MB at most.")
    title: str | None = Field(None, min_length=1, max_length=MOST_TITLE, pattern=r"\S", examples=["Q3 Follow-up Batch"])
    name: str | None = Field(None, min_length=1, max_length=255, pattern=r"\S", description="The older title.")
    agent_id: TextId = Field(examples=["agt_1b4e28ba2fa111d2883f0016d3cca427"])
    agent_version_number: int | None = Field(
        None, ge=0, le=MOST_VERSION, description="The version in force: no other one calls."
    )
    starts_at: Instant = None
    scheduled_at: Instant = None
    ends_at: Instant = None
    calling_hours_start: str | None = Field(None, max_length=8, examples=["09:00"])
    calling_hours_end: str | None = Field(None, max_length=8, examples=["18:00"])
    timezone: str | None = Field(
        None, max_length=64, description="Of the calling hours: an IANA name. Left out, each lead's own zone counts."
    )
    from_phone_number: str | None = Field(None, max_length=64, description="Left out: any of the default carrier's.")
    countryCode: str | None = Field(  # noqa: N815  (as for leads)
        None, max_length=5, description="Of numbers without +; left out, that of from_phone_number.", examples=["+91"]
    )
    max_concurrent_calls: Lines | None = None
    retry_config: RetryConfig | None = Field(None, description="As JSON text.")

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, given: Any) -> Any:
        return {name: value for name, value in given.items() if value != ""} if isinstance(given, Mapping) else given

    @field_validator("retry_config", mode="before")
    @classmethod
    def _read_json(cls, text: Any) -> Any:
        if not isinstance(text, str):
            return text
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise ValueError('write JSON, such as {"max_retries": 2, "retry_interval_minutes": 60}') from None

    @field_validator("starts_at", "scheduled_at", "ends_at")
    @classmethod
    def _check_year(cls, at: datetime | None) -> datetime | None:
        if at is not None and not FIRST_YEAR <= at.year <= LAST_YEAR:
            raise ValueError(f"the year must be between {FIRST_YEAR} and {LAST_YEAR}")
        return at

    @field_validator("calling_hours_start", "calling_hours_end")
    @classmethod
    def _check_clock(cls, text: str | None) -> str | None:
        if text is not None and minutes(text) is None:
            raise ValueError("write a time of day, such as 09:00")
        return text

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        for ours, older in (("title", "name"), ("starts_at", "scheduled_at")):
            both = getattr(self, ours), getattr(self, older)
            if None not in both and both[0] != both[1]:
                raise ValueError(f"{ours} and {older} say the same thing and differ: give one of them")
        if self.title is None and self.name is None:
            raise ValueError("title must be given")
        if (self.calling_hours_start is None) != (self.calling_hours_end is None):
            raise ValueError("calling_hours_start and calling_hours_end belong together: give both")
        for name, meant in self.meant().items():
            if meant in GUARDED:
                raise ValueError(f"unknown field '{name}': did you mean '{meant}'?")
        return self

    def shown_title(self) -> str:
        return self.title or self.name or ""

    def start(self) -> datetime | None:
        return self.starts_at or self.scheduled_at

    def policies(self) -> Policies:
        """Raises Invalid for hours that are none."""
        retry = Policies().retry
        return Policies(
            window=self._window(),
            retry=retry if self.retry_config is None else self.retry_config.over(retry),
            max_lines=self.max_concurrent_calls,
        )

    def _window(self) -> CallingWindow:
        """Hours protect the person who is called: unless a zone is named, it is theirs."""
        if self.calling_hours_start is None or self.calling_hours_end is None:
            return CallingWindow()
        start, end = minutes(self.calling_hours_start), minutes(self.calling_hours_end)
        assert start is not None, "checked as it was read"
        slot = Slot(days=EVERY_DAY, start_minute=start, end_minute=end or 1440)
        return CallingWindow(slots=(slot,), timezone=self.timezone or CONTACT)


class Conflict(BaseModel):
    """A batch that comes before this one."""

    kind: Literal["running", "waiting", "scheduled"]
    batch_name: str
    processed_leads: int
    total_leads: int
    starts_at: datetime


class Warned(BaseModel):
    """Why a batch may begin later than it was asked to."""

    message: str
    conflicts: list[Conflict]


class CreatedBatch(BaseModel):
    """A new batch, in the words of both shapes."""

    id: str = Field(examples=["batch_1b4e28ba2fa111d2883f0016d3cca427"])
    title: str
    name: str
    status: BatchWord
    total_records: int
    total_leads: int
    skipped_records: int = Field(description="Rows that are no leads.")
    message: str = Field(description="What is wrong with them.")
    completed: int
    failed: int
    from_number: str | None
    agent_id: str
    agent_version_number: int
    starts_at: datetime | None
    ends_at: datetime | None
    created_at: datetime
    warning: Warned | None = Field(None, description="Only where other batches come first.")
    warnings: list[str] = []


class AttemptStage(BaseModel):
    depth: int = Field(description="0 is the first call.")
    attempted: int
    total: int


class BatchView(BaseModel):
    """A batch. Counters of retries are null, and there are no stages, where a list has more than 50,000 leads."""

    id: str
    title: str
    name: str
    status: BatchWord
    status_reason: str
    agent_id: str
    total_records: int
    createdAt: datetime  # noqa: N815  (theirs)
    updatedAt: datetime  # noqa: N815
    starts_at: datetime | None
    ends_at: datetime | None = Field(description="No call begins from then on.")
    total_lead_count: int
    sent_lead_count: int = Field(description="Leads who were called, or are being called.")
    picked_up_lead_count: int
    picked_up_calls: int
    completed: int = Field(description="Leads whose calls are over, whatever they came to.")
    failed: int = Field(description="Of these, who were not reached.")
    last_call_sent_at: datetime | None
    number_of_retries: int
    first_retry_count: int | None
    second_retry_count: int | None
    third_retry_count: int | None
    fourth_retry_count: int | None
    attempt_stages: list[AttemptStage] = Field(default=[], description="Left out where there is none.")


class BatchPage(BaseModel):
    items: list[BatchView]
    total: int
    page: int
    limit: int


class ChangeStatus(BaseModel):
    action: str = Field(max_length=20, examples=["pause"])


class BatchStatus(BaseModel):
    id: str
    status: BatchWord
    title: str


class AffectedCalls(BaseModel):
    """What a move has done to calls; those in progress end normally."""

    initiated: int = 0
    queued: int = Field(default=0, description="Leads who wait again.")
    removedFromQueue: int = Field(default=0, description="Leads who wait no more.")  # noqa: N815
    cancelledCallLogs: int = Field(default=0, description="Of these, who are not called any more.")  # noqa: N815
    resumedCallLogs: int = Field(default=0, description="The same as queued.")  # noqa: N815


class ChangedStatus(BaseModel):
    success: bool = True
    message: str
    campaign: BatchStatus
    affectedCalls: AffectedCalls  # noqa: N815


def minutes(text: str) -> int | None:
    """
    >>> minutes("09:30"), minutes("24:00"), minutes("9"), minutes("25:00")
    (570, 1440, None, None)
    """
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        return None
    hour, minute = int(found[1]), int(found[2])
    return hour * 60 + minute if (hour <= 23 and minute <= 59) or (hour, minute) == (24, 0) else None


def batch_word(campaign: CampaignRecord, now: datetime) -> BatchWord:
    """A batch whose hour has come and whose turn has not is waiting."""
    if campaign.archived_at is not None:
        return "deleted"
    if campaign.state is CampaignState.SCHEDULED and campaign.starts_at is not None and campaign.starts_at <= now:
        return "waiting"
    return WORDS[campaign.state]


def batch_view(
    found: Found, agent_id: str, stages: Sequence[Stage] | None, last_call: datetime | None, now: datetime
) -> BatchView:
    """stages: None where they were not counted."""
    record, progress = found.record, found.progress
    retry = record.policies.retry
    total = progress.total - progress.removed
    failed = progress.exhausted + progress.skipped
    # Without stages, who waits for a retry cannot be told from who was never called.
    sent = progress.reached + progress.exhausted + progress.dialing if stages is None else 0
    of_retries: dict[str, Any] = dict.fromkeys(COUNTED_RETRIES)
    shown: dict[str, Any] = {}
    if stages is not None:
        sent = stages[0].attempted if stages else 0
        totals = {stage.depth: stage.total for stage in stages}
        of_retries = {name: totals.get(depth, 0) for depth, name in enumerate(COUNTED_RETRIES, start=1)}
        counted = [AttemptStage(depth=each.depth, attempted=each.attempted, total=each.total) for each in stages]
        shown = {"attempt_stages": counted} if counted else {}
    return BatchView(
        id=ids.shown(ids.BATCH, record.uuid),
        title=record.name,
        name=record.name,
        status=batch_word(record, now),
        status_reason=record.state_reason,
        agent_id=agent_id,
        total_records=total,
        createdAt=record.created_at,
        updatedAt=record.updated_at,
        starts_at=record.starts_at,
        ends_at=record.ends_at,
        total_lead_count=total,
        sent_lead_count=sent,
        picked_up_lead_count=progress.reached,
        picked_up_calls=progress.dispositions.get("answered", 0),
        completed=progress.reached + failed,
        failed=failed,
        last_call_sent_at=last_call,
        number_of_retries=retry.max_retries if retry.enabled else 0,
        **of_retries,
        **shown,
    )
