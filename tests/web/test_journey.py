"""What an operator does from the first link to the report, on a server of its own and by its pages alone."""

from __future__ import annotations

import asyncio
import csv
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "sip"))  # where people are played who can be called

from browsing import PASSWORD, PHONE, Surfer, surfing
from callees import EXAMPLES, callee, needs_programs
from playwright.async_api import Browser, Page, expect
from served import Served, data_folder, serving, until
from visitors import OWNER

pytestmark = pytest.mark.asyncio

CONTACTS = 24
MESSY = (
    "Vorname;Telefon;Termin;Uhrzeit;Ort;Telefon\r\n"
    + "".join(f"Gast {n};030 2312 {n:04};1.3.2027;09:{n:02};Berlin;;\r\n" for n in range(CONTACTS))
    + "Nele;12;1.3.2027;10:00;Berlin;\r\nDoppelt;030 2312 0003;1.3.2027;10:00;Berlin;\r\n"
).encode("utf-8-sig")
NEAT = b"phone_number,first_name,appointment_date,appointment_time,city\n" + b"".join(
    b"+1212555%04d,Ann,2027-03-01,09:00,New York\n" % (100 + n) for n in range(12)
)
REMINDER = (EXAMPLES.parent / "reminder.yaml").read_text(encoding="utf-8")
SEEN_SECONDS = 5  # until a pause in one tab is seen in another, on a machine that has other things to do
MOST_TABS = 120  # stops of the keyboard on one page


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with data_folder() as home, serving(home) as started:
        yield started


def first_link(served: Served) -> str | None:
    found = (re.search(r"first administrator: (\S+)", line) for line in served.said)
    return next((each[1] for each in found if each), None)


async def arrive(surfer: Surfer, served: Served) -> Page:
    """By the link that the server printed, where nobody has come by it yet; else by signing in."""
    link = await asyncio.to_thread(until, lambda: first_link(served), "the first link is printed")
    if served.http.get(link).status_code != 200:
        return await surfer.sign_in(OWNER)
    tab = await surfer.tab(link.removeprefix(served.url))
    await tab.get_by_label("Your name").fill("Ana")
    await tab.get_by_label("E-mail").fill(OWNER)
    await tab.get_by_label("Password").fill(PASSWORD)
    await tab.get_by_role("button", name="Begin").click()
    await tab.wait_for_url("**/campaigns")
    return tab


def file(name: str, content: bytes) -> dict[str, object]:
    return {"name": name, "mimeType": "text/csv", "buffer": content}


async def is_completed(tab: Page, contacts: int) -> None:
    await expect(tab.locator("#done")).to_contain_text(f"{contacts} of {contacts}", timeout=120_000)
    await expect(tab.locator("#campaign-state")).to_have_text("completed", timeout=10_000)


