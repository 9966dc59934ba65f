"""Campaigns in requests and answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, Field, field_validator, model_validator

from dialplane.api.contracts.dialnexa import ids
from dialplane.api.contracts.dialnexa.shapes import Exact, Meta, TextId, WrittenInstant
from dialplane.api.contracts.dialnexa.words import CAMPAIGN_WORDS, CampaignWord
from dialplane.api.shapes import Tolerant
from dialplane.core.campaign import Policies
from dialplane.core.retry import MAX_RETRIES, RetryPolicy
from dialplane.engine.views import CampaignView as Found

MOST_MINUTES = 7 * 24 * 60
MOST_LINES = 1_000_000
FIRST_YEAR, LAST_YEAR = 1970, 9998  # further out, a change of zone leaves the calendar

Name = Annotated[str, Field(min_length=1, max_length=255, pattern=r"\S", examples=["Renewals, March"])]
Lines = Annotated[int, Field(ge=1, le=MOST_LINES, description="Calls at once.", examples=[5])]
ScheduledAt = Annotated[
    WrittenInstant | None,
    Field(description="When calling begins, with a zone.", examples=["2026-12-01T09:00:00+05:30"]),
]


class RetryConfig(Exact):
    """How often, and how far apart, somebody is called again who did not answer or was busy."""

    max_retries: int | None = Field(None, ge=0, le=MAX_RETRIES, description="Beyond the first call.", examples=[2])
    retry_interval_minutes: float | None = Field(
        None, ge=0, le=MOST_MINUTES, allow_inf_nan=False, description="From the end of a call.", examples=[30]
    )

    def over(self, retry: RetryPolicy) -> RetryPolicy:
        """The policy with what is given here; one interval for all outcomes."""
        if self.max_retries is not None:
            retry = replace(retry, max_retries=self.max_retries, enabled=True)
        if self.retry_interval_minutes is not None:
            retry = replace(retry, delay_seconds=self.retry_interval_minutes * 60, delays={}, backoff=1.0)
        return retry


class Settings(Tolerant):
    """What can be set for a campaign, in both of the spellings that DialNexa's pages have."""

    max_concurrent_calls: Lines | None = None
    scheduled_at: ScheduledAt = None
    retry_config: RetryConfig | None = None
    retry_policy: RetryConfig | None = Field(None, description="The same as retry_config.")

    @field_validator("scheduled_at")
    @classmethod
    def _check_year(cls, at: datetime | None) -> datetime | None:
        if at is not None and not FIRST_YEAR <= at.year <= LAST_YEAR:
            raise ValueError(f"the year must be between {FIRST_YEAR} and {LAST_YEAR}")
        return at

    @model_validator(mode="after")
    def _check_retry(self) -> Self:
        if None not in (self.retry_config, self.retry_policy) and self.retry_config != self.retry_policy:
            raise ValueError("retry_config and retry_policy say the same thing and differ: give one of them")
        return self

    def over(self, policies: Policies) -> Policies:
        """The policies with what is given here."""
        retry = self.retry_config or self.retry_policy
        if retry is not None:
            policies = replace(policies, retry=retry.over(policies.retry))
        if "max_concurrent_calls" in self.model_fields_set:
            policies = replace(policies, max_lines=self.max_concurrent_calls)
        return policies


class CreateCampaign(Settings):
    """A campaign, which begins at once, or when it says; leads are added before and after."""

    name: Name
    agent_id: TextId = Field(examples=["agt_1b4e28ba2fa111d2883f0016d3cca427"])
    from_phone_number: str | None = Field(
        None, max_length=64, description="null: any of the default carrier's.", examples=["+14155550100"]
    )
    status: CampaignWord | None = Field(None, description="`draft` keeps it from starting by itself.")

    @field_validator("status")
    @classmethod
    def _check_status(cls, status: CampaignWord | None) -> CampaignWord | None:
        if status not in (None, "draft", "active", "running"):
            raise ValueError("a new campaign is draft, active or running")
        return status


