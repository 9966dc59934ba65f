"""DialNexa's call logs over HTTP: filters, pages, their words, and an answer that has not changed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from nexa import Nexa
from people import started
from site_of import CALLS, Site

pytestmark = pytest.mark.asyncio

ANA, BEN = "+12122000000", "+12122000001"
ENDS = {
    "+15005550001": ("busy", "user_busy"),
    "+15005550002": ("no_answer", "user_did_not_pick_up"),
    "+15005550003": ("did_not_pick", "voicemail_detected"),
    "+15005550004": ("did_not_pick", "user_busy"),
    "+15005550005": ("failed", "invalid_phone_number"),
    "+15005550006": ("completed", "user_disconnected"),
    "+15005550007": ("failed", "network_failure"),
    "+15005550008": ("failed", "user_unreachable"),
    "+15005550009": ("failed", "destination_forbidden"),
    "+15005550010": ("failed", "destination_forbidden"),
    "+15005550013": ("failed", "agent_disconnected"),
}


@pytest.fixture
def nexa(site: Site) -> Nexa:
    return Nexa(site)


async def called(nexa: Nexa, site: Site, *numbers: str, **fields: Any) -> Any:
    """A campaign that has called these, each once."""
    campaign = await nexa.campaign(retry_config={"max_retries": 0}, **fields)
    for number in numbers:
        await nexa.lead(campaign, number)
    async with site.working():
        await nexa.until(f"/campaigns/{campaign['id']}", completed_calls=len(numbers))
    return campaign


async def found(nexa: Nexa, **query: Any) -> list[str]:
    """The numbers of the calls that this query finds, which are as many as it says."""
    page = await nexa.call("GET", "/call-logs", params=query)
    if len(page["data"]) < page["meta"]["limit"] and page["meta"]["page"] == 1:
        assert page["meta"]["total"] == len(page["data"])
    return [call["to_phone_number"] for call in page["data"]]


async def test_a_call_reads_in_their_words(nexa: Nexa, site: Site) -> None:
    campaign = await called(nexa, site, ANA)

    page = await nexa.call("GET", f"/call-logs/campaign/{campaign['id']}")

    assert page["meta"] == {"page": 1, "limit": 20, "total": 1, "totalPages": 1}
    (call,) = page["data"]
    assert call["id"] == call["call_id"]
    assert call["id"].startswith("call_")
    assert call["lead_id"].startswith("lead_")
    expected = {
        "agent_id": campaign["agent_id"], "campaign_id": campaign["id"], "from_phone_number": "+15005550100",
        "to_phone_number": ANA, "attempt": 1, "status": "completed", "sentiment": None, "recording_url": None,
        "end_reason": "user_disconnected", "fallback_stt_transcriber_id": None, "cause": "normal call clearing",
    }  # fmt: skip
    assert {name: call[name] for name in expected} == expected
    assert 0 < call["duration_seconds"] < 5
    assert datetime.fromisoformat(call["created_at"]) < datetime.fromisoformat(call["ended_at"])


async def test_every_end_has_a_status_and_a_reason(nexa: Nexa, site: Site) -> None:
    campaign = await called(nexa, site, *ENDS)

    page = await nexa.call("GET", f"/call-logs/campaign/{campaign['id']}")

    assert {call["to_phone_number"]: (call["status"], call["end_reason"]) for call in page["data"]} == ENDS
    assert sorted(await found(nexa, status="did_not_pick")) == ["+15005550003", "+15005550004"]
    assert await found(nexa, status="busy") == ["+15005550001"]
    assert len(await found(nexa, status="failed")) == 6
    assert await found(nexa, status="retry_expired") == []
    assert await found(nexa, status="created") == []


async def test_calls_in_progress_are_told_apart(nexa: Nexa, site: Site) -> None:
    expected = ([ANA], [BEN])
    await started(site, [ANA], carrier={**CALLS, "ring_seconds": [2, 2]})
    await started(site, [BEN], carrier={**CALLS, "ring_seconds": [0.01, 0.01], "talk_seconds": [2, 2]})
    async with site.working():
        async with asyncio.timeout(10):
            while (await found(nexa, status="sent"), await found(nexa, status="received")) != expected:
                await asyncio.sleep(0.02)
        assert await found(nexa, status="initiated") == []
        page = await nexa.call("GET", "/call-logs", params={"status": "received", "limit": 1})
        assert page["meta"]["total"] == 1
        (call,) = page["data"]
        assert (call["duration_seconds"], call["end_reason"], call["ended_at"]) == (None, None, None)


async def test_calls_are_filtered(nexa: Nexa, site: Site) -> None:
    campaign = await called(nexa, site, ANA, "+15005550001")
    other = await nexa.agent({"name": "other", "greeting": "Hi"})
    now = datetime.now(UTC)

    assert await found(nexa, agent_id=campaign["agent_id"], created_at="asc") == [ANA, "+15005550001"]
    assert await found(nexa, created_at="desc") == ["+15005550001", ANA]
    assert await found(nexa, agent_id=other) == []
    assert await found(nexa, start_date=now.date().isoformat(), end_date=now.date().isoformat(), created_at="asc") == [
        ANA,
        "+15005550001",
    ]
    assert await found(nexa, start_date=(now + timedelta(hours=1)).isoformat()) == []
    assert await found(nexa, end_date=(now - timedelta(days=1)).date().isoformat()) == []
    assert await found(nexa, duration_max=0, status="busy") == ["+15005550001"]
    assert await found(nexa, duration_min=100) == []


async def test_a_sentiment_that_the_agent_gathered_is_shown_and_filtered(nexa: Nexa, site: Site) -> None:
    await called(nexa, site, ANA, BEN)
    async with site.server.database.connection() as connection:
        await connection.execute(
            "UPDATE attempt SET gathered = $1 WHERE to_number = $2", {"sentiment": "positive", "score": 5}, ANA
        )

    assert await found(nexa, sentiment="positive") == [ANA]
    assert await found(nexa, sentiment="negative") == []
    (call,) = (await nexa.call("GET", "/call-logs", params={"sentiment": "positive"}))["data"]
    assert (call["sentiment"], call["analysis"]) == ("positive", {"sentiment": "positive", "score": 5})


async def test_a_recording_has_a_link_that_needs_no_key(nexa: Nexa, site: Site) -> None:
    await called(nexa, site, ANA)
    async with site.server.database.connection() as connection:
        await connection.execute("UPDATE attempt SET recording = 'recordings/1.wav'")

    first, second = [(await nexa.call("GET", "/call-logs"))["data"][0]["recording_url"] for _ in range(2)]

    assert first == second, "an answer without news is the same"
    assert first.startswith(f"{site.url}/api/v1/public/download/workflow/")
    answer = await site.http.get(first)
    assert answer.status_code == 302


async def test_pages_of_calls_follow_each_other(nexa: Nexa, site: Site) -> None:
    campaign = await called(nexa, site, *(f"+1212200000{n}" for n in range(5)))
    path = f"/call-logs/campaign/{campaign['id']}"

    pages = [await nexa.call("GET", path, params={"limit": 2, "page": page}) for page in (1, 2, 3, 4)]

    assert [len(page["data"]) for page in pages] == [2, 2, 1, 0]
    assert len({call["id"] for page in pages for call in page["data"]}) == 5
    assert [page["meta"] for page in pages] == [
        {"page": page, "limit": 2, "total": 5, "totalPages": 3} for page in (1, 2, 3, 4)
    ]


async def test_an_answer_without_news_is_not_sent_again(nexa: Nexa, site: Site) -> None:
    campaign = await called(nexa, site, ANA)
    path = f"/call-logs/campaign/{campaign['id']}"
    first = await nexa.answer("GET", path)
    tag = first.headers["ETag"]

    for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        same = await nexa.answer("GET", path, headers={"If-None-Match": known})
        assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", tag)
        assert "X-RateLimit-Remaining" in same.headers
    await nexa.lead(campaign, BEN)
    async with site.working():
        await nexa.until(f"/campaigns/{campaign['id']}", completed_calls=2)
    news = await nexa.answer("GET", path, headers={"If-None-Match": tag})

    assert news.status_code == 200
    assert news.headers["ETag"] != tag


REFUSED = [
    ("status=ended", 400, "status: Input should be 'created', 'initiated', 'sent', 'received', 'completed'"),
    ("created_at=up", 400, "created_at: Input should be 'asc' or 'desc'"),
    ("start_date=yesterday", 400, "start_date: write an ISO 8601 date or instant, such as 2026-04-01"),
    ("duration_min=-1", 400, "duration_min: Input should be greater than or equal to 0"),
    ("duration_min=inf", 400, "duration_min: Input should be"),
    ("agent_id=agt_1", 404, "Agent not found"),
]


async def test_a_query_that_makes_no_sense_is_refused(nexa: Nexa) -> None:
    for query, status, message in REFUSED:
        told = await nexa.refused("GET", f"/call-logs?{query}", status)

        assert (told[0] if isinstance(told, list) else told).startswith(message)


async def test_other_organizations_calls_are_not_there(nexa: Nexa, site: Site) -> None:
    campaign = await called(nexa, site, ANA)
    stranger = Nexa(site, of="other")

    assert (await stranger.call("GET", "/call-logs"))["data"] == []
    assert await stranger.refused("GET", f"/call-logs/campaign/{campaign['id']}", 404) == "Campaign not found"
    assert await stranger.refused("GET", f"/call-logs?agent_id={campaign['agent_id']}", 404) == "Agent not found"
