"""Runs over HTTP: lists, filters, one run whole, what was used."""

from __future__ import annotations

import json
from datetime import datetime
from hashlib import md5
from typing import Any

import pytest
from people import app_of, completed, draft, numbers, started
from published import conforms
from site_of import CALLS, Site

from dialplane.core.retry import RetryPolicy
from dialplane.engine.keys import Role

pytestmark = pytest.mark.asyncio

BUSY, NO_ANSWER, VOICEMAIL, ANSWERED, CARRIER_FAILED, BUSY_ONCE = (f"+1500555{n:04d}" for n in (1, 2, 3, 6, 7, 21))
EVERY_KIND = [BUSY, NO_ANSWER, VOICEMAIL, ANSWERED, CARRIER_FAILED]
ASKS = {
    "name": "asks",
    "greeting": "Hello {{name}}.",
    "steps": [{"say": "Is this a good time?", "gather": "good_time", "expect": ["yes"]}],
}
TALKS = CALLS | {"answers": {"expected": 1}, "talk_seconds": 0.6}
ONCE = RetryPolicy(max_retries=0)
AT_ONCE = RetryPolicy(delay_seconds=0)


async def runs_of(site: Site, campaign: int, **params: Any) -> dict[str, Any]:
    answer = await site.call("GET", f"/campaign/{campaign}/runs", params=params)
    return conforms(answer, "CampaignRunsResponse")


async def called(site: Site, campaign: int, *criteria: dict[str, Any], **params: Any) -> list[str]:
    """The numbers of the runs that pass."""
    if criteria:
        params["filters"] = json.dumps(criteria)
    answer = await runs_of(site, campaign, **params)
    assert answer["total_count"] == len(answer["runs"])
    return [run["initial_context"]["called_number"] for run in answer["runs"]]


def criterion(attribute: str, **value: Any) -> dict[str, Any]:
    return {"attribute": attribute, "type": "any", "value": value}


async def set_attempts(site: Site, assignment: str, **values: Any) -> None:
    """By hand, number by number: `assignment` is SQL with the value as $2."""
    async with app_of(site).database.connection() as connection:
        for number, value in values.items():
            await connection.execute(f"UPDATE attempt SET {assignment} WHERE to_number = $1", number, value)


async def agent_of(site: Site, campaign: int) -> int:
    return (await app_of(site).campaigns.get(campaign)).agent_id


# --- what a run says ------------------------------------------------------------------------------


async def test_a_run_in_a_list_says_who_was_called_and_what_became_of_it(site: Site) -> None:
    campaign = await completed(
        site, f"phone_number,external_id,name\n{ANSWERED},x-1,Ana\n", agent=ASKS, carrier=TALKS, retry=ONCE
    )

    page = await runs_of(site, campaign)

    (run,) = page["runs"]
    conforms(run, "WorkflowRunResponseSchema")
    record = await app_of(site).campaigns.get(campaign)
    source = md5((record.file.key if record.file else "").encode()).hexdigest()[:8]
    assert (page["total_count"], page["page"], page["limit"], page["total_pages"]) == (1, 1, 50, 1)
    assert run["name"] == f"WR-CAMPAIGN-{campaign}-{run['contact_id']}"
    assert (run["workflow_id"], run["mode"], run["call_type"]) == (record.agent_id, "simulated", "outbound")
    assert (run["is_completed"], run["status"], run["state"], run["disposition"]) == (
        True, "completed", "ended", "answered",
    )  # fmt: skip
    assert run["initial_context"] == {
        "name": "Ana",
        "phone_number": ANSWERED,
        "campaign_id": campaign,
        "provider": "simulated",
        "source_uuid": f"csv_{source}_row_2",
        "caller_number": "+15005550100",
        "called_number": ANSWERED,
        "direction": "outbound",
        "telephony_configuration_id": record.carrier_id,
    }
    assert run["gathered_context"] | {"call_id": ""} == {
        "call_tags": [],
        "call_disposition": "answered",
        "mapped_call_disposition": "answered",
        "call_id": "",
        "extracted_variables": {"good_time": "yes"},
        "error": None,
    }
    assert run["gathered_context"]["call_id"].startswith("sim-")
    assert run["cost_info"] == {"dograh_token_usage": 0, "call_duration_seconds": 1}
    assert run["talk_seconds"] == pytest.approx(0.6, abs=0.3)
    assert (run["transcript_url"], run["recording_url"]) == (f"transcripts/{run['id']}.txt", None)
    assert (run["sip_status"], run["cause"], run["external_id"], run["attempt"]) == (
        200,
        "normal call clearing",
        "x-1",
        1,
    )
    for left_out in ("usage_info", "logs", "public_access_token", "transcript_public_url", "transcript"):
        assert run[left_out] is None, left_out
    instants = [
        datetime.fromisoformat(run[f"{name}_at"]) for name in ("created", "placed", "ringing", "answered", "ended")
    ]
    assert instants == sorted(instants)
    assert all(at.utcoffset() is not None for at in instants)


