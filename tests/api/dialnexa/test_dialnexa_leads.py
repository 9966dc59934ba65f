"""DialNexa's leads over HTTP: added one by one or by file, changed while pending, removed, called."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from uuid import uuid4

import pytest
from nexa import Nexa
from people import app_of, draft
from site_of import CALLS, Site
from workbooks import Rows, locked_xlsx, xls, xlsx

from dialplane.engine.keys import Role

pytestmark = pytest.mark.asyncio

ANA, BEN, CLEO = "+12122000000", "+12122000001", "+12122000002"
BUSY = "+15005550001"
GREETS = {"name": "greets", "greeting": "Hello {{name}} of {{city}}."}
SLOW = {**CALLS, "ring_seconds": [1.5, 1.5]}


@pytest.fixture
def nexa(site: Site) -> Nexa:
    return Nexa(site)


async def ringing(nexa: Nexa, site: Site, lead: dict[str, Any]) -> None:
    """Until the lead's telephone rings."""
    async with asyncio.timeout(20):
        while (await nexa.call("GET", f"/campaigns-leads/{lead['id']}"))["status"] != "in_progress":
            await asyncio.sleep(0.02)


async def slow_campaign(nexa: Nexa, site: Site) -> Any:
    """Its telephones ring for a while."""
    await app_of(site).telephony.set_default(await app_of(site).add_carrier({"name": "slow", **SLOW}))
    return await nexa.campaign()


# --- one by one -----------------------------------------------------------------------------------


async def test_a_lead_is_added_and_shown(nexa: Nexa) -> None:
    campaign = await nexa.campaign()

    lead = await nexa.lead(
        campaign, "(212) 200-0000", countryCode="+1", name="Ana", notes={"city": "Bonn", "visits": 3, "vip": True}
    )

    assert re.fullmatch(r"lead_[0-9a-f]{32}", lead["id"])
    assert lead | {"id": "", "created_at": ""} == {
        "id": "", "name": "Ana", "phone_number": ANA, "campaign_id": campaign["id"], "status": "pending",
        "reason": None, "notes": {"city": "Bonn", "visits": "3", "vip": "true"}, "attempts": 0, "call_log_id": None,
        "metadata": {"city": "Bonn", "visits": "3", "vip": "true"}, "created_at": "",
    }  # fmt: skip
    assert await nexa.call("GET", f"/campaigns-leads/{lead['id']}") == lead


SPELLINGS = [
    {"phoneNumber": "+12122000000"},
    {"phone_number": "+1 212 200 0000"},
    {"phoneNumber": "0012122000000"},
    {"phoneNumber": "2122000000", "countryCode": "1"},
    {"phone_number": "212-200-0000", "country_code": "001"},
    {"phoneNumber": "12122000000", "countryCode": "+1"},
    {"phoneNumber": "+12122000000", "countryCode": "+1"},
]


async def test_a_number_is_read_in_every_spelling(nexa: Nexa) -> None:
    campaign = await nexa.campaign()

    for fields in SPELLINGS:
        for spelling in ("campaignId", "campaign_id"):
            body = {spelling: campaign["id"], **fields}
            lead = await nexa.call("POST", "/campaigns-leads", json=body, status=201)
            assert lead["phone_number"] == ANA
            await nexa.call("DELETE", f"/campaigns-leads/{lead['id']}")
            campaign = await nexa.campaign()


async def test_the_trunk_prefix_of_a_national_number_is_left_out(nexa: Nexa) -> None:
    lead = await nexa.lead(await nexa.campaign(), "030 23125000", countryCode="+49")

    assert lead["phone_number"] == "+493023125000"


