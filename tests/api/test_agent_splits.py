"""Versions of an agent over HTTP: a campaign splits its contacts over them, and its results compare them."""

from __future__ import annotations

from typing import Any

import pytest
from people import app_of, imported, numbers
from site_of import CALLS, Site

pytestmark = pytest.mark.asyncio

FIRST = {"name": "two", "greeting": "Hello.", "steps": [{"say": "Well?", "gather": "said", "expect": ["yes"]}]}
SECOND = FIRST | {"greeting": "Good day."}
SPLIT = [{"version": 1, "weight": 80}, {"version": 2, "weight": 20}]


async def made(site: Site, *, status: int = 200, keep_open: bool = True, **more: Any) -> Any:
    """Of an agent with two versions."""
    app = app_of(site)
    await app.add_carrier(CALLS | {"answers": {"expected": 1}, "talk_seconds": 0.6})
    await app.add_agent(FIRST)
    body = {"name": "test", "workflow_id": await app.add_agent(SECOND), "keep_open": keep_open, **more}
    return await site.call("POST", "/campaign/create", status=status, json=body)


async def test_a_split_is_made_changed_and_taken_away(site: Site) -> None:
    campaign = await made(site, agent_versions=SPLIT)
    path = f"/campaign/{campaign['id']}"
    assert campaign["agent_versions"] == SPLIT

    kept = await site.call("PATCH", path, json={"max_concurrency": 3})
    changed = await site.call("PATCH", path, json={"agent_versions": SPLIT[:1]})
    gone = await site.call("PATCH", path, json={"agent_versions": []})

    assert (kept["agent_versions"], changed["agent_versions"], gone["agent_versions"]) == (SPLIT, SPLIT[:1], [])
    (entry, *_) = (await site.call("GET", f"{path}/log"))["entries"]
    assert entry["details"] == {"agent_versions": [SPLIT[:1], []]}


@pytest.mark.parametrize(
    ("versions", "status", "fault"),
    [
        ([{"version": 7, "weight": 1}], 400, "agent_versions: 'two' has no version 7; choose among 1 to"),
        ([*SPLIT, {"version": 1, "weight": 5}], 422, "version 1 is named twice"),
        ([{"version": 1, "weight": 0}], 422, "greater than or equal to 1"),
        ([{"version": 1, "wieght": 5}], 422, "did you mean 'weight'?"),
    ],
)
async def test_a_split_that_cannot_be_is_refused(
    site: Site, versions: list[dict[str, int]], status: int, fault: str
) -> None:
    for refused in (
        await made(site, status=status, agent_versions=versions),
        await site.call(
            "PATCH", f"/campaign/{(await made(site))['id']}", status=status, json={"agent_versions": versions}
        ),
    ):
        assert fault in str(refused["detail"])


async def test_the_results_compare_versions(site: Site) -> None:
    campaign = await made(site, agent_versions=SPLIT)
    await imported(site, campaign["id"], numbers(30))
    path = f"/campaign/{campaign['id']}"
    async with site.working():
        await site.call("POST", f"{path}/start")
        await site.call("POST", f"{path}/close")
        await site.until(path, {"state": "completed"})

    found = await site.call("GET", f"{path}/results")

    assert (found["attempts"], found["answered"], found["answer_rate"]) == (30, 30, 1.0)
    first, second = found["versions"]
    assert [(each["version"], each["weight"]) for each in (first, second)] == [(1, 80), (2, 20)]
    assert first["contacts"] + second["contacts"] == first["reached"] + second["reached"] == 30
    assert first["attempts"] > second["attempts"] > 0
    assert first["reached_rate"] == 1.0 and 0 < first["talk_seconds"] < 5
    assert [field["name"] for field in first["gathered"]] == ["said"]
    everybody = sum(answer["calls"] for answer in found["gathered"][0]["answers"])
    assert everybody == sum(each["gathered"][0]["total"] for each in (first, second))
