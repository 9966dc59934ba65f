"""What a campaign records, and what it does about machines, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from people import app_of
from site_of import Site

pytestmark = pytest.mark.asyncio


async def made(site: Site, *, status: int = 200, **more: Any) -> Any:
    app = app_of(site)
    await app.add_carrier(None)
    body = {"name": "test", "workflow_id": await app.add_agent(None), "keep_open": True, **more}
    return await site.call("POST", "/campaign/create", status=status, json=body)


async def test_calls_are_recorded_without_an_announcement_unless_told_otherwise(site: Site) -> None:
    assert (await made(site))["recording"] == {"mode": "on", "announcement": "This call is recorded."}


async def test_a_campaign_says_in_its_own_words_that_it_records(site: Site) -> None:
    told = {"mode": "announced", "announcement": "We record."}

    campaign = await made(site, recording=told)
    changed = await site.call("PATCH", f"/campaign/{campaign['id']}", json={"recording": {"mode": "off"}})
    kept = await site.call("PATCH", f"/campaign/{campaign['id']}", json={"max_concurrency": 3})

    assert campaign["recording"] == told
    assert changed["recording"] == kept["recording"] == {"mode": "off", "announcement": "This call is recorded."}


@pytest.mark.parametrize(
    "recording",
    [
        {"mode": "quietly"},
        {"mode": "on", "text": "Hi"},
        {"announcement": "Hi"},
        {"mode": "on", "announcement": "{{a}}"},
    ],
)
async def test_what_is_not_understood_is_refused(site: Site, recording: dict[str, Any]) -> None:
    await made(site, status=422, recording=recording)


async def test_a_campaign_listens_for_machines_where_it_is_told_to(site: Site) -> None:
    told = {"on_machine": "leave_message", "message": "Please call us, {{name}}.", "on_screening": "hang_up"}

    plain, campaign = await made(site), await made(site, machine_detection=told)
    path = f"/campaign/{campaign['id']}"
    kept = await site.call("PATCH", path, json={"max_concurrency": 3})
    changed = await site.call("PATCH", path, json={"machine_detection": {"on_machine": "carry_on"}})

    assert plain["machine_detection"] == {"on_machine": "off", "message": "", "on_screening": "carry_on"}
    assert campaign["machine_detection"] == kept["machine_detection"] == told
    assert changed["machine_detection"] == {"on_machine": "carry_on", "message": "", "on_screening": "carry_on"}


@pytest.mark.parametrize(
    "machines",
    [{"on_machine": "leave_message"}, {"on_machine": "explode"}, {"message": "Hi"}, {"on_machine": "off", "beep": 1}],
)
async def test_machine_detection_that_makes_no_sense_is_refused(site: Site, machines: dict[str, Any]) -> None:
    await made(site, status=422, machine_detection=machines)