REFUSED: list[tuple[dict[str, Any], object]] = [
    ({}, ["phoneNumber: Field required"]),
    (
        {"phoneNumber": "2122000000"},
        "phoneNumber '2122000000' has no country code: write it with +, such as +919876543210, or give countryCode",
    ),
    ({"phoneNumber": "2122000000", "countryCode": "+999"}, "countryCode '+999' is none: write one such as +91"),
    ({"phoneNumber": "2122000000", "countryCode": "IN"}, "countryCode 'IN' is none: write one such as +91"),
    (
        {"phoneNumber": ANA, "countryCode": "+91"},
        f"phoneNumber '{ANA}' does not begin with countryCode '+91': mend one of them",
    ),
    (
        {"phoneNumber": ANA, "phone_number": BEN},
        ["phoneNumber and phone_number say the same thing and differ: give one of them"],
    ),
    (
        {"phoneNumber": "+1212"},
        "phone_number '+1212': the number is too short; check the number; best is + and the country code, such as "
        "+49 30 23125000",
    ),
    (
        {"phoneNumber": ANA, "notes": {f"n{n}": n for n in range(16)}},
        ["notes: Dictionary should have at most 15 items after validation, not more"],
    ),
    (
        {"phoneNumber": ANA, "notes": {f"n{n}": n for n in range(9)}, "metadata": {f"m{n}": n for n in range(9)}},
        ["notes and metadata have more than 15 keys together"],
    ),
]


async def test_a_lead_that_cannot_be_called_is_refused(nexa: Nexa) -> None:
    campaign = await nexa.campaign()

    for fields, message in REFUSED:
        assert (
            await nexa.refused("POST", "/campaigns-leads", 400, json={"campaignId": campaign["id"], **fields})
            == message
        )
        assert (await nexa.call("GET", f"/campaigns/{campaign['id']}"))["total_leads"] == 0


async def test_a_number_is_a_lead_of_a_campaign_once(nexa: Nexa) -> None:
    campaign, other = await nexa.campaign(), await nexa.campaign()
    lead = await nexa.lead(campaign, ANA)

    body = {"campaignId": campaign["id"], "phoneNumber": ANA}
    message = await nexa.refused("POST", "/campaigns-leads", 409, json=body)

    assert message == f"{ANA} is a lead of this campaign already: {lead['id']}"
    assert (await nexa.lead(other, ANA))["id"] != lead["id"]


async def test_what_the_agent_says_must_have_a_value(nexa: Nexa) -> None:
    campaign = await nexa.campaign(GREETS)
    body = {"campaignId": campaign["id"], "phoneNumber": ANA, "name": "Ana"}

    message = await nexa.refused("POST", "/campaigns-leads", 400, json=body)
    assert (
        message
        == f"variables 'city': the agent's text uses {{{{city}}}} and {ANA} has no value for it; give it a value"
    )
    await nexa.lead(campaign, ANA, name="Ana", notes={"city": "Bonn"})


async def test_a_lead_of_a_running_campaign_is_called(nexa: Nexa, site: Site) -> None:
    campaign = await nexa.campaign(GREETS)
    async with site.working():
        await nexa.until(f"/campaigns/{campaign['id']}", status="running")
        lead = await nexa.lead(campaign, ANA, name="Ana", notes={"city": "Bonn"})
        done = await nexa.until(f"/campaigns-leads/{lead['id']}", status="completed")

    assert re.fullmatch(r"call_[0-9a-f]{32}", done["call_log_id"])
    (call,) = (await nexa.call("GET", f"/call-logs/campaign/{campaign['id']}"))["data"]
    assert (call["id"], call["lead_id"], call["status"]) == (done["call_log_id"], lead["id"], "completed")
    assert (done["attempts"], done["reason"]) == (1, "answered: normal call clearing")


async def test_a_lead_between_two_calls_is_in_progress_and_fails_at_last(nexa: Nexa, site: Site) -> None:
    campaign = await nexa.campaign(retry_config={"max_retries": 1, "retry_interval_minutes": 0.02})
    lead = await nexa.lead(campaign, BUSY)
    async with site.working():
        await nexa.until(f"/campaigns-leads/{lead['id']}", attempts=1, status="in_progress")
        failed = await nexa.until(f"/campaigns-leads/{lead['id']}", status="failed")

    assert failed["attempts"] == 2
    logged = await nexa.call("GET", f"/call-logs/campaign/{campaign['id']}", params={"created_at": "asc"})
    assert [(call["attempt"], call["status"], call["end_reason"]) for call in logged["data"]] == [
        (1, "busy", "user_busy"),
        (2, "busy", "user_busy"),
    ]


