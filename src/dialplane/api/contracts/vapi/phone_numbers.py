"""`/phone-number`: numbers that calls come from. Each belongs to a carrier, which is what Vapi calls their provider.

`vapi` is the organization's usual carrier. `twilio` comes with credentials and makes a carrier of its own; the others
name one by `credentialId`, the uuid of a telephony configuration. Calls to these numbers are not answered here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import Field, model_validator

from dialplane.api.access import OwnerApp, ViewerApp
from dialplane.api.contracts.vapi.lists import Listed, Listing
from dialplane.api.contracts.vapi.shapes import FURTHEST_PAGE, Camel, CamelBody, PageMeta, as_uuid
from dialplane.api.route import Route
from dialplane.engine.caller_numbers import CarriedNumber
from dialplane.errors import Conflict, Invalid, NotFound
from dialplane.providers import SIMULATED
from dialplane.wiring import App

Provider = Literal["vapi", "twilio", "vonage", "telnyx", "byo-phone-number"]
OWN: tuple[Provider, ...] = ("twilio", "vonage", "telnyx")
TWILIO_FIELDS = {
    "twilio_account_sid": "account_sid",
    "twilio_auth_token": "auth_token",
    "twilio_api_key": "api_key",
    "twilio_api_secret": "api_secret",
}
KEPT = ("assistant_id", "workflow_id", "squad_id")  # who would answer: answered again, and nobody does
DOOR = "vapi"  # in a number's metadata
FICTIONAL = range(100, 200)  # 555-0100 to 555-0199 belong to nobody. Source: North American Numbering Plan

NumberId = Annotated[str, Path(alias="id", max_length=100, description="The number's uuid")]
Secret = Annotated[str, Field(min_length=1, max_length=1000)]
Name = Annotated[str, Field(max_length=40)]

router = APIRouter(tags=["phone numbers"], route_class=Route)


class PhoneNumberChange(CamelBody):
    """What is left out stays."""

    name: Name | None = None
    assistant_id: UUID | None = None
    workflow_id: UUID | None = None
    squad_id: UUID | None = None

    def kept(self) -> dict[str, str]:
        """What has a place in the number's metadata alone."""
        given = {name: getattr(self, name) for name in KEPT}
        return {name: str(value) for name, value in given.items() if value is not None}

    def warnings(self) -> list[str]:
        unanswered = ["calls to the number are not answered: it is called from"] if self.kept() else []
        return [*self.unknown(), *unanswered]


class NewPhoneNumber(PhoneNumberChange):
    """A number to call from."""

    provider: Provider
    number: str | None = Field(None, min_length=3, max_length=40, examples=["+14155550100"])
    number_e164_check_enabled: bool = True
    number_desired_area_code: str | None = Field(None, pattern=r"^\d{3}$", description="On the simulated carrier alone")
    credential_id: UUID | None = Field(None, description="The uuid of a telephony configuration")
    twilio_account_sid: Secret | None = None
    twilio_auth_token: Secret | None = None
    twilio_api_key: Secret | None = None
    twilio_api_secret: Secret | None = None

    @model_validator(mode="after")
    def _check_provider(self) -> Self:
        if self.provider != "vapi" and self.number is None:
            raise ValueError(f"number must be given for provider '{self.provider}'")
        if self.provider == "twilio":
            if self.twilio_account_sid is None:
                raise ValueError("twilioAccountSid must be given")
            if self.twilio_auth_token is None and (self.twilio_api_key is None or self.twilio_api_secret is None):
                raise ValueError("twilioAuthToken, or twilioApiKey and twilioApiSecret, must be given")
        elif self.provider != "vapi" and self.credential_id is None:
            raise ValueError(f"credentialId must be given for provider '{self.provider}'")
        return self


class PhoneNumber(Camel):
    """A number to call from."""

    id: UUID
    org_id: UUID
    provider: Provider
    number: str
    name: str | None = None
    status: Literal["active", "blocked"] = Field(description="blocked: switched off")
    credential_id: UUID | None = Field(None, description="The uuid of its telephony configuration")
    twilio_account_sid: str | None = Field(None, description="Masked but for its end")
    assistant_id: UUID | None = None
    workflow_id: UUID | None = None
    squad_id: UUID | None = None
    created_at: datetime
    updated_at: datetime
    warnings: list[str] | None = None


class PhoneNumberPage(Camel):
    results: list[PhoneNumber]
    metadata: PageMeta


class PageListing(Listing):
    search: str | None = Field(None, max_length=100, description="A part of the number or of its name")
    page: int = Field(1, ge=1, le=FURTHEST_PAGE)
    sort_order: Literal["ASC", "DESC"] = "DESC"


@router.post("/phone-number", status_code=201, response_model_exclude_none=True)
async def create_phone_number(app: OwnerApp, body: NewPhoneNumber) -> PhoneNumber:
    """A number that campaigns and calls can come from."""
    carrier_id = await _carrier_id(app, body)
    number = body.number or await _free_number(app, carrier_id, body.number_desired_area_code)
    try:
        number_id = await app.caller_numbers.add(
            carrier_id, number, label=body.name or "", metadata={DOOR: kept} if (kept := body.kept()) else None
        )
    except Conflict:
        raise Conflict(f"number: {number} exists already") from None
    added = await app.caller_numbers.get(carrier_id, number_id)
    return await _shown(app, added.uuid, [*body.warnings(), *await _unready(app, carrier_id)])


@router.get("/phone-number", response_model_exclude_none=True)
async def list_phone_numbers(app: ViewerApp, listing: Listed) -> list[PhoneNumber]:
    """Newest first."""
    found = await app.caller_numbers.search(listing.ranges(), limit=listing.limit)
    organization = await app.directory.organization()
    return [await _view(app, number, organization) for number in found.numbers]


