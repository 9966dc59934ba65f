"""One call outside a campaign: placed through the same limits, once, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from published import conforms
from site_of import CALLS, Site

from dialplane.engine import catalog
from dialplane.engine.keys import Role
from dialplane.engine.single_calls import CallRequest
from dialplane.errors import EnvironmentFault
from dialplane.wiring import App

pytestmark = pytest.mark.asyncio

CALL = "/telephony/initiate-call"
CONFIGS = "/organizations/telephony-configs"
GREETING = {"name": "Reminder", "greeting": "Hello {{first_name}}.", "steps": []}


def app_of(site: Site) -> App:
    return site.server.of(site.organizations["default"])


async def agent(site: Site, definition: dict[str, Any] | None = None, **calls: Any) -> dict[str, Any]:
    """id and uuid of an agent; the organization has a carrier too."""
    app = app_of(site)
    await app.add_carrier({"name": "Main", **CALLS, **calls})
    record = await app.library.get(await app.add_agent(definition))
    return {"workflow_id": record.id, "uuid": str(record.uuid)}


async def attempts(site: Site) -> list[dict[str, Any]]:
    async with site.server.database.connection() as connection:
        return [dict(row) for row in await connection.fetch("SELECT * FROM attempt ORDER BY id")]


async def ended(site: Site, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(20):
        while len([row for row in await attempts(site) if row["ended_at"]]) < count:
            await asyncio.sleep(0.02)
    return await attempts(site)


@asynccontextmanager
async def working(site: Site) -> AsyncIterator[None]:
    """A worker that has said that it lives."""
    async with site.working(), asyncio.timeout(20):
        async with site.server.database.connection() as connection:
            while not await connection.fetchval("SELECT count(*) FROM worker"):
                await asyncio.sleep(0.01)
        yield


async def test_a_call_is_placed_and_the_answer_names_its_run(site: Site) -> None:
    who = await agent(site)
    async with working(site):
        answer = await site.call("POST", CALL, json={"workflow_id": who["workflow_id"], "phone_number": "+12125550101"})
        made = await ended(site, 1)

    assert conforms(answer, "TriggerCallResponse")["status"] == "initiated"
    assert [(row["id"], row["to_number"], row["disposition"]) for row in made] == [
        (answer["workflow_run_id"], "+12125550101", "answered")
    ]
    assert answer["message"] == f"Call initiated successfully with run name {answer['workflow_run_name']}"


async def test_the_same_number_is_called_again_and_again_in_one_hidden_campaign(site: Site) -> None:
    who = await agent(site)
    body = {"workflow_id": who["workflow_id"], "phone_number": "+1 212 555 0101"}
    runs = []
    async with working(site):
        for count in (1, 2, 3):
            runs.append((await site.call("POST", CALL, json=body))["workflow_run_id"])
            await ended(site, count)

    made = await attempts(site)
    assert [row["id"] for row in made] == runs
    assert [row["number"] for row in made] == [1, 2, 3]
    assert len({row["campaign_id"] for row in made}) == 1
    assert await app_of(site).campaigns.page() == []


async def test_many_first_calls_at_once_make_one_hidden_campaign(site: Site) -> None:
    who = await agent(site)
    async with working(site):
        answers = await asyncio.gather(
            *(
                site.call("POST", CALL, json={"workflow_id": who["workflow_id"], "phone_number": f"+121255501{i:02}"})
                for i in range(10)
            )
        )
        made = await ended(site, 10)

    assert len({answer["workflow_run_id"] for answer in answers}) == 10
    assert len({row["campaign_id"] for row in made}) == 1
    assert len(made) == 10


async def test_the_public_routes_find_the_agent_by_its_uuid(site: Site) -> None:
    who = await agent(site, GREETING, talk_seconds=[0.5, 0.5])
    body = {"phone_number": "+12125550101", "initial_context": {"first_name": "Ana", "visits": 3}}
    spellings = ("", "test/", "workflow/", "test/workflow/")
    async with working(site):
        for count, path in enumerate(spellings, start=1):
            answer = await site.call("POST", f"/public/agent/{path}{who['uuid']}", json=body)
            made = await ended(site, count)
            assert conforms(answer, "TriggerCallResponse")["workflow_run_id"] == made[-1]["id"]

    assert [row["transcript"][0]["text"] for row in made] == ["Hello Ana."] * 4


async def test_a_variable_of_the_agents_text_must_be_given(site: Site) -> None:
    who = await agent(site, GREETING)
    async with working(site):
        body = {"phone_number": "+12125550101"}
        answer = await site.call("POST", f"/public/agent/{who['uuid']}", json=body, status=400)

    assert "{{first_name}}" in answer["detail"]
    assert await attempts(site) == []


async def test_a_busy_number_is_not_called_twice(site: Site) -> None:
    who = await agent(site)
    async with working(site):
        await site.call("POST", CALL, json={"workflow_id": who["workflow_id"], "phone_number": "+15005550001"})
        await ended(site, 1)

    assert [row["disposition"] for row in await attempts(site)] == ["busy"]
    async with site.server.database.connection() as connection:
        assert await connection.fetchval("SELECT state FROM contact") == "exhausted"
        assert await connection.fetchval("SELECT count(*) FROM due") == 0


async def test_all_lines_in_use_is_429(site: Site) -> None:
    who = await agent(site)
    slow = await app_of(site).add_carrier({"name": "Slow", **CALLS, "talk_seconds": [1.5, 1.5]})
    await catalog.set_limits(site.server.database, site.organizations["default"], max_lines=1, cps=None)
    body = {"workflow_id": who["workflow_id"], "telephony_configuration_id": slow}
    async with working(site):
        await site.call("POST", CALL, json=body | {"phone_number": "+15005550006"})
        answer = await site.http.post(
            "/api/v1" + CALL,
            json=body | {"phone_number": "+12125550102"},
            headers={"X-API-Key": site.keys["default"]},
        )
        same = await site.call("POST", CALL, json=body | {"phone_number": "+15005550006"}, status=400)

    assert (answer.status_code, answer.json()) == (429, {"detail": "Concurrent call limit reached"})
    assert answer.headers["Retry-After"] == "2"
    assert same["detail"] == "+15005550006 is being called: wait for the end of the call"
    assert len(await attempts(site)) == 1


async def test_without_a_worker_nothing_is_promised(site: Site) -> None:
    who = await agent(site)

    answer = await site.call(
        "POST", CALL, json={"workflow_id": who["workflow_id"], "phone_number": "+12125550101"}, status=503
    )

    assert answer["detail"] == "no worker is running, so nobody would place the call: start `dialplane worker`"
    async with site.server.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM contact") == 0


async def test_a_call_that_cannot_begin_in_time_never_begins(site: Site) -> None:
    who = await agent(site)
    app = app_of(site)
    crawling = await app.add_carrier({"name": "Crawling", **CALLS, "cps": 0.01})
    ask = {"agent_id": who["workflow_id"], "carrier_id": crawling}
    async with working(site):
        await app.single_calls.call(CallRequest(to_number="+12125550101", **ask))
        with pytest.raises(EnvironmentFault, match="did not begin within 0.5 s, and will not"):
            await app.single_calls.call(CallRequest(to_number="+12125550102", **ask), wait=timedelta(seconds=0.5))
        await app.telephony.change(crawling, limits={"cps": None})
        await app.single_calls.call(
            CallRequest(to_number="+12125550103", carrier_id=crawling, agent_id=who["workflow_id"])
        )
        await ended(site, 2)

    assert [row["to_number"] for row in await attempts(site)] == ["+12125550101", "+12125550103"]


async def test_a_call_that_could_not_begin_can_be_asked_for_again(site: Site) -> None:
    who = await agent(site)
    app = app_of(site)
    crawling = await app.add_carrier({"name": "Crawling", **CALLS, "cps": 0.01})
    ask = {"agent_id": who["workflow_id"], "carrier_id": crawling, "to_number": "+12125550102"}
    async with working(site):
        await app.single_calls.call(CallRequest(**ask | {"to_number": "+12125550101"}))
        with pytest.raises(EnvironmentFault, match="did not begin"):
            await app.single_calls.call(CallRequest(**ask), wait=timedelta(seconds=0.3))
        await app.telephony.change(crawling, limits={"cps": None})
        async with site.server.database.connection() as connection:
            await connection.execute("UPDATE carrier SET tat = NULL")
        placed = await app.single_calls.call(CallRequest(**ask))
        made = await ended(site, 2)

    assert [row["id"] for row in made][1] == placed.attempt_id
    assert made[1]["to_number"] == "+12125550102"


async def test_a_call_comes_from_the_number_asked_for_else_from_the_default(site: Site) -> None:
    who = await agent(site)
    config = (await site.call("GET", CONFIGS))["configurations"][0]["id"]
    path = f"{CONFIGS}/{config}/phone-numbers"
    default = await site.call("POST", path, json={"address": "+14155550111", "is_default_caller_id": True})
    other = await site.call("POST", path, json={"address": "+14155550122"})
    off = await site.call("POST", path, json={"address": "+14155550133", "is_active": False})
    body = {"workflow_id": who["workflow_id"], "telephony_configuration_id": config}
    async with working(site):
        await site.call("POST", CALL, json=body | {"phone_number": "+12125550101"})
        asked = body | {"phone_number": "+12125550102", "from_phone_number_id": other["id"]}
        await site.call("POST", CALL, json=asked)
        for unusable in (off["id"], 999_999):
            refused = await site.call("POST", CALL, json=asked | {"from_phone_number_id": unusable}, status=400)
            assert refused["detail"] == "from_phone_number_not_found"
        made = await ended(site, 2)

    assert [row["from_number"] for row in made] == ["+14155550111", "+14155550122"]
    assert default["is_default_caller_id"] is True


async def test_what_cannot_be_called_is_refused_with_the_reason(site: Site) -> None:
    who = await agent(site)
    await app_of(site).contacts.do_not_call(["+12125550199"], source="hand")
    body = {"workflow_id": who["workflow_id"], "phone_number": "+12125550101"}
    twilio = {"provider": "twilio", "account_sid": "AC1", "auth_token": "t"}
    planned = await site.call("POST", CONFIGS, json={"name": "Tw", "config": twilio})
    cases = [
        (body | {"phone_number": "+12125550199"}, 400, "+12125550199 is on the do-not-call list"),
        (body | {"phone_number": "12"}, 400, "'12': "),
        (body | {"phone_number": None}, 400, "Phone number must be provided in request or set in organization"),
        (body | {"workflow_run_id": 7}, 400, "Workflow run not found"),
        (body | {"workflow_id": 999_999}, 404, "Workflow not found"),
        (body | {"telephony_configuration_id": 999_999}, 400, "telephony_configuration_not_found"),
        (
            body | {"telephony_configuration_id": planned["id"]},
            400,
            "'Tw' is not ready for outbound calls. calls through Twilio need DIALPLANE_PUBLIC_URL, https://…: "
            "where Twilio reaches `dialplane serve`",
        ),
    ]
    async with working(site):
        for request, status, words in cases:
            answer = await site.call("POST", CALL, json=request, status=status)
            assert answer["detail"].startswith(words), answer
        for request in (body | {"workflow_id": 2**63}, body | {"phone_number": ""}, {"phone_number": "+12125550101"}):
            await site.call("POST", CALL, json=request, status=422)

    assert await attempts(site) == []


async def test_the_public_routes_refuse_in_their_own_words(site: Site) -> None:
    who = await agent(site)
    body = {"phone_number": "+12125550101"}

    for uuid in (str(uuid4()), "no-uuid"):
        unknown = await site.call("POST", f"/public/agent/{uuid}", json=body, status=404)
        assert unknown["detail"] == "Workflow not found"
    path = f"/public/agent/{who['uuid']}"
    missing = await site.call("POST", path, json=body | {"telephony_configuration_id": 999_999}, status=404)
    assert missing["detail"] == "Telephony configuration not found"
    no_key = await site.http.post(f"/api/v1{path}", json=body)
    assert (no_key.status_code, no_key.json()["detail"]) == (401, "Authorization header required")
    viewer = await site.join("default", Role.VIEWER)
    await site.call("POST", path, json=body, key=viewer, status=403)
    foreign = await site.call("POST", path, json=body, of="other", status=404)
    assert foreign["detail"] == "Workflow not found"


async def test_an_organization_without_a_configuration_is_told_so(site: Site) -> None:
    app = app_of(site)
    agent_id = await app.add_agent(None)
    uuid = (await app.library.get(agent_id)).uuid
    body = {"workflow_id": agent_id, "phone_number": "+12125550101"}

    bare = await site.call("POST", CALL, json=body, status=400)
    public = await site.call("POST", f"/public/agent/{uuid}", json={"phone_number": "+12125550101"}, status=400)

    assert bare["detail"] == "telephony_not_configured"
    assert public["detail"] == "Telephony provider not configured for this organization"


async def test_an_archived_agent_calls_nobody(site: Site) -> None:
    who = await agent(site)
    await app_of(site).library.archive(who["workflow_id"])
    body = {"workflow_id": who["workflow_id"], "phone_number": "+12125550101"}

    answer = await site.call("POST", CALL, json=body, status=404)

    assert answer["detail"] == "Workflow is not active"


async def test_a_deleted_configuration_ends_its_hidden_campaign(site: Site) -> None:
    who = await agent(site)
    config = (await site.call("GET", CONFIGS))["configurations"][0]["id"]
    async with working(site):
        await site.call("POST", CALL, json={"workflow_id": who["workflow_id"], "phone_number": "+12125550101"})
        await ended(site, 1)

    await site.call("DELETE", f"{CONFIGS}/{config}")

    async with site.server.database.connection() as connection:
        assert await connection.fetchval("SELECT state FROM campaign WHERE hidden") == "cancelled"
