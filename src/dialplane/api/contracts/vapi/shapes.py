"""What Vapi's requests and answers have in common: camel case, customers, plans, pages."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from math import ceil
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

from dialplane.api.contracts.dograh.policies import nearest
from dialplane.api.instants import FIRST_YEAR, LAST_YEAR, first_instant
from dialplane.api.shapes import Tolerant

MOST_CUSTOMERS = 10_000  # of one campaign; Source: the published contract
MOST_OVERRIDE_CHARACTERS = 65_536
MOST_VARIABLES = 200
FURTHEST_PAGE = 1_000_000
E164 = re.compile(r"\+[1-9]\d{4,14}")
WITHOUT_CHECK = re.compile(r"\+?[0-9A-Za-z .()/-]+")
VARIABLES = "variableValues"


class Camel(BaseModel):
    """An answer in camel case."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, validate_by_alias=True)


class CamelBody(Tolerant):
    """A request in camel case, or with our underscores; what nobody knows is told back."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, validate_by_alias=True)

    def meant(self) -> dict[str, str | None]:
        known = [field.alias or name for name, field in type(self).model_fields.items()]
        near = {name: difflib.get_close_matches(name, known, n=1) for name in self.model_extra or ()}
        return {name: found[0] if found else None for name, found in near.items()}


class Plan(BaseModel):
    """An object of rules: an unknown field of it is refused, as it may be what keeps a call from being made."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, extra="allow")

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        known = [field.alias or name for name, field in type(self).model_fields.items()]
        for name in self.model_extra or ():
            raise ValueError(f"unknown field '{name}'; {nearest(name, known)}")
        return self


def instant(value: object) -> datetime:
    """Raises ValueError for one without a zone: 09:00 of where?"""
    if not isinstance(value, str):
        raise ValueError("must be a valid ISO 8601 date string")
    try:
        found = datetime.fromisoformat(value.strip())
    except ValueError:
        raise ValueError("must be a valid ISO 8601 date string, such as 2026-12-01T09:00:00Z") from None
    if found.tzinfo is None:
        raise ValueError("must have a time zone, such as 2026-12-01T09:00:00Z")
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise ValueError(f"the year must be between {FIRST_YEAR} and {LAST_YEAR}")
    return found.astimezone(UTC)


Instant = Annotated[datetime, BeforeValidator(instant)]
# In a query a date alone will do, and a bare + may have become a space.
Bound = Annotated[datetime | None, BeforeValidator(first_instant)]


def overrides(value: object) -> dict[str, Any]:
    """An object that is kept as it came. Raises ValueError for one too large, and variables of a wrong shape."""
    if not isinstance(value, dict):
        raise ValueError("must be an object")
    variables = value.get(VARIABLES)
    if variables is not None and not isinstance(variables, dict):
        raise ValueError(f"{VARIABLES} must be an object")
    if variables and len(variables) > MOST_VARIABLES:
        raise ValueError(f"{VARIABLES} must not have more than {MOST_VARIABLES} entries")
    if len(json.dumps(value, ensure_ascii=False)) > MOST_OVERRIDE_CHARACTERS:
        raise ValueError(f"must not be longer than {MOST_OVERRIDE_CHARACTERS:,} characters")
    return value


Overrides = Annotated[dict[str, Any], BeforeValidator(overrides)]


class Customer(CamelBody):
    """Whom to call."""

    number: str | None = Field(None, min_length=3, max_length=40, examples=["+14155550100"])
    number_e164_check_enabled: bool = Field(
        True, description="Off: other spellings are read as in the country of the number that calls"
    )
    sip_uri: str | None = Field(None, max_length=1000)
    name: str | None = Field(None, max_length=40)
    email: str | None = Field(None, max_length=40)
    external_id: str | None = Field(None, max_length=40)
    extension: str | None = Field(None, max_length=10)
    assistant_overrides: Overrides | None = Field(None, description="variableValues are for this customer alone")
    squad_overrides: Overrides | None = None

    @field_validator("sip_uri")
    @classmethod
    def _check_sip_uri(cls, uri: str | None) -> str | None:
        if uri is not None:
            raise ValueError("calls to SIP addresses cannot be made yet; give a number")
        return uri

    @model_validator(mode="after")
    def _check_number(self) -> Self:
        if self.number is None:
            raise ValueError("number is missing")
        if self.number_e164_check_enabled and not E164.fullmatch(self.number):
            raise ValueError(f"number '{self.number}' must be in the E.164 format, like +14155550100")
        if not WITHOUT_CHECK.fullmatch(self.number):
            raise ValueError(f"number '{self.number}' must have letters and digits alone")
        return self

    def variables(self, common: Mapping[str, str]) -> dict[str, str]:
        """For the agent's text: its own values before those that all customers share, before its fields."""
        fields = {"name": self.name, "email": self.email, "extension": self.extension}
        given = {name: value for name, value in fields.items() if value is not None}
        return given | dict(common) | variable_values(self.assistant_overrides, self.squad_overrides)


def variable_values(*objects: Mapping[str, Any] | None) -> dict[str, str]:
    """
    >>> variable_values({"variableValues": {"plan": "gold", "seats": 3, "vip": True, "note": None}})
    {'plan': 'gold', 'seats': '3', 'vip': 'true', 'note': ''}
    """
    return {
        str(name): value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
        for each in objects
        for name, value in ((each or {}).get(VARIABLES) or {}).items()
    }


class SchedulePlan(Plan):
    """When calls may begin: not before `earliestAt`, and none from `latestAt` on."""

    earliest_at: Instant = Field(examples=["2026-12-01T09:00:00Z"])
    latest_at: Instant | None = Field(None, examples=["2026-12-01T17:00:00Z"])

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.latest_at is not None and self.latest_at <= self.earliest_at:
            raise ValueError("latestAt must be after earliestAt")
        return self


class ServerSettings(CamelBody):
    """Where messages go."""

    url: str | None = Field(None, max_length=2000, examples=["https://example.com/hook"])
    timeout_seconds: float | None = Field(None, ge=1, le=300)
    secret: str | None = Field(None, max_length=1000, description="Sent along as X-Vapi-Secret")
    headers: dict[str, str] | None = Field(None, max_length=50)
    credential_id: str | None = Field(None, max_length=100)


class PageMeta(Camel):
    items_per_page: int
    total_items: int
    current_page: int
    total_pages: int
    has_next_page: bool
    sort_order: str | None = None

    @classmethod
    def of(cls, page: int, limit: int, total: int, sort_order: str | None = None) -> Self:
        return cls(
            items_per_page=limit,
            total_items=total,
            current_page=page,
            total_pages=ceil(total / limit) if limit else 0,
            has_next_page=bool(limit) and page * limit < total,
            sort_order=sort_order,
        )


def one_of(**given: object) -> str | None:
    """The name of the one that is there; None for none. Raises ValueError for two."""
    names = [name for name, value in given.items() if value is not None]
    if len(names) > 1:
        raise ValueError(f"only one of {' and '.join(names)} can be given")
    return names[0] if names else None


def as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
