"""Assistants: what is said of them on a call, what is kept, what becomes of their versions; squads of one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from site_of import CALLS, Site
from vapi_of import ANSWERED, Vapi

from dialplane.engine.keys import Role

pytestmark = pytest.mark.asyncio

TALKS = {**CALLS, "talk_seconds": [4, 4]}  # long enough for both messages

BOT: dict[str, Any] = {
    "name": "Reminders",
    "firstMessage": "Hello {{customer.name}}, your plan is {{plan | default: 'basic'}}.",
    "model": {
        "provider": "openai",
        "model": "gpt-4o",
        "maxTokens": 250,
        "messages": [{"role": "system", "content": "x"}],
    },
}


async def created(vapi: Vapi, **changes: Any) -> Any:
    return await vapi.call("POST", "/assistant", status=201, json=BOT | changes)


async def test_an_assistant_is_answered_as_it_was_sent(site: Site) -> None:
    vapi = Vapi(site)

    made = await created(vapi, metadata={"team": 7})

    assert {name: made[name] for name in BOT} == BOT
    assert made["metadata"] == {"team": 7}
    assert {"id", "orgId", "createdAt", "updatedAt"} <= set(made)
    assert await vapi.call("GET", f"/assistant/{made['id']}") == made
    assert made["warnings"] == ["model is kept and has no effect: without voice services calls have the messages alone"]


async def test_its_messages_are_spoken_with_the_customers_values(site: Site) -> None:
    vapi = Vapi(site)
    bot = await created(vapi, endCallMessage="Goodbye, {{ name }}.")
    campaign = await vapi.call(
        "POST",
        "/campaign",
        status=201,
        json={
            "name": "Q2",
            "assistantId": bot["id"],
            "phoneNumberId": (await vapi.numbers(carrier=TALKS))[0],
            "customers": [{"number": ANSWERED, "name": "Ana"}],
        },
    )

    async with site.working():
        ended = await vapi.until(campaign["id"], status="ended")

    call = await vapi.call("GET", f"/call/{next(iter(ended['calls']))}")
    assert call["transcript"] == "AI: Hello Ana, your plan is basic.\nAI: Goodbye, Ana."


async def test_a_customer_without_a_value_that_is_spoken_is_refused(site: Site) -> None:
    vapi = Vapi(site)
    bot = await created(vapi)
    number = (await vapi.numbers())[0]
    body = {"name": "Q2", "assistantId": bot["id"], "phoneNumberId": number, "customers": [{"number": ANSWERED}]}

    message = await vapi.refused("POST", "/campaign", 400, json=body)

    assert message[0].startswith("customers.0.variables: 'name': the agent's text uses {{name}}")


async def test_a_patch_replaces_what_is_given_and_makes_a_version(site: Site) -> None:
    vapi = Vapi(site)
    made = await created(vapi, voice={"provider": "11labs"})

    changed = await vapi.call(
        "PATCH", f"/assistant/{made['id']}", json={"firstMessage": "Good morning.", "voice": None, "name": "Morning"}
    )

    assert changed["firstMessage"] == "Good morning."
    assert changed["name"] == "Morning"
    assert "voice" not in changed
    assert changed["model"] == BOT["model"]
    assert changed["updatedAt"] > made["updatedAt"]
    agent_id = await vapi.app.library.id_of(made["id"])
    assert [row["version"] for row in await vapi.app.library.versions(agent_id)] == [2, 1]


async def test_a_deleted_assistant_is_answered_once_more_and_is_gone(site: Site) -> None:
    vapi = Vapi(site)
    made = await created(vapi)

    assert (await vapi.call("DELETE", f"/assistant/{made['id']}"))["id"] == made["id"]

    assert await vapi.refused("GET", f"/assistant/{made['id']}", 404) == "Assistant not found"
    assert await vapi.refused("DELETE", f"/assistant/{made['id']}", 404) == "Assistant not found"
    assert made["id"] not in [each["id"] for each in await vapi.call("GET", "/assistant")]
    assert "was deleted" in await vapi.refused(
        "POST", "/campaign", 404, json=await vapi.least(ANSWERED, assistantId=made["id"])
    )


async def test_lists_are_bare_arrays_newest_first(site: Site) -> None:
    vapi = Vapi(site)
    first, second, third = [await created(vapi, name=name) for name in ("first", "second", "third")]

    assert [each["name"] for each in await vapi.call("GET", "/assistant", params={"limit": 2})] == ["third", "second"]
    assert await vapi.call("GET", "/assistant", params={"limit": 0}) == []
    after = {"createdAtGt": first["createdAt"], "createdAtLt": third["createdAt"]}
    assert [each["id"] for each in await vapi.call("GET", "/assistant", params=after)] == [second["id"]]
    assert datetime.fromisoformat(second["createdAt"]).tzinfo is not None
    updated = await vapi.call("PATCH", f"/assistant/{first['id']}", json={"name": "again"})
    since = {"updatedAtGe": updated["updatedAt"]}
    assert [each["name"] for each in await vapi.call("GET", "/assistant", params=since)] == ["again"]


async def test_agents_of_other_doors_are_assistants_and_squads_too(site: Site) -> None:
    vapi = Vapi(site)
    scripted = await vapi.assistant({"name": "script", "greeting": "Hello."})
    graph = {"nodes": [{"id": "1", "type": "startCall", "data": {"greeting": "Hi."}}], "edges": []}
    workflow = str((await vapi.app.library.get(await vapi.app.library.create("graph", graph))).uuid)

    listed = {each["id"]: each["firstMessage"] for each in await vapi.call("GET", "/assistant")}
    squads = await vapi.call("GET", "/squad")

    assert listed == {scripted: "Hello.", workflow: "Hi."}
    assert [(each["id"], each["members"]) for each in squads] == [
        (workflow, [{"assistantId": workflow}]),
        (scripted, [{"assistantId": scripted}]),
    ]
    assert (await vapi.call("GET", f"/squad/{workflow}"))["name"] == "graph"
    assert await vapi.refused("GET", "/squad/none", 404) == "Squad not found"
    renamed = await vapi.call("PATCH", f"/assistant/{scripted}", json={"name": "other"})
    assert renamed["name"] == "other"
    message = await vapi.refused("PATCH", f"/assistant/{scripted}", 400, json={"firstMessage": "x"})
    assert message == "'other' was made as a scripted: only its name can be changed here"


async def test_what_cannot_be_spoken_is_said(site: Site) -> None:
    vapi = Vapi(site)

    silent = await vapi.call("POST", "/assistant", status=201, json={"name": "silent"})
    assert silent["warnings"] == [
        "no call can be made with it: it has nothing to say without voice services and a prompt; set them up, or give "
        "it a `firstMessage`"
    ]
    message = await vapi.refused("POST", "/campaign", 400, json=await vapi.least(ANSWERED, assistantId=silent["id"]))
    assert message == "assistantId: 'silent' has nothing to say yet: give it a first message"

    waits = await created(vapi, firstMessageMode="assistant-waits-for-user")
    assert "firstMessageMode: there is only assistant-speaks-first" in waits["warnings"]
    broken = await vapi.refused("POST", "/assistant", 400, json=BOT | {"firstMessage": "Hello {{ name | upcase }}"})
    assert broken.startswith("firstMessage: has a template that cannot be filled in here")


async def test_secrets_are_not_kept(site: Site) -> None:
    vapi = Vapi(site)

    made = await created(vapi, server={"url": "https://example.org", "secret": "s3cret", "headers": {"X-Key": "k3y"}})

    assert made["server"] == {"url": "https://example.org"}
    assert "server.secret is not kept: nothing here would use it" in made["warnings"]
    assert "s3cret" not in str(await vapi.call("GET", f"/assistant/{made['id']}"))
    async with site.server.database.connection() as connection:
        kept = await connection.fetchval("SELECT string_agg(definition::text, '') FROM agent_version")
    assert "s3cret" not in kept and "k3y" not in kept


async def test_it_is_one_organizations_and_no_viewers_to_change(site: Site) -> None:
    vapi, other = Vapi(site), Vapi(site, of="other")
    viewer = Vapi(site, key=await site.join("default", Role.VIEWER))
    made = await created(vapi)

    for method in ("GET", "PATCH", "DELETE"):
        assert await other.refused(method, f"/assistant/{made['id']}", 404, json={}) == "Assistant not found"
    assert await other.call("GET", "/assistant") == []
    assert await viewer.call("GET", f"/assistant/{made['id']}") == made
    assert "takes operator" in await viewer.refused("POST", "/assistant", 403, json=BOT)
    assert await vapi.refused("GET", "/assistant/not-a-uuid", 404) == "Assistant not found"
    assert "firstMessage" in (await vapi.refused("POST", "/assistant", 400, json={"firstMessage": 7}))[0]
