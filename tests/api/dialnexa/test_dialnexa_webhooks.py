"""DialNexa's user-webhooks over HTTP: registered, changed, deleted, and what is sent to them."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest
from nexa import Nexa
from people import started
from receiver import Request, receiving
from site_of import Site

from dialplane.core.retry import RetryPolicy
from dialplane.engine.keys import Role

pytestmark = pytest.mark.asyncio

URL, SECRET = "https://example.org/hooks", "a secret of their own"
BUSY, NO_ANSWER, ANSWERED, CARRIER_FAILED = (f"+1500555{n:04d}" for n in (1, 2, 6, 7))


@pytest.fixture
def nexa(site: Site) -> Nexa:
    return Nexa(site)


async def made(nexa: Nexa, **fields: Any) -> Any:
    return await nexa.call("POST", "/user-webhooks", json={"url": URL, **fields}, status=201)


def signed(request: Request, secret: str) -> bool:
    """As DialNexa's pages tell receivers to verify it."""
    expected = hmac.new(secret.encode(), request.body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(f"sha256={expected}", request.headers["x-dialnexa-signature"])


async def test_a_webhook_is_registered_and_shows_its_secret_once(nexa: Nexa) -> None:
    webhook = await made(nexa, events=["call.completed", "campaign.paused"], secret=SECRET, colour="blue")

    assert re.fullmatch(r"hook_[0-9a-f]{32}", webhook["id"])
    assert (webhook["url"], webhook["events"]) == (URL, ["call.completed", "campaign.paused"])
    assert (webhook["secret"], webhook["is_active"], webhook["inactive_reason"]) == (SECRET, True, "")
    assert webhook["warnings"] == ["unknown field 'colour' was ignored"]
    shown = await nexa.call("GET", f"/user-webhooks/{webhook['id']}")
    assert "secret" not in shown
    assert await nexa.call("GET", "/user-webhooks") == {
        "data": [shown], "meta": {"page": 1, "limit": 20, "total": 1, "totalPages": 1},
    }  # fmt: skip


async def test_without_a_secret_one_is_made(nexa: Nexa) -> None:
    assert len((await made(nexa))["secret"]) >= 24


async def test_what_is_left_out_of_a_change_stays(nexa: Nexa) -> None:
    webhook = await made(nexa, events=["call.completed"])
    path = f"/user-webhooks/{webhook['id']}"

    off = await nexa.call("PATCH", path, json={"is_active": False})
    moved = await nexa.call("PATCH", path, json={"url": f"{URL}/2", "events": ["call.failed"], "is_active": True})

    assert (off["is_active"], off["url"], off["events"]) == (False, URL, ["call.completed"])
    assert (moved["is_active"], moved["url"], moved["events"]) == (True, f"{URL}/2", ["call.failed"])
    assert (await nexa.call("GET", "/user-webhooks?is_active=false"))["data"] == []
    assert (await nexa.call("GET", "/user-webhooks?is_active=true"))["meta"]["total"] == 1


async def test_one_that_is_registered_inactive_sends_nothing_yet(nexa: Nexa) -> None:
    webhook = await made(nexa, is_active=False)

    assert (webhook["is_active"], webhook["inactive_reason"]) == (False, "switched off")


async def test_a_deleted_webhook_is_gone(nexa: Nexa) -> None:
    webhook = await made(nexa)

    assert await nexa.call("DELETE", f"/user-webhooks/{webhook['id']}") == {"message": "Webhook deleted."}
    assert await nexa.refused("GET", f"/user-webhooks/{webhook['id']}", 404) == "Webhook not found"
    assert await nexa.refused("DELETE", f"/user-webhooks/{webhook['id']}", 404) == "Webhook not found"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"url": ""}, ["url: String should have at least 1 character"]),
        ({"url": "nonsense"}, None),
        ({"events": ["call.complete"]}, None),
        ({"events": "call.completed"}, ["events: Input should be a valid list"]),
        ({"is_active": "perhaps"}, None),
    ],
)
async def test_a_webhook_that_could_hear_nothing_is_refused(
    nexa: Nexa, fields: Mapping[str, Any], message: Any
) -> None:
    """message: None where its words are another's."""
    refusal = await nexa.refused("POST", "/user-webhooks", 400, json={"url": URL, **fields})

    assert message in (None, refusal)
    assert (await nexa.call("GET", "/user-webhooks"))["meta"]["total"] == 0


async def test_webhooks_are_of_their_organization_their_format_and_their_owners(nexa: Nexa, site: Site) -> None:
    webhook = await made(nexa)
    other = await site.call("POST", "/webhooks", json={"url": URL})
    stranger = Nexa(site, of="other")
    path = f"/user-webhooks/{webhook['id']}"

    assert (await stranger.call("GET", "/user-webhooks"))["data"] == []
    for method in ("GET", "PATCH", "DELETE"):
        body = {"is_active": False} if method == "PATCH" else None
        assert await stranger.refused(method, path, 404, json=body) == "Webhook not found"
    assert [each["id"] for each in (await nexa.call("GET", "/user-webhooks"))["data"]] == [webhook["id"]]
    assert await nexa.refused("GET", f"/user-webhooks/{other['uuid']}", 404) == "Webhook not found"
    assert await nexa.refused("GET", f"/user-webhooks/hook_{uuid4().hex}", 404) == "Webhook not found"
    assert await nexa.refused("GET", "/user-webhooks/nonsense", 404) == "Webhook not found"
    await Nexa(site, key=await site.join("default", Role.OPERATOR)).refused("GET", path, 403)


async def test_what_calls_came_to_is_sent_with_their_signature(nexa: Nexa, site: Site) -> None:
    people = [ANSWERED, BUSY, NO_ANSWER, CARRIER_FAILED]
    async with receiving() as receiver, site.working():
        await made(nexa, url=receiver.url, secret=SECRET)
        await started(site, people, retry=RetryPolicy(max_retries=0))
        await receiver.got(5)

    assert all(signed(request, SECRET) for request in receiver.requests)
    told = {message["data"].get("to_phone_number"): message["event"] for message in receiver.messages}
    assert told == {
        ANSWERED: "call.completed", BUSY: "call.no_answer", NO_ANSWER: "call.no_answer", CARRIER_FAILED: "call.failed",
        None: "campaign.completed",
    }  # fmt: skip
    (campaign,) = (await nexa.call("GET", "/campaigns"))["data"]
    assert {message["data"].get("campaign_id", message["data"]["id"]) for message in receiver.messages} == {
        campaign["id"]
    }


async def test_a_new_secret_signs_from_the_next_message_on(nexa: Nexa, site: Site) -> None:
    async with receiving() as receiver, site.working():
        webhook = await made(nexa, url=receiver.url, secret="the first", events=["call.completed"])
        await nexa.call("PATCH", f"/user-webhooks/{webhook['id']}", json={"secret": "the second"})
        await started(site, [ANSWERED])
        await receiver.got(1)

    assert signed(receiver.requests[0], "the second")
    assert [message["event"] for message in receiver.messages] == ["call.completed"]
