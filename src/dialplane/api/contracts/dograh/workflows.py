"""Workflows, which are agents: a definition is a script of ours or a graph of Dograh's editor."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Query
from pydantic import AfterValidator, BaseModel, Field

from dialplane.api.access import OperatorApp, ViewerApp
from dialplane.api.route import Route
from dialplane.api.shapes import HIGHEST_ID, Id, Tolerant
from dialplane.engine.agents import AgentRecord, Reading
from dialplane.store.postgres import Row
from dialplane.wiring import App

ACTIVE, ARCHIVED = "active", "archived"

router = APIRouter(prefix="/workflow", route_class=Route, tags=["workflows"])

Name = Annotated[str, Field(min_length=1, max_length=255)]
Definition = Annotated[
    dict[str, Any],
    Field(
        description="A script (`greeting`, `steps`, `goodbye`), or a graph of Dograh's editor (`nodes`, `edges`), of "
        "which this version speaks the start node's greeting; `warnings` of the answer say what has no effect.",
        examples=[{"greeting": "Hello {{first_name}}.", "steps": [{"say": "Can you come?", "gather": "comes"}]}],
    ),
]


def _known_statuses(text: str | None) -> str | None:
    wrong = sorted({word.strip() for word in (text or "").split(",")} - {ACTIVE, ARCHIVED, ""})
    if wrong:
        raise ValueError(f"Invalid workflow status filter: {wrong}. Allowed values: {[ACTIVE, ARCHIVED]}.")
    return text


Statuses = Annotated[
    str | None,
    AfterValidator(_known_statuses),
    Query(max_length=100, description="active, archived, or both with a comma between them; all without it."),
]
Before = Annotated[int | None, Query(ge=1, le=HIGHEST_ID, description="Only those with a lower id: the next page.")]
Limit = Annotated[int, Query(ge=1, le=1000)]


class NewWorkflow(Tolerant):
    name: Name
    workflow_definition: Definition


class WorkflowChange(Tolerant):
    """What is given changes. A definition that differs from the last is a new version; a new name is not."""

    name: Name | None = None
    workflow_definition: Definition | None = None


class StatusChange(BaseModel):
    status: Literal["active", "archived"]


class WorkflowSummary(BaseModel):
    id: int
    name: str


class WorkflowListItem(WorkflowSummary):
    status: str
    created_at: datetime
    total_runs: int = Field(description="Calls made with it, those in progress included.")
    folder_id: int | None = None
    workflow_uuid: UUID
    kind: str = Field(description="scripted, or workflow for a graph.")


class Workflow(BaseModel):
    """A workflow with its newest definition."""

    id: int
    name: str
    status: str
    created_at: datetime
    updated_at: datetime | None
    workflow_definition: dict[str, Any]
    current_definition_id: int | None = Field(description="The version that calls are made with; null: there is none.")
    template_context_variables: dict[str, str] = Field(description="Columns that contacts must have for it.")
    call_disposition_codes: None = None
    total_runs: int
    workflow_configurations: None = None
    version_number: int
    version_status: str = Field(description="published: calls are made with it; draft: it has nothing to say yet.")
    workflow_uuid: UUID
    kind: str
    warnings: list[str] = Field(description="What of the definition or of the request has no effect.")


class WorkflowCount(BaseModel):
    total: int
    active: int
    archived: int


class WorkflowVersion(BaseModel):
    id: int = Field(description="What runs name as their definition_id.")
    version_number: int
    status: str = Field(description="published: in force; draft: newer, with nothing to say; archived: older.")
    created_at: datetime
    published_at: datetime | None
    workflow_json: dict[str, Any]
    workflow_configurations: None = None
    template_context_variables: dict[str, str]
    kind: str


class Published(BaseModel):
    id: int
    version_number: int
    status: str
    published_at: datetime


@router.get("/fetch")
async def list_workflows(
    app: ViewerApp, status: Statuses = None, before: Before = None, limit: Limit = 1000
) -> list[WorkflowListItem]:
    """Workflows of the organization, newest first."""
    found = await _page(app, status, before, limit)
    runs = await app.library.attempts([row["id"] for row in found])
    return [
        WorkflowListItem(
            id=row["id"],
            name=row["name"],
            status=_status(row["archived_at"]),
            created_at=row["created_at"],
            total_runs=runs[row["id"]],
            workflow_uuid=row["uuid"],
            kind=row["kind"],
        )
        for row in found
    ]


@router.get("/fetch/{workflow_id}")
async def get_workflow(workflow_id: Id, app: ViewerApp) -> Workflow:
    """One workflow with its newest definition."""
    return await _workflow(app, workflow_id)


@router.get("/summary")
async def list_workflow_names(
    app: ViewerApp, status: Statuses = None, before: Before = None, limit: Limit = 1000
) -> list[WorkflowSummary]:
    """Ids and names, newest first."""
    return [WorkflowSummary(id=row["id"], name=row["name"]) for row in await _page(app, status, before, limit)]


@router.get("/count")
async def count_workflows(app: ViewerApp) -> WorkflowCount:
    """How many there are, active and archived."""
    total, archived = await app.library.count()
    return WorkflowCount(total=total, active=total - archived, archived=archived)


@router.get("/templates")
async def list_workflow_templates(_: ViewerApp) -> list[WorkflowSummary]:
    """Ready-made workflows: this version has none."""
    return []


@router.post("/create/definition")
async def create_workflow(new: Annotated[NewWorkflow, Body()], app: OperatorApp) -> Workflow:
    """Make a workflow; a definition that can speak is in force at once."""
    workflow_id = await app.library.create(new.name, new.workflow_definition)
    return await _workflow(app, workflow_id, new.unknown())


@router.put("/{workflow_id}")
async def update_workflow(workflow_id: Id, change: Annotated[WorkflowChange, Body()], app: OperatorApp) -> Workflow:
    """Change name or definition. Calls in progress keep the version that they began with."""
    await app.library.update(workflow_id, name=change.name, definition=change.workflow_definition)
    return await _workflow(app, workflow_id, change.unknown())


@router.put("/{workflow_id}/status")
async def set_workflow_status(workflow_id: Id, change: StatusChange, app: OperatorApp) -> Workflow:
    """Archive a workflow, or take it back. No campaign can be made with an archived one; those there are go on."""
    await (app.library.archive if change.status == ARCHIVED else app.library.unarchive)(workflow_id)
    return await _workflow(app, workflow_id)


@router.post("/{workflow_id}/archive")
async def archive_workflow(workflow_id: Id, app: OperatorApp) -> Workflow:
    """No campaign can be made with it any more; those there are go on."""
    await app.library.archive(workflow_id)
    return await _workflow(app, workflow_id)


@router.post("/{workflow_id}/unarchive")
async def unarchive_workflow(workflow_id: Id, app: OperatorApp) -> Workflow:
    """Campaigns can be made with it again."""
    await app.library.unarchive(workflow_id)
    return await _workflow(app, workflow_id)


@router.post("/{workflow_id}/publish")
async def publish_workflow(workflow_id: Id, app: OperatorApp) -> Published:
    """The version in force. A definition that can speak needs no publishing, except that it may be able to only since
    the organization has voice services; one that cannot is refused.
    """
    found = await app.library.publish(workflow_id)
    assert found.version_id is not None
    published_at = found.updated_at or found.created_at
    return Published(id=found.version_id, version_number=found.version, status="published", published_at=published_at)


@router.get("/{workflow_id}/versions")
async def list_workflow_versions(
    workflow_id: Id,
    app: ViewerApp,
    before: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Only lower version numbers.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 100,
) -> list[WorkflowVersion]:
    """What it was and is, newest first."""
    found = await app.library.get(workflow_id)
    versions = await app.library.versions(workflow_id, before=before, limit=limit)
    read = await app.library.reader()
    return [_version(read(row["definition"]), found, row) for row in versions]


async def _page(app: App, status: str | None, before: int | None, limit: int) -> list[Row]:
    wanted = {word.strip() for word in (status or "").split(",")} - {""}
    return await app.library.page(
        archived=None if len(wanted) != 1 else wanted == {ARCHIVED}, before=before, limit=limit
    )


async def _workflow(app: App, workflow_id: int, unknown: list[str] | None = None) -> Workflow:
    found = await app.library.get(workflow_id)
    runs = await app.library.attempts([workflow_id])
    reading = (await app.library.reader())(found.definition)
    return Workflow(
        id=found.id,
        name=found.name,
        status=_status(found.archived_at),
        created_at=found.created_at,
        updated_at=found.updated_at,
        workflow_definition=dict(found.definition),
        current_definition_id=found.version_id,
        template_context_variables=_variables(reading),
        total_runs=runs[workflow_id],
        version_number=found.newest_version,
        version_status="draft" if found.is_draft else "published",
        workflow_uuid=found.uuid,
        kind=found.kind,
        warnings=[*(unknown or []), *_draft(found, reading), *reading.warnings],
    )


def _draft(found: AgentRecord, reading: Reading) -> list[str]:
    if not found.is_draft:
        return []
    meanwhile = f"calls are made with version {found.version}" if found.version else "no campaign can be made with it"
    return [f"version {found.newest_version} is a draft: {reading.draft}; until then {meanwhile}"]


def _version(reading: Reading, found: AgentRecord, row: Row) -> WorkflowVersion:
    in_force = row["version"] == found.version
    newest = row["version"] == found.newest_version
    return WorkflowVersion(
        id=row["id"],
        version_number=row["version"],
        status="published" if in_force else "draft" if newest else "archived",
        created_at=row["created_at"],
        published_at=None if reading.draft else row["created_at"],
        workflow_json=row["definition"],
        template_context_variables=_variables(reading),
        kind=row["kind"],
    )


def _variables(reading: Reading) -> dict[str, str]:
    """As Dograh's editor has them: names, and a value for trying them out."""
    return dict.fromkeys(sorted(reading.variables), "")


def _status(archived_at: datetime | None) -> str:
    return ACTIVE if archived_at is None else ARCHIVED