async def test_leads_of_a_cancelled_campaign_have_failed(nexa: Nexa) -> None:
    campaign = await nexa.campaign()
    lead = await nexa.lead(campaign, ANA)
    await nexa.call("POST", f"/campaigns/{campaign['id']}/cancel")

    shown = await nexa.call("GET", f"/campaigns-leads/{lead['id']}")

    assert (shown["status"], shown["reason"]) == ("failed", "cancelled")
    message = await nexa.refused("DELETE", f"/campaigns-leads/{lead['id']}", 409)
    assert message == "Cannot remove leads from a cancelled campaign"


# --- changed --------------------------------------------------------------------------------------


async def test_a_pending_lead_is_changed_in_both_spellings(nexa: Nexa) -> None:
    lead = await nexa.lead(await nexa.campaign(), ANA, name="Ana", notes={"city": "Bonn", "plan": "gold"})
    path = f"/campaigns-leads/{lead['id']}"

    async def changed(**body: Any) -> tuple[Any, ...]:
        shown = await nexa.call("PATCH", path, json=body)
        assert shown["id"] == lead["id"]
        return shown["name"], shown["phone_number"], shown["notes"]

    assert await changed(name="Anna") == ("Anna", ANA, {"city": "Bonn", "plan": "gold"})
    assert await changed(phoneNumber="212 200 0001", countryCode="+1") == (
        "Anna",
        BEN,
        {"city": "Bonn", "plan": "gold"},
    )
    assert await changed(phone_number=CLEO) == ("Anna", CLEO, {"city": "Bonn", "plan": "gold"})
    assert await changed(metadata={"city": "Ulm"}) == ("Anna", CLEO, {"city": "Ulm"})
    assert await changed(notes={"plan": "tin"}, name="Ana") == ("Ana", CLEO, {"plan": "tin"})
    assert await changed(notes={"name": "Bea"}) == ("Bea", CLEO, {})
    assert await changed() == ("Bea", CLEO, {})
    assert await nexa.call("GET", path) == await nexa.call("PATCH", path, json={})


async def test_whoever_is_called_is_called_as_changed(nexa: Nexa, site: Site) -> None:
    campaign = await nexa.campaign(GREETS, status="draft")
    await nexa.upload(campaign, f"phone_number,name,city\n{ANA},Ana,Bonn\n{BEN},Ben,Ulm\n")
    leads = (await nexa.call("GET", f"/campaigns/{campaign['id']}/leads"))["data"]
    await nexa.call("PATCH", f"/campaigns-leads/{leads[0]['id']}", json={"phoneNumber": "+493023125000"})
    await nexa.call("PATCH", f"/campaigns-leads/{leads[1]['id']}", json={"name": "Benno"})

    await nexa.call("POST", f"/campaigns/{campaign['id']}/start")
    async with site.working():
        await nexa.until(f"/campaigns/{campaign['id']}", completed_calls=2)

    calls = (await nexa.call("GET", f"/call-logs/campaign/{campaign['id']}"))["data"]
    assert sorted(call["to_phone_number"] for call in calls) == [BEN, "+493023125000"]
    runs = (await site.call("GET", "/campaign"))["campaigns"][0]["id"]
    found = (await site.call("GET", f"/campaign/{runs}/runs"))["runs"]
    assert sorted(run["initial_context"]["name"] for run in found) == ["Ana", "Benno"]


