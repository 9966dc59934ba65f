"""A campaign with 1,000,000 contacts and as many attempts: requests read counters and pages, never all rows."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hosting import opened
from people import app_of
from site_of import CALLS, Site

from benchmarks.filling import BIG, fill
from dialplane.config import Settings
from dialplane.core.campaign import Policies
from dialplane.engine.contact_book import END, EXAMINED
from dialplane.engine.grouping import MOST_COUNTED
from dialplane.engine.keys import Role
from dialplane.store.postgres import Connection, Database
from dialplane.wiring import App

pytestmark = pytest.mark.asyncio

CONTACTS = 1_000_000
MOST_ROWS = 5_000  # that a statement may touch, whatever the size of the campaign


class WatchedDatabase(Database):
    """Remembers the statements that it was asked, with their arguments."""

    asked: list[tuple[str, tuple[Any, ...]]] = []  # noqa: RUF012

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        async with super().connection() as connection, self._watched(connection):
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        async with super().transaction() as connection, self._watched(connection):
            yield connection

    @asynccontextmanager
    async def short_transaction(self) -> AsyncIterator[Connection]:
        async with super().short_transaction() as connection, self._watched(connection):
            yield connection

    @asynccontextmanager
    async def _watched(self, connection: Connection) -> AsyncIterator[None]:
        with connection.query_logger(lambda record: self.asked.append((record.query, record.args))):
            yield


@pytest_asyncio.fixture
async def watched(server: Mapping[str, Any], fresh_schema: str) -> AsyncIterator[WatchedDatabase]:
    database = await WatchedDatabase.open(server, schema=fresh_schema, durable=False)
    yield database
    await database.close()


def nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def faults(plan: Mapping[str, Any], most: int = MOST_ROWS) -> list[str]:
    """What a statement does that grows with the campaign; `most`: rows that it may touch."""
    found = []
    for node in nodes(plan):
        loops = node["Actual Loops"]
        touched = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * loops
        if node["Node Type"] == "Seq Scan" and node.get("Relation Name") in BIG:
            found.append(f"sequential scan of {node['Relation Name']}")
        if touched > most:
            found.append(f"{node['Node Type']} touches {touched:.0f} rows")
    return found


async def test_requests_read_counters_and_pages(watched: WatchedDatabase, tmp_path: Path) -> None:
    async with opened(watched, Settings(home=tmp_path, secret_key="a secret for the tests")) as site:
        await _requests_read_counters_and_pages(site, watched)


async def _requests_read_counters_and_pages(site: Site, watched: WatchedDatabase) -> None:
    app = app_of(site)
    agent_id, carrier_id = await app.add_agent(None), await app.add_carrier(CALLS)
    policies = Policies()
    campaign_id = await app.campaigns.create(name="big", agent_id=agent_id, carrier_id=carrier_id, policies=policies)
    await fill(watched, app.organization_id, campaign_id, carrier_id, agent_id, contacts=CONTACTS, due_at="2030-01-01")
    path = f"/campaign/{campaign_id}"
    requests = [
        path,
        "/campaign",
        "/campaign?page=1&limit=20",
        f"{path}/progress",
        f"{path}/runs",
        f"{path}/runs?page=3&limit=100",
        f"{path}/runs?sort_order=asc",
        f"{path}/contacts?limit=100",
        f"{path}/contacts?limit=100&after=900000",
        f"{path}/contacts?phone_number=%2B12122500000",
        f"{path}/contacts/500000",
        f"{path}/contacts/500001/why",
        f"{path}/why",
        f"{path}/log",
        f"{path}/rejects",
        f"/workflow/{agent_id}/runs/500000",
        "/workflow/fetch",
        "/organizations/campaign-defaults",
    ]
    slow = {}

    for request in requests:
        watched.asked.clear()
        await site.call("GET", request)
        most = MOST_COUNTED if request == f"{path}/why" else MOST_ROWS
        slow |= await _slow(watched, request, most)
    slow |= await _slow_pages(site, watched, campaign_id)

    progress = await site.call("GET", f"{path}/progress")
    assert (progress["total"], progress["contacts"]["reached"]) == (CONTACTS, CONTACTS * 2 // 3)
    runs = await site.call("GET", f"{path}/runs")
    assert (runs["total_count"], runs["runs"][0]["id"]) == (CONTACTS, CONTACTS)
    assert slow == {}
    assert await _faults_of_turns(watched, app, campaign_id) == {}


async def _slow(watched: WatchedDatabase, request: str, most: int) -> dict[str, list[str]]:
    """What is wrong with the statements of the request that was answered last."""
    slow = {}
    asked = list(watched.asked)
    assert asked, request
    for statement, arguments in asked:
        if statement.lstrip().upper().startswith(("SELECT", "WITH", "--")):
            async with Database.connection(watched) as connection:
                explained = await connection.fetchval(
                    f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *arguments, timeout=60
                )
            if found := faults(json.loads(explained)[0]["Plan"], most):
                slow[f"{request}: {statement[:200]}"] = found
    return slow


async def _slow_pages(site: Site, watched: WatchedDatabase, campaign_id: int) -> dict[str, list[str]]:
    """The same of the pages that people look at. A search looks at a part of the contacts, and says that it did."""
    people = site.server.people
    token = await people.invite(site.organizations["default"], Role.VIEWER)
    session = await people.session(await people.join(token, "vera@example.org", "correct horse battery"))
    headers = {"Cookie": f"dialplane_session={session.key}"}
    slow = {}
    contacts = f"/campaigns/{campaign_id}/contacts"
    pages = {
        contacts: "+12122000001",
        f"{contacts}?after=900000": "+12122900001",
        f"{contacts}?before={END}": "+12123000000",
        f"{contacts}?before=500000": "+12122499999",
        f"{contacts}?search=12122500000": "+12122500000",
        f"{contacts}?search=nobody": "looked at 200,000 of the campaign's 1,000,000 contacts",
        f"{contacts}?state=removed&before={END}": "and found none",
        f"{contacts}?disposition=answered&state=waiting": "+12122000003",
        f"{contacts}/500000": "Attempt 1",
        "/calls": "+12123000000",
        "/calls?before=500001": "+12122500000",
        "/calls?number=%2B12122500000": "/calls/500000",
        "/calls/500000": "Call to +12122500000",
    }
    for page, shown in pages.items():
        watched.asked.clear()
        answer = await site.http.get(page, headers=headers)
        assert answer.status_code == 200 and shown in answer.text.replace("\n", " "), (page, answer.text)
        slow |= await _slow(watched, page, EXAMINED if "?" in page else MOST_ROWS)
    began = time.monotonic()
    answer = await site.http.get(f"/campaigns/{campaign_id}/results", headers=headers, timeout=60)
    print(f"results of {CONTACTS:,} attempts were counted in {time.monotonic() - began:.1f} s")
    assert answer.status_code == 200 and "666,667" in answer.text
    return slow


async def _faults_of_turns(watched: WatchedDatabase, app: App, campaign_id: int) -> dict[str, list[str]]:
    """What is wrong with the plans of the statements that dial, after twenty calls from claim to end."""
    async with watched.connection() as connection:
        await connection.execute(
            "UPDATE due SET due_at = '2020-01-01' WHERE organization_id = $1 AND campaign_id = $2 AND contact_id < 61",
            app.organization_id,
            campaign_id,
        )
    await app.campaigns.start(campaign_id)
    watched.asked.clear()
    worker = app.worker(capacity=20)
    working = asyncio.create_task(worker.run())
    async with asyncio.timeout(60):
        while (await app.campaigns.progress([campaign_id]))[campaign_id].attempts < CONTACTS + 20:
            await asyncio.sleep(0.1)
    worker.stop()
    await working
    await app.campaigns.pause(campaign_id)
    found = {}
    for statement, arguments in {asked[0]: asked for asked in watched.asked if asked[1]}.values():
        async with Database.connection(watched) as connection:
            explained = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {statement}", *arguments)
        if expected := estimated_faults(json.loads(explained)[0]["Plan"]):
            found[statement[:200]] = expected
    assert len(watched.asked) > 40, "turns, guards, marks, ends and the pause were heard"
    return found


def estimated_faults(plan: Mapping[str, Any]) -> list[str]:
    """A plan that reads or sorts what grows with the campaign."""
    found = []
    for node in nodes(plan):
        if node["Node Type"] == "Seq Scan" and node.get("Relation Name") in BIG:
            found.append(f"sequential scan of {node['Relation Name']}")
        if node["Node Type"] in ("Sort", "Index Scan", "Bitmap Heap Scan") and node["Plan Rows"] > MOST_ROWS:
            found.append(f"{node['Node Type']} of {node['Plan Rows']} rows")
    return found


async def test_the_test_would_see_a_scan(watched: WatchedDatabase, tmp_path: Path) -> None:
    plan = {
        "Node Type": "Limit", "Actual Rows": 1, "Actual Loops": 1,
        "Plans": [{"Node Type": "Seq Scan", "Relation Name": "attempt", "Actual Rows": 1_000_000, "Actual Loops": 1}],
    }  # fmt: skip

    assert faults(plan) == ["sequential scan of attempt", "Seq Scan touches 1000000 rows"]
