"""Campaigns over HTTP: made in every spelling, refused with the contract's texts, moved, changed, redialled, shown."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from people import app_of, completed, draft, numbers
from published import conforms
from site_of import CALLS, Site

from dialplane.core.retry import RetryPolicy
from dialplane.engine import catalog
from dialplane.engine.keys import Role

pytestmark = pytest.mark.asyncio

BUSY, NO_ANSWER, VOICEMAIL, ANSWERED = (f"+150055500{n}" for n in ("01", "02", "03", "06"))
CSV = "phone_number,name\n+12122000000,Ana\n+12122000001,Ben\n"
CREATE = "/campaign/create"


async def uploaded(site: Site, content: str | bytes = CSV, *, of: str = "default") -> str:
    """The key of a file that is there."""
    link = await site.call("POST", "/s3/presigned-upload-url", of=of, json={"filename": "contacts.csv"})
    data = content.encode() if isinstance(content, str) else content
    put = await site.http.put(link["upload_url"], content=data)
    assert put.status_code == 200, put.text
    return str(link["file_key"])


async def least(site: Site, content: str | bytes = CSV, *, agent: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The shortest body for a campaign with these contacts."""
    app = app_of(site)
    await app.add_carrier(CALLS)
    return {
        "name": "spring",
        "workflow_id": await app.add_agent(agent),
        "source_type": "csv",
        "source_id": await uploaded(site, content),
    }


async def created(site: Site, content: str | bytes = CSV, **more: Any) -> Any:
    return conforms(await site.call("POST", CREATE, json=await least(site, content) | more), "CampaignResponse")


async def refusal(site: Site, status: int, content: str | bytes = CSV, **more: Any) -> str:
    """The detail with which a campaign like this is refused; nothing is made."""
    agent = more.pop("agent", None)
    answer = await site.call("POST", CREATE, json=await least(site, content, agent=agent) | more, status=status)
    assert (await site.call("GET", "/campaign"))["campaigns"] == []
    return str(answer["detail"])


async def get(site: Site, campaign_id: int, **options: Any) -> Any:
    return conforms(await site.call("GET", f"/campaign/{campaign_id}", **options), "CampaignResponse")


async def move(site: Site, campaign_id: int, verb: str, *, status: int = 200, **request: Any) -> Any:
    answer = await site.call("POST", f"/campaign/{campaign_id}/{verb}", status=status, **request)
    return conforms(answer, "CampaignResponse") if status == 200 else answer["detail"]


async def refused_in(site: Site, campaign_id: int, verb: str) -> Any:
    return await move(site, campaign_id, verb, status=400)


# --- create ---------------------------------------------------------------------------------------


async def test_a_new_campaign_is_shown_whole(site: Site) -> None:
    campaign = await created(site)

    assert campaign | {} == await get(site, campaign["id"])
    wanted = {
        "name": "spring", "state": "created", "status": "draft", "workflow_name": "Default agent", "source_type": "csv",
        "total_rows": None, "processed_rows": 0, "failed_rows": 0, "executed_count": 0, "total_queued_count": 0,
        "started_at": None, "completed_at": None, "max_concurrency": None, "schedule_config": None, "logs": [],
        "parent_campaign_id": None, "redialed_campaign_id": None, "telephony_configuration_name": "simulated",
        "keep_open": False, "warnings": [], "rate_limit_per_second": 100,
    }  # fmt: skip
    assert {name: campaign[name] for name in wanted} == wanted
    assert campaign["source_sync"]["status"] == "pending"
    assert campaign["circuit_breaker"] == {
        "enabled": True, "failure_threshold": 0.5, "window_seconds": 120, "min_calls_in_window": 5,
    }  # fmt: skip
    retry = campaign["retry_config"]
    assert (retry["max_retries"], retry["retry_on_busy"], retry["retry_on_voicemail"]) == (1, True, False)
    assert datetime.fromisoformat(campaign["created_at"]).tzinfo is not None


async def test_its_contacts_are_imported_beside(site: Site) -> None:
    content = CSV + "nonsense,Cid\n+12122000000,again\n"
    async with site.working():
        campaign = await created(site, content)
        async with asyncio.timeout(20):
            while (done := await get(site, campaign["id"]))["source_sync"]["status"] != "completed":
                seen_rows = done["source_sync"]["status"] == "in_progress"
                assert done["total_rows"] == (2 if seen_rows else None), "all of an answer is of one moment"

    sync = done["source_sync"]
    assert (sync["status"], sync["contacts"], sync["rejected_rows"], sync["error"]) == ("completed", 2, 2, None)
    assert sync["file"] == "contacts.csv"
    assert done["total_queued_count"] == 2