async def test_a_number_that_was_given_up_can_come_again(nexa: Nexa) -> None:
    campaign = await nexa.campaign()
    first = await nexa.lead(campaign, ANA)
    await nexa.call("PATCH", f"/campaigns-leads/{first['id']}", json={"phoneNumber": BEN})

    second = await nexa.lead(campaign, ANA)
    await nexa.call("PATCH", f"/campaigns-leads/{second['id']}", json={"phoneNumber": CLEO})
    third = await nexa.upload(campaign, f"phone_number\n{ANA}\n{BEN}\n")

    assert first["id"] != second["id"]
    assert (third["leads_created"], third["leads_skipped"]) == (1, 1)
    found = (await nexa.call("GET", f"/campaigns/{campaign['id']}/leads"))["data"]
    assert [lead["phone_number"] for lead in found] == [BEN, CLEO, ANA]


REFUSED_CHANGES: list[tuple[dict[str, Any], str]] = [
    (
        {"phoneNumber": "+1212"},
        "phone_number '+1212': the number is too short; check the number; best is + and the",
    ),
    ({"countryCode": "+1"}, "countryCode belongs to a phoneNumber: give both"),
    ({"notes": {}}, "variables 'city': the agent's text uses {{city}} and"),
]


async def test_a_change_that_makes_no_sense_is_refused(nexa: Nexa) -> None:
    lead = await nexa.lead(await nexa.campaign(GREETS), ANA, name="Ana", notes={"city": "Bonn"})

    for body, message in REFUSED_CHANGES:
        assert (await nexa.refused("PATCH", f"/campaigns-leads/{lead['id']}", 400, json=body)).startswith(message)
        assert await nexa.call("GET", f"/campaigns-leads/{lead['id']}") == lead


async def test_a_number_of_another_lead_is_a_conflict(nexa: Nexa) -> None:
    campaign = await nexa.campaign()
    lead, _ = await nexa.lead(campaign, ANA), await nexa.lead(campaign, BEN)

    message = await nexa.refused("PATCH", f"/campaigns-leads/{lead['id']}", 409, json={"phoneNumber": BEN})

    assert message == f"the campaign has the number {BEN} already"


async def test_a_lead_that_is_called_or_done_stays_as_it_is(nexa: Nexa, site: Site) -> None:
    campaign = await slow_campaign(nexa, site)
    lead = await nexa.lead(campaign, ANA)
    path = f"/campaigns-leads/{lead['id']}"
    async with site.working():
        await ringing(nexa, site, lead)
        message = await nexa.refused("PATCH", path, 409, json={"name": "Anna"})
        assert message == f"{ANA} is being called: only who was never called can change"


async def test_a_lead_that_was_reached_stays_as_it_is(nexa: Nexa, site: Site) -> None:
    lead = await nexa.lead(await nexa.campaign(), ANA)
    async with site.working():
        await nexa.until(f"/campaigns-leads/{lead['id']}", status="completed")

    message = await nexa.refused("PATCH", f"/campaigns-leads/{lead['id']}", 409, json={"name": "Anna"})
    assert message == f"{ANA} was reached: only who was never called can change"
    message = await nexa.refused("DELETE", f"/campaigns-leads/{lead['id']}", 409)
    assert message == f"{ANA} is reached: only who waits or is called can be removed"


# --- removed --------------------------------------------------------------------------------------


async def test_a_removed_lead_is_gone_and_not_called(nexa: Nexa, site: Site) -> None:
    campaign = await nexa.campaign()
    out, stays = await nexa.lead(campaign, ANA), await nexa.lead(campaign, BEN)

    answer = await nexa.call("DELETE", f"/campaigns-leads/{out['id']}")

    assert answer == {"message": "Lead removed from campaign."}
    for method in ("GET", "PATCH", "DELETE"):
        request = {"json": {}} if method == "PATCH" else {}
        assert await nexa.refused(method, f"/campaigns-leads/{out['id']}", 404, **request) == "Lead not found"
    async with site.working():
        await nexa.until(f"/campaigns/{campaign['id']}", completed_calls=1)
    page = await nexa.call("GET", f"/campaigns/{campaign['id']}/leads")
    assert [lead["id"] for lead in page["data"]] == [stays["id"]]
    calls = await nexa.call("GET", f"/call-logs/campaign/{campaign['id']}")
    assert [call["to_phone_number"] for call in calls["data"]] == [BEN]


