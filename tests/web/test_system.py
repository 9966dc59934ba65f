"""How the installation works, and to whom it is told."""

from __future__ import annotations

import math

import pytest
from people import completed
from playwright.async_api import Page, expect
from prometheus_client import CollectorRegistry, Histogram
from site_of import Site
from visitors import visitor

from dialplane.engine.health import DatabaseState, Load
from dialplane.engine.keys import Role
from dialplane.engine.space import Disk
from dialplane.metrics import Spread
from dialplane.web.system import Installation

GB = 1 << 30


@pytest.mark.asyncio
async def test_the_page_follows_what_happens_and_says_what_to_do(site: Site, tab: Page) -> None:
    await tab.goto(f"{site.url}/system")
    await expect(tab.locator("#system")).to_contain_text(
        "No worker is alive: nothing is dialled. Start `dialplane serve`"
    )
    async with site.working():
        await expect(tab.locator("#system")).to_contain_text("1 worker alive", timeout=10_000)  # by itself
        await expect(tab.locator("#system")).to_contain_text("all well")


@pytest.mark.asyncio
async def test_the_installation_is_told_to_its_own_people_alone(site: Site) -> None:
    await completed(site, ["+12125550142", "+12125550143", "+12125550144"], max_lines=1)
    pages = {}
    for email, of in (("vic@example.org", "default"), ("eve@example.org", "other")):
        session = await visitor(site, email, Role.VIEWER, of=of)
        pages[of] = (await site.http.get("/system", headers=session)).text
    assert all(word in pages["default"] for word in ("PostgreSQL", "free where", "calls since this server started"))
    assert not any(word in pages["other"] for word in ("PostgreSQL", "free where", "all organizations"))
    assert "Tell whoever looks after this installation." in pages["other"]


def installation(**changes: object) -> Installation:
    well = {
        "load": Load(lines={}, jobs={}, workers=1, deliveries=0),
        "workers": [],
        "database": DatabaseState(
            version="18", bytes=1, connections=10, most_connections=100, longest_transaction_seconds=0
        ),
        "disks": [Disk(folder=None, free_bytes=100 * GB)],
        "refill": Spread(count=9, half=0.002, most=0.01),
        "requests": None,
    }
    return Installation(**(well | changes))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, []),
        ({"load": Load(lines={}, jobs={}, workers=0, deliveries=0)}, ["danger: No worker is alive"]),
        (
            {"load": Load(lines={}, jobs={"failed": 2}, workers=1, deliveries=0)},
            ["warning: Jobs that were put aside: 2"],
        ),
        ({"load": Load(lines={}, jobs={}, workers=1, deliveries=10_001)}, ["warning: Messages to webhooks that wait"]),
        ({"disks": [Disk(folder=None, free_bytes=3 * GB)]}, ["warning: Only 3.2 GB free"]),
        ({"disks": [Disk(folder=None, free_bytes=GB // 2)]}, ["danger: Only 0.5 GB free"]),
        ({"refill": Spread(count=9, half=0.5, most=1)}, ["warning: Lines wait long"]),
        (
            {
                "database": DatabaseState(
                    version="18", bytes=1, connections=95, most_connections=100, longest_transaction_seconds=600
                )
            },
            ["warning: A transaction has been open for 10 minutes", "warning: 95 of 100 connections"],
        ),
    ],
)
def test_what_is_wrong_is_told_with_what_to_do(changes: dict[str, object], told: list[str]) -> None:
    troubles = list(installation(**changes).troubles())
    assert [f"{each.tone}: {each.text}"[: len(text)] for each, text in zip(troubles, told, strict=True)] == told
    assert all(each.fix.endswith(".") for each in troubles)


def test_times_are_told_by_the_buckets_of_their_histogram() -> None:
    registry = CollectorRegistry()
    taken = Histogram("taken_seconds", "How long it took", ["route"], buckets=(0.01, 0.1, 1), registry=registry)
    assert Spread.of(registry, "taken_seconds") is None
    for route, seconds, times in (("a", 0.005, 60), ("b", 0.05, 39), ("b", 5, 1)):
        for _ in range(times):
            taken.labels(route).observe(seconds)
    assert Spread.of(registry, "taken_seconds") == Spread(count=100, half=0.01, most=0.1)
    taken.labels("a").observe(5)
    assert Spread.of(registry, "taken_seconds") == Spread(count=101, half=0.01, most=math.inf)