async def test_three_spellings_make_the_same_campaign(site: Site) -> None:
    body = await least(site)
    key, common = body["source_id"], {"name": "spring", "workflow_id": body["workflow_id"]}
    day = {"start": "09:00", "end": "17:00"}
    dograh = body | {
        "schedule_config": {
            "timezone": "Europe/Berlin",
            "slots": [{"day_of_week": 0, "start_time": "09:00", "end_time": "17:00"}],
        },
        "retry_config": {"max_retries": 2, "retry_delay_seconds": 300},
    }
    sysevo = common | {
        "contacts_file_key": key,
        "calling_hours": {"timezone": "Europe/Berlin", "slots": [{"day": "monday", **day}]},
        "retry_config": {"max_retries": 2, "retry_delay_seconds": 300},
    }
    documents = common | {
        "source_url": key,
        "timezone": "Europe/Berlin",
        "time_slots": [{"day": 0, **day}],
        "retry_config": {"max_attempts": 3, "retry_interval_minutes": 5},
    }

    made = [await site.call("POST", CREATE, json=spelled) for spelled in (dograh, sysevo, documents)]

    own = {"id", "uuid", "created_at"}
    first, *others = [{name: value for name, value in answer.items() if name not in own} for answer in made]
    assert others == [first, first]
    assert first["schedule_config"]["slots"] == [
        {"day_of_week": 0, "day": "monday", "start_time": "09:00", "end_time": "17:00"}
    ]


async def test_unknown_fields_are_told_in_the_answer_and_in_the_log(site: Site) -> None:
    campaign = await created(site, max_concurency=5)

    assert campaign["warnings"] == ["unknown field 'max_concurency': did you mean 'max_concurrency'?"]
    assert [(entry["level"], entry["message"]) for entry in campaign["logs"]] == [("warning", campaign["warnings"][0])]


async def test_more_lines_than_numbers_are_a_warning(site: Site) -> None:
    campaign = await created(site, max_concurrency=2)

    assert campaign["max_concurrency"] == 2
    assert campaign["warnings"][0].startswith("max_concurrency (2) is more than the 1 phone number(s) to call from")


async def test_a_rule_with_an_unknown_key_is_refused_where_it_stands(site: Site) -> None:
    (fault,) = (await site.call("POST", CREATE, json=await least(site) | {"retry_config": {"retries": 2}}, status=422))[
        "detail"
    ]

    assert (fault["loc"], fault["msg"]) == (
        ["body", "retry_config"],
        "unknown key 'retries'; did you mean 'max_retries'?",
    )


UNMEANT: list[tuple[dict[str, Any], list[Any], str]] = [
    ({"schedule_config": {"enabled": True, "slots": []}}, ["body", "schedule_config"], "at least one slot"),
    (
        {"calling_hours": {"timezone": "Mars/Olympus", "slots": [{"day": 0, "start": "09:00", "end": "17:00"}]}},
        ["body", "calling_hours"],
        "Invalid timezone: Mars/Olympus",
    ),
    (
        {"time_slots": [{"day": "monday", "start": "99:99", "end": "17:00"}]},
        ["body", "time_slots", 0],
        "no time of day",
    ),
    ({"name": ""}, ["body", "name"], "at least 1 character"),
    ({"workflow_id": 2**63}, ["body", "workflow_id"], "less than or equal to"),
    ({"max_concurrency": 101}, ["body", "max_concurrency"], "Input should be less than or equal to 100"),
]


async def test_what_cannot_be_meant_is_422_and_makes_nothing(site: Site) -> None:
    body = await least(site)
    for given, where, says in UNMEANT:
        (fault,) = (await site.call("POST", CREATE, json=body | given, status=422))["detail"]

        assert fault["loc"] == where
        assert says in fault["msg"]
    assert (await site.call("GET", "/campaign"))["campaigns"] == []


async def test_a_campaign_that_is_kept_open_needs_no_file(site: Site) -> None:
    body = await least(site)
    body.pop("source_id")
    (fault,) = (await site.call("POST", CREATE, json=body, status=422))["detail"]
    assert "source_id is missing" in fault["msg"]

    campaign = conforms(await site.call("POST", CREATE, json=body | {"keep_open": True}), "CampaignResponse")

    assert (campaign["keep_open"], campaign["source_id"], campaign["total_rows"]) == (True, "", 0)


# --- create: the contract's refusals, in its order ------------------------------------------------