async def test_a_new_operator_comes_from_the_first_link_to_the_report(served: Served, browser: Browser) -> None:
    async with surfing(browser, served.url) as surfer:
        tab = await arrive(surfer, served)
        await tab.get_by_role("link", name="Agents").click()
        await tab.get_by_role("link", name="New agent").click()
        await tab.get_by_label("Definition").fill(REMINDER)
        await tab.get_by_role("button", name="Make it").click()
        await expect(tab.locator(".talk")).to_contain_text("Can you come?")

        await tab.get_by_role("link", name="Campaigns").first.click()
        await tab.get_by_role("link", name="New campaign").click()
        await tab.get_by_label("Choose the file").set_input_files(file("Gäste März.csv", MESSY))
        await tab.wait_for_url("**/campaigns/new/*-*")
        await tab.get_by_label("Numbers without a country code").select_option("DE")
        await tab.get_by_label("Agent", exact=True).select_option(label="Appointment reminder")
        for place, name in ((1, "first_name"), (3, "appointment_date"), (4, "appointment_time"), (5, "city")):
            await tab.get_by_label(f"Name of column {place} ").fill(name)
            await tab.get_by_label(f"Name of column {place} ").blur()
        await expect(tab.locator("#callable")).to_have_text(str(CONTACTS))
        await tab.get_by_label("Name of the campaign").fill("March")
        await tab.get_by_role("button", name="Make the draft").click()
        await tab.wait_for_url("**/setup")
        await expect(tab.locator("#total")).to_have_text(str(CONTACTS))
        await expect(tab.locator("#rejects")).to_have_text("2")

        await tab.get_by_label("At any hour").check()
        await tab.get_by_label("Calls at once").fill("12")
        await tab.get_by_label("Further calls").fill("0")
        await tab.get_by_label("Time between calls").fill("0.5")  # after a fault of the carrier there is another one
        await tab.get_by_role("button", name="Save and go on").click()
        await tab.wait_for_url("**/setup/start")
        await expect(tab.locator("#forecast")).to_contain_text(f"of {CONTACTS}", timeout=60_000)
        await expect(tab.locator("#forecast-chart canvas")).to_be_visible()
        await tab.get_by_role("button", name="Go", exact=True).click()

        await expect(tab.locator("#campaign-state")).to_have_text("running")
        await expect(tab.locator("#lines tbody tr").first.locator("td").first).not_to_have_text("0", timeout=15_000)
        await is_completed(tab, CONTACTS)
        async with tab.expect_download() as download:
            await tab.get_by_role("link", name="Report").click()
        path = await (await download.value).path()
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
        answered = [row for row in rows if row["disposition"] == "answered"]
        assert len(rows) == CONTACTS and answered

        await tab.get_by_role("link", name="Results").click()
        placed = tab.locator(".card", has_text="Calls placed")
        await expect(placed.first).to_contain_text(str(CONTACTS))
        await tab.get_by_role("link", name="Calls", exact=True).click()
        await tab.get_by_role("link", name=answered[0]["to_number"]).click()
        await expect(tab.locator(".transcript")).to_contain_text("this is a reminder from the clinic in Berlin")
        await expect(tab.locator("#call")).to_contain_text("The simulated carrier makes no sound")

        await pause_is_seen_in_another_tab(surfer, tab)


async def pause_is_seen_in_another_tab(surfer: Surfer, tab: Page) -> None:
    await tab.get_by_role("link", name="March").click()
    await tab.get_by_role("button", name="Copy").click()
    await tab.get_by_text("This is the copy, with the same contacts.").wait_for()
    await tab.get_by_role("link", name="Settings").nth(-1).click()
    await tab.get_by_label("Calls at once").fill("1")
    await tab.get_by_role("button", name="Save").click()
    await tab.get_by_text("Saved.").wait_for()
    await tab.get_by_role("link", name="Overview").click()
    await tab.get_by_role("button", name="Start", exact=True).click()
    await expect(tab.locator("#campaign-state")).to_have_text("running")
    other = await surfer.tab(tab.url.removeprefix(surfer.url))
    await expect(other.locator("#done")).not_to_have_text(re.compile("^0 of"), timeout=15_000)
    await tab.evaluate("document.addEventListener('click', () => { localStorage.clicked = Date.now(); }, true)")
    await other.evaluate(
        "new MutationObserver(() => { window.seen ??= Date.now(); })"
        ".observe(document.getElementById('campaign-state'), { childList: true, subtree: true })"
    )
    await tab.get_by_role("button", name="Pause", exact=True).click()
    await expect(other.locator("#campaign-state")).to_have_text("paused", timeout=1000 * SEEN_SECONDS)
    print(f"the pause was seen {await other.evaluate('window.seen - localStorage.clicked')} ms after the click")


