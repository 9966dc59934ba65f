"""Campaigns through each carrier whose calls have their sound in a worker."""

from __future__ import annotations

from typing import Any

import pytest
from bench import Bench
from callees import needs_programs
from calls import until
from campaigns import BUSY, PERSON, row_of, started
from recordings import loudness, sides
from stages import STAGES

pytestmark = [needs_programs, pytest.mark.asyncio]


async def test_a_campaign_talks_to_people(live: Bench, network: Any) -> None:
    network.will_say("yes")
    campaign = await started(live, network, PERSON, BUSY)

    async with live.working():
        await live.wait_until_ended(campaign, seconds=60)

    person, busy = await row_of(live, campaign, PERSON), await row_of(live, campaign, BUSY)
    assert (person["disposition"], busy["disposition"]) == ("answered", "busy")
    assert person["can_come"] == "yes"
    agent, other = sides(live.folder / "files" / person["recording"])
    assert loudness(agent) > 500 and loudness(other) > 500
    assert len(network.calls) == 2, "nobody was called twice"


async def test_credentials_that_are_revoked_in_the_middle_pause_the_campaign_with_the_reason(
    live: Bench, network: Any
) -> None:
    """The call in progress keeps its end; nobody's tries are used up by those that cannot be placed."""
    people = [PERSON, *(f"+1212200{n:02d}06" for n in range(2, 32))]
    campaign = await started(live, network, *people, max_lines=1)

    async with live.working():
        await until(
            lambda: network.calls and network.call_to(PERSON).socket is not None, what="sound of the first call"
        )
        network.revoked = True
        network.call_to(PERSON).wanted_over.set()  # the person leaves: no command of ours would be taken
        await live.wait_until_ended(campaign, seconds=60)

    assert await live.state(campaign) in ("paused", "failed")
    async with live.app.database.connection() as connection:
        rows = await connection.fetch("SELECT disposition, spent, cause FROM attempt ORDER BY id")
    first, *others = [tuple(row) for row in rows]
    assert first[:2] == ("answered", True)
    ((disposition, spent, cause),) = set(others)
    assert (disposition, spent) == ("carrier_failed", False)
    assert cause.endswith(f"does not accept this account or its credentials: {STAGES[type(network)].denied}")
    assert len(network.calls) == 1
