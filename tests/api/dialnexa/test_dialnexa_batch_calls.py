"""DialNexa's batch calls over HTTP: made of a file, one after the other, listed, paused, resumed, cancelled."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from as_published import as_published
from nexa import Nexa
from people import app_of, completed, numbers
from site_of import CALLS, Site
from workbooks import xlsx

from dialplane.core.window import CallingWindow
from dialplane.engine import stages
from dialplane.engine.keys import Role

pytestmark = pytest.mark.asyncio

NUMBER = "+15005550100"  # of the simulated carrier
BUSY, NO_ANSWER, ANSWERED, BUSY_ONCE = "+15005550001", "+15005550002", "+15005550006", "+15005550021"
CREATE, LIST, GET, STATUS = (
    "post /v1/batch-calls", "get /v1/batch-calls", "get /v1/batch-calls/{id}", "patch /v1/batch-calls/{id}/status",
)  # fmt: skip
AT_ONCE = json.dumps({"max_retries": 2, "retry_interval_minutes": 0})


@pytest.fixture
def nexa(site: Site) -> Nexa:
    return Nexa(site)


def people(*to: str) -> bytes:
    return "\n".join(["phone_number,name", *(f"{number},Person {i}" for i, number in enumerate(to))]).encode()


def later(**delta: float) -> str:
    return (datetime.now(UTC) + timedelta(**delta)).isoformat()


async def posted(nexa: Nexa, file: bytes, *, status: int = 201, filename: str = "leads.csv", **form: Any) -> Any:
    """Fields that are None are left out. Where it is refused: the message."""
    data = {"title": "July renewals", "agent_id": await nexa.agent(form.pop("agent", None)), **form}
    request = {
        "data": {name: str(value) for name, value in data.items() if value is not None},
        "files": {"file": (filename, file)},
    }
    if status != 201:
        return await nexa.refused("POST", "/batch-calls", status, **request)
    return as_published(await nexa.call("POST", "/batch-calls", status=201, **request), CREATE, 201)


async def batch(nexa: Nexa, *to: str, **form: Any) -> Any:
    return await posted(nexa, people(*(to or (ANSWERED,))), **form)


async def listed(nexa: Nexa, **params: Any) -> Any:
    return as_published(await nexa.call("GET", "/batch-calls", params=params), LIST)


async def titles(nexa: Nexa, **params: Any) -> list[str]:
    return [item["title"] for item in (await listed(nexa, **params))["items"]]


async def calls_of(nexa: Nexa, made: Mapping[str, Any], **params: Any) -> Any:
    return as_published(await nexa.call("GET", f"/batch-calls/{made['id']}", params=params), GET)


async def moved(nexa: Nexa, made: Mapping[str, Any], action: str) -> Any:
    path = f"/batch-calls/{made['id']}/status"
    return as_published(await nexa.call("PATCH", path, json={"action": action}), STATUS)


async def not_moved(nexa: Nexa, made: Mapping[str, Any], action: str) -> Any:
    return await nexa.refused("PATCH", f"/batch-calls/{made['id']}/status", 400, json={"action": action})


async def until(nexa: Nexa, made: Mapping[str, Any], status: str) -> Any:
    return await nexa.until(f"/batch-calls/{made['id']}/status", status=status)


async def state(nexa: Nexa, made: Mapping[str, Any]) -> str:
    return (await nexa.call("GET", f"/batch-calls/{made['id']}/status"))["status"]


# --- made -----------------------------------------------------------------------------------------


async def test_a_file_of_leads_is_called_from_its_first_to_its_last(nexa: Nexa, site: Site) -> None:
    made = await batch(nexa, ANSWERED, BUSY, retry_config=json.dumps({"max_retries": 0}))
    async with site.working():
        done = await until(nexa, made, "completed")

    assert re.fullmatch(r"batch_[0-9a-f]{32}", made["id"])
    assert (made["title"], made["total_records"], made["status"], made["from_number"]) == (
        "July renewals", 2, "initiated", None,
    )  # fmt: skip
    assert "warning" not in made
    assert (done["total_lead_count"], done["sent_lead_count"], done["picked_up_calls"]) == (2, 2, 1)
    assert (done["completed"], done["failed"], done["number_of_retries"]) == (2, 1, 0)
    calls = (await calls_of(nexa, made))["callLogs"]
    assert {call["to_number"]: call["status"] for call in calls} == {ANSWERED: "completed", BUSY: "busy"}


async def test_the_fields_of_the_shape_before_are_understood(nexa: Nexa, site: Site) -> None:
    retries = {"max_retries": 1, "retry_interval_minutes": 30}

    made = await batch(
        nexa,
        title=None,
        name="May Follow-Up Campaign, with a name of more than 35 letters",
        from_phone_number="+1 500 555 0100",
        scheduled_at=later(days=1),
        max_concurrent_calls=3,
        retry_config=json.dumps(retries),
    )

    assert made["name"] == made["title"] == "May Follow-Up Campaign, with a name of more than 35 letters"
    assert (made["status"], made["total_leads"], made["completed"], made["failed"]) == ("scheduled", 1, 0, 0)
    assert made["from_number"] == NUMBER
    campaign = await nexa.call("GET", f"/campaigns/{made['id']}")
    assert (campaign["retry_config"], campaign["max_concurrent_calls"]) == (retries, 3)
    assert campaign["from_phone_number"] == NUMBER
    assert campaign["is_open"] is False


async def test_empty_fields_are_as_if_they_were_left_out(nexa: Nexa) -> None:
    made = await batch(nexa, starts_at="", ends_at="", calling_hours_start="", calling_hours_end="", timezone="")

    assert (made["status"], made["starts_at"], made["ends_at"]) == ("initiated", None, None)


async def test_a_workbook_is_read_and_rows_that_are_no_leads_are_told(nexa: Nexa) -> None:
    rows = [["phone_number", "name"], [15005550006.0, "Ana"], ["nonsense", "Ben"], ["+15005550006", "again"]]

    made = await posted(nexa, xlsx(rows), filename="leads.xlsx", countryCode="+1")

    assert (made["total_records"], made["skipped_records"]) == (1, 2)
    assert made["message"].startswith("1 leads created, 2 rows skipped; row 3: the phone number cannot be dialled")


async def test_numbers_without_a_country_code_are_read_as_at_home_with_the_number_that_calls(nexa: Nexa) -> None:
    made = await posted(nexa, people("2122000001"), from_phone_number=NUMBER, starts_at=later(days=1))
    refused = await posted(nexa, people("2122000001"), status=400, starts_at=later(days=1))

    leads = await nexa.call("GET", f"/campaigns/{made['id']}/leads")
    assert [lead["phone_number"] for lead in leads["data"]] == ["+12122000001"]
    assert refused == ["row 2: the phone number cannot be dialled; write them with + and the country code"]


async def test_calling_hours_are_those_of_the_lead_unless_a_zone_is_named(nexa: Nexa, site: Site) -> None:
    theirs = await batch(nexa, calling_hours_start="09:00", calling_hours_end="18:00")
    named = await batch(nexa, calling_hours_start="22:00", calling_hours_end="24:00", timezone="Asia/Kolkata")

    windows = [await window_of(site, made) for made in (theirs, named)]
    assert windows == [
        CallingWindow.parse("daily 09:00-18:00", "contact"),
        CallingWindow.parse("daily 22:00-24:00", "Asia/Kolkata"),
    ]


async def window_of(site: Site, made: Mapping[str, Any]) -> CallingWindow:
    (found,) = [
        each
        for each in (await site.call("GET", "/campaign"))["campaigns"]
        if each["uuid"].replace("-", "") == made["id"].removeprefix("batch_")
    ]
    return (await app_of(site).campaigns.get(found["id"])).policies.window


async def test_nobody_is_called_outside_the_hours(nexa: Nexa, site: Site) -> None:
    now = datetime.now(UTC)
    hours = {
        "calling_hours_start": f"{now + timedelta(hours=2):%H:%M}",
        "calling_hours_end": f"{now + timedelta(hours=3):%H:%M}",
    }
    first = await batch(nexa, timezone="UTC", **hours)
    async with site.working():
        await asyncio.sleep(0.3)
        calls = await calls_of(nexa, first)

    assert calls["total"] == 0
    assert await state(nexa, first) == "running"


async def test_who_was_not_called_by_the_end_is_called_no_more(nexa: Nexa, site: Site) -> None:
    made = await batch(nexa, *numbers(3), ends_at=later(seconds=1))

    await asyncio.sleep(1.1)  # its end is an instant of real time
    async with site.working():
        done = await until(nexa, made, "completed")

    assert (done["status_reason"], done["completed"], done["failed"]) == ("expired", 3, 3)
    assert (await calls_of(nexa, made))["total"] == 0


async def test_a_repeated_request_makes_one_batch(nexa: Nexa) -> None:
    request = {
        "data": {"title": "Spring", "agent_id": await nexa.agent()},
        "files": {"file": ("leads.csv", people(ANSWERED))},
        "headers": {"Idempotency-Key": "k", "Content-Type": "multipart/form-data; boundary=b"},
    }

    first, second = [await nexa.call("POST", "/batch-calls", status=201, **request) for _ in range(2)]

    assert first["id"] == second["id"]
    assert await titles(nexa) == ["Spring"]


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"title": None}, ["title must be given"]),
        ({"title": "x" * 36}, ["title: String should have at most 35 characters"]),
        ({"name": "Another"}, ["title and name say the same thing and differ: give one of them"]),
        ({"agent_version_number": "latest"}, None),
        ({"starts_at": "tomorrow"}, None),
        (
            {"starts_at": "20991201"},
            ["starts_at: write an ISO 8601 instant with a zone, such as 2026-12-01T09:00:00Z"],
        ),
        ({"ends_at": "4e9"}, ["ends_at: write an ISO 8601 instant with a zone, such as 2026-12-01T09:00:00Z"]),
        ({"starts_at": "2099-12-01T09:00:00"}, ["starts_at: Input should have timezone info"]),
        ({"starts_at": "9999-12-31T23:59:59Z"}, ["starts_at: the year must be between 1970 and 9998"]),
        (
            {"starts_at": "2099-12-01T09:00:00Z", "ends_at": "2099-12-01T08:00:00Z"},
            "ends_at 2099-12-01T08:00:00+00:00 must be later than starts_at 2099-12-01T09:00:00+00:00",
        ),
        ({"ends_at": "2020-12-01T08:00:00Z"}, "ends_at 2020-12-01T08:00:00+00:00 is over: nobody would be called"),
        (
            {"calling_hours_start": "09:00"},
            ["calling_hours_start and calling_hours_end belong together: give both"],
        ),
        (
            {"calling_hours_start": "9 am", "calling_hours_end": "18:00"},
            ["calling_hours_start: write a time of day, such as 09:00"],
        ),
        ({"calling_hour_start": "09:00"}, ["unknown field 'calling_hour_start': did you mean 'calling_hours_start'?"]),
        ({"end_at": "2099-12-01T08:00:00Z"}, ["unknown field 'end_at': did you mean 'ends_at'?"]),
        (
            {"max_concurrent_calls": 101},
            "max_concurrent_calls (101) cannot be more than the organization's limit (100)",
        ),
        ({"retry_config": "2"}, None),
        (
            {"retry_config": "{"},
            ['retry_config: write JSON, such as {"max_retries": 2, "retry_interval_minutes": 60}'],
        ),
        (
            {"retry_config": '{"max_retry": 2}'},
            ["retry_config: unknown field 'max_retry': did you mean 'max_retries'?"],
        ),
        ({"from_phone_number": "+14155550100"}, None),
        ({"countryCode": "+9999"}, "countryCode '+9999' is none: write one such as +91"),
    ],
)
async def test_a_batch_of_the_wrong_shape_is_refused_and_nothing_is_made(
    nexa: Nexa, form: Mapping[str, Any], message: Any
) -> None:
    """message: None where its words are another's."""
    refused = await batch(nexa, status=400, **form)

    assert refused
    assert message in (None, refused)
    assert await titles(nexa) == []


