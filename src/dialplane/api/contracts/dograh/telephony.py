"""Telephony configurations and their numbers, in Dograh's words: a configuration is a carrier."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from dialplane.api.access import OwnerApp, ViewerApp
from dialplane.api.contracts.dograh.providers import ProviderConfig, settings_of
from dialplane.api.route import Route
from dialplane.api.shapes import After, Id, PageLimit, Tolerant
from dialplane.engine.carriers import CarrierRecord
from dialplane.engine.telephony import PAGE
from dialplane.errors import Conflict
from dialplane.wiring import App

router = APIRouter(prefix="/organizations/telephony-configs", tags=["telephony"], route_class=Route)

ConfigId = Annotated[Id, Path(description="Of the telephony configuration.")]
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"\S", examples=["Main trunk"])]
MaxLines = Annotated[int, Field(ge=1, le=1_000_000)]
Cps = Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False)]
MAX_LINES = Field(None, description="Calls at once through this configuration; null: no limit of its own.")
CPS = Field(None, description="Calls that may start per second; null: no limit of its own.")
NO_TRUNKS = "This provider has no trunks: numbers belong to the configuration itself"


class TelephonyConfigurationCreate(Tolerant):
    """A way to reach the telephone network: a provider with its credentials."""

    name: Name
    is_default_outbound: bool = Field(False, description="Campaigns that name no configuration get this one.")
    config: ProviderConfig
    max_lines: MaxLines | None = MAX_LINES
    cps: Cps | None = CPS


class TelephonyConfigurationUpdate(Tolerant):
    """What is left out stays. `config` replaces the whole configuration; a masked secret keeps the stored one."""

    name: Name | None = None
    config: ProviderConfig | None = None
    max_lines: MaxLines | None = MAX_LINES
    cps: Cps | None = CPS


class Deactivation(Tolerant):
    reason: str = Field("", max_length=500, examples=["the trunk is being moved"])


class TelephonyConfigurationListItem(BaseModel):
    id: int
    uuid: UUID
    name: str
    provider: str
    connectivity: Literal["api", "sip"] = "api"
    is_default_outbound: bool
    inactive: bool
    inactive_since: datetime | None
    inactive_reason: str | None
    phone_number_count: int
    is_ready_for_outbound: bool
    outbound_blocked_reason: str | None = Field(
        description="Why no call can be placed through it; null when calls can."
    )
    max_lines: int | None
    cps: float | None
    created_at: datetime
    updated_at: datetime


class SetupStep(BaseModel):
    key: str
    title: str
    description: str
    complete: bool
    blocks_outbound: bool


class SetupChecklist(BaseModel):
    ready_for_outbound: bool
    outbound_blocked_reason: str | None
    steps: list[SetupStep]
    docs_url: str | None = None


class TelephonyConfigurationDetail(TelephonyConfigurationListItem):
    credentials: dict[str, Any] = Field(
        description="The configuration; secrets are masked but for their last characters."
    )
    sip_connectivity: None = None
    setup_checklist: SetupChecklist
    supports_trunks: bool = False
    trunks: list[None] = []
    warnings: list[str] = []


class TelephonyConfigurationList(BaseModel):
    configurations: list[TelephonyConfigurationListItem]
    next: int | None = Field(description="`after` of the next page; null on the last.")


class Deleted(BaseModel):
    message: str


class TrunkList(BaseModel):
    trunks: list[None]


@router.get("")
async def list_telephony_configurations(
    app: ViewerApp, after: After = 0, limit: Annotated[PageLimit, Query()] = PAGE
) -> TelephonyConfigurationList:
    """Configurations by age, and whether calls can be placed through them."""
    carriers = await app.telephony.page(after=after, limit=limit)
    blocked = await app.telephony.all_blocked(carriers)
    return TelephonyConfigurationList(
        configurations=[
            TelephonyConfigurationListItem(**_item(carrier, reason))
            for carrier, reason in zip(carriers, blocked, strict=True)
        ],
        next=carriers[-1].id if len(carriers) == limit else None,
    )


@router.post("")
async def create_telephony_configuration(
    app: OwnerApp, request: TelephonyConfigurationCreate
) -> TelephonyConfigurationDetail:
    """Make a configuration; numbers to call from come after it."""
    carrier_id = await app.telephony.create(
        name=request.name.strip(),
        provider=request.config.provider,
        settings=settings_of(request.config),
        limits=_limits(request),
        is_default=request.is_default_outbound,
    )
    return await _detail(app, carrier_id, request.unknown())


@router.get("/{config_id}")
async def get_telephony_configuration(app: ViewerApp, config_id: ConfigId) -> TelephonyConfigurationDetail:
    """One configuration, its secrets masked."""
    return await _detail(app, config_id)


@router.put("/{config_id}")
async def update_telephony_configuration(
    app: OwnerApp, config_id: ConfigId, request: TelephonyConfigurationUpdate
) -> TelephonyConfigurationDetail:
    """Change a configuration; calls in progress keep the one they began with, new ones use it within two seconds."""
    before = await app.telephony.get(config_id)
    if request.config is not None and request.config.provider != before.provider:
        raise Conflict("Provider cannot be changed; create a new configuration instead.")
    await app.telephony.change(
        config_id,
        name=None if request.name is None else request.name.strip(),
        settings=None if request.config is None else settings_of(request.config),
        limits=_limits(request),
    )
    return await _detail(app, config_id, request.unknown())


@router.delete("/{config_id}")
async def delete_telephony_configuration(app: OwnerApp, config_id: ConfigId) -> Deleted:
    """Remove a configuration that no scheduled, running or paused campaign uses; reports still name it."""
    await app.telephony.archive(config_id)
    return Deleted(message="Telephony configuration deleted")


@router.post("/{config_id}/set-default-outbound")
async def set_default_outbound(app: OwnerApp, config_id: ConfigId) -> TelephonyConfigurationDetail:
    """Campaigns that name no configuration get this one from now on."""
    await app.telephony.set_default(config_id)
    return await _detail(app, config_id)


@router.post("/{config_id}/deactivate")
async def deactivate_telephony_configuration(
    app: OwnerApp, config_id: ConfigId, request: Deactivation | None = None
) -> TelephonyConfigurationDetail:
    """Switch a configuration off: once answered, nothing more is placed through it, and its campaigns wait."""
    await app.telephony.deactivate(config_id, request.reason.strip() if request else "")
    return await _detail(app, config_id, request.unknown() if request else [])


@router.post("/{config_id}/reactivate")
async def reactivate_telephony_configuration(app: OwnerApp, config_id: ConfigId) -> TelephonyConfigurationDetail:
    """Switch a configuration on again: its campaigns go on."""
    await app.telephony.reactivate(config_id)
    return await _detail(app, config_id)


@router.get("/{config_id}/trunks")
async def list_telephony_trunks(app: ViewerApp, config_id: ConfigId) -> TrunkList:
    """Trunks of a configuration: there are none."""
    await app.telephony.get(config_id)
    return TrunkList(trunks=[])


@router.post("/{config_id}/trunks")
async def create_telephony_trunk(app: OwnerApp, config_id: ConfigId) -> TrunkList:
    """Refused: there are no trunks."""
    await app.telephony.get(config_id)
    raise Conflict(NO_TRUNKS)


@router.put("/{config_id}/trunks/{trunk_id}")
async def update_telephony_trunk(app: OwnerApp, config_id: ConfigId, trunk_id: Id) -> TrunkList:  # noqa: ARG001
    """Refused: there are no trunks."""
    await app.telephony.get(config_id)
    raise Conflict(NO_TRUNKS)


@router.delete("/{config_id}/trunks/{trunk_id}")
async def delete_telephony_trunk(app: OwnerApp, config_id: ConfigId, trunk_id: Id) -> TrunkList:  # noqa: ARG001
    """Refused: there are no trunks."""
    await app.telephony.get(config_id)
    raise Conflict(NO_TRUNKS)


def _limits(request: TelephonyConfigurationCreate | TelephonyConfigurationUpdate) -> dict[str, Any]:
    """Those that were named; null among them is no limit."""
    return request.model_dump(include={"max_lines", "cps"}, exclude_unset=True)


def _item(carrier: CarrierRecord, blocked: str | None) -> dict[str, Any]:
    return {
        "id": carrier.id,
        "uuid": carrier.uuid,
        "name": carrier.name,
        "provider": carrier.provider,
        "is_default_outbound": carrier.is_default,
        "inactive": carrier.inactive_since is not None,
        "inactive_since": carrier.inactive_since,
        "inactive_reason": carrier.inactive_reason or None,
        "phone_number_count": carrier.numbers,
        "is_ready_for_outbound": blocked is None,
        "outbound_blocked_reason": blocked,
        "max_lines": carrier.limits.max_lines,
        "cps": carrier.limits.cps,
        "created_at": carrier.created_at,
        "updated_at": carrier.updated_at,
    }


async def _detail(app: App, carrier_id: int, warnings: list[str] | None = None) -> TelephonyConfigurationDetail:
    carrier = await app.telephony.get(carrier_id)
    blocked = await app.telephony.blocked(carrier)
    return TelephonyConfigurationDetail(
        **_item(carrier, blocked),
        credentials=app.telephony.shown(carrier),
        setup_checklist=SetupChecklist(
            ready_for_outbound=blocked is None,
            outbound_blocked_reason=blocked,
            steps=[
                SetupStep(
                    key="phone_number",
                    title="Add a phone number",
                    description="Calls come from an active number of the configuration.",
                    complete=carrier.active_numbers > 0,
                    blocks_outbound=True,
                )
            ],
        ),
        warnings=warnings or [],
    )
