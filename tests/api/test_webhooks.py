"""Webhooks over HTTP: made, tried, changed, rotated, deleted; by whom, and with which errors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hosting import opened
from receiver import Request, answer, receiving
from site_of import CALLS, Site
from standardwebhooks import Webhook

from dialplane.config import Settings
from dialplane.core.campaign import Policies
from dialplane.engine.additions import LateContact
from dialplane.engine.keys import Role
from dialplane.store.postgres import Database

pytestmark = pytest.mark.asyncio

URL = "https://example.org/hooks"
SECRET = "whsec_" + "c2VjcmV0IG9mIHRoZSB0ZXN0cyBvZiBkaWFscGxhbmU="


async def made(site: Site, url: str = URL, **more: Any) -> dict[str, Any]:
    created: dict[str, Any] = await site.call("POST", "/webhooks", json={"url": url, **more})
    return created


async def delivered(site: Site, webhook_id: int, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The newest delivery, once it is so."""
    async with asyncio.timeout(20):
        while True:
            page = await site.call("GET", f"/webhooks/{webhook_id}/deliveries")
            newest: dict[str, Any] = page["deliveries"][0] if page["deliveries"] else {}
            if newest and all(newest[name] == value for name, value in wanted.items()):
                return newest
            await asyncio.sleep(0.05)


async def test_a_webhook_shows_its_secret_once(site: Site) -> None:
    created = await made(site, kinds=["attempt.ended", "campaign.*"])

    secret = created.pop("secret")
    assert secret.startswith("whsec_")
    assert len(secret) == 50
    assert created["kinds"] == ["attempt.ended", "campaign.*"]
    assert (created["url"], created["active"], created["inactive_reason"], created["failures"]) == (URL, True, "", 0)
    assert created["warnings"] == []
    assert created["created_at"].endswith(("Z", "+00:00"))
    assert await site.call("GET", f"/webhooks/{created['id']}") == created
    assert await site.call("GET", "/webhooks") == {"webhooks": [created], "next_before": None}


async def test_the_secret_is_encrypted_where_it_is_kept(site: Site) -> None:
    created = await made(site, secret=SECRET)

    assert created["secret"] == SECRET
    async with site.server.database.connection() as connection:
        kept = await connection.fetchval("SELECT secret FROM webhook WHERE id = $1", created["id"])
    assert SECRET not in kept
    assert site.server.secrets.decrypt(kept) == SECRET


async def test_the_list_comes_in_pages(site: Site) -> None:
    ids = [(await made(site))["id"] for _ in range(3)]

    first = await site.call("GET", "/webhooks?limit=2")
    second = await site.call("GET", f"/webhooks?limit=2&before={first['next_before']}")

    assert [webhook["id"] for webhook in first["webhooks"] + second["webhooks"]] == ids[::-1]
    assert second["next_before"] is None


async def test_a_test_message_arrives_signed(site: Site) -> None:
    async with receiving() as receiver, site.working():
        created = await made(site, receiver.url, kinds=["campaign.paused"])
        asked = await site.call("POST", f"/webhooks/{created['id']}/test")
        delivery = await delivered(site, created["id"], {"state": "delivered"})

    request = receiver.requests[0]
    message = Webhook(created["secret"]).verify(request.body, request.headers)
    assert (message["type"], message["data"]) == ("webhook.test", {"webhook_id": created["id"]})
    assert delivery["id"] == asked["id"]
    assert request.headers["webhook-id"] == delivery["message_id"] == asked["message_id"]
    assert (asked["state"], asked["tries"]) == ("pending", 0)
    assert (delivery["tries"], delivery["status"], delivery["fault"], delivery["next_try_at"]) == (1, 204, "", None)
    whole = await site.call("GET", f"/webhooks/{created['id']}/deliveries/{delivery['id']}")
    assert whole == {**delivery, "message": message}