async def test_a_lead_in_a_call_can_be_removed_and_its_call_goes_on(nexa: Nexa, site: Site) -> None:
    campaign = await slow_campaign(nexa, site)
    lead = await nexa.lead(campaign, ANA)
    async with site.working():
        await ringing(nexa, site, lead)
        await nexa.call("DELETE", f"/campaigns-leads/{lead['id']}")
        (call,) = (await nexa.call("GET", f"/call-logs/campaign/{campaign['id']}"))["data"]
        assert call["status"] == "sent"


# --- lists ----------------------------------------------------------------------------------------


async def test_pages_of_leads_follow_each_other(nexa: Nexa) -> None:
    campaign = await nexa.campaign(status="draft")
    await nexa.upload(campaign, "phone_number\n" + "".join(f"+1212200{n:04}\n" for n in range(7)))
    path = f"/campaigns/{campaign['id']}/leads"

    seen: list[str] = []
    after: str | None = "0"
    while after is not None:
        page = await nexa.call("GET", path, params={"limit": 3, "after": after})
        seen += [lead["phone_number"] for lead in page["data"]]
        after = page["meta"]["next"]

    assert seen == [f"+1212200{n:04}" for n in range(7)]
    assert await nexa.refused("GET", f"{path}?after=x", 400) == [r"after: String should match pattern '^\d{1,19}$'"]


async def test_leads_are_filtered_by_status(nexa: Nexa, site: Site) -> None:
    campaign = await nexa.campaign(retry_config={"max_retries": 0})
    for number in (ANA, BUSY):
        await nexa.lead(campaign, number)
    async with site.working():
        await nexa.until(f"/campaigns/{campaign['id']}", completed_calls=2)
    await nexa.call("POST", f"/campaigns/{campaign['id']}/pause")
    await nexa.lead(campaign, BEN)

    async def numbers(status: str) -> list[str]:
        page = await nexa.call("GET", f"/campaigns/{campaign['id']}/leads", params={"status": status})
        return [lead["phone_number"] for lead in page["data"]]

    assert await numbers("completed") == [ANA]
    assert await numbers("failed") == [BUSY]
    assert await numbers("pending") == [BEN]
    assert await numbers("in_progress") == []
    await nexa.call("POST", f"/campaigns/{campaign['id']}/cancel")
    assert await numbers("failed") == [BUSY, BEN]


# --- files ----------------------------------------------------------------------------------------

PEOPLE = [["phone_number", "name", "city"], [ANA, "Ana", "Bonn"], [BEN, "Ben", "Ulm"]]


def csv(rows: Rows) -> bytes:
    return "\n".join(",".join(map(str, row)) for row in rows).encode()


@pytest.mark.parametrize(("name", "make"), [("p.csv", csv), ("p.xlsx", xlsx), ("P.XLS", xls)])
async def test_a_file_of_leads_is_added_and_called(nexa: Nexa, site: Site, name: str, make: Any) -> None:
    campaign = await nexa.campaign(GREETS)

    uploaded = await nexa.upload(campaign, make(PEOPLE), name=name)

    assert uploaded == {
        "campaign_id": campaign["id"],
        "leads_created": 2,
        "leads_skipped": 0,
        "message": "2 leads created, 0 rows skipped",
    }
    async with site.working():
        await nexa.until(f"/campaigns/{campaign['id']}", completed_calls=2)
    page = await nexa.call("GET", f"/campaigns/{campaign['id']}/leads")
    assert [(lead["name"], lead["notes"], lead["status"]) for lead in page["data"]] == [
        ("Ana", {"city": "Bonn"}, "completed"),
        ("Ben", {"city": "Ulm"}, "completed"),
    ]


async def test_rows_that_are_no_leads_are_skipped_and_named(nexa: Nexa) -> None:
    campaign = await nexa.campaign(GREETS, status="draft")
    rows = [*PEOPLE, ["nonsense", "x", "x"], [ANA, "Ana", "again"], [CLEO, "", "Rom"], ["", "", ""], ["123", "y", "y"]]

    uploaded = await nexa.upload(campaign, csv(rows))

    assert (uploaded["leads_created"], uploaded["leads_skipped"]) == (2, 4)
    assert uploaded["message"] == (
        "2 leads created, 4 rows skipped; rows 4, 8: the phone number cannot be dialled; write them with + and the "
        "country code; row 5: the phone number is in an earlier row; row 6: name is empty, and the agent's text uses it"
    )


