"""Contacts in requests and answers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from dialplane.api.shapes import Id, Tolerant
from dialplane.core.attempt import ContactState
from dialplane.core.disposition import Disposition
from dialplane.engine.additions import Added, Addition, LateContact, Rejected
from dialplane.engine.contact_book import AttemptRecord, ContactRecord

MOST_CONTACTS = 1000
MOST_VARIABLES = 200
MOST_SHOWN_CHARACTERS = 200

Number = Annotated[str, Field(max_length=100)]
ExternalId = Annotated[str, Field(min_length=1, max_length=255)]
Name = Annotated[str, Field(min_length=1, max_length=255)]


def _as_text(value: Any) -> str:
    """As JSON writes it: true and not True."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return str(value)
    raise ValueError("write text, a number, true or false")


Value = Annotated[
    str, Field(max_length=10_000), BeforeValidator(_as_text, json_schema_input_type=str | bool | int | float | None)
]


class ContactView(BaseModel):
    """One person in one campaign, and where they stand."""

    id: int
    uuid: UUID
    campaign_id: int
    phone_number: str = Field(description="E.164.", examples=["+14155550100"])
    external_id: str | None = Field(description="Your own id.")
    state: ContactState
    reason: str | None = Field(
        description="Why: the last call's disposition with the carrier's words, why nobody calls, or `cancelled`.",
        examples=["busy: 486 Busy Here", "do_not_call"],
    )
    disposition: Disposition | None = Field(description="Of the last call that has ended.")
    cause: str = Field(description="What the carrier said of it.")
    sip_status: int | None
    attempts: int = Field(description="Calls that have ended, refused ones included.")
    due_at: datetime | None = Field(description="Not called before; null: in its turn, or not at all.")
    timezone: str | None = Field(description="null: there are several that it may be, or none is known.")
    zones: list[str] = Field(description="The time zones that the number may be in.")
    priority: int
    variables: dict[str, str]
    file: str | None = Field(description="The contacts file that it came with.")
    row: int | None = Field(description="Its row in that file; the header is row 1.")

    @classmethod
    def of(cls, contact: ContactRecord) -> Self:
        return cls(**_fields(contact))


class AttemptView(BaseModel):
    """One try to reach a contact: at most one phone call."""

    id: int
    uuid: UUID
    number: int = Field(description="The first one is 1.")
    state: str
    carrier_id: int
    from_number: str
    to_number: str
    agent_id: int
    agent_version: int
    created_at: datetime
    send_at: datetime
    sent_at: datetime | None
    placed_at: datetime | None
    ringing_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    carrier_call_id: str | None
    disposition: Disposition | None
    spent: bool | None = Field(description="Whether the carrier accepted it, so that it counts against the retries.")
    sip_status: int | None
    cause: str
    transcript: list[dict[str, Any]] | None
    gathered: dict[str, Any] | None = Field(description="What the agent has gathered.")
    summary: str | None = Field(description="Of the call, in the agent's words.")
    label: str | None = Field(description="The agent's own word for what came of it.")
    usage: dict[str, Any] | None = Field(description="Of the agent's services: how much, its cost, how quick.")
    recording: str = Field(description="The key of its file; empty: there is none.")


class ContactHistory(ContactView):
    """A contact with its calls."""

    history: list[AttemptView] = Field(description="Newest first, the last hundred.")

    @classmethod
    def of_all(cls, contact: ContactRecord, attempts: Sequence[AttemptRecord]) -> Self:
        return cls(**_fields(contact), history=[AttemptView(**asdict(attempt)) for attempt in attempts])


class ContactPage(BaseModel):
    contacts: list[ContactView]
    next: int | None = Field(description="`after` of the page that follows; null: this is the last.")


def _fields(contact: ContactRecord) -> dict[str, Any]:
    fields = asdict(contact)
    zones = fields["zones"]
    return {
        **fields,
        "phone_number": fields.pop("to_number"),
        "row": fields.pop("row_number"),
        "timezone": zones[0] if len(zones) == 1 else None,
    }


# --- add ------------------------------------------------------------------------------------------


class NewContact(Tolerant):
    """Somebody to be called."""

    phone_number: Number = Field(description="Any spelling, with + unless there is a default_region.")
    external_id: str | None = Field(None, max_length=255, description="Your own id; nobody is added twice under one.")
    timezone: str | None = Field(
        None,
        max_length=64,
        description="Theirs, where the number does not say it.",
        validation_alias=AliasChoices("timezone", "time_zone"),  # as in a file
    )
    priority: int = Field(0, ge=0, le=9, description="0 none to 9 highest.")
    variables: dict[Name, Value] = Field(default_factory=dict, max_length=MOST_VARIABLES)

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={"example": {"phone_number": "+14155550100", "variables": {"name": "Ana"}}},
    )

    def contact(self) -> LateContact:
        return LateContact(
            phone_number=self.phone_number,
            external_id=self.external_id,
            timezone=self.timezone,
            priority=self.priority,
            variables=self.variables,
        )


