"""A call: followed while it goes on, ended by hand, listened to afterwards."""

from __future__ import annotations

import asyncio
import io
import wave
from array import array
from pathlib import Path

import pytest
from browsing import Surfer
from people import app_of, completed, numbers, started
from playwright.async_api import Page, expect
from site_of import Site
from visitors import visitor

from dialplane.core.attempt import AttemptState
from dialplane.engine.attempt_views import AttemptRecord
from dialplane.engine.keys import Role
from dialplane.voice.recording import Recording
from dialplane.web.parts_of_files import span

pytestmark = pytest.mark.asyncio

ONE, OTHER = "+12125550142", "+12125550143"
LONG_TALK = {"outcomes": {"answered": 1}, "ring_seconds": [0.1, 0.2], "talk_seconds": [25, 25]}
TALKER = {
    "name": "Asker",
    "greeting": "Hello.",
    "steps": [{"say": "Can you come <b>today</b>?", "gather": "today", "expect": ["yes", "no"], "no_match": "Sorry?"}],
    "goodbye": "Goodbye.",
}
# What goes to the speakers also comes to a meter, which says whether it is above or below zero.
LISTEN = """
const connect = AudioNode.prototype.connect;
let meter;
AudioNode.prototype.connect = function (target, ...more) {
  if (target === this.context.destination) {
    meter ??= this.context.createAnalyser();
    connect.call(this, meter, ...more);
  }
  return connect.call(this, target, ...more);
};
window.heard = () => {
  const samples = new Float32Array(meter.fftSize);
  meter.getFloatTimeDomainData(samples);
  return Math.sign(samples.reduce((sum, each) => sum + each, 0));
};
"""
SECONDS, RATE = 6, 8000
FRAMES = RATE * SECONDS
AGENT, CONTACT = array("h", (i % 30011 for i in range(FRAMES))), array("h", (-(i % 30013) for i in range(FRAMES)))


async def recorded(site: Site) -> AttemptRecord:
    """A call that has ended, with a conversation and a stereo recording, as a carrier of voice leaves it."""
    campaign_id = await completed(site, [ONE], agent=TALKER)
    app = app_of(site)
    (call,) = await app.call_book.ended()
    path = Path(app.settings.home) / "call.wav"
    recording = Recording(path)
    recording.add(AGENT.tobytes(), CONTACT.tobytes())
    assert recording.close()
    key = f"recordings/{app.organization_id}/{call.uuid}.wav"
    app.files.put(key, path)
    said = [("agent", "Hello.", 0.0), ("contact", "Who is it?", 2.0), ("agent", "Can you come <b>today</b>?", 4.0)]
    async with app.database.connection() as connection:
        await connection.execute(
            "UPDATE attempt SET recording = $2, transcript = $3, ended_at = answered_at + interval '6 s'"
            " WHERE organization_id = $1 AND campaign_id = $4",
            app.organization_id,
            key,
            [{"speaker": who, "text": text, "at_seconds": at} for who, text, at in said],
            campaign_id,
        )
    return await app.attempts.one(call.id)


async def test_one_range_is_a_part_and_anything_else_is_all() -> None:
    assert span("bytes=2-5", 10) == (2, 6)
    assert span("bytes=7-", 10) == (7, 10)
    assert span("bytes=-3", 10) == (7, 10)
    assert span("bytes=2-99", 10) == (2, 10)
    assert span("bytes=10-", 10) == (10, 10)
    for whole in ("bytes=1-2,4-5", "bytes=-", "bytes=5-2", "lines=1-2", ""):
        assert span(whole, 10) is None, whole


async def test_the_transcript_follows_the_recording_and_leads_through_it(site: Site, tab: Page) -> None:
    call = await recorded(site)
    await tab.goto(f"{site.url}/calls/{call.id}")
    audio = tab.locator("audio")
    spoken = tab.locator(".utterance-text[aria-current]")
    await expect(tab.locator(".utterance-text")).to_have_count(3)
    assert "Can you come <b>today</b>?" in await tab.locator(".transcript").inner_text()
    for who, times in (("talk", 1), ("agent", 2), ("contact", 1)):
        await expect(tab.locator(f".call-strip .strip-{who}")).to_have_count(times)

    await tab.get_by_role("button", name="Can you come").click()
    await expect(spoken).to_contain_text("Can you come")
    assert 4 <= await audio.evaluate("audio => audio.currentTime") < 6
    assert await audio.evaluate("audio => !audio.paused")
    await audio.evaluate("audio => { audio.pause(); audio.currentTime = 2.5 }")
    await expect(spoken).to_contain_text("Who is it?")
    await tab.get_by_role("button", name="Hello.").focus()
    await tab.keyboard.press("Enter")
    await expect(spoken).to_contain_text("Hello.")
    assert await audio.evaluate("audio => audio.currentTime") < 2

    assert abs(await audio.evaluate("audio => audio.duration") - SECONDS) < 0.1
    await tab.get_by_role("link", name=call.to_number).click()
    await tab.wait_for_url(f"**/campaigns/{call.campaign_id}/contacts/{call.contact_id}")


async def test_one_hears_whom_one_wants_to(site: Site, tab: Page) -> None:
    call = await recorded(site)
    await tab.add_init_script(LISTEN)
    await tab.goto(f"{site.url}/calls/{call.id}")
    await tab.get_by_role("button", name="Hello.").click()
    for who, side in (("Agent", 1), ("Contact", -1), ("Agent", 1)):
        await tab.get_by_label(who, exact=True).check()
        async with asyncio.timeout(5):
            while await tab.evaluate("heard()") != side:
                await asyncio.sleep(0.02)
    assert await tab.locator("audio").evaluate("audio => !audio.paused"), "it goes on meanwhile"


