"""Numbers that calls come from, in Dograh's words."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from dialplane.api.access import OwnerApp, ViewerApp
from dialplane.api.contracts.dograh.telephony import ConfigId, Deleted, MaxLines
from dialplane.api.route import Route
from dialplane.api.shapes import After, Id, PageLimit, Tolerant
from dialplane.engine.caller_numbers import PAGE, NumberRecord
from dialplane.engine.numbering import check_region, region_of
from dialplane.errors import Invalid

router = APIRouter(
    prefix="/organizations/telephony-configs/{config_id}/phone-numbers",
    tags=["telephony"],
    route_class=Route,
)

NumberId = Annotated[Id, Path(description="Of the phone number.")]
Label = Annotated[str, Field(max_length=64)]
Region = Annotated[str, Field(min_length=2, max_length=2, examples=["US"])]
LINES = Field(None, description="Calls in progress from this number at once; null: no limit.")
Metadata = Annotated[dict[str, Any], Field(max_length=100, description="Kept for you as it is.")]


class PhoneNumberCreate(Tolerant):
    """A number of the provider's account."""

    address: str = Field(min_length=1, max_length=255, examples=["+14155550100"])
    country_code: Region | None = Field(None, description="Of a number that is written without +.")
    label: Label | None = None
    inbound_workflow_id: Id | None = Field(None, description="Must be null: this version answers no incoming calls.")
    telephony_trunk_id: Id | None = Field(None, description="Must be null: there are no trunks.")
    is_active: bool = True
    is_default_caller_id: bool = Field(False, description="Single calls come from it.")
    max_lines: MaxLines | None = LINES
    extra_metadata: Metadata = Field({})


class PhoneNumberUpdate(Tolerant):
    """What is left out, or null, stays; `max_lines: null` takes the limit away. The number itself cannot be changed."""

    label: Label | None = None
    inbound_workflow_id: Id | None = None
    clear_inbound_workflow: bool = False
    telephony_trunk_id: Id | None = None
    clear_trunk: bool = False
    is_active: bool | None = None
    country_code: Region | None = Field(None, description="Has no effect: the number itself says it.")
    max_lines: MaxLines | None = LINES
    extra_metadata: Metadata | None = None


class PhoneNumber(BaseModel):
    id: int
    uuid: UUID
    telephony_configuration_id: int
    address: str
    address_normalized: str = Field(description="In E.164, as `address` is too.")
    address_type: str = "pstn"
    country_code: str | None
    label: str | None
    inbound_workflow_id: None = None
    inbound_workflow_name: None = None
    telephony_trunk_id: None = None
    is_active: bool
    is_default_caller_id: bool
    max_lines: int | None
    extra_metadata: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    provider_sync: None = None
    warnings: list[str] = []


class PhoneNumberList(BaseModel):
    phone_numbers: list[PhoneNumber]
    next: int | None = Field(description="`after` of the next page; null on the last.")


@router.get("")
async def list_phone_numbers(
    app: ViewerApp, config_id: ConfigId, after: After = 0, limit: Annotated[PageLimit, Query()] = PAGE
) -> PhoneNumberList:
    """Numbers of a configuration, by age."""
    page = await app.caller_numbers.page(config_id, after=after, limit=limit)
    return PhoneNumberList(
        phone_numbers=[_shown(number) for number in page], next=page[-1].id if len(page) == limit else None
    )


@router.post("")
async def create_phone_number(app: OwnerApp, config_id: ConfigId, request: PhoneNumberCreate) -> PhoneNumber:
    """Add a number to call from."""
    _refuse_inbound(request.inbound_workflow_id, request.telephony_trunk_id)
    number_id = await app.caller_numbers.add(
        config_id,
        request.address,
        region=check_region(request.country_code),
        label=request.label or "",
        active=request.is_active,
        is_default=request.is_default_caller_id,
        max_lines=request.max_lines,
        metadata=request.extra_metadata,
    )
    return _shown(await app.caller_numbers.get(config_id, number_id), request.unknown())


@router.get("/{number_id}")
async def get_phone_number(app: ViewerApp, config_id: ConfigId, number_id: NumberId) -> PhoneNumber:
    """One number."""
    return _shown(await app.caller_numbers.get(config_id, number_id))


@router.put("/{number_id}")
async def update_phone_number(
    app: OwnerApp, config_id: ConfigId, number_id: NumberId, request: PhoneNumberUpdate
) -> PhoneNumber:
    """Change a number; once one that was switched off is answered, nothing more is placed from it."""
    _refuse_inbound(request.inbound_workflow_id, request.telephony_trunk_id)
    given = {"label": request.label, "active": request.is_active, "metadata": request.extra_metadata}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if "max_lines" in request.model_fields_set:
        changes["max_lines"] = request.max_lines
    await app.caller_numbers.change(config_id, number_id, changes)
    return _shown(await app.caller_numbers.get(config_id, number_id), request.unknown())


@router.delete("/{number_id}")
async def delete_phone_number(app: OwnerApp, config_id: ConfigId, number_id: NumberId) -> Deleted:
    """Remove a number, unless a scheduled, running or paused campaign calls from it alone; reports still show it."""
    await app.caller_numbers.delete(config_id, number_id)
    return Deleted(message="Phone number deleted")


@router.post("/{number_id}/set-default-caller")
async def set_default_caller(app: OwnerApp, config_id: ConfigId, number_id: NumberId) -> PhoneNumber:
    """Single calls through this configuration come from this number from now on."""
    await app.caller_numbers.set_default(config_id, number_id)
    return _shown(await app.caller_numbers.get(config_id, number_id))


def _refuse_inbound(inbound_workflow_id: int | None, trunk_id: int | None) -> None:
    if inbound_workflow_id is not None:
        raise Invalid("inbound_workflow_id: this version answers no incoming calls; leave it out")
    if trunk_id is not None:
        raise Invalid("telephony_trunk_id: there are no trunks; leave it out")


def _shown(number: NumberRecord, warnings: list[str] | None = None) -> PhoneNumber:
    return PhoneNumber(
        id=number.id,
        uuid=number.uuid,
        telephony_configuration_id=number.carrier_id,
        address=number.e164,
        address_normalized=number.e164,
        country_code=region_of(number.e164),
        label=number.label or None,
        is_active=number.active,
        is_default_caller_id=number.is_default,
        max_lines=number.max_lines,
        extra_metadata=dict(number.metadata),
        created_at=number.created_at,
        updated_at=number.updated_at,
        warnings=warnings or [],
    )
