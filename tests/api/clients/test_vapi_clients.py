"""Vapi's own clients, sync and async, 3.0.0 and 1.11, pointed at this server and otherwise as their users have them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from actor import Actor, one_of
from checks import LogLine, nothing_is_placed_after
from newcomer import Newcomer
from served import KEY, until

ANSWERED, BUSY, VOICEMAIL, INVALID = "+15005550006", "+15005550001", "+15005550003", "+15005550005"
QUEUE = [f"+1212200{i:04d}" for i in range(40)]  # on one line they take 20 seconds
EXAMPLE_AGENT = "Default agent"


@dataclass
class User:
    """Somebody with one of the clients, and what their organization has."""

    newcomer: Newcomer
    actor: Actor
    kind: str
    assistant_id: str = ""
    phone_numbers: tuple[str, ...] = ()
    phone_number_ids: tuple[str, ...] = ()

    def prepare(self) -> User:
        self.newcomer.let_calls_be_short(talk_seconds=0.5)
        self.assistant_id = self.act("greeter", name="greeter", greeting="Hello {{name}}")
        ids = self.act("two_numbers")
        self.phone_numbers, self.phone_number_ids = tuple(ids), tuple(ids.values())
        return self

    def act(self, act: str, /, *, key: str | None = None, **values: Any) -> Any:
        token, url = key or self.newcomer.key, self.newcomer.served.url
        return self.actor.act(name=act, client=self.kind, url=url, token=token, values=values)

    def campaign(self, *numbers: str, act: str = "create", **more: Any) -> Any:
        caller = {"assistant_id": self.assistant_id, "phone_number_id": self.phone_number_ids[0]}
        customers = [{"number": number, "name": f"Person {i}"} for i, number in enumerate(numbers)]
        return self.act(act, **{"name": "Q2", "customers": customers, **caller, **more})

    def has_one_line(self) -> None:
        """All that is made from now on waits for it."""
        self.newcomer.ask("PUT", "/organizations/limits", json={"max_lines": 1})

    def caller(self, greeting: str) -> dict[str, str]:
        """Who says this, and from where."""
        assistant_id = self.act("greeter", name=greeting, greeting=greeting)
        return {"assistant_id": assistant_id, "phone_number_id": self.phone_number_ids[0]}

    def until_ended(self, campaign_id: str) -> Any:
        return self._until("get", campaign_id, lambda campaign: campaign["status"] == "ended")

    def until_called(self, call_id: str) -> Any:
        return self._until("get_call", call_id, lambda call: call["status"] == "ended")

    def until_somebody_talks(self, campaign_id: str) -> Any:
        return self._until("get", campaign_id, lambda campaign: campaign["calls_counter_in_progress"] > 0)

    def until_nobody_talks(self, campaign_id: str) -> Any:
        return self._until("get", campaign_id, lambda campaign: campaign["calls_counter_in_progress"] == 0)

    def _until(self, act: str, id: str, holds: Callable[[Any], bool]) -> Any:
        def shown() -> Any:
            found = self.act(act, id=id)
            return found if holds(found) else None

        return until(shown, f"{act} {id}")

    def placed(self, calls: Collection[str]) -> list[LogLine]:
        """What the carrier has noted of these calls, in the order of the numbers."""
        return sorted(self.newcomer.placed(calls), key=lambda line: line.to)


CLIENTS = [("vapi-3", "sync"), ("vapi-3", "async"), ("vapi-1", "sync"), ("vapi-1", "async")]


def any_of(clients: list[tuple[str, str]]) -> Any:
    return pytest.mark.parametrize("user", clients, ids="-".join, indirect=True)


every_client = any_of(CLIENTS)
version_3 = any_of(CLIENTS[:2])
one_of_each_version = any_of([CLIENTS[0], CLIENTS[3]])


@pytest.fixture
def user(request: pytest.FixtureRequest, vapi: dict[str, Actor], newcomer: Newcomer) -> User:
    version, kind = request.param
    return User(newcomer, one_of(vapi, version), kind).prepare()


def instant(**delta: float) -> str:
    return (datetime.now(UTC) + timedelta(**delta)).isoformat()


# --- campaigns ------------------------------------------------------------------------------------


@every_client
def test_customers_are_called_and_the_campaign_is_read(user: User) -> None:
    made = user.campaign(ANSWERED, BUSY, VOICEMAIL)
    ended = user.until_ended(made["id"])

    assert (made["name"], made["status"]) == ("Q2", "in-progress")
    assert (made["assistant_id"], made["phone_number_id"]) == (user.assistant_id, user.phone_number_ids[0])
    assert made["customers"] == [[ANSWERED, "Person 0"], [BUSY, "Person 1"], [VOICEMAIL, "Person 2"]]
    assert ended["ended_reason"] == "campaign.ended.success"
    assert (ended["calls_counter_ended"], ended["calls_counter_ended_voicemail"], len(ended["calls"])) == (3, 1, 3)
    assert set(made["calls"]) <= set(ended["calls"]), "the first ones may be on their way already"
    assert [line.to for line in user.placed(ended["calls"])] == [BUSY, VOICEMAIL, ANSWERED]


@every_client
def test_a_dial_plan_has_a_number_for_each_of_its_customers(user: User) -> None:
    first, second = user.phone_number_ids
    plan = [
        {"phone_number_id": first, "customers": [{"number": ANSWERED, "variables": {"name": "Ana"}}]},
        {"phone_number_id": second, "customers": [{"number": BUSY, "name": "Ben"}]},
    ]

    made = user.act("create_with_dial_plan", name="Q2", assistant_id=user.assistant_id, plan=plan)
    ended = user.until_ended(made["id"])

    assert made["dial_plan"] == [[first, [ANSWERED]], [second, [BUSY]]]
    assert ended["calls_counter_ended"] == 2
    calls = user.placed(ended["calls"])
    assert [(line.to, line.sender) for line in calls] == [
        (BUSY, user.phone_numbers[1]),
        (ANSWERED, user.phone_numbers[0]),
    ]


@every_client
def test_a_scheduled_campaign_can_be_stopped_before_it_begins(user: User) -> None:
    plan = {"earliest_at": instant(days=1), "latest_at": instant(days=1, minutes=30)}

    made = user.campaign(ANSWERED, **plan)
    stopped = user.act("stop", id=made["id"])

    assert (made["status"], made["calls_counter_scheduled"], made["calls"]) == ("scheduled", 1, [])
    assert datetime.fromisoformat(made["earliest_at"]) == datetime.fromisoformat(plan["earliest_at"])
    assert (stopped["status"], stopped["ended_reason"]) == ("ended", "campaign.scheduled.ended-by-user")
    assert stopped["calls"] == []


@one_of_each_version
def test_a_scheduled_campaign_begins_by_itself(user: User) -> None:
    made = user.campaign(ANSWERED, earliest_at=instant(seconds=2), latest_at=instant(minutes=30))
    ended = user.until_ended(made["id"])

    assert (made["status"], made["calls"]) == ("scheduled", [])
    assert ended["ended_reason"] == "campaign.ended.success"
    (call,) = user.placed(ended["calls"])
    assert call.to == ANSWERED
    assert call.at >= datetime.fromisoformat(made["earliest_at"])


@every_client
def test_a_running_campaign_is_stopped_and_deleted(user: User) -> None:
    user.has_one_line()
    made = user.campaign(*QUEUE)
    user.until_somebody_talks(made["id"])

    stopped = user.act("stop", id=made["id"])
    stopped_at = datetime.now(UTC)
    again = user.act("stop", id=made["id"])
    over = user.until_nobody_talks(made["id"])
    ends = [user.act("get_call", id=call_id)["ended_reason"] for call_id in over["calls"]]
    removed = user.act("remove", id=made["id"])
    left = user.act("find_all", filters=[{}])

    assert (stopped["status"], stopped["ended_reason"]) == ("ended", "campaign.in-progress.ended-by-user")
    assert again["status"] == "ended"
    assert removed["id"] == made["id"]
    assert left[0]["names"] == []
    assert set(ends) == {"assistant-ended-call"}, "calls in progress end by themselves"
    calls = user.placed(over["calls"])
    assert len(calls) == len(ends) < len(QUEUE)
    nothing_is_placed_after(calls, stopped_at)


@every_client
def test_a_list_has_what_its_filters_say(user: User) -> None:
    user.has_one_line()
    began = instant()
    first = user.campaign(*QUEUE[:20], name="first")
    second = user.campaign(BUSY, name="second", earliest_at=instant(days=1), latest_at=instant(days=2))
    between = instant()
    user.campaign(*QUEUE[20:], name="third")
    user.act("stop", id=first["id"])

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
    found = user.act("find_all", filters=[filters for filters, _ in both_ways])

    assert [page["names"] for page in found] == [names for _, names in both_ways]
    assert [page["total"] for page in found] == [3, 1, 0, 1, 1, 1, 3, 3, 3, 1, 2, 0, 2, 2, 1]
    assert (found[8]["page"], found[8]["size"]) == (2, 2)


@version_3
def test_a_list_is_sorted_by_what_the_newer_client_names(user: User) -> None:
    for name in ("first", "second"):
        user.campaign(ANSWERED, name=name)

    filters = [{"sort_by": "createdAt"}, {"sort_by": "duration", "sort_order": "ASC"}, {"sort_by": "cost"}]
    found = user.act("find_all", filters=filters)

    assert [sorted(page["names"]) for page in found] == [["first", "second"]] * 3
    assert found[0]["names"] == ["second", "first"]


# --- campaigns, second version --------------------------------------------------------------------


@version_3
def test_the_second_version_has_contacts_by_status_and_counters(user: User) -> None:
    tomorrow = {"earliest_at": instant(days=1), "latest_at": instant(days=1, minutes=30)}
    planned = user.campaign(ANSWERED, BUSY, INVALID, act="create_v2", **tomorrow)
    waiting = user.act("contacts", id=planned["id"], status="contact.pending")
    user.act("stop_v2", id=planned["id"])
    skipped = user.act("contacts", id=planned["id"], status="contact.skipped")
    made = user.campaign(ANSWERED, BUSY, INVALID, act="create_v2", max_concurrency=2)
    user.until_ended(made["id"])

    whole = user.act("contacts", id=made["id"])
    failed = user.act("contacts", id=made["id"], status=["contact.failed", "contact.skipped"])
    second_page = user.act("contacts", id=made["id"], limit=2, page=2, sort_by="position")
    summary = user.act("get_v2", id=made["id"])

    assert (waiting["total"], skipped["total"]) == (3, 3)
    assert [(each["number"], each["status"], each["ended_reason"]) for each in whole["contacts"]] == [
        (ANSWERED, "contact.completed", "assistant-ended-call"),
        (BUSY, "contact.completed", "customer-busy"),
        (INVALID, "contact.failed", "twilio-reported-customer-misdialed"),
    ]
    assert all(each["dispatched"] and each["call_id"] for each in whole["contacts"])
    calls = {line.attempt_id: line.to for line in user.placed([each["call_id"] for each in whole["contacts"]])}
    assert calls == {each["call_id"]: each["number"] for each in whole["contacts"]}
    assert [each["number"] for each in failed["contacts"]] == [INVALID]
    assert [each["number"] for each in second_page["contacts"]] == [INVALID]
    assert summary["status"] == "ended"
    assert summary["counters"] == {
        "pending": 0, "dispatched": 0, "completed": 2, "failed": 1, "skipped": 0, "predial_failed": 0,
    }  # fmt: skip
    assert summary["metrics"] == {"dialed": 2, "connected": 1}


@version_3
def test_the_second_version_cancels_and_archives(user: User) -> None:
    user.has_one_line()
    made = user.campaign(*QUEUE, act="create_v2")

    cancelled = user.act("stop_v2", id=made["id"])
    removed = user.act("remove_v2", id=made["id"])
    found = user.act("find_all_v2", filters=[{}, {"status": "archived"}, {"include_counters": True}])

    assert (cancelled["status"], cancelled["ended_reason"]) == ("cancelled", "campaign.in-progress.ended-by-user")
    assert removed["status"] == "archived"
    assert [page["names"] for page in found] == [[], ["Q2"], []]


# --- around campaigns -----------------------------------------------------------------------------


@every_client
def test_an_assistant_is_made_changed_and_deleted(user: User) -> None:
    told = user.act("assistant", name="bot", first_message="Hello")

    assert told == {
        "same": True,
        "said": ["Hello", "Hello", "Good day"],
        "names": ["bot", "greeter", EXAMPLE_AGENT],
        "left": ["greeter", EXAMPLE_AGENT],
    }


@every_client
def test_a_phone_number_is_made_renamed_and_deleted(user: User) -> None:
    told = user.act("phone_number", name="sales")

    assert told["number"].startswith("+1")
    assert told == {
        "provider": "vapi", "number": told["number"], "names": ["sales", "renamed", "renamed"], "listed": True,
        "paged": [3, True], "left": False,
    }  # fmt: skip


@every_client
def test_one_call_is_made_named_found_and_deleted(user: User) -> None:
    caller = user.caller("Hello")

    made = user.act("call", number=ANSWERED, **caller)
    ended = user.until_called(made["id"])
    named = user.act("name_call", id=made["id"], name="welcome")
    listed = user.act("list_calls", assistant_id=caller["assistant_id"], limit=5)
    none = user.act("list_calls", created_at_gt=instant(hours=1))
    deleted = user.act("delete_call", id=made["id"])
    gone = user.act("get_call", id=made["id"])

    assert (made["number"], made["campaign_id"]) == (ANSWERED, None)
    assert (ended["ended_reason"], ended["transcript"]) == ("assistant-ended-call", "AI: Hello")
    assert named["name"] == "welcome"
    assert [each["id"] for each in listed] == [made["id"]]
    assert none == []
    assert (deleted["id"], gone["transcript"]) == (made["id"], None)
    assert [line.to for line in user.placed([made["id"]])] == [ANSWERED]


@every_client
def test_several_customers_are_called_at_once(user: User) -> None:
    user.newcomer.ask("POST", "/dnc", json={"phone_numbers": [BUSY]})
    caller = user.caller("Hello")

    told = user.act("calls", numbers=[ANSWERED, BUSY], **caller)

    assert told["made"] == [ANSWERED]
    assert told["errors"] == [[BUSY, f"{BUSY} is on the do-not-call list"]]


@every_client
def test_the_calls_of_a_campaign_are_calls_like_others(user: User) -> None:
    made = user.campaign(ANSWERED, BUSY)
    ended = user.until_ended(made["id"])

    calls = [user.act("get_call", id=call_id) for call_id in ended["calls"]]

    assert {call["number"]: call["ended_reason"] for call in calls} == {
        ANSWERED: "assistant-ended-call",
        BUSY: "customer-busy",
    }
    assert {call["campaign_id"] for call in calls} == {made["id"]}


@version_3
def test_a_recording_that_there_is_not_is_not_found(user: User) -> None:
    made = user.campaign(ANSWERED)
    (call_id,) = (user.until_ended(made["id"]))["calls"]

    refused = [
        user.act("refused", group="calls", method=f"call_artifact_controller_{artifact}_download", id=call_id)
        for artifact in ("mono_recording", "stereo_recording", "customer_recording", "assistant_recording", "pcap")
    ]

    assert [(refusal["status"], refusal["requests"]) for refusal in refused] == [(404, 1)] * 5


@every_client
def test_a_file_is_kept_and_deleted(user: User) -> None:
    told = user.act("file", name="people.csv", content="number\n+15005550006\n")

    assert told == {"name": "people.csv", "bytes": 20, "listed": True, "deleted": True, "left": 0}


# --- refusals -------------------------------------------------------------------------------------


@every_client
def test_what_cannot_be_done_is_refused_once(user: User) -> None:
    """The client repeats what is answered with 409, 429 or 5xx: none of these is."""
    made = user.campaign(ANSWERED)
    user.until_ended(made["id"])
    unknown, stop = str(uuid4()), {"method": "campaign_controller_update", "status": "ended"}

    missing = user.act("refused", method="campaign_controller_find_one", id=unknown)
    nameless = user.act("refused", method="campaign_controller_create", name="", assistant_id=unknown)
    over = user.act("refused", id=made["id"], **stop)
    no_key = user.act("refused", key="nonsense", id=made["id"], **stop)

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
def test_another_organization_finds_nothing(user: User) -> None:
    made = user.campaign(ANSWERED)
    found = user.act("find_all", key=KEY, filters=[{}, {"id": made["id"]}])
    refused = [
        user.act("refused", key=KEY, method=f"campaign_controller_{method}", id=made["id"])
        for method in ("find_one", "update", "remove")
    ]

    assert [page["total"] for page in found] == [0, 0]
    assert [refusal["status"] for refusal in refused] == [404, 404, 404]