async def test_an_agent_that_is_not_there_is_not_found_before_anything_else(site: Site) -> None:
    assert await refusal(site, 404, workflow_id=4711, source_id="none") == "Workflow not found"


async def test_an_archived_agent_makes_no_campaign(site: Site) -> None:
    body = await least(site)
    await app_of(site).library.archive(body["workflow_id"])

    assert (await site.call("POST", CREATE, json=body, status=404))["detail"] == "Workflow not found"


async def test_a_file_of_another_organization_is_not_found(site: Site) -> None:
    theirs = await uploaded(site, of="other")

    assert await refusal(site, 404, source_id=theirs) == f"there is no uploaded file {theirs}"
    assert "no uploaded file" in await refusal(site, 404, source_id="campaigns/1/nothing.csv")


NO_ROWS = "CSV file must have a header row and at least one data row"
BAD_NUMBERS = "All phone numbers must include country code (start with '+')"


USELESS: list[tuple[str | bytes, str]] = [
    ("", NO_ROWS),
    ("\n\n", NO_ROWS),
    ("phone_number,name\n", NO_ROWS),
    ("phone_number,name\n,\n , \n", NO_ROWS),
    ("name,city\nAna,Bonn\n", "Source must contain a 'phone_number' column"),
    ("phone_number\n12125550100\nnonsense\n", f"Invalid phone numbers in rows: 2, 3. {BAD_NUMBERS}"),
    (
        "phone_number\n" + "nonsense\n" * 9,
        f"Invalid phone numbers in rows: 2, 3, 4, 5, 6 and 4 more. {BAD_NUMBERS}",
    ),
    (
        "phone_number,timezone\n+12122000000,Mars/Olympus\n",
        "Invalid data in rows: 2. Row 2: Mars/Olympus is no time zone; "
        "write an IANA name such as 'Europe/Berlin', or leave the cell empty",
    ),
    (
        b"PK\x03\x04rest",
        "contacts.csv is a ZIP archive that is damaged or cut off; open it in Excel and save it again, "
        "or save it as CSV",
    ),
]


async def test_a_file_of_which_nobody_can_be_called_is_refused(site: Site) -> None:
    for content, detail in USELESS:
        assert await refusal(site, 400, content) == detail


async def test_a_template_variable_without_a_column_is_refused(site: Site) -> None:
    agent = {"name": "caller", "greeting": "Hello {{name}}, {{city}}, {{plan}}."}

    assert await refusal(site, 400, agent=agent) == (
        "Workflow uses template variables that are missing from the source data: 'city', 'plan'. "
        "Add the missing columns or remove them from the workflow."
    )


async def test_an_empty_cell_of_a_template_variable_is_refused_with_its_rows(site: Site) -> None:
    agent = {"name": "caller", "greeting": "Hello {{name}}."}
    content = "phone_number,name\n" + "".join(f"{n},{'x' if i in (0, 4) else ''}\n" for i, n in enumerate(numbers(9)))

    assert await refusal(site, 400, content, agent=agent) == (
        "Template variable 'name' is empty in rows: 3, 4, 5, 7, 8 and 2 more. "
        "All template variables used in the workflow must have values in every row."
    )


BAD: list[tuple[list[str], str]] = [
    (["+12122000000", "12122000001"], f"Invalid phone numbers in rows: 3. {BAD_NUMBERS}"),
    (
        ["+12122000000", "+12122000001", "+1 (212) 200-0000"],
        "Duplicate phone numbers found in rows: 4. Phone numbers in a campaign must be unique.",
    ),
]


async def test_strict_refuses_a_file_for_one_bad_row(site: Site) -> None:
    for rows, detail in BAD:
        assert await refusal(site, 400, "\n".join(["phone_number", *rows]), strict=True) == detail

    assert (await created(site, "\n".join(["phone_number", *BAD[0][0]])))["state"] == "created"


async def test_a_region_stands_in_for_country_codes(site: Site) -> None:
    async with site.working():
        campaign = await created(site, "phone_number\n(212) 200-0000\n", default_region="us", strict=True)
        await site.until(f"/campaign/{campaign['id']}", {"total_rows": 1})


async def test_telephony_that_is_not_there_or_not_ready_is_refused(site: Site) -> None:
    assert await refusal(site, 400, telephony_configuration_id=4711) == "telephony_configuration_not_found"
    body = await least(site)
    carrier_id = await app_of(site).telephony.choose(None)
    await app_of(site).telephony.deactivate(carrier_id, "no money")

    detail = (await site.call("POST", CREATE, json=body, status=400))["detail"]

    assert detail.startswith("'simulated' is not ready for outbound calls. ")
    theirs = await app_of(site, "other").add_carrier(CALLS)
    answer = await site.call("POST", CREATE, json=body | {"telephony_configuration_id": theirs}, status=400)
    assert answer["detail"] == "telephony_configuration_not_found"


