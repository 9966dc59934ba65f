"""DialNexa's ids -> ours, inside one organization."""

from __future__ import annotations

from dialplane.api.contracts.dialnexa import ids
from dialplane.core.attempt import ContactState
from dialplane.engine.agents import AgentRecord
from dialplane.engine.contact_book import ContactRecord
from dialplane.engine.views import CampaignRecord
from dialplane.errors import Invalid, NotFound
from dialplane.wiring import App


async def find_campaign(app: App, text: str) -> CampaignRecord:
    """Also one that was made as a batch, or through another door. Raises NotFound."""
    uuid = ids.read(text, ids.CAMPAIGN, ids.BATCH)
    campaign_id = None if uuid is None else await app.campaigns.find(uuid)
    campaign = None if campaign_id is None else await app.campaigns.get(campaign_id)
    if campaign is None or campaign.hidden:
        raise NotFound("Campaign not found")
    return campaign


async def find_lead(app: App, text: str) -> ContactRecord:
    """Raises NotFound, for a removed one too."""
    uuid = ids.read(text, ids.LEAD)
    contact_id = None if uuid is None else await app.directory.contact(uuid)
    lead = None if contact_id is None else await app.contact_book.get(contact_id)
    if lead is None or lead.state is ContactState.REMOVED:
        raise NotFound("Lead not found")
    return lead


async def find_agent_id(app: App, text: str) -> int:
    """Of an archived one too. Raises NotFound."""
    uuid = ids.read(text, ids.AGENT)
    if uuid is None:
        raise NotFound("Agent not found")
    try:
        return await app.library.id_of(uuid)
    except NotFound:
        raise NotFound("Agent not found") from None


async def find_agent(app: App, text: str) -> AgentRecord:
    """One that can call. Raises NotFound, Invalid for a draft."""
    agent = await app.library.get(await find_agent_id(app, text))
    if agent.archived_at is not None:
        raise NotFound("Agent not found")
    if not agent.version:
        raise Invalid(f"Agent '{agent.name}' has no published version")
    return agent
