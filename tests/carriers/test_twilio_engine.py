"""Campaigns through Twilio: a server over real HTTP, which Twilio reaches through a proxy; workers beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
import pytest_asyncio
import websockets
from bench import Bench
from callees import needs_programs, speech
from cloud import PUBLIC_URL, AtTheServer, Cloud, cloud
from hosting import opened
from recordings import loudness, sides
from site_of import Site

from dialplane.clocks import RealClock
from dialplane.config import Settings
from dialplane.core.retry import RetryPolicy
from dialplane.engine import catalog
from dialplane.engine.worker import Worker
from dialplane.errors import Invalid
from dialplane.store.postgres import Database
from dialplane.wiring import Server

pytestmark = [needs_programs, pytest.mark.asyncio]

PERSON, BUSY, FOREVER = "+12122000106", "+12122000201", "+12122000302"
ASKS = {
    "greeting": "Hello.",
    "steps": [{"say": "Can you come?", "gather": "can_come", "expect": ["yes", "no"], "attempts": 2}],
}


@pytest_asyncio.fixture
async def twilio() -> AsyncIterator[Cloud]:
    async with cloud() as made:
        yield made


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, secret_key="a secret for the tests", public_url=PUBLIC_URL)


@pytest_asyncio.fixture
async def site(database: Database, settings: Settings, twilio: Cloud) -> AsyncIterator[Site]:
    """The server that Twilio reaches; no worker is in it."""
    async with opened(database, settings) as site:
        twilio.door = AtTheServer(site.url)
        yield site


@asynccontextmanager
async def another(database: Database, settings: Settings, folder: Path) -> AsyncIterator[Bench]:
    """What a worker of its own has: nothing in common with the server but the database."""
    server = Server(settings, database, RealClock(), settings.carrier_logs)
    yield Bench(server.of(await catalog.ensure_organization(database, "default")), folder)
    await server.close()


@pytest_asyncio.fixture
async def live(database: Database, settings: Settings, site: Site, tmp_path: Path) -> AsyncIterator[Bench]:
    async with another(database, settings, tmp_path) as bench:
        yield bench


async def started(live: Bench, twilio: Cloud, *people: str, **more: Any) -> int:
    carrier = {"numbers": ["+14155550100"], "name": "ours", **twilio.settings}
    return await live.started(people, carrier=carrier, agent=ASKS, retry=RetryPolicy(max_retries=0), **more)


async def row_of(live: Bench, campaign: int, number: str) -> Mapping[str, str]:
    (row,) = [row for row in await live.report(campaign) if row["to_number"] == number]
    return row


async def test_a_campaign_talks_to_people_through_twilio(live: Bench, twilio: Cloud) -> None:
    twilio.says = speech("yes")
    campaign = await started(live, twilio, PERSON, BUSY)

    async with live.working():
        await live.wait_until_ended(campaign, seconds=30)

    person, busy = await row_of(live, campaign, PERSON), await row_of(live, campaign, BUSY)
    assert (person["disposition"], busy["disposition"]) == ("answered", "busy")
    assert person["can_come"] == "yes"
    agent, other = sides(live.folder / "files" / person["recording"])
    assert loudness(agent) > 500 and loudness(other) > 500
    assert len(twilio.calls) == 2, "nobody was called twice"


async def test_a_ringing_call_of_a_dead_worker_is_talked_on_by_another(
    live: Bench, twilio: Cloud, database: Database, settings: Settings, tmp_path: Path
) -> None:
    """It is taken over with its sid; the stream, which is opened later, leads to the worker that has the call then."""
    twilio.says, twilio.rings_for = speech("yes"), 9.0
    campaign = await started(live, twilio, PERSON)
    dead = live.app.worker()
    running = asyncio.create_task(dead.run())
    await until_placed(live, dead)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await live.app.callbacks.close() if live.app.callbacks else None

    async with another(database, settings, tmp_path) as second, second.working():
        await second.wait_until_ended(campaign, seconds=40)

    row = await row_of(live, campaign, PERSON)
    assert (row["disposition"], row["can_come"]) == ("answered", "yes")
    assert len(twilio.calls) == 1, "it was not placed a second time"


async def until_placed(live: Bench, worker: Worker) -> None:
    async def placed() -> bool:
        async with live.app.database.connection() as connection:
            state = await connection.fetchval("SELECT state FROM attempt WHERE carrier_call_id IS NOT NULL")
        return state == "ringing"

    await live.wait_for(placed, seconds=10)


async def test_a_call_in_progress_is_hung_up_by_hand(live: Bench, twilio: Cloud, site: Site) -> None:
    campaign = await started(live, twilio, FOREVER)

    async with live.working() as worker:
        await until_placed(live, worker)
        (call,) = (await site.call("GET", "/calls"))["calls"]
        await site.call("POST", f"/calls/{call['id']}/hang-up", status=202)
        await live.wait_until_ended(campaign)

    assert (await row_of(live, campaign, FOREVER))["disposition"] == "canceled"


async def test_a_revoked_token_pauses_the_campaign_with_the_reason(live: Bench, twilio: Cloud) -> None:
    campaign = await started(live, twilio, *[f"+1212200{n:02d}06" for n in range(30)])
    twilio.revoked = True

    async with live.working():
        await live.wait_until_ended(campaign, seconds=30)

    assert await live.state(campaign) in ("paused", "failed")
    async with live.app.database.connection() as connection:
        ends = {tuple(row) for row in await connection.fetch("SELECT disposition, spent, cause FROM attempt")}
    cause = "Twilio does not accept this account or its credentials: 20003 Authenticate"
    assert ends == {("carrier_failed", False, cause)}, "nobody's tries are used up by it"
    assert twilio.calls == {}


async def test_without_a_public_address_a_campaign_does_not_start(
    database: Database, tmp_path: Path, twilio: Cloud
) -> None:
    async with another(database, Settings(home=tmp_path, secret_key="a secret for the tests"), tmp_path) as live:
        campaign = await live.draft([PERSON], carrier={"numbers": ["+14155550100"], **twilio.settings}, agent=ASKS)
        carrier_id = (await live.get(campaign)).carrier_id

        assert "DIALPLANE_PUBLIC_URL" in str(await live.app.telephony.readiness(carrier_id))
        with pytest.raises(Invalid, match="DIALPLANE_PUBLIC_URL"):
            await live.app.carriers.get(live.app.organization_id, carrier_id)


async def test_the_doors_for_carriers_open_for_calls_alone(live: Bench, twilio: Cloud, site: Site) -> None:
    """Calls that there are not, of other organizations, whose worker is gone, and what Twilio has not signed."""
    campaign = await started(live, twilio, FOREVER)
    async with httpx2.AsyncClient(base_url=site.url, verify=False) as http:

        async def told(organization: object, attempt: object, what: str = "status", body: str = "a=b") -> int:
            return (await http.post(f"/callbacks/{organization}/{attempt}/{what}", content=body)).status_code

        async with live.working() as worker:
            await until_placed(live, worker)
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
            twilio.call_to(FOREVER).wanted_over.set()
        assert await told(mine, attempt) == 404, "its worker has left"
