"""From a contacts file to a campaign that calls: as somebody does it who has never seen the product."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
import test_uploads
from axe_playwright_python.async_playwright import Axe
from browsing import PASSWORD, Surfer
from playwright.async_api import Page, expect
from site_of import CALLS, Site
from test_uploads import peak_megabytes, served_apart, slowly
from visitors import OWNER, person
from workbooks import xlsx

from dialplane.core.campaign import CampaignState
from dialplane.core.window import CONTACT, CallingWindow
from dialplane.engine.keys import Role
from dialplane.wiring import App

pytestmark = pytest.mark.asyncio

HOSTILE = "<img src=x onerror=alert(1)>"
MESSY = "\r\n".join(
    [
        "Vorname;Telefon;Vorname;Notiz",
        *(f"Gast {n};030 2312 {n:04};;" for n in range(25)),
        f"{HOSTILE};12;;=1+1",
        "Doppelt;030 2312 0003;;",
        ";030 2312 9999;;",
        "",
    ]
).encode("utf-8-sig")
GREETS = {
    "name": "Greeter",
    "greeting": "Hello {{name}}.",
    "steps": [{"say": "Is it you?", "gather": "is_it", "expect": ["yes", "no"], "no_match": "Sorry?"}],
    "goodbye": "Goodbye.",
}


def app_of(site: Site, of: str = "default") -> App:
    return site.server.of(site.organizations[of])


async def cookie(site: Site, email: str = OWNER) -> dict[str, str]:
    somebody = await site.server.people.sign_in(email, PASSWORD)
    assert somebody is not None
    return {"Cookie": f"dialplane_session={(await site.server.people.session(somebody)).key}"}


async def put(site: Site, name: str, content: bytes, headers: Mapping[str, str]) -> httpx2.Response:
    return await site.http.put("/campaigns/new/file", params={"name": name}, content=content, headers=headers)


async def uploaded(site: Site, content: bytes, headers: Mapping[str, str], name: str = "people.csv") -> str:
    """The address of the page about a file that is there."""
    answer = await put(site, name, content, headers)
    assert answer.status_code == 200, answer.text
    return f"/campaigns/new/{answer.json()['file']}"


async def until_imported(site: Site, campaign_id: int) -> None:
    async with asyncio.timeout(20):
        while (await app_of(site).campaigns.get(campaign_id)).importing is not None:
            await asyncio.sleep(0.02)


async def forecast(*_: object) -> Mapping[str, Any]:
    """As the process of its own prints it, which knows another database than a test has."""
    at = "2026-12-01T09:00:00Z"
    return {
        "started_at": at,
        "finished_at": "2026-12-01T09:02:00Z",
        "state": "completed",
        "reason": "",
        "contacts": {"total": 26, "reached": 20},
        "attempts": 31,
        "never_called": {"zone_unknown": 3},
        "most_lines": 7,
        "slots": [{"at": at, "lines": 6.5, "attempts": 31, "held_by": "campaign_lines"}],
        "assumptions": ["people answer as the simulated carrier has it"],
    }


async def accessible(tab: Page) -> None:
    found = (await Axe().run(tab)).response["violations"]
    assert [
        (each["id"], each["nodes"][0]["html"][:200]) for each in found if each["impact"] in ("serious", "critical")
    ] == []


async def test_a_messy_file_becomes_a_campaign_that_calls(
    site: Site, tab: Page, surfer: Surfer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    surfer.expected = ("400",)
    app = app_of(site)
    monkeypatch.setattr("dialplane.wiring.server.made_apart", forecast)
    await app.telephony.set_default(await app.add_carrier({**CALLS, "name": "quick"}))
    await app.add_agent(GREETS)
    path = tmp_path / f"{HOSTILE.replace('/', '')}.csv"
    path.write_bytes(MESSY)

    # The file: its columns are found, its numbers are national, its agent lacks a column.
    await tab.goto(f"{site.url}/campaigns/new")
    await tab.get_by_label("Choose the file").set_input_files(path)
    await tab.wait_for_url("**/campaigns/new/*-*")
    main = tab.locator("main")
    await expect(main).to_contain_text("CSV, semicolons, utf-8")
    await expect(tab.locator("#callable")).to_have_text("0")
    assert await tab.get_by_label("Meaning of column 2").input_value() == "phone_number"
    assert await tab.get_by_label("Name of column 3").input_value() == "Vorname_2"
    await tab.get_by_label("Name of the campaign").fill("Spring")
    await tab.get_by_label("Numbers without a country code").select_option("DE")
    await expect(main).to_contain_text("Germany 26")
    await tab.get_by_label("Agent", exact=True).select_option(label="Greeter")
    await expect(main).to_contain_text("no column is called so. Write name as the name of one above")
    await tab.get_by_role("button", name="Make the draft").click()
    await expect(tab.get_by_role("alert")).to_contain_text("the agent's text uses name, and no column is called so")
    assert await tab.get_by_label("Name of the campaign").input_value() == "Spring"
    await tab.get_by_label("Name of column 1").fill("name")
    await tab.get_by_label("Meaning of column 3").select_option("")
    await expect(tab.locator(".variables")).to_contain_text("column “Vorname”")
    await expect(main).to_contain_text("the agent's text uses {{name}} and this cell is empty")
    await expect(tab.locator("#callable")).to_have_text("25")
    assert await tab.locator("main img").count() == 0
    await accessible(tab)

    # The draft: three rows are rejected, one of them is mended.
    async with site.working():
        await tab.get_by_role("button", name="Make the draft").click()
        await tab.wait_for_url("**/setup")
        await expect(tab.locator("#total")).to_have_text("25")
        await expect(tab.locator("#rejects")).to_have_text("3")
        campaign_id = int(tab.url.split("/")[-2])
        draft = await app.campaigns.get(campaign_id)
        assert draft.state is CampaignState.DRAFT
        assert draft.policies.window == CallingWindow.parse("mon-fri 09:00-17:00", CONTACT)
        assert draft.variable_names == ["name", "Notiz"]
        await tab.get_by_text("Where they are").click()
        await expect(tab.locator("#import")).to_contain_text("Europe/Berlin")
        await tab.get_by_role("link", name="look and mend").click()
        await tab.get_by_role("link", name="Mend row 29").click()
        await expect(tab.get_by_role("alert")).to_contain_text("this cell is empty")
        await tab.get_by_role("button", name="Mend and add").click()
        await expect(tab.get_by_role("alert")).to_contain_text("this cell is empty")
        await tab.get_by_label("name", exact=True).fill("Nele")
        await tab.get_by_role("button", name="Mend and add").click()
        await tab.get_by_text("Row 29 is mended").wait_for()
        assert await tab.get_by_role("link", name="Mend row").count() == 2

        # Hours and limits; what is wrong is said, and nothing that was typed is lost.
        await tab.goto(f"{site.url}/campaigns/{campaign_id}/setup")
        await accessible(tab)
        await tab.get_by_label("At any hour").check()
        await tab.get_by_label("Calls at once").fill("many")
        await tab.get_by_label("Minutes after busy").fill("0.5")
        await tab.get_by_role("button", name="Save and go on").click()
        await expect(tab.get_by_role("alert")).to_contain_text("Calls at once: write a number, not 'many'")
        assert await tab.get_by_label("Calls at once").input_value() == "many"
        assert await tab.get_by_label("Minutes after busy").input_value() == "0.5"
        assert await tab.get_by_label("At any hour").is_checked()
        await tab.get_by_label("Calls at once").fill("7")
        await tab.get_by_role("button", name="Save and go on").click()
        await tab.wait_for_url("**/setup/start")
        policies = (await app.campaigns.get(campaign_id)).policies
        assert (policies.max_lines, policies.window.any_hour) == (7, True)
        assert {word.value: seconds for word, seconds in policies.retry.delays.items()} == {"busy": 30}

        # The forecast, a call to oneself, the start.
        await expect(tab.locator("#forecast")).to_contain_text("20 of 26")
        await expect(tab.locator("#forecast")).to_contain_text("Never called: 3 zone unknown")
        await expect(tab.locator("#forecast-chart canvas")).to_be_visible()
        assert await tab.locator("#forecast-slots td").nth(1).text_content() == "6.5"
        await accessible(tab)
        await tab.get_by_label("Your number").fill("12")
        assert await tab.locator("[name='variable.name']").input_value() == "Gast 0"
        await tab.locator("[name='variable.name']").fill("Ana")
        await tab.get_by_role("button", name="Call me").click()
        await expect(tab.get_by_role("alert")).to_contain_text("'12'")
        assert await tab.locator("[name='variable.name']").input_value() == "Ana"
        await tab.get_by_label("Your number").fill("+4930 2312 7777")
        await tab.get_by_role("button", name="Call me").click()
        await expect(tab.locator("#test-result")).to_contain_text("+493023127777: answered,")
        assert await tab.get_by_role("link", name="The call").get_attribute("href") is not None
        await tab.get_by_role("button", name="Go", exact=True).click()
        await tab.wait_for_url(f"**/campaigns/{campaign_id}")
        async with asyncio.timeout(20):
            while (await app.campaigns.get(campaign_id)).state is not CampaignState.COMPLETED:
                await asyncio.sleep(0.05)
    assert (await app.campaigns.progress([campaign_id]))[campaign_id].reached == 26


async def test_a_workbook_is_scheduled_for_another_day(site: Site, tab: Page, surfer: Surfer, tmp_path: Path) -> None:
    surfer.expected = ("400",)
    path = tmp_path / "people.xlsx"
    path.write_bytes(
        xlsx([["Mobile", "time zone"], ["+12122000000", "America/Denver"], ["+12122000001", "Mars/Crater"]])
    )
    await tab.goto(f"{site.url}/campaigns/new")
    await tab.get_by_label("Choose the file").set_input_files(path)
    await tab.wait_for_url("**/campaigns/new/*-*")
    await expect(tab.locator("main")).to_contain_text("Excel, sheet")
    await expect(tab.locator("main")).to_contain_text("Mars/Crater is no time zone")
    async with site.working():
        await tab.get_by_role("button", name="Make the draft").click()
        await tab.wait_for_url("**/setup")
        await expect(tab.locator("#total")).to_have_text("1")
        await tab.goto(f"{tab.url}/start")
        await tab.get_by_label("By itself, at").check()
        await tab.get_by_role("button", name="Go", exact=True).click()
        await expect(tab.get_by_role("alert")).to_contain_text("choose the day and the hour")
        await tab.get_by_label("Day and hour").fill("2099-01-05T09:30")
        await tab.get_by_label("Time zone of the start").fill("America/Denver")
        await tab.get_by_role("button", name="Go", exact=True).click()
        await tab.get_by_text("It is scheduled").wait_for()
    campaign = await app_of(site).campaigns.get(int(tab.url.split("/")[-1]))
    assert campaign.state is CampaignState.SCHEDULED
    assert campaign.starts_at is not None
    assert campaign.starts_at.isoformat() == "2099-01-05T16:30:00+00:00"


async def test_the_week_is_painted_by_keyboard_and_by_pointer(site: Site, tab: Page) -> None:
    headers = await cookie(site)
    page = await uploaded(site, b"phone_number\n+12122000000\n", headers)
    made = await site.http.post(page, data={"name": "hours", "kind": "phone_number", "column": ""}, headers=headers)
    assert made.status_code == 303, made.text
    await tab.goto(site.url + made.headers["location"])
    hours = tab.get_by_label("Hours", exact=True)
    cell = tab.get_by_role("gridcell", name="Saturday 10:00 to 11:00")

    # Written: the grid follows; what makes no sense is said and changes nothing.
    await hours.fill("fri-mon 22:00-02:00; wed 09:30-10:00")
    assert await tab.get_by_role("gridcell", name="Tuesday 01:00 to 02:00").get_attribute("aria-selected") == "true"
    assert "part" in str(await tab.get_by_role("gridcell", name="Wednesday 09:00").get_attribute("class"))
    await hours.fill("funday 9-17")
    await expect(tab.locator("#window-fault")).to_contain_text("“funday” is no day")
    await hours.fill("mon-fri 09:00-17:00")
    await expect(tab.locator("#window-fault")).to_have_text("")

    # By keyboard alone: to the grid, to Saturday at ten, three hours downwards.
    await hours.focus()
    for _ in range(5):  # the three patterns, half hours, the grid
        await tab.keyboard.press("Tab")
    assert await tab.evaluate("document.activeElement.getAttribute('aria-label')") == "Monday 09:00 to 10:00"
    for key in (*["ArrowRight"] * 5, "ArrowDown", "Space", "Shift+ArrowDown", "Shift+ArrowDown"):
        await tab.keyboard.press(key)
    await expect(cell).to_have_attribute("aria-selected", "true")
    assert await hours.input_value() == "mon-fri 09:00-17:00, sat 10:00-13:00"
    await tab.keyboard.press("Space")
    assert await hours.input_value() == "mon-fri 09:00-17:00, sat 10:00-12:00"

    # By pointer: a rectangle.
    await tab.get_by_role("button", name="Clear").click()
    first, last = (tab.get_by_role("gridcell", name=name) for name in ("Monday 08:00", "Tuesday 11:00"))
    await first.hover()
    await tab.mouse.down()
    await last.hover()
    await tab.mouse.up()
    assert await hours.input_value() == "mon-tue 08:00-12:00"

    await tab.get_by_label("in one time zone").check()
    await tab.get_by_label("Time zone", exact=True).fill("Europe/Berlin")
    await tab.get_by_role("button", name="Save and go on").click()
    await tab.wait_for_url("**/setup/start")
    campaign = await app_of(site).campaigns.get(int(tab.url.split("/")[-3]))
    assert campaign.policies.window == CallingWindow.parse("mon-tue 08:00-12:00", "Europe/Berlin")


WRONG: list[tuple[str, bytes, str]] = [
    ("list.csv", b"%PDF-1.7 ...", "is a PDF document; save the list as CSV"),
    ("list.xlsx", b"name\nAna\n", "is no Excel workbook"),
    ("list.csv", b"\n\n", "holds nothing but blank lines"),
    ("list.csv", b"phone_number\n", "has a header and no contacts below it; add a row"),
    ("list.csv", b",".join([b"c"] * 501) + b"\n" + b",".join([b"1"] * 501), "has 501 columns, and 500 are the most"),
    ("list.csv", b"x," * 600_000 + b"\n1\n", "the row that begins here does not end"),
]


async def test_a_wrong_file_is_told_what_to_do(site: Site) -> None:
    await person(site)
    headers = await cookie(site)
    for name, content, said in WRONG:
        answer = await site.http.get(await uploaded(site, content, headers, name), headers=headers)
        assert (answer.status_code, said in answer.text) == (400, True), (said, answer.text[-1500:])
        assert "Choose another file" in answer.text
    for name, content, said in (("a.csv", b"", "is empty"), ("a.docx", b"x", "save the list as CSV or as an Excel")):
        answer = await put(site, name, content, headers)
        assert answer.status_code in (400, 422)
        assert said in answer.json()["detail"]
    nameless = await site.http.get(await uploaded(site, b"name\nAna\n", headers), headers=headers)
    assert "No column is the phone number: choose it below" in nameless.text
    none = await uploaded(site, b"phone_number\n12\n", headers)
    answer = await site.http.post(none, data={"name": "kept as typed"}, headers=headers)
    assert answer.status_code == 400
    assert "no row of people.csv can be called; row 2: " in answer.text
    assert 'value="kept as typed"' in answer.text


async def test_rejected_rows_go_out_whole_and_come_back_mended(site: Site) -> None:
    await person(site)
    headers, app = await cookie(site), app_of(site)
    people = f"Phone;Who;Drop\n+12122000000;Ana;x\n12;{HOSTILE};y\n13;=cmd();z\n".encode()
    fields = {"name": "mend", "kind": ["phone_number", "variable", ""], "column": ["", "who", ""], "key": str(uuid4())}
    async with site.working():
        page = await uploaded(site, people, headers)
        made = await site.http.post(page, data=fields, headers=headers)
        again = await site.http.post(page, data=fields, headers=headers)  # somebody clicked twice
        assert made.headers["location"] == again.headers["location"]
        campaign_id = int(made.headers["location"].split("/")[2])
        await until_imported(site, campaign_id)
        assert (await app.campaigns.get(campaign_id)).variable_names == ["who"]
        out = await site.http.get(f"/campaigns/{campaign_id}/rejects.csv", headers=headers)
        lines = out.text.splitlines()
        assert lines[0] == "phone_number,who,reject_reason,reject_fix"
        assert [line.split(",")[:2] for line in lines[1:]] == [["12", HOSTILE], ["13", "'=cmd()"]]
        mended = out.text.replace("12,<", "+12122000002,<").encode()
        page = await uploaded(site, mended, headers, "mended.csv")
        shown = await site.http.get(page, params={"to": campaign_id}, headers=headers)
        assert "More contacts for mend" in shown.text
        assert HOSTILE not in shown.text
        added = await site.http.post(page, data={"to": campaign_id}, headers=headers)
        assert added.headers["location"] == f"/campaigns/{campaign_id}/setup"
        await until_imported(site, campaign_id)
    campaign = await app.campaigns.get(campaign_id)
    assert (campaign.total, list(campaign.variable_names)) == (2, ["who"])


async def test_a_file_and_a_draft_are_nobody_elses(site: Site) -> None:
    await person(site)
    await person(site, "eve@example.org", of="other")
    await person(site, "vera@example.org", Role.VIEWER)
    headers, strange = await cookie(site), await cookie(site, "eve@example.org")
    page = await uploaded(site, b"phone_number\n+12122000000\n12\n", headers)
    async with site.working():
        made = await site.http.post(page, data={"name": "mine"}, headers=headers)
        campaign_id = int(made.headers["location"].split("/")[2])
        await until_imported(site, campaign_id)
    file_id = (await app_of(site).mending.page(campaign_id, limit=1))[0][0].file_id
    own = f"/campaigns/{campaign_id}"
    for path in ("/setup", "/setup/contacts", "/setup/start", "/setup/forecast", "/rejects", "/rejects.csv"):
        assert (await site.http.get(own + path, headers=headers)).status_code == 200, path
        assert (await site.http.get(own + path, headers=strange)).status_code == 404, path
    row = f"{own}/rejects/{file_id}/3"
    for path in (page, f"/campaigns/new?to={campaign_id}", row):
        assert (await site.http.get(path, headers=headers)).status_code == 200, path
        assert (await site.http.get(path, headers=strange)).status_code == 404, path
    for path in (page, f"{own}/setup", f"{own}/setup/start", f"{own}/setup/test-call", f"{own}/setup/forecast", row):
        assert (await site.http.post(path, data={"to_number": "+12122000009"}, headers=strange)).status_code == 404, (
            path
        )
    viewer = await cookie(site, "vera@example.org")
    nul = await site.http.post(page, data={"name": "a\0b"}, headers=headers)
    assert (nul.status_code, "NUL character" in nul.text) == (400, True)
    for path in ("/campaigns/new", page, f"{own}/setup", f"{own}/setup/start", row):
        assert (await site.http.get(path, headers=viewer)).status_code == 403, path
    assert (await put(site, "a.csv", b"x", viewer)).status_code == 403


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_memory_does_not_grow_with_the_size_of_an_upload(
    site: Site, server: Mapping[str, Any], schema: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await person(site)
    headers = await cookie(site)
    pages = test_uploads.SERVER.replace(
        "from dialplane.api.application import build_api", "from dialplane.web.site import build_site as build_api"
    )
    monkeypatch.setattr(test_uploads, "SERVER", pages)
    peaks = []
    async with served_apart(server, schema, tmp_path) as (pid, api), httpx2.AsyncClient(headers=headers) as http:
        for megabytes in (1, 200):
            rows = (b"+12122000000," + b"x" * 86 + b"\n") * 10_000
            body = slowly(b"phone_number,padding\n", *[rows] * megabytes)
            url = f"{api.removesuffix('/api/v1')}/campaigns/new/file"
            answer = await http.put(url, params={"name": "large.csv"}, content=body, timeout=60)
            shown = await http.get(f"{url.removesuffix('/file')}/{answer.json()['file']}", timeout=60)
            assert shown.status_code == 200, shown.text[-500:]
            peaks.append(peak_megabytes(pid))
    assert peaks[1] - peaks[0] < 50, peaks


async def test_an_upload_is_cancelled_and_one_that_is_refused_says_why(
    site: Site, tab: Page, surfer: Surfer, tmp_path: Path
) -> None:
    surfer.expected = ("400", "422")
    path = tmp_path / "list.docx"
    path.write_bytes(b"x")
    await tab.goto(f"{site.url}/campaigns/new")
    await tab.get_by_label("Choose the file").set_input_files(path)
    await expect(tab.get_by_role("alert")).to_contain_text("save the list as CSV or as an Excel workbook")
    await tab.route("**/campaigns/new/file?*", lambda _: None)  # it never arrives
    path = tmp_path / "list.csv"
    path.write_bytes(b"phone_number\n+12122000000\n")
    await tab.get_by_label("Choose the file").set_input_files(path)
    await tab.get_by_role("button", name="Cancel").click()
    await expect(tab.get_by_role("alert")).to_contain_text("Cancelled. Nothing was kept.")
    assert await app_of(site).uploads.newest() == []