async def test_more_lines_than_the_organization_has_are_refused(site: Site) -> None:
    await catalog.set_limits(site.server.database, site.organizations["default"], max_lines=10, cps=None)

    assert await refusal(site, 400, max_concurrency=11) == "max_concurrency (11) cannot exceed organization limit (10)"
    campaign = await created(site, max_concurrency=10)
    answer = await site.call("PATCH", f"/campaign/{campaign['id']}", json={"max_concurrency": 11}, status=400)
    assert answer["detail"] == "max_concurrency (11) cannot exceed organization limit (10)"


async def test_a_larger_organization_may_have_more_lines_than_the_contract(site: Site) -> None:
    await catalog.set_limits(site.server.database, site.organizations["default"], max_lines=500, cps=None)

    assert (await created(site, max_concurrency=500))["max_concurrency"] == 500


async def test_calls_come_from_the_numbers_that_are_named(site: Site) -> None:
    app = app_of(site)
    carrier_id = await app.add_carrier({**CALLS, "name": "two", "numbers": ["+12125550100", "+12125550101"]})
    first, second = await app.campaigns.numbers_of(carrier_id)
    on_it = {"telephony_configuration_id": carrier_id}

    campaign = await created(site, **on_it, number_ids=[second])

    assert campaign["number_ids"] == [second]
    body = await least(site) | on_it | {"number_ids": [first, 4711]}
    assert (await site.call("POST", CREATE, json=body, status=400))["detail"] == (
        f"number 4711 is no active number of telephony configuration {carrier_id}"
    )


async def test_a_viewer_looks_and_changes_nothing(site: Site) -> None:
    campaign = await created(site)
    viewer = await site.join("default", Role.VIEWER)
    path = f"/campaign/{campaign['id']}"

    await site.call("GET", path, key=viewer)
    await site.call("GET", f"{path}/progress", key=viewer)
    for method, denied in (("POST", CREATE), ("POST", f"{path}/start"), ("PATCH", path), ("DELETE", path)):
        await site.call(method, denied, key=viewer, json={}, status=403)


# --- repeated -------------------------------------------------------------------------------------


async def test_a_request_that_is_repeated_after_a_crash_finds_the_first_campaign(site: Site) -> None:
    body = await least(site)
    again = {"headers": {"Idempotency-Key": "order-7"}, "json": body}
    first = await site.call("POST", CREATE, **again)
    async with site.server.database.connection() as connection:
        await connection.execute("DELETE FROM idempotent_request")  # as if it had died before it could answer

    second = await site.call("POST", CREATE, **again)

    assert second == first
    other = await site.call("POST", CREATE, headers={"Idempotency-Key": "order-8"}, json=body)
    assert other["id"] != first["id"]
    assert len((await site.call("GET", "/campaign"))["campaigns"]) == 2


# --- states ---------------------------------------------------------------------------------------


async def test_a_campaign_goes_from_created_over_syncing_to_completed(site: Site) -> None:
    campaign = await created(site)
    started = await move(site, campaign["id"], "start")
    assert (started["state"], started["status"]) == ("syncing", "running")
    assert started["started_at"] is not None

    async with site.working():
        done = await site.until(f"/campaign/{campaign['id']}", {"state": "completed"})

    assert (done["total_rows"], done["processed_rows"], done["failed_rows"]) == (2, 2, 0)
    assert (done["executed_count"], done["total_queued_count"]) == (2, 2)
    assert done["completed_at"] == done["ended_at"] is not None


async def test_wrong_states_are_refused_in_the_contracts_words(site: Site) -> None:
    made = await draft(site, [ANSWERED])
    assert await refused_in(site, made, "pause") == (
        "Campaign must be in 'running' or 'syncing' state to pause, current state: created"
    )
    assert await refused_in(site, made, "resume") == (
        "Campaign must be in 'paused' state to resume, current state: created"
    )
    await move(site, made, "start")
    assert await refused_in(site, made, "start") == (
        "Campaign must be in 'created' state to start, current state: running"
    )
    assert await refused_in(site, made, "redial") == (
        "Only completed, cancelled, failed or paused campaigns can be redialed (current state: running)"
    )
    await move(site, made, "cancel")
    for verb in ("start", "pause", "resume", "cancel", "close", "unschedule"):
        assert "cancelled" in await refused_in(site, made, verb)


