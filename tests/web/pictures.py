"""The pictures in docs/pictures: every page, light and dark, of a clinic that is calling; and three pages on a phone.

They are made anew by `make pictures`. Where Pillow is at hand, they are kept in 256 colours, in half the space.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from browsing import DESK, PASSWORD, PHONE, chromium
from clinic import MESSY, Clinic
from playwright.sync_api import Browser, Page, sync_playwright
from served import Served, data_folder, serving, until

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
THEMES = ("light", "dark")
LIVELY_SECONDS = 80  # until the campaign that runs has something to show
COLOURS = 256
TALL = {
    "campaign": 1240,
    "campaign-results": 2100,
    "carrier-new-twilio": 1000,
    "new-campaign-hours": 1100,
    "new-campaign-start": 1240,
}
OWNER, OTHERS = "ana@northside.example", (("operator", "ben@northside.example"), ("viewer", "vera@northside.example"))
ON_A_PHONE = ("campaigns", "campaign", "call")


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with data_folder() as home, serving(home, DIALPLANE_PRIVATE_WEBHOOKS="on") as served:
        clinic = Clinic(served)
        first = until(lambda: re.search(r"http://\S+/welcome\?token=\S+", "".join(served.said)), "the first link")[0]
        with sync_playwright() as playwright, chromium() as address:
            browser = playwright.chromium.connect_over_cdp(address)
            with surfing(browser, served) as page:
                page.goto(first)
                for theme in THEMES:
                    page.emulate_media(color_scheme=theme)
                    picture(page, f"welcome-{theme}")
                join(page, first, OWNER, "Ana Castellanos")
                for role, email in OTHERS:
                    invited(browser, served, page, role, email)
                shots(page, served, clinic)
                kept = page.context.storage_state()
            with surfing(browser, served, viewport=PHONE, storage_state=kept, has_touch=True, is_mobile=True) as page:
                found = pages(clinic)
                for name in ON_A_PHONE:
                    page.goto(served.url + found[name])
                    settle(page)
                    picture(page, f"{name}-phone")
            with surfing(browser, served) as page:
                page.goto(f"{served.url}/sign-in")
                for theme in THEMES:
                    page.emulate_media(color_scheme=theme)
                    picture(page, f"sign-in-{theme}")
    made = sorted(FOLDER.glob("*.png"))
    print(f"{len(made)} pictures, {sum(each.stat().st_size for each in made) / 1e6:.1f} MB")


def shots(page: Page, served: Served, clinic: Clinic) -> None:
    """Those of who has signed in; first those on which something happens."""
    wanted = {"campaign", "campaigns", "calls"}
    page.goto(f"{served.url}/campaigns/{clinic.draft}/setup/start")
    page.locator("#forecast").get_by_role("button").first.click()
    columns = uploaded(page, served)
    found = pages(clinic) | {"new-campaign-columns": columns}
    time.sleep(max(0, LIVELY_SECONDS - (time.monotonic() - clinic.began)))
    for name in sorted(found, key=lambda each: each not in wanted):
        page.set_viewport_size({**DESK, "height": TALL.get(name, DESK["height"])})
        page.goto(served.url + found[name])
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)
            settle(page)
            picture(page, f"{name}-{theme}")
    assert clinic.state(clinic.live) == "running", "the campaign has ended before its pictures were made"


def pages(clinic: Clinic) -> dict[str, str]:
    """Paths by name; those of campaigns with a suffix are its tabs."""
    live, past = f"/campaigns/{clinic.live}", f"/campaigns/{clinic.past}"
    call = clinic.answered_call()
    return {
        "campaigns": "/campaigns",
        "campaign": live,
        "campaign-contacts": f"{live}/contacts",
        "campaign-contact": clinic.contact_called_again(),
        "campaign-results": f"{past}/results",
        "campaign-log": f"{live}/log",
        "campaign-settings": f"{live}/settings",
        "campaign-rejects": f"{live}/rejects",
        "new-campaign": "/campaigns/new",
        "new-campaign-hours": f"/campaigns/{clinic.draft}/setup",
        "new-campaign-start": f"/campaigns/{clinic.draft}/setup/start",
        "calls": "/calls",
        "call": f"/calls/{call}",
        "agents": "/agents",
        "agent": f"/agents/{clinic.reminder}",
        "agent-new": "/agents/new",
        "agent-conversation": f"/agents/{clinic.conversation}",
        "agent-new-conversation": "/agents/new?kind=pipeline",
        "sounds": "/agents/sounds",
        "carriers": "/carriers",
        "carrier": f"/carriers/{clinic.carrier}",
        "carrier-new": "/carriers/new",
        "carrier-new-twilio": "/carriers/new?provider=twilio",
        "numbers": "/numbers",
        "number": f"/carriers/{clinic.carrier}/numbers/{clinic.number}",
        "do-not-call": "/do-not-call",
        "webhooks": "/webhooks",
        "webhook": f"/webhooks/{clinic.webhook}",
        "keys": "/keys",
        "people": "/people",
        "settings": "/settings",
        "voice": "/settings/voice",
        "audit": "/audit",
        "system": "/system",
        "account": "/account",
    }


@contextmanager
def surfing(browser: Browser, served: Served, **options: object) -> Iterator[Page]:
    given = {"viewport": DESK, "locale": "en-US", "timezone_id": "America/New_York", **options}
    context = browser.new_context(**given)
    page = context.new_page()
    page.set_default_timeout(20_000)
    yield page
    context.close()


def join(page: Page, link: str, email: str, name: str) -> None:
    page.goto(link)
    page.get_by_label("Your name").fill(name)
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Begin").click()
    page.wait_for_url("**/campaigns")


def invited(browser: Browser, served: Served, page: Page, role: str, email: str) -> None:
    page.goto(f"{served.url}/people")
    page.locator(f"input[name=role][value={role}]").check()
    page.get_by_role("button", name="Make a link").click()
    link = page.get_by_label(f"Invitation as {role}").input_value()
    with surfing(browser, served) as other:
        join(other, link, email, email.partition("@")[0].title())


def uploaded(page: Page, served: Served) -> str:
    """The path of the page about a messy file."""
    page.goto(f"{served.url}/campaigns/new")
    content = {"name": "patients.csv", "mimeType": "text/csv", "buffer": MESSY.encode("cp1252")}
    page.get_by_label("Choose the file").set_input_files(content)
    page.wait_for_url("**/campaigns/new/*-*")
    page.get_by_label("Numbers without a country code").select_option("DE")
    page.wait_for_load_state("networkidle")
    return page.url.removeprefix(served.url) + "?region=DE"


def settle(page: Page) -> None:
    """Until charts are drawn and parts that come later are there; a stream never rests, so not until all is quiet."""
    page.wait_for_timeout(1000)


def picture(page: Page, name: str) -> None:
    path = FOLDER / f"{name}.png"
    page.screenshot(path=path, animations="disabled", caret="hide")
    try:
        from PIL import Image
    except ImportError:
        return
    with Image.open(path) as whole:
        few = whole.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


if __name__ == "__main__":
    main()
