"""The main job over real HTTP, in the three spellings that clients speak: each makes the same campaign."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from published import conforms
from site_of import CALLS, Site

pytestmark = pytest.mark.asyncio

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
ALL_DAY = {"start": "00:00", "end": "24:00"}
BUSY, NO_ANSWER, ANSWERED = "+15005550001", "+15005550002", "+15005550006"
# Two that will be redialled, and others that answer and keep the lines in use for a while.
CONTACTS = "phone_number,First_Name\n" + "".join(
    f"{number},Ana\n" for number in (BUSY, NO_ANSWER, ANSWERED, *(f"+1212200{i:04d}" for i in range(200)))
)


@dataclass(frozen=True)
class Spelling:
    """prefix: of all paths. upload, create: name and size of the file, key and ids -> body."""

    prefix: str
    upload: Callable[[str, int], Mapping[str, Any] | None]
    key: str  # under which the upload's answer has the file's key
    create: Callable[[str, int, int], Mapping[str, Any]]
    state: str  # under which a campaign's answer has its state
    new: str  # the word for a campaign that was not started
    redial: Mapping[str, Any]
    total: str
    done: str  # progress: how many are through


DOGRAH = Spelling(
    prefix="/api/v1",
    upload=lambda name, size: {"file_name": name, "file_size": size, "content_type": "text/csv"},
    key="file_key",
    create=lambda key, workflow_id, carrier_id: {
        "name": "Autumn",
        "workflow_id": workflow_id,
        "source_type": "csv",
        "source_id": key,
        "telephony_configuration_id": carrier_id,
        "max_concurrency": 8,
        "retry_config": {
            "enabled": True,
            "max_retries": 0,
            "retry_delay_seconds": 120,
            "retry_on_busy": True,
            "retry_on_no_answer": True,
            "retry_on_voicemail": False,
        },
        "schedule_config": {
            "enabled": True,
            "timezone": "Europe/Berlin",
            "slots": [{"day_of_week": day, "start_time": "00:00", "end_time": "24:00"} for day in range(7)],
        },
        "circuit_breaker": {"enabled": True, "failure_threshold": 0.6, "window_seconds": 60, "min_calls_in_window": 10},
    },
    state="state",
    new="created",
    redial={"name": "Again", "retry_on_voicemail": False, "retry_on_no_answer": True, "retry_on_busy": True},
    total="total_rows",
    done="processed_rows",
)
SYSEVO = Spelling(
    prefix="",
    upload=lambda name, _: {"filename": name, "content_type": "text/csv", "purpose": "campaign"},
    key="file_key",
    create=lambda key, workflow_id, carrier_id: {
        "name": "Autumn",
        "workflow_id": workflow_id,
        "contacts_file_key": key,
        "telephony_configuration_id": carrier_id,
        "max_concurrency": 8,
        "retry_config": {
            "enabled": True,
            "max_retries": 0,
            "retry_delay_seconds": 120,
            "retry_on_busy": True,
            "retry_on_no_answer": True,
            "retry_on_voicemail": False,
        },
        "calling_hours": {"timezone": "Europe/Berlin", "slots": [{"day": day, **ALL_DAY} for day in DAYS]},
        "circuit_breaker": {"enabled": True, "failure_threshold": 0.6, "window_seconds": 60, "min_calls_in_window": 10},
    },
    state="status",
    new="draft",
    redial={"name": "Again", "redial_statuses": ["no_answer", "busy"]},
    total="total_contacts",
    done="dialled",
)
DOCUMENTED = Spelling(
    prefix="/api/v1",
    upload=lambda *_: None,
    key="s3_key",
    create=lambda key, workflow_id, carrier_id: {
        "name": "Autumn",
        "workflow_id": workflow_id,
        "source_url": key,
        "telephony_configuration_id": carrier_id,
        "max_concurrency": 8,
        "retry_config": {"max_attempts": 1, "retry_interval_minutes": 2, "retry_on_voicemail": False},
        "timezone": "Europe/Berlin",
        "time_slots": [{"day": day.capitalize(), **ALL_DAY} for day in DAYS],
        "circuit_breaker": {"enabled": True, "failure_threshold": 60, "window_seconds": 60, "min_calls_in_window": 10},
    },
    state="status",
    new="draft",
    redial={"retry_on_voicemail": False, "name": "Again"},
    total="total",
    done="processed",
)
SPELLINGS = {"dograh": DOGRAH, "sysevo": SYSEVO, "documented": DOCUMENTED}
POLICIES = ("retry_config", "schedule_config", "circuit_breaker", "max_concurrency", "telephony_configuration_id")


@dataclass
class Journey:
    site: Site
    spelling: Spelling
    carrier_id: int
    workflow_id: int
    answers: list[tuple[str, Any]] = field(default_factory=list)

    async def ask(self, method: str, path: str, status: int = 200, schema: str | None = None, **request: Any) -> Any:
        answer = await self.site.http.request(
            method, f"{self.spelling.prefix}{path}", headers={"X-API-Key": self.site.keys["default"]}, **request
        )
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        if not answer.headers["content-type"].startswith("application/json"):
            return answer.text
        return conforms(answer.json(), schema) if schema else answer.json()

    async def upload(self) -> str:
        body = self.spelling.upload("autumn.csv", len(CONTACTS))
        given = await self.ask("POST", "/s3/presigned-upload-url", schema="PresignedUploadUrlResponse", json=body)
        put = await self.site.http.put(given["upload_url"], content=CONTACTS, headers={"Content-Type": "text/csv"})
        assert put.status_code == 200, put.text
        return str(given[self.spelling.key])

    async def create(self) -> dict[str, Any]:
        body = self.spelling.create(await self.upload(), self.workflow_id, self.carrier_id)
        made: dict[str, Any] = await self.ask("POST", "/campaign/create", schema="CampaignResponse", json=body)
        assert made[self.spelling.state] == self.spelling.new
        return made

    async def until(self, campaign_id: int, state: str) -> dict[str, Any]:
        async with asyncio.timeout(60):
            while True:
                found: dict[str, Any] = await self.ask("GET", f"/campaign/{campaign_id}", schema="CampaignResponse")
                if found[self.spelling.state] == state:
                    return found
                await asyncio.sleep(0.05)

    async def progress(self, campaign_id: int) -> dict[str, Any]:
        path = f"/campaign/{campaign_id}/progress"
        found: dict[str, Any] = await self.ask("GET", path, schema="CampaignProgressResponse")
        return found

    async def imported(self, campaign_id: int) -> None:
        async with asyncio.timeout(30):
            while (await self.progress(campaign_id))["source_sync"]["status"] != "completed":
                await asyncio.sleep(0.05)

    @asynccontextmanager
    async def watching(self, campaign_id: int) -> AsyncIterator[list[tuple[str, Any]]]:
        """Events of a campaign, as they come: (name, data)."""
        events: list[tuple[str, Any]] = []
        connected = asyncio.Event()

        async def read() -> None:
            path = f"{self.site.url}/api/v1/campaign/{campaign_id}/events"
            headers = {"X-API-Key": self.site.keys["default"]}
            async with self.site.http.stream("GET", path, headers=headers, timeout=60) as answer:
                assert answer.status_code == 200
                name = ""
                async for line in answer.aiter_lines():
                    connected.set()
                    if line.startswith("event:"):
                        name = line.removeprefix("event:").strip()
                    elif line.startswith("data:"):
                        events.append((name, json.loads(line.removeprefix("data:"))))

        reading = asyncio.create_task(read())
        await asyncio.wait_for(connected.wait(), 10)
        try:
            yield events
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


async def journey_of(site: Site, spelling: Spelling) -> Journey:
    app = site.server.of(site.organizations["default"])
    return Journey(site, spelling, await app.add_carrier({**CALLS, "name": "fast"}), await app.add_agent(None))


def states_told(events: list[tuple[str, dict[str, Any]]]) -> list[str]:
    return [data["state"] for event, data in events if event == "campaign"]


@pytest.mark.parametrize("name", SPELLINGS)
async def test_a_campaign_goes_its_whole_way(site: Site, name: str) -> None:
    journey = await journey_of(site, SPELLINGS[name])
    spelling = journey.spelling
    campaign = await journey.create()
    campaign_id = campaign["id"]
    path = f"/campaign/{campaign_id}"

    async with site.working(), journey.watching(campaign_id) as events:
        await journey.imported(campaign_id)
        started = await journey.ask("POST", f"{path}/start", schema="CampaignResponse")
        assert started[spelling.state] == "running"

        paused = await journey.ask("POST", f"{path}/pause", schema="CampaignResponse")
        assert paused[spelling.state] == "paused"
        added = await journey.ask("POST", f"{path}/contacts", json={"contacts": [{"phone_number": "+12125550199"}]})
        assert [contact["result"] for contact in added["results"]] == ["added"]
        await journey.ask("POST", f"{path}/resume", schema="CampaignResponse")
        done = await journey.until(campaign_id, "completed")

        other = await journey.create()
        cancelled = await journey.ask("POST", f"/campaign/{other['id']}/cancel")
        assert cancelled[spelling.state] == "cancelled"

        child = await journey.ask("POST", f"{path}/redial", schema="CampaignResponse", json=spelling.redial)
        assert child["parent_campaign_id"] == campaign_id
        await journey.ask("POST", f"/campaign/{child['id']}/start", schema="CampaignResponse")
        await journey.until(child["id"], "completed")
        async with asyncio.timeout(10):
            while "completed" not in states_told(events):
                await asyncio.sleep(0.02)

    progress = await journey.progress(campaign_id)
    assert (progress[spelling.total], progress[spelling.done]) == (204, 204)
    assert done["total_rows"] == 204
    assert (await journey.progress(child["id"]))[spelling.total] == 2

    assert [state for state in states_told(events) if state in ("running", "paused", "completed")] == [
        "running", "paused", "running", "completed",
    ]  # fmt: skip
    ended = [data for event, data in events if event == "attempt" and data["kind"] == "attempt.ended"]
    assert len({attempt["attempt_id"] for attempt in ended}) == len(ended) == 204

    runs = await journey.ask("GET", f"{path}/runs?page=1&limit=100", schema="CampaignRunsResponse")
    assert (runs["total_count"], runs["total_pages"], len(runs["runs"])) == (204, 3, 100)
    report = list(csv.DictReader(io.StringIO(await journey.ask("GET", f"{path}/report"))))
    assert len(report) == 204
    assert {row["Phone Number"] for row in report} >= {BUSY, NO_ANSWER, ANSWERED, "+12125550199"}
    source = await journey.ask("GET", f"{path}/source-download-url", schema="CampaignSourceDownloadResponse")
    assert (await site.http.get(source["download_url"])).text == CONTACTS


async def test_every_spelling_makes_the_same_campaign(site: Site) -> None:
    made = {}
    for name, spelling in SPELLINGS.items():
        journey = await journey_of(site, spelling)
        async with site.working():
            campaign = await journey.create()
            await journey.imported(campaign["id"])
        made[name] = await site.call("GET", f"/campaign/{campaign['id']}")

    for name in ("sysevo", "documented"):
        assert {policy: made[name][policy] for policy in POLICIES} == {
            policy: made["dograh"][policy] for policy in POLICIES
        }, name