async def test_one_run_has_transcript_events_and_links_that_need_no_key(site: Site) -> None:
    campaign = await completed(site, f"phone_number,name\n{ANSWERED},Ana\n", agent=ASKS, carrier=TALKS, retry=ONCE)
    ((listed,), workflow) = ((await runs_of(site, campaign))["runs"], await agent_of(site, campaign))

    run = conforms(await site.call("GET", f"/workflow/{workflow}/runs/{listed['id']}"), "WorkflowRunResponseSchema")

    assert [said["text"] for said in run["transcript"]][:2] == ["Hello Ana.", "Is this a good time?"]
    assert [said["speaker"] for said in run["transcript"]] == ["agent", "agent", "contact"]
    assert [event["event"] for event in run["logs"]["events"]] == ["created", "placed", "ringing", "answered", "ended"]
    assert run["usage_info"] == {"llm": {}, "tts": {}, "stt": {}, "call_duration_seconds": 1}
    assert run["recording_public_url"] is None
    assert run["transcript_public_url"] == (
        f"{site.url}/api/v1/public/download/workflow/{run['public_access_token']}/transcript"
    )
    text = await site.http.get(run["transcript_public_url"], follow_redirects=True)
    assert (text.status_code, text.text.splitlines()[0]) == (200, "[0.0] agent: Hello Ana.")


async def test_an_unanswered_run_has_no_seconds_and_no_transcript(site: Site) -> None:
    campaign = await completed(site, [BUSY], retry=ONCE)

    (run,) = (await runs_of(site, campaign))["runs"]

    assert run["cost_info"]["call_duration_seconds"] == 0
    assert (run["talk_seconds"], run["transcript_url"], run["answered_at"]) == (0, None, None)
    assert run["gathered_context"]["call_tags"] == ["telephony_busy"]
    assert run["gathered_context"]["extracted_variables"] == {}


async def test_a_retry_names_its_reason(site: Site) -> None:
    campaign = await completed(site, [BUSY_ONCE], retry=AT_ONCE)

    second, first = (await runs_of(site, campaign))["runs"]

    assert (first["attempt"], second["attempt"]) == (1, 2)
    assert "is_retry" not in first["initial_context"]
    assert {name: second["initial_context"][name] for name in ("is_retry", "retry_attempt", "retry_reason")} == {
        "is_retry": True, "retry_attempt": 1, "retry_reason": "busy",
    }  # fmt: skip
    source = first["initial_context"]["source_uuid"]
    assert second["initial_context"]["source_uuid"] == f"{source}_retry_1"
    assert first["contact_id"] == second["contact_id"]


async def test_tags_tell_the_end_in_the_contracts_words(site: Site) -> None:
    campaign = await completed(site, EVERY_KIND, retry=ONCE)

    runs = (await runs_of(site, campaign))["runs"]

    contexts = {run["initial_context"]["called_number"]: run["gathered_context"] for run in runs}
    assert {number: context["call_tags"] for number, context in contexts.items()} == {
        BUSY: ["telephony_busy"],
        NO_ANSWER: ["telephony_no-answer"],
        VOICEMAIL: ["voicemail_detected"],
        ANSWERED: [],
        CARRIER_FAILED: ["telephony_failed"],
    }
    assert contexts[CARRIER_FAILED]["error"] in ("temporary failure", "no circuit available")
    assert {context["error"] for number, context in contexts.items() if number != CARRIER_FAILED} == {None}


