"""The list of campaigns."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from browsing import PASSWORD
from hosting import opened
from people import app_of, draft, numbers
from playwright.async_api import Page
from site_of import Site
from test_million import WatchedDatabase, nodes
from visitors import OWNER, person

from dialplane.config import Settings
from dialplane.core.window import CONTACT, CallingWindow
from dialplane.store.postgres import Connection, Database
from dialplane.web.campaigns import PER_PAGE

pytestmark = pytest.mark.asyncio

MANY = 10_000
MOST_STATEMENTS = 12


async def names(tab: Page) -> list[str]:
    return await tab.locator("#campaigns tbody tr td:first-child a").all_inner_texts()


async def renamed(site: Site, campaign_id: int, name: str) -> int:
    await app_of(site).campaigns.change(campaign_id, name=name)
    return campaign_id


async def test_campaigns_are_found_by_name_state_and_age_and_archived_ones_apart(site: Site, tab: Page) -> None:
    app = app_of(site)
    spring = await renamed(site, await draft(site, numbers(2)), "Spring <b>renewals</b>")
    window = CallingWindow.parse("daily 00:00-00:01", CONTACT)
    summer = await renamed(site, await draft(site, numbers(3, first=2_100_000), window=window), "Summer renewals")
    autumn = await renamed(site, await draft(site, numbers(1, first=2_200_000)), "Autumn survey")
    await app.campaigns.start(summer)
    await app.campaigns.cancel(autumn)

    await tab.goto(f"{site.url}/campaigns")
    assert await names(tab) == ["Autumn survey", "Summer renewals", "Spring <b>renewals</b>"]
    row = await tab.locator(f"#campaign-{summer}").inner_text()
    assert "running" in row and "0 of 3" in row and ("opens" in row or "closes" in row)

    await tab.get_by_label("Search by name").fill("RENEWALS")
    await tab.get_by_label("Order").select_option("oldest")
    await tab.get_by_role("button", name="Search").click()
    await tab.wait_for_url("**search=RENEWALS**")
    assert await names(tab) == ["Spring <b>renewals</b>", "Summer renewals"]

    await tab.get_by_role("link", name="Show all").click()
    await tab.get_by_label("draft", exact=True).check()
    await tab.get_by_label("cancelled", exact=True).check()
    await tab.get_by_role("button", name="Search").click()
    await tab.wait_for_url("**state=draft**")
    assert await names(tab) == ["Autumn survey", "Spring <b>renewals</b>"]

    await tab.goto(f"{site.url}/campaigns/{autumn}")
    await tab.get_by_role("button", name="Archive").click()
    await tab.get_by_text("It is archived.").wait_for()
    await tab.goto(f"{site.url}/campaigns")
    assert await names(tab) == ["Summer renewals", "Spring <b>renewals</b>"]
    await tab.goto(f"{site.url}/campaigns?archived=true")
    assert await names(tab) == ["Autumn survey"]

    await renamed(site, spring, "Spring")
    await tab.goto(f"{site.url}/campaigns?order=changed")
    assert (await names(tab))[0] == "Spring"


async def test_the_list_is_live(site: Site, tab: Page) -> None:
    campaign_id = await draft(site, numbers(30))
    await tab.goto(f"{site.url}/campaigns?state=draft&state=running&state=completed")
    row = tab.locator(f"#campaign-{campaign_id}")
    await row.get_by_text("draft", exact=True).wait_for()
    async with site.working():
        await app_of(site).campaigns.start(campaign_id)
        await row.get_by_text("30 of 30").wait_for()
        await row.get_by_text("completed", exact=True).wait_for()
    assert "100 %" in await row.inner_text()


class WatchedSnapshots(WatchedDatabase):
    """Its snapshots too."""

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        async with super().snapshot() as connection, self._watched(connection):
            yield connection


@pytest_asyncio.fixture
async def watched(server: Mapping[str, Any], fresh_schema: str) -> AsyncIterator[WatchedSnapshots]:
    database = await WatchedSnapshots.open(server, schema=fresh_schema, durable=False)
    yield database
    await database.close()


def too_much(plan: Mapping[str, Any]) -> list[str]:
    """A plan that reads more than each campaign once, or sorts more than a page."""
    found = []
    for node in nodes(plan):
        rows = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        if node["Node Type"] == "Sort" and (given := node["Plans"][0]["Actual Rows"]) > 2 * PER_PAGE:
            found.append(f"Sort of {given:.0f} rows")
        if node["Node Type"] == "Seq Scan" and node.get("Relation Name") == "campaign":
            found.append("sequential scan of campaign")
        if rows > MANY + 1:
            found.append(f"{node['Node Type']} of {rows:.0f} rows")
    return found


async def test_ten_thousand_campaigns_take_as_many_statements_as_ten_and_no_sort(
    watched: WatchedSnapshots, tmp_path: Path
) -> None:
    async with opened(watched, Settings(home=tmp_path, secret_key="a secret for the tests")) as site:
        await person(site)
        owner = await site.server.people.sign_in(OWNER, PASSWORD)
        assert owner is not None
        cookie = {"Cookie": f"dialplane_session={(await site.server.people.session(owner)).key}"}
        await draft(site, numbers(1))
        async with Database.connection(watched) as connection:
            await connection.execute(
                "INSERT INTO campaign (organization_id, uuid, name, state, agent_id, carrier_id, calling_window, retry,"
                " breaker, created_at, updated_at) SELECT organization_id, md5('m' || n)::uuid, 'Campaign ' || n,"
                " (ARRAY['draft', 'completed', 'paused', 'cancelled'])[1 + n % 4], agent_id, carrier_id,"
                " calling_window, retry, breaker, created_at + n * interval '1 s', updated_at + n * interval '1 s'"
                " FROM campaign, generate_series(2, $1) n WHERE NOT hidden",
                MANY,
            )
            await connection.execute("ANALYZE campaign")
        faults = {}
        for query in (
            "",
            "?page=400",
            "?order=oldest&page=200",
            "?order=changed",
            "?search=9&state=paused&state=draft",
        ):
            watched.asked.clear()
            began = time.monotonic()
            answer = await site.http.get(f"/campaigns{query}", headers=cookie)
            took = time.monotonic() - began
            asked = list(watched.asked)
            print(f"/campaigns{query}: {took * 1000:.0f} ms, {len(asked)} statements")
            assert answer.text.count('<tr id="campaign-') == PER_PAGE
            assert len(asked) <= MOST_STATEMENTS
            for statement, arguments in asked:
                if statement.lstrip().upper().startswith(("SELECT", "WITH", "--")):
                    async with Database.connection(watched) as connection:
                        explained = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *arguments)
                    if found := too_much(json.loads(explained)[0]["Plan"]):
                        faults[f"{query}: {statement[:120]}"] = found
        assert faults == {}