async def test_a_file_goes_on_from_one_before_it(nexa: Nexa) -> None:
    campaign = await nexa.campaign(status="draft")
    await nexa.upload(campaign, csv(PEOPLE))

    again = await nexa.upload(campaign, csv([*PEOPLE, [CLEO, "Cleo", "Rom"]]))

    assert (again["leads_created"], again["leads_skipped"]) == (1, 2)
    assert (await nexa.call("GET", f"/campaigns/{campaign['id']}"))["total_leads"] == 3


async def test_numbers_of_a_file_without_plus_need_a_country_code(nexa: Nexa) -> None:
    campaign = await nexa.campaign(status="draft")
    content = xlsx([["phone_number"], [9876543210], ["98765 43211"]])

    message = await nexa.upload(campaign, content, name="p.xlsx", status=400)
    assert message == ["rows 2, 3: the phone number cannot be dialled; write them with + and the country code"]
    done = await nexa.upload(campaign, content, name="p.xlsx", data={"countryCode": "+91"})
    assert done["leads_created"] == 2
    page = await nexa.call("GET", f"/campaigns/{campaign['id']}/leads")
    assert [lead["phone_number"] for lead in page["data"]] == ["+919876543210", "+919876543211"]


REFUSED_FILES: list[tuple[str, bytes | str, str | list[str]]] = [
        ("p.csv", "phone_number\n" + "x\n" * 7, ["rows 2, 3, 4, 5, 6 and 2 more: the phone number cannot be dialled; "
                                                 "write them with + and the country code"]),
        (
            "p.csv",
            f"phone_number,timezone\n{ANA},Mars\nx,\n",
            [
                "row 3: the phone number cannot be dialled; write them with + and the country code",
                "row 2: Mars is no time zone; write an IANA name such as 'Europe/Berlin', or leave the cell empty",
            ],
        ),
        ("p.csv", "", "the file must have a header row and at least one row below it"),
        ("p.csv", "phone_number,name\n,\n", "the file must have a header row and at least one row below it"),
        ("p.csv", "name\nAna\n", "there is no phone column among name; name it phone_number"),
        ("p.xlsx", b"no zip", "p.xlsx is no Excel workbook; open it in Excel and save it again, or call it .csv if it"),
        ("p.xls", b"<html><table>", "p.xls is a web page (HTML) or XML, and no Excel workbook"),
        ("p.xlsx", locked_xlsx(), "p.xlsx is protected with a password"),
        ("p.pdf", b"%PDF", "the file must be CSV, XLSX or XLS, and not 'p.pdf'"),
        ("p.csv", "phone_number," + ",".join(f"c{n}" for n in range(16)) + f"\n{ANA}\n", "the file has 16 custom"),
        ("p.csv", b"phone_number\n" + b"x" * 10_485_760, "the file has 10,485,773 bytes, and 10,485,760 (10 MB)"),
    ]  # fmt: skip


async def test_a_file_of_which_nobody_can_be_called_is_refused(nexa: Nexa) -> None:
    campaign = await nexa.campaign(status="draft")

    for name, content, message in REFUSED_FILES:
        told = await nexa.upload(campaign, content, name=name, status=400)

        assert told == message if isinstance(message, list) else str(told).lstrip("['").startswith(message)
        assert (await nexa.call("GET", f"/campaigns/{campaign['id']}"))["total_leads"] == 0


async def test_fifteen_columns_and_a_name_are_enough(nexa: Nexa) -> None:
    campaign = await nexa.campaign(status="draft")
    header = ["phone_number", "Name", *(f"c{n}" for n in range(15))]

    await nexa.upload(campaign, csv([header, [ANA, "Ana", *range(15)]]))

    (lead,) = (await nexa.call("GET", f"/campaigns/{campaign['id']}/leads"))["data"]
    assert lead["name"] == "Ana"
    assert lead["notes"] == {f"c{n}": str(n) for n in range(15)}


