"""People find a contact, see why it is not called, and do something about it."""

from __future__ import annotations

import httpx2
import pytest
from browsing import Surfer
from people import app_of, completed, draft, numbers
from playwright.async_api import Page, expect
from site_of import Site
from visitors import visitor

from dialplane.core.attempt import ContactState
from dialplane.core.disposition import Disposition
from dialplane.core.retry import RetryPolicy
from dialplane.engine import contact_book
from dialplane.engine.keys import Role
from dialplane.web import contact_search

pytestmark = pytest.mark.asyncio

AGENT = {"name": "Greeter", "greeting": "Hello {{name}}.", "steps": [], "goodbye": "Goodbye."}
PEOPLE = (
    "phone_number,external_id,name,city\n+12125550100,c-1,Ana,Boston\n+12125550101,c-2,Ben <b>,Berlin\n"
    "+12125550102,c-3,Chloé,Lagos\n"
)


async def text_of(tab: Page) -> str:
    return await tab.locator("main").inner_text()


async def test_a_contact_is_found_by_whatever_is_known_of_it(site: Site, tab: Page) -> None:
    campaign_id = await draft(site, PEOPLE, agent=AGENT)
    await tab.goto(f"{site.url}/campaigns/{campaign_id}/contacts")
    search = tab.get_by_label("Search by number")
    for typed, found in (
        ("+1 (212) 555-0101", "+12125550101"),
        ("12125550102", "+12125550102"),
        ("c-1", "+12125550100"),
        ("chlo", "+12125550102"),
        ("BERLIN", "+12125550101"),
        ("550100", "+12125550100"),
    ):
        await search.fill(typed)
        await tab.get_by_role("button", name="Search").click()
        await tab.wait_for_url("**search=**")
        assert await tab.locator("tbody tr td:first-child a").all_inner_texts() == [found], typed
    await search.fill("nobody")
    await search.press("Enter")
    await tab.get_by_text("No contact like that").wait_for()
    await tab.get_by_role("link", name="Show all").first.click()
    await tab.get_by_text("Ben <b>").wait_for()
    await tab.get_by_label("State").select_option("removed")
    await tab.get_by_role("button", name="Search").click()
    await tab.get_by_text("No contact like that").wait_for()


async def test_pages_lead_to_the_end_and_back(site: Site) -> None:
    headers = await visitor(site)
    everybody = numbers(2 * contact_search.PER_PAGE + 10)
    campaign_id = await draft(site, everybody)
    path = f"/campaigns/{campaign_id}/contacts"

    async def shown(query: str) -> tuple[list[str], dict[str, str]]:
        page = (await site.http.get(f"{path}{query}", headers=headers)).text
        found = [part.partition("<")[0] for part in page.split("/contacts/")[1:] if ">+1212" in part]
        links = {
            text: href.replace("&amp;", "&")
            for href, text in (
                (part.partition('"')[0], part.partition(">")[2].partition("<")[0])
                for part in page.split('href="')[1:]
                if part.startswith("?")
            )
        }
        return [part.partition(">")[2] for part in found], links

    first, links = await shown("")
    assert set(links) == {"Next", "Last"}
    second, _ = await shown(links["Next"])
    last, from_last = await shown(links["Last"])
    assert set(from_last) == {"First", "Previous"}
    before_last, between = await shown(from_last["Previous"])
    assert set(between) == {"First", "Previous", "Next", "Last"}
    assert [first, second, before_last, last] == [everybody[:50], everybody[50:100], everybody[10:60], everybody[60:]]
    assert (await shown(between["Next"]))[0] == last