async def test_a_call_in_progress_is_a_run_without_an_end(site: Site) -> None:
    campaign = await started(site, [ANSWERED], carrier=CALLS | {"talk_seconds": 3}, retry=ONCE)

    async with site.working():
        path = f"/campaign/{campaign}/runs?ended=false"
        await site.until(path, {"total_count": 1})
        while (run := (await site.call("GET", path))["runs"][0])["state"] != "answered":
            pass
        in_progress = await called(site, campaign, criterion("status", status="in_progress"))
        over = await called(site, campaign, criterion("status", status="completed"))

    assert (run["is_completed"], run["status"], run["disposition"], run["cost_info"]) == (False, "running", None, None)
    assert run["gathered_context"]["call_tags"] == []
    assert (in_progress, over) == ([ANSWERED], [])
    assert await called(site, campaign, criterion("status", status="completed")) == [ANSWERED]


# --- pages and order ------------------------------------------------------------------------------


async def test_pages_are_newest_first_without_gap_or_double(site: Site) -> None:
    campaign = await completed(site, numbers(23), retry=ONCE)

    pages = [await runs_of(site, campaign, page=page, limit=5) for page in range(1, 7)]

    ids = [run["id"] for page in pages for run in page["runs"]]
    assert [len(page["runs"]) for page in pages] == [5, 5, 5, 5, 3, 0]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 23
    assert {(page["total_count"], page["total_pages"]) for page in pages} == {(23, 5)}
    assert [page["page"] for page in pages] == [1, 2, 3, 4, 5, 6]


async def test_ascending_pages_are_the_same_from_the_other_end(site: Site) -> None:
    campaign = await completed(site, numbers(12), retry=ONCE)

    newest = [run["id"] for run in (await runs_of(site, campaign))["runs"]]
    oldest = []
    for page in (1, 2, 3):
        oldest += [r["id"] for r in (await runs_of(site, campaign, sort_order="asc", page=page, limit=5))["runs"]]

    assert oldest == newest[::-1]


async def test_pages_before_a_run_stay_put(site: Site) -> None:
    campaign = await completed(site, numbers(6), retry=ONCE)
    ids = [run["id"] for run in (await runs_of(site, campaign))["runs"]]

    page = await runs_of(site, campaign, before=ids[1], limit=3)

    assert [run["id"] for run in page["runs"]] == ids[2:5]
    assert page["total_count"] == 6


async def test_by_duration_the_longest_comes_first_and_a_call_in_progress_last(site: Site) -> None:
    campaign = await completed(site, [BUSY, *numbers(2)], retry=ONCE)
    one, two = numbers(2)
    await set_attempts(site, "ended_at = answered_at + make_interval(secs => $2)", **{one: 3.0, two: 61.0})

    assert await called(site, campaign, sort_by="duration") == [two, one, BUSY]
    assert await called(site, campaign, sort_by="duration", sort_order="asc") == [BUSY, one, two]
    assert (await runs_of(site, campaign, sort_by="duration", page=2, limit=1))["runs"][0]["talk_seconds"] == 3
    async with app_of(site).database.connection() as connection:
        await connection.execute(
            "UPDATE attempt SET ended_at = NULL, disposition = NULL, state = 'ringing' WHERE to_number = $1", two
        )
    assert await called(site, campaign, sort_by="duration") == [one, BUSY, two]
    assert await called(site, campaign, sort_by="duration", sort_order="asc") == [BUSY, one, two]


async def test_a_page_that_cannot_be_is_refused(site: Site) -> None:
    campaign = await draft(site, numbers(1))

    for query in (
        "page=0", "limit=0", "limit=101", "page=99999999999999999999", "page=x", "before=0", "ended=perhaps",
        "disposition=XFER",
    ):  # fmt: skip
        await site.call("GET", f"/campaign/{campaign}/runs?{query}", status=422)


# --- filters --------------------------------------------------------------------------------------


