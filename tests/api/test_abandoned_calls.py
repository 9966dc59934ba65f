"""Abandoned calls over HTTP: what a campaign is set to, what it shows of them, and how it pauses."""

from __future__ import annotations

from typing import Any

import pytest
from people import app_of, draft, numbers
from published import conforms
from site_of import CALLS, Site

from dialplane.core.abandon import AbandonRule

pytestmark = pytest.mark.asyncio

USUAL = {"enabled": True, "max_rate": 0.03, "min_calls": 50, "pause": None}
SLOW = {**CALLS, "talk_seconds": 2.6, "first_word_seconds": 2.5}


async def made(site: Site, *, status: int = 200, **more: Any) -> Any:
    app = app_of(site)
    await app.add_carrier(None)
    body = {"name": "test", "workflow_id": await app.add_agent(None), "keep_open": True, **more}
    return await site.call("POST", "/campaign/create", status=status, json=body)


async def test_a_campaign_has_the_limit_of_the_law_unless_told_otherwise(site: Site) -> None:
    campaign = conforms(await made(site), "CampaignResponse")

    assert (campaign["abandon"], campaign["abandoned_calls"]) == (USUAL, None)


async def test_a_rule_of_ones_own_is_kept_and_replaced_whole(site: Site) -> None:
    campaign = await made(site, abandon={"max_rate": 5, "pause": True})
    path = f"/campaign/{campaign['id']}"
    kept = await site.call("PATCH", path, json={"max_concurrency": 3})
    changed = await site.call("PATCH", path, json={"abandon": {"enabled": False}})

    assert campaign["abandon"] == kept["abandon"] == {**USUAL, "max_rate": 0.05, "pause": True}, "5 is 5 %"
    assert changed["abandon"] == {**USUAL, "enabled": False}


@pytest.mark.parametrize("rule", [{"max_rate": 0}, {"max_rate": 100}, {"min_calls": 0}, {"pause": 3}, {"rate": 0.03}])
async def test_what_is_not_understood_is_refused(site: Site, rule: dict[str, Any]) -> None:
    await made(site, status=422, abandon=rule)


async def test_a_campaign_that_paused_itself_shows_how_many_and_which(site: Site) -> None:
    rule = AbandonRule(min_calls=5, pause=True)
    campaign = await draft(site, numbers(40), carrier=SLOW, max_lines=5, abandon=rule)
    path = f"/campaign/{campaign}"
    await site.call("POST", f"{path}/start")

    async with site.working():
        paused = conforms(await site.until(path, {"state": "paused"}), "CampaignResponse")
        await site.until(f"{path}/progress", {"in_progress": 0})

    (entry,) = paused["logs"]
    assert (entry["event"], entry["level"]) == ("abandon.tripped", "error")
    assert "answered calls (100.0 %)" in paused["state_reason"] and len(entry["details"]["calls"]) >= 5
    progress = conforms(await site.call("GET", f"{path}/progress"), "CampaignProgressResponse")
    (today,) = progress["abandoned_calls"]
    assert today == (await site.call("GET", path))["abandoned_calls"]
    assert 5 <= today["answered"] == today["abandoned"] and today["rate"] == 1
    runs = (await site.call("GET", f"{path}/runs"))["runs"]
    assert [run["abandoned"] for run in runs] == [True] * today["answered"]
    why = await site.call("GET", f"{path}/why")
    assert why["groups"][0]["reason"] == "abandoned"
    assert 'dialplane_answers_total{result="abandoned"}' in (await site.http.get("/metrics")).text
