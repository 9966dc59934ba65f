"""What happened in a campaign, and the rows of its files that are no contacts."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, Field

from dialplane.api.access import ViewerApp
from dialplane.api.do_not_call import RejectView
from dialplane.api.route import Route
from dialplane.api.shapes import HIGHEST_ID, Id, PageLimit
from dialplane.engine.rejects import rejects_csv
from dialplane.errors import Invalid

router = APIRouter(route_class=Route, prefix="/campaign/{campaign_id}", tags=["campaigns"])

_POSITION = re.compile(r"([0-9]{1,19})-([0-9]{1,19})")


class LogEntryView(BaseModel):
    id: int
    at: datetime
    level: Literal["info", "warning", "error"]
    event: str = Field(examples=["campaign.paused", "contacts.imported"])
    message: str
    details: dict[str, Any] | None


class LogPage(BaseModel):
    entries: list[LogEntryView] = Field(description="Newest first.")
    next: int | None = Field(description="`before` of the page that follows; null: this is the last.")


class RejectPage(BaseModel):
    rejects: list[RejectView] = Field(description="In the order of the files.")
    next: str | None = Field(description="`after` of the page that follows; null: this is the last.")


@router.get("/log")
async def list_campaign_log(
    campaign_id: Id,
    app: ViewerApp,
    before: Annotated[Id | None, Query(description="The page before's `next`.")] = None,
    limit: Annotated[PageLimit, Query()] = 100,
) -> LogPage:
    """The campaign's own log."""
    await app.campaigns.get(campaign_id)
    entries = await app.campaigns.log(campaign_id, before=before, limit=limit)
    return LogPage(
        entries=[LogEntryView.model_validate(entry, from_attributes=True) for entry in entries],
        next=entries[-1].id if len(entries) == limit else None,
    )


@router.get(
    "/rejects",
    response_model=RejectPage,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def list_campaign_rejects(
    campaign_id: Id,
    app: ViewerApp,
    after: Annotated[str, Query(max_length=40, description="The page before's `next`.")] = "0-0",
    limit: Annotated[PageLimit, Query()] = 100,
    format: Annotated[Literal["json", "csv"], Query(description="`csv`: the whole file of rejects.")] = "json",
) -> RejectPage | Response:
    """Rows that are no contacts, with what to mend in each."""
    await app.campaigns.get(campaign_id)
    if format == "csv":
        name = f"campaign_{campaign_id}_rejects.csv"
        return StreamingResponse(
            await begun(rejects_csv(app.intake, campaign_id)),
            media_type="text/csv",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )
    found, last = await app.intake.rejects_page(campaign_id, _position(after), limit)
    return RejectPage(
        rejects=[RejectView.model_validate(reject, from_attributes=True) for reject in found],
        next=f"{last[0]}-{last[1]}" if len(found) == limit else None,
    )


async def begun(parts: AsyncIterator[str]) -> AsyncIterator[str]:
    """The same parts, the first of them made already: what goes wrong until then is an error and no broken file."""
    first = await anext(parts)

    async def whole() -> AsyncIterator[str]:
        yield first
        async for part in parts:
            yield part

    return whole()


def _position(text: str) -> tuple[int, int]:
    """file id and row: '3-17'."""
    parts = _POSITION.fullmatch(text)
    if parts is None or max(int(parts[1]), int(parts[2])) > HIGHEST_ID:
        raise Invalid(f"after: '{text}' is no position; take it from the page before")
    return int(parts[1]), int(parts[2])
