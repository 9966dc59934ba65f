"""What holds for a whole organization: its caps, how long it keeps recordings, what a new campaign begins with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from dialplane.api.access import OwnerApp, ViewerApp
from dialplane.api.contracts.dograh.policies import RETRY_OMITTED
from dialplane.api.contracts.dograh.policy_views import (
    BreakerView,
    RetryView,
    ScheduleView,
    breaker_view,
    retry_view,
    schedule_view,
)
from dialplane.api.route import Route
from dialplane.api.shapes import Tolerant
from dialplane.core.retention import FOREVER, parse_kept, shorter, spelled
from dialplane.engine import catalog, retention
from dialplane.engine.views import CampaignRecord
from dialplane.wiring import App

router = APIRouter(prefix="/organizations", tags=["organization"], route_class=Route)


class LimitsUpdate(Tolerant):
    """Both are replaced."""

    max_lines: Annotated[int, Field(ge=0, le=1_000_000, description="Calls at once over all campaigns; 0 stops all.")]
    cps: Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False)] | None = Field(
        None, description="Calls that may start per second over all campaigns; null: no limit."
    )


class Limits(BaseModel):
    max_lines: int
    cps: float | None
    warnings: list[str] = []


class RetentionUpdate(Tolerant):
    recordings: str | None = Field(
        max_length=20,
        examples=["30d"],
        description="From the end of a call: like 30d or 12h, an hour at the least. null: as long as the installation.",
    )


class Kept(BaseModel):
    """How long is kept what calls leave behind."""

    recordings: str | None = Field(description="As the organization has it; null: as long as the installation.")
    recordings_kept: str = Field(
        description=f"What holds: the shorter of that and the installation's time; or {FOREVER}."
    )
    warnings: list[str] = []


class LastCampaignSettings(BaseModel):
    retry_config: RetryView
    max_concurrency: int | None
    schedule_config: ScheduleView | None
    circuit_breaker: BreakerView


class CampaignDefaults(BaseModel):
    concurrent_call_limit: int = Field(description="Calls at once over all campaigns.")
    from_numbers_count: int = Field(description="Active numbers of the default configuration, else of the oldest.")
    default_retry_config: RetryView = Field(description="What a campaign gets that says nothing of retries.")
    last_campaign_settings: LastCampaignSettings | None = Field(description="Of the newest campaign; null: none yet.")


@router.get("/campaign-defaults")
async def get_campaign_defaults(app: ViewerApp) -> CampaignDefaults:
    """What a form for a new campaign begins with."""
    limits = await catalog.limits(app.database, app.organization_id)
    carrier = await app.telephony.usual()
    newest = await app.campaigns.page(limit=1)
    return CampaignDefaults(
        concurrent_call_limit=limits.max_lines,
        from_numbers_count=0 if carrier is None else carrier.active_numbers,
        default_retry_config=retry_view(RETRY_OMITTED),
        last_campaign_settings=_settings(await app.campaigns.get(newest[0]["id"])) if newest else None,
    )


def _settings(campaign: CampaignRecord) -> LastCampaignSettings:
    policies = campaign.policies
    return LastCampaignSettings(
        retry_config=retry_view(policies.retry),
        max_concurrency=policies.max_lines,
        schedule_config=schedule_view(policies.window),
        circuit_breaker=breaker_view(policies.breaker),
    )


@router.get("/limits")
async def get_limits(app: ViewerApp) -> Limits:
    """Caps over all campaigns."""
    limits = await catalog.limits(app.database, app.organization_id)
    return Limits(max_lines=limits.max_lines, cps=limits.cps)


@router.put("/limits")
async def update_limits(app: OwnerApp, request: LimitsUpdate) -> Limits:
    """Change the caps over all campaigns; from the next turn on."""
    await catalog.set_limits(app.database, app.organization_id, max_lines=request.max_lines, cps=request.cps)
    limits = await catalog.limits(app.database, app.organization_id)
    return Limits(max_lines=limits.max_lines, cps=limits.cps, warnings=request.unknown())


@router.get("/retention")
async def get_retention(app: ViewerApp) -> Kept:
    """How long recordings are kept."""
    return _kept(app, await retention.recordings_kept(app.database, app.organization_id))


@router.put("/retention")
async def update_retention(app: OwnerApp, request: RetentionUpdate) -> Kept:
    """Keep recordings for a shorter time than the installation does. Those that are older go within the hour."""
    kept = None if request.recordings is None else parse_kept("recordings", request.recordings)
    await retention.keep_recordings(app.database, app.organization_id, kept)
    return _kept(app, kept, request.unknown())


def _kept(app: App, kept: timedelta | None, warnings: Sequence[str] = ()) -> Kept:
    return Kept(
        recordings=None if kept is None else spelled(kept),
        recordings_kept=spelled(shorter(kept, app.settings.keep.recordings)),
        warnings=list(warnings),
    )