async def test_a_campaign_tells_its_receiver(site: Site) -> None:
    app = site.server.of(site.organizations["default"])
    async with receiving() as receiver, receiving() as foreign, site.working():
        created = await made(site, receiver.url, kinds=["attempt.ended", "campaign.completed"])
        await site.call("POST", "/webhooks", of="other", json={"url": foreign.url})
        campaign_id = await app.campaigns.create(
            name="Reminders",
            agent_id=await app.add_agent(None),
            carrier_id=await app.add_carrier({"provider": "simulated", **CALLS}),
            policies=Policies(),
        )
        await app.contacts.add(campaign_id, [LateContact(phone_number="+12125550100")])
        await app.campaigns.start(campaign_id)
        await receiver.got(2)

    assert [message["type"] for message in receiver.messages] == ["attempt.ended", "campaign.completed"]
    assert receiver.messages[0]["data"]["disposition"] == "answered"
    assert receiver.messages[1]["data"]["progress"]["reached"] == 1
    for request in receiver.requests:
        Webhook(created["secret"]).verify(request.body, request.headers)
    assert foreign.requests == []


async def test_a_failed_delivery_says_why_and_is_tried_again_by_hand(site: Site) -> None:
    status = 503

    async def reply(_: Request) -> bytes:
        return answer(status)

    async with receiving(reply) as receiver, site.working():
        webhook_id = (await made(site, receiver.url))["id"]
        await site.call("POST", f"/webhooks/{webhook_id}/test")
        failed = await delivered(site, webhook_id, {"state": "pending", "status": 503})
        assert failed["fault"] == "answered 503"
        assert failed["next_try_at"] > failed["tried_at"]
        assert (await site.call("GET", f"/webhooks/{webhook_id}"))["failures"] == 1
        status = 200
        await site.call("POST", f"/webhooks/{webhook_id}/deliveries/{failed['id']}/redeliver")
        await delivered(site, webhook_id, {"state": "delivered", "tries": 2})

    assert receiver.requests[0].body == receiver.requests[1].body
    assert (await site.call("GET", f"/webhooks/{webhook_id}"))["failures"] == 0
    assert (await site.call("GET", f"/webhooks/{webhook_id}/deliveries?state=dead"))["deliveries"] == []
    assert len((await site.call("GET", f"/webhooks/{webhook_id}/deliveries?state=delivered"))["deliveries"]) == 1


async def test_what_was_given_up_goes_out_again(site: Site) -> None:
    async with receiving() as receiver, site.working():
        webhook_id = (await made(site, receiver.url))["id"]
        await site.call("POST", f"/webhooks/{webhook_id}/test")
        await delivered(site, webhook_id, {"state": "delivered"})
        async with site.server.database.connection() as connection:
            await connection.execute("UPDATE delivery SET state = 'dead'")

        assert await site.call("POST", f"/webhooks/{webhook_id}/redeliver-dead") == {"redelivered": 1}

        await receiver.got(2)
        await delivered(site, webhook_id, {"state": "delivered"})
    assert await site.call("POST", f"/webhooks/{webhook_id}/redeliver-dead") == {"redelivered": 0}


async def test_a_rotated_secret_signs_beside_the_old_one(site: Site) -> None:
    async with receiving() as receiver, site.working():
        created = await made(site, receiver.url)
        rotated = await site.call("POST", f"/webhooks/{created['id']}/rotate-secret")
        await site.call("POST", f"/webhooks/{created['id']}/test")
        await receiver.got(1)

    assert rotated["secret"] != created["secret"]
    assert rotated["old_secret_until"] is not None
    for secret in (created["secret"], rotated["secret"]):
        Webhook(secret).verify(receiver.requests[0].body, receiver.requests[0].headers)
    chosen = await site.call("POST", f"/webhooks/{created['id']}/rotate-secret", json={"secret": SECRET})
    assert chosen["secret"] == SECRET


