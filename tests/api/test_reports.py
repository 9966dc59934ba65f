"""Reports over HTTP: Dograh's columns, our own, days, and that they are streams."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime
from typing import Any

import pytest
from people import app_of, completed, draft, numbers, started
from published import conforms
from site_of import CALLS, Site

from dialplane.core.retry import RetryPolicy

pytestmark = pytest.mark.asyncio

BUSY, ANSWERED, BUSY_ONCE = "+15005550001", "+15005550006", "+15005550021"
ONCE = RetryPolicy(max_retries=0)
AT_ONCE = RetryPolicy(delay_seconds=0)
ASKS = {
    "name": "asks",
    "greeting": "Hello {{name}}.",
    "steps": [{"say": "Is this a good time?", "gather": "good_time", "expect": ["yes"]}],
}
TALKS = CALLS | {"answers": {"expected": 1}, "talk_seconds": 0.6}
DOGRAH = [
    "Run ID", "Campaign ID", "Agent ID", "Agent Definition ID", "Created At", "Phone Number", "Call Disposition",
    "Call Duration (s)",
]  # fmt: skip
END = ["Call Tags", "Transcript URL", "Recording URL", "Contact", "Outcome", "Summary"]


async def report(site: Site, path: str, **params: Any) -> list[dict[str, str]]:
    answer = await site.call("GET", path, params=params or None)
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


async def headings(site: Site, path: str, **params: Any) -> list[str]:
    return next(csv.reader(io.StringIO((await site.call("GET", path, params=params or None)).text, newline="")))


async def write(site: Site, statement: str, *values: Any) -> None:
    async with app_of(site).database.connection() as connection:
        await connection.execute(statement, *values)


# --- Dograh's columns -----------------------------------------------------------------------------


async def test_the_report_is_a_download_in_dograhs_columns_then_ours(site: Site) -> None:
    campaign = await completed(
        site, f"phone_number,external_id,name,City\n{ANSWERED},x-1,Ana,Bonn\n", agent=ASKS, carrier=TALKS, retry=ONCE
    )
    (run,) = (await site.call("GET", f"/campaign/{campaign}/runs"))["runs"]

    answer = await site.call("GET", f"/campaign/{campaign}/report")

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="campaign_{campaign}_report.csv"'
    assert await headings(site, f"/campaign/{campaign}/report") == [*DOGRAH, "good_time", *END, "name", "City"]
    (row,) = csv.DictReader(io.StringIO(answer.text, newline=""))
    assert [row[name] for name in DOGRAH] == [
        str(run["id"]),
        str(campaign),
        str(run["workflow_id"]),
        str(run["definition_id"]),
        datetime.fromisoformat(run["created_at"]).isoformat(timespec="milliseconds"),
        ANSWERED,
        "answered",
        "1",
    ]
    assert (row["good_time"], row["name"], row["City"]) == ("yes", "Ana", "Bonn")
    assert (row["Call Tags"], row["Recording URL"], row["Contact"], row["Outcome"]) == ("", "", "x-1", "answered")
    assert row["Summary"].startswith("agent: Hello Ana. / agent: Is this a good time? / contact: ")
    text = await site.http.get(row["Transcript URL"], follow_redirects=True)
    assert text.text.startswith("[0.0] agent: Hello Ana.")


async def test_every_ended_run_is_a_row_newest_first_and_nobody_answered_is_0_seconds(site: Site) -> None:
    campaign = await completed(site, [BUSY_ONCE], retry=AT_ONCE)

    second, first = await report(site, f"/campaign/{campaign}/report")

    assert int(second["Run ID"]) > int(first["Run ID"])
    assert (first["Call Disposition"], first["Call Duration (s)"], first["Call Tags"]) == (
        "busy",
        "0",
        "telephony_busy",
    )
    assert (first["Transcript URL"], first["Summary"], first["Contact"]) == ("", "", BUSY_ONCE)
    assert second["Call Disposition"] == "answered"


async def test_a_call_in_progress_and_who_was_never_called_are_no_rows(site: Site) -> None:
    campaign = await started(site, numbers(3), carrier=CALLS | {"talk_seconds": 1}, retry=ONCE, max_lines=1)
    path = f"/campaign/{campaign}"

    async with site.working():
        await site.until(f"{path}/runs?ended=true", {"total_count": 1})
        rows = await report(site, f"{path}/report")
        own = await report(site, f"{path}/report", format="dialplane")
        await app_of(site).campaigns.cancel(campaign)

    assert [row["Outcome"] for row in rows] == ["answered"]
    assert len(own) == 3


async def test_a_report_without_a_run_has_its_headings(site: Site) -> None:
    campaign = await draft(site, "phone_number,name\n+12122000000,Ana\n", agent=ASKS)

    assert await headings(site, f"/campaign/{campaign}/report") == [*DOGRAH, "good_time", *END, "name"]
    assert await report(site, f"/campaign/{campaign}/report") == []


async def test_a_date_covers_its_day_and_instants_are_inclusive(site: Site) -> None:
    one, two, three = numbers(3)
    campaign = await completed(site, [one, two, three], retry=ONCE)
    for number, at in (
        (one, "2026-03-01T00:00:00+00:00"),
        (two, "2026-03-01T23:59:59.9+00:00"),
        (three, "2026-03-02T09:00:00+00:00"),
    ):
        at_instant = datetime.fromisoformat(at)
        await write(site, "UPDATE attempt SET created_at = $2 WHERE to_number = $1", number, at_instant)
    path = f"/campaign/{campaign}/report"

    async def found(**params: Any) -> set[str]:
        return {row["Phone Number"] for row in await report(site, path, **params)}

    assert await found(start_date="2026-03-01", end_date="2026-03-01") == {one, two}
    assert await found(start_date="2026-03-02T09:00:00Z", end_date="2026-03-02T09:00:00Z") == {three}
    assert await found(start_date="2026-03-01T00:00:00.001") == {two, three}
    assert await found(end_date="2026-03-02T00:59:59+01:00") == {one}
    assert {row["Phone Number"] for row in await report(site, f"{path}?end_date=2026-03-02T00:59:59+01:00")} == {one}
    for wrong in ("soon", "2026-02-30", "0001-01-01", "2026-03-01T25:00"):
        await site.call("GET", path, params={"start_date": wrong}, status=422)
        await site.call("GET", path, params={"end_date": wrong}, status=422)


async def test_cells_that_a_spreadsheet_would_run_are_defused_and_numbers_stay_plain(site: Site) -> None:
    text = f'phone_number,external_id,name,=cmd\n{BUSY},"=1+1","@SUM(A1)",-2\n'
    campaign = await completed(site, text, agent=ASKS, retry=ONCE)
    await write(site, """UPDATE attempt SET gathered = '{"good_time": "+1+1", "summary": "=2"}'""")

    (row,) = await report(site, f"/campaign/{campaign}/report")

    assert (row["Phone Number"], row["Contact"], row["name"], row["'=cmd"]) == (BUSY, "'=1+1", "'@SUM(A1)", "'-2")
    assert (row["good_time"], row["Summary"]) == ("'+1+1", "'=2")


async def test_an_agents_own_word_for_a_call_and_its_summary_have_columns_where_they_are_fields(site: Site) -> None:
    asks = {"name": "a", "steps": [{"say": "So?", "gather": "label"}, {"say": "Well?", "gather": "summary"}]}
    campaign = await completed(site, [BUSY, ANSWERED], agent=asks, retry=ONCE)
    await write(site, "UPDATE attempt SET gathered = NULL, label = 'booked', summary = 'On Tuesday.'")
    await write(site, """UPDATE attempt SET gathered = '{"label": "no"}' WHERE to_number = $1""", BUSY)

    rows = await report(site, f"/campaign/{campaign}/report", format="dialplane")

    told = {row["to_number"]: (row["label"], row["summary"]) for row in rows}
    assert told == {BUSY: ("no", "On Tuesday."), ANSWERED: ("booked", "On Tuesday.")}


async def test_what_earlier_versions_of_the_agent_gathered_keeps_its_column(site: Site) -> None:
    one = {"name": "a", "steps": [{"say": "One?", "gather": "one"}]}
    campaign = await completed(site, [BUSY_ONCE], agent=one, retry=AT_ONCE)
    await app_of(site).add_agent({"name": "a", "steps": [{"say": "Two?", "gather": "two"}]})
    unused = await headings(site, f"/campaign/{campaign}/report")
    await write(site, "UPDATE attempt SET agent_version = 2 WHERE number = 2")

    both = await headings(site, f"/campaign/{campaign}/report")

    assert unused[8:9] == ["one"]
    assert both[8:10] == ["two", "one"]
    assert (await headings(site, f"/campaign/{campaign}/report", format="dialplane"))[-2:] == ["two", "one"]


async def test_names_that_are_taken_are_told_apart(site: Site) -> None:
    agent = {"name": "a", "steps": [{"say": "Where?", "gather": "city"}, {"say": "So?", "gather": "Outcome"}]}
    campaign = await draft(site, f"phone_number,city,Summary\n{BUSY},Bonn,x\n", agent=agent)

    found = await headings(site, f"/campaign/{campaign}/report")

    assert found == [*DOGRAH, "city", "gathered.Outcome", *END, "contact.city", "contact.Summary"]


async def test_a_long_conversation_is_cut_in_the_summary(site: Site) -> None:
    campaign = await completed(site, [ANSWERED], retry=ONCE)
    said = [{"speaker": "agent", "text": "so " * 200, "at_seconds": 0}]
    await write(site, "UPDATE attempt SET transcript = $1", said)

    (row,) = await report(site, f"/campaign/{campaign}/report")

    assert len(row["Summary"]) == 300
    assert row["Summary"].endswith("…")


# --- our own --------------------------------------------------------------------------------------


async def test_our_own_report_is_that_of_the_command_line(site: Site, tmp_path: Any) -> None:
    campaign = await completed(site, f"phone_number,name\n{ANSWERED},Ana\n{BUSY},Ben\n", agent=ASKS, retry=ONCE)
    await app_of(site).reports.write(campaign, tmp_path / "report.csv")

    answer = await site.call("GET", f"/campaign/{campaign}/report", params={"format": "dialplane"})

    assert answer.content == (tmp_path / "report.csv").read_bytes()
    assert (await headings(site, f"/campaign/{campaign}/report", format="dialplane"))[:3] == [
        "contact_id", "external_id", "to_number",
    ]  # fmt: skip
    refused = await site.call(
        "GET", f"/campaign/{campaign}/report", params={"format": "dialplane", "end_date": "2026-01-01"}, status=400
    )
    assert refused["detail"].startswith("start_date and end_date choose among runs")
    await site.call("GET", f"/campaign/{campaign}/report", params={"format": "xlsx"}, status=422)


async def test_a_report_of_several_pages_has_every_run_once_whatever_the_format(site: Site) -> None:
    campaign = await draft(site, numbers(2_300))
    await write(
        site,
        """
        INSERT INTO attempt (organization_id, uuid, campaign_id, contact_id, number, carrier_id, number_id, from_number,
            to_number, agent_id, agent_version, state, worker_id, created_at, send_at, send_before, deadline_at,
            answered_at, ended_at, disposition)
        SELECT c.organization_id, c.uuid, c.campaign_id, c.id, 1, m.carrier_id, 1, '+15005550100', c.to_number,
            m.agent_id, 1, 'ended', c.uuid, m.created_at, m.created_at, m.created_at, m.created_at,
            m.created_at, m.created_at + interval '2 s', 'answered'
        FROM contact c JOIN campaign m ON m.id = c.campaign_id WHERE c.campaign_id = $1 ORDER BY c.id
        """,
        campaign,
    )

    rows = await report(site, f"/campaign/{campaign}/report")
    own = await report(site, f"/campaign/{campaign}/report", format="dialplane")
    workflow = await report(site, f"/workflow/{rows[0]['Agent ID']}/report")

    assert [row["Phone Number"] for row in rows] == numbers(2_300)[::-1]
    assert {row["Call Duration (s)"] for row in rows} == {"2"}
    assert [row["to_number"] for row in own] == numbers(2_300)
    assert [row["Run ID"] for row in workflow] == [row["Run ID"] for row in rows]


async def test_a_client_that_leaves_in_the_middle_leaves_no_connection_behind(site: Site) -> None:
    campaign = await draft(site, "phone_number,note\n" + "".join(f"{n},{'x' * 2000}\n" for n in numbers(3_000)))
    headers = {"X-API-Key": site.keys["default"]}
    url = f"/api/v1/campaign/{campaign}/report?format=dialplane"

    for _ in range(12):  # more than the database has connections
        async with site.http.stream("GET", url, headers=headers) as answer:
            async for _ in answer.aiter_bytes():
                break

    assert len(await report(site, f"/campaign/{campaign}/report", format="dialplane")) == 3_000


# --- of a workflow, of the organization, of a day -------------------------------------------------


async def test_a_workflows_report_has_the_runs_and_columns_of_all_its_campaigns(site: Site) -> None:
    first = await completed(site, f"phone_number,name\n{BUSY},Ana\n", agent=ASKS, retry=ONCE)
    second = await completed(site, f"phone_number,name,City\n{ANSWERED},Ben,Bonn\n", agent=ASKS, retry=ONCE)
    await completed(site, numbers(1), agent={"name": "another", "greeting": "Hello"}, retry=ONCE)
    workflow = (await app_of(site).campaigns.get(first)).agent_id

    answer = await site.call("GET", f"/workflow/{workflow}/report")
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))

    assert answer.headers["content-disposition"] == f'attachment; filename="workflow_{workflow}_report.csv"'
    assert list(rows[0]) == [*DOGRAH, "good_time", *END, "name", "City"]
    assert [(row["Campaign ID"], row["Phone Number"], row["name"], row["City"]) for row in rows] == [
        (str(second), ANSWERED, "Ben", "Bonn"),
        (str(first), BUSY, "Ana", ""),
    ]
    assert await report(site, f"/workflow/{workflow}/report", end_date="2020-01-01") == []


async def test_the_usage_report_has_the_runs_that_the_usage_list_has(site: Site) -> None:
    first = await completed(site, [BUSY, ANSWERED], retry=ONCE)
    await completed(site, numbers(1), retry=ONCE)
    wanted = json.dumps([{"attribute": "campaignId", "type": "number", "value": {"value": first}}])
    busy = json.dumps([{"attribute": "dispositionCode", "type": "multiSelect", "value": {"codes": ["busy"]}}])

    everything = await report(site, "/organizations/usage/runs/report")

    assert list(everything[0]) == [*DOGRAH, *END]
    assert len(everything) == 3
    of_first = await report(site, "/organizations/usage/runs/report", filters=wanted)
    assert {row["Phone Number"] for row in of_first} == {BUSY, ANSWERED}
    assert [row["Outcome"] for row in await report(site, "/organizations/usage/runs/report", filters=busy)] == ["busy"]


async def test_a_day_is_that_of_the_zone_and_lists_every_run(site: Site) -> None:
    one, two, three = numbers(3)
    campaign = await completed(site, [one, two, three], retry=ONCE)
    for number, at in (
        # The clock went forward in Berlin: that day was 23 hours long.
        (one, "2026-03-28T23:00:00+00:00"),
        (two, "2026-03-29T21:59:59.999999+00:00"),
        (three, "2026-03-29T22:00:00+00:00"),
    ):
        at_instant = datetime.fromisoformat(at)
        await write(
            site,
            "UPDATE attempt SET created_at = $2, answered_at = $2, ended_at = $2::timestamptz + interval '3 s'"
            " WHERE to_number = $1",
            number,
            at_instant,
        )
    record = await app_of(site).campaigns.get(campaign)

    async def day(date: str, timezone: str, **params: Any) -> list[dict[str, Any]]:
        path = "/organizations/reports/daily/runs"
        return await site.call("GET", path, params={"date": date, "timezone": timezone, **params})

    runs = await day("2026-03-29", "Europe/Berlin")
    assert {run["phone_number"] for run in runs} == {one, two}
    first = conforms(runs[0], "WorkflowRunDetail")
    assert (first["disposition"], first["duration_seconds"], first["workflow_name"]) == (
        "answered",
        3,
        record.agent_name,
    )
    assert {run["phone_number"] for run in await day("2026-03-29", "UTC")} == {two, three}
    assert await day("2026-03-29", "UTC", workflow_id=record.agent_id + 1) == []
    assert await day("2026-03-27", "UTC") == []
    for wrong in ({"date": "today", "timezone": "UTC"}, {"date": "2026-02-30", "timezone": "UTC"}):
        await site.call("GET", "/organizations/reports/daily/runs", params=wrong, status=422)
    refused = await site.call(
        "GET", "/organizations/reports/daily/runs?date=2026-03-29&timezone=Mars/Olympus", status=422
    )
    assert "Invalid timezone: Mars/Olympus" in refused["detail"][0]["msg"]


# --- who may have them ----------------------------------------------------------------------------


async def test_reports_of_another_organization_are_not_there(site: Site) -> None:
    campaign = await completed(site, [BUSY], retry=ONCE)
    workflow = (await app_of(site).campaigns.get(campaign)).agent_id

    for path in (
        f"/campaign/{campaign}/report",
        f"/campaign/{campaign}/report?format=dialplane",
        f"/workflow/{workflow}/report",
        "/campaign/4711/report",
    ):
        await site.call("GET", path, of="other", status=404)
    assert (
        await report(
            site,
            "/organizations/usage/runs/report",
        )
        != []
    )
    answer = await site.call("GET", "/organizations/usage/runs/report", of="other")
    assert len(answer.text.splitlines()) == 1
    assert (await site.http.get(f"/api/v1/campaign/{campaign}/report")).status_code == 401
