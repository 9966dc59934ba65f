"""Campaigns as the contracts show them; `state` is Dograh's word, `status` Sysevo's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from dialplane.api.contracts.dograh.policy_views import (
    AbandonDayView,
    AbandonView,
    BreakerView,
    MachineView,
    RecordingView,
    RetryView,
    ScheduleView,
    VersionWeightView,
    abandon_day_view,
    abandon_view,
    breaker_view,
    machine_view,
    recording_view,
    retry_view,
    schedule_view,
    split_view,
)
from dialplane.core.campaign import CampaignState
from dialplane.core.disposition import Disposition
from dialplane.engine.views import CampaignRecord, CampaignView, LogEntry, Progress

# Dograh's words for what happened; the others are ours.
EVENTS = {
    "breaker.tripped": "circuit_breaker_tripped",
    "carrier.suspended": "circuit_breaker_tripped",
    "contacts.import_failed": "source_sync_failed",
    "campaign.failed": "batch_failed",
}
SYNC = {"importing": "in_progress", "imported": "completed", "failed": "failed"}


class LogEntryView(BaseModel):
    ts: datetime
    level: str = Field(description="warning or error")
    event: str
    message: str
    details: dict[str, Any] | None


class SourceSync(BaseModel):
    """How far the contacts file has been read."""

    status: str = Field(description="pending, in_progress, completed or failed")
    last_synced_at: datetime | None
    error: str | None
    file: str | None
    rows_read: int
    contacts: int
    rejected_rows: int = Field(description="Of all its files; GET /campaign/{id}/rejects tells why")


class CampaignResponse(BaseModel):
    id: int
    uuid: UUID
    name: str
    workflow_id: int
    workflow_name: str
    state: str = Field(description="created, scheduled, syncing, running, paused, completed, failed or cancelled")
    status: str = Field(description="The same, with draft for created and running for syncing")
    state_reason: str = Field(description="Why it was paused or has failed")
    source_type: str
    source_id: str
    total_rows: int | None = Field(description="Contacts; null before any was read")
    processed_rows: int = Field(description="Contacts that have come to an end")
    failed_rows: int = Field(description="Of these, those whose calls reached nobody")
    executed_count: int = Field(description="Calls that have ended")
    total_queued_count: int = Field(description="These, and one for each contact that waits or is being called")
    created_at: datetime
    starts_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    ended_at: datetime | None = Field(description="When it was completed or cancelled, or failed")
    retry_config: RetryView
    max_concurrency: int | None
    rate_limit_per_second: float | None = Field(description="Its own, or the carrier's")
    schedule_config: ScheduleView | None
    circuit_breaker: BreakerView
    abandon: AbandonView
    abandoned_calls: AbandonDayView | None = Field(description="Of the latest day on which somebody answered")
    recording: RecordingView
    machine_detection: MachineView
    agent_versions: list[VersionWeightView] = Field(description="Empty: the version in force speaks")
    keep_open: bool
    number_ids: list[int] = Field(description="It calls from these; empty: from all of its configuration")
    parent_campaign_id: int | None = Field(description="What it is a redial of")
    redialed_campaign_id: int | None = Field(description="Its newest redial")
    telephony_configuration_id: int
    telephony_configuration_name: str
    source_sync: SourceSync
    logs: list[LogEntryView] = Field(description="The latest 50 warnings and errors, oldest first")
    warnings: list[str] = Field([], description="What of this request may not be as it was meant")


class CampaignList(BaseModel):
    campaigns: list[CampaignResponse] = Field(description="Newest first")
    total_count: int
    page: int
    limit: int
    total_pages: int


class CampaignProgressResponse(BaseModel):
    """Where a campaign stands, in the words of each contract and in ours."""

    campaign_id: int
    state: str
    status: str
    total_rows: int
    processed_rows: int
    failed_calls: int = Field(description="Contacts whose calls reached nobody")
    progress_percentage: float
    source_sync: SourceSync
    rate_limit: int = Field(description="Calls started per second at most; 0 is no limit")
    started_at: datetime | None
    completed_at: datetime | None

    total_contacts: int
    dialled: int = Field(description="Contacts that are being called or whose calls have ended")
    in_progress: int = Field(description="Of these, those that are being called")
    pending: int = Field(
        description="All others: who waits, for a first call or for a retry, and who is not called any more"
    )
    answered: int = Field(description="completed + failed")
    completed: int = Field(description="Contacts with whom the agent spoke")
    failed: int = Field(description="Answered calls in which the agent failed")

    total: int = Field(description="The same as total_rows")
    processed: int = Field(description="The same as processed_rows")
    completion_percentage: float = Field(description="The same as progress_percentage")

    contacts: dict[str, int] = Field(description="By state, and `total`")
    attempts: int = Field(description="Calls that have ended")
    dispositions: dict[str, int] = Field(description="Of the calls that have ended")
    calls: dict[str, int] = Field(description="Calls in progress, by state")
    abandoned_calls: list[AbandonDayView] = Field(
        description="The latest 31 days on which somebody answered, newest first"
    )


class DownloadResponse(BaseModel):
    download_url: str
    expires_in: int = Field(description="Seconds")


class DeletedCampaign(BaseModel):
    id: int
    deleted: bool = True


def state_word(campaign: CampaignRecord) -> str:
    if campaign.state is CampaignState.DRAFT:
        return "created"
    if campaign.state is CampaignState.RUNNING and campaign.importing is not None:
        return "syncing"
    return campaign.state.value


def source_of(campaign: CampaignRecord) -> str:
    """The key of its contacts file; "" for a campaign that was made without one."""
    return campaign.source or (campaign.file.key if campaign.file is not None else "")


def campaign_response(view: CampaignView, warnings: Sequence[str] = ()) -> CampaignResponse:
    campaign, progress = view.record, view.progress
    return CampaignResponse(
        id=campaign.id,
        uuid=campaign.uuid,
        name=campaign.name,
        workflow_id=campaign.agent_id,
        workflow_name=campaign.agent_name,
        state=state_word(campaign),
        status=campaign.state.value,
        state_reason=campaign.state_reason,
        source_type="csv",
        source_id=source_of(campaign),
        total_rows=None if campaign.importing is not None and not progress.total else progress.total,
        processed_rows=_processed(progress),
        failed_rows=progress.exhausted,
        executed_count=progress.attempts,
        total_queued_count=progress.attempts + progress.waiting + progress.dialing,
        created_at=campaign.created_at,
        starts_at=campaign.starts_at,
        started_at=campaign.started_at,
        completed_at=_completed_at(campaign),
        ended_at=campaign.ended_at,
        retry_config=retry_view(campaign.policies.retry),
        max_concurrency=campaign.policies.max_lines,
        rate_limit_per_second=campaign.policies.cps or campaign.carrier_cps,
        schedule_config=schedule_view(campaign.policies.window),
        circuit_breaker=breaker_view(campaign.policies.breaker),
        abandon=abandon_view(campaign.policies.abandon),
        abandoned_calls=abandon_day_view(progress.answers[0]) if progress.answers else None,
        recording=recording_view(campaign.policies.recording),
        machine_detection=machine_view(campaign.policies.machines),
        agent_versions=split_view(campaign.policies.split),
        keep_open=campaign.keep_open,
        number_ids=list(campaign.number_ids),
        parent_campaign_id=campaign.parent_id,
        redialed_campaign_id=campaign.redialed_id,
        telephony_configuration_id=campaign.carrier_id,
        telephony_configuration_name=campaign.carrier_name,
        source_sync=_source_sync(campaign),
        logs=[_log_entry(entry) for entry in view.faults],
        warnings=list(warnings),
    )


def progress_response(campaign: CampaignRecord, progress: Progress) -> CampaignProgressResponse:
    """Every sum in it holds: dialled + pending = total_contacts, answered = completed + failed."""
    processed = _processed(progress)
    percentage = round(100 * processed / progress.total, 2) if progress.total else 0.0
    dialled = progress.reached + progress.exhausted + progress.dialing
    agent_failed = progress.dispositions.get(Disposition.AGENT_FAILED.value, 0)
    return CampaignProgressResponse(
        campaign_id=campaign.id,
        state=state_word(campaign),
        status=campaign.state.value,
        total_rows=progress.total,
        processed_rows=processed,
        failed_calls=progress.exhausted,
        progress_percentage=percentage,
        source_sync=_source_sync(campaign),
        rate_limit=_rate_limit(campaign),
        started_at=campaign.started_at,
        completed_at=_completed_at(campaign),
        total_contacts=progress.total,
        dialled=dialled,
        in_progress=progress.dialing,
        pending=progress.total - dialled,
        answered=progress.reached + agent_failed,
        completed=progress.reached,
        failed=agent_failed,
        total=progress.total,
        processed=processed,
        completion_percentage=percentage,
        contacts=progress.contacts(),
        attempts=progress.attempts,
        dispositions=dict(progress.dispositions),
        calls=dict(progress.calls),
        abandoned_calls=[abandon_day_view(day) for day in progress.answers],
    )


def _processed(progress: Progress) -> int:
    return progress.reached + progress.exhausted + progress.skipped + progress.removed


def _completed_at(campaign: CampaignRecord) -> datetime | None:
    return campaign.ended_at if campaign.state is CampaignState.COMPLETED else None


def _rate_limit(campaign: CampaignRecord) -> int:
    """Whole calls per second, as the contract has it: the lowest limit, at least 1."""
    limits = [campaign.policies.cps, campaign.carrier_cps, campaign.organization_cps]
    lowest = min((cps for cps in limits if cps is not None), default=0)
    return max(1, round(lowest)) if lowest else 0


def _source_sync(campaign: CampaignRecord) -> SourceSync:
    """Contacts that were copied or added by hand need no import: that is completed."""
    file = campaign.file
    if file is None:
        return SourceSync(
            status="completed", last_synced_at=None, error=None, file=None, rows_read=0, contacts=0, rejected_rows=0
        )
    waits = file.state == "importing" and not file.rows
    return SourceSync(
        status="pending" if waits else SYNC[file.state],
        last_synced_at=file.finished_at,
        error=file.error or None,
        file=file.name,
        rows_read=file.rows,
        contacts=file.contacts,
        rejected_rows=campaign.rejects,
    )


def _log_entry(entry: LogEntry) -> LogEntryView:
    return LogEntryView(
        ts=entry.at,
        level=entry.level,
        event=EVENTS.get(entry.event, entry.event),
        message=entry.message,
        details=None if entry.details is None else dict(entry.details),
    )