async def test_a_column_that_the_agent_says_must_be_there(nexa: Nexa) -> None:
    campaign = await nexa.campaign(GREETS, status="draft")

    message = await nexa.upload(campaign, f"phone_number,name\n{ANA},Ana\n", status=400)
    assert message == "the agent's text uses 'city', and the file has no such column"
    told = await nexa.upload(campaign, f"phone_number,name,city\n{ANA},Ana,\n{BEN},,Ulm\n{CLEO},Cleo,\n", status=201)
    assert told["leads_created"] == 0
    empty = await nexa.upload(campaign, f"phone_number,name,city\n{ANA},Ana,\n{BEN},Ben,\n", status=400)
    assert empty == ["rows 2, 3: city is empty, and the agent's text uses it"]


async def test_a_form_without_a_file_is_refused(nexa: Nexa) -> None:
    campaign = await nexa.campaign(status="draft")
    path = f"/campaigns-leads/upload-file/{campaign['id']}"

    assert await nexa.refused("POST", path, 400, data={"x": "y"}) == ["file: Field required"]
    large = await nexa.refused("POST", path, 413, files={"file": ("p.csv", b"x" * 11_000_000)})
    assert large == "the body is larger than 11,000,000 bytes"


async def test_leads_can_be_added_while_a_file_of_another_door_is_called(nexa: Nexa, site: Site) -> None:
    await draft(site, [ANA])
    (shown,) = (await nexa.call("GET", "/campaigns"))["data"]
    lead = await nexa.lead(shown, BEN)

    await nexa.call("POST", f"/campaigns/{shown['id']}/start")
    async with site.working():
        done = await nexa.until(f"/campaigns/{shown['id']}", status="completed")

    assert done["completed_calls"] == 2
    assert (await nexa.call("GET", f"/campaigns-leads/{lead['id']}"))["status"] == "completed"


# --- who asks -------------------------------------------------------------------------------------


async def test_other_organizations_leads_are_not_there(nexa: Nexa, site: Site) -> None:
    campaign = await nexa.campaign()
    lead = await nexa.lead(campaign, ANA)
    stranger = Nexa(site, of="other")

    for method in ("GET", "PATCH", "DELETE"):
        request = {"json": {"name": "x"}} if method == "PATCH" else {}
        assert await stranger.refused(method, f"/campaigns-leads/{lead['id']}", 404, **request) == "Lead not found"
    body = {"campaignId": campaign["id"], "phoneNumber": BEN}
    assert await stranger.refused("POST", "/campaigns-leads", 404, json=body) == "Campaign not found"
    assert await stranger.upload(campaign, csv(PEOPLE), status=404) == "Campaign not found"
    assert (await nexa.call("GET", f"/campaigns/{campaign['id']}"))["total_leads"] == 1


async def test_a_lead_that_is_none_is_not_found(nexa: Nexa) -> None:
    for text in ("lead_1", "x", f"lead_{uuid4().hex}", f"cmp_{uuid4().hex}"):
        assert await nexa.refused("GET", f"/campaigns-leads/{text}", 404) == "Lead not found"


async def test_a_viewer_looks_and_touches_nothing(nexa: Nexa, site: Site) -> None:
    campaign = await nexa.campaign()
    lead = await nexa.lead(campaign, ANA)
    viewer = Nexa(site, key=await site.join("default", Role.VIEWER))

    assert (await viewer.call("GET", f"/campaigns-leads/{lead['id']}"))["id"] == lead["id"]
    await viewer.refused("DELETE", f"/campaigns-leads/{lead['id']}", 403)
    await viewer.refused("PATCH", f"/campaigns-leads/{lead['id']}", 403, json={"name": "x"})
    await viewer.upload(campaign, csv(PEOPLE), status=403)
