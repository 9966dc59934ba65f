"""Calls in progress, and how one of them is ended."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from people import numbers, started
from site_of import Site

from dialplane.engine.keys import Role

pytestmark = pytest.mark.asyncio

LONG_CALLS: dict[str, Any] = {
    "outcomes": {"answered": 1},
    "ring_seconds": 0.05,
    "talk_seconds": 60,
    "max_call_seconds": 90,
}


async def live(site: Site, count: int) -> list[dict[str, Any]]:
    """Once so many talk."""
    async with asyncio.timeout(30):
        while True:
            answer = await site.call("GET", "/calls")
            if [call["state"] for call in answer["calls"]].count("answered") == count:
                return list(answer["calls"])
            await asyncio.sleep(0.05)


async def test_one_call_of_several_is_ended_and_the_others_go_on(site: Site) -> None:
    campaign = await started(site, numbers(3), carrier=LONG_CALLS)
    viewer = await site.join("default", Role.VIEWER)
    async with site.working():
        calls = await live(site, 3)
        assert {call["to_number"] for call in calls} == set(numbers(3))
        assert {call["campaign_id"] for call in calls} == {campaign}
        path = f"/calls/{calls[0]['id']}/hang-up"
        await site.call("POST", path, key=viewer, status=403)

        await site.call("POST", path, status=202)

        left = await live(site, 2)
        assert {call["id"] for call in left} == {call["id"] for call in calls[1:]}
        for call in left:
            await site.call("POST", f"/calls/{call['id']}/hang-up", status=202)
        await site.until(f"/campaign/{campaign}", {"state": "completed"})
    over = await site.call("POST", path, status=202)
    assert over["state"] == "ended", "it stays as it is"


@pytest.mark.parametrize("verb", ["pause", "cancel"])
async def test_a_campaign_that_stops_hangs_up_its_calls_only_when_asked_to(site: Site, verb: str) -> None:
    campaign = await started(site, numbers(2), carrier=LONG_CALLS)
    other = await started(site, numbers(1, first=3_000_000), carrier=LONG_CALLS)
    async with site.working():
        await live(site, 3)
        if verb == "pause":
            assert (await site.call("POST", f"/campaign/{campaign}/pause"))["state"] == "paused"
            await asyncio.sleep(1.5)  # longer than the hanging up takes
            assert len(await live(site, 3)) == 3
            await site.call("POST", f"/campaign/{campaign}/resume")

        await site.call("POST", f"/campaign/{campaign}/{verb}?end_calls=true")

        (left,) = await live(site, 1)
        assert left["campaign_id"] == other
        runs = (await site.call("GET", f"/campaign/{campaign}/runs"))["runs"]
        assert {run["disposition"] for run in runs} == {"answered"} and len(runs) == 2
        await site.call("POST", f"/campaign/{other}/cancel?end_calls=true")
        await live(site, 0)


async def test_calls_of_others_are_not_there(site: Site) -> None:
    await site.join("other")
    await started(site, numbers(1), carrier=LONG_CALLS)
    async with site.working():
        (call,) = await live(site, 1)
        assert (await site.call("GET", "/calls", of="other"))["calls"] == []
        await site.call("POST", f"/calls/{call['id']}/hang-up", of="other", status=404)
        await site.call("POST", f"/calls/{call['id']}/hang-up", status=202)
        await live(site, 0)