async def test_hours_in_no_zone_and_hours_that_end_as_they_start_are_refused(nexa: Nexa) -> None:
    hours = {"calling_hours_start": "09:00", "calling_hours_end": "18:00"}

    zone = await batch(nexa, status=400, timezone="Asia/Calcuta", **hours)
    empty = await batch(nexa, status=400, **{**hours, "calling_hours_end": "09:00"})

    assert zone.startswith("timezone: 'Asia/Calcuta' is no known time zone; did you mean 'Asia/Calcutta'")
    assert empty.startswith("window: 09:00-09:00 is a slot that ends as it starts")
    assert await titles(nexa) == []


@pytest.mark.parametrize(
    ("file", "filename", "message"),
    [
        (people(ANSWERED), "leads.pdf", "the file must be CSV, XLSX or XLS, and not 'leads.pdf'"),
        (b"phone_number,name\n", "leads.csv", "the file must have a header row and at least one row below it"),
        (
            people("nonsense"),
            "leads.csv",
            ["row 2: the phone number cannot be dialled; write them with + and the country code"],
        ),
        (
            b"phone_number," + b",".join(b"c%d" % n for n in range(16)) + b"\n+15005550006" + b",x" * 16,
            "leads.csv",
            "the file has 16 custom columns, and 15 are the most: " + ", ".join(f"c{n}" for n in range(16)),
        ),
    ],
)
async def test_a_file_that_cannot_be_used_is_refused_and_nothing_is_made(
    nexa: Nexa, file: bytes, filename: str, message: Any
) -> None:
    assert await posted(nexa, file, filename=filename, status=400) == message
    assert await titles(nexa) == []


