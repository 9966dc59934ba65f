"""Campaigns through Twilio: a server over real HTTP, which Twilio reaches through a proxy; workers beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import httpx2
import pytest
import pytest_asyncio
import websockets
from bench import Bench
from callees import needs_programs
from calls import until
from campaigns import ASKS, FOREVER, PERSON, another, row_of, started, until_placed
from cloud import Cloud, cloud
from site_of import Site

from dialplane.config import Settings
from dialplane.errors import Invalid
from dialplane.store.postgres import Database

pytestmark = [needs_programs, pytest.mark.asyncio]


@pytest_asyncio.fixture
async def network() -> AsyncIterator[Cloud]:
    async with cloud() as made:
        yield made


async def test_a_ringing_call_of_a_dead_worker_is_talked_on_by_another(
    live: Bench, network: Cloud, database: Database, settings: Settings, tmp_path: Path
) -> None:
    """It is taken over with its sid; the stream, which is opened later, leads to the worker that has the call then."""
    network.will_say("yes")
    network.rings_for = 60.0
    campaign = await started(live, network, PERSON)
    dead = live.app.worker()
    running = asyncio.create_task(dead.run())
    await until_placed(live)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await live.app.callbacks.close() if live.app.callbacks else None

    async with another(database, settings, tmp_path) as second, second.working():
        callbacks = second.app.callbacks
        assert callbacks is not None
        await until(lambda: callbacks._followers, what="its being taken over")
        network.rings_for = 0.0
        await second.wait_until_ended(campaign, seconds=60)

    row = await row_of(live, campaign, PERSON)
    assert (row["disposition"], row["can_come"]) == ("answered", "yes")
    assert len(network.calls) == 1, "it was not placed a second time"


async def test_a_call_in_progress_is_hung_up_by_hand(live: Bench, network: Cloud, site: Site) -> None:
    campaign = await started(live, network, FOREVER)

    async with live.working():
        await until_placed(live)
        (call,) = (await site.call("GET", "/calls"))["calls"]
        await site.call("POST", f"/calls/{call['id']}/hang-up", status=202)
        await live.wait_until_ended(campaign)

    assert (await row_of(live, campaign, FOREVER))["disposition"] == "canceled"


async def test_without_a_public_address_a_campaign_does_not_start(
    database: Database, tmp_path: Path, network: Cloud
) -> None:
    async with another(database, Settings(home=tmp_path, secret_key="a secret for the tests"), tmp_path) as live:
        campaign = await live.draft([PERSON], carrier={"numbers": ["+14155550100"], **network.settings}, agent=ASKS)
        carrier_id = (await live.get(campaign)).carrier_id

        assert "DIALPLANE_PUBLIC_URL" in str(await live.app.telephony.readiness(carrier_id))
        with pytest.raises(Invalid, match="DIALPLANE_PUBLIC_URL"):
            await live.app.carriers.get(live.app.organization_id, carrier_id)


async def test_the_doors_for_carriers_open_for_calls_alone(live: Bench, network: Cloud, site: Site) -> None:
    """Calls that there are not, of other organizations, whose worker is gone, and what Twilio has not signed."""
    campaign = await started(live, network, FOREVER)
    async with httpx2.AsyncClient(base_url=site.url, verify=False) as http:

        async def told(organization: object, attempt: object, what: str = "status", body: str = "a=b") -> int:
            return (await http.post(f"/callbacks/{organization}/{attempt}/{what}", content=body)).status_code

        async with live.working():
            await until_placed(live)
            async with live.app.database.connection() as connection:
                attempt: UUID = await connection.fetchval("SELECT uuid FROM attempt")
            mine, other = site.organizations["default"], site.organizations["other"]
            assert await told(mine, attempt) == 403
            assert await told(other, attempt) == 404
            assert await told(mine, uuid4()) == 404
            assert await told(mine, attempt, "stream") == 404
            assert await told(mine, "x") in (404, 422)
            assert await told(mine, attempt, body="x" * 70_000) == 404
            address = site.url.replace("http", "ws")
            for path in (f"{mine}/{uuid4()}/stream", f"{other}/{attempt}/stream", f"{mine}/{attempt}/status"):
                with pytest.raises(websockets.InvalidStatus):
                    await websockets.connect(f"{address}/callbacks/{path}")
            async with websockets.connect(f"{address}/callbacks/{mine}/{attempt}/stream") as socket:
                await socket.send('{"event": "start", "start": {"callSid": "CA1"}}')
                with pytest.raises(websockets.ConnectionClosed):
                    await socket.recv()
            await live.app.campaigns.cancel(campaign)
            network.call_to(FOREVER).wanted_over.set()
        assert await told(mine, attempt) == 404, "its worker has left"
