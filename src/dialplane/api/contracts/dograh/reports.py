"""`/campaign/{id}/report` and its like: CSV that is made while it is sent, whatever its length."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, BeforeValidator

from dialplane.api.access import ServerDep, ViewerApp
from dialplane.api.contracts.dograh.instants import EndDate, StartDate
from dialplane.api.contracts.dograh.report_table import ReportTable
from dialplane.api.contracts.dograh.run_filters import HIGHEST_ID
from dialplane.api.contracts.dograh.run_models import whole_seconds
from dialplane.api.contracts.dograh.run_queries import Id, UsageDep
from dialplane.api.instants import FIRST_YEAR, LAST_YEAR
from dialplane.api.links import artifact_token, base_url
from dialplane.api.route import Route
from dialplane.api.streams import streamed
from dialplane.engine.attempt_views import AttemptFilter, talk_seconds
from dialplane.engine.reports import rendered
from dialplane.errors import Invalid
from dialplane.store.postgres import Row
from dialplane.wiring import App, Server

router = APIRouter(tags=["reports"], route_class=Route)

FIRST_DATE, LAST_DATE = date(FIRST_YEAR, 1, 1), date(LAST_YEAR, 12, 31)
CSV = "text/csv; charset=utf-8"
CSV_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "The report"}
}


class DailyRun(BaseModel):
    """One run in the list of a day."""

    phone_number: str
    disposition: str
    duration_seconds: float
    workflow_id: int
    run_id: int
    workflow_name: str
    created_at: datetime


@router.get("/campaign/{campaign_id}/report", response_class=StreamingResponse, responses=CSV_ANSWER)
async def download_campaign_report(
    request: Request,
    app: ViewerApp,
    server: ServerDep,
    campaign_id: Id,
    start_date: StartDate = None,
    end_date: EndDate = None,
    format: Annotated[
        Literal["dograh", "dialplane"],
        Query(description="`dialplane`: every contact, and what the carrier said of each attempt"),
    ] = "dograh",
) -> StreamingResponse:
    """Every ended run of a campaign, newest first."""
    name = f"campaign_{campaign_id}_report.csv"
    if format == "dialplane":
        if start_date is not None or end_date is not None:
            raise Invalid("start_date and end_date choose among runs; the format dialplane has every contact")
        return await streamed(app.reports.text(campaign_id), CSV, name=name)
    campaign = await app.campaigns.get(campaign_id)
    table = _table(request, server, app, await app.reports.fields(campaign), campaign.variable_names)
    pages = app.attempts.ended_of_campaign(
        campaign_id,
        AttemptFilter(created_from=start_date, created_to=end_date),
        variables=table.variables,
        fields=table.fields,
    )
    return await streamed(_csv(table, pages), CSV, name=name)


@router.get("/workflow/{workflow_id}/report", response_class=StreamingResponse, responses=CSV_ANSWER)
async def download_workflow_report(
    request: Request,
    app: ViewerApp,
    server: ServerDep,
    workflow_id: Id,
    start_date: StartDate = None,
    end_date: EndDate = None,
) -> StreamingResponse:
    """Every ended run of a workflow over all its campaigns, newest first."""
    version, variables = await app.attempts.agent_columns(workflow_id)
    fields = await app.reports.fields_of(workflow_id, range(1, version + 1))
    table = _table(request, server, app, fields, variables)
    pages = app.attempts.ended(
        AttemptFilter(created_from=start_date, created_to=end_date),
        agent_id=workflow_id,
        variables=variables,
        fields=fields,
    )
    return await streamed(_csv(table, pages), CSV, name=f"workflow_{workflow_id}_report.csv")


@router.get("/organizations/usage/runs/report", response_class=StreamingResponse, responses=CSV_ANSWER)
async def download_usage_report(
    request: Request,
    app: ViewerApp,
    server: ServerDep,
    wanted: UsageDep,
    start_date: StartDate = None,
    end_date: EndDate = None,
) -> StreamingResponse:
    """Every ended run of the organization, newest first, without columns of contacts and agents."""
    pages = app.attempts.ended(
        replace(wanted.attempts, created_from=start_date, created_to=end_date),
        campaign_id=wanted.campaign_id,
        agent_id=wanted.agent_id,
    )
    return await streamed(_csv(_table(request, server, app, [], []), pages), CSV, name="usage_runs_report.csv")


def _zone(name: object) -> ZoneInfo:
    try:
        return ZoneInfo(str(name))
    except (ZoneInfoNotFoundError, ValueError, OSError):  # of a folder, of a path out of the data
        raise ValueError(f"Invalid timezone: {name}") from None


@router.get("/organizations/reports/daily/runs", response_model=list[DailyRun])
async def list_daily_runs(
    app: ViewerApp,
    date: Annotated[date, Query(ge=FIRST_DATE, le=LAST_DATE, examples=["2026-04-01"])],
    timezone: Annotated[
        ZoneInfo, BeforeValidator(_zone), Query(description="Where that day is", examples=["Asia/Tokyo"])
    ],
    workflow_id: Annotated[int | None, Query(ge=1, le=HIGHEST_ID)] = None,
) -> StreamingResponse:
    """Every ended run of one day, newest first."""
    midnight = datetime.combine(date, time.min, timezone)
    # A day more on the calendar: 23 or 25 hours where the clock changes.
    wanted = AttemptFilter(created_from=midnight, created_to=midnight + timedelta(days=1, microseconds=-1))
    pages = app.attempts.ended(wanted, agent_id=workflow_id)
    return await streamed(_json_list(pages), "application/json")


def _table(request: Request, server: Server, app: App, fields: Sequence[str], variables: Sequence[str]) -> ReportTable:
    secrets, organization_id = server.secrets, app.organization_id

    def token(attempt: UUID) -> str:
        return artifact_token(secrets, organization_id, attempt)

    return ReportTable(fields=fields, variables=variables, base=base_url(request), token=token)


async def _csv(table: ReportTable, pages: AsyncGenerator[list[Row], None]) -> AsyncGenerator[str, None]:
    async with aclosing(rendered(pages, table.lines)) as parts:
        yield table.headings() + await anext(parts, "")
        async for part in parts:
            yield part


async def _json_list(pages: AsyncGenerator[list[Row], None]) -> AsyncGenerator[str, None]:
    """[{…},{…}], a page of them at a time."""
    async with aclosing(rendered(pages, _daily)) as parts:
        yield "[" + await anext(parts, "")
        async for part in parts:
            yield "," + part
        yield "]"


def _daily(page: Sequence[Row]) -> str:
    return ",".join(
        json.dumps(
            {
                "phone_number": row["to_number"],
                "disposition": row["disposition"],
                "duration_seconds": whole_seconds(talk_seconds(row["answered_at"], row["ended_at"])),
                "workflow_id": row["agent_id"],
                "run_id": row["id"],
                "workflow_name": row["agent_name"],
                "created_at": row["created_at"].isoformat(),
            }
        )
        for row in page
    )