async def test_a_change_leaves_the_rest_as_it_is(site: Site) -> None:
    created = await made(site, kinds=["attempt.*"])

    off = await site.call("PATCH", f"/webhooks/{created['id']}", json={"active": False})
    moved = await site.call("PATCH", f"/webhooks/{created['id']}", json={"url": "https://example.org/new"})
    on = await site.call("PATCH", f"/webhooks/{created['id']}", json={"active": True, "kinds": []})

    assert (off["active"], off["inactive_reason"], off["url"]) == (False, "switched off", URL)
    assert (moved["url"], moved["kinds"], moved["active"]) == ("https://example.org/new", ["attempt.*"], False)
    assert (on["active"], on["inactive_reason"], on["kinds"]) == (True, "", [])


async def test_nothing_is_sent_by_a_webhook_that_is_switched_off(site: Site) -> None:
    webhook_id = (await made(site))["id"]
    await site.call("PATCH", f"/webhooks/{webhook_id}", json={"active": False})

    refused = await site.call("POST", f"/webhooks/{webhook_id}/test", status=400)

    assert refused["detail"] == f"webhook {webhook_id} is not active (switched off): activate it first"
    await site.call("POST", f"/webhooks/{webhook_id}/redeliver-dead", status=400)


async def test_a_deleted_webhook_is_gone(site: Site) -> None:
    webhook_id = (await made(site))["id"]
    await site.call("POST", f"/webhooks/{webhook_id}/test")

    assert await site.call("DELETE", f"/webhooks/{webhook_id}") == {"deleted": True}

    gone = await site.call("GET", f"/webhooks/{webhook_id}", status=404)
    assert gone["detail"] == f"there is no webhook {webhook_id}"
    assert (await site.call("GET", "/webhooks"))["webhooks"] == []
    await site.call("DELETE", f"/webhooks/{webhook_id}", status=404)
    await site.call("GET", f"/webhooks/{webhook_id}/deliveries", status=404)


async def test_another_organization_has_no_such_webhook(site: Site) -> None:
    webhook_id = (await made(site))["id"]
    delivery_id = (await site.call("POST", f"/webhooks/{webhook_id}/test"))["id"]

    for method, path in (
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/rotate-secret"),
        ("POST", "/test"),
        ("GET", "/deliveries"),
        ("GET", f"/deliveries/{delivery_id}"),
        ("POST", f"/deliveries/{delivery_id}/redeliver"),
        ("POST", "/redeliver-dead"),
    ):
        body = {"json": {"active": False}} if method == "PATCH" else {}
        answered = await site.call(method, f"/webhooks/{webhook_id}{path}", of="other", status=404, **body)
        assert answered == {"detail": f"there is no webhook {webhook_id}"}
    assert (await site.call("GET", "/webhooks", of="other"))["webhooks"] == []
    assert (await site.call("GET", f"/webhooks/{webhook_id}"))["active"]


async def test_a_delivery_belongs_to_its_webhook(site: Site) -> None:
    first, second = (await made(site))["id"], (await made(site))["id"]
    delivery_id = (await site.call("POST", f"/webhooks/{first}/test"))["id"]

    answered = await site.call("POST", f"/webhooks/{second}/deliveries/{delivery_id}/redeliver", status=404)

    assert answered["detail"] == f"webhook {second} has no delivery {delivery_id}"


async def test_an_owner_manages_and_others_may_read_deliveries(site: Site) -> None:
    webhook_id = (await made(site))["id"]
    for role in (Role.OPERATOR, Role.VIEWER):
        key = await site.join("default", role)
        for method, path in (
            ("POST", "/webhooks"),
            ("GET", "/webhooks"),
            ("GET", f"/webhooks/{webhook_id}"),
            ("PATCH", f"/webhooks/{webhook_id}"),
            ("DELETE", f"/webhooks/{webhook_id}"),
            ("POST", f"/webhooks/{webhook_id}/test"),
            ("POST", f"/webhooks/{webhook_id}/redeliver-dead"),
        ):
            refused = await site.call(method, path, key=key, status=403, json={"url": URL})
            assert refused["detail"] == f"this key's role is {role}; it takes owner to do this"
        page = await site.call("GET", f"/webhooks/{webhook_id}/deliveries", key=key)
        assert page == {"deliveries": [], "next_before": None}


