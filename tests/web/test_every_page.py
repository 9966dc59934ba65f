"""What holds for every page, walked by the table of routes, so that a new page cannot be forgotten."""

from __future__ import annotations

import re
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from browsing import DESK, PHONE, Surfer
from everything import HOSTILE, NUMBER, furnished
from playwright.async_api import Page
from site_of import Site
from visitors import person

from dialplane.engine.keys import Role
from dialplane.web.route import PageRoute
from dialplane.web.site import ROUTERS

pytestmark = pytest.mark.asyncio

STREAMS = {"campaign_stream", "organization_stream"}
WITHOUT_SIGN_IN = {"show_home", "show_sign_in", "sign_in_here", "show_welcome", "join", "choose_theme"}


def routes() -> list[PageRoute]:
    found = [route for router in ROUTERS for route in router.routes if isinstance(route, PageRoute)]
    assert len(found) > 50
    return [route for route in found if route.name not in STREAMS]


def filled(path: str, ids: dict[str, Any]) -> str:
    return re.sub(r"\{(\w+)(:\w+)?\}", lambda match: str(ids[match[1]]), path)


async def shown(site: Site, tab: Page, ids: dict[str, Any]) -> list[str]:
    """The addresses of all pages: what answers HTML to who asks for it, as a whole page."""
    found = []
    for route in routes():
        if "GET" not in route.methods or route.name == "show_home":
            continue
        its = {**ids, "campaign_id": ids["draft_id"]} if "/setup" in route.path else ids
        path = filled(route.path, its)
        answer = await tab.request.get(site.url + path, headers={"Accept": "text/html"}, max_redirects=0)
        assert answer.status < 500, (path, await answer.text())
        if answer.status == 200 and "<!doctype html>" in (await answer.text())[:200]:
            found.append(path)
    assert len(found) > 20
    return found


async def test_every_page_shows_text_as_text_can_be_read_by_all_and_fits_a_phone(
    site: Site, tab: Page, surfer: Surfer
) -> None:
    """What people wrote runs nowhere; axe finds no serious fault in light, and no contrast too low in dark."""
    ids = await furnished(site)
    told, faults = set(), []
    for path in await shown(site, tab, ids):
        await tab.set_viewport_size(DESK)
        await tab.goto(site.url + path)
        faults += [f"{path}: {fault}" for fault in await axe(tab)]
        assert await tab.evaluate("window.owned") is None, path
        assert await tab.locator("img[src=x], img[onerror]").count() == 0, path
        if "<script>" in await tab.locator("body").inner_text():
            told.add(path)
        await tab.evaluate("document.documentElement.setAttribute('data-bs-theme', 'dark')")
        faults += [f"{path}, dark: {fault}" for fault in await axe(tab, "color-contrast")]
        await tab.set_viewport_size(PHONE)
        if await tab.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            faults.append(f"{path}: wider than a phone")
    assert faults == []
    assert len(told) > 8  # otherwise nothing hostile was anywhere


async def axe(tab: Page, *rules: str) -> list[str]:
    """Serious faults, by these rules alone or by all."""
    options = {"resultTypes": ["violations"]} | ({"runOnly": list(rules)} if rules else {})
    found = await Axe().run(tab, options=options)
    return [
        f"{each['id']}: {each['nodes'][0]['html'][:200]} {each['nodes'][0].get('failureSummary', '')[:300]}"
        for each in found.response["violations"]
        if each["impact"] in ("serious", "critical")
    ]


async def test_every_page_and_act_wants_a_sign_in_and_a_viewer_can_change_nothing(site: Site) -> None:
    ids = await furnished(site)
    for route in routes():
        if route.name in WITHOUT_SIGN_IN:
            continue
        for method in route.methods - {"HEAD"}:
            answer = await site.http.request(method, filled(route.path, ids))
            assert (answer.status_code, answer.headers.get("location", "")[:8]) == (303, "/sign-in"), route.path

    await person(site, "vic@example.org", Role.VIEWER)
    vic = await site.server.people.sign_in("vic@example.org", "correct horse battery")
    assert vic is not None
    cookie = {"Cookie": f"dialplane_session={(await site.server.people.session(vic)).key}"}
    own = {"sign_out", "change_password"}
    for route in routes():
        if "GET" in route.methods or route.name in WITHOUT_SIGN_IN | own:
            continue
        for method in route.methods:
            answer = await site.http.request(method, filled(route.path, ids), headers=cookie)
            assert answer.status_code == 403, (route.path, answer.status_code)


async def test_no_page_shows_and_no_act_touches_what_is_anothers(site: Site) -> None:
    ids = await furnished(site)
    await person(site, "eve@example.org", of="other")
    eve = await site.server.people.sign_in("eve@example.org", "correct horse battery")
    assert eve is not None
    cookie = {"Cookie": f"dialplane_session={(await site.server.people.session(eve)).key}"}
    leaked = []
    for route in routes():
        if route.name in ("sign_out", "join", "choose_theme"):
            continue
        path = filled(route.path, ids)
        for method in sorted(route.methods - {"HEAD"}):
            answer = await site.http.request(method, path, headers=cookie, data={"name": "theirs"})
            assert answer.status_code < 500, (path, answer.text)
            if HOSTILE in answer.text or NUMBER in answer.text or "owned" in answer.text:
                leaked.append(f"{method} {path}: {answer.status_code}")
            if "{" in route.path and answer.status_code < 400:
                leaked.append(f"{method} {path}: {answer.status_code} {answer.headers.get('location')}")
    assert leaked == []
