"""DialNexa's own client, 0.1.1, pointed at this server and otherwise as its users have it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

import pytest
from actor import Actor, one_of
from newcomer import Newcomer
from served import KEY, until

ANSWERED, BUSY = "+15005550006", "+15005550001"
PEOPLE = f"phone_number,customer_name\n{ANSWERED},Ana\n{BUSY},Ben\n"
EXAMPLE_AGENT = "Default agent"


@pytest.fixture
def nexa(dialnexa: dict[str, Actor], newcomer: Newcomer) -> User:
    newcomer.let_calls_be_short(talk_seconds=0.6)
    return User(newcomer, one_of(dialnexa, "dialnexa"))


class User:
    """Somebody with the client."""

    def __init__(self, newcomer: Newcomer, actor: Actor) -> None:
        self._newcomer = newcomer
        self._actor = actor

    def act(self, act: str, *positional: Any, key: str | None = None, **values: Any) -> Any:
        token, url = key or self._newcomer.key, self._newcomer.served.url
        return self._actor.act(name=act, url=url, token=token, values={**values, "positional": positional})

    def agent(self) -> Any:
        prompts = {"prompt_text": "Be kind.", "welcome_message": "Hello {{customer_name}}"}
        return self.act("agents.create", {"title": "Support", "prompts": prompts})["data"]

    def call_once(self, agent: Any, number: str = ANSWERED) -> Any:
        """It is on its way when this has answered."""
        values = {"agent_id": agent["id"], "agent_version_number": 1, "metadata": {"customer_name": "Ana"}}
        return self.act("calls.create", phone_number=number, **values)

    def placed(self, call_ids: Collection[str]) -> list[str]:
        """The numbers that the carrier has called by these calls."""
        attempts = [str(UUID(call_id.removeprefix("call_"))) for call_id in call_ids]
        return sorted(line.to for line in self._newcomer.placed(attempts))


def test_an_agent_is_made_found_and_changed(nexa: User) -> None:
    made = nexa.agent()

    changed = nexa.act("agents.update", made["id"], {"version_number": 1, "title": "Updated Title"})
    got = nexa.act("agents.get", made["id"])
    listed = nexa.act("agents.list")

    assert made["current_version"]["prompts"]["welcome_message"] == "Hello {{customer_name}}"
    assert made["current_version_number"] == 1
    assert changed["data"] == got
    assert (got["title"], got["current_version_number"]) == ("Updated Title", 1)
    assert [agent["title"] for agent in listed["data"]] == ["Updated Title", EXAMPLE_AGENT]
    assert listed["data"][0]["id"] == made["id"]


def test_a_call_is_made_and_followed_to_its_end(nexa: User) -> None:
    agent = nexa.agent()

    made = nexa.call_once(agent)
    assert "call_id" in made, made
    until(lambda: nexa.act("calls.get", made["call_id"])["status"] == "completed", "the call is over")
    call = nexa.act("calls.get", made["call_id"])
    listed = nexa.act("calls.list", agent_id=agent["id"], page=1, limit=30)

    assert (made["id"], made["to_phone_number"], made["agent_version_number"]) == (made["call_id"], ANSWERED, 1)
    assert call["transcript"] == "Agent: Hello Ana"
    assert call["metadata"] == {"customer_name": "Ana"}
    assert [each["id"] for each in listed] == [made["id"]]
    assert nexa.placed([made["id"]]) == [ANSWERED]


def test_a_batch_is_made_of_a_file_and_its_calls_are_listed(nexa: User) -> None:
    agent = nexa.agent()

    made = nexa.act(
        "batch_calls.create",
        file=PEOPLE, filename="leads.csv", title="My batch", agent_id=agent["id"], agent_version_number=1,
    )  # fmt: skip
    until(lambda: len(nexa.act("calls.list", batch_call_id=made["id"])) == 2, "both are called")
    calls = nexa.act("calls.list", batch_call_id=made["id"])

    assert (made["title"], made["status"], made["total_records"]) == ("My batch", "initiated", 2)
    assert {call["to_number"]: call["metadata"] for call in calls} == {
        ANSWERED: {"customer_name": "Ana"},
        BUSY: {"customer_name": "Ben"},
    }
    assert {call["batch_id"] for call in calls} == {made["id"]}
    # A call is listed from its intent on.
    until(lambda: nexa.placed([call["id"] for call in calls]) == [BUSY, ANSWERED], "each is placed once")


def test_there_are_no_voices_languages_or_models_to_choose_from(nexa: User) -> None:
    voices = nexa.act("voices.list", provider_name="elevenlabs", limit=10)
    languages = nexa.act("languages.list")
    missing = [nexa.act(f"{kind}.get", "en-US") for kind in ("voices", "languages", "llms")]

    assert voices == {"data": [], "meta": {"page": 1, "limit": 10, "total": 0, "totalPages": 0}}
    assert languages["data"] == []
    assert nexa.act("llms.list") == []
    assert [each["status"] for each in missing] == [404, 404, 404]


def test_a_refusal_reaches_the_client_as_it_expects(nexa: User) -> None:
    agent = nexa.agent()

    stranger = nexa.act("agents.get", agent["id"], key=KEY)
    malformed = nexa.act("calls.get", "nonsense")
    no_version = nexa.act(
        "batch_calls.create",
        file=PEOPLE, filename="leads.csv", title="My batch", agent_id=agent["id"], agent_version_number=2,
    )  # fmt: skip

    assert stranger == {"status": 404, "body": {"statusCode": 404, "message": "Agent not found", "error": "Not Found"}}
    assert (malformed["status"], malformed["body"]["message"]) == (400, "Invalid call ID format")
    assert (no_version["status"], no_version["body"]["message"]) == (404, "Agent version 2 not found")
