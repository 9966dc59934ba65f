"""Campaigns through Telnyx: a server over real HTTP, which Telnyx reaches through a proxy; workers beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from bench import Bench
from callees import needs_programs, speech
from cloud import SILENCE
from recordings import loudness, sides
from telnyx_cloud import Telnyx, telnyx_cloud
from test_twilio_engine import BUSY, PERSON, live, row_of, settings, site, started

__all__ = ["live", "settings", "site"]  # fixtures, around the cloud of this module

pytestmark = [needs_programs, pytest.mark.asyncio]


@pytest_asyncio.fixture
async def twilio() -> AsyncIterator[Telnyx]:
    """What the fixtures call the cloud."""
    async with telnyx_cloud() as made:
        yield made


@pytest.fixture
def telnyx(twilio: Telnyx) -> Telnyx:
    return twilio


async def test_a_campaign_talks_to_people_through_telnyx(live: Bench, telnyx: Telnyx) -> None:
    telnyx.says = speech("yes") + 100 * SILENCE + speech("yes")  # once more where a busy machine has missed it
    campaign = await started(live, telnyx, PERSON, BUSY)

    async with live.working():
        await live.wait_until_ended(campaign, seconds=30)

    person, busy = await row_of(live, campaign, PERSON), await row_of(live, campaign, BUSY)
    assert (person["disposition"], busy["disposition"]) == ("answered", "busy")
    assert person["can_come"] == "yes"
    agent, other = sides(live.folder / "files" / person["recording"])
    assert loudness(agent) > 500 and loudness(other) > 500
    assert len(telnyx.calls) == 2, "nobody was called twice"


async def test_a_key_that_is_revoked_in_the_middle_pauses_the_campaign_with_the_reason(
    live: Bench, telnyx: Telnyx
) -> None:
    """The call in progress keeps its end; nobody's tries are used up by those that cannot be placed."""
    people = [PERSON, *(f"+1212200{n:02d}06" for n in range(2, 32))]
    campaign = await started(live, telnyx, *people, max_lines=1)

    async with live.working():
        while not telnyx.calls or telnyx.call_to(PERSON).socket is None:
            await asyncio.sleep(0.01)
        telnyx.revoked = True
        telnyx.call_to(PERSON).wanted_over.set()  # the person leaves: Telnyx would take no command of ours
        await live.wait_until_ended(campaign, seconds=30)

    assert await live.state(campaign) in ("paused", "failed")
    async with live.app.database.connection() as connection:
        rows = await connection.fetch("SELECT disposition, spent, cause FROM attempt ORDER BY id")
    first, *others = [tuple(row) for row in rows]
    assert first[:2] == ("answered", True)
    cause = "Telnyx does not accept this account or its credentials: 10009 Authentication failed No key found"
    assert others and set(others) == {("carrier_failed", False, cause)}
    assert len(telnyx.calls) == 1