async def test_a_paused_campaign_is_started_or_resumed(site: Site) -> None:
    made = await draft(site, [ANSWERED])

    states = [(await move(site, made, verb))["state"] for verb in ("start", "pause", "start", "pause", "resume")]

    assert states == ["running", "paused", "running", "paused", "running"]


async def test_of_two_starts_at_once_one_wins(site: Site) -> None:
    made = await draft(site, [ANSWERED])
    headers = {"X-API-Key": site.keys["default"]}

    answers = await asyncio.gather(
        *[site.http.post(f"/api/v1/campaign/{made}/start", headers=headers) for _ in range(4)]
    )

    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]


async def test_a_campaign_is_scheduled_and_unscheduled(site: Site) -> None:
    made = await draft(site, [ANSWERED])
    at = (datetime.now(UTC) + timedelta(days=1)).isoformat()

    scheduled = await move(site, made, "schedule", json={"starts_at": at})
    assert (scheduled["state"], scheduled["status"]) == ("scheduled", "scheduled")
    assert datetime.fromisoformat(scheduled["starts_at"]) == datetime.fromisoformat(at)
    assert (await move(site, made, "unschedule"))["state"] == "created"
    (fault,) = await move(site, made, "schedule", json={"starts_at": "2026-12-01T09:00:00"}, status=422)
    assert fault["loc"] == ["body", "starts_at"]


async def test_a_campaign_that_is_kept_open_completes_once_closed(site: Site) -> None:
    made = await draft(site, [ANSWERED], keep_open=True)
    path = f"/campaign/{made}"
    await move(site, made, "start")

    async with site.working():
        open_still = await site.until(path, {"processed_rows": 1})
        assert (open_still["state"], open_still["keep_open"]) == ("running", True)
        assert (await move(site, made, "close"))["keep_open"] is False
        await site.until(path, {"state": "completed"})


async def test_a_draft_can_be_deleted_and_nothing_else(site: Site) -> None:
    made = await draft(site, [ANSWERED])
    running = await draft(site, [ANSWERED])
    await move(site, running, "start")

    assert await site.call("DELETE", f"/campaign/{made}") == {"id": made, "deleted": True}
    await site.call("GET", f"/campaign/{made}", status=404)
    answer = await site.call("DELETE", f"/campaign/{running}", status=400)
    assert answer["detail"] == f"campaign {running} is running, no draft: only a draft can be deleted"


async def test_a_file_that_breaks_off_fails_the_campaign_and_keeps_what_was_read(site: Site) -> None:
    rows = "".join(f"{number}\n" for number in numbers(6000))
    body = await least(site, f'phone_number\n{rows}"open\n')
    campaign = await site.call("POST", CREATE, json=body)
    await move(site, campaign["id"], "start")

    async with site.working():
        failed = await site.until(f"/campaign/{campaign['id']}", {"state": "failed"})

    assert failed["status"] == "failed"
    assert failed["source_sync"]["status"] == "failed"
    assert "row 6002" in failed["source_sync"]["error"]
    assert failed["total_rows"] == 5000
    assert [entry["event"] for entry in failed["logs"]] == ["source_sync_failed", "batch_failed"]
    assert conforms(failed, "CampaignResponse")["completed_at"] is None
    assert (await move(site, campaign["id"], "resume"))["state"] == "running"


async def test_a_campaign_that_its_breaker_paused_says_so_in_the_contracts_word(site: Site) -> None:
    carrier = {**CALLS, "outcomes": {"carrier_failed": 1}}
    made = await draft(site, numbers(20), carrier=carrier, retry=RetryPolicy(max_retries=0), max_lines=5)
    await move(site, made, "start")

    async with site.working():
        paused = await site.until(f"/campaign/{made}", {"state": "paused"})

    (entry, *_) = conforms(paused, "CampaignResponse")["logs"]
    assert (entry["event"], entry["level"]) == ("circuit_breaker_tripped", "error")
    assert "calls failed" in paused["state_reason"]


# --- change ---------------------------------------------------------------------------------------


