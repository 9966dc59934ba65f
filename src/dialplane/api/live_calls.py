"""Calls in progress, of all campaigns: looked at, and ended one by one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from dialplane.api.access import OperatorApp, ViewerApp
from dialplane.api.route import Route
from dialplane.api.shapes import Id, PageLimit
from dialplane.core.attempt import AttemptState
from dialplane.engine.attempt_views import AttemptFilter, AttemptRecord, Paging

router = APIRouter(route_class=Route, prefix="/calls", tags=["calls"])


class LiveCall(BaseModel):
    """A call that has not ended. id: as in runs."""

    id: int
    uuid: UUID = Field(description="What the carrier knows it by.")
    campaign_id: int
    contact_id: int
    number: int = Field(description="Its ordinal for the contact, from 1.")
    to_number: str
    from_number: str
    state: AttemptState
    created_at: datetime
    placed_at: datetime | None
    ringing_at: datetime | None
    answered_at: datetime | None

    @classmethod
    def of(cls, record: AttemptRecord) -> Self:
        return cls.model_validate(record, from_attributes=True)


class LiveCalls(BaseModel):
    calls: list[LiveCall] = Field(description="The newest first.")
    total: int


@router.get("")
async def list_live_calls(
    app: ViewerApp, page: Annotated[int, Query(ge=1, le=1_000_000)] = 1, limit: Annotated[PageLimit, Query()] = 100
) -> LiveCalls:
    """Calls in progress, those of single calls too."""
    found = await app.attempts.among(AttemptFilter(ended=False), Paging(skip=(page - 1) * limit, limit=limit))
    return LiveCalls(calls=[LiveCall.of(record) for record in found.attempts], total=found.total)


@router.post("/{call_id}/hang-up", status_code=202)
async def hang_up(call_id: Id, app: OperatorApp) -> LiveCall:
    """End a call: its worker does so within about a second. One that is over stays as it is."""
    record = await app.attempts.one(call_id)
    await app.call_book.hang_up(call_id)
    return LiveCall.of(record)
