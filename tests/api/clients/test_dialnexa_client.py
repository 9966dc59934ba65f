"""DialNexa's own client, 0.1.1, pointed at this server and otherwise as its users have it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from actor import Actor
from people import app_of
from site_of import CALLS, Site

pytestmark = pytest.mark.asyncio

ANSWERED, BUSY = "+15005550006", "+15005550001"
TALKS = {**CALLS, "talk_seconds": 0.6}
PEOPLE = f"phone_number,customer_name\n{ANSWERED},Ana\n{BUSY},Ben\n"


@pytest.fixture
def nexa(site: Site, dialnexa_0: Actor) -> User:
    return User(site, dialnexa_0)


class User:
    """Somebody with the client."""

    def __init__(self, site: Site, actor: Actor) -> None:
        self.site = site
        self._actor = actor

    async def act(self, act: str, *positional: Any, of: str = "default", **values: Any) -> Any:
        given = {**values, "positional": positional}
        return await self._actor.act(name=act, url=self.site.url, token=self.site.keys[of], values=given)

    async def agent(self) -> Any:
        await app_of(self.site).add_carrier(TALKS)
        prompts = {"prompt_text": "Be kind.", "welcome_message": "Hello {{customer_name}}"}
        return (await self.act("agents.create", {"title": "Support", "prompts": prompts}))["data"]

    async def call_once(self, agent: Any, number: str = ANSWERED) -> Any:
        """It is on its way when this has answered, so somebody must be at work."""
        values = {"agent_id": agent["id"], "agent_version_number": 1, "metadata": {"customer_name": "Ana"}}
        return await self.act("calls.create", phone_number=number, **values)


async def test_an_agent_is_made_found_and_changed(nexa: User) -> None:
    made = await nexa.agent()

    changed = await nexa.act("agents.update", made["id"], {"version_number": 1, "title": "Updated Title"})
    got = await nexa.act("agents.get", made["id"])
    listed = await nexa.act("agents.list")

    assert made["current_version"]["prompts"]["welcome_message"] == "Hello {{customer_name}}"
    assert made["current_version_number"] == 1
    assert changed["data"] == got
    assert (got["title"], got["current_version_number"]) == ("Updated Title", 1)
    assert [agent["id"] for agent in listed["data"]] == [made["id"]]


async def test_a_call_is_made_and_followed_to_its_end(nexa: User) -> None:
    agent = await nexa.agent()

    async with nexa.site.working():
        made = await nexa.call_once(agent)
        async with asyncio.timeout(20):
            while (call := await nexa.act("calls.get", made["call_id"]))["status"] != "completed":
                pass
    listed = await nexa.act("calls.list", agent_id=agent["id"], page=1, limit=30)

    assert (made["id"], made["to_phone_number"], made["agent_version_number"]) == (made["call_id"], ANSWERED, 1)
    assert call["transcript"] == "Agent: Hello Ana"
    assert call["metadata"] == {"customer_name": "Ana"}
    assert [each["id"] for each in listed] == [made["id"]]


async def test_a_batch_is_made_of_a_file_and_its_calls_are_listed(nexa: User) -> None:
    agent = await nexa.agent()

    made = await nexa.act(
        "batch_calls.create",
        file=PEOPLE, filename="leads.csv", title="My batch", agent_id=agent["id"], agent_version_number=1,
    )  # fmt: skip
    async with nexa.site.working(), asyncio.timeout(20):
        while len(calls := await nexa.act("calls.list", batch_call_id=made["id"])) < 2:
            pass

    assert (made["title"], made["status"], made["total_records"]) == ("My batch", "initiated", 2)
    assert {call["to_number"]: call["metadata"] for call in calls} == {
        ANSWERED: {"customer_name": "Ana"},
        BUSY: {"customer_name": "Ben"},
    }
    assert {call["batch_id"] for call in calls} == {made["id"]}


async def test_there_are_no_voices_languages_or_models_to_choose_from(nexa: User) -> None:
    voices = await nexa.act("voices.list", provider_name="elevenlabs", limit=10)
    languages = await nexa.act("languages.list")
    missing = [await nexa.act(f"{kind}.get", "en-US") for kind in ("voices", "languages", "llms")]

    assert voices == {"data": [], "meta": {"page": 1, "limit": 10, "total": 0, "totalPages": 0}}
    assert languages["data"] == []
    assert await nexa.act("llms.list") == []
    assert [each["status"] for each in missing] == [404, 404, 404]


async def test_a_refusal_reaches_the_client_as_it_expects(nexa: User) -> None:
    agent = await nexa.agent()

    stranger = await nexa.act("agents.get", agent["id"], of="other")
    malformed = await nexa.act("calls.get", "nonsense")
    no_version = await nexa.act(
        "batch_calls.create",
        file=PEOPLE, filename="leads.csv", title="My batch", agent_id=agent["id"], agent_version_number=2,
    )  # fmt: skip

    assert stranger == {"status": 404, "body": {"statusCode": 404, "message": "Agent not found", "error": "Not Found"}}
    assert (malformed["status"], malformed["body"]["message"]) == (400, "Invalid call ID format")
    assert (no_version["status"], no_version["body"]["message"]) == (404, "Agent version 2 not found")