async def test_disposition_codes_choose(site: Site) -> None:
    campaign = await completed(site, EVERY_KIND, retry=ONCE)
    chosen: list[tuple[list[str], set[str]]] = [
        (["busy"], {BUSY}),
        (["answered", "no_answer"], {ANSWERED, NO_ANSWER}),
        (["telephony_no-answer"], {NO_ANSWER}),
        (["voicemail_detected", "NO-ANSWER"], {VOICEMAIL, NO_ANSWER}),
        (["failed"], {CARRIER_FAILED}),
        (["XFER"], set()),
        ([], set()),
    ]

    for codes, expected in chosen:
        newest = await called(site, campaign, criterion("dispositionCode", codes=codes))
        oldest = await called(site, campaign, criterion("dispositionCode", codes=codes), sort_order="asc")
        assert set(newest) == expected, codes
        assert oldest == newest[::-1], codes


async def test_durations_are_whole_seconds_with_both_ends(site: Site) -> None:
    one, two, three = numbers(3)
    campaign = await completed(site, [BUSY, one, two, three], retry=ONCE)
    await set_attempts(site, "ended_at = answered_at + make_interval(secs => $2)", **{one: 4.4, two: 4.5, three: 60.0})

    assert set(await called(site, campaign, criterion("duration", min=5, max=60))) == {two, three}
    assert set(await called(site, campaign, criterion("duration", max=4))) == {one, BUSY}
    assert set(await called(site, campaign, criterion("duration", min=61))) == set()
    assert len(await called(site, campaign, criterion("duration"))) == 4


async def test_dates_cover_their_whole_day_and_zones_count(site: Site) -> None:
    early, late = numbers(2)
    campaign = await completed(site, [early, late], retry=ONCE)
    await set_attempts(
        site, "created_at = $2", **{early: datetime.fromisoformat("2026-03-01T00:00:00+00:00"),
                                    late: datetime.fromisoformat("2026-03-01T23:59:59.5+00:00")},
    )  # fmt: skip

    def between(start: str | None, end: str | None) -> dict[str, Any]:
        return {"attribute": "dateRange", "type": "dateRange", "value": {"from": start, "to": end}}

    assert set(await called(site, campaign, between("2026-03-01", "2026-03-01"))) == {early, late}
    assert await called(site, campaign, between("2026-03-01T00:00:01", None)) == [late]
    assert await called(site, campaign, between(None, "2026-03-01T01:00:00+01:00")) == [early]
    assert await called(site, campaign, between("2026-03-02", None)) == []


async def test_filters_are_met_together(site: Site) -> None:
    campaign = await completed(site, EVERY_KIND, retry=ONCE)
    talked, busy = criterion("dispositionCode", codes=["answered"]), criterion("dispositionCode", codes=["busy"])

    assert await called(site, campaign, talked, criterion("duration", max=3600)) == [ANSWERED]
    assert await called(site, campaign, talked, busy) == []
    assert await called(site, campaign, talked, disposition="busy") == []
    assert await called(site, campaign, talked, criterion("status", status="completed")) == [ANSWERED]
    assert await called(site, campaign, talked, criterion("status", status="in_progress")) == []
    assert await called(site, campaign, criterion("status", status="completed"), ended=False) == []
    assert set(await called(site, campaign, disposition=["busy", "no_answer"])) == {BUSY, NO_ANSWER}
    assert len(await called(site, campaign, ended=True)) == 5


async def test_nobody_has_used_a_token(site: Site) -> None:
    campaign = await completed(site, [BUSY], retry=ONCE)

    assert await called(site, campaign, criterion("tokenUsage", min=0, max=10)) == [BUSY]
    assert await called(site, campaign, criterion("tokenUsage", min=1)) == []


async def test_filters_that_cannot_be_read_are_refused(site: Site) -> None:
    campaign = await draft(site, numbers(1))

    for filters in (
        "{", "null", '{"attribute": "status"}', '["status"]', '[{"type": "radio"}]', "[" * 5000,
        '[{"attribute": "status", "value": "x"}]', '[{"attribute": 7, "value": {}}]',
        '[{"attribute": "\\ud800", "value": {}}]', '[{"attribute": "duration", "value": {"min": NaN}}]',
    ):  # fmt: skip
        answer = await site.call("GET", f"/campaign/{campaign}/runs", params={"filters": filters}, status=400)
        assert answer == {"detail": "Invalid filter format"}, filters


