"""The page of one campaign while it runs, and what can be done there."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

import pytest
from browsing import PASSWORD, Surfer
from people import app_of, draft, numbers, started
from playwright.async_api import Page, expect
from site_of import CALLS, Site
from visitors import OWNER, person

from benchmarks.filling import fill
from dialplane.core.breaker import CircuitBreaker
from dialplane.core.campaign import CampaignState
from dialplane.core.machines import MachineDetection, OnMachine, OnScreening
from dialplane.core.retry import RetryPolicy
from dialplane.core.window import CONTACT, CallingWindow
from dialplane.engine import timeline

pytestmark = pytest.mark.asyncio

SLOW_CALLS = {"outcomes": {"answered": 1}, "ring_seconds": [0.01, 0.02], "talk_seconds": [0.4, 0.6]}
MIXED_CALLS = {**CALLS, "outcomes": {"answered": 0.5, "busy": 0.3, "voicemail": 0.2}}
BUSY_CALLS = {**CALLS, "outcomes": {"busy": 1}}
LONG_CALLS = {**CALLS, "talk_seconds": [60, 60]}
NO_RETRY = RetryPolicy(max_retries=0)


async def headline(tab: Page) -> str:
    return await tab.locator("#headline").inner_text()


async def cookie_of(site: Site) -> dict[str, str]:
    owner = await site.server.people.sign_in(OWNER, PASSWORD)
    assert owner is not None
    return {"Cookie": f"dialplane_session={(await site.server.people.session(owner)).key}"}


async def test_a_pause_in_one_tab_is_seen_in_another(site: Site, tab: Page, surfer: Surfer) -> None:
    campaign_id = await started(site, numbers(400), carrier=SLOW_CALLS, max_lines=5)
    async with site.working():
        other = await surfer.tab(f"/campaigns/{campaign_id}")
        await expect(other.locator("#done")).not_to_have_text(re.compile("^0 of"))
        await tab.goto(f"{site.url}/campaigns/{campaign_id}")
        await tab.evaluate("document.addEventListener('click', () => { localStorage.clicked = Date.now(); }, true)")
        await other.evaluate(
            "new MutationObserver(() => { window.seen ??= Date.now(); })"
            ".observe(document.getElementById('campaign-state'), { childList: true, subtree: true })"
        )
        await tab.get_by_role("button", name="Pause", exact=True).click()
        await expect(other.locator("#campaign-state")).to_have_text("paused", timeout=5_000)
        took = await other.evaluate("window.seen - localStorage.clicked")
        print(f"a pause was seen in the other tab {took} ms after the click")
        await expect(other.locator("#headline")).to_contain_text("the campaign is paused")
        await other.get_by_role("button", name="Resume").click()
        await expect(tab.locator("#campaign-state")).to_have_text("running", timeout=5_000)
        await expect(tab.get_by_role("button", name="Pause", exact=True)).to_be_visible()


async def test_a_campaign_is_followed_to_its_end_without_hammering_the_server(
    site: Site, tab: Page, surfer: Surfer
) -> None:
    campaign_id = await draft(site, numbers(300), carrier=MIXED_CALLS, retry=NO_RETRY, max_lines=20)
    asked: list[float] = []
    tab.on("request", lambda request: asked.append(time.monotonic()) if request.url.endswith("/now") else None)
    await tab.goto(f"{site.url}/campaigns/{campaign_id}")
    assert "the campaign is a draft" in await headline(tab)
    assert await tab.locator("[data-chart]").count() == 0
    async with site.working():
        await tab.get_by_role("button", name="Start", exact=True).click()
        await expect(tab.locator("#lines")).to_contain_text("this campaign")
        await expect(tab.locator("#done")).to_have_text(re.compile("300 of 300"), timeout=60_000)
        await expect(tab.locator("#campaign-state")).to_have_text("completed")
    progress = (await app_of(site).campaigns.progress([campaign_id]))[campaign_id]
    funnel = await tab.locator("#funnel td.number").all_inner_texts()
    picked_up = progress.dispositions["answered"] + progress.dispositions["voicemail"]
    assert funnel == ["300", "300", str(picked_up), str(progress.reached)]
    await expect(tab.locator("#headline")).to_have_text("The campaign is completed.")
    assert await tab.locator("[data-chart] canvas").count() == 1
    assert "The table below has the same numbers" in (
        await tab.locator("[data-chart]").get_attribute("aria-label") or ""
    )
    await tab.locator("[data-chart] canvas").hover(position={"x": 300, "y": 100})
    await expect(tab.locator("[data-chart-note]")).to_have_text(re.compile("answered|no call ended"))
    await tab.get_by_text("The same calls as a table").click()
    await expect(tab.locator("[data-chart-table] thead")).to_contain_text("busy")
    await expect(tab.locator("#latest")).to_contain_text("every contact has ended")
    print(f"{len(asked)} requests for the live part in {asked[-1] - asked[0]:.1f} s")
    assert len(asked) >= 3, "it was live"
    assert len(asked) <= asked[-1] - asked[0] + 5, "one a second, and one for each change of state and log entry"

    await tab.get_by_label("busy", exact=True).uncheck()
    await tab.get_by_role("button", name="Make the campaign").click()
    await tab.get_by_text("This is the new campaign.").wait_for()
    child_id = int(tab.url.rpartition("/")[2])
    child = await app_of(site).campaigns.view(child_id)
    assert (child.record.state, child.progress.total) == (CampaignState.DRAFT, progress.dispositions["voicemail"])
    await tab.goto(f"{site.url}/campaigns/{campaign_id}")
    await tab.get_by_role("button", name="Copy").click()
    await tab.get_by_text("This is the copy, with the same contacts.").wait_for()
    await expect(tab.locator("#done")).to_have_text(re.compile("0 of 300"))


async def test_a_hidden_tab_asks_for_nothing(site: Site, tab: Page) -> None:
    campaign_id = await started(site, numbers(300), carrier=SLOW_CALLS, max_lines=4)
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    async with site.working():
        await tab.goto(f"{site.url}/campaigns/{campaign_id}")
        await expect(tab.locator("#done")).not_to_have_text(re.compile("^0 of"))
        await _make_hidden(tab, True)
        await tab.wait_for_timeout(1_500)
        asked.clear()
        seen = await tab.locator("#done").inner_text()
        await tab.wait_for_timeout(2_000)
        assert asked == []
        await _make_hidden(tab, False)
        await expect(tab.locator("#done")).not_to_have_text(seen, timeout=10_000)


async def _make_hidden(tab: Page, hidden: bool) -> None:
    await tab.evaluate(
        "hidden => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
        " document.dispatchEvent(new Event('visibilitychange')); }",
        hidden,
    )


async def test_the_page_says_why_nobody_is_being_called_and_what_to_do(site: Site, tab: Page) -> None:
    closed = CallingWindow.parse("daily 00:00-00:01", CONTACT)
    contacts = ["phone_number", "+12122000001", "+13122000001", "12"]
    campaign_id = await started(site, "\n".join(contacts), window=closed)
    await tab.goto(f"{site.url}/campaigns/{campaign_id}")
    said = await headline(tab)
    assert "Nobody is being called: no worker is alive." in said and "dialplane worker" in said
    async with site.working():
        await asyncio.sleep(0.3)
        await tab.reload()
        said = await headline(tab)
        assert "outside the calling hours: daily 00:00-00:01 in the zone of the contact" in said
        assert "The next call can go out" in said and "UTC" not in said, "an instant in the zone of the reader"
        zones = await tab.locator("#zones").inner_text()
        assert "America/New_York" in zones and "America/Chicago" in zones and "opens" in zones
        assert await tab.locator("#headline a").get_attribute("href") == f"/campaigns/{campaign_id}/settings"
        await tab.get_by_text("See what is wrong, and mend them").wait_for()

        engaged = await started(site, numbers(4, first=2_400_000), carrier=BUSY_CALLS)
        await tab.goto(f"{site.url}/campaigns/{engaged}")
        await expect(tab.locator("#headline")).to_contain_text(
            "Nobody is being called: everybody who waits was called lately and is called again later.", timeout=10_000
        )
        assert await tab.locator("#funnel td.number").all_inner_texts() == ["4", "4", "0", "0"]

        busy = await started(site, numbers(4, first=2_300_000), carrier=LONG_CALLS, max_lines=3)
        await tab.goto(f"{site.url}/campaigns/{busy}")
        await expect(tab.locator("#headline")).to_contain_text(
            "3 calls are in progress. Not more, since the campaign's lines are in use: 3.", timeout=10_000
        )
        assert await tab.locator("#lines tbody tr").first.locator("td").all_inner_texts() == ["3", "3"]
        await tab.get_by_role("button", name="Stop").click()
        await tab.get_by_role("button", name="Cancel and hang up").click()
        await tab.get_by_role("button", name="Cancel it").click()
        await tab.get_by_text("It is cancelled. Calls in progress are hung up.").wait_for()
        await expect(tab.locator("#lines tbody tr").first.locator("td").first).to_have_text("0", timeout=10_000)


async def test_what_is_done_is_asked_once_where_it_cannot_be_undone_and_a_refusal_is_told(
    site: Site, tab: Page
) -> None:
    campaigns = app_of(site).campaigns
    empty = await draft(site, "")
    await tab.goto(f"{site.url}/campaigns/{empty}")
    await tab.get_by_role("button", name="Start", exact=True).click()
    await expect(tab.get_by_role("alert")).to_contain_text("has no contacts")

    await tab.get_by_role("button", name="Delete").click()
    await tab.get_by_role("button", name="Keep").click()
    assert (await campaigns.get(empty)).state is CampaignState.DRAFT
    await tab.get_by_role("button", name="Delete").click()
    await tab.get_by_role("button", name="Delete it").click()
    await tab.get_by_text("The draft is deleted.").wait_for()

    campaign_id = await draft(site, numbers(2), keep_open=True)
    await tab.goto(f"{site.url}/campaigns/{campaign_id}")
    await tab.get_by_role("button", name="Schedule").click()
    await tab.get_by_label("Start at, in your time zone").fill("2099-12-01T09:00")
    await tab.locator(".dropdown-menu").get_by_role("button", name="Schedule").click()
    await tab.get_by_text("It is scheduled and starts by itself.").wait_for()
    starts_at = (await campaigns.get(campaign_id)).starts_at
    assert starts_at is not None
    local = await tab.evaluate("new Date(2099, 11, 1, 9).getTime() / 1000")
    assert starts_at.timestamp() == local
    await tab.get_by_role("button", name="Forecast it").click()
    await expect(tab.locator("#forecast")).to_have_text("The forecast is being made …")
    await tab.get_by_role("button", name="Make it a draft again").click()
    await tab.get_by_text("It is a draft again.").wait_for()
    await tab.get_by_role("button", name="Close").click()
    await tab.get_by_role("button", name="Close it").click()
    await tab.get_by_text("It takes no new contacts").wait_for()
    assert not (await campaigns.get(campaign_id)).keep_open
    acts = [note["action"] for note in await site.server.people.notes(site.organizations["default"])]
    assert "schedule_campaign" in acts and "close_campaign" in acts


async def test_settings_are_changed_where_they_stand(site: Site, tab: Page, surfer: Surfer) -> None:
    surfer.expected = ("400",)
    campaigns = app_of(site).campaigns
    campaign_id = await started(site, numbers(2), max_lines=5, breaker=CircuitBreaker(min_calls=7))
    await tab.goto(f"{site.url}/campaigns/{campaign_id}/settings")
    assert await tab.get_by_label("Calls at once").input_value() == "5"
    await tab.get_by_label("Name").fill("Winter <i>survey</i>")
    await tab.get_by_label("Calls at once").fill("9")
    await tab.get_by_label("Calls started per second").fill("fast")
    await tab.get_by_role("button", name="Save").click()
    await expect(tab.get_by_role("alert")).to_have_text("Calls started per second: write a number, not 'fast'")
    assert await tab.get_by_label("Calls at once").input_value() == "9", "what was typed is still there"
    assert (await campaigns.get(campaign_id)).policies.max_lines == 5

    await tab.get_by_label("Calls started per second").fill("2.5")
    await tab.get_by_label("Ends at, in your time zone").fill("2099-12-24T18:00")
    await tab.get_by_role("button", name="Save").click()
    await tab.get_by_text("Saved. It counts from the next call on.").wait_for()
    record = await campaigns.get(campaign_id)
    assert (record.name, record.policies.max_lines, record.policies.cps) == ("Winter <i>survey</i>", 9, 2.5)
    assert record.policies.breaker == CircuitBreaker(min_calls=7)
    assert record.ends_at is not None
    assert await tab.get_by_label("Ends at, in your time zone").input_value() == "2099-12-24T18:00"
    await tab.get_by_role("button", name="Save").click()
    await tab.get_by_text("Saved. It counts from the next call on.").wait_for()
    assert (await campaigns.get(campaign_id)).ends_at == record.ends_at

    await tab.goto(f"{site.url}/campaigns/{campaign_id}/log")
    changes = tab.locator("tr", has_text="settings.changed").filter(has_text="max_lines")
    await changes.get_by_text("Details").click()
    await expect(changes.locator("dl")).to_contain_text("5 → 9")
    await tab.get_by_role("link", name="Warnings and errors").click()
    await tab.get_by_text("No warning and no error so far.").wait_for()
    await campaigns.cancel(campaign_id)
    await tab.goto(f"{site.url}/campaigns/{campaign_id}/settings")
    assert await tab.get_by_role("button", name="Save").count() == 0
    assert await tab.get_by_label("Calls at once").is_disabled()


async def test_what_is_done_about_machines_is_a_setting(site: Site) -> None:
    await person(site)
    cookie = await cookie_of(site)
    campaign_id = await draft(site, numbers(1))
    record = await app_of(site).campaigns.get(campaign_id)
    path, form = f"/campaigns/{campaign_id}/settings", {"name": "one", "agent_id": str(record.agent_id)}

    refused = await site.http.post(path, data={**form, "machines": "leave_message"}, headers=cookie)
    assert refused.status_code == 400 and "The message: write what is left" in refused.text
    told = {"machines": "leave_message", "machine_message": "Call us, {{name}}.", "on_screening": "hang_up"}
    assert (await site.http.post(path, data={**form, **told}, headers=cookie)).status_code == 303

    page = (await site.http.get(path, headers=cookie)).text
    assert '<option value="leave_message" selected>' in page and 'value="Call us, {{name}}."' in page
    assert (await app_of(site).campaigns.get(campaign_id)).policies.machines == MachineDetection(
        on_machine=OnMachine.LEAVE_MESSAGE, message="Call us, {{name}}.", on_screening=OnScreening.HANG_UP
    )


async def test_the_log_has_pages(site: Site) -> None:
    await person(site)
    cookie = await cookie_of(site)
    campaign_id = await draft(site, numbers(1))
    for lines in range(1, 61):
        await app_of(site).campaigns.change(campaign_id, name=f"name {lines}")
    first = (await site.http.get(f"/campaigns/{campaign_id}/log", headers=cookie)).text
    older = re.search(rf'href="(/campaigns/{campaign_id}/log\?[^"]*before=\d+)"', first)
    assert older is not None and "name 60" in first and "name 5 " not in first
    second = (await site.http.get(older[1].replace("&amp;", "&"), headers=cookie)).text
    assert "created as" in second and "name 60" not in second.partition("<tbody>")[2] and 'rel="next"' not in second


async def test_the_chart_counts_the_latest_calls_and_no_more(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a thousand calls, a second apart."""
    await person(site)
    cookie = await cookie_of(site)
    app = app_of(site)
    carrier_id, agent_id = await app.add_carrier(CALLS), await app.add_agent(None)
    campaign_id = await draft(site, "")
    await fill(site.server.database, app.organization_id, campaign_id, carrier_id, agent_id, contacts=1_000)
    async with site.server.database.connection() as connection:
        await connection.execute(
            "UPDATE campaign SET started_at = '2026-01-01', state = 'completed', ended_at = '2026-01-02'"
            " WHERE organization_id = $1 AND id = $2",
            app.organization_id, campaign_id,
        )  # fmt: skip

    async def chart() -> dict[str, Any]:
        answer = await site.http.get(f"/campaigns/{campaign_id}/chart", headers=cookie)
        chart: dict[str, Any] = answer.json()
        return chart

    whole = await chart()
    assert whole["whole"] and len(whole["starts"]) <= timeline.SLOTS
    assert {name: sum(calls) for name, calls in whole["calls"].items()} == {"answered": 667, "busy": 333}
    assert whole["slot_seconds"] == 30

    monkeypatch.setattr(timeline, "MOST_CALLS", 300)
    monkeypatch.setattr(timeline, "KEPT", timeline.LATELY * 0)
    cut = await chart()
    counted = sum(sum(calls) for calls in cut["calls"].values())
    assert not cut["whole"] and 280 <= counted <= 300
    assert cut["slot_seconds"] == 10


async def test_the_report_streams(site: Site) -> None:
    await person(site)
    campaign_id = await draft(site, numbers(3))
    answer = await site.http.get(f"/campaigns/{campaign_id}/report.csv", headers=await cookie_of(site))
    assert answer.headers["content-disposition"] == f'attachment; filename="campaign_{campaign_id}_report.csv"'
    assert answer.text.count("+1212") == 3 and answer.text.startswith("contact_id,")