async def to(tab: Page, role: str, name: str, press: str = "") -> None:
    """By the tabulator to what has this name, a pattern, and press this key there."""
    wanted = tab.get_by_role(role, name=re.compile(rf"^({name})\*?$")).and_(tab.locator(":focus"))  # type: ignore[arg-type]
    for _ in range(MOST_TABS):
        if await wanted.count():
            break
        await tab.keyboard.press("Tab")
    else:
        raise AssertionError(f"the keyboard does not lead to the {role} {name}")
    if press:
        await tab.keyboard.press(press)


async def test_all_of_it_is_done_by_keyboard_alone(served: Served, browser: Browser) -> None:
    async with surfing(browser, served.url) as surfer:
        await (await arrive(surfer, served)).close()
        await surfer.context.clear_cookies()
        tab = await surfer.tab("/sign-in")
        await to(tab, "textbox", "E-mail")
        await tab.keyboard.type(OWNER)
        await to(tab, "textbox", "Password")
        await tab.keyboard.type(PASSWORD)
        await to(tab, "button", "Sign in", "Enter")
        await tab.wait_for_url("**/campaigns")
        await to(tab, "link", "New campaign|Make the first one", "Enter")
        await tab.wait_for_url("**/campaigns/new")
        chooser = tab.get_by_label("Choose the file")
        while not await chooser.and_(tab.locator(":focus")).count():
            await tab.keyboard.press("Tab")
        await chooser.set_input_files(file("neat.csv", NEAT))  # the dialog of the machine is no page
        await tab.wait_for_url("**/campaigns/new/*-*")
        await to(tab, "textbox", "Name of the campaign")
        await tab.keyboard.press("Control+A")
        await tab.keyboard.type("By keyboard")
        await to(tab, "button", "Make the draft and import the contacts", "Enter")
        await tab.wait_for_url("**/setup")
        await to(tab, "radio", "In these hours", "ArrowDown")
        await expect(tab.get_by_label("At any hour")).to_be_checked()
        await to(tab, "textbox", "Calls at once")
        await tab.keyboard.type("2")
        await to(tab, "button", "Save and go on", "Enter")
        await tab.wait_for_url("**/setup/start")
        await to(tab, "button", "Go", "Enter")
        state = tab.locator("#campaign-state")
        await expect(state).to_have_text("running")
        await expect(tab.locator("#done")).not_to_have_text(re.compile("^0 of"), timeout=15_000)
        await to(tab, "button", "Pause", "Enter")
        await expect(state).to_have_text("paused")
        await to(tab, "button", "Resume", "Enter")
        await expect(state).to_have_text("running")
        await to(tab, "link", "Calls", "Enter")
        await tab.wait_for_url("**/calls")
        await to(tab, "link", r"\+1212555\d{4}", "Enter")
        await expect(tab.get_by_role("heading", name="Call to +1212555")).to_be_visible()
        await to(tab, "button", "Sign out", "Enter")
        await tab.wait_for_url("**/sign-in")


async def test_all_of_it_is_done_on_a_phone(served: Served, browser: Browser) -> None:
    async with surfing(browser, served.url, viewport=PHONE, has_touch=True, is_mobile=True) as surfer:
        tab = await arrive(surfer, served)
        await fits(tab)
        await tab.get_by_role("link", name="New campaign").tap()
        await tab.get_by_label("Choose the file").set_input_files(file("neat.csv", NEAT))
        await tab.wait_for_url("**/campaigns/new/*-*")
        await fits(tab)
        await tab.get_by_label("Name of the campaign").fill("By phone")
        await tab.get_by_role("button", name="Make the draft").tap()
        await tab.wait_for_url("**/setup")
        await fits(tab)
        await tab.get_by_label("At any hour").tap()
        await tab.get_by_role("button", name="Save and go on").tap()
        await tab.wait_for_url("**/setup/start")
        await fits(tab)
        await tab.get_by_role("button", name="Go", exact=True).tap()
        await expect(tab.locator("#done")).not_to_have_text(re.compile("^0 of"), timeout=30_000)
        await fits(tab)
        await tab.get_by_role("link", name="Results").tap()
        await tab.wait_for_url("**/results")
        await expect(tab.locator("main")).to_contain_text("Answer rate")
        await fits(tab)
        await tab.get_by_role("button", name="Menu").tap()
        await tab.get_by_role("link", name="Calls", exact=True).tap()
        await tab.wait_for_url("**/calls")
        await fits(tab)
        await tab.get_by_role("link", name=re.compile(r"^\+1212555")).first.tap()
        await expect(tab.locator("h1")).to_contain_text("Call to +1212555")
        await fits(tab)
        await tab.get_by_role("button", name="Menu").tap()
        await tab.get_by_role("button", name="Sign out").tap()
        await tab.wait_for_url("**/sign-in")