async def test_a_misshapen_webhook_is_422(site: Site) -> None:
    for body, where, words in (
        ({}, "url", "Field required"),
        ({"url": ""}, "url", "at least 1 character"),
        ({"url": "https://example.org/" + "x" * 2000}, "url", "at most 2000 characters"),
        ({"url": URL, "kinds": ["attempt.end"]}, "kinds", "did you mean 'attempt.ended'?"),
        ({"url": URL, "kinds": "attempt.ended"}, "kinds", "valid list"),
    ):
        refused = await site.call("POST", "/webhooks", json=body, status=422)

        assert refused["detail"][0]["loc"] == ["body", where]
        assert words in refused["detail"][0]["msg"]


async def test_a_webhook_that_could_not_work_is_400(site: Site) -> None:
    metadata = "its address is not allowed: it is link-local (169.254.169.254)"
    fix = "a secret is whsec_ and 24 to 64 bytes in base64; leave it out to get one"
    for body, detail in (
        ({"url": "ftp://example.org"}, "the URL cannot be used: it must look like https://example.org/hooks"),
        ({"url": "https://ana:pw@example.org"}, "the URL cannot be used: it must hold no user name and no password"),
        ({"url": "http://169.254.169.254/latest"}, f"the URL cannot be used: {metadata}"),
        ({"url": URL, "secret": "short"}, fix),
        ({"url": URL, "secret": "whsec_c2hvcnQ="}, fix),
        ({"url": URL, "secret": "whsec_no base64 at all, but long enough"}, fix),
    ):
        assert await site.call("POST", "/webhooks", json=body, status=400) == {"detail": detail}


async def test_an_unknown_field_is_told_back(site: Site) -> None:
    created = await made(site, kind=["attempt.ended"])

    assert created["warnings"] == ["unknown field 'kind': did you mean 'kinds'?"]


async def test_ids_beyond_the_databases_are_422(site: Site) -> None:
    for path in ("/webhooks/9223372036854775808", "/webhooks/0", "/webhooks/1/deliveries/9223372036854775808"):
        await site.call("GET", path, status=422)
    await site.call("GET", "/webhooks/9223372036854775807", status=404)
    await site.call("GET", "/webhooks/9223372036854775807/deliveries?state=lost", status=422)


async def test_an_organization_has_at_most_fifty(site: Site) -> None:
    for _ in range(50):
        await made(site)

    refused = await site.call("POST", "/webhooks", json={"url": URL}, status=400)

    assert refused["detail"] == "an organization has at most 50 webhooks: delete one that is not needed"


async def test_by_default_nothing_goes_to_the_own_network(database: Database, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, secret_key="a secret for the tests")
    async with opened(database, settings) as site, receiving() as receiver:
        refused = await site.call("POST", "/webhooks", json={"url": receiver.url}, status=400)
        by_name = await made(site, f"http://localhost:{receiver.port}/")
        async with site.working():
            await site.call("POST", f"/webhooks/{by_name['id']}/test")
            await site.until(f"/webhooks/{by_name['id']}", {"failures": 1})
        failed = (await site.call("GET", f"/webhooks/{by_name['id']}/deliveries"))["deliveries"][0]

    assert refused["detail"] == "the URL cannot be used: its address is not allowed: it is loopback (127.0.0.1)"
    assert (failed["state"], failed["tries"], failed["status"]) == ("pending", 1, None)
    assert failed["fault"].startswith("its address is not allowed: localhost: it is loopback (")
    assert receiver.most_connections == 0


async def test_the_document_names_the_operations(site: Site) -> None:
    document = json.loads((await site.http.get("/openapi.json")).text)

    operations = {
        operation["operationId"]
        for path, operations in document["paths"].items()
        if path.startswith("/api/v1/webhooks")
        for operation in operations.values()
    }
    assert operations == {
        "create_webhook", "list_webhooks", "get_webhook", "change_webhook", "delete_webhook", "rotate_webhook_secret",
        "test_webhook", "list_deliveries", "get_delivery", "redeliver", "redeliver_dead",
    }  # fmt: skip