class UpdateCampaign(Settings):
    """What is left out stays as it is. All but the status counts from the next call on."""

    name: Name | None = None
    agent_id: TextId | None = Field(None, description="Until the first call.")
    status: CampaignWord | None = Field(
        None,
        description="`paused` and `running` stop and go on, `cancelled` ends it for good, `completed` closes it: it "
        "takes no more leads and ends with the last call.",
    )


class RetryView(BaseModel):
    max_retries: int
    retry_interval_minutes: int | float


class CampaignView(BaseModel):
    """A campaign. `completed_calls` and `pending_calls` add up to `total_leads`."""

    id: str = Field(examples=["cmp_1b4e28ba2fa111d2883f0016d3cca427"])
    organization_id: str
    name: str
    agent_id: str
    from_phone_number: str | None
    status: CampaignWord
    status_reason: str = Field(description="Why it is paused, where nobody paused it.")
    is_open: bool = Field(description="Whether it goes on waiting for leads when all have been called.")
    max_concurrent_calls: int | None
    scheduled_at: datetime | None
    retry_config: RetryView
    total_leads: int = Field(description="Without removed ones.")
    completed_calls: int = Field(description="Leads whose calls are over, whatever they came to.")
    pending_calls: int = Field(description="Leads who wait, or are being called.")
    in_progress_calls: int = Field(description="Of these, who are being called.")
    failed_calls: int = Field(description="Of the completed ones, who were not reached.")
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    warnings: list[str] = []


class CampaignPage(BaseModel):
    data: list[CampaignView]
    meta: Meta


class CampaignStatus(BaseModel):
    id: str
    status: CampaignWord
    total_leads: int
    completed_calls: int
    pending_calls: int
    in_progress_calls: int
    failed_calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What the ids in some campaigns stand for."""

    organization: UUID
    agents: Mapping[int, UUID]
    numbers: Mapping[int, str]


def campaign_view(found: Found, names: Names, warnings: Sequence[str] = ()) -> CampaignView:
    record = found.record
    retry = record.policies.retry
    return CampaignView(
        id=ids.shown(ids.CAMPAIGN, record.uuid),
        organization_id=ids.shown(ids.ORGANIZATION, names.organization),
        name=record.name,
        agent_id=ids.shown(ids.AGENT, names.agents[record.agent_id]),
        from_phone_number=next((names.numbers[each] for each in record.number_ids if each in names.numbers), None),
        status=CAMPAIGN_WORDS[record.state],
        status_reason=record.state_reason,
        is_open=record.keep_open,
        max_concurrent_calls=record.policies.max_lines,
        scheduled_at=record.starts_at,
        retry_config=RetryView(
            max_retries=retry.max_retries if retry.enabled else 0, retry_interval_minutes=_minutes(retry.delay_seconds)
        ),
        **counters(found),
        created_at=record.created_at,
        updated_at=record.updated_at,
        started_at=record.started_at,
        ended_at=record.ended_at,
        warnings=list(warnings),
    )


def _minutes(seconds: float) -> int | float:
    """
    >>> _minutes(1800.0), _minutes(90.0)
    (30, 1.5)
    """
    minutes = seconds / 60
    return int(minutes) if minutes.is_integer() else minutes


def campaign_status(found: Found) -> CampaignStatus:
    record = found.record
    return CampaignStatus(
        id=ids.shown(ids.CAMPAIGN, record.uuid), status=CAMPAIGN_WORDS[record.state], **counters(found)
    )


def counters(found: Found) -> dict[str, Any]:
    """From counters, not from rows."""
    progress = found.progress
    failed = progress.exhausted + progress.skipped
    return {
        "total_leads": progress.total - progress.removed,
        "completed_calls": progress.reached + failed,
        "pending_calls": progress.waiting + progress.dialing,
        "in_progress_calls": progress.dialing,
        "failed_calls": failed,
    }
