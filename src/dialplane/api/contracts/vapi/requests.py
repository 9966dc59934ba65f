"""What a client sends about campaigns."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, get_args
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from dialplane.api.contracts.vapi.shapes import (
    FURTHEST_PAGE,
    MOST_CUSTOMERS,
    Bound,
    CamelBody,
    Customer,
    Overrides,
    Plan,
    SchedulePlan,
    ServerSettings,
    one_of,
)

MOST_CONCURRENCY = 500
TARGETS = ("assistantId", "workflowId", "squadId")  # an agent each
# A campaign begins to call as it is made: what resembles one of these and is none would be missed too late.
GUARDED = frozenset({"schedulePlan", "predialPlan", "dialPlan", "maxConcurrency", "customers"})

Name = Annotated[str, Field(min_length=1, max_length=255, pattern=r"\S", examples=["Q2 Sales Campaign"])]
ServerMessage = Literal[
    "campaign.started", "campaign.cancelled", "campaign.ended", "campaign.archived", "campaign.unarchived",
    "contact.dispatched", "contact.completed", "contact.failed", "contact.skipped", "contact.predial-failed",
    "campaign.job.continued",
]  # fmt: skip
MESSAGES: tuple[str, ...] = get_args(ServerMessage)


class DialPlanEntry(CamelBody):
    """A number of ours, and whom to call from it."""

    phone_number_id: UUID
    customers: list[Customer] = Field(max_length=MOST_CUSTOMERS)


class PredialPlan(Plan):
    """The check before each call, at the server's URL."""

    enabled: bool = True


class Target(CamelBody):
    """Who calls, and from which number."""

    assistant_id: UUID | None = None
    workflow_id: UUID | None = None
    squad_id: UUID | None = None
    phone_number_id: UUID | None = None
    dial_plan: list[DialPlanEntry] | None = Field(None, min_length=1, max_length=1000)
    schedule_plan: SchedulePlan | None = None

    @model_validator(mode="after")
    def _check_target(self) -> Self:
        self.target()
        one_of(phoneNumberId=self.phone_number_id, dialPlan=self.dial_plan)
        for name, meant in self.meant().items():
            if meant in GUARDED:
                raise ValueError(f"unknown field '{name}'; did you mean '{meant}'?")
        if self.dial_plan is not None:
            customers = sum(len(entry.customers) for entry in self.dial_plan)
            if not 1 <= customers <= MOST_CUSTOMERS:
                raise ValueError(f"dialPlan must have 1 to {MOST_CUSTOMERS:,} customers, not {customers:,}")
        return self

    def target(self) -> str | None:
        """Which of the three is given. Raises ValueError for two."""
        return one_of(assistantId=self.assistant_id, workflowId=self.workflow_id, squadId=self.squad_id)

    def target_id(self) -> UUID | None:
        return self.assistant_id or self.workflow_id or self.squad_id


class CreateCampaign(Target):
    """A campaign: who calls, whom, and when. What is left out of a duplicate is as in the one that it is made of."""

    name: Name
    customers: list[Customer] | None = Field(None, max_length=MOST_CUSTOMERS)
    max_concurrency: int | None = Field(None, ge=1, le=MOST_CONCURRENCY, description="Calls at once; 10 unless given")
    assistant_overrides: Overrides | None = Field(None, description="variableValues are for all customers")
    squad_overrides: Overrides | None = None
    server: ServerSettings | None = None
    server_messages: list[ServerMessage] | None = Field(None, max_length=100)
    predial_plan: PredialPlan | None = None
    duplicate_from_campaign_id: UUID | None = None

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        if self.dial_plan is not None and self.customers is not None:
            raise ValueError("customers belong into the entries of dialPlan: give one of them")
        if self.duplicate_from_campaign_id is not None:
            return self
        if self.target() is None:
            raise ValueError("one of assistantId, workflowId and squadId must be given")
        if self.phone_number_id is None and self.dial_plan is None:
            raise ValueError("phoneNumberId or dialPlan must be given")
        if self.dial_plan is None and not self.customers:
            raise ValueError("customers must be given, one or more, unless a dialPlan has them")
        return self

    def told(self) -> dict[str, Any]:
        """What the engine has no place for, as it is answered again; the server apart, for it may hold secrets."""
        kept = {
            "assistantOverrides": self.assistant_overrides,
            "squadOverrides": self.squad_overrides,
            "serverMessages": self.server_messages,
            "predialPlan": self.predial_plan,
        }
        return {name: as_json(value) for name, value in kept.items() if value is not None}


class UpdateCampaign(Target):
    """What is to change; but for name and status, only before the campaign has started."""

    name: Name | None = None
    status: Literal["ended", "cancelled"] | None = Field(None, description="Either stops it; calls in progress end")

    def changes_target(self) -> bool:
        parts = (self.target(), self.phone_number_id, self.dial_plan, self.schedule_plan)
        return any(part is not None for part in parts)


class Listing(BaseModel):
    """Which campaigns a list is to have, and which part of it."""

    model_config = ConfigDict(alias_generator=to_camel)

    id: str | None = Field(None, max_length=100)
    status: Literal["scheduled", "in-progress", "ended", "cancelled", "archived"] | None = Field(
        None, description="Unless given: all but archived ones"
    )
    page: int = Field(1, ge=1, le=FURTHEST_PAGE)
    sort_order: Literal["ASC", "DESC"] = "DESC"
    sort_by: Literal["createdAt", "duration", "cost"] = Field(
        "createdAt", description="No call has a price here: by cost is by createdAt"
    )
    limit: int = Field(100, ge=0, le=1000)
    created_at_gt: Bound = None
    created_at_lt: Bound = None
    created_at_ge: Bound = None
    created_at_le: Bound = None
    updated_at_gt: Bound = None
    updated_at_lt: Bound = None
    updated_at_ge: Bound = None
    updated_at_le: Bound = None


class SummaryListing(Listing):
    include_counters: bool = False


class ContactListing(BaseModel):
    """Which part of a campaign's contacts."""

    model_config = ConfigDict(alias_generator=to_camel)

    status: list[
        Literal[
            "contact.pending", "contact.dispatched", "contact.completed", "contact.failed", "contact.skipped",
            "contact.predial-failed",
        ]
    ] = Field([], max_length=6)  # fmt: skip
    limit: int = Field(50, ge=1, le=1000)
    sort_by: Literal["position", "status"] = "position"
    page: int = Field(1, ge=1, le=FURTHEST_PAGE)


ListedCampaigns = Annotated[Listing, Query()]
ListedSummaries = Annotated[SummaryListing, Query()]
ListedContacts = Annotated[ContactListing, Query()]


def as_json(value: Any) -> Any:
    """What a model was made of, in the contract's spelling."""
    return value.model_dump(mode="json", by_alias=True, exclude_none=True) if isinstance(value, BaseModel) else value