@router.get("/v2/phone-number", response_model_exclude_none=True)
async def list_phone_number_pages(app: ViewerApp, listing: Annotated[PageListing, Query()]) -> PhoneNumberPage:
    """The same page by page."""
    found = await app.caller_numbers.search(
        listing.ranges(),
        text=listing.search,
        ascending=listing.sort_order == "ASC",
        skip=(listing.page - 1) * listing.limit,
        limit=listing.limit,
    )
    organization = await app.directory.organization()
    return PhoneNumberPage(
        results=[await _view(app, number, organization) for number in found.numbers],
        metadata=PageMeta.of(listing.page, listing.limit, found.total, listing.sort_order),
    )


@router.get("/phone-number/{id}", response_model_exclude_none=True)
async def get_phone_number(app: ViewerApp, number_id: NumberId) -> PhoneNumber:
    """One number."""
    return await _shown(app, (await number_named(app, number_id)).number.uuid)


@router.patch("/phone-number/{id}", response_model_exclude_none=True)
async def update_phone_number(app: OwnerApp, number_id: NumberId, body: PhoneNumberChange) -> PhoneNumber:
    """Give it another name."""
    found = (await number_named(app, number_id)).number
    changes: dict[str, Any] = {} if body.name is None else {"label": body.name}
    if kept := body.kept():
        changes["metadata"] = {**found.metadata, DOOR: {**(found.metadata.get(DOOR) or {}), **kept}}
    await app.caller_numbers.change(found.carrier_id, found.id, changes)
    return await _shown(app, found.uuid, body.warnings())


@router.delete("/phone-number/{id}", response_model_exclude_none=True)
async def delete_phone_number(app: OwnerApp, number_id: NumberId) -> PhoneNumber:
    """Nothing more is placed from it; calls keep the number itself."""
    found = (await number_named(app, number_id)).number
    as_it_was = await _shown(app, found.uuid)
    await app.caller_numbers.delete(found.carrier_id, found.id)
    return as_it_was


async def number_named(app: App, text: str) -> CarriedNumber:
    """Raises NotFound."""
    uuid = as_uuid(text)
    if uuid is None:
        raise NotFound("Phone number not found")
    return await app.caller_numbers.by_uuid(uuid)


async def _carrier_id(app: App, body: NewPhoneNumber) -> int:
    """Whose number it will be. Raises Invalid."""
    if body.provider == "twilio":
        given = {setting: getattr(body, name) for name, setting in TWILIO_FIELDS.items()}
        settings = {setting: value for setting, value in given.items() if value is not None}
        return await app.telephony.ensure(f"Twilio {settings['account_sid'][-4:]}", "twilio", settings, [])
    if body.credential_id is not None:
        try:
            return await app.telephony.id_of(body.credential_id)
        except NotFound:
            raise Invalid(
                f"credentialId: there is no telephony configuration {body.credential_id}; make one at "
                "/api/v1/organizations/telephony-configs and give its uuid"
            ) from None
    usual = await app.telephony.usual()
    if usual is None:
        raise Invalid("there is no telephony configuration yet: make one at /api/v1/organizations/telephony-configs")
    return usual.id


async def _free_number(app: App, carrier_id: int, area_code: str | None) -> str:
    """One that the carrier has not yet; the simulated one's are nobody's. Raises Invalid."""
    carrier = await app.telephony.get(carrier_id)
    if carrier.provider != SIMULATED:
        raise Invalid(f"number must be given: '{carrier.name}' sells none here")
    taken = {number.e164 for number in await app.caller_numbers.page(carrier_id)}
    for line in FICTIONAL:
        if (number := f"+1{area_code or '500'}5550{line}") not in taken:
            return number
    raise Invalid("every number of this area code is there already: give another numberDesiredAreaCode")


async def _unready(app: App, carrier_id: int) -> list[str]:
    reason = await app.telephony.readiness(carrier_id)
    return [] if reason is None else [f"no call can be placed from it yet: {reason}"]


async def _shown(app: App, uuid: UUID, warnings: list[str] | None = None) -> PhoneNumber:
    found = await app.caller_numbers.by_uuid(uuid)
    view = await _view(app, found, await app.directory.organization())
    view.warnings = warnings or None
    return view


async def _view(app: App, found: CarriedNumber, organization: UUID) -> PhoneNumber:
    number, kept = found.number, _kept(found.number.metadata)
    provider = _provider(found.provider)
    sid = None
    if provider == "twilio":
        sid = app.telephony.shown(await app.telephony.get(number.carrier_id)).get("account_sid", "")
    return PhoneNumber(
        id=number.uuid,
        org_id=organization,
        provider=provider,
        number=number.e164,
        name=number.label or None,
        status="active" if number.active else "blocked",
        credential_id=None if provider == "vapi" else found.carrier_uuid,
        twilio_account_sid=sid,
        created_at=number.created_at,
        updated_at=number.updated_at,
        assistant_id=kept.get("assistant_id"),
        workflow_id=kept.get("workflow_id"),
        squad_id=kept.get("squad_id"),
    )


def _provider(provider: str) -> Provider:
    """
    >>> _provider("simulated"), _provider("twilio"), _provider("plivo")
    ('vapi', 'twilio', 'byo-phone-number')
    """
    if provider == SIMULATED:
        return "vapi"
    return next((own for own in OWN if own == provider), "byo-phone-number")


def _kept(metadata: Mapping[str, Any]) -> dict[str, UUID]:
    return {name: UUID(value) for name, value in (metadata.get(DOOR) or {}).items() if name in KEPT}