async def test_a_file_without_a_column_that_the_agent_names_is_refused(nexa: Nexa) -> None:
    agent = {"name": "asks", "greeting": "Hello {{name}}, about {{loan}}"}

    assert await batch(nexa, agent=agent, status=400) == "the agent's text uses 'loan', and the file has no such column"


async def test_the_version_of_the_agent_is_the_one_in_force(nexa: Nexa, site: Site) -> None:
    agent = await nexa.agent({"name": "greeter", "greeting": "Hello"})
    await nexa.call("PATCH", f"/agents2/{agent}", json={"prompts": {"welcome_message": "Good day"}})

    in_force = await batch(nexa, agent_id=agent, agent_version_number=2)
    old = await batch(nexa, agent_id=agent, agent_version_number=1, status=400)
    unknown = await batch(nexa, agent_id=agent, agent_version_number=3, status=404)

    assert in_force["agent_version_number"] == 2
    assert old == "agent_version_number 1 is not the one in force, which is 2: give that, or leave it out"
    assert unknown == "Agent version 3 not found"


async def test_an_agent_of_nobody_or_of_others_is_not_found(nexa: Nexa, site: Site) -> None:
    others = await Nexa(site, of="other").agent()

    for agent in (others, f"agt_{uuid4().hex}", "nonsense"):
        assert await batch(nexa, agent_id=agent, status=404) == "Agent not found"


