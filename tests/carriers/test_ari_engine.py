"""A campaign through an Asterisk: a worker over real HTTP, WebSockets and AudioSocket."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from bench import Bench
from callees import needs_programs, speech
from pbx import pbx
from recordings import loudness, sides

from dialplane.clocks import RealClock
from dialplane.config import Settings
from dialplane.core.retry import RetryPolicy
from dialplane.engine import catalog
from dialplane.store.postgres import Database
from dialplane.voice.ulaw import from_ulaw
from dialplane.wiring import Server

pytestmark = [needs_programs, pytest.mark.asyncio]

PERSON, BUSY = "+12122000106", "+12122000201"
ASKS = {
    "greeting": "Hello.",
    "steps": [{"say": "Can you come?", "gather": "can_come", "expect": ["yes", "no"], "attempts": 2}],
}


async def row_of(live: Bench, campaign: int, number: str) -> Mapping[str, str]:
    (row,) = [row for row in await live.report(campaign) if row["to_number"] == number]
    return row


async def test_a_campaign_talks_to_people_through_asterisk(database: Database, tmp_path: Path) -> None:
    """Without an address that others reach."""
    settings = Settings(home=tmp_path, secret_key="a secret for the tests")
    server = Server(settings, database, RealClock(), settings.carrier_logs)
    live = Bench(server.of(await catalog.ensure_organization(database, "default")), tmp_path)
    async with pbx(says=from_ulaw(speech("yes"))) as asterisk:
        carrier = {"numbers": ["+14155550100"], "name": "ours", **asterisk.settings}
        campaign = await live.started((PERSON, BUSY), carrier=carrier, agent=ASKS, retry=RetryPolicy(max_retries=0))
        async with live.working():
            await live.wait_until_ended(campaign, seconds=30)
        person, busy = await row_of(live, campaign, PERSON), await row_of(live, campaign, BUSY)
        await server.close()

    assert (person["disposition"], busy["disposition"]) == ("answered", "busy")
    assert person["can_come"] == "yes"
    agent, other = sides(tmp_path / "files" / person["recording"])
    assert loudness(agent) > 500 and loudness(other) > 500
    assert len(asterisk.calls) == 2, "nobody was called twice"
    assert asterisk.channels == {} and asterisk.bridges == {}
