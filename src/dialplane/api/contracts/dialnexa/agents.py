"""`/agents`, `/agents2`: a new one says its welcome message. `/voices`, `/languages`, `/llms`: none to choose from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from dialplane.agents.assistant import ASSISTANT, FIRST
from dialplane.agents.workflow import START
from dialplane.api.access import OperatorApp, ViewerApp
from dialplane.api.contracts.dialnexa import ids
from dialplane.api.contracts.dialnexa.lookup import find_agent_id
from dialplane.api.contracts.dialnexa.shapes import Limit, Meta, Page
from dialplane.api.route import Route
from dialplane.api.shapes import Tolerant
from dialplane.engine.agents import AgentRecord
from dialplane.errors import Invalid, NotFound
from dialplane.wiring import App

GREETING = "greeting"  # of a script, which is what this contract makes
SCRIPTED = "scripted"

router = APIRouter(tags=["agents"], route_class=Route)

AgentId = Annotated[str, Path(max_length=ids.LONGEST, examples=["agt_1b4e28ba2fa111d2883f0016d3cca427"])]
Title = Annotated[str, Field(min_length=1, max_length=255, pattern=r"\S", examples=["Customer Support Bot"])]
Welcome = Annotated[str, Field(min_length=1, max_length=10_000, pattern=r"\S", examples=["Hello {{customer_name}}."])]


class Prompts(Tolerant):
    welcome_message: Welcome | None = Field(None, description="What the agent says.")


class CreateAgent(Tolerant):
    title: Title = "Untitled agent"
    prompts: Prompts


class UpdateAgent(Tolerant):
    """What is left out stays. Every change is a new version."""

    title: Title | None = None
    version_number: int | None = Field(None, ge=0, description="Without effect: the newest version is changed.")
    prompts: Prompts | None = None


class PromptsView(BaseModel):
    welcome_message: str | None = Field(description="null: it begins otherwise.")


class VersionView(BaseModel):
    agent_id: str
    number: int
    title: str
    is_published: bool
    prompts: PromptsView


class AgentView(BaseModel):
    """An agent and its version in force; of a draft, the newest."""

    id: str
    agent_id: str
    organization_id: str
    title: str
    current_version_number: int = Field(description="0: there is none that can call.")
    current_version: VersionView
    is_deleted: bool
    createdAt: datetime  # noqa: N815  (theirs)
    updatedAt: datetime  # noqa: N815


class AgentPage(BaseModel):
    data: list[AgentView]
    meta: Meta


class ChangedAgent(BaseModel):
    data: AgentView
    warnings: list[str] = Field(default=[], description="What of the request has no effect.")


class Choices(BaseModel):
    """Agents say the same words to everybody, in no voice or language model that could be chosen."""

    data: list[dict[str, Any]]
    meta: Meta


@router.get("/agents")
async def list_agents(app: ViewerApp, page: Page = 1, limit: Limit = 20) -> list[AgentView]:
    """Newest first."""
    return (await _page(app, page, limit)).data


@router.get("/agents2")
async def list_agents_with_total(app: ViewerApp, page: Page = 1, limit: Limit = 20) -> AgentPage:
    """Newest first."""
    return await _page(app, page, limit)


@router.get("/agents/{agent_id}")
@router.get("/agents2/{agent_id}", name="get_agent2")
async def get_agent(app: ViewerApp, agent_id: AgentId) -> AgentView:
    """An agent."""
    return await _shown(app, await find_agent_id(app, agent_id))


@router.post("/agents2", status_code=201)
async def create_agent(app: OperatorApp, body: CreateAgent) -> ChangedAgent:
    """An agent that says its welcome message and hangs up; it can call at once."""
    welcome = body.prompts.welcome_message
    if welcome is None:
        raise Invalid("prompts.welcome_message is required and must be a non-empty string")
    agent_id = await app.library.create(body.title, {"name": body.title, GREETING: welcome})
    return ChangedAgent(data=await _shown(app, agent_id), warnings=_ignored(body, body.prompts))


@router.patch("/agents2/{agent_id}")
async def update_agent(app: OperatorApp, agent_id: AgentId, body: UpdateAgent) -> ChangedAgent:
    """Change its title or its words; calls that begin from now on are made with the new version."""
    found = await app.library.get(await find_agent_id(app, agent_id))
    welcome = None if body.prompts is None else body.prompts.welcome_message
    if welcome is not None and found.kind != SCRIPTED:
        raise Invalid(f"'{found.name}' was not made as a script: change its words where it was made")
    definition = None if welcome is None else {**found.definition, GREETING: welcome}
    await app.library.update(found.id, name=body.title, definition=definition)
    return ChangedAgent(data=await _shown(app, found.id), warnings=_ignored(body, body.prompts))


@router.get("/voices")
async def list_voices(_app: ViewerApp, page: Page = 1, limit: Limit = 20) -> Choices:
    """There are none to choose from."""
    return Choices(data=[], meta=Meta.of(page, limit, 0))


@router.get("/languages")
async def list_languages(_app: ViewerApp, page: Page = 1, limit: Limit = 20) -> Choices:
    """There are none to choose from."""
    return Choices(data=[], meta=Meta.of(page, limit, 0))


@router.get("/llms")
async def list_llms(_app: ViewerApp) -> list[dict[str, Any]]:
    """There are none to choose from."""
    return []


@router.get("/voices/{choice_id}", name="get_voice")
@router.get("/languages/{choice_id}", name="get_language")
@router.get("/llms/{choice_id}", name="get_llm")
async def get_choice(_app: ViewerApp, choice_id: AgentId) -> dict[str, Any]:
    """There is none."""
    raise NotFound(f"'{choice_id}' not found: there are no voices, languages or models to choose from")


async def _page(app: App, page: int, limit: int) -> AgentPage:
    total, archived = await app.library.count()
    rows = await app.library.page(archived=False, limit=page * limit)
    shown = [await _shown(app, row["id"]) for row in rows[(page - 1) * limit :]]
    return AgentPage(data=shown, meta=Meta.of(page, limit, total - archived))


async def _shown(app: App, agent_id: int) -> AgentView:
    organization = ids.shown(ids.ORGANIZATION, await app.directory.organization())
    return _view(await app.library.get(agent_id), organization)


def _view(agent: AgentRecord, organization: str) -> AgentView:
    agent_id = ids.shown(ids.AGENT, agent.uuid)
    return AgentView(
        id=agent_id,
        agent_id=agent_id,
        organization_id=organization,
        title=agent.name,
        current_version_number=agent.version,
        current_version=VersionView(
            agent_id=agent_id,
            number=agent.newest_version,
            title=agent.name,
            is_published=not agent.is_draft,
            prompts=PromptsView(welcome_message=_welcome(agent.definition)),
        ),
        is_deleted=agent.archived_at is not None,
        createdAt=agent.created_at,
        updatedAt=agent.updated_at or agent.created_at,
    )


def _welcome(definition: Mapping[str, Any]) -> str | None:
    """Of a script, an assistant or a graph the words with which a call begins."""
    starts = [node for node in definition.get("nodes") or () if node.get("type") == START]
    told = [
        definition.get(GREETING),
        (definition.get(ASSISTANT) or {}).get(FIRST),
        *((node.get("data") or {}).get(GREETING) for node in starts),
    ]
    return next((words for words in told if isinstance(words, str)), None)


def _ignored(body: Tolerant, prompts: Prompts | None) -> list[str]:
    names = [
        *(body.model_extra or ()),
        *(f"prompts.{name}" for name in (prompts.model_extra if prompts else None) or ()),
    ]
    return [f"{name} has no effect: an agent says its welcome_message" for name in names]
