"""DialNexa's single calls, lists of calls, and agents over HTTP."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from as_published import as_published
from nexa import Nexa
from people import app_of, completed, numbers
from site_of import CALLS, Site

from dialplane.core.retry import RetryPolicy
from dialplane.engine import catalog

pytestmark = pytest.mark.asyncio

NUMBER = "+15005550100"  # of the simulated carrier
BUSY, NO_ANSWER, VOICEMAIL, ANSWERED, CARRIER_FAILED = (f"+1500555{n:04d}" for n in (1, 2, 3, 6, 7))
TALKS = {**CALLS, "talk_seconds": 0.6}
GREETER = {"name": "greeter", "greeting": "Hello {{name}}"}
ONCE = RetryPolicy(max_retries=0)
GRAPH = {
    "nodes": [
        {"id": "1", "type": "startCall", "position": {"x": 0, "y": 0}, "data": {"name": "Start", "greeting": "Hello"}}
    ],
    "edges": [],
}


@pytest.fixture
def nexa(site: Site) -> Nexa:
    return Nexa(site)


async def call_body(nexa: Nexa, number: str = ANSWERED, **more: Any) -> dict[str, Any]:
    agent = more.pop("agent", {"name": "says hello", "greeting": "Hello"})
    body = {"phone_number": number, "agent_id": await nexa.agent(agent), "metadata": {}, **more}
    return {name: value for name, value in body.items() if value is not None}


async def created(nexa: Nexa, number: str = ANSWERED, **more: Any) -> Any:
    """A call on its way: a worker must be there."""
    body = await call_body(nexa, number, **more)
    return as_published(await nexa.call("POST", "/calls", json=body, status=201), "post /v1/calls", 201)


async def refused(nexa: Nexa, status: int, **change: Any) -> Any:
    return await nexa.refused("POST", "/calls", status, json=await call_body(nexa, **change))


async def got(nexa: Nexa, call: Mapping[str, Any]) -> Any:
    return as_published(await nexa.call("GET", f"/calls/{call['id']}"), "get /v1/calls/{id}")


async def ended(nexa: Nexa, call: Mapping[str, Any]) -> Any:
    async with asyncio.timeout(20):
        while "endedAt" not in (found := await got(nexa, call)):
            pass
    return found


async def listed(nexa: Nexa, **params: Any) -> Any:
    return as_published(await nexa.call("GET", "/calls", params=params), "get /v1/calls")


async def called(nexa: Nexa, **params: Any) -> list[str]:
    """The numbers of the calls in a list, in its order."""
    return [call["to_number"] for call in await listed(nexa, **params)]


# --- one call -------------------------------------------------------------------------------------


async def test_one_call_is_made_and_told_with_what_was_said(nexa: Nexa, site: Site) -> None:
    await app_of(site).add_carrier(TALKS)
    body = {"name": "Ana", "visits": 3}
    notes = {"crm": "x-7", "follow_up": True}

    async with site.working():
        agent_id = await nexa.agent(GREETER)
        await app_of(site).add_carrier(TALKS)
        made = await nexa.call(
            "POST",
            "/calls",
            json={"phone_number": "+1 500 555 0006", "agent_id": agent_id, "metadata": body, "notes": notes},
            status=201,
        )
        call = await ended(nexa, made)

    assert re.fullmatch(r"call_[0-9a-f]{32}", made["id"])
    assert made == {
        "id": made["id"], "call_id": made["id"], "to_phone_number": ANSWERED, "agent_id": agent_id,
        "agent_version_number": 1, "warnings": [],
    }  # fmt: skip
    expected = {
        "id": made["id"], "status": "completed", "from_number": NUMBER, "to_number": ANSWERED, "agent_name": "greeter",
        "call_direction": "outbound", "type": "phone", "end_reason": "user_disconnected", "attempt": 1,
        "metadata": {"name": "Ana", "visits": "3"}, "notes": notes, "transcript": "Agent: Hello Ana",
    }  # fmt: skip
    assert {name: call[name] for name in expected} == expected
    assert call["duration"] == pytest.approx(0.6, abs=0.3)
    assert not {"batch_id", "lead_id"} & set(call)
    assert await called(nexa) == [ANSWERED]
    assert await listed(nexa, batch_call_id=f"batch_{uuid4().hex}") == []
    assert (await nexa.call("GET", "/campaigns"))["data"] == []


async def test_the_older_fields_and_a_number_to_call_from_are_understood(nexa: Nexa, site: Site) -> None:
    await app_of(site).add_carrier({**CALLS, "name": "second", "numbers": ["+15005550109"]})

    async with site.working():
        made = await created(
            nexa, phone_number=None, to_phone_number=BUSY, from_phone_number="+1 500 555 0109", colour="blue"
        )
        call = await ended(nexa, made)

    assert (call["from_number"], call["to_number"]) == ("+15005550109", BUSY)
    assert (call["status"], call["end_reason"], call["duration"]) == ("busy", "user_busy", 0)
    assert made["warnings"] == ["unknown field 'colour' was ignored"]


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"phone_number": None}, 400, ["phone_number must be given"]),
        (
            {"to_phone_number": BUSY},
            400,
            ["phone_number and to_phone_number say the same thing and differ: give one of them"],
        ),
        ({"phone_number": "5550006"}, 400, None),
        ({"phone_number": 7}, 400, ["phone_number: Input should be a valid string"]),
        ({"metadata": "x"}, 400, ["metadata: Input should be a valid dictionary"]),
        ({"notes": {str(n): n for n in range(16)}}, 400, None),
        (
            {"metadata": {"notes": "x"}, "notes": {"a": 1}},
            400,
            ["metadata has 'notes' of its own: give notes in one place"],
        ),
        ({"agent_id": f"agt_{uuid4().hex}"}, 404, "Agent not found"),
        ({"agent_version_number": 2}, 404, "Agent version 2 not found"),
        ({"agent_version_number": 0}, 404, "Agent version 0 not found"),
        ({"from_phone_number": "+14155550100"}, 400, None),
        ({"agent": GREETER}, 400, None),
    ],
)
async def test_a_call_that_cannot_be_made_is_refused(
    nexa: Nexa, site: Site, change: Mapping[str, Any], status: int, message: Any
) -> None:
    """message: None where its words are another's."""
    async with site.working():
        refusal = await refused(nexa, status, **change)

    assert refusal
    assert message in (None, refusal)
    assert await listed(nexa) == []


