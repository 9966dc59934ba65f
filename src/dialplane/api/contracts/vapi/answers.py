"""Campaigns and their contacts as Vapi's clients read them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from dialplane.api.contracts.vapi.shapes import Camel, PageMeta

MOST_CALLS = 1000


class CallDetails(Camel):
    """One call of a campaign; `GET /call/{id}` has all of it."""

    id: UUID
    status: str
    ended_reason: str | None = None
    customer: dict[str, str]
    created_at: datetime
    started_at: datetime | None = Field(None, description="When it was answered")
    ended_at: datetime | None = None


class CustomerView(Camel):
    number: str
    name: str | None = None
    email: str | None = None
    external_id: str | None = None
    extension: str | None = None
    assistant_overrides: dict[str, Any] | None = Field(None, description="With this customer's variableValues")


class DialPlanEntryView(Camel):
    phone_number_id: UUID
    customers: list[CustomerView]


class Base(Camel):
    """What campaigns and their summaries have in common."""

    id: UUID
    org_id: UUID
    name: str
    status: str = Field(examples=["in-progress"])
    ended_reason: str | None = None
    assistant_id: UUID | None = None
    squad_id: UUID | None = None
    phone_number_id: UUID | None = Field(None, description="Left out where it calls from several")
    schedule_plan: dict[str, Any] | None = None
    max_concurrency: int | None = Field(None, description="Left out where only the organization's cap counts")
    assistant_overrides: dict[str, Any] | None = None
    squad_overrides: dict[str, Any] | None = None
    server: dict[str, Any] | None = Field(None, description="The secret and the headers are masked")
    server_messages: list[str] | None = None
    predial_plan: dict[str, Any] | None = None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    warnings: list[str] | None = Field(None, description="What of this request may not be as it was meant")


class Campaign(Base):
    workflow_id: UUID | None = None
    customers: list[CustomerView] | None = Field(
        None,
        description="The first 1,000, and only where one campaign is asked for; /v2/campaign/{id}/contacts has all",
    )
    dial_plan: list[DialPlanEntryView] | None = Field(None, description="In the place of customers, where it was given")
    calls: dict[str, CallDetails] = Field(
        description="By id: the newest 1,000 where one campaign is asked for; empty in lists"
    )
    calls_counter_scheduled: int = Field(description="Customers who wait for the campaign to start")
    calls_counter_queued: int = Field(description="Customers who wait for a line")
    calls_counter_in_progress: int
    calls_counter_ended_voicemail: int
    calls_counter_ended: int


class CampaignPage(Camel):
    results: list[Campaign]
    metadata: PageMeta


class ContactCounters(Camel):
    """Their sum is the number of contacts."""

    pending: int
    dispatched: int
    completed: int = Field(description="Called: the call has ended, whatever it came to")
    failed: int = Field(description="The network took no call")
    skipped: int
    predial_failed: int


class CallMetrics(Camel):
    dialed: int = Field(description="Contacts for whom a call was placed")
    connected: int = Field(description="Of these, those who answered in person")


class CampaignSummary(Base):
    contact_counters: ContactCounters | None = Field(None, description="With includeCounters alone")
    call_metrics: CallMetrics | None = Field(None, description="With includeCounters alone")


class SummaryPage(Camel):
    results: list[CampaignSummary]
    metadata: PageMeta


class ContactWithOutcome(Camel):
    id: UUID
    number: str
    name: str | None = None
    status: str = Field(examples=["contact.completed"])
    call_id: UUID | None = Field(None, description="Of its newest call")
    dispatched_at: datetime | None = None
    ended_reason: str | None = None
    external_id: str | None = None


class ContactPage(Camel):
    results: list[ContactWithOutcome]
    metadata: PageMeta
