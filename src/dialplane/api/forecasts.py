"""What a campaign is expected to come to: made in the background, by the engine on a virtual clock."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Body
from pydantic import BaseModel, Field

from dialplane.api.access import OperatorApp, ViewerApp
from dialplane.api.route import Route
from dialplane.api.shapes import Id
from dialplane.core.campaign import CampaignState
from dialplane.core.reason import Reason
from dialplane.engine.forecasts import ForecastRecord, ForecastState

router = APIRouter(route_class=Route, prefix="/campaign/{campaign_id}/forecast", tags=["campaigns"])


class AskForecast(BaseModel):
    answers: dict[str, Any] = Field(
        {},
        description="How people answer: settings of the simulated carrier. Empty: as the campaign's own carrier has it "
        "where that is simulated, else its profile `realistic`.",
        examples=[{"profile": "realistic", "talk_seconds": [30, 180]}],
    )


class SlotView(BaseModel):
    at: datetime = Field(description="Its begin.")
    lines: float = Field(description="In use in it, on average.")
    attempts: int = Field(description="Begun in it.")
    held_by: Reason = Field(description="What keeps the campaign from calling more people at its begin.")


class NumberDayView(BaseModel):
    day: date
    from_number: str
    contacts: int = Field(description="How many people it calls on that day.")
    attempts: int


class ForecastResult(BaseModel):
    started_at: datetime
    finished_at: datetime | None = Field(
        description="null: it does not come to its end; `state` and `reason` say where it stops."
    )
    state: CampaignState
    reason: str
    contacts: dict[str, int] = Field(description="By state, and `total`; those that have ended already among them.")
    attempts: int = Field(description="Those that were made already among them.")
    dispositions: dict[str, int]
    never_called: dict[str, int] = Field(description="Contacts by the reason.")
    most_lines: int
    slot_seconds: float = Field(description="How long each slot is.")
    slots: list[SlotView] = Field(description="Without a gap; at most the first 92 days.")
    timezone: str = Field(description="Of the days below.")
    numbers: list[NumberDayView]
    assumptions: list[str]


class ForecastView(BaseModel):
    """The latest forecast of a campaign."""

    campaign_id: int
    state: ForecastState
    asked_at: datetime
    made_at: datetime | None
    fault: str = Field(description="Why it could not be made.")
    answers: dict[str, Any]
    result: ForecastResult | None = Field(description="null until it is made.")

    @classmethod
    def of(cls, record: ForecastRecord) -> Self:
        return cls.model_validate(record, from_attributes=True)


@router.post("", status_code=202)
async def ask_forecast(
    campaign_id: Id, app: OperatorApp, wanted: Annotated[AskForecast | None, Body()] = None
) -> ForecastView:
    """Have a forecast made, of the campaign as it stands when that begins. Nobody is called.

    While one is being made, that one is answered. For 100,000 contacts it takes some minutes.
    """
    return ForecastView.of(await app.forecasts.ask(campaign_id, wanted.answers if wanted else {}))


@router.get("")
async def read_forecast(campaign_id: Id, app: ViewerApp) -> ForecastView:
    """The latest one, or how far it is."""
    return ForecastView.of(await app.forecasts.latest(campaign_id))