async def fits(tab: Page) -> None:
    assert await tab.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), tab.url


@needs_programs
async def test_a_call_over_a_trunk_is_heard_where_it_is_read(served: Served, browser: Browser) -> None:
    with callee(EXAMPLES / "callees.xml") as called:
        async with surfing(browser, served.url) as surfer:
            tab = await arrive(surfer, served)
            await tab.goto(f"{served.url}/carriers/new?provider=sip")
            await tab.get_by_role("textbox", name="Name").fill("Trunk")
            await tab.get_by_label("Host").fill(called.host)
            await tab.get_by_label("Port", exact=True).fill(str(called.port))
            await tab.get_by_label("Other settings").fill(f"local_address: {called.host}\nslow_start: false")
            await tab.get_by_role("button", name="Make it").click()
            await expect(tab.locator("#probe")).to_contain_text("number", timeout=15_000)
            await tab.goto(f"{served.url}/numbers")
            await tab.get_by_text("Add a number").click()
            await tab.get_by_label("Carrier").select_option(label="Trunk")
            await tab.get_by_label("Number", exact=True).fill("+14155550100")
            await tab.get_by_role("button", name="Add it").click()
            await tab.get_by_role("link", name="+14155550100").wait_for()
            await tab.goto(f"{served.url}/agents/new")
            await tab.get_by_role("textbox", name="Name").fill("Asker")
            await tab.get_by_label("Definition").fill((EXAMPLES / "agent.yaml").read_text(encoding="utf-8"))
            await tab.get_by_role("button", name="Make it").click()
            await tab.goto(f"{served.url}/campaigns/new")
            await tab.get_by_label("Choose the file").set_input_files(file("one.csv", b"phone_number\n+14155550106\n"))
            await tab.wait_for_url("**/campaigns/new/*-*")
            await tab.get_by_label("Agent", exact=True).select_option(label="Asker")
            await tab.get_by_label("Carrier", exact=True).select_option(label="Trunk")
            await expect(tab.locator("main")).to_contain_text("Calls come from +14155550100")
            await tab.get_by_label("Name of the campaign").fill("Over SIP")
            await tab.get_by_role("button", name="Make the draft").click()
            await tab.wait_for_url("**/setup")
            await tab.get_by_label("At any hour").check()
            await tab.get_by_role("button", name="Save and go on").click()
            await tab.get_by_role("button", name="Go", exact=True).click()
            await is_completed(tab, 1)
            await tab.get_by_role("link", name="Calls", exact=True).click()
            await tab.get_by_role("link", name="+14155550106").click()

            audio = tab.locator("audio")
            await expect(tab.locator(".utterance-contact")).to_contain_text("yes")
            await tab.wait_for_function("document.querySelector('audio').readyState >= 2")
            duration = await audio.evaluate("audio => audio.duration")
            assert duration > 3
            asked = tab.get_by_role("button", name="Can you come to the clinic")
            at = float(await asked.get_attribute("data-at") or 0)
            await asked.click()
            await tab.wait_for_function("at => document.querySelector('audio').currentTime > at", arg=at)
            assert 1 < at <= await audio.evaluate("audio => audio.currentTime") < duration
