"""Who comes in, and as whom."""

from __future__ import annotations

import pytest
from browsing import PASSWORD, Surfer
from playwright.async_api import Page
from site_of import Site
from visitors import OWNER, person

from dialplane.engine.keys import Role
from dialplane.errors import Conflict, NotFound

pytestmark = pytest.mark.asyncio


async def test_the_first_person_comes_in_by_a_link_that_works_once(site: Site, surfer: Surfer) -> None:
    people, default = site.server.people, site.organizations["default"]
    stale, token = await people.invite_first(default), await people.invite_first(default)
    surfer.expected = ("404",)
    page = await surfer.tab(f"/welcome?token={stale}")
    assert "has been used or has expired" in await page.locator("main").inner_text()
    await page.goto(f"{site.url}/welcome?token={token}")
    await page.get_by_label("E-mail").fill(OWNER)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Begin").click()
    await page.wait_for_url("**/campaigns")
    assert "No campaign yet" in await page.locator("main").inner_text()
    assert await people.invite_first(default) is None
    with pytest.raises(NotFound, match="used or has expired"):
        await people.join(token or "", "eve@example.org", PASSWORD)


async def test_who_has_not_signed_in_is_asked_to_and_comes_back_to_where_they_were(site: Site, surfer: Surfer) -> None:
    await person(site)
    surfer.expected = ("401",)
    page = await surfer.tab("/campaigns?search=spring")
    assert page.url.startswith(f"{site.url}/sign-in?next=")
    await page.get_by_label("E-mail").fill(OWNER)
    await page.get_by_label("Password").fill("wrong")
    await page.get_by_role("button", name="Sign in").click()
    assert "The e-mail or the password is not right." in await page.locator("main").inner_text()
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/campaigns?search=spring")


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "/\\evil.example"])
async def test_a_link_to_the_sign_in_leads_to_no_other_site(site: Site, surfer: Surfer, elsewhere: str) -> None:
    await person(site)
    answer = await site.http.post("/sign-in", params={"next": elsewhere}, data={"email": OWNER, "password": PASSWORD})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


async def test_the_session_is_for_no_script_and_no_other_site(site: Site) -> None:
    await person(site)
    answer = await site.http.post("/sign-in", data={"email": OWNER, "password": PASSWORD})
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        refused = await site.http.post("/account/password", data={"old": PASSWORD, "new": "x" * 9}, headers=headers)
        assert refused.status_code == 403
    assert await site.server.people.sign_in(OWNER, PASSWORD) is not None


async def test_a_new_password_ends_the_other_sign_ins(site: Site, tab: Page, surfer: Surfer) -> None:
    person_here = await site.server.people.sign_in(OWNER, PASSWORD)
    assert person_here is not None
    other = await site.server.people.session(person_here)
    await tab.goto(f"{site.url}/account")
    await tab.get_by_label("Present password").fill(PASSWORD)
    await tab.get_by_label("New password").fill("another password")
    await tab.get_by_role("button", name="Change it").click()
    await tab.get_by_text("The password is changed").wait_for()
    answer = await site.http.get("/account", headers={"Cookie": f"dialplane_session={other.key}"})
    assert answer.status_code == 303
    await tab.get_by_role("button", name="Sign out").click()
    await tab.get_by_text("You are signed out.").wait_for()


async def test_what_a_person_did_is_kept_under_their_name(site: Site, tab: Page) -> None:
    await tab.goto(f"{site.url}/account")
    await tab.get_by_label("Present password").fill(PASSWORD)
    await tab.get_by_label("New password").fill("another password")
    await tab.get_by_role("button", name="Change it").click()
    await tab.get_by_text("The password is changed").wait_for()
    notes = await site.server.people.notes(site.organizations["default"])
    assert [(note["email"], note["action"], note["path"]) for note in notes] == [
        (OWNER, "change_password", "/account/password")
    ]
    assert await site.server.people.notes(site.organizations["other"]) == []


async def test_the_last_owner_stays(site: Site) -> None:
    people, default = site.server.people, site.organizations["default"]
    await person(site)
    await person(site, "ben@example.org", Role.VIEWER)
    ana, ben = [row["id"] for row in await people.page(default)]
    with pytest.raises(Conflict, match="only owner"):
        await people.remove(default, ana)
    with pytest.raises(NotFound):
        await people.set_role(site.organizations["other"], ben, Role.OWNER)
    await people.set_role(default, ben, Role.OWNER)
    await people.remove(default, ana)
    assert await people.sign_in(OWNER, PASSWORD) is None


async def test_light_and_dark(site: Site, tab: Page) -> None:
    await tab.get_by_role("button", name="Dark").click()
    assert await tab.locator("html").get_attribute("data-bs-theme") == "dark"
    await tab.get_by_role("button", name="Light").click()
    assert await tab.locator("html").get_attribute("data-bs-theme") == "light"
