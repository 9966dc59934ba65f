"""A campaign that was made at one door is seen and moved at all the others, each in its own words and ids."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from people import app_of
from site_of import CALLS, Site

pytestmark = pytest.mark.asyncio

BUSY, ANSWERED = "+15005550001", "+15005550006"
CONTACTS = f"phone_number,name\n{ANSWERED},Ana\n{BUSY},Ben\n"
GRAPH = {"name": "greeter", "greeting": "Hello {{name}}"}
RUNNING, PAUSED, CANCELLED, COMPLETED = "running", "paused", "cancelled", "completed"


@dataclass(frozen=True)
class Made:
    """A campaign by its two ids."""

    id: int
    uuid: UUID


@dataclass
class Street:
    """All doors of one site, and what a campaign needs."""

    site: Site
    agent_id: int
    agent_uuid: UUID
    carrier_id: int
    number_uuid: UUID

    async def ask(self, method: str, path: str, status: int = 200, **request: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.site.keys['default']}"}
        answer = await self.site.http.request(method, path, headers=headers, **request)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    async def only(self) -> Made:
        """The one campaign that there is."""
        (found,) = (await self.ask("GET", "/api/v1/campaign"))["campaigns"]
        return Made(found["id"], UUID(found["uuid"]))

    async def upload(self) -> str:
        body = {"file_name": "people.csv", "file_size": len(CONTACTS), "content_type": "text/csv"}
        given = await self.ask("POST", "/api/v1/s3/presigned-upload-url", json=body)
        put = await self.site.http.put(given["upload_url"], content=CONTACTS, headers={"Content-Type": "text/csv"})
        assert put.status_code == 200, put.text
        return str(given["file_key"])


# --- made -----------------------------------------------------------------------------------------


async def make_at_dograh(street: Street) -> None:
    body = {
        "name": "Q2",
        "workflow_id": street.agent_id,
        "source_type": "csv",
        "source_id": await street.upload(),
        "telephony_configuration_id": street.carrier_id,
        "retry_config": {"enabled": False},
    }
    campaign_id = (await street.ask("POST", "/api/v1/campaign/create", json=body))["id"]
    await start(street, f"/api/v1/campaign/{campaign_id}")


async def make_at_sysevo(street: Street) -> None:
    body = {
        "name": "Q2",
        "workflow_id": street.agent_id,
        "contacts_file_key": await street.upload(),
        "telephony_configuration_id": street.carrier_id,
        "retry_config": {"enabled": False},
    }
    campaign_id = (await street.ask("POST", "/campaign/create", json=body))["id"]
    await start(street, f"/campaign/{campaign_id}")


async def start(street: Street, path: str) -> None:
    """Once its contacts are there: a job imports them."""
    async with street.site.working(), asyncio.timeout(20):
        while (await street.ask("GET", f"{path}/progress"))["source_sync"]["status"] != "completed":
            await asyncio.sleep(0.02)
    await street.ask("POST", f"{path}/start")


async def make_at_vapi(street: Street) -> None:
    body = {
        "name": "Q2",
        "assistantId": str(street.agent_uuid),
        "phoneNumberId": str(street.number_uuid),
        "customers": [{"number": ANSWERED, "name": "Ana"}, {"number": BUSY, "name": "Ben"}],
    }
    await street.ask("POST", "/vapi/campaign", 201, json=body)


async def make_at_dialnexa(street: Street) -> None:
    body = {"name": "Q2", "agent_id": f"agt_{street.agent_uuid.hex}", "retry_config": {"max_retries": 0}}
    campaign_id = (await street.ask("POST", "/dialnexa/v1/campaigns", 201, json=body))["id"]
    for number, name in ((ANSWERED, "Ana"), (BUSY, "Ben")):
        lead = {"campaignId": campaign_id, "phoneNumber": number, "name": name}
        await street.ask("POST", "/dialnexa/v1/campaigns-leads", 201, json=lead)


async def make_batch(street: Street) -> None:
    form = {"title": "Q2", "agent_id": f"agt_{street.agent_uuid.hex}", "retry_config": '{"max_retries": 0}'}
    await street.ask(
        "POST", "/dialnexa/v1/batch-calls", 201, data=form, files={"file": ("people.csv", CONTACTS.encode())}
    )


MAKERS: Mapping[str, Callable[[Street], Awaitable[None]]] = {
    "dograh": make_at_dograh,
    "sysevo": make_at_sysevo,
    "vapi": make_at_vapi,
    "dialnexa": make_at_dialnexa,
    "batch": make_batch,
}


# --- seen and moved -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Door:
    """path: of a campaign. status: the field that says how it stands, in which words.

    moves: what is sent for a verb, where the door knows it.
    """

    path: Callable[[Made], str]
    status: str
    words: Mapping[str, str]
    moves: Mapping[str, tuple[str, str, Any]]

    async def word(self, street: Street, campaign: Made) -> str:
        return str((await street.ask("GET", self.path(campaign)))[self.status])

    async def move(self, street: Street, campaign: Made, verb: str) -> None:
        method, path, body = self.moves[verb]
        await street.ask(method, f"{self.path(campaign).removesuffix('/status')}{path}", json=body)


def posts(*verbs: str) -> dict[str, tuple[str, str, Any]]:
    return {verb: ("POST", f"/{verb}", None) for verb in verbs}


PLAIN = {RUNNING: "running", PAUSED: "paused", CANCELLED: "cancelled", COMPLETED: "completed"}
VERBS = ("pause", "resume", "cancel")
DOORS: Mapping[str, Door] = {
    "dograh": Door(lambda made: f"/api/v1/campaign/{made.id}", "state", PLAIN, posts(*VERBS)),
    "sysevo": Door(lambda made: f"/campaign/{made.id}", "status", PLAIN, posts(*VERBS)),
    "vapi": Door(
        lambda made: f"/vapi/campaign/{made.uuid}",
        "status",
        {RUNNING: "in-progress", PAUSED: "in-progress", CANCELLED: "ended", COMPLETED: "ended"},
        {"cancel": ("PATCH", "", {"status": "ended"})},
    ),
    "vapi, second version": Door(
        lambda made: f"/vapi/v2/campaign/{made.uuid}",
        "status",
        {RUNNING: "in-progress", PAUSED: "in-progress", CANCELLED: "cancelled", COMPLETED: "ended"},
        {"cancel": ("PATCH", "", {"status": "cancelled"})},
    ),
    "dialnexa": Door(lambda made: f"/dialnexa/v1/campaigns/cmp_{made.uuid.hex}", "status", PLAIN, posts(*VERBS)),
    "batch": Door(
        lambda made: f"/dialnexa/v1/batch-calls/batch_{made.uuid.hex}/status",
        "status",
        PLAIN,
        {verb: ("PATCH", "/status", {"action": verb}) for verb in VERBS},
    ),
}


@pytest.fixture
def street_of(site: Site) -> Callable[[], Awaitable[Street]]:
    async def open_street() -> Street:
        app = app_of(site)
        carrier_id = await app.add_carrier(CALLS)
        agent = await app.library.get(await app.add_agent(GRAPH))
        (number,) = await app.caller_numbers.page(carrier_id)
        return Street(site, agent.id, agent.uuid, carrier_id, number.uuid)

    return open_street


async def words(street: Street, campaign: Made) -> dict[str, str]:
    return {name: await door.word(street, campaign) for name, door in DOORS.items()}


def expected(state: str) -> dict[str, str]:
    return {name: door.words[state] for name, door in DOORS.items()}


@pytest.mark.parametrize("maker", MAKERS)
async def test_whichever_door_has_made_it_every_other_pauses_and_resumes_it(
    street_of: Callable[[], Awaitable[Street]], maker: str
) -> None:
    street = await street_of()
    await MAKERS[maker](street)
    campaign = await street.only()
    assert await words(street, campaign) == expected(RUNNING)

    for name, door in DOORS.items():
        if "pause" not in door.moves:
            continue
        await door.move(street, campaign, "pause")
        assert await words(street, campaign) == expected(PAUSED), name
        await door.move(street, campaign, "resume")
        assert await words(street, campaign) == expected(RUNNING), name


@pytest.mark.parametrize("canceller", DOORS)
@pytest.mark.parametrize("maker", MAKERS)
async def test_whichever_door_has_made_it_every_other_cancels_it(
    street_of: Callable[[], Awaitable[Street]], maker: str, canceller: str
) -> None:
    street = await street_of()
    await MAKERS[maker](street)
    campaign = await street.only()

    await DOORS[canceller].move(street, campaign, "cancel")

    assert await words(street, campaign) == expected(CANCELLED)


@pytest.mark.parametrize("maker", MAKERS)
async def test_every_door_lists_it_with_all_its_contacts(
    street_of: Callable[[], Awaitable[Street]], maker: str
) -> None:
    street = await street_of()
    await MAKERS[maker](street)
    made = await street.only()

    (dograh,) = (await street.ask("GET", "/api/v1/campaign"))["campaigns"]
    (vapi,) = (await street.ask("GET", "/vapi/campaign"))["results"]
    (second,) = (await street.ask("GET", "/vapi/v2/campaign?includeCounters=true"))["results"]
    (dialnexa,) = (await street.ask("GET", "/dialnexa/v1/campaigns"))["data"]
    (batch,) = (await street.ask("GET", "/dialnexa/v1/batch-calls"))["items"]
    sysevo = await street.ask("GET", f"/campaign/{made.id}/progress")

    assert {each["name"] for each in (dograh, vapi, second, dialnexa, batch)} == {"Q2"}
    assert (dograh["total_rows"], sysevo["total_contacts"]) == (2, 2)
    assert (vapi["callsCounterQueued"], second["contactCounters"]["pending"]) == (2, 2)
    assert (dialnexa["total_leads"], batch["total_lead_count"]) == (2, 2)


@pytest.mark.parametrize("maker", MAKERS)
async def test_what_its_calls_came_to_is_the_same_at_every_door(
    street_of: Callable[[], Awaitable[Street]], maker: str
) -> None:
    street = await street_of()
    await MAKERS[maker](street)
    made = await street.only()
    if maker == "dialnexa":  # which waits for more leads until it is told that there are none
        await street.ask("PATCH", f"/dialnexa/v1/campaigns/cmp_{made.uuid.hex}", json={"status": "completed"})

    async with street.site.working(), asyncio.timeout(30):
        while await words(street, made) != expected(COMPLETED):
            await asyncio.sleep(0.02)

    runs = await street.ask("GET", f"/api/v1/campaign/{made.id}/runs")
    contacts = await street.ask("GET", f"/vapi/v2/campaign/{made.uuid}/contacts")
    logs = await street.ask("GET", f"/dialnexa/v1/call-logs/campaign/cmp_{made.uuid.hex}")
    calls = await street.ask("GET", f"/dialnexa/v1/batch-calls/batch_{made.uuid.hex}")
    assert {each["initial_context"]["called_number"] for each in runs["runs"]} == {ANSWERED, BUSY}
    assert {each["number"]: each["endedReason"] for each in contacts["results"]} == {
        ANSWERED: "assistant-ended-call",
        BUSY: "customer-busy",
    }
    assert {each["to_phone_number"]: each["status"] for each in logs["data"]} == {ANSWERED: "completed", BUSY: "busy"}
    assert {each["to_number"]: each["status"] for each in calls["callLogs"]} == {ANSWERED: "completed", BUSY: "busy"}
    ids = [
        {UUID(each["callId"]) for each in contacts["results"]},
        {UUID(each["id"].removeprefix("call_")) for each in logs["data"]},
        {UUID(each["id"].removeprefix("call_")) for each in calls["callLogs"]},
    ]
    assert ids[0] == ids[1] == ids[2]


async def test_no_door_shows_another_organization_s_campaign(street_of: Callable[[], Awaitable[Street]]) -> None:
    street = await street_of()
    await make_at_vapi(street)
    campaign = await street.only()
    headers = {"Authorization": f"Bearer {street.site.keys['other']}"}

    for name, door in DOORS.items():
        answer = await street.site.http.get(door.path(campaign), headers=headers)
        assert answer.status_code == 404, name
        for verb, (method, path, body) in door.moves.items():
            target = f"{door.path(campaign).removesuffix('/status')}{path}"
            answer = await street.site.http.request(method, target, headers=headers, json=body)
            assert answer.status_code == 404, (name, verb)
    assert await words(street, campaign) == expected(RUNNING)
