"""What came of a campaign's calls, as its page counts it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from browsing import Surfer
from people import app_of, completed, draft, numbers
from playwright.async_api import Page, expect
from site_of import CALLS, Site
from visitors import visitor

from dialplane.core.retry import RetryPolicy
from dialplane.core.splitting import AgentSplit
from dialplane.core.window import CONTACT, CallingWindow
from dialplane.engine import results
from dialplane.engine.results import Share, Talk
from dialplane.errors import EnvironmentFault
from dialplane.wiring import App

pytestmark = pytest.mark.asyncio

ASKER = {
    "name": "Asker",
    "greeting": "Hello.",
    "steps": [{"say": "Can you come?", "gather": "comes", "expect": ["yes", "no"], "no_match": "Sorry?"}],
    "goodbye": "Goodbye.",
}
NEW_YORK, CHICAGO, BERLIN = "+12125550142", "+13125550143", "+493023125000"
MONDAY = datetime(2026, 3, 2, 12, 30, tzinfo=UTC)  # 13:30 in Berlin, 07:30 in New York, 06:30 in Chicago


async def arranged(app: App, campaign_id: int) -> None:
    """Its calls as if they had been made at certain times: from Monday on, an hour apart, with 10 s, 20 s … of talk."""
    async with app.database.connection() as connection:
        found = await connection.fetch(
            "SELECT id FROM attempt WHERE organization_id = $1 AND campaign_id = $2 ORDER BY to_number",
            app.organization_id,
            campaign_id,
        )
        for place, row in enumerate(found):
            placed = MONDAY + timedelta(hours=place)
            talked = placed + timedelta(seconds=10 * (place + 1))
            await connection.execute(
                "UPDATE attempt SET placed_at = $3, answered_at = $3, ended_at = $4, gathered = $5"
                " WHERE organization_id = $1 AND id = $2",
                app.organization_id,
                row["id"],
                placed,
                talked,
                {"comes": "no" if place else "<b>yes</b>"},
            )


async def test_calls_are_counted_by_hour_number_country_and_answer(site: Site) -> None:
    app = app_of(site)
    numbers = [NEW_YORK, CHICAGO, BERLIN]
    ids = {}
    for zone in ("Europe/Berlin", CONTACT):
        ids[zone] = await completed(site, numbers, agent=ASKER, window=CallingWindow(timezone=zone))
        await arranged(app, ids[zone])

    found = await app.results.campaign(ids["Europe/Berlin"])

    one = Share(calls=1, placed=1, answered=1)
    assert found.total == Share(calls=3, placed=3, answered=3)
    assert found.hours == {(0, 13): one, (0, 14): one, (0, 15): one}
    assert found.attempts == {1: found.total}
    assert found.countries == {"US": Share(calls=2, placed=2, answered=2), "DE": one}
    assert found.zones == {("America/New_York",): one, ("America/Chicago",): one, ("Europe/Berlin",): one}
    assert found.from_numbers == {"+15005550100": found.total}
    assert found.dispositions == {"answered": 3}
    assert found.talk == Talk(seconds={10: 1, 20: 1, 30: 1})
    assert (found.talk.median, found.talk.longest) == (20, 30)
    (field,) = found.fields
    assert (field.name, field.answers, field.total) == ("comes", (("no", 2), ("<b>yes</b>", 1)), 3)
    theirs = await app.results.campaign(ids[CONTACT])
    assert theirs.zone is None
    assert theirs.hours == {(0, 7): one + one, (0, 15): one}, "at half past seven in New York and in Chicago"


async def test_refused_and_unanswered_calls_are_no_answers(site: Site) -> None:
    app = app_of(site)
    carrier = {**CALLS, "outcomes": {"answered": 0.5, "busy": 0.5}, "refusals": {"capacity": 0.3}}
    people = [f"+1212{2_000_000 + i}" for i in range(40)]
    campaign_id = await completed(site, people, carrier=carrier, retry=RetryPolicy(max_retries=0))

    found = await app.results.campaign(campaign_id)

    progress = (await app.campaigns.progress([campaign_id]))[campaign_id]
    assert found.dispositions == dict(progress.dispositions)
    assert found.total.calls == progress.attempts
    assert found.total.answered == found.dispositions["answered"] == found.talk.calls
    assert found.total.placed == found.total.calls - found.dispositions.get("capacity", 0) < found.total.calls
    for split in (found.hours, found.attempts, found.from_numbers, found.countries, found.zones):
        assert sum(split.values(), Share()) == found.total


async def test_the_page_shows_what_was_counted(site: Site, tab: Page) -> None:
    campaign_id = await completed(site, [NEW_YORK, CHICAGO, BERLIN], agent=ASKER)
    await arranged(app_of(site), campaign_id)
    await tab.goto(f"{site.url}/campaigns/{campaign_id}/results")
    main = tab.locator("main")
    await expect(main).to_contain_text("in UTC")
    await expect(main.get_by_role("cell", name="United States")).to_be_visible()
    await expect(main).to_contain_text("<b>yes</b>")
    assert await tab.locator(".heat td[title]").all_inner_texts() == ["100", "100", "100"]
    for chart in await tab.locator("[data-chart]").all():
        await expect(chart.locator("canvas")).to_be_visible()
    await tab.get_by_text("The numbers by hour").click()
    row = tab.locator("#hours tbody tr").nth(12)
    assert await row.locator("td").all_inner_texts() == ["12:00", "1", "1", "100 %"]
    light = await tab.locator("[data-chart=hours] canvas").evaluate("canvas => canvas.toDataURL()")
    await tab.evaluate("document.documentElement.setAttribute('data-bs-theme', 'dark')")
    await expect(tab.locator("html")).to_have_attribute("data-bs-theme", "dark")
    assert await tab.locator("[data-chart=hours] canvas").evaluate("canvas => canvas.toDataURL()") != light
    async with tab.expect_download() as downloading:
        await tab.get_by_role("link", name="Report as CSV").click()
    report = (await (await downloading.value).path()).read_text(encoding="utf-8")
    assert report.startswith("contact_id,") and report.count("\n") == 4


async def test_a_count_is_kept_for_as_long_as_it_was_dear(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    app = app_of(site)
    campaign_id = await completed(site, [NEW_YORK])
    monkeypatch.setattr(results, "KEPT_FOR_TIMES", 1_000_000)
    first = await app.results.campaign(campaign_id)
    assert await app.results.campaign(campaign_id) is first
    monkeypatch.setattr(results, "KEPT_FOR_TIMES", 0)
    assert await app.results.campaign(campaign_id) is first, "until its time is over"
    monkeypatch.setattr(app.results, "_kept", {})
    again = await app.results.campaign(campaign_id)
    assert await app.results.campaign(campaign_id) is not again


async def test_a_count_that_takes_too_long_ends_and_says_so(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign_id = await completed(site, [NEW_YORK])
    monkeypatch.setattr(results, "COUNTING", "SET LOCAL statement_timeout = '50ms'; SELECT pg_sleep(1)")
    with pytest.raises(EnvironmentFault, match="download the report"):
        await app_of(site).results.campaign(campaign_id)


async def test_a_campaign_without_calls_and_one_of_another_organization(site: Site) -> None:
    campaign_id = await draft(site, [NEW_YORK])
    page = (await site.http.get(f"/campaigns/{campaign_id}/results", headers=await visitor(site))).text
    assert "No call has ended yet" in page
    eve = await visitor(site, "eve@example.org", of="other")
    assert (await site.http.get(f"/campaigns/{campaign_id}/results", headers=eve)).status_code == 404


async def test_versions_of_the_agent_are_set_by_weight_and_compared(site: Site, tab: Page, surfer: Surfer) -> None:
    surfer.expected = ("400",)
    app = app_of(site)
    await app.add_agent(ASKER)
    carrier = CALLS | {"answers": {"expected": 1}, "talk_seconds": 0.6}
    campaign_id = await draft(site, numbers(12), agent=ASKER | {"greeting": "Good day."}, carrier=carrier)
    await tab.goto(f"{site.url}/campaigns/{campaign_id}/settings")
    await tab.get_by_label("Version 1").fill("1")
    await tab.get_by_label("Version 2, in force").fill("many")
    await tab.get_by_role("button", name="Save").click()
    await expect(tab.get_by_role("alert")).to_have_text("Weight of version 2: write a number, not 'many'")
    await tab.get_by_label("Version 2, in force").fill("1")
    await tab.get_by_role("button", name="Save").click()
    await tab.get_by_text("Saved. It counts from the next call on.").wait_for()
    assert await tab.get_by_label("Version 1").input_value() == "1"
    assert (await app.campaigns.get(campaign_id)).policies.split == AgentSplit(weights={1: 1, 2: 1})
    await tab.goto(f"{site.url}/campaigns/{campaign_id}")
    await expect(tab.locator("main")).to_contain_text("Asker, version 1 (50 %), 2 (50 %)")

    await app.campaigns.start(campaign_id)
    async with site.working():
        await site.until(f"/campaign/{campaign_id}", {"state": "completed"})
    await tab.goto(f"{site.url}/campaigns/{campaign_id}/results")

    rows = [await row.locator("td").all_inner_texts() for row in await tab.locator("#versions tbody tr").all()]
    assert [(row[0], row[1], row[6]) for row in rows] == [("1", "1", "100 %"), ("2", "1", "100 %")]
    assert sum(int(row[2]) for row in rows) == 12
    await expect(tab.get_by_role("region", name="Gathered by version: comes")).to_contain_text("yes")