# --- one at a time --------------------------------------------------------------------------------


async def test_batches_run_one_at_a_time_in_the_order_of_their_hours(nexa: Nexa, site: Site) -> None:
    first = await batch(nexa, *numbers(3), title="first")
    second = await batch(nexa, *numbers(2, first=3_000_000), title="second")
    third = await batch(nexa, ANSWERED, title="third")

    assert [made["status"] for made in (first, second, third)] == ["initiated", "waiting", "waiting"]
    assert second["warning"] == {
        "message": "This batch was created, but your organization already has 1 running batch ahead of it. Batches run "
        "one at a time per organization, so this batch may be delayed.",
        "conflicts": [
            {
                "kind": "running", "batch_name": "first", "processed_leads": 0, "total_leads": 3,
                "starts_at": second["warning"]["conflicts"][0]["starts_at"],
            }
        ],
    }  # fmt: skip
    assert [(each["kind"], each["batch_name"]) for each in third["warning"]["conflicts"]] == [
        ("running", "first"), ("waiting", "second"),
    ]  # fmt: skip
    assert "1 running batch and 1 waiting batch ahead" in third["warning"]["message"]
    async with site.working():
        await until(nexa, third, "completed")
    whole = await nexa.call("GET", "/calls", params={"created_at": "asc", "limit": 200})
    order = [call["batch_id"] for call in whole]
    assert order == [first["id"]] * 3 + [second["id"]] * 2 + [third["id"]]


async def test_a_batch_that_is_scheduled_is_told_of_those_before_it(nexa: Nexa) -> None:
    await batch(nexa, title="tomorrow", starts_at=later(days=1))
    await batch(nexa, title="next week", starts_at=later(days=7))

    now = await batch(nexa, title="now")
    between = await batch(nexa, title="between", starts_at=later(days=2))

    assert "warning" not in now
    assert [(each["kind"], each["batch_name"]) for each in between["warning"]["conflicts"]] == [
        ("scheduled", "tomorrow"), ("running", "now"),
    ]  # fmt: skip


async def test_another_organization_s_batches_hold_up_nobody(nexa: Nexa, site: Site) -> None:
    await batch(Nexa(site, of="other"))

    made = await batch(nexa)

    assert made["status"] == "initiated"
    assert "warning" not in made


# --- moved ----------------------------------------------------------------------------------------


