"""Vapi's own clients, sync and async, 3.0.0 and 1.11, pointed at this server and otherwise as their users have them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from actor import Actor
from people import app_of
from site_of import CALLS, Site

pytestmark = pytest.mark.asyncio

ANSWERED, BUSY, VOICEMAIL, INVALID = "+15005550006", "+15005550001", "+15005550003", "+15005550005"
NUMBERS = ("+15005550100", "+15005550101")
SLOW = {**CALLS, "numbers": list(NUMBERS), "talk_seconds": [0.5, 0.5]}


@dataclass
class User:
    """Somebody with one of the clients, and what their organization has."""

    site: Site
    actor: Actor
    kind: str
    assistant_id: str = ""
    phone_number_ids: tuple[str, ...] = ()

    async def prepare(self) -> User:
        app = app_of(self.site)
        carrier_id = await app.add_carrier({**SLOW})
        agent = {"name": "greeter", "greeting": "Hello {{name}}"}
        self.assistant_id = str((await app.library.get(await app.add_agent(agent))).uuid)
        numbers = {number.e164: str(number.uuid) for number in await app.caller_numbers.page(carrier_id)}
        self.phone_number_ids = tuple(numbers[e164] for e164 in NUMBERS)
        return self

    async def act(self, act: str, /, *, key: str | None = None, **values: Any) -> Any:
        token = key or self.site.keys["default"]
        return await self.actor.act(name=act, client=self.kind, url=self.site.url, token=token, values=values)

    async def campaign(self, *numbers: str, act: str = "create", **more: Any) -> Any:
        caller = {"assistant_id": self.assistant_id, "phone_number_id": self.phone_number_ids[0]}
        customers = [{"number": number, "name": f"Person {i}"} for i, number in enumerate(numbers)]
        return await self.act(act, **{"name": "Q2", "customers": customers, **caller, **more})

    async def caller(self, greeting: str) -> dict[str, str]:
        """Who says this, and from where."""
        app = app_of(self.site)
        agent_id = await app.add_agent({"name": greeting, "greeting": greeting})
        assistant_id = str((await app.library.get(agent_id)).uuid)
        return {"assistant_id": assistant_id, "phone_number_id": self.phone_number_ids[0]}

    async def until_ended(self, campaign_id: str) -> Any:
        async with self.site.working():
            while (campaign := await self.act("get", id=campaign_id))["status"] != "ended":
                pass
        return campaign


CLIENTS = [("vapi_3", "sync"), ("vapi_3", "async"), ("vapi_1", "sync"), ("vapi_1", "async")]


def any_of(clients: list[tuple[str, str]]) -> Any:
    return pytest.mark.parametrize("user", clients, ids="-".join, indirect=True)


every_client = any_of(CLIENTS)
version_3 = any_of(CLIENTS[:2])


@pytest_asyncio.fixture
async def user(request: pytest.FixtureRequest, site: Site) -> User:
    actor, kind = request.param
    return await User(site, request.getfixturevalue(actor), kind).prepare()


def instant(**delta: float) -> str:
    return (datetime.now(UTC) + timedelta(**delta)).isoformat()


# --- campaigns ------------------------------------------------------------------------------------


@every_client
async def test_customers_are_called_and_the_campaign_is_read(user: User) -> None:
    made = await user.campaign(ANSWERED, BUSY, VOICEMAIL)
    ended = await user.until_ended(made["id"])

    assert (made["name"], made["status"], made["calls"]) == ("Q2", "in-progress", [])
    assert (made["assistant_id"], made["phone_number_id"]) == (user.assistant_id, user.phone_number_ids[0])
    assert made["customers"] == [[ANSWERED, "Person 0"], [BUSY, "Person 1"], [VOICEMAIL, "Person 2"]]
    assert ended["ended_reason"] == "campaign.ended.success"
    assert (ended["calls_counter_ended"], ended["calls_counter_ended_voicemail"], len(ended["calls"])) == (3, 1, 3)


@every_client
async def test_a_dial_plan_has_a_number_for_each_of_its_customers(user: User) -> None:
    first, second = user.phone_number_ids
    plan = [
        {"phone_number_id": first, "customers": [{"number": ANSWERED, "variables": {"name": "Ana"}}]},
        {"phone_number_id": second, "customers": [{"number": BUSY, "name": "Ben"}]},
    ]

    made = await user.act("create_with_dial_plan", name="Q2", assistant_id=user.assistant_id, plan=plan)
    ended = await user.until_ended(made["id"])

    assert made["dial_plan"] == [[first, [ANSWERED]], [second, [BUSY]]]
    assert ended["calls_counter_ended"] == 2


@every_client
async def test_a_scheduled_campaign_can_be_stopped_before_it_begins(user: User) -> None:
    plan = {"earliest_at": instant(days=1), "latest_at": instant(days=1, minutes=30)}

    made = await user.campaign(ANSWERED, act="create_scheduled", **plan)
    stopped = await user.act("stop", id=made["id"])

    assert (made["status"], made["calls_counter_scheduled"]) == ("scheduled", 1)
    assert datetime.fromisoformat(made["earliest_at"]) == datetime.fromisoformat(plan["earliest_at"])
    assert (stopped["status"], stopped["ended_reason"]) == ("ended", "campaign.scheduled.ended-by-user")


@every_client
async def test_a_running_campaign_is_stopped_and_deleted(user: User) -> None:
    made = await user.campaign(ANSWERED, BUSY)

    stopped = await user.act("stop", id=made["id"])
    again = await user.act("stop", id=made["id"])
    removed = await user.act("remove", id=made["id"])
    left = await user.act("find_all", filters=[{}])

    assert (stopped["status"], stopped["ended_reason"]) == ("ended", "campaign.in-progress.ended-by-user")
    assert again["status"] == "ended"
    assert removed["id"] == made["id"]
    assert left[0]["names"] == []


@every_client
async def test_a_list_has_what_its_filters_say(user: User) -> None:
    began = instant()
    first = await user.campaign(ANSWERED, name="first")
    second = await user.campaign(BUSY, name="second", act="create_scheduled", earliest_at=instant(days=1),
                                 latest_at=instant(days=2))  # fmt: skip
    between = instant()
    await user.campaign(VOICEMAIL, name="third")
    await user.act("stop", id=first["id"])

    both_ways = [
        ({}, ["third", "second", "first"]),
        ({"id": second["id"]}, ["second"]),
        ({"id": str(uuid4())}, []),
        ({"status": "scheduled"}, ["second"]),
        ({"status": "in-progress"}, ["third"]),
        ({"status": "ended"}, ["first"]),
        ({"sort_order": "ASC"}, ["first", "second", "third"]),
        ({"limit": 2}, ["third", "second"]),
        ({"limit": 2, "page": 2}, ["first"]),
        ({"created_at_gt": between}, ["third"]),
        ({"created_at_ge": began, "created_at_lt": between}, ["second", "first"]),
        ({"created_at_le": began}, []),
        ({"updated_at_gt": between}, ["third", "first"]),
        ({"updated_at_ge": between, "updated_at_lt": instant(hours=1)}, ["third", "first"]),
        ({"updated_at_le": between}, ["second"]),
    ]
    found = await user.act("find_all", filters=[filters for filters, _ in both_ways])

    assert [page["names"] for page in found] == [names for _, names in both_ways]
    assert [page["total"] for page in found] == [3, 1, 0, 1, 1, 1, 3, 3, 3, 1, 2, 0, 2, 2, 1]
    assert (found[8]["page"], found[8]["size"]) == (2, 2)


@version_3
async def test_a_list_is_sorted_by_what_the_newer_client_names(user: User) -> None:
    for name in ("first", "second"):
        await user.campaign(ANSWERED, name=name)

    filters = [{"sort_by": "createdAt"}, {"sort_by": "duration", "sort_order": "ASC"}, {"sort_by": "cost"}]
    found = await user.act("find_all", filters=filters)

    assert [sorted(page["names"]) for page in found] == [["first", "second"]] * 3
    assert found[0]["names"] == ["second", "first"]


# --- campaigns, second version --------------------------------------------------------------------


@version_3
async def test_the_second_version_has_contacts_by_status_and_counters(user: User) -> None:
    made = await user.campaign(ANSWERED, BUSY, INVALID, act="create_v2", max_concurrency=2)
    waiting = await user.act("contacts", id=made["id"], status="contact.pending")
    await user.until_ended(made["id"])

    whole = await user.act("contacts", id=made["id"])
    failed = await user.act("contacts", id=made["id"], status=["contact.failed", "contact.skipped"])
    second_page = await user.act("contacts", id=made["id"], limit=2, page=2, sort_by="position")
    summary = await user.act("get_v2", id=made["id"])

    assert waiting["total"] == 3
    assert [(each["number"], each["status"], each["ended_reason"]) for each in whole["contacts"]] == [
        (ANSWERED, "contact.completed", "assistant-ended-call"),
        (BUSY, "contact.completed", "customer-busy"),
        (INVALID, "contact.failed", "twilio-reported-customer-misdialed"),
    ]
    assert all(each["dispatched"] and each["call_id"] for each in whole["contacts"])
    assert [each["number"] for each in failed["contacts"]] == [INVALID]
    assert [each["number"] for each in second_page["contacts"]] == [INVALID]
    assert summary["status"] == "ended"
    assert summary["counters"] == {
        "pending": 0, "dispatched": 0, "completed": 2, "failed": 1, "skipped": 0, "predial_failed": 0,
    }  # fmt: skip
    assert summary["metrics"] == {"dialed": 2, "connected": 1}


@version_3
async def test_the_second_version_cancels_and_archives(user: User) -> None:
    made = await user.campaign(ANSWERED, act="create_v2")

    cancelled = await user.act("stop_v2", id=made["id"])
    removed = await user.act("remove_v2", id=made["id"])
    found = await user.act("find_all_v2", filters=[{}, {"status": "archived"}, {"include_counters": True}])

    assert (cancelled["status"], cancelled["ended_reason"]) == ("cancelled", "campaign.in-progress.ended-by-user")
    assert removed["status"] == "archived"
    assert [page["names"] for page in found] == [[], ["Q2"], []]


# --- around campaigns -----------------------------------------------------------------------------


@every_client
async def test_an_assistant_is_made_changed_and_deleted(user: User) -> None:
    told = await user.act("assistant", name="bot", first_message="Hello")

    assert told == {
        "same": True,
        "said": ["Hello", "Hello", "Good day"],
        "names": ["bot", "greeter"],
        "left": ["greeter"],
    }


@every_client
async def test_a_phone_number_is_made_renamed_and_deleted(user: User) -> None:
    told = await user.act("phone_number", name="sales")

    assert told["number"].startswith("+1")
    assert told == {
        "provider": "vapi", "number": told["number"], "names": ["sales", "renamed", "renamed"], "listed": True,
        "paged": [3, True], "left": False,
    }  # fmt: skip


@every_client
async def test_one_call_is_made_named_found_and_deleted(user: User) -> None:
    caller = await user.caller("Hello")

    async with user.site.working():
        made = await user.act("call", number=ANSWERED, **caller)
        while (ended := await user.act("get_call", id=made["id"]))["status"] != "ended":
            pass
    named = await user.act("name_call", id=made["id"], name="welcome")
    listed = await user.act("list_calls", assistant_id=caller["assistant_id"], limit=5)
    none = await user.act("list_calls", created_at_gt=instant(hours=1))
    deleted = await user.act("delete_call", id=made["id"])
    gone = await user.act("get_call", id=made["id"])

    assert (made["number"], made["campaign_id"]) == (ANSWERED, None)
    assert (ended["ended_reason"], ended["transcript"]) == ("assistant-ended-call", "AI: Hello")
    assert named["name"] == "welcome"
    assert [each["id"] for each in listed] == [made["id"]]
    assert none == []
    assert (deleted["id"], gone["transcript"]) == (made["id"], None)


@every_client
async def test_several_customers_are_called_at_once(user: User) -> None:
    await user.site.call("POST", "/dnc", json={"phone_numbers": [BUSY]})
    caller = await user.caller("Hello")

    async with user.site.working():
        told = await user.act("calls", numbers=[ANSWERED, BUSY], **caller)

    assert told["made"] == [ANSWERED]
    assert told["errors"] == [[BUSY, f"{BUSY} is on the do-not-call list"]]


@every_client
async def test_the_calls_of_a_campaign_are_calls_like_others(user: User) -> None:
    made = await user.campaign(ANSWERED, BUSY)
    ended = await user.until_ended(made["id"])

    calls = [await user.act("get_call", id=call_id) for call_id in ended["calls"]]

    assert {call["number"]: call["ended_reason"] for call in calls} == {
        ANSWERED: "assistant-ended-call",
        BUSY: "customer-busy",
    }
    assert {call["campaign_id"] for call in calls} == {made["id"]}


@version_3
async def test_a_recording_that_there_is_not_is_not_found(user: User) -> None:
    made = await user.campaign(ANSWERED)
    (call_id,) = (await user.until_ended(made["id"]))["calls"]

    refused = [
        await user.act("refused", group="calls", method=f"call_artifact_controller_{artifact}_download", id=call_id)
        for artifact in ("mono_recording", "stereo_recording", "customer_recording", "assistant_recording", "pcap")
    ]

    assert [(refusal["status"], refusal["requests"]) for refusal in refused] == [(404, 1)] * 5


@every_client
async def test_a_file_is_kept_and_deleted(user: User) -> None:
    told = await user.act("file", name="people.csv", content="number\n+15005550006\n")

    assert told == {"name": "people.csv", "bytes": 20, "listed": True, "deleted": True, "left": 0}


# --- refusals -------------------------------------------------------------------------------------


@every_client
async def test_what_cannot_be_done_is_refused_once(user: User) -> None:
    """The client repeats what is answered with 409, 429 or 5xx: none of these is."""
    made = await user.campaign(ANSWERED)
    await user.until_ended(made["id"])
    unknown, stop = str(uuid4()), {"method": "campaign_controller_update", "status": "ended"}

    missing = await user.act("refused", method="campaign_controller_find_one", id=unknown)
    nameless = await user.act("refused", method="campaign_controller_create", name="", assistant_id=unknown)
    over = await user.act("refused", id=made["id"], **stop)
    no_key = await user.act("refused", key="nonsense", id=made["id"], **stop)

    assert missing == {
        "status": 404,
        "body": {"message": "Campaign not found", "error": "Not Found", "statusCode": 404},
        "requests": 1,
    }
    assert (nameless["status"], nameless["requests"]) == (400, 1)
    assert "name: String should have at least 1 character" in nameless["body"]["message"]
    assert (over["status"], over["body"]["error"], over["requests"]) == (400, "Bad Request", 1)
    assert (no_key["status"], no_key["body"]["statusCode"], no_key["requests"]) == (401, 401, 1)


@every_client
async def test_another_organization_finds_nothing(user: User) -> None:
    made = await user.campaign(ANSWERED)
    stranger = user.site.keys["other"]

    found = await user.act("find_all", key=stranger, filters=[{}, {"id": made["id"]}])
    refused = [
        await user.act("refused", key=stranger, method=f"campaign_controller_{method}", id=made["id"])
        for method in ("find_one", "update", "remove")
    ]

    assert [page["total"] for page in found] == [0, 0]
    assert [refusal["status"] for refusal in refused] == [404, 404, 404]
