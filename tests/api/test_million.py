"""A campaign with 1,000,000 contacts and as many attempts: requests read counters and pages, never all rows."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hosting import opened
from people import app_of
from site_of import CALLS, Site

from dialplane.config import Settings
from dialplane.core.campaign import Policies
from dialplane.store.postgres import Connection, Database

pytestmark = pytest.mark.asyncio

CONTACTS = 1_000_000
MOST_ROWS = 5_000  # that a statement may touch, whatever the size of the campaign
BIG = {"contact", "attempt", "due", "event"}


class WatchedDatabase(Database):
    """Remembers the statements that it was asked, with their arguments."""

    asked: list[tuple[str, tuple[Any, ...]]] = []  # noqa: RUF012

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        async with super().connection() as connection:
            with connection.query_logger(lambda record: self.asked.append((record.query, record.args))):
                yield connection


@pytest_asyncio.fixture
async def watched(server: Mapping[str, Any], fresh_schema: str) -> AsyncIterator[WatchedDatabase]:
    database = await WatchedDatabase.open(server, schema=fresh_schema, durable=False)
    yield database
    await database.close()


async def fill(database: Database, organization_id: int, campaign_id: int, carrier_id: int, agent_id: int) -> None:
    """Everybody was called once: two thirds answered, the others wait for a retry; and the counters say so."""
    of = (organization_id, campaign_id)
    async with database.transaction() as connection:
        await connection.execute("SET LOCAL statement_timeout = 0")
        zone = await connection.fetchval(
            "INSERT INTO zone_group (organization_id, zones) VALUES ($1, '{America/New_York}') RETURNING id", of[0]
        )
        number = await connection.fetchval("SELECT id FROM number WHERE organization_id = $1 LIMIT 1", of[0])
        timeout = {"timeout": 600}
        await connection.execute(
            "INSERT INTO contact (organization_id, id, uuid, campaign_id, zone_group_id, to_number, variables, state,"
            " disposition, attempts, spent) SELECT $1, n, md5('c' || n)::uuid, $2, $3, '+1212' || (2000000 + n), '{}',"
            " CASE WHEN n % 3 = 0 THEN 'waiting' ELSE 'reached' END, 'answered', 1, 1"
            " FROM generate_series(1, $4::bigint) n",
            *of, zone, CONTACTS, **timeout,
        )  # fmt: skip
        await connection.execute(
            "INSERT INTO attempt (organization_id, id, uuid, campaign_id, contact_id, number, carrier_id, number_id,"
            " from_number, to_number, agent_id, agent_version, state, worker_id, created_at, send_at, send_before,"
            " deadline_at, sent_at, placed_at, ended_at, disposition, spent)"
            " SELECT $1, n, md5('a' || n)::uuid, $2, n, 1, $3, $4, '+15005550100', '+1212' || (2000000 + n), $5, 1,"
            " 'ended', md5('w')::uuid, t, t, t, t, t, t, t + interval '30 s',"
            " CASE WHEN n % 3 = 0 THEN 'busy' ELSE 'answered' END, true"
            " FROM (SELECT n, timestamptz '2026-01-01' + n * interval '1 s' AS t"
            " FROM generate_series(1, $6::bigint) n) s",
            *of, carrier_id, number, agent_id, CONTACTS, **timeout,
        )  # fmt: skip
        await connection.execute(
            "INSERT INTO due (organization_id, campaign_id, contact_id, zone_group_id, rank, due_at)"
            " SELECT $1, $2, n, $3, 10, timestamptz '2030-01-01' FROM generate_series(3, $4::bigint, 3) n",
            *of, zone, CONTACTS, **timeout,
        )  # fmt: skip
        counts = {"reached": CONTACTS * 2 // 3, "attempts": CONTACTS, "disposition.answered": CONTACTS * 2 // 3}
        await connection.executemany(
            "INSERT INTO progress VALUES ($1, $2, md5('w')::uuid, $3, $4)", [(*of, *count) for count in counts.items()]
        )
        await connection.execute("UPDATE campaign SET total = $3 WHERE organization_id = $1 AND id = $2", *of, CONTACTS)
    async with database.connection() as connection:
        for table in BIG:
            await connection.execute(f"ANALYZE {table}", timeout=600)


def nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def faults(plan: Mapping[str, Any]) -> list[str]:
    """What a statement does that grows with the campaign."""
    found = []
    for node in nodes(plan):
        loops = node["Actual Loops"]
        touched = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * loops
        if node["Node Type"] == "Seq Scan" and node.get("Relation Name") in BIG:
            found.append(f"sequential scan of {node['Relation Name']}")
        if touched > MOST_ROWS:
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
    await fill(watched, app.organization_id, campaign_id, carrier_id, agent_id)
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
        asked = list(watched.asked)
        assert asked, request
        for statement, arguments in asked:
            if statement.lstrip().upper().startswith(("SELECT", "WITH", "--")):
                async with Database.connection(watched) as connection:
                    explained = await connection.fetchval(
                        f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *arguments, timeout=60
                    )
                if found := faults(json.loads(explained)[0]["Plan"]):
                    slow[f"{request}: {statement[:200]}"] = found

    progress = await site.call("GET", f"{path}/progress")
    assert (progress["total"], progress["contacts"]["reached"]) == (CONTACTS, CONTACTS * 2 // 3)
    runs = await site.call("GET", f"{path}/runs")
    assert (runs["total_count"], runs["runs"][0]["id"]) == (CONTACTS, CONTACTS)
    assert slow == {}


async def test_the_test_would_see_a_scan(watched: WatchedDatabase, tmp_path: Path) -> None:
    plan = {
        "Node Type": "Limit", "Actual Rows": 1, "Actual Loops": 1,
        "Plans": [{"Node Type": "Seq Scan", "Relation Name": "attempt", "Actual Rows": 1_000_000, "Actual Loops": 1}],
    }  # fmt: skip

    assert faults(plan) == ["sequential scan of attempt", "Seq Scan touches 1000000 rows"]