async def test_a_call_waits_for_no_line(nexa: Nexa, site: Site) -> None:
    await catalog.set_limits(site.server.database, site.organizations["default"], max_lines=1, cps=None)
    body = await call_body(nexa)
    app = app_of(site)
    await app.telephony.set_default(await app.add_carrier({**CALLS, "name": "slow", "talk_seconds": [2, 2]}))

    async with site.working():
        await nexa.call("POST", "/calls", json=body, status=201)
        refusal = await nexa.refused("POST", "/calls", 409, json={**body, "phone_number": BUSY})

    assert refusal == "Concurrent call limit reached"


async def test_without_anybody_at_work_no_call_is_promised(nexa: Nexa) -> None:
    message = await refused(nexa, 503)

    assert message.startswith("no worker is running")


async def test_a_call_that_is_no_call_of_this_organization_is_not_found(nexa: Nexa, site: Site) -> None:
    async with site.working():
        made = await created(nexa)
        await ended(nexa, made)
    stranger = Nexa(site, of="other")

    assert await stranger.refused("GET", f"/calls/{made['id']}", 404) == "Call not found"
    assert await listed(stranger) == []
    assert await listed(stranger, call_id=made["id"]) == []
    assert await nexa.refused("GET", f"/calls/call_{uuid4().hex}", 404) == "Call not found"
    assert await nexa.refused("GET", "/calls/nonsense", 400) == "Invalid call ID format"


# --- lists ----------------------------------------------------------------------------------------