async def test_a_value_that_makes_no_sense_is_named(site: Site) -> None:
    campaign = await draft(site, numbers(1))
    wrong = {
        'dispositionCode: `codes` must be a list such as ["busy", "no_answer"]': criterion(
            "dispositionCode", codes="busy"
        ),
        'duration: `min` must be a number, not "long"': criterion("duration", min="long"),
        "duration: `max` must be a number, not 1e+300": criterion("duration", max=1e300),
        "status: `status` must be completed or in_progress": criterion("status", status="failed"),
        "dateRange: write an ISO 8601 date or instant, such as 2026-04-01 or 2026-04-01T09:00:00+02:00": criterion(
            "dateRange", **{"from": "soon"}
        ),
        "dateRange: the year must be between 1970 and 9998": criterion("dateRange", to="0001-01-01"),
    }

    for detail, given in wrong.items():
        answer = await site.call(
            "GET", f"/campaign/{campaign}/runs", params={"filters": json.dumps([given])}, status=400
        )
        assert answer["detail"] == f"Invalid filter format: {detail}"


async def test_an_attribute_that_a_list_does_not_have_is_forbidden(site: Site) -> None:
    campaign = await draft(site, numbers(1))
    filters = json.dumps([criterion("callerNumber", value="1")])

    for path in (f"/campaign/{campaign}/runs", f"/workflow/{await agent_of(site, campaign)}/runs"):
        answer = await site.call("GET", path, params={"filters": filters}, status=403)
        assert answer == {"detail": "Invalid attribute 'callerNumber'"}


# --- a workflow's ---------------------------------------------------------------------------------


async def test_a_workflow_lists_the_runs_of_all_its_campaigns(site: Site) -> None:
    first = await completed(site, [BUSY, *numbers(3)], retry=ONCE)
    second = await completed(site, numbers(4), retry=ONCE)
    elsewhere = await completed(site, numbers(1), agent={"name": "another", "greeting": "Hello"}, retry=ONCE)
    workflow = await agent_of(site, first)
    busy = criterion("dispositionCode", codes=["busy"])

    pages = [await site.call("GET", f"/workflow/{workflow}/runs", params={"page": n, "limit": 3}) for n in (1, 2, 3)]
    filtered = await site.call("GET", f"/workflow/{workflow}/runs", params={"filters": json.dumps([busy])})

    runs = [run for page in pages for run in conforms(page, "WorkflowRunsResponse")["runs"]]
    assert [run["id"] for run in runs] == sorted((run["id"] for run in runs), reverse=True)
    assert [run["campaign_id"] for run in runs] == [second] * 4 + [first] * 4
    assert pages[0]["total_count"] == 8
    assert pages[0]["applied_filters"] == []
    assert [run["initial_context"]["called_number"] for run in filtered["runs"]] == [BUSY]
    assert filtered["applied_filters"] == [busy]
    assert (await runs_of(site, elsewhere))["total_count"] == 1


# --- the organization's ---------------------------------------------------------------------------


async def test_usage_adds_up_what_was_talked(site: Site) -> None:
    one, two = numbers(2)
    campaign = await completed(site, [BUSY, one, two], retry=ONCE)
    await set_attempts(site, "ended_at = answered_at + make_interval(secs => $2)", **{one: 4.5, two: 60.2})

    usage = conforms(await site.call("GET", "/organizations/usage/runs", params={"limit": 2}), "UsageHistoryResponse")

    assert (usage["total_count"], usage["total_pages"], len(usage["runs"])) == (3, 2, 2)
    assert (usage["total_duration_seconds"], usage["total_dograh_tokens"]) == (65, 0)
    run = next(r for r in usage["runs"] if r["called_number"] in (one, two))
    assert (run["caller_number"], run["call_type"], run["mode"]) == ("+15005550100", "outbound", "simulated")
    assert (run["disposition"], run["campaign_id"]) == ("answered", campaign)
    assert run["call_duration_seconds"] in (5, 60)
    past = await site.call("GET", "/organizations/usage/runs", params={"page": 9})
    assert (past["runs"], past["total_count"], past["total_duration_seconds"]) == ([], 3, 65)


