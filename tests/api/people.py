"""Campaigns with contacts, made in a line."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from site_of import CALLS, Site

from dialplane.core.campaign import CampaignState, Policies
from dialplane.wiring import App


def numbers(count: int, *, first: int = 2_000_000) -> list[str]:
    """That many valid numbers of New York."""
    return [f"+1212{first + i}" for i in range(count)]


def app_of(site: Site, of: str = "default") -> App:
    return site.server.of(site.organizations[of])


async def draft(
    site: Site,
    contacts: str | Sequence[str],
    *,
    of: str = "default",
    carrier: Mapping[str, Any] | None = None,
    agent: Mapping[str, Any] | None = None,
    keep_open: bool = False,
    **policies: Any,
) -> int:
    """A campaign with these numbers, or with the contacts of a CSV text."""
    app = app_of(site, of)
    campaign_id = await app.campaigns.create(
        name="test",
        agent_id=await app.add_agent(agent),
        carrier_id=await app.add_carrier(CALLS if carrier is None else carrier),
        policies=Policies(**policies),
        keep_open=keep_open,
    )
    if contacts:
        await imported(site, campaign_id, contacts, of=of)
    return campaign_id


async def started(site: Site, contacts: str | Sequence[str], **options: Any) -> int:
    campaign_id = await draft(site, contacts, **options)
    await app_of(site, options.get("of", "default")).campaigns.start(campaign_id)
    return campaign_id


async def imported(site: Site, campaign_id: int, contacts: str | Sequence[str], *, of: str = "default") -> None:
    app = app_of(site, of)
    text = contacts if isinstance(contacts, str) else "\n".join(["phone_number", *contacts])
    path: Path = site.server.settings.home / "people.csv"
    path.write_text(text, encoding="utf-8")
    required = await app.columns_of(campaign_id)
    await app.intake.store(campaign_id, path, None)
    await app.intake.run(campaign_id, required)


async def completed(site: Site, contacts: str | Sequence[str], *, of: str = "default", **options: Any) -> int:
    """A campaign that has run to its end."""
    campaign_id = await started(site, contacts, of=of, **options)
    async with site.working(of), asyncio.timeout(30):
        while (await app_of(site, of).campaigns.get(campaign_id)).state is not CampaignState.COMPLETED:
            await asyncio.sleep(0.01)
    return campaign_id