async def test_a_recording_comes_in_the_parts_that_are_asked_for(site: Site) -> None:
    call = await recorded(site)
    headers = await visitor(site, role=Role.VIEWER)
    path = f"/calls/{call.id}/recording"
    answer = await site.http.get(path, headers=headers)
    whole = answer.content
    assert (answer.status_code, answer.headers["accept-ranges"]) == (200, "bytes")
    assert answer.headers["content-type"].startswith("audio/") and answer.headers["x-content-type-options"] == "nosniff"
    assert int(answer.headers["content-length"]) == len(whole)
    with wave.open(io.BytesIO(whole)) as file:
        assert (file.getnchannels(), file.getnframes()) == (2, RATE * SECONDS)

    for start, stop in ((0, 1), (10, 50), (1001, 5000), (len(whole) - 3, len(whole))):
        part = await site.http.get(path, headers={**headers, "Range": f"bytes={start}-{stop - 1}"})
        assert (part.status_code, part.headers["content-length"]) == (206, str(stop - start))
        assert part.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(whole)}"
        assert part.content == whole[start:stop]
    beyond = await site.http.get(path, headers={**headers, "Range": f"bytes={len(whole)}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(whole)}")
    saved = await site.http.get(f"{path}?download=true", headers=headers)
    assert saved.headers["content-disposition"] == f"attachment; filename*=UTF-8''call-{call.id}.wav"


async def test_a_call_is_followed_and_ended_by_hand(site: Site, tab: Page) -> None:
    campaign_id = await started(site, numbers(3), carrier=LONG_TALK, agent=TALKER)
    app = app_of(site)
    async with site.working():
        await tab.goto(f"{site.url}/calls")
        going = tab.locator("#going tbody tr")
        await expect(going).to_have_count(3)
        await expect(going.filter(has_text="answered")).to_have_count(3)
        since = going.first.locator("[data-since]")
        before = await since.inner_text()
        await expect(since).not_to_have_text(before, timeout=3000)
        await going.first.get_by_role("button", name="End").click()
        await tab.get_by_role("button", name="End it").click()
        await expect(going).to_have_count(2)

        (call, *_), _ = await app.call_book.in_progress()
        await tab.goto(f"{site.url}/calls/{call.id}")
        await expect(tab.locator("#call")).to_contain_text("The transcript appears when the call has ended")
        await tab.get_by_role("button", name="End the call").click()
        await tab.get_by_role("button", name="End it").click()
        await expect(tab.locator("#call")).to_contain_text("Ended", timeout=8000)
        await expect(tab.locator("#call")).to_contain_text("Hello.")
        await expect(tab.locator("#call")).to_contain_text("The simulated carrier makes no sound")
        assert (await app.attempts.one(call.id)).state is AttemptState.ENDED
        await app.campaigns.cancel(campaign_id)
        for left in (await app.call_book.in_progress())[0]:
            await app.call_book.hang_up(left.id)
        async with asyncio.timeout(10):
            while (await app.call_book.in_progress())[1]:
                await asyncio.sleep(0.02)


async def test_calls_of_all_campaigns_are_found_by_number(site: Site, tab: Page, surfer: Surfer) -> None:
    surfer.expected = ("400",)
    await completed(site, [ONE, OTHER])
    await completed(site, [ONE])
    await completed(site, [ONE], of="other")
    await tab.goto(f"{site.url}/calls")
    made = tab.locator("[aria-label='Calls that were made'] tbody tr")
    await expect(made).to_have_count(3)
    number = tab.get_by_label("Search by number called")
    await number.fill("+1 212 555 0142")
    await number.press("Enter")
    await expect(tab.get_by_role("heading", name=f"Calls to {ONE}")).to_be_visible()
    await expect(made).to_have_count(2)
    await number.fill("+12125550199")
    await number.press("Enter")
    await expect(tab.locator("main")).to_contain_text("Nobody has called +12125550199")
    await number.fill("12")
    await number.press("Enter")
    await expect(tab.get_by_role("alert")).to_contain_text("'12'")


async def test_older_calls_are_a_page_away(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dialplane.web.calls.PER_PAGE", 2)
    headers = await visitor(site)
    await completed(site, numbers(3))
    first = (await site.http.get("/calls", headers=headers)).text
    (before,) = {part.partition('"')[0] for part in first.split('href="/calls?before=')[1:]}
    second = (await site.http.get(f"/calls?before={before}", headers=headers)).text
    shown = [number for number in numbers(3) for page in (first, second) if f">{number}</a>" in page]
    assert shown == numbers(3)


async def test_a_call_of_another_organization_is_neither_seen_nor_heard_nor_ended(site: Site) -> None:
    call = await recorded(site)
    eve, viewer = (
        await visitor(site, "eve@example.org", of="other"),
        await visitor(site, "vera@example.org", Role.VIEWER),
    )
    for method, path in (("GET", ""), ("GET", "/recording"), ("POST", "/hang-up")):
        answer = await site.http.request(method, f"/calls/{call.id}{path}", headers=eve)
        assert answer.status_code == 404, path
        assert call.to_number not in answer.text
    assert call.to_number not in (await site.http.get("/calls", headers=eve)).text
    assert call.to_number not in (await site.http.get(f"/calls?number={call.to_number[1:]}", headers=eve)).text
    assert (await site.http.post(f"/calls/{call.id}/hang-up", headers=viewer)).status_code == 403
    app_of(site).files.delete(call.recording)
    page = (await site.http.get(f"/calls/{call.id}", headers=viewer)).text
    assert "The recording is gone" in page and "<audio" not in page
    assert (await site.http.get(f"/calls/{call.id}/recording", headers=viewer)).status_code == 404
