"""Keys of agents and voice services: sealed wherever they are seen, and what assistants and workflows do with them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from site_of import OpenSite, Site
from vapi_of import Vapi

from dialplane.engine.keys import Role
from dialplane.errors import Invalid
from dialplane.ports import Prepares

pytestmark = pytest.mark.asyncio

KEY, TOKEN = "sk-a-key-of-theirs", "a-token-of-theirs"
SERVICES: dict[str, Any] = {
    "llm": {"service": "openai", "model": "gpt-4.1", "api_key": KEY},
    "stt": {"service": "pocketsphinx"},
    "tts": {"service": "openai", "voice": "alloy", "api_key": KEY},
}
PIPELINE: dict[str, Any] = {
    "kind": "pipeline",
    "name": "Clinic",
    "prompt": "You remind {{first_name}} of an appointment.",
    "tools": [
        {
            "name": "book",
            "description": "Books.",
            "url": "https://clinic.example/book",
            "headers": {"Authorization": f"Bearer {TOKEN}"},
        }
    ],
    **SERVICES,
}


async def made(site: Site, definition: Any, *, status: int = 200, of: str = "default") -> Any:
    body = {"name": "agent", "workflow_definition": definition}
    return await site.call("POST", "/workflow/create/definition", json=body, status=status, of=of)


async def everything_kept(site: Site) -> str:
    async with site.server.database.connection() as connection:
        agents = await connection.fetchval("SELECT coalesce(string_agg(definition::text, ''), '') FROM agent_version")
        services = await connection.fetchval("SELECT coalesce(string_agg(services::text, ''), '') FROM voice_services")
    return str(agents) + str(services)


# --- keys of agents ------------------------------------------------------------------------------


async def test_a_key_is_sealed_in_the_database_and_in_answers_and_open_for_the_agent_that_talks(site: Site) -> None:
    new = await made(site, PIPELINE)

    kept = new["workflow_definition"]
    assert kept["llm"]["api_key"].startswith("sealed:") and kept["llm"]["model"] == "gpt-4.1"
    assert kept["tools"][0]["headers"]["Authorization"].startswith("sealed:")
    assert KEY not in json.dumps(new) and TOKEN not in json.dumps(new)
    assert KEY not in await everything_kept(site) and TOKEN not in await everything_kept(site)
    app = site.server.of(site.organizations["default"])
    talks: Any = await app.agents.get(app.organization_id, new["id"], 1)
    assert talks.definition == PIPELINE


async def test_a_sealed_key_that_is_sent_back_stays_and_makes_no_new_version(site: Site) -> None:
    new = await made(site, PIPELINE)

    async def put(definition: Any) -> Any:
        return await site.call("PUT", f"/workflow/{new['id']}", json={"workflow_definition": definition})

    assert (await put(new["workflow_definition"]))["version_number"] == 1
    assert (await put(PIPELINE))["version_number"] == 1
    changed = await put(new["workflow_definition"] | {"prompt": "You are brief."})
    assert changed["version_number"] == 2
    app = site.server.of(site.organizations["default"])
    talks: Any = await app.agents.get(app.organization_id, new["id"], 2)
    assert talks.definition == PIPELINE | {"prompt": "You are brief."}
    assert (await put(PIPELINE | {"llm": SERVICES["llm"] | {"api_key": "sk-another"}}))["version_number"] == 3


async def test_with_another_secret_the_agent_is_known_and_talks_with_nobody(site: Site, open_site: OpenSite) -> None:
    new = await made(site, PIPELINE)
    later = await open_site(secret_key="another secret")
    app = later.server.of(site.organizations["default"])

    talks = await app.agents.get(app.organization_id, new["id"], 1)

    assert talks.variables() == {"first_name"} and isinstance(talks, Prepares)
    with pytest.raises(
        Invalid, match=r"agent, llm\.api_key: this sealed value is not of this organization, or was sealed"
    ):
        await talks.prepare()
    await app.library.update(new["id"], definition=PIPELINE)
    assert (await app.library.get(new["id"])).version == 2


async def test_a_sealed_key_of_another_organization_is_refused(site: Site) -> None:
    await site.join("other")
    theirs = (await made(site, PIPELINE))["workflow_definition"]

    refused = await made(site, theirs, status=400, of="other")

    assert "llm.api_key: this sealed value is not of this organization" in refused["detail"]
    refused = await site.call("PUT", "/voice", json={**SERVICES, "llm": theirs["llm"]}, status=400, of="other")
    assert "llm.api_key: this sealed value is not of this organization" in refused["detail"]
    assert theirs["llm"]["api_key"] not in await everything_kept_of(site, "other")


async def everything_kept_of(site: Site, organization: str) -> str:
    app = site.server.of(site.organizations[organization])
    found = [await app.library.get(row["id"]) for row in await app.library.page()]
    return json.dumps([[agent.definition for agent in found], await app.voice.get()])


async def test_the_environment_is_not_read_for_a_request(site: Site) -> None:
    refused = await made(site, PIPELINE | {"llm": SERVICES["llm"] | {"api_key": "${PATH}"}}, status=400)

    assert refused["detail"] == (
        "llm.api_key: ${PATH} is read from the environment by the command line alone; give the value"
    )


async def test_the_same_definition_given_twice_is_one_agent_with_one_version(site: Site) -> None:
    app = site.server.of(site.organizations["default"])

    first, second = [await app.add_agent(PIPELINE) for _ in range(2)]

    assert first == second
    assert (await app.library.get(first)).version == 1


# --- voice services ------------------------------------------------------------------------------


async def test_voice_services_are_kept_sealed_and_shown_so(site: Site) -> None:
    assert await site.call("GET", "/voice") == {"services": None}

    shown = (await site.call("PUT", "/voice", json=SERVICES))["services"]

    assert shown["llm"]["api_key"].startswith("sealed:") and shown["stt"] == SERVICES["stt"]
    assert KEY not in await everything_kept(site)
    assert await site.call("PUT", "/voice", json=shown) == {"services": shown}
    operator = await site.join("default", Role.OPERATOR)
    await site.call("PUT", "/voice", json=shown, key=operator, status=403)
    assert await site.call("DELETE", "/voice") == {"services": None}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"llm": {"model": "gpt-4.1"}}, "llm.service"),
        ({"prices": {"per_minute": 1}}, "prices"),
    ],
)
async def test_services_that_nothing_could_talk_with_are_refused(site: Site, changes: Any, told: str) -> None:
    refused = await site.call("PUT", "/voice", json=SERVICES | changes, status=400)

    assert told in refused["detail"]


ASSISTANT: dict[str, Any] = {
    "name": "Reminders",
    "firstMessage": "Hello {{customer.name}}.",
    "endCallMessage": "Goodbye.",
    "model": {
        "provider": "openai",
        "model": "gpt-4o",
        "temperature": 0.3,
        "messages": [{"role": "system", "content": "Ask {{customer.name}} about {{plan | default: 'the plan'}}."}],
    },
    "voice": {"provider": "11labs", "voiceId": "burt"},
    "analysisPlan": {
        "structuredDataPlan": {"schema": {"type": "object", "properties": {"comes": {"type": "boolean"}}}}
    },
    "backgroundSound": "office",
}


async def test_an_assistant_talks_with_voice_services_where_there_are_any(site: Site) -> None:
    vapi = Vapi(site)
    bot = await vapi.call("POST", "/assistant", status=201, json=ASSISTANT)
    app = site.server.of(site.organizations["default"])
    agent_id = (await app.library.page())[0]["id"]
    assert "model is kept and has no effect: without voice services calls have the messages alone" in bot["warnings"]

    await site.call("PUT", "/voice", json=SERVICES)

    with_voice = await vapi.call("GET", f"/assistant/{bot['id']}")
    assert with_voice["warnings"] == [
        "voice: the organization's voice services have openai and not 11labs, which stays",
        "backgroundSound is kept and has no effect",
    ]
    talks: Any = await app.agents.get(app.organization_id, agent_id, 1)
    assert talks.variables() == {"name"} and talks.fields() == ("comes", "summary")
    pipeline = talks.voiced.pipeline
    assert pipeline["llm"] == {"service": "openai", "model": "gpt-4o", "temperature": 0.3, "api_key": KEY}
    assert pipeline["tts"] == SERVICES["tts"]


async def test_an_assistant_with_a_prompt_alone_can_be_published_once_there_are_services(site: Site) -> None:
    only_prompt = {name: value for name, value in ASSISTANT.items() if name != "firstMessage"}
    made_by_id = await made(site, {"assistant": only_prompt})
    await site.call("POST", f"/workflow/{made_by_id['id']}/publish", status=400)

    await site.call("PUT", "/voice", json=SERVICES)

    published = await site.call("POST", f"/workflow/{made_by_id['id']}/publish")
    assert published["version_number"] == 1
    await site.call("DELETE", "/voice")
    app = site.server.of(site.organizations["default"])
    with pytest.raises(Invalid, match="nothing to say without voice services"):
        await app.agents.get(app.organization_id, made_by_id["id"], 1)


# --- what carries words alone --------------------------------------------------------------------


async def test_a_campaign_of_a_sound_agent_on_a_carrier_of_words_is_refused_at_once(site: Site) -> None:
    app = site.server.of(site.organizations["default"])
    agent = await made(site, PIPELINE)
    carrier_id = await app.add_carrier({"name": "words"})
    (number,) = (await site.call("GET", f"/organizations/telephony-configs/{carrier_id}/phone-numbers"))[
        "phone_numbers"
    ]
    assert number

    refused = await site.call(
        "POST",
        "/campaign/create",
        json={"name": "c", "workflow_id": agent["id"], "telephony_configuration_id": carrier_id, "keep_open": True},
        status=400,
    )

    assert refused["detail"] == (
        "the agent 'agent' talks in sound, and the carrier 'words' carries words alone: choose a carrier with real "
        "telephones, or an agent that has a script"
    )
