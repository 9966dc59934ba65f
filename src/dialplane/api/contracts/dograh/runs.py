"""`/campaign/{id}/runs`, `/workflow/{id}/runs`, `/organizations/usage/runs`: attempts as Dograh lists them."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter, Request

from dialplane.api.access import ServerDep, ViewerApp
from dialplane.api.contracts.dograh.instants import EndDate, StartDate
from dialplane.api.contracts.dograh.run_models import (
    CampaignRuns,
    PublicLinks,
    Run,
    UsageHistory,
    UsageRun,
    WorkflowRuns,
    pages,
    public_links,
)
from dialplane.api.contracts.dograh.run_queries import Id, PageNumber, PagingDep, RunsDep, UsageDep
from dialplane.api.links import artifact_token, base_url
from dialplane.api.route import Route
from dialplane.engine.attempt_views import AttemptRecord
from dialplane.wiring import Server

router = APIRouter(tags=["runs"], route_class=Route)


@router.get("/campaign/{campaign_id}/runs")
async def list_campaign_runs(
    app: ViewerApp, campaign_id: Id, part: PagingDep, wanted: RunsDep, page: PageNumber = 1
) -> CampaignRuns:
    """The runs of a campaign, newest first."""
    found = await app.attempts.of_campaign(campaign_id, wanted.attempts, part)
    return CampaignRuns.of(found.attempts, found.total, page, part.limit)


@router.get("/workflow/{workflow_id}/runs")
async def list_workflow_runs(
    app: ViewerApp, workflow_id: Id, part: PagingDep, wanted: RunsDep, page: PageNumber = 1
) -> WorkflowRuns:
    """The runs of a workflow over all its campaigns, newest first."""
    found = await app.attempts.of_agent(workflow_id, wanted.attempts, part)
    return WorkflowRuns.of(found.attempts, found.total, page, part.limit, applied_filters=list(wanted.applied))


@router.get("/workflow/{workflow_id}/runs/{run_id}")
async def get_workflow_run(request: Request, app: ViewerApp, server: ServerDep, workflow_id: Id, run_id: Id) -> Run:
    """One run with its transcript, its events, and links that need no key."""
    attempt, transcript = await app.attempts.get(workflow_id, run_id)
    return Run.whole(attempt, transcript, _links(request, server, app.organization_id, attempt))


@router.get("/organizations/usage/runs")
async def list_usage(
    request: Request,
    app: ViewerApp,
    server: ServerDep,
    part: PagingDep,
    wanted: UsageDep,
    page: PageNumber = 1,
    start_date: StartDate = None,
    end_date: EndDate = None,
) -> UsageHistory:
    """What all runs of the organization used, newest first, and their seconds together."""
    found = await app.attempts.of_organization(
        replace(wanted.attempts, created_from=start_date, created_to=end_date),
        part,
        campaign_id=wanted.campaign_id,
        agent_id=wanted.agent_id,
    )
    return UsageHistory(
        runs=[
            UsageRun.used(attempt, _links(request, server, app.organization_id, attempt)) for attempt in found.attempts
        ],
        total_duration_seconds=found.talk_seconds,
        total_count=found.total,
        page=page,
        limit=part.limit,
        total_pages=pages(found.total, part.limit),
        applied_filters=list(wanted.applied),
    )


def _links(request: Request, server: Server, organization_id: int, attempt: AttemptRecord) -> PublicLinks:
    token = artifact_token(server.secrets, organization_id, attempt.uuid)
    return public_links(attempt, base_url(request), token)