async def test_a_search_that_is_cut_short_says_so_and_goes_on(
    site: Site, tab: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contact_book, "EXAMINED", 3)
    monkeypatch.setattr(contact_search, "EXAMINED", 3)
    monkeypatch.setattr(contact_search, "ROUNDS", 2)
    campaign_id = await draft(site, "phone_number,name\n" + "".join(f"{n},p{i}\n" for i, n in enumerate(numbers(10))))
    await tab.goto(f"{site.url}/campaigns/{campaign_id}/contacts?search=p8")
    await tab.get_by_text(
        "The search has looked at 6 of the campaign's 10 contacts from here on, and found none"
    ).wait_for()
    await tab.get_by_role("link", name="Look further").click()
    await tab.get_by_role("link", name=numbers(10)[8]).wait_for()
    await tab.goto(f"{site.url}/campaigns/{campaign_id}/contacts?search=p1&before={contact_book.END}")
    await tab.get_by_text("and found none").wait_for()
    await tab.get_by_role("link", name="Look further").click()
    await tab.get_by_role("link", name=numbers(10)[1]).wait_for()


async def test_a_contact_tells_why_it_waits_and_does_as_it_is_told(site: Site, tab: Page, surfer: Surfer) -> None:
    app = app_of(site)
    surfer.expected = ("400",)
    campaign_id = await draft(site, PEOPLE, agent=AGENT, keep_open=True)
    (contact, *_), _ = await app.contact_book.page(campaign_id, contact_book.ContactFilter(), after=0, limit=9)
    await tab.goto(f"{site.url}/campaigns/{campaign_id}/contacts/{contact.id}")
    assert "the campaign is a draft" in (await text_of(tab)).lower()

    await tab.get_by_label("name", exact=True).fill("Anabel")
    await tab.get_by_label("Another variable").fill("due")
    await tab.get_by_label("Its value").fill("=2026")
    await tab.get_by_role("button", name="Save").click()
    await tab.get_by_text("The contact is changed").wait_for()
    assert (await app.contact_book.get(contact.id)).variables == {"name": "Anabel", "city": "Boston", "due": "=2026"}
    await tab.get_by_label("Phone number").fill("12")
    await tab.get_by_role("button", name="Save").click()
    await tab.get_by_role("alert").wait_for()
    assert await tab.get_by_label("Phone number").input_value() == "12", "what was typed stays"

    await tab.goto(f"{site.url}/campaigns/{campaign_id}/contacts/{contact.id}")
    await tab.get_by_role("button", name="Take out").click()
    await tab.get_by_role("button", name="Keep").click()
    assert (await app.contact_book.get(contact.id)).state is ContactState.WAITING
    await tab.get_by_role("button", name="Take out").click()
    await tab.get_by_role("button", name="Take it out").click()
    await tab.get_by_text("It was taken out").wait_for()
    await tab.get_by_role("button", name="Bring back").click()
    await tab.get_by_text("It waits for a call again").wait_for()
    await tab.get_by_role("button", name="Call now").click()
    await tab.get_by_text("It is called before all others").wait_for()
    await app.campaigns.start(campaign_id)
    async with site.working():
        await tab.get_by_role("link", name="Attempt 1").wait_for()
        await expect(tab.locator("#stands")).to_contain_text("reached")
    await app.campaigns.pause(campaign_id)
    await tab.get_by_role("button", name="Do not call").click()
    assert "holds for all campaigns" in await tab.locator("#confirm-text").inner_text()
    await tab.get_by_role("button", name="Do not call it").click()
    await tab.get_by_text("is on the do-not-call list: no campaign calls it").wait_for()
    assert "do not call" in (await text_of(tab)).lower()
    assert await tab.get_by_role("button", name="Call now").count() == 0
    assert [row["source"] for row in await app.contacts.do_not_call_entries([contact.to_number])] == ["hand"]


