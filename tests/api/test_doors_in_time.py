"""Hours of the doors' campaigns on the virtual clock: made over HTTP, run to their end, judged by the carrier's log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from checks import LogLine, read_log
from hosting import opened
from people import app_of, numbers
from site_of import Site

from dialplane.clocks import VirtualClock
from dialplane.config import Settings
from dialplane.core.campaign import CampaignState
from dialplane.store.postgres import Database

pytestmark = pytest.mark.asyncio

START = datetime(2025, 3, 3, 9, 0, tzinfo=UTC)  # a Monday; four in the morning in New York
NEW_YORK = ZoneInfo("America/New_York")
BUSY = "+15005550001"
MINUTE_CALLS = {"outcomes": {"answered": 1}, "ring_seconds": [1, 1], "talk_seconds": [59, 59], "slow_start": False}


@pytest_asyncio.fixture
async def site(database: Database, tmp_path: Path) -> AsyncIterator[Site]:
    """In virtual time; calls take a minute."""
    settings = Settings(home=tmp_path, secret_key="a secret for the tests", requests_per_second=0)
    async with opened(database, settings, clock=VirtualClock(START)) as found:
        app = app_of(found)
        await app.telephony.set_default(await app.add_carrier({**MINUTE_CALLS, "name": "minutes"}))
        await app.add_agent(None)
        yield found


async def ask(site: Site, method: str, path: str, **request: Any) -> Any:
    headers = {"Authorization": f"Bearer {site.keys['default']}"}
    answer = await site.http.request(method, path, headers=headers, timeout=60, **request)
    assert answer.status_code < 300, answer.text
    return answer.json()


async def run(site: Site) -> tuple[CampaignState, list[LogLine]]:
    """The one campaign that there is goes to its end; the carrier's log of it."""
    app = app_of(site)
    (row,) = await app.campaigns.page()
    campaign_id = row["id"]

    async def finished() -> bool:
        state = (await app.campaigns.get(campaign_id)).state
        return state not in (CampaignState.RUNNING, CampaignState.SCHEDULED)

    await app.worker(campaign_id=campaign_id, finished=finished).run()
    path = await app.carrier_log(campaign_id)
    assert path is not None
    return (await app.campaigns.get(campaign_id)).state, read_log(path)


def placed(log: Sequence[LogLine]) -> list[datetime]:
    return [line.at for line in log if line.event == "place"]


async def vapi_campaign(site: Site, count: int, **more: Any) -> Mapping[str, Any]:
    (number,) = await ask(site, "GET", "/vapi/phone-number")
    (assistant,) = await ask(site, "GET", "/vapi/assistant")
    body = {
        "name": "Q2",
        "assistantId": assistant["id"],
        "phoneNumberId": number["id"],
        "customers": [{"number": number} for number in numbers(count)],
        "maxConcurrency": 2,
        **more,
    }
    made: Mapping[str, Any] = await ask(site, "POST", "/vapi/campaign", json=body)
    return made


async def test_vapi_who_is_not_placed_within_an_hour_is_skipped(site: Site) -> None:
    campaign = await vapi_campaign(site, 200)

    state, log = await run(site)

    assert state is CampaignState.COMPLETED
    assert 110 <= len(placed(log)) <= 122, "two lines, an hour, a minute each"
    assert max(placed(log)) < START + timedelta(hours=1)
    shown = await ask(site, "GET", f"/vapi/v2/campaign/{campaign['id']}?includeCounters=true")
    assert shown["contactCounters"]["completed"] == len(placed(log))
    assert shown["contactCounters"]["skipped"] == 200 - len(placed(log))


async def test_vapi_calls_begin_at_the_earliest_and_stop_at_the_latest(site: Site) -> None:
    earliest, latest = START + timedelta(hours=26), START + timedelta(hours=26, minutes=20)
    plan = {"earliestAt": earliest.isoformat(), "latestAt": latest.isoformat()}
    await vapi_campaign(site, 200, schedulePlan=plan)

    state, log = await run(site)

    assert state is CampaignState.COMPLETED
    assert earliest <= min(placed(log)) < earliest + timedelta(seconds=5)
    assert latest - timedelta(minutes=2) < max(placed(log)) < latest
    assert 36 <= len(placed(log)) <= 42


async def dialnexa_agent(site: Site) -> str:
    (agent,) = await ask(site, "GET", "/dialnexa/v1/agents")
    return str(agent["id"])


async def test_dialnexa_a_batch_keeps_its_hours_and_its_end(site: Site) -> None:
    """Hours of the leads, who live in New York; on the second day the batch ends in the middle of them."""
    ends = datetime(2025, 3, 4, 10, 0, tzinfo=NEW_YORK)
    lines = "\n".join(["phone_number", *numbers(2000)])
    form = {
        "title": "July",
        "agent_id": await dialnexa_agent(site),
        "starts_at": (START + timedelta(hours=1)).isoformat(),
        "ends_at": ends.isoformat(),
        "calling_hours_start": "09:00",
        "calling_hours_end": "11:00",
        "max_concurrent_calls": "4",
    }
    await ask(site, "POST", "/dialnexa/v1/batch-calls", data=form, files={"file": ("l.csv", lines.encode())})

    state, log = await run(site)

    assert state is CampaignState.COMPLETED
    hours = {(at.astimezone(NEW_YORK).day, at.astimezone(NEW_YORK).hour) for at in placed(log)}
    assert hours == {(3, 9), (3, 10), (4, 9)}
    assert max(placed(log)) < ends


async def test_dialnexa_retries_are_minutes_apart(site: Site) -> None:
    body = {
        "name": "Spring",
        "agent_id": await dialnexa_agent(site),
        "retry_config": {"max_retries": 2, "retry_interval_minutes": 7},
    }
    campaign = await ask(site, "POST", "/dialnexa/v1/campaigns", json=body)
    await ask(site, "POST", "/dialnexa/v1/campaigns-leads", json={"campaignId": campaign["id"], "phoneNumber": BUSY})
    (row,) = await app_of(site).campaigns.page()
    await app_of(site).campaigns.close(row["id"])

    state, log = await run(site)

    assert state is CampaignState.COMPLETED
    ends = [line.at for line in log if line.event == "end"]
    waits = [later - end for end, later in zip(ends, placed(log)[1:], strict=False)]
    assert len(placed(log)) == 3
    assert all(timedelta(minutes=7) <= wait < timedelta(minutes=7, seconds=10) for wait in waits), waits