async def test_a_change_replaces_what_it_names_and_leaves_the_rest(site: Site) -> None:
    campaign = await created(site, max_concurrency=1, rate_limit_per_second=2, retry_config={"max_retries": 5})
    slot = {"day": "monday", "start": "09:00", "end": "17:00"}

    changed = await site.call(
        "PATCH",
        f"/campaign/{campaign['id']}",
        json={"name": "autumn", "calling_hours": {"slots": [slot]}, "retry_config": {"retry_on_busy": False}},
    )

    assert conforms(changed, "CampaignResponse")["name"] == "autumn"
    assert (changed["max_concurrency"], changed["rate_limit_per_second"]) == (1, 2)
    assert changed["schedule_config"]["slots"][0]["day"] == "monday"
    retry = changed["retry_config"]
    assert (retry["max_retries"], retry["retry_on_busy"]) == (2, False), "the whole object is replaced"
    off = await site.call(
        "PATCH", f"/campaign/{campaign['id']}", json={"schedule_config": {"enabled": False, "slots": [slot]}}
    )
    assert off["schedule_config"]["enabled"] is False


async def test_two_changes_of_different_settings_at_once_both_count(site: Site) -> None:
    campaign = await created(site)
    path = f"/campaign/{campaign['id']}"
    changes: list[dict[str, Any]] = [
        {"max_concurrency": 7},
        {"rate_limit_per_second": 3},
        {"retry_config": {"max_retries": 9}},
        {"circuit_breaker": {"enabled": False}},
    ]

    await asyncio.gather(*[site.call("PATCH", path, json=change) for change in changes])

    changed = await get(site, campaign["id"])
    assert (changed["max_concurrency"], changed["rate_limit_per_second"]) == (7, 3)
    assert changed["retry_config"]["max_retries"] == 9
    assert changed["circuit_breaker"]["enabled"] is False


async def test_an_ended_campaign_cannot_be_changed(site: Site) -> None:
    made = await draft(site, [ANSWERED])
    await move(site, made, "start")
    await site.call("PATCH", f"/campaign/{made}", json={"name": "running too"})
    async with site.working():
        await site.until(f"/campaign/{made}", {"state": "completed"})

    answer = await site.call("PATCH", f"/campaign/{made}", json={"name": "late"}, status=400)

    assert answer["detail"] == "Cannot update a completed campaign"


async def test_an_unknown_key_in_a_changed_rule_changes_nothing(site: Site) -> None:
    campaign = await created(site)
    body = {"name": "other", "circuit_breaker": {"treshold": 0.9}}

    await site.call("PATCH", f"/campaign/{campaign['id']}", json=body, status=422)

    assert (await get(site, campaign["id"]))["name"] == "spring"


# --- list -----------------------------------------------------------------------------------------


async def test_the_list_is_newest_first_and_whole_unless_a_page_is_asked_for(site: Site) -> None:
    made = [await draft(site, [ANSWERED]) for _ in range(5)]
    newest_first = made[::-1]

    for path in ("/campaign", "/campaign/"):
        whole = conforms(await site.call("GET", path), "CampaignsResponse")
        assert [campaign["id"] for campaign in whole["campaigns"]] == newest_first
    second = await site.call("GET", "/campaign?page=2&limit=2")

    assert [campaign["id"] for campaign in second["campaigns"]] == newest_first[2:4]
    counted = {"total_count": 5, "page": 2, "limit": 2, "total_pages": 3}
    assert {name: second[name] for name in counted} == counted
    assert second["campaigns"][0] == await get(site, newest_first[2]), "an entry is what the campaign itself shows"
    assert (await site.call("GET", "/campaign?page=9"))["campaigns"] == []
    for bad in ("page=0", "limit=0", "limit=1001", f"page={2**70}"):
        await site.call("GET", f"/campaign?{bad}", status=422)


async def test_the_list_can_be_narrowed(site: Site) -> None:
    importing = await created(site, name="100%_spring")
    await move(site, importing["id"], "start")
    plain = await draft(site, [ANSWERED])
    running = await draft(site, [ANSWERED])
    await move(site, running, "start")

    async def ids(query: str) -> list[int]:
        return [campaign["id"] for campaign in (await site.call("GET", f"/campaign?{query}"))["campaigns"]]

    assert await ids("state=created") == await ids("state=draft") == [plain]
    assert await ids("state=running") == [running, importing["id"]]
    assert await ids("state=syncing") == [importing["id"]]
    assert await ids("state=created,syncing") == [running, plain, importing["id"]]
    assert await ids("search=SPRING") == [importing["id"]]
    assert await ids("search=%25_") == [importing["id"]], "signs of a pattern stand for themselves"
    assert await ids("search=100_") == []
    (fault,) = (await site.call("GET", "/campaign?state=runing", status=422))["detail"]
    assert "unknown state 'runing'; did you mean 'running'?" in fault["msg"]