async def test_a_batch_is_paused_resumed_and_cancelled(nexa: Nexa) -> None:
    made = await batch(nexa, *numbers(3))

    paused = await moved(nexa, made, "pause")
    resumed = await moved(nexa, made, "resume")
    cancelled = await moved(nexa, made, "cancel")

    assert paused == {
        "success": True,
        "message": "Campaign paused successfully",
        "campaign": {"id": made["id"], "status": "paused", "title": "July renewals"},
        "affectedCalls": {
            "initiated": 0, "queued": 0, "removedFromQueue": 3, "cancelledCallLogs": 0, "resumedCallLogs": 0,
        },
    }  # fmt: skip
    assert (resumed["campaign"]["status"], resumed["affectedCalls"]["queued"]) == ("running", 3)
    assert resumed["message"] == "Campaign resumed successfully"
    assert cancelled["campaign"]["status"] == "cancelled"
    assert (cancelled["affectedCalls"]["removedFromQueue"], cancelled["affectedCalls"]["cancelledCallLogs"]) == (3, 3)


async def test_what_cannot_be_done_in_a_state_is_a_bad_request(nexa: Nexa) -> None:
    running = await batch(nexa)
    waiting = await batch(nexa)
    scheduled = await batch(nexa, starts_at=later(days=1))

    assert await not_moved(nexa, running, "resume") == "Cannot resume a running batch"
    assert await not_moved(nexa, waiting, "pause") == "Cannot pause a waiting batch"
    assert await not_moved(nexa, scheduled, "pause") == "Cannot pause a scheduled batch"
    await moved(nexa, running, "cancel")
    for action in ("pause", "resume", "cancel"):
        assert await not_moved(nexa, running, action) == f"Cannot {action} a cancelled batch"
    assert await not_moved(nexa, running, "stop") == "Invalid action. Must be one of: pause, resume, cancel"


async def test_a_paused_batch_holds_up_those_behind_it_until_it_is_cancelled(nexa: Nexa, site: Site) -> None:
    first, second = [await batch(nexa, ANSWERED, title=title) for title in ("first", "second")]
    await moved(nexa, first, "pause")

    async with site.working():
        await asyncio.sleep(0.2)
        held = await state(nexa, second)
        await moved(nexa, first, "cancel")
        await until(nexa, second, "completed")

    assert held == "waiting"


# --- looked at ------------------------------------------------------------------------------------


async def test_first_calls_and_retries_are_counted_apart(nexa: Nexa, site: Site) -> None:
    made = await batch(nexa, ANSWERED, BUSY, BUSY_ONCE, retry_config=AT_ONCE)
    async with site.working():
        await until(nexa, made, "completed")

    (item,) = (await listed(nexa))["items"]
    assert item["attempt_stages"] == [
        {"depth": 0, "attempted": 3, "total": 3},
        {"depth": 1, "attempted": 2, "total": 2},
        {"depth": 2, "attempted": 1, "total": 1},
    ]
    assert (item["sent_lead_count"], item["number_of_retries"]) == (3, 2)
    assert (item["first_retry_count"], item["second_retry_count"], item["third_retry_count"]) == (2, 1, 0)
    assert (item["picked_up_lead_count"], item["picked_up_calls"]) == (2, 2)
    newest = (await nexa.call("GET", "/calls"))[0]
    sent_at, created_at = (datetime.fromisoformat(text) for text in (item["last_call_sent_at"], newest["createdAt"]))
    assert timedelta(0) <= sent_at - created_at < timedelta(seconds=5)


async def test_of_a_list_too_large_to_be_counted_there_are_no_stages(
    nexa: Nexa, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "MOST_COUNTED", 2)
    made = await batch(nexa, ANSWERED, BUSY, NO_ANSWER, retry_config=json.dumps({"max_retries": 0}))
    async with site.working():
        await until(nexa, made, "completed")

    (item,) = (await nexa.call("GET", "/batch-calls"))["items"]

    assert "attempt_stages" not in item
    assert item["first_retry_count"] is None
    assert item["sent_lead_count"] == 3


async def test_a_list_has_what_its_filter_says(nexa: Nexa) -> None:
    await batch(nexa, title="running")
    await batch(nexa, title="waiting")
    await batch(nexa, title="scheduled", starts_at=later(days=1))
    await moved(nexa, await batch(nexa, title="cancelled"), "cancel")

    assert await titles(nexa) == ["cancelled", "scheduled", "waiting", "running"]
    for status in ("running", "waiting", "scheduled", "cancelled"):
        assert await titles(nexa, status=status) == [status]
    assert await titles(nexa, status="active") == ["running"]
    assert await titles(nexa, status="waiting,scheduled") == ["scheduled", "waiting"]
    assert await titles(nexa, status="running, scheduled") == ["scheduled", "running"]
    assert await titles(nexa, status="deleted") == []
    assert await titles(nexa, limit=2) == ["cancelled", "scheduled"]
    second = await listed(nexa, limit=3, page=2)
    assert ([item["title"] for item in second["items"]], second["total"], second["page"]) == (["running"], 4, 2)
    refused = await nexa.refused("GET", "/batch-calls?status=gone", 400)
    assert refused[0].startswith("status: unknown status 'gone'; there are active, cancelled, ")
    assert (await nexa.refused("GET", "/batch-calls?limit=0", 400))[0].startswith("limit: ")


