"""The first load of pages in a real browser: bytes that come over the wire, and the time until all of it is there."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, async_playwright

from benchmarks.figures import Figure, figure
from benchmarks.serving import serving
from dialplane.config import Settings
from dialplane.core.campaign import Policies
from dialplane.engine import catalog
from dialplane.wiring import open_server

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
CONTACTS = "phone_number\n" + "\n".join(f"+1212200{number:04}" for number in range(200))
LOADS = 5


@dataclass(frozen=True, slots=True)
class Load:
    kilobytes: float
    milliseconds: float


async def measure() -> list[Figure]:
    if CHROMIUM is None:
        raise SystemExit("Chromium is not installed (apt install chromium)")
    home = Path(tempfile.mkdtemp(prefix="dp-bench-", dir="/tmp"))
    home.chmod(0o755)
    try:
        async with serving(home) as port, async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            url = f"http://127.0.0.1:{port}"
            token, campaign_id = await _furnish(home)
            state = await _join(browser, url, token)
            bare = await _best(browser, f"{url}/health", state)
            campaigns = await _best(browser, f"{url}/campaigns", state)
            campaign = await _best(browser, f"{url}/campaigns/{campaign_id}", state)
            await browser.close()
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return [
        *_figures("page_campaigns", campaigns, bare),
        *_figures("page_campaign", campaign, bare),
    ]


def _figures(name: str, load: Load, bare: Load) -> list[Figure]:
    return [
        figure(
            name, load.milliseconds, "ms", baseline=bare.milliseconds, target="<= 1 s", met=load.milliseconds <= 1000
        ),
        figure(f"{name}_size", load.kilobytes, "kB", target="<= 500 kB", met=load.kilobytes <= 500),
    ]


async def _furnish(home: Path) -> tuple[str, int]:
    """An invitation, and a campaign that waits to be started."""
    async with open_server(Settings(home=home)) as server:
        organization_id = await catalog.ensure_organization(server.database)
        app = server.of(organization_id)
        campaign_id = await app.campaigns.create(
            name="Two hundred",
            agent_id=await app.add_agent(None),
            carrier_id=await app.add_carrier(None),
            policies=Policies(),
        )
        file = home / "contacts.csv"
        file.write_text(CONTACTS, encoding="utf-8")
        await app.intake.store(campaign_id, file, None)
        await app.intake.run(campaign_id, frozenset())
        token = await server.people.invite_first(organization_id)
        assert token is not None
        return token, campaign_id


async def _join(browser: Browser, url: str, token: str) -> Any:
    """The cookie of a sign-in."""
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(f"{url}/welcome?token={token}")
    await page.get_by_label("E-mail").fill("ana@example.org")
    await page.get_by_label("Password").fill("correct horse battery")
    await page.get_by_role("button", name="Begin").click()
    await page.wait_for_url("**/campaigns")
    state = await context.storage_state()
    await context.close()
    return state


async def _best(browser: Browser, address: str, state: Any) -> Load:
    """The fastest of some loads, each in a browser that has never seen the server."""
    return min([await _load(browser, address, state) for _ in range(LOADS)], key=lambda load: load.milliseconds)


async def _load(browser: Browser, address: str, state: Any) -> Load:
    context = await browser.new_context(storage_state=state)
    page = await context.new_page()
    network = await context.new_cdp_session(page)
    await network.send("Network.enable")
    sizes: list[float] = []
    network.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    answer = await page.goto(address, wait_until="load")
    assert answer is not None
    assert answer.ok, address
    took = await page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    await context.close()
    return Load(sum(sizes) / 1000, took)