async def test_usage_is_filtered_by_what_its_list_knows(site: Site) -> None:
    one, two = numbers(2)
    first = await completed(site, [BUSY, one], retry=ONCE)
    second = await completed(site, [two], agent={"name": "another", "greeting": "Hello"}, retry=ONCE)
    (run,) = (await runs_of(site, second))["runs"]

    async def found(*criteria: dict[str, Any], **params: Any) -> set[str]:
        params["filters"] = json.dumps(criteria)
        answer = await site.call("GET", "/organizations/usage/runs", params=params)
        assert answer["total_count"] == len(answer["runs"])
        return {each["called_number"] for each in answer["runs"]}

    assert await found(criterion("campaignId", value=first)) == {BUSY, one}
    assert await found(criterion("workflowId", value=run["workflow_id"])) == {two}
    assert await found(criterion("workflowId", value=run["workflow_id"]), criterion("campaignId", value=first)) == set()
    assert await found(criterion("runId", value=run["id"])) == {two}
    assert await found(criterion("calledNumber", value="500555")) == {BUSY}
    assert await found(criterion("callerNumber", value="+1999")) == set()
    assert await found(criterion("dispositionCode", codes=["busy"])) == {BUSY}
    assert await found(criterion("callDirection", status="inbound")) == set()
    assert await found(criterion("callChannel", status="telephony")) == {BUSY, one, two}
    assert await found(criterion("nothing we know", value=1)) == {BUSY, one, two}
    assert await found(start_date="2999-01-01") == set()
    assert await found(end_date="2999-01-01") == {BUSY, one, two}
    await site.call("GET", "/organizations/usage/runs", params={"start_date": "soon"}, status=422)
    await site.call("GET", "/organizations/usage/runs", params={"filters": "["}, status=400)


# --- who may see them -----------------------------------------------------------------------------


async def test_what_another_organization_has_is_not_there(site: Site) -> None:
    campaign = await completed(site, [BUSY], retry=ONCE)
    workflow = await agent_of(site, campaign)
    (run,) = (await runs_of(site, campaign))["runs"]
    theirs = await completed(site, [ANSWERED], of="other", retry=ONCE)

    for path, detail in (
        (f"/campaign/{campaign}/runs", f"Campaign {campaign} not found"),
        (f"/workflow/{workflow}/runs", "Workflow not found"),
        (f"/workflow/{workflow}/runs/{run['id']}", "Workflow run not found"),
        ("/campaign/4711/runs", "Campaign 4711 not found"),
    ):
        assert await site.call("GET", path, of="other", status=404) == {"detail": detail}
    (their_agent,) = {
        r["workflow_id"] for r in (await site.call("GET", f"/campaign/{theirs}/runs", of="other"))["runs"]
    }
    await site.call("GET", f"/workflow/{their_agent}/runs/{run['id']}", of="other", status=404)
    await site.call("GET", f"/campaign/{2**63}/runs", status=422)
    usage = await site.call(
        "GET", "/organizations/usage/runs", of="other",
        params={"filters": json.dumps([criterion("campaignId", value=campaign)])},
    )  # fmt: skip
    assert (usage["runs"], usage["total_count"]) == ([], 0)


async def test_a_run_belongs_to_its_workflow(site: Site) -> None:
    first = await completed(site, [BUSY], retry=ONCE)
    second = await draft(site, [BUSY], agent={"name": "another", "greeting": "Hello"})
    (run,) = (await runs_of(site, first))["runs"]

    answer = await site.call("GET", f"/workflow/{await agent_of(site, second)}/runs/{run['id']}", status=404)

    assert answer == {"detail": "Workflow run not found"}


async def test_a_viewer_may_look(site: Site) -> None:
    campaign = await draft(site, numbers(1))

    await site.call("GET", f"/campaign/{campaign}/runs", key=await site.join("default", Role.VIEWER))
    answer = await site.http.get(f"/api/v1/campaign/{campaign}/runs")

    assert answer.status_code == 401