async def test_campaigns_of_other_doors_are_batches_too(nexa: Nexa, site: Site) -> None:
    await completed(site, [ANSWERED])

    (item,) = (await listed(nexa))["items"]

    assert (item["title"], item["status"], item["picked_up_calls"]) == ("test", "completed", 1)
    assert (await calls_of(nexa, item))["total"] == 1


async def test_the_calls_of_a_batch_come_in_pages(nexa: Nexa, site: Site) -> None:
    made = await batch(nexa, *numbers(5))
    await completed(site, [ANSWERED])
    async with site.working():
        await until(nexa, made, "completed")

    page = await calls_of(nexa, made, limit=2, page=2, created_at="asc")
    whole = await calls_of(nexa, made, limit=200, created_at="asc")

    assert (page["total"], page["page"], page["limit"], page["totalPages"]) == (5, 2, 2, 3)
    assert page["callLogs"] == whole["callLogs"][2:4]
    assert (await calls_of(nexa, made, to=numbers(1)[0]))["total"] == 1
    assert (await nexa.refused("GET", f"/batch-calls/{made['id']}?limit=201", 400))[0].startswith("limit: ")


async def test_a_call_that_is_under_way_is_listed_as_such(nexa: Nexa, site: Site) -> None:
    await app_of(site).add_carrier({**CALLS, "name": "slow", "talk_seconds": [1, 1], "numbers": ["+15005550109"]})
    made = await batch(nexa, ANSWERED, from_phone_number="+15005550109")

    async with site.working():
        async with asyncio.timeout(10):
            while not (open_calls := await calls_of(nexa, made, status="received"))["total"]:
                pass
        both = await calls_of(nexa, made, status="received,completed")
        await until(nexa, made, "completed")

    (call,) = open_calls["callLogs"]
    assert (call["status"], both["total"]) == ("received", 1)
    assert "duration" not in call
    assert "end_reason" not in call
    assert (await calls_of(nexa, made, status="received"))["total"] == 0


# --- whose ----------------------------------------------------------------------------------------


async def test_nobody_sees_or_moves_another_organization_s_batch(nexa: Nexa, site: Site) -> None:
    made = await batch(nexa)
    stranger = Nexa(site, of="other")

    assert await titles(stranger) == []
    for method, path, body in (
        ("GET", "", None), ("GET", "/status", None), ("PATCH", "/status", {"action": "cancel"}),
    ):  # fmt: skip
        whole = f"/batch-calls/{made['id']}{path}"
        assert await stranger.refused(method, whole, 404, json=body) == "Batch call not found"
    assert await nexa.refused("GET", "/batch-calls/nonsense", 400) == "Invalid batch call ID format"
    assert await nexa.refused("GET", f"/batch-calls/lead_{uuid4().hex}", 400) == "Invalid batch call ID format"
    assert await nexa.refused("GET", f"/batch-calls/batch_{uuid4().hex}", 404) == "Batch call not found"
    assert await state(nexa, made) == "running"


async def test_a_viewer_looks_and_an_operator_moves(nexa: Nexa, site: Site) -> None:
    made = await batch(nexa)
    viewer = Nexa(site, key=await site.join("default", Role.VIEWER))

    assert await titles(viewer) == ["July renewals"]
    await viewer.refused("PATCH", f"/batch-calls/{made['id']}/status", 403, json={"action": "pause"})
    await viewer.refused("POST", "/batch-calls", 403, files={"file": ("leads.csv", people(ANSWERED))})
    await Nexa(site, key="nonsense").refused("GET", "/batch-calls", 401)


async def test_the_routes_are_there_without_a_version_too(nexa: Nexa, site: Site) -> None:
    made = await batch(nexa)
    headers = {"Authorization": f"Bearer {site.keys['default']}"}

    answer = await site.http.get("/dialnexa/batch-calls", headers=headers)

    assert [item["id"] for item in answer.json()["items"]] == [made["id"]]