async def test_a_list_has_what_its_filters_say(nexa: Nexa, site: Site) -> None:
    everybody = [ANSWERED, BUSY, NO_ANSWER, VOICEMAIL, CARRIER_FAILED]
    first = await completed(site, everybody, retry=ONCE)
    between = datetime.now(UTC)
    second = await completed(site, numbers(2), agent=GREETER | {"greeting": "Hi"}, retry=ONCE)
    batches = [f"batch_{(await app_of(site).campaigns.get(each)).uuid.hex}" for each in (first, second)]
    agents = {call["batch_id"]: call["agent_id"] for call in await listed(nexa)}
    of = {call["to_number"]: call["id"] for call in await listed(nexa)}

    async def found(**params: Any) -> list[str]:
        return sorted(await called(nexa, **params))

    assert await found(limit=200) == sorted([*everybody, *numbers(2)])
    assert await found(batch_call_id=batches[1]) == numbers(2)
    assert len(await found(batch_call_id=",".join(batches * 2))) == 7, "each call once"
    assert await found(agent_id=agents[batches[0]]) == sorted(everybody)
    assert await found(agent_id=agents[batches[0]], batch_call_id=batches[1]) == []
    assert await found(agent_id=f"agt_{uuid4().hex}") == []
    assert await found(call_id=f"{of[BUSY]}, {of[ANSWERED]},call_{uuid4().hex},nonsense") == [BUSY, ANSWERED]
    assert await found(call_id=f"{of[BUSY]},{of[ANSWERED]}", status="busy") == [BUSY]
    assert await found(call_id=of[BUSY], batch_call_id=batches[1]) == []
    assert await found(status="busy,no_answer") == [BUSY, NO_ANSWER]
    assert await found(status="did_not_pick") == [VOICEMAIL]
    assert await found(status="created") == []
    assert await found(end_reason="voicemail_detected,network_failure") == sorted([VOICEMAIL, CARRIER_FAILED])
    assert await found(end_reason="user_busy", status="completed") == []
    assert await found(end_reason="dialog_ended") == []
    assert await found(to=BUSY) == [BUSY]
    assert len(await found(**{"from": NUMBER})) == 7
    assert await found(**{"from": "+14155550100"}) == []
    assert await found(start_date=between.isoformat()) == numbers(2)
    assert await found(end_date=between.isoformat()) == sorted(everybody)
    assert len(await found(start_date=f"{between:%Y-%m-%d}", end_date=f"{between:%Y-%m-%d}")) == 7
    assert await found(duration_min=60_000) == []
    assert len(await found(duration_less_than=60_000, duration_greater_than=0)) == 7
    assert await found(type="web") == []
    assert await found(call_direction="inbound") == []
    assert len(await found(type="phone", call_direction="outbound")) == 7


async def test_a_list_is_ordered_and_paged(nexa: Nexa, site: Site) -> None:
    people = numbers(5)
    await completed(site, people)
    in_order = await called(nexa, created_at="asc")

    assert await called(nexa) == in_order[::-1]
    assert await called(nexa, limit=2, page=2, created_at="asc") == in_order[2:4]
    assert await called(nexa, limit=2, page=4) == []
    assert await called(nexa, limit=1, page=3, export="true", created_at="asc", columns="duration") == in_order
    by_duration = await listed(nexa, duration="asc")
    assert [call["duration"] for call in by_duration] == sorted(call["duration"] for call in by_duration)
    assert [call["id"] for call in await listed(nexa, duration="desc")] == [call["id"] for call in by_duration][::-1]
    assert "transcript" not in by_duration[0]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("limit=201", "limit: Input should be less than or equal to 200"),
        ("page=0", "page: Input should be greater than or equal to 1"),
        ("status=ringing", "status: unknown status 'ringing'; there are busy, "),
        ("latency_min=100", "calls cannot be listed by latency_min here: leave it out"),
        ("agent_version_id=1", "calls cannot be listed by agent_version_id here: leave it out"),
        ("start_date=soon", "start_date: write an ISO 8601 date or instant"),
        ("duration_min=inf", "duration_min: "),
        ("created_at=up", "created_at: "),
        ("call_id=" + ",".join(["call_1"] * 51), "call_id: name 50 at most"),
    ],
)
async def test_a_filter_that_cannot_be_met_is_refused(nexa: Nexa, query: str, message: str) -> None:
    (refusal,) = await nexa.refused("GET", f"/calls?{query}", 400)

    assert refusal.startswith(message)


