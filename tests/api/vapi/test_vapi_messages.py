"""Server messages: what a campaign's server hears, in Vapi's words; and DialNexa's messages, in theirs."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from people import app_of, numbers, started
from receiver import Receiver, Request, receiving
from site_of import CALLS, Site
from vapi_of import ANSWERED, BUSY, CARRIER_FAILED, Vapi

from dialplane.core.campaign import Policies
from dialplane.core.retry import RetryPolicy
from dialplane.engine.webhooks import purge_deliveries
from dialplane.wiring import App

pytestmark = pytest.mark.asyncio

SLOW = {**CALLS, "talk_seconds": [1, 1]}
LIFE = ["contact.dispatched", "contact.completed"]


def types(receiver: Receiver) -> list[str]:
    return [message["message"]["type"] for message in receiver.messages]


def of_contacts(receiver: Receiver) -> dict[str, list[str]]:
    """number -> types of the messages about it, in their order."""
    found: dict[str, list[str]] = {}
    for message in (message["message"] for message in receiver.messages):
        if "contact" in message:
            found.setdefault(message["contact"]["number"], []).append(message["type"])
    return found


def one(receiver: Receiver, kind: str) -> dict[str, Any]:
    found = [message["message"] for message in receiver.messages if message["message"]["type"] == kind]
    assert len(found) == 1, f"{kind}: {types(receiver)}"
    return found[0]


async def hears(receiver: Receiver, *kinds: str) -> None:
    """Each of these; messages about different subjects overtake one another."""
    await receiver.until(lambda: set(kinds) <= set(types(receiver)))


def later(**delta: float) -> str:
    return (datetime.now(UTC) + timedelta(**delta)).isoformat().replace("+00:00", "Z")


@asynccontextmanager
async def told(vapi: Vapi, *called: str, server: Any = None, **more: Any) -> AsyncIterator[tuple[Receiver, Any]]:
    """A campaign whose server is the receiver."""
    async with receiving() as receiver:
        settings = {"url": receiver.url, **(server or {})}
        yield receiver, await vapi.created(*called, server=settings, **more)


async def test_a_server_hears_the_whole_life_of_a_campaign(site: Site) -> None:
    vapi = Vapi(site)

    async with told(vapi, ANSWERED, CARRIER_FAILED) as (receiver, campaign), site.working():
        await receiver.got(6)
        await vapi.call("DELETE", f"/campaign/{campaign['id']}")
        await receiver.until(lambda: "campaign.archived" in types(receiver))

    assert of_contacts(receiver) == {ANSWERED: LIFE, CARRIER_FAILED: ["contact.dispatched", "contact.failed"]}
    about_campaign = [kind for kind in types(receiver) if kind.startswith("campaign.")]
    assert about_campaign == ["campaign.started", "campaign.ended", "campaign.archived"]


async def test_messages_name_the_campaign_the_contact_and_the_call(site: Site) -> None:
    vapi = Vapi(site)
    customer = {"number": ANSWERED, "name": "Ana", "externalId": "crm-7"}

    async with told(vapi, customers=[customer]) as (receiver, campaign), site.working():
        await hears(receiver, "campaign.ended", "contact.completed")

    contact = (await vapi.contacts(campaign["id"]))["results"][0]
    completed, ended = one(receiver, "contact.completed"), one(receiver, "campaign.ended")
    assert completed["campaignId"] == campaign["id"]
    assert completed["campaign"] == {"id": campaign["id"], "orgId": campaign["orgId"], "name": "Q2"}
    assert completed["contact"] == {
        "id": contact["id"],
        "campaignId": campaign["id"],
        "orgId": campaign["orgId"],
        "number": ANSWERED,
        "name": "Ana",
        "externalId": "crm-7",
        "status": "contact.completed",
        "createdAt": completed["contact"]["createdAt"],
        "callId": contact["callId"],
        "dispatchedAt": completed["contact"]["dispatchedAt"],
        "endedReason": "assistant-ended-call",
    }
    assert abs(completed["timestamp"] / 1000 - datetime.now(UTC).timestamp()) < 60
    assert "endedReason" not in one(receiver, "contact.dispatched")["contact"]
    assert (ended["campaign"]["status"], ended["campaign"]["endedReason"]) == ("ended", "campaign.ended.success")
    assert one(receiver, "campaign.started")["campaign"]["status"] == "in-progress"


async def test_it_hears_only_of_the_kinds_that_were_asked_for(site: Site) -> None:
    vapi = Vapi(site)

    async with (
        told(vapi, ANSWERED, BUSY, serverMessages=["contact.completed", "campaign.ended"]) as (receiver, _),
        site.working(),
    ):
        await receiver.until(lambda: "campaign.ended" in types(receiver) and len(receiver.requests) == 3)

    assert sorted(types(receiver)) == ["campaign.ended", "contact.completed", "contact.completed"]


async def test_the_secret_and_the_headers_go_with_each_message(site: Site) -> None:
    vapi = Vapi(site)
    server = {"secret": "s3cret", "headers": {"X-Team": "seven"}}

    async with told(vapi, ANSWERED, server=server) as (receiver, _), site.working():
        await receiver.got(4)

    assert {request.headers["x-vapi-secret"] for request in receiver.requests} == {"s3cret"}
    assert {request.headers["x-team"] for request in receiver.requests} == {"seven"}
    assert {request.headers["content-type"] for request in receiver.requests} == {"application/json"}
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 4
    async with site.server.database.connection() as connection:
        kept = await connection.fetchval("SELECT string_agg(secret || headers || url, '') FROM webhook")
    assert "s3cret" not in kept and "seven" not in kept


async def test_without_a_secret_none_is_sent_and_headers_of_ours_are_refused(site: Site) -> None:
    vapi = Vapi(site)

    async with told(vapi, ANSWERED) as (receiver, _), site.working():
        await receiver.got(1)

    assert "x-vapi-secret" not in receiver.requests[0].headers
    refused = await vapi.least(ANSWERED, server={"url": receiver.url, "headers": {"Host": "evil.example"}}, name="Q3")
    assert "the header 'Host' cannot be sent" in await vapi.refused("POST", "/campaign", 400, json=refused)
    assert [each["name"] for each in (await vapi.list())["results"]] == ["Q2"]


async def test_the_servers_own_timeout_counts(site: Site) -> None:
    vapi = Vapi(site)
    answered = asyncio.Event()

    async def slow(_: Request) -> bytes:
        await asyncio.sleep(1.5)
        answered.set()
        return b"HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n"

    async with receiving(slow) as receiver:
        impatient = {"url": receiver.url, "timeoutSeconds": 1}
        await vapi.created(ANSWERED, server=impatient, serverMessages=["campaign.started"])
        async with site.working(), asyncio.timeout(20):
            await answered.wait()
            async with site.server.database.connection() as connection:
                while not (fault := await connection.fetchval("SELECT fault FROM delivery")):
                    await asyncio.sleep(0.02)

    assert fault == "no answer within 1 seconds"


async def test_who_was_never_called_is_told_when_a_campaign_is_cancelled(site: Site) -> None:
    vapi = Vapi(site)
    people = numbers(700)  # more than one step tells

    async with told(vapi, *people, schedulePlan={"earliestAt": later(hours=1)}) as (receiver, campaign):
        await vapi.call("PATCH", f"/campaign/{campaign['id']}", json={"status": "cancelled"})
        async with site.working():
            await receiver.got(701, seconds=60)

    assert of_contacts(receiver) == {number: ["contact.skipped"] for number in people}
    cancelled = one(receiver, "campaign.cancelled")["campaign"]
    assert (cancelled["status"], cancelled["endedReason"]) == ("cancelled", "campaign.scheduled.ended-by-user")
    skipped = next(m["message"] for m in receiver.messages if m["message"]["type"] == "contact.skipped")
    assert skipped["contact"]["status"] == "contact.skipped"
    assert "callId" not in skipped["contact"]


async def test_who_was_not_called_in_its_hours_is_told_too(site: Site) -> None:
    vapi = Vapi(site)
    plan = {"earliestAt": later(seconds=-1), "latestAt": later(seconds=1.5)}

    async with (
        told(vapi, *numbers(3), carrier=SLOW, maxConcurrency=1, schedulePlan=plan) as (receiver, campaign),
        site.working(),
    ):
        await vapi.until(campaign["id"], status="ended")
        await hears(receiver, "campaign.ended", "contact.skipped")
        await receiver.until(
            lambda: {life[-1] for life in of_contacts(receiver).values()} <= {LIFE[-1], "contact.skipped"}
        )
        await receiver.until(lambda: len(of_contacts(receiver)) == 3)

    lives = of_contacts(receiver)
    assert all(life in (LIFE, ["contact.skipped"]) for life in lives.values()), lives
    assert LIFE in lives.values()


async def test_who_is_on_the_do_not_call_list_is_skipped_and_told_once(site: Site) -> None:
    vapi = Vapi(site)
    await site.call("POST", "/dnc", json={"phone_numbers": [BUSY]})

    async with told(vapi, ANSWERED, BUSY) as (receiver, _), site.working():
        await hears(receiver, "campaign.ended", "contact.skipped", "contact.completed")
        await asyncio.sleep(0.5)  # for a second message, were there one

    assert of_contacts(receiver) == {ANSWERED: LIFE, BUSY: ["contact.skipped"]}


async def test_who_fails_the_check_before_the_call_is_told(site: Site) -> None:
    vapi = Vapi(site)

    async def check(request: Request) -> bytes:
        body = b""
        if request.message["message"]["type"] == "campaign.predial":
            body = json.dumps({"eligible": request.message["message"]["contact"]["number"] == ANSWERED}).encode()
        return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    async with receiving(check) as receiver:
        await vapi.created(ANSWERED, BUSY, server={"url": receiver.url}, predialPlan={"enabled": True})
        async with site.working():
            await hears(receiver, "campaign.ended", "contact.predial-failed", "contact.completed")

    lives = of_contacts(receiver)
    assert lives[BUSY] == ["campaign.predial", "contact.predial-failed"]
    assert [kind for kind in lives[ANSWERED] if kind != "campaign.predial"] == LIFE


async def test_a_contact_that_is_tried_again_is_completed_once(site: Site) -> None:
    vapi = Vapi(site)
    twice = Policies(retry=RetryPolicy(max_retries=1, delay_seconds=0.0))
    async with told(vapi, BUSY, schedulePlan={"earliestAt": later(hours=1)}) as (receiver, campaign):
        campaign_id = await app_of(site).campaigns.find(campaign["id"])
        assert campaign_id is not None
        await app_of(site).campaigns.change(campaign_id, twice)
        await app_of(site).campaigns.start(campaign_id)
        async with site.working():
            await hears(receiver, "campaign.ended", "contact.completed")

    assert of_contacts(receiver) == {BUSY: ["contact.dispatched", "contact.dispatched", "contact.completed"]}


async def test_going_on_after_a_pause_is_a_job_that_continues(site: Site) -> None:
    vapi = Vapi(site)

    async with told(vapi, ANSWERED) as (receiver, campaign):
        app: App = app_of(site)
        campaign_id = await app.campaigns.find(campaign["id"])
        assert campaign_id is not None
        await app.campaigns.pause(campaign_id)
        await app.campaigns.resume(campaign_id)
        async with site.working():
            await receiver.until(lambda: "campaign.ended" in types(receiver))

    about_campaign = [kind for kind in types(receiver) if kind.startswith("campaign.")]
    assert about_campaign == ["campaign.started", "campaign.job.continued", "campaign.ended"]


async def test_a_campaigns_server_hears_of_no_other_campaign(site: Site) -> None:
    vapi = Vapi(site)

    async with told(vapi, ANSWERED) as (receiver, campaign), site.working():
        await started(site, [BUSY])
        await receiver.until(lambda: "campaign.ended" in types(receiver))
        await asyncio.sleep(0.5)  # for messages about the other one, were there any

    assert {message["message"]["campaignId"] for message in receiver.messages} == {campaign["id"]}


async def test_a_campaigns_webhook_is_nobodys_to_see_and_goes_with_it(site: Site) -> None:
    vapi = Vapi(site)
    async with told(vapi, ANSWERED) as (receiver, _), site.working():
        await receiver.until(lambda: "campaign.ended" in types(receiver))

    database = site.server.database
    async with database.connection() as connection:
        webhook_id = await connection.fetchval("SELECT id FROM webhook")
    assert (await site.call("GET", "/webhooks"))["webhooks"] == []
    for path in ("", "/deliveries"):
        await site.call("GET", f"/webhooks/{webhook_id}{path}", status=404)
    await site.call("DELETE", f"/webhooks/{webhook_id}", status=404)
    async with database.connection() as connection:
        await purge_deliveries(database)
        assert await connection.fetchval("SELECT count(*) FROM webhook") == 1
        await connection.execute("UPDATE campaign SET ended_at = ended_at - interval '8 days'")
        await purge_deliveries(database)
        assert await connection.fetchval("SELECT count(*) FROM webhook") == 0


async def test_a_campaign_that_is_asked_for_twice_has_one_webhook(site: Site) -> None:
    vapi = Vapi(site)
    async with receiving() as receiver:
        body = await vapi.least(ANSWERED, server={"url": receiver.url})
        first, second = [await vapi.call("POST", "/campaign", status=201, json=body) for _ in range(2)]
        async with site.working():
            await hears(receiver, "campaign.ended", "contact.completed")

    assert first["id"] == second["id"]
    assert sorted(types(receiver)) == ["campaign.ended", "campaign.started", "contact.completed", "contact.dispatched"]


# --- DialNexa -------------------------------------------------------------------------------------


async def test_dialnexas_messages_are_signed_over_the_raw_body(site: Site) -> None:
    async with receiving() as receiver:
        organization_id = site.organizations["default"]
        made = await site.server.webhooks(organization_id).create(receiver.url, secret="s3cret", format="dialnexa")
        campaign_id = await started(site, [ANSWERED, BUSY, CARRIER_FAILED], retry=RetryPolicy(max_retries=0))
        async with site.working():
            await receiver.got(4)

    assert made.secret == "s3cret"
    for request in receiver.requests:
        digest = hmac.new(b"s3cret", request.body, hashlib.sha256).hexdigest()
        assert request.headers["x-dialnexa-signature"] == f"sha256={digest}"
    events = {message["event"]: message["data"] for message in receiver.messages}
    assert sorted(events) == ["call.completed", "call.failed", "call.no_answer", "campaign.completed"]
    campaign = await app_of(site).campaigns.get(campaign_id)
    assert events["campaign.completed"] == {"id": f"cmp_{campaign.uuid.hex}", "name": "test", "status": "completed"}
    busy = events["call.no_answer"]
    assert (busy["to_phone_number"], busy["status"], busy["end_reason"]) == (BUSY, "busy", "user_busy")
    assert busy["campaign_id"] == f"cmp_{campaign.uuid.hex}"
    assert busy["lead_id"].startswith("lead_") and busy["id"].startswith("call_")


async def test_dialnexas_kinds_are_its_own(site: Site) -> None:
    webhooks = site.server.webhooks(site.organizations["default"])
    async with receiving() as receiver:
        made = await webhooks.create(receiver.url, ["campaign.paused"], format="dialnexa", active=False)
        with pytest.raises(Exception, match="'attempt.ended' is no kind of event: there are"):
            await webhooks.create(receiver.url, ["attempt.ended"], format="dialnexa")
        shown = (await site.call("GET", "/webhooks"))["webhooks"]
        assert [(each["format"], each["kinds"], each["active"]) for each in shown] == [
            ("dialnexa", ["campaign.paused"], False)
        ]
        await webhooks.change(made.webhook["id"], active=True)
        campaign_id = await started(site, numbers(1))
        await app_of(site).campaigns.pause(campaign_id)
        async with site.working():
            await receiver.got(1)

    assert receiver.messages[0]["event"] == "campaign.paused"
    assert (await webhooks.by_uuid(made.webhook["uuid"], "dialnexa"))["id"] == made.webhook["id"]
    assert [row["id"] for row in await webhooks.page(format="dialnexa")] == [made.webhook["id"]]
    assert await webhooks.page(format="standard") == []
