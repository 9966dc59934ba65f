"""`/squad`, to be read: each agent is a squad of one, so that `squadId` may name any of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Path

from dialplane.api.access import ViewerApp
from dialplane.api.contracts.vapi.assistants import assistant_named
from dialplane.api.contracts.vapi.lists import Listed
from dialplane.api.contracts.vapi.shapes import Camel
from dialplane.api.route import Route
from dialplane.engine.agents import AgentRecord
from dialplane.errors import NotFound

SquadId = Annotated[str, Path(alias="id", max_length=100, description="The uuid of its only assistant")]

router = APIRouter(prefix="/squad", tags=["squads"], route_class=Route)


class SquadMember(Camel):
    assistant_id: UUID


class Squad(Camel):
    id: UUID
    org_id: UUID
    name: str
    members: list[SquadMember]
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, agent: AgentRecord, organization: UUID) -> Self:
        return cls(
            id=agent.uuid,
            org_id=organization,
            name=agent.name,
            members=[SquadMember(assistant_id=agent.uuid)],
            created_at=agent.created_at,
            updated_at=agent.updated_at or agent.created_at,
        )


@router.get("")
async def list_squads(app: ViewerApp, listing: Listed) -> list[Squad]:
    """Newest first."""
    organization = await app.directory.organization()
    return [Squad.of(agent, organization) for agent in await app.library.newest(listing.ranges(), limit=listing.limit)]


@router.get("/{id}")
async def get_squad(app: ViewerApp, squad_id: SquadId) -> Squad:
    """One squad."""
    try:
        agent = await assistant_named(app, squad_id)
    except NotFound:
        raise NotFound("Squad not found") from None
    return Squad.of(agent, await app.directory.organization())
