"""Which versions of an agent speak for a campaign, and the columns that its contacts need for them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dialplane.core.splitting import AgentSplit
from dialplane.engine.carriers import CarrierRecord
from dialplane.engine.views import CampaignRecord
from dialplane.errors import Invalid, NotFound
from dialplane.ports import Agents, Prepares
from dialplane.store.postgres import Database, Row, sql

IN_FORCE = AgentSplit()


@dataclass(frozen=True, slots=True)
class Speakers:
    """Agents of one organization, as campaigns call with them."""

    database: Database
    agents: Agents
    organization_id: int

    async def columns_of(self, campaign: CampaignRecord) -> frozenset[str]:
        """Variables that the versions which speak for a campaign use. Raises Invalid for an agent that is a draft."""
        return await self._columns(campaign.agent_id, campaign.speaking)

    async def columns(self, agent_id: int, split: AgentSplit = IN_FORCE) -> frozenset[str]:
        """The same for a campaign that is to have this agent and this split.

        Raises NotFound; Invalid for a version that is not there or is a draft.
        """
        async with self.database.connection() as connection:
            agent = await sql.agent(connection, organization_id=self.organization_id, agent_id=agent_id)
        if agent is None:
            raise NotFound("Workflow not found")
        for version in split.weights:
            await self._check(agent, version)
        return await self._columns(agent_id, split.weights or [agent["version"]])

    async def check_sound(self, agent_id: int, carrier: CarrierRecord, split: AgentSplit = IN_FORCE) -> None:
        """Raises Invalid where one of them talks in sound, and the carrier carries words alone."""
        if carrier.limits.carries_sound:
            return
        async with self.database.connection() as connection:
            agent = await sql.agent(connection, organization_id=self.organization_id, agent_id=agent_id)
        for version in split.weights or ([agent["version"]] if agent is not None and agent["version"] else []):
            if isinstance(await self.agents.get(self.organization_id, agent_id, version), Prepares):
                raise Invalid(
                    f"the agent '{agent['name']}' talks in sound, and the carrier '{carrier.name}' carries words "
                    "alone: choose a carrier with real telephones, or an agent that has a script"
                )

    async def _columns(self, agent_id: int, versions: Iterable[int]) -> frozenset[str]:
        found = [await self.agents.get(self.organization_id, agent_id, version) for version in versions]
        return frozenset().union(*(agent.variables() for agent in found))

    async def _check(self, agent: Row, version: int) -> None:
        there = "1" if agent["newest_version"] == 1 else f"1 to {agent['newest_version']}"
        try:
            await self.agents.get(self.organization_id, agent["id"], version)
        except NotFound:
            raise Invalid(f"agent_versions: '{agent['name']}' has no version {version}; choose among {there}") from None
        except Invalid as fault:
            raise Invalid(
                f"agent_versions: version {version} of '{agent['name']}' is a draft ({fault}): leave it out, or "
                "publish one that can speak"
            ) from None
