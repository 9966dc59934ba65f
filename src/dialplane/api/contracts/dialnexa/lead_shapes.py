"""Leads in requests and answers: camelCase comes in, snake_case goes out, both are understood."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Self
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from dialplane.api.contracts.dialnexa import ids
from dialplane.api.contracts.dialnexa.shapes import TextId
from dialplane.api.contracts.dialnexa.words import LeadWord, lead_word
from dialplane.api.shapes import Tolerant
from dialplane.engine.contact_book import ContactRecord
from dialplane.engine.directory import Traces
from dialplane.engine.numbering import region_of_code
from dialplane.errors import Invalid

MOST_NOTES: Final = 15
NAME: Final = "name"  # the variable that their field of this name becomes
SPELLINGS = {"phone_number": "phoneNumber", "campaign_id": "campaignId", "country_code": "countryCode"}

_CODE = re.compile(r"(?:\+|00)?([1-9]\d{0,2})")
_INTERNATIONAL = re.compile(r"\s*(?:\+|00)")

Notes = Annotated[dict[Annotated[str, Field(min_length=1, max_length=255)], Any], Field(max_length=MOST_NOTES)]
Phone = Annotated[str, Field(min_length=1, max_length=64, examples=["9876543210"])]
CountryCode = Annotated[str, Field(max_length=5, description="Of a number without +.", examples=["+91"])]


class LeadFields(Tolerant):
    """What both requests have."""

    name: str | None = Field(None, max_length=1000, description="The agent's {{name}}.")
    phoneNumber: Phone | None = None  # noqa: N815  (theirs)
    countryCode: CountryCode | None = None  # noqa: N815
    notes: Notes | None = Field(
        None, description="Values for the agent's {{variables}}.", examples=[{"policy_number": "POL-2024-001"}]
    )
    metadata: Notes | None = Field(None, description="The same as notes; both are put together.")

    @model_validator(mode="before")
    @classmethod
    def _one_spelling(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        read = dict(given)
        for snake, camel in SPELLINGS.items():
            if snake not in read or camel not in cls.model_fields:
                continue
            value = read.pop(snake)
            if read.setdefault(camel, value) != value:
                raise ValueError(f"{camel} and {snake} say the same thing and differ: give one of them")
        return read

    @model_validator(mode="after")
    def _few_notes(self) -> Self:
        if self.notes and self.metadata and len({**self.metadata, **self.notes}) > MOST_NOTES:
            raise ValueError(f"notes and metadata have more than {MOST_NOTES} keys together")
        return self

    def variables(self) -> dict[str, str] | None:
        """None where the request names none."""
        if self.notes is None and self.metadata is None:
            return None
        return texts({**(self.metadata or {}), **(self.notes or {})})


class CreateLead(LeadFields):
    """Somebody to be called by a campaign."""

    phoneNumber: Phone  # noqa: N815
    campaignId: TextId = Field(examples=["cmp_1b4e28ba2fa111d2883f0016d3cca427"])  # noqa: N815

    def contact_variables(self) -> dict[str, str]:
        names, notes = split_name(self.variables() or {})
        return {**(names if self.name is None else {NAME: self.name}), **notes}


class UpdateLead(LeadFields):
    """What is left out stays; notes and metadata replace what was there."""

    def over(self, variables: Mapping[str, str]) -> dict[str, str] | None:
        """The variables with what is given here; None: they stay."""
        given = self.variables()
        if given is None and self.name is None:
            return None
        before, notes_before = split_name(variables)
        names, notes = split_name(given or {})
        named = names or before if self.name is None else {next(iter(before), NAME): self.name}
        return {**named, **(notes_before if given is None else notes)}


class LeadView(BaseModel):
    """Somebody to be called by a campaign, and how far that is."""

    id: str = Field(examples=["lead_1b4e28ba2fa111d2883f0016d3cca427"])
    name: str | None
    phone_number: str = Field(description="E.164.")
    campaign_id: str
    status: LeadWord
    reason: str | None = Field(description="Why it stands where it does.", examples=["busy: 486 Busy Here"])
    notes: dict[str, str]
    metadata: dict[str, str] = Field(description="The same as notes.")
    attempts: int = Field(description="Calls that have ended.")
    call_log_id: str | None = Field(description="Its last call.")
    created_at: datetime


class LeadPage(BaseModel):
    data: list[LeadView]
    meta: LeadMeta


class LeadMeta(BaseModel):
    """Leads are paged by key: a million of them are as quick as ten."""

    limit: int
    next: str | None = Field(description="`after` of the page that follows; null: this is the last.")


class Uploaded(BaseModel):
    """What a file came to."""

    campaign_id: str
    leads_created: int
    leads_skipped: int = Field(description="Rows that are no leads, those whose number the campaign has included.")
    message: str


@dataclass(frozen=True, slots=True)
class Campaign:
    """Of a lead: what its answer says of it."""

    uuid: UUID
    created_at: datetime


def lead_view(contact: ContactRecord, campaign: Campaign, traces: Traces | None) -> LeadView:
    names, notes = split_name(contact.variables)
    last = traces.last_attempt if traces else None
    added_at = traces.added_at if traces else None
    return LeadView(
        id=ids.shown(ids.LEAD, contact.uuid),
        name=next(iter(names.values()), None),
        phone_number=contact.to_number,
        campaign_id=ids.shown(ids.CAMPAIGN, campaign.uuid),
        status=lead_word(contact.state, contact.attempts),
        reason=contact.reason,
        notes=notes,
        metadata=notes,
        attempts=contact.attempts,
        call_log_id=None if last is None else ids.shown(ids.CALL, last),
        created_at=added_at or campaign.created_at,
    )


def region_of(number: str | None, country_code: str | None) -> str | None:
    """The region in which a national number is to be read.

    Raises Invalid for a code that is none, or of another country than the number; and for a national number without.
    """
    international = number is not None and _INTERNATIONAL.match(number) is not None
    if country_code is None or not country_code.strip():
        if number is not None and not international:
            raise Invalid(
                f"phoneNumber '{number}' has no country code: write it with +, such as +919876543210, "
                "or give countryCode"
            )
        return None
    code = _CODE.fullmatch(country_code.strip())
    region = None if code is None else region_of_code(code[1])
    if code is None or region is None:
        raise Invalid(f"countryCode '{country_code}' is none: write one such as +91")
    if number is not None and international and not re.sub(r"\D", "", number).removeprefix("00").startswith(code[1]):
        raise Invalid(f"phoneNumber '{number}' does not begin with countryCode '{country_code}': mend one of them")
    return region


def texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Variables of a contact are texts, as in a file.

    >>> texts({"visits": 3, "vip": True, "note": None, "tags": ["a"]})
    {'visits': '3', 'vip': 'true', 'note': '', 'tags': '["a"]'}
    """
    return {
        name: value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
        for name, value in values.items()
    }


def split_name(variables: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The variable that their `name` is, under whatever spelling a file gave it, and the others.

    >>> split_name({"Name": "Ana", "city": "Bonn"})
    ({'Name': 'Ana'}, {'city': 'Bonn'})
    """
    named = {key: value for key, value in variables.items() if key.casefold() == NAME}
    return named, {key: value for key, value in variables.items() if key not in named}