async def test_contacts_come_and_go_by_hand(site: Site, tab: Page, surfer: Surfer) -> None:
    app = app_of(site)
    surfer.expected = ("400",)
    campaign_id = await draft(site, PEOPLE, agent=AGENT)
    await tab.goto(f"{site.url}/campaigns/{campaign_id}/contacts")
    await tab.get_by_role("link", name="Add one").click()
    await tab.get_by_label("Phone number").fill("030 23125000")
    await tab.get_by_label("Country of a number").fill("de")
    await tab.get_by_label("Time zone").fill("Mars/Base")
    await tab.get_by_label("name", exact=True).fill("Dora")
    await tab.get_by_role("button", name="Add").click()
    await tab.get_by_text("this is no time zone").wait_for()
    assert await tab.get_by_label("name", exact=True).input_value() == "Dora"
    await tab.get_by_label("Time zone").fill("")
    await tab.get_by_role("button", name="Add").click()
    await tab.get_by_text("+493023125000 was added").wait_for()
    assert "Dora" in await text_of(tab)

    await tab.goto(f"{site.url}/campaigns/{campaign_id}/contacts/remove")
    for pasted, said in (("+12125550100\nc-9", "c-9"), ("+12125550100\nc-2\n\n", "2 contacts were taken out")):
        await tab.get_by_label("Numbers or your own ids").fill(pasted)
        await tab.get_by_role("button", name="Take out", exact=True).click()
        await tab.get_by_role("button", name="Take them out").click()
        await tab.get_by_text(said).first.wait_for()
    removed = contact_book.ContactFilter(state=ContactState.REMOVED)
    found, _ = await app.contact_book.page(campaign_id, removed, after=0, limit=9)
    assert [contact.external_id for contact in found] == ["c-1", "c-2"]
    await tab.goto(f"{site.url}/campaigns/{campaign_id}/contacts?state=removed")
    assert (await text_of(tab)).count("it was removed") == 2, "why, in words"


async def test_who_may_not_change_contacts_is_not_offered_to(site: Site) -> None:
    campaign_id = await completed(
        site, ["+12125550142"], carrier={"outcomes": {"busy": 1}}, retry=RetryPolicy(max_retries=0)
    )
    (contact,), _ = await app_of(site).contact_book.page(campaign_id, contact_book.ContactFilter(), after=0, limit=1)
    headers = await visitor(site, "vera@example.org", Role.VIEWER)
    path = f"/campaigns/{campaign_id}/contacts"
    page = (await site.http.get(f"{path}/{contact.id}", headers=headers)).text
    assert "Attempt 1" in page and "user busy" in page
    assert '<form method="post" action="/campaigns' not in page
    for refused in (f"{path}/{contact.id}/call-now", f"{path}/{contact.id}/do-not-call", f"{path}/{contact.id}/remove"):
        assert (await site.http.post(refused, headers=headers)).status_code == 403
    assert (await site.http.get(f"{path}/add", headers=headers)).status_code == 403
    assert contact.disposition is Disposition.BUSY


async def test_contacts_of_another_organization_are_not_there(site: Site) -> None:
    campaign_id = await draft(site, ["+12125550142"])
    (contact,), _ = await app_of(site).contact_book.page(campaign_id, contact_book.ContactFilter(), after=0, limit=1)
    headers = await visitor(site, "eve@example.org", of="other")
    path = f"/campaigns/{campaign_id}/contacts"

    async def asked(method: str, at: str, **data: object) -> httpx2.Response:
        return await site.http.request(method, at, headers=headers, **data)  # type: ignore[arg-type]

    for at in (path, f"{path}?search=142", f"{path}?before=9", f"{path}/{contact.id}", f"{path}/add", f"{path}/remove"):
        answer = await asked("GET", at)
        assert answer.status_code == 404, at
        assert contact.to_number not in answer.text
    for act in ("", "/call-now", "/remove", "/restore", "/do-not-call"):
        answer = await asked("POST", f"{path}/{contact.id}{act}", data={"phone_number": "+12125550199"})
        assert answer.status_code == 404, act
    added = await asked("POST", f"{path}/add", data={"phone_number": "+12125550199"})
    assert added.status_code in (400, 404) and "+12125550142" not in added.text
    removed = await asked("POST", f"{path}/remove", data={"text": "+12125550142"})
    assert removed.status_code in (400, 404)
    assert (await app_of(site).contact_book.get(contact.id)).state is ContactState.WAITING
    assert await app_of(site).contacts.do_not_call_entries([contact.to_number]) == []