async def test_hidden_campaigns_are_in_no_list(site: Site) -> None:
    app = app_of(site)
    hidden = await app.campaigns.create(
        name="single calls",
        agent_id=await app.add_agent(None),
        carrier_id=await app.add_carrier(CALLS),
        policies=(await app.campaigns.get(await draft(site, [ANSWERED]))).policies,
        keep_open=True,
        hidden=True,
    )

    listed = await site.call("GET", "/campaign")

    assert hidden not in [campaign["id"] for campaign in listed["campaigns"]]
    assert listed["total_count"] == 1


# --- other organizations --------------------------------------------------------------------------


async def test_the_campaign_of_another_organization_is_not_there(site: Site) -> None:
    made = await draft(site, [ANSWERED])
    routes = [
        ("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/start"), ("POST", "/pause"), ("POST", "/resume"),
        ("POST", "/cancel"), ("POST", "/close"), ("POST", "/schedule"), ("POST", "/unschedule"), ("POST", "/redial"),
        ("POST", "/duplicate"), ("GET", "/progress"), ("GET", "/source-download-url"),
    ]  # fmt: skip
    body = {"starts_at": "2026-12-01T09:00:00Z"}

    for method, path in routes:
        given = {"json": body} if method in ("POST", "PATCH") else {}
        theirs = await site.call(method, f"/campaign/{made}{path}", of="other", status=404, **given)
        missing = await site.call(method, f"/campaign/4711{path}", of="other", status=404, **given)
        assert theirs["detail"].replace(str(made), "N") == missing["detail"].replace("4711", "N")
    assert (await get(site, made))["state"] == "created"
    assert (await site.call("GET", "/campaign", of="other"))["campaigns"] == []


# --- progress -------------------------------------------------------------------------------------


async def test_progress_answers_in_every_contracts_words_and_adds_up(site: Site) -> None:
    made = await completed(
        site, [BUSY, NO_ANSWER, VOICEMAIL, ANSWERED, "+15005550013"], retry=RetryPolicy(max_retries=0)
    )

    progress = conforms(await site.call("GET", f"/campaign/{made}/progress"), "CampaignProgressResponse")

    wanted = {
        "campaign_id": made, "state": "completed", "status": "completed", "total_rows": 5, "processed_rows": 5,
        "failed_calls": 4, "progress_percentage": 100.0, "rate_limit": 100, "total_contacts": 5, "dialled": 5,
        "pending": 0, "in_progress": 0, "answered": 2, "completed": 1, "failed": 1, "total": 5, "processed": 5,
        "completion_percentage": 100.0, "attempts": 5, "calls": {},
    }  # fmt: skip
    assert {name: progress[name] for name in wanted} == wanted
    assert progress["contacts"]["exhausted"] == 4
    assert progress["dispositions"] == {"answered": 1, "voicemail": 1, "busy": 1, "no_answer": 1, "agent_failed": 1}


async def test_progress_adds_up_at_every_moment(site: Site) -> None:
    made = await draft(site, numbers(60), max_lines=5)
    path = f"/campaign/{made}/progress"
    await move(site, made, "start")

    seen = []
    async with site.working():
        while (progress := await site.call("GET", path))["state"] != "completed":
            seen.append(progress)
    seen.append(progress)

    for each in seen:
        assert each["dialled"] + each["pending"] == each["total_contacts"] == 60
        assert each["answered"] == each["completed"] + each["failed"]
        assert each["in_progress"] <= each["dialled"]
        contacts = dict(each["contacts"])
        assert contacts.pop("total") == sum(contacts.values())
    assert len({each["processed"] for each in seen}) > 2
    assert seen[-1]["dialled"] == 60


async def test_after_cancel_who_was_not_called_was_not_dialled(site: Site) -> None:
    made = await draft(site, numbers(3))
    await move(site, made, "start")
    cancelled = await move(site, made, "cancel")

    progress = conforms(await site.call("GET", f"/campaign/{made}/progress"), "CampaignProgressResponse")

    assert (cancelled["state"], cancelled["status"], cancelled["completed_at"]) == ("cancelled", "cancelled", None)
    assert (progress["dialled"], progress["pending"], progress["contacts"]["skipped"]) == (0, 3, 3)


# --- redial, duplicate ----------------------------------------------------------------------------


