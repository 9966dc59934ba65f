"""A campaign's log and its rejected rows over HTTP."""

from __future__ import annotations

import csv
import io

import pytest
from people import app_of, draft, imported, numbers
from site_of import Site

pytestmark = pytest.mark.asyncio

BAD_ROWS = "phone_number,name\nnonsense,Ana\n+12122000000,Ben\n12,=1+1\n+12122000000,Twin\n"


async def test_the_log_goes_back_page_by_page(site: Site) -> None:
    campaign = await draft(site, numbers(2))
    await app_of(site).campaigns.start(campaign)
    await app_of(site).campaigns.pause(campaign, "lunch")

    newest = await site.call("GET", f"/campaign/{campaign}/log", params={"limit": 3})
    older = await site.call("GET", f"/campaign/{campaign}/log", params={"limit": 3, "before": newest["next"]})

    assert [entry["event"] for entry in newest["entries"]] == [
        "campaign.paused", "campaign.running", "contacts.imported",
    ]  # fmt: skip
    assert [entry["event"] for entry in older["entries"]] == ["campaign.created"]
    assert older["next"] is None
    paused = newest["entries"][0]
    assert (paused["level"], paused["message"], paused["details"]) == ("info", "paused: lunch", None)
    assert paused["at"].endswith(("Z", "+00:00"))


async def test_what_is_done_by_hand_is_in_the_log(site: Site) -> None:
    campaign = await draft(site, [])
    path = f"/campaign/{campaign}/contacts"
    added = await site.call("POST", path, json={"phone_number": numbers(1)[0]})
    contact = added["results"][0]["contact_id"]
    await site.call("DELETE", f"{path}/{contact}")
    await site.call("DELETE", f"{path}/{contact}")
    await site.call("POST", f"{path}/restore", json={"contact_ids": [contact]})
    await site.call("POST", f"{path}/{contact}/call-now")

    log = await site.call("GET", f"/campaign/{campaign}/log")

    assert [(entry["event"], entry["message"]) for entry in reversed(log["entries"][:-1])] == [
        ("contacts.added", "1 added by hand"),
        ("contacts.removed", "1 removed by hand"),
        ("contacts.restored", "1 restored by hand"),
        ("contacts.called", f"contact {contact} is to be called now"),
    ]


async def test_rejects_come_in_pages_over_all_files(site: Site) -> None:
    campaign = await draft(site, BAD_ROWS)
    await imported(site, campaign, "phone_number\nworse\n")

    first = await site.call("GET", f"/campaign/{campaign}/rejects", params={"limit": 3})
    second = await site.call("GET", f"/campaign/{campaign}/rejects", params={"limit": 3, "after": first["next"]})

    assert [(r["row"], r["field"], r["value"]) for r in first["rejects"]] == [
        (2, "phone_number", "nonsense"), (4, "phone_number", "12"), (5, "phone_number", "+12122000000"),
    ]  # fmt: skip
    assert first["rejects"][2]["reason"] == "the same number as row 3"
    assert [(r["row"], r["value"]) for r in second["rejects"]] == [(2, "worse")]
    assert second["next"] is None


async def test_the_file_of_rejects_is_streamed_whole(site: Site) -> None:
    many = "phone_number\n" + "\n".join(f"=bad {i}" for i in range(2500)) + "\n"
    campaign = await draft(site, many)

    answer = await site.call("GET", f"/campaign/{campaign}/rejects", params={"format": "csv"})

    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == f'attachment; filename="campaign_{campaign}_rejects.csv"'
    heading, *rows = csv.reader(io.StringIO(answer.text))
    assert heading == ["row", "field", "value", "reason", "fix"]
    assert [int(row[0]) for row in rows] == list(range(2, 2502))
    assert rows[0][2] == "'=bad 0", "a spreadsheet would run it"


async def test_a_campaign_without_rejects_has_an_empty_page_and_a_file_of_headings(site: Site) -> None:
    campaign = await draft(site, numbers(1))

    page = await site.call("GET", f"/campaign/{campaign}/rejects")
    file = await site.call("GET", f"/campaign/{campaign}/rejects", params={"format": "csv"})

    assert page == {"rejects": [], "next": None}
    assert file.text == "row,field,value,reason,fix\r\n"


async def test_positions_that_make_no_sense_are_refused(site: Site) -> None:
    campaign = await draft(site, [])

    for after in ("x", "1", "1-", f"{2**63}-1", "1-9999999999999999999"):
        answer = await site.call("GET", f"/campaign/{campaign}/rejects", params={"after": after}, status=400)
        assert answer["detail"] == f"after: '{after}' is no position; take it from the page before"
    await site.call("GET", f"/campaign/{campaign}/log", params={"before": 0}, status=422)
    await site.call("GET", f"/campaign/{campaign}/rejects", params={"format": "xml"}, status=422)


async def test_another_organization_reads_neither(site: Site) -> None:
    campaign = await draft(site, BAD_ROWS)

    await site.call("GET", f"/campaign/{campaign}/log", of="other", status=404)
    await site.call("GET", f"/campaign/{campaign}/rejects", of="other", status=404)
    await site.call("GET", f"/campaign/{campaign}/rejects?format=csv", of="other", status=404)
