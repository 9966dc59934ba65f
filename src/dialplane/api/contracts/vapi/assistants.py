"""`/assistant`: an agent each. Its messages are spoken; the rest of it is kept, answered, and named in `warnings`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from dialplane.agents.assistant import ASSISTANT, FIRST, MODE, SPEAKS_FIRST
from dialplane.agents.workflow import START
from dialplane.api.access import OperatorApp, ViewerApp
from dialplane.api.contracts.vapi.lists import Listed
from dialplane.api.contracts.vapi.shapes import as_uuid
from dialplane.api.route import Route
from dialplane.engine.agents import AgentRecord, Reading
from dialplane.errors import Conflict, NotFound
from dialplane.wiring import App

UNNAMED = "Assistant"
# Answered, and nothing that a client could set.
OURS = frozenset({"id", "orgId", "createdAt", "updatedAt", "warnings", "isServerUrlSecretSet"})
AssistantId = Annotated[str, Path(alias="id", max_length=100, description="The assistant's uuid")]

router = APIRouter(prefix="/assistant", tags=["assistants"], route_class=Route)


class AssistantBody(BaseModel):
    """An assistant as Vapi's clients write it; fields that are not named here are kept as they come."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={"example": {"name": "Reminders", "firstMessage": "Hello {{name}}, see you tomorrow."}},
    )

    name: str | None = Field(None, max_length=40)
    firstMessage: str | None = Field(None, max_length=10_000, description="What is said, with {{variables}}")  # noqa: N815
    endCallMessage: str | None = Field(None, max_length=10_000, description="Said before hanging up")  # noqa: N815

    def definition(self) -> dict[str, Any]:
        """What was given, as it was spelled."""
        given = self.model_dump(exclude_unset=True)
        return {name: value for name, value in given.items() if name not in OURS}


class Assistant(BaseModel):
    """With all that it was made of, secrets left out."""

    model_config = ConfigDict(extra="allow")

    id: UUID
    orgId: UUID  # noqa: N815  (the contract's word, as below)
    name: str
    createdAt: datetime  # noqa: N815
    updatedAt: datetime  # noqa: N815
    warnings: list[str] = Field(description="What of it has no effect on calls")

    @classmethod
    def of(cls, agent: AgentRecord, reading: Reading, organization: UUID, given: Sequence[str] | None = None) -> Self:
        """given: warnings about what was sent; else those about what is kept."""
        draft = [f"no call can be made with it: {reading.draft}"] if reading.draft else []
        return cls(
            **{name: value for name, value in shown(agent).items() if name not in (*OURS, "name")},
            id=agent.uuid,
            orgId=organization,
            name=agent.name,
            createdAt=agent.created_at,
            updatedAt=agent.updated_at or agent.created_at,
            warnings=[*(reading.warnings if given is None else given), *draft],
        )


@router.post("", status_code=201)
async def create_assistant(app: OperatorApp, body: AssistantBody) -> Assistant:
    """An assistant that campaigns and calls can name."""
    definition = {ASSISTANT: body.definition()}
    agent_id = await app.library.create(body.name or UNNAMED, definition)
    return await _shown(app, await app.library.get(agent_id), definition)


@router.get("")
async def list_assistants(app: ViewerApp, listing: Listed) -> list[Assistant]:
    """Newest first; agents of other kinds too, with what they say first."""
    organization = await app.directory.organization()
    found = await app.library.newest(listing.ranges(), limit=listing.limit)
    read = await app.library.reader()
    return [Assistant.of(agent, read(agent.definition), organization) for agent in found]


@router.get("/{id}")
async def get_assistant(app: ViewerApp, assistant_id: AssistantId) -> Assistant:
    """One assistant."""
    return await _shown(app, await assistant_named(app, assistant_id))


@router.patch("/{id}")
async def update_assistant(app: OperatorApp, assistant_id: AssistantId, body: AssistantBody) -> Assistant:
    """Replace the fields that are given, take away those that are null; calls in progress keep what they began with."""
    agent = await assistant_named(app, assistant_id)
    changes = body.definition()
    if agent.kind != ASSISTANT:
        if set(changes) - {"name"}:
            raise Conflict(f"'{agent.name}' was made as a {agent.kind}: only its name can be changed here")
        await app.library.update(agent.id, name=body.name)
        return await _shown(app, await app.library.get(agent.id))
    merged = {**agent.definition[ASSISTANT], **changes}
    definition = {ASSISTANT: {name: value for name, value in merged.items() if value is not None}}
    await app.library.update(agent.id, name=body.name, definition=definition)
    return await _shown(app, await app.library.get(agent.id), definition)


@router.delete("/{id}")
async def delete_assistant(app: OperatorApp, assistant_id: AssistantId) -> Assistant:
    """No campaign and no call can be made with it any more; those there are go on."""
    agent = await assistant_named(app, assistant_id)
    await app.library.archive(agent.id)
    return await _shown(app, agent)


async def assistant_named(app: App, text: str) -> AgentRecord:
    """Raises NotFound."""
    uuid = as_uuid(text)
    try:
        agent = None if uuid is None else await app.library.get(await app.library.id_of(uuid))
    except NotFound:
        agent = None
    if agent is None or agent.archived_at is not None:
        raise NotFound("Assistant not found")
    return agent


def shown(agent: AgentRecord) -> Mapping[str, Any]:
    """What it is made of, in Vapi's fields; of an agent of another kind what it says first."""
    if agent.kind == ASSISTANT:
        fields: Mapping[str, Any] = agent.definition[ASSISTANT]
        return fields
    starts = [node for node in agent.definition.get("nodes") or () if node.get("type") == START]
    greeting = (starts[0].get("data") or {}).get("greeting") if starts else agent.definition.get("greeting")
    return {FIRST: greeting or "", MODE: SPEAKS_FIRST}


async def _shown(app: App, agent: AgentRecord, sent: Mapping[str, Any] | None = None) -> Assistant:
    read = await app.library.reader()
    given = None if sent is None else read(sent).warnings
    return Assistant.of(agent, read(agent.definition), await app.directory.organization(), given)
