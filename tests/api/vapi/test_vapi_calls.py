"""Single calls over Vapi's contract: now, later, several at once; looked at, named, taken back, hung up, forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from site_of import CALLS, Site
from vapi_of import ANSWERED, BUSY, INVALID, NO_ANSWER, Vapi

from dialplane.engine.keys import Role

pytestmark = pytest.mark.asyncio

TALKS = {**CALLS, "talk_seconds": [2, 2]}  # long enough for a sentence
LONG = {**CALLS, "talk_seconds": [6, 6]}
ASKS = {"name": "asks", "greeting": "Hello {{name}}.", "steps": [{"say": "Still there?", "gather": "there"}]}


def later(**delta: float) -> str:
    return (datetime.now(UTC) + timedelta(**delta)).isoformat().replace("+00:00", "Z")


async def least(vapi: Vapi, *, carrier: Mapping[str, Any] = CALLS, agent: Any = None, **more: Any) -> dict[str, Any]:
    number = (await vapi.numbers(carrier=carrier))[0]
    body = {"assistantId": await vapi.assistant(agent), "phoneNumberId": number, "customer": {"number": ANSWERED}}
    return {name: value for name, value in (body | more).items() if value is not None}


async def until(vapi: Vapi, call_id: str, *, seconds: float = 20, **wanted: Any) -> Any:
    async with asyncio.timeout(seconds):
        while True:
            call = await vapi.call("GET", f"/call/{call_id}")
            if all(call.get(name) == value for name, value in wanted.items()):
                return call
            await asyncio.sleep(0.02)


async def test_a_call_is_made_and_tells_what_was_said(site: Site) -> None:
    vapi = Vapi(site)
    agent = {"name": "greeter", "greeting": "Hello {{name}} of {{city}}."}
    body = await least(
        vapi,
        carrier=TALKS,
        agent=agent,
        name="welcome",
        customer={
            "number": ANSWERED,
            "name": "Ana",
            "externalId": "crm-7",
            "assistantOverrides": {"variableValues": {"city": "Lisbon"}},
        },
    )

    async with site.working():
        made = await vapi.call("POST", "/call", status=201, json=body)
        ended = await until(vapi, made["id"], status="ended")

    assert made["status"] in ("queued", "ringing", "in-progress")
    assert (made["type"], made["name"]) == ("outboundPhoneCall", "welcome")
    assert (made["assistantId"], made["phoneNumberId"]) == (body["assistantId"], body["phoneNumberId"])
    assert "campaignId" not in made and "warnings" not in made
    assert ended["customer"] == {"number": ANSWERED, "name": "Ana", "externalId": "crm-7"}
    assert ended["endedReason"] == "assistant-ended-call"
    assert ended["transcript"] == ended["artifact"]["transcript"] == "AI: Hello Ana of Lisbon."
    assert [(said["role"], said["message"]) for said in ended["artifact"]["messages"]] == [
        ("bot", "Hello Ana of Lisbon.")
    ]
    assert ended["artifact"]["variableValues"] == {"city": "Lisbon"}
    assert ended["createdAt"] <= ended["startedAt"] <= ended["endedAt"] == ended["updatedAt"]


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (BUSY, "customer-busy"),
        (NO_ANSWER, "customer-did-not-answer"),
        (INVALID, "twilio-reported-customer-misdialed"),
    ],
)
async def test_a_call_that_nobody_took_says_why(site: Site, number: str, reason: str) -> None:
    vapi = Vapi(site)
    body = await least(vapi, customer={"number": number})

    async with site.working():
        made = await vapi.call("POST", "/call", status=201, json=body)
        ended = await until(vapi, made["id"], status="ended")

    assert ended["endedReason"] == reason
    assert "startedAt" not in ended and "transcript" not in ended


async def test_several_customers_each_become_a_call_or_an_error(site: Site) -> None:
    vapi = Vapi(site)
    await site.call("POST", "/dnc", json={"phone_numbers": [BUSY]})
    customers = [{"number": ANSWERED}, {"number": BUSY, "name": "Bob"}, {"number": "+12125550123"}]
    body = await least(vapi, customer=None, customers=customers)

    async with site.working():
        batch = await vapi.call("POST", "/call", status=201, json=body)

    assert [call["customer"]["number"] for call in batch["results"]] == [ANSWERED, "+12125550123"]
    assert batch["errors"] == [
        {"customer": {"number": BUSY, "name": "Bob"}, "error": f"{BUSY} is on the do-not-call list"}
    ]


async def test_a_call_can_wait_for_its_hour(site: Site) -> None:
    vapi = Vapi(site)
    plan = {"earliestAt": later(seconds=1.5)}
    body = await least(vapi, schedulePlan=plan, name="later")

    planned = await vapi.call("POST", "/call", status=201, json=body)

    assert (planned["status"], planned["name"]) == ("scheduled", "later")
    assert planned["schedulePlan"] == plan
    assert [each["id"] for each in await vapi.call("GET", "/call")] == [planned["id"]]
    async with site.working():
        ended = await until(vapi, planned["id"], status="ended")
    assert ended["createdAt"] >= plan["earliestAt"]
    assert (ended["endedReason"], ended["name"]) == ("assistant-ended-call", "later")
    assert [each["id"] for each in await vapi.call("GET", "/call")] == [planned["id"]], "by the same id as before"


async def test_two_calls_can_be_planned_to_one_number(site: Site) -> None:
    vapi = Vapi(site)
    body = await least(vapi)

    planned = [
        await vapi.call("POST", "/call", status=201, json=body | {"schedulePlan": {"earliestAt": later(seconds=n)}})
        for n in (0.5, 0.6)
    ]

    assert planned[0]["id"] != planned[1]["id"]
    async with site.working():
        await until(vapi, planned[0]["id"], status="ended")
    assert (await vapi.call("GET", f"/call/{planned[1]['id']}"))["status"] in ("queued", "ended", "scheduled")


async def test_a_planned_call_is_not_made_once_its_hours_are_over(site: Site) -> None:
    vapi = Vapi(site)
    plan = {"earliestAt": later(seconds=0.4), "latestAt": later(seconds=0.8)}
    planned = await vapi.call("POST", "/call", status=201, json=await least(vapi, schedulePlan=plan))
    await asyncio.sleep(1)  # its hours pass while nobody calls

    async with site.working():
        ended = await until(vapi, planned["id"], status="ended")

    assert ended["endedReason"] == "call.start.error-subscription-concurrency-limit-reached"
    assert "startedAt" not in ended


async def test_a_planned_call_is_taken_back(site: Site) -> None:
    vapi = Vapi(site)
    planned = await vapi.call(
        "POST", "/call", status=201, json=await least(vapi, schedulePlan={"earliestAt": later(seconds=0.6)})
    )

    deleted = await vapi.call("DELETE", f"/call/{planned['id']}", json={})

    assert (deleted["id"], deleted["status"]) == (planned["id"], "scheduled")
    gone = await vapi.call("GET", f"/call/{planned['id']}")
    assert (gone["status"], gone["endedReason"]) == ("ended", "scheduled-call-deleted")
    async with site.working():
        await asyncio.sleep(1)  # its hour comes, and nothing is to happen
    assert (await vapi.call("GET", f"/call/{planned['id']}"))["status"] == "ended"
    async with site.server.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM attempt") == 0


async def test_a_call_in_progress_is_hung_up(site: Site) -> None:
    vapi = Vapi(site)
    body = await least(vapi, carrier=LONG, agent=ASKS, customer={"number": "+12125550123", "name": "Ana"})

    async with site.working():
        made = await vapi.call("POST", "/call", status=201, json=body)
        await until(vapi, made["id"], status="in-progress")
        await vapi.call("DELETE", f"/call/{made['id']}", json={})
        ended = await until(vapi, made["id"], status="ended")

    assert (ended["endedReason"], ended["customer"]["name"]) == ("manually-canceled", "Ana")
    talked = datetime.fromisoformat(ended["endedAt"]) - datetime.fromisoformat(ended["startedAt"])
    assert timedelta(0) < talked < timedelta(seconds=4), "and would have gone on for six"


async def test_what_was_said_in_a_call_is_forgotten(site: Site) -> None:
    vapi = Vapi(site)
    agent = {"name": "greeter", "greeting": "Hello."}
    async with site.working():
        made = await vapi.call("POST", "/call", status=201, json=await least(vapi, carrier=TALKS, agent=agent))
        ended = await until(vapi, made["id"], status="ended")
    assert ended["transcript"] == "AI: Hello."

    deleted = await vapi.call("DELETE", f"/call/{made['id']}", json={})

    assert deleted["transcript"] == "AI: Hello."
    left = await vapi.call("GET", f"/call/{made['id']}")
    assert "transcript" not in left and left["artifact"]["messages"] == []
    assert left["endedReason"] == "assistant-ended-call"


async def test_calls_of_campaigns_are_calls_too(site: Site) -> None:
    vapi = Vapi(site)
    campaign = await vapi.ended(ANSWERED, BUSY)

    calls = await vapi.call("GET", "/call")

    assert {call["campaignId"] for call in calls} == {campaign["id"]}
    assert {call["id"] for call in calls} == set(campaign["calls"])
    outcomes = {call["customer"]["number"]: call["endedReason"] for call in calls}
    assert outcomes == {ANSWERED: "assistant-ended-call", BUSY: "customer-busy"}


async def test_lists_are_filtered(site: Site) -> None:
    vapi = Vapi(site)
    first, second = await least(vapi), await least(vapi, agent={"name": "second", "greeting": "Hi."})
    second["phoneNumberId"] = (await vapi.numbers("+12125550199", carrier={**CALLS, "name": "second"}))[0]
    async with site.working():
        one = await vapi.call("POST", "/call", status=201, json=first)
        two = await vapi.call("POST", "/call", status=201, json=second | {"customer": {"number": BUSY}})

    async def ids(**filters: Any) -> list[str]:
        return [call["id"] for call in await vapi.call("GET", "/call", params=filters)]

    assert await ids() == [two["id"], one["id"]]
    assert await ids(limit=1) == [two["id"]]
    assert await ids(limit=0) == []
    assert await ids(assistantId=first["assistantId"]) == [one["id"]]
    assert await ids(phoneNumberId=second["phoneNumberId"]) == [two["id"]]
    assert await ids(assistantId=str(uuid4())) == await ids(phoneNumberId=str(uuid4())) == []
    assert await ids(id=one["id"]) == [one["id"]]
    assert await ids(createdAtGt=one["createdAt"]) == [two["id"]]
    assert await ids(createdAtLe=one["createdAt"]) == [one["id"]]


async def test_a_call_gets_a_name(site: Site) -> None:
    vapi = Vapi(site)
    campaign = await vapi.ended(ANSWERED)
    call_id = next(iter(campaign["calls"]))

    named = await vapi.call("PATCH", f"/call/{call_id}", json={"name": "the one"})

    assert named["name"] == "the one"
    assert (await vapi.call("GET", "/call"))[0]["name"] == "the one"


async def test_a_recording_is_led_to_where_there_is_one(site: Site) -> None:
    vapi = Vapi(site)
    async with site.working():
        made = await vapi.call("POST", "/call", status=201, json=await least(vapi))
        await until(vapi, made["id"], status="ended")
    assert await vapi.refused("GET", f"/call/{made['id']}/mono-recording", 404) == "this call has no mono-recording"
    key = "recordings/1.wav"
    recording = site.server.settings.files_folder / key
    recording.parent.mkdir(parents=True, exist_ok=True)
    recording.write_bytes(b"RIFF")
    async with site.server.database.connection() as connection:
        await connection.execute("UPDATE attempt SET recording = $1", key)

    led = await vapi.answer("GET", f"/call/{made['id']}/stereo-recording")

    assert led.status_code == 302
    assert (await site.http.get(led.headers["location"])).content == b"RIFF"
    call = await vapi.call("GET", f"/call/{made['id']}")
    followed = await site.http.get(call["artifact"]["recordingUrl"], follow_redirects=True)
    assert followed.content == b"RIFF"
    for artifact, channel in (("mono", "mono"), ("customer", "contact"), ("assistant", "agent")):
        side = await vapi.answer("GET", f"/call/{made['id']}/{artifact}-recording")
        assert side.status_code == 302 and f"channel={channel}" in side.headers["location"]
    for artifact in ("video-recording", "pcap"):
        assert await vapi.refused("GET", f"/call/{made['id']}/{artifact}", 404) == f"this call has no {artifact}"
    await vapi.call("DELETE", f"/call/{made['id']}")
    assert not recording.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"customer": None}, "customer or customers must be given"),
        ({"customers": [{"number": ANSWERED}]}, "only one of customer and customers can be given"),
        ({"assistantId": None}, "one of assistantId, workflowId and squadId must be given"),
        (
            {"assistant": {"firstMessage": "x"}},
            "assistant: make it at /assistant first, and give its id as assistantId",
        ),
        ({"customer": {"number": "555"}}, "customer: number '555' must be in the E.164 format"),
        ({"customer": {"sipUri": "sip:a@b.c"}}, "customer.sipUri: calls to SIP addresses cannot be made yet"),
        ({"schedulePlan": {"earliestAt": "2026-12-01T09:00:00"}}, "schedulePlan.earliestAt: must have a time zone"),
        ({"schedulePlan": {"latestAt": "2026-12-01T09:00:00Z"}}, "schedulePlan.earliestAt: Field required"),
        ({"schedule_plam": {}}, "did you mean 'schedulePlan'? Without one the call is made at once"),
        ({"customers": [{"number": ANSWERED}] * 101, "customer": None}, "customers: List should have at most 100"),
    ],
)
async def test_a_call_that_cannot_be_meant_is_refused(site: Site, changes: dict[str, Any], message: str) -> None:
    vapi = Vapi(site)

    told = await vapi.refused("POST", "/call", 400, json=await least(vapi, **changes))

    assert told[0].startswith(message)


async def test_limits_are_those_of_campaigns(site: Site) -> None:
    vapi = Vapi(site)
    body = await least(vapi)
    assert "no worker is running" in await vapi.refused("POST", "/call", 503, json=body)
    await site.call("POST", "/dnc", json={"phone_numbers": [ANSWERED]})
    assert await vapi.refused("POST", "/call", 400, json=body) == f"{ANSWERED} is on the do-not-call list"
    plan = {"schedulePlan": {"earliestAt": later(hours=1)}}
    assert await vapi.refused("POST", "/call", 400, json=body | plan) == f"{ANSWERED} is on the do-not-call list"
    missing = await vapi.refused("POST", "/call", 404, json=body | {"assistantId": str(uuid4())})
    assert missing == "assistantId: there is no such assistant"
    assert await vapi.refused("POST", "/call", 404, json=body | {"phoneNumberId": str(uuid4())}) == (
        "Phone number not found"
    )
    unsaid = await least(vapi, agent=ASKS)
    assert "name" in await vapi.refused("POST", "/call", 400, json=unsaid | plan | {"customer": {"number": BUSY}})


async def test_calls_are_one_organizations(site: Site) -> None:
    vapi, other = Vapi(site), Vapi(site, of="other")
    viewer = Vapi(site, key=await site.join("default", Role.VIEWER))
    body = await least(vapi, schedulePlan={"earliestAt": later(hours=1)})
    planned = await vapi.call("POST", "/call", status=201, json=body)
    async with site.working():
        made = await vapi.call("POST", "/call", status=201, json=await least(vapi, customer={"number": BUSY}))
        await until(vapi, made["id"], status="ended")

    for call in (planned, made):
        for method in ("GET", "PATCH", "DELETE"):
            assert await other.refused(method, f"/call/{call['id']}", 404, json={}) == "Call not found"
        assert await other.refused("GET", f"/call/{call['id']}/mono-recording", 404) == "Call not found"
        assert (await viewer.call("GET", f"/call/{call['id']}"))["id"] == call["id"]
    assert await other.call("GET", "/call") == []
    assert await vapi.refused("GET", "/call/none", 404) == "Call not found"
    assert "takes operator" in await viewer.refused("POST", "/call", 403, json=body)
    assert "takes operator" in await viewer.refused("DELETE", f"/call/{made['id']}", 403)


# --- files ----------------------------------------------------------------------------------------


async def test_files_are_kept_listed_and_deleted(site: Site) -> None:
    vapi, other = Vapi(site), Vapi(site, of="other")

    made = await vapi.call("POST", "/file", status=201, files={"file": ("people.csv", b"phone_number\n", "text/csv")})

    assert (made["name"], made["bytes"], made["mimetype"], made["status"]) == ("people.csv", 13, "text/csv", "done")
    assert {"id", "orgId", "createdAt", "updatedAt", "url"} <= set(made)
    assert (await site.http.get(made["url"])).content == b"phone_number\n"
    assert [each["id"] for each in await vapi.call("GET", "/file")] == [made["id"]]
    assert (await vapi.call("PATCH", f"/file/{made['id']}", json={"name": "list"}))["name"] == "list"
    assert await other.refused("GET", f"/file/{made['id']}", 404) == f"there is no file {made['id']}"
    assert await other.call("GET", "/file") == []
    assert (await vapi.call("DELETE", f"/file/{made['id']}"))["id"] == made["id"]
    assert await vapi.refused("GET", f"/file/{made['id']}", 404) == f"there is no file {made['id']}"
    assert (await site.http.get(made["url"])).status_code == 404
    assert (await vapi.refused("POST", "/file", 400, files={"other": b"x"}))[0].startswith("file: Field required")