# --- agents ---------------------------------------------------------------------------------------


async def test_agents_are_listed_bare_and_with_a_total(nexa: Nexa) -> None:
    first = await nexa.agent({"name": "first", "greeting": "Hello"})
    second = await nexa.agent({"name": "second", "greeting": "Hi {{name}}"})

    bare = await nexa.call("GET", "/agents")
    paged = await nexa.call("GET", "/agents2?limit=1&page=2")

    assert [agent["id"] for agent in bare] == [second, first]
    assert bare[0] == await nexa.call("GET", f"/agents/{second}") == await nexa.call("GET", f"/agents2/{second}")
    assert bare[0]["current_version"] == {
        "agent_id": second, "number": 1, "title": "second", "is_published": True,
        "prompts": {"welcome_message": "Hi {{name}}"},
    }  # fmt: skip
    assert [agent["id"] for agent in paged["data"]] == [first]
    assert paged["meta"] == {"page": 2, "limit": 1, "total": 2, "totalPages": 2}


async def test_an_agent_says_its_welcome_message_and_what_it_cannot_do_is_told(nexa: Nexa) -> None:
    made = await nexa.call(
        "POST",
        "/agents2",
        json={"title": "Support", "voice": {"id": "v"}, "prompts": {"prompt_text": "Be kind", "welcome_message": "Hi"}},
        status=201,
    )

    assert made["data"]["current_version"]["prompts"]["welcome_message"] == "Hi"
    assert made["warnings"] == [
        "voice has no effect: an agent says its welcome_message",
        "prompts.prompt_text has no effect: an agent says its welcome_message",
    ]


async def test_changed_words_are_a_new_version(nexa: Nexa) -> None:
    agent = await nexa.agent({"name": "first", "greeting": "Hello", "steps": [{"say": "Bye"}]})

    changed = await nexa.call("PATCH", f"/agents2/{agent}", json={"prompts": {"welcome_message": "Good day"}})

    assert changed["data"]["current_version_number"] == 2
    assert changed["data"]["current_version"]["prompts"]["welcome_message"] == "Good day"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"prompts": {}}, "prompts.welcome_message is required and must be a non-empty string"),
        ({"prompts": {"welcome_message": " "}}, ["prompts.welcome_message: String should match pattern '\\S'"]),
        ({"title": "x"}, ["prompts: Field required"]),
        ({"prompts": {"welcome_message": "Hi {{name"}}, None),
    ],
)
async def test_an_agent_without_words_is_refused(nexa: Nexa, body: Mapping[str, Any], message: Any) -> None:
    refusal = await nexa.refused("POST", "/agents2", 400, json=body)

    assert message in (None, refusal)


async def test_the_words_of_an_agent_of_another_kind_are_changed_where_it_was_made(nexa: Nexa, site: Site) -> None:
    app = app_of(site)
    agent_id = await app.library.create("graph", GRAPH)
    agent = f"agt_{(await app.library.get(agent_id)).uuid.hex}"

    message = await nexa.refused("PATCH", f"/agents2/{agent}", 400, json={"prompts": {"welcome_message": "Hi"}})
    renamed = await nexa.call("PATCH", f"/agents2/{agent}", json={"title": "Renamed"})

    assert message == "'graph' was not made as a script: change its words where it was made"
    assert renamed["data"]["title"] == "Renamed"


async def test_agents_of_others_are_not_found(nexa: Nexa, site: Site) -> None:
    agent = await nexa.agent()
    stranger = Nexa(site, of="other")

    assert await stranger.call("GET", "/agents") == []
    for method, path in (("GET", "/agents"), ("GET", "/agents2"), ("PATCH", "/agents2")):
        body = {"title": "Mine"} if method == "PATCH" else None
        assert await stranger.refused(method, f"{path}/{agent}", 404, json=body) == "Agent not found"