async def test_a_redial_calls_those_of_the_outcomes_asked_for(site: Site) -> None:
    once = RetryPolicy(max_retries=0)
    parent = await completed(site, [BUSY, NO_ANSWER, VOICEMAIL, ANSWERED], retry=once, max_lines=3)

    dograh = await move(site, parent, "redial", json={"retry_on_voicemail": False})
    sysevo = await move(site, parent, "redial", json={"name": "again", "redial_statuses": ["no_answer", "busy"]})
    plain = await move(site, parent, "redial")

    assert [child["total_rows"] for child in (dograh, sysevo, plain)] == [2, 2, 3]
    assert (dograh["name"], sysevo["name"]) == ("test (Redial)", "again")
    assert {child["parent_campaign_id"] for child in (dograh, sysevo, plain)} == {parent}
    assert (dograh["state"], dograh["max_concurrency"], dograh["retry_config"]["max_retries"]) == ("created", 3, 0)
    assert dograh["source_sync"]["status"] == "completed"
    assert (await get(site, parent))["redialed_campaign_id"] == plain["id"]
    await move(site, dograh["id"], "start")
    async with site.working():
        done = await site.until(f"/campaign/{dograh['id']}", {"state": "completed"})
    assert done["executed_count"] == 2


async def test_a_redial_may_have_retries_of_its_own(site: Site) -> None:
    parent = await completed(site, [BUSY], retry=RetryPolicy(max_retries=0))

    child = await move(site, parent, "redial", json={"retry_config": {"max_retries": 4}, "note": "x"})

    assert child["retry_config"]["max_retries"] == 4
    assert child["warnings"] == ["unknown field 'note'" + child["warnings"][0].removeprefix("unknown field 'note'")]


async def test_a_redial_of_nobody_is_refused(site: Site) -> None:
    parent = await completed(site, [ANSWERED])
    off = {"retry_on_voicemail": False, "retry_on_no_answer": False, "retry_on_busy": False}

    assert await refused_in(site, parent, "redial") == "No subscribers match the selected redial criteria"
    await move(site, parent, "redial", json=off, status=422)
    assert len((await site.call("GET", "/campaign"))["campaigns"]) == 1


async def test_a_redial_that_is_repeated_is_one(site: Site) -> None:
    parent = await completed(site, [BUSY], retry=RetryPolicy(max_retries=0))
    again = {"headers": {"Idempotency-Key": "redial-7"}, "json": {}}
    first = await move(site, parent, "redial", **again)
    async with site.server.database.connection() as connection:
        await connection.execute("DELETE FROM idempotent_request")

    assert (await move(site, parent, "redial", **again))["id"] == first["id"]


async def test_a_duplicate_is_a_draft_with_the_same_settings_and_contacts(site: Site) -> None:
    original = await completed(site, [BUSY, ANSWERED], retry=RetryPolicy(max_retries=0), max_lines=4)

    copy = await move(site, original, "duplicate", json={"name": "spring again"})

    assert (copy["name"], copy["state"], copy["total_rows"], copy["max_concurrency"]) == (
        "spring again",
        "created",
        2,
        4,
    )
    assert copy["parent_campaign_id"] is None


# --- source ---------------------------------------------------------------------------------------


async def test_the_contacts_file_can_be_downloaded(site: Site) -> None:
    campaign = await created(site)

    link = await site.call("GET", f"/campaign/{campaign['id']}/source-download-url")

    assert conforms(link, "CampaignSourceDownloadResponse")["expires_in"] == 900
    assert (await site.http.get(link["download_url"])).text == CSV


async def test_a_campaign_without_a_file_has_none_to_download(site: Site) -> None:
    body = await least(site)
    body.pop("source_id")
    campaign = await site.call("POST", CREATE, json=body | {"keep_open": True})

    answer = await site.call("GET", f"/campaign/{campaign['id']}/source-download-url", status=400)

    assert answer["detail"] == f"Campaign {campaign['id']} was not made of a contacts file"


# --- large files ----------------------------------------------------------------------------------


async def test_a_large_file_is_looked_through_while_others_are_answered(site: Site) -> None:
    agent = {"name": "caller", "greeting": "Hello {{name}}."}
    rows = "".join(f"+1212{2_000_000 + i},x\n" for i in range(200_000))
    body = await least(site, f"phone_number,name\n{rows}", agent=agent)
    making = asyncio.create_task(site.call("POST", CREATE, json=body, timeout=60))

    slowest, asked = 0.0, 0
    while not making.done():
        began = asyncio.get_running_loop().time()
        await site.call("GET", "/campaign")
        slowest = max(slowest, asyncio.get_running_loop().time() - began)
        asked += 1

    assert (await making)["state"] == "created"
    assert asked > 5
    assert slowest < 0.5