def _or_rejected(value: Any, read: ValidatorFunctionWrapHandler) -> NewContact | Rejected:
    """One contact of a list that makes no sense is told among the results: the others shall be added."""
    try:
        contact: NewContact = read(value)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=True)[0]
        field = ".".join(str(part) for part in fault["loc"]) or "contact"
        shown = "" if fault["type"] == "missing" else str(fault["input"])[:MOST_SHOWN_CHARACTERS]
        reason = fault["msg"].removeprefix("Value error, ")
        return Rejected(field=field, value=shown, reason=reason, fix="see the schema of a contact")
    for name, meant in contact.meant().items():
        if meant is not None:  # a time zone that went unnoticed would let people be called at night
            value = str((contact.model_extra or {})[name])[:MOST_SHOWN_CHARACTERS]
            return Rejected(field=name, value=value, reason="there is no such field", fix=f"did you mean '{meant}'?")
    return contact


class ContactsToAdd(Tolerant):
    """Contacts; or the fields of a single one in place of `contacts`."""

    contacts: list[Annotated[NewContact, WrapValidator(_or_rejected)]] = Field(min_length=1, max_length=MOST_CONTACTS)
    default_region: str | None = Field(
        None, max_length=10, description="For numbers without a country code.", examples=["US"]
    )
    strict: bool = Field(False, description="Add all or none.")

    @model_validator(mode="before")
    @classmethod
    def _single(cls, body: Any) -> Any:
        if not isinstance(body, dict) or "contacts" in body or "phone_number" not in body:
            return body
        around = {name: body[name] for name in ("default_region", "strict") if name in body}
        contact = {name: value for name, value in body.items() if name not in around}
        return {"strict": True, **around, "contacts": [contact]}

    def sound(self) -> dict[int, LateContact]:
        """By position."""
        return {at: each.contact() for at, each in enumerate(self.contacts) if isinstance(each, NewContact)}

    def malformed(self) -> dict[int, Rejected]:
        entries: list[NewContact | Rejected] = list(self.contacts)
        return {at: each for at, each in enumerate(entries) if isinstance(each, Rejected)}

    def warnings(self) -> list[str]:
        """Unknown fields: of the request, and of contacts each once with its count."""
        told = Counter(text for each in self.contacts if isinstance(each, NewContact) for text in each.unknown())
        return [
            *self.unknown(),
            *(f"{_contacts(count)}: {text}; variables go into 'variables'" for text, count in told.items()),
        ]


def _contacts(count: int) -> str:
    return "1 contact" if count == 1 else f"{count} contacts"


class ContactResult(BaseModel):
    """What became of one contact; field, value, reason and fix where it was rejected."""

    index: int = Field(description="Its position in the request, from 0.")
    result: Literal["added", "exists", "rejected"]
    contact_id: int | None = None
    phone_number: str | None = Field(None, description="E.164.")
    field: str | None = None
    value: str | None = None
    reason: str | None = None
    fix: str | None = None

    @classmethod
    def of(cls, index: int, addition: Addition) -> Self:
        if isinstance(addition, Rejected):
            return cls(index=index, result="rejected", **asdict(addition))
        return cls(
            index=index,
            result="added" if isinstance(addition, Added) else "exists",
            contact_id=addition.contact_id,
            phone_number=addition.to_number,
        )


class ContactsAdded(BaseModel):
    """added, exists, rejected: how many of each."""

    campaign_id: int
    added: int
    exists: int
    rejected: int
    results: list[ContactResult] = Field(description="In the order of the request.")
    warnings: list[str]

    @classmethod
    def of(cls, campaign_id: int, additions: Mapping[int, Addition], warnings: list[str]) -> Self:
        results = [ContactResult.of(index, additions[index]) for index in sorted(additions)]
        counts = Counter(result.result for result in results)
        return cls(
            campaign_id=campaign_id,
            added=counts["added"],
            exists=counts["exists"],
            rejected=counts["rejected"],
            results=results,
            warnings=warnings,
        )


# --- remove and restore ---------------------------------------------------------------------------


class ContactsToMove(Tolerant):
    """People by id, number or your own id; all that are named."""

    contact_ids: list[Id] = Field(default_factory=list, max_length=MOST_CONTACTS)
    phone_numbers: list[Number] = Field(default_factory=list, max_length=MOST_CONTACTS)
    external_ids: list[ExternalId] = Field(default_factory=list, max_length=MOST_CONTACTS)
    default_region: str | None = Field(None, max_length=10, description="For numbers without a country code.")

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if not (self.contact_ids or self.phone_numbers or self.external_ids):
            raise ValueError("name somebody: contact_ids, phone_numbers or external_ids")
        return self


class ContactsMoved(BaseModel):
    campaign_id: int
    phone_numbers: list[str] = Field(description="Of all who were named, E.164.")
    warnings: list[str]
