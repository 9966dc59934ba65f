"""Batch calls in answers: the present shape, and the fields of the one before it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, Field

from dialplane.api.contracts.dialnexa import ids
from dialplane.core.campaign import CampaignState
from dialplane.engine.stages import Stage
from dialplane.engine.views import CampaignRecord
from dialplane.engine.views import CampaignView as Found

QUEUE: Final = "batch"  # batches of an organization run one at a time
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
