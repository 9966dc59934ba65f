"""DialNexa's campaigns over HTTP: made, changed, moved, listed, refused, in its words, ids and error bodies."""

from __future__ import annotations

import asyncio
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from nexa import Nexa
from people import app_of, completed, draft
from site_of import CALLS, OpenSite, Site

from dialplane.core.campaign import CampaignState
from dialplane.engine import catalog
from dialplane.engine.keys import Role
from dialplane.engine.single_calls import CallRequest

pytestmark = pytest.mark.asyncio

ANA, BEN = "+12122000000", "+12122000001"
BUSY = "+15005550001"
NUMBER = "+15005550100"  # of the simulated carrier


@pytest.fixture
def nexa(site: Site) -> Nexa:
    return Nexa(site)


def tomorrow() -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)


# --- made -----------------------------------------------------------------------------------------


async def test_a_new_campaign_runs_at_once_and_waits_for_leads(nexa: Nexa) -> None:
    agent = await nexa.agent()

    campaign = await nexa.call(
        "POST",
        "/campaigns",
        json={
            "name": " Spring ",
            "agent_id": agent,
            "from_phone_number": "+1 500 555 0100",
            "max_concurrent_calls": 5,
            "retry_config": {"max_retries": 1, "retry_interval_minutes": 30},
        },
        status=201,
    )

    assert re.fullmatch(r"cmp_[0-9a-f]{32}", campaign["id"])
    assert re.fullmatch(r"org_[0-9a-f]{32}", campaign["organization_id"])
    expected = {
        "name": "Spring", "agent_id": agent, "from_phone_number": NUMBER, "status": "running", "is_open": True,
        "status_reason": "", "max_concurrent_calls": 5, "scheduled_at": None, "total_leads": 0, "completed_calls": 0,
        "retry_config": {"max_retries": 1, "retry_interval_minutes": 30}, "pending_calls": 0, "in_progress_calls": 0,
        "failed_calls": 0, "ended_at": None, "warnings": [],
    }  # fmt: skip
    assert {name: campaign[name] for name in expected} == expected
    assert set(campaign) - set(expected) == {"id", "organization_id", "created_at", "updated_at", "started_at"}
    assert datetime.fromisoformat(campaign["created_at"]).tzinfo is not None
    assert await nexa.call("GET", f"/campaigns/{campaign['id']}") == campaign


async def test_what_is_left_out_has_the_defaults(nexa: Nexa) -> None:
    campaign = await nexa.campaign()

    assert campaign["retry_config"] == {"max_retries": 2, "retry_interval_minutes": 2}
    assert (campaign["from_phone_number"], campaign["max_concurrent_calls"]) == (None, None)


@pytest.mark.parametrize("field", ["retry_config", "retry_policy"])
async def test_both_spellings_of_the_retries_are_minutes(nexa: Nexa, site: Site, field: str) -> None:
    campaign = await nexa.campaign(**{field: {"max_retries": 3, "retry_interval_minutes": 1.5}})

    assert campaign["retry_config"] == {"max_retries": 3, "retry_interval_minutes": 1.5}
    (stored,) = (await site.call("GET", "/campaign"))["campaigns"]
    assert stored["retry_config"]["max_retries"] == 3
    assert stored["retry_config"]["retry_delay_seconds"] == 90


async def test_a_scheduled_campaign_is_active_until_it_starts(nexa: Nexa, site: Site) -> None:
    at = datetime.now(UTC) + timedelta(seconds=1.5)
    campaign = await nexa.campaign(scheduled_at=at.isoformat())

    assert campaign["status"] == "active"
    assert datetime.fromisoformat(campaign["scheduled_at"]) == at
    await nexa.lead(campaign, ANA)
    async with site.working():
        done = await nexa.until(f"/campaigns/{campaign['id']}", completed_calls=1)
    assert done["status"] == "running"
    assert datetime.fromisoformat(done["started_at"]) >= at


async def test_a_draft_waits_for_its_start(nexa: Nexa) -> None:
    campaign = await nexa.campaign(status="draft")

    assert campaign["status"] == "draft"
    started = await nexa.call("POST", f"/campaigns/{campaign['id']}/start")
    assert started["status"] == "running"


async def test_a_repeated_request_makes_one_campaign(nexa: Nexa) -> None:
    body = {"name": "Spring", "agent_id": await nexa.agent()}

    first, second = [
        await nexa.call("POST", "/campaigns", json=body, headers={"Idempotency-Key": "k"}, status=201) for _ in range(2)
    ]

    assert first["id"] == second["id"]
    assert (await nexa.call("GET", "/campaigns"))["meta"]["total"] == 1


async def test_unknown_fields_are_told_and_those_of_retries_refused(nexa: Nexa) -> None:
    campaign = await nexa.campaign(max_concurent_calls=5)

    assert campaign["warnings"] == ["unknown field 'max_concurent_calls': did you mean 'max_concurrent_calls'?"]
    assert await nexa.refused(
        "PATCH", f"/campaigns/{campaign['id']}", 400, json={"retry_config": {"max_retry": 1}}
    ) == ["retry_config: unknown field 'max_retry': did you mean 'max_retries'?"]


REFUSED: list[tuple[dict[str, Any], object]] = [
    ({"name": ""}, ["name: String should have at least 1 character"]),
    ({"name": "  "}, ["name: String should match pattern '\\S'"]),
    ({"name": None}, ["name: Input should be a valid string"]),
    ({"max_concurrent_calls": 0}, ["max_concurrent_calls: Input should be greater than or equal to 1"]),
    (
        {"max_concurrent_calls": 101},
        "max_concurrent_calls (101) cannot be more than the organization's limit (100)",
    ),
    (
        {"retry_config": {"max_retries": -1}},
        ["retry_config.max_retries: Input should be greater than or equal to 0"],
    ),
    (
        {"retry_config": {"max_retries": 1}, "retry_policy": {"max_retries": 2}},
        ["retry_config and retry_policy say the same thing and differ: give one of them"],
    ),
    ({"scheduled_at": "2026-12-01T09:00:00"}, ["scheduled_at: Input should have timezone info"]),
    ({"scheduled_at": "9999-12-31T23:59:59Z"}, ["scheduled_at: the year must be between 1970 and 9998"]),
    ({"status": "paused"}, ["status: a new campaign is draft, active or running"]),
    (
        {"from_phone_number": "+12122009999"},
        "+12122009999 is no active number of this organization: add it to a carrier first",
    ),
]


async def test_a_campaign_that_makes_no_sense_is_refused(nexa: Nexa) -> None:
    agent = await nexa.agent()
    for fields, message in REFUSED:
        body = {"name": "Spring", "agent_id": agent, **fields}

        assert await nexa.refused("POST", "/campaigns", 400, json=body) == message
        assert (await nexa.call("GET", "/campaigns"))["data"] == []


async def test_an_agent_that_is_not_there_makes_no_campaign(nexa: Nexa, site: Site) -> None:
    theirs = await Nexa(site, of="other").agent()

    for agent in ("agt_" + uuid4().hex, "agt_1", "1", "cmp_" + uuid4().hex, theirs):
        body = {"name": "Spring", "agent_id": agent}
        assert await nexa.refused("POST", "/campaigns", 404, json=body) == "Agent not found"


async def test_a_campaign_that_cannot_start_is_not_left_behind(nexa: Nexa, site: Site) -> None:
    agent = await nexa.agent()
    carrier = await app_of(site).telephony.usual()
    assert carrier is not None
    await app_of(site).telephony.deactivate(carrier.id)

    await nexa.refused("POST", "/campaigns", 409, json={"name": "Spring", "agent_id": agent})

    assert (await nexa.call("GET", "/campaigns"))["data"] == []


# --- moved ----------------------------------------------------------------------------------------


async def test_a_campaign_stays_open_until_it_is_completed(nexa: Nexa, site: Site) -> None:
    campaign = await nexa.campaign()
    path = f"/campaigns/{campaign['id']}"
    await nexa.lead(campaign, ANA)
    async with site.working():
        idle = await nexa.until(path, completed_calls=1, pending_calls=0)
        await asyncio.sleep(0.3)
        assert (await nexa.call("GET", path))["status"] == idle["status"] == "running"

        await nexa.lead(campaign, BEN)
        await nexa.until(path, completed_calls=2)
        closed = await nexa.call("PATCH", path, json={"status": "completed"})
        assert closed["is_open"] is False
        await nexa.until(path, status="completed")

    message = await nexa.refused(
        "POST", "/campaigns-leads", 409, json={"campaignId": campaign["id"], "phoneNumber": "+12122000002"}
    )
    assert message == "Cannot add leads to a completed campaign"


@pytest.mark.parametrize("way", ["PATCH", "POST"])
async def test_a_campaign_is_paused_resumed_and_cancelled(nexa: Nexa, way: str) -> None:
    campaign = await nexa.campaign()
    path = f"/campaigns/{campaign['id']}"

    async def moved(verb: str, status: str) -> str:
        if way == "PATCH":
            return str((await nexa.call("PATCH", path, json={"status": status}))["status"])
        return str((await nexa.call("POST", f"{path}/{verb}"))["status"])

    assert await moved("pause", "paused") == "paused"
    assert await moved("resume", "running") == "running"
    assert await moved("cancel", "cancelled") == "cancelled"


async def test_the_status_that_it_has_is_no_change(nexa: Nexa) -> None:
    campaign = await nexa.campaign()
    path = f"/campaigns/{campaign['id']}"

    for status in ("running", "active"):
        assert (await nexa.call("PATCH", path, json={"status": status}))["status"] == "running"
    await nexa.call("PATCH", path, json={"status": "cancelled"})
    assert (await nexa.call("PATCH", path, json={"status": "cancelled"}))["status"] == "cancelled"


async def test_wrong_moves_are_conflicts(nexa: Nexa) -> None:
    campaign = await nexa.campaign(status="draft")
    path = f"/campaigns/{campaign['id']}"

    async def refused(method: str, tail: str = "", **request: Any) -> Any:
        return await nexa.refused(method, path + tail, 409, **request)

    assert await refused("POST", "/pause") == "Cannot pause a draft campaign"
    assert await refused("PATCH", json={"status": "completed"}) == "A draft campaign cannot become completed"
    await nexa.call("POST", f"{path}/start")
    assert await refused("POST", "/start") == "Cannot start a running campaign"
    assert await refused("POST", "/resume") == "Cannot resume a running campaign"
    assert await refused("DELETE") == "Cannot delete a running campaign"
    assert await refused("PATCH", json={"scheduled_at": tomorrow().isoformat()}) == "Cannot schedule a running campaign"
    await nexa.call("POST", f"{path}/cancel")
    assert await refused("POST", "/resume") == "Cannot resume a cancelled campaign"
    assert await refused("POST", "/cancel") == "Cannot cancel a cancelled campaign"
    assert await refused("PATCH", json={"status": "running"}) == "A cancelled campaign cannot become running"
    assert await refused("PATCH", json={"status": "completed"}) == "A cancelled campaign cannot become completed"
    assert await refused("PATCH", json={"name": "Autumn"}) == "Cannot change a cancelled campaign"


async def test_a_draft_can_be_deleted(nexa: Nexa) -> None:
    campaign = await nexa.campaign(status="draft")
    await nexa.lead(campaign, ANA)

    assert await nexa.call("DELETE", f"/campaigns/{campaign['id']}") == {"message": "Campaign deleted."}

    assert await nexa.refused("GET", f"/campaigns/{campaign['id']}", 404) == "Campaign not found"


async def test_a_campaign_that_has_failed_can_be_resumed(nexa: Nexa, site: Site) -> None:
    campaign = await nexa.campaign()
    (record,) = await app_of(site).campaigns.page()
    await app_of(site).campaigns.fail(record["id"], "the agent is gone")

    shown = await nexa.call("GET", f"/campaigns/{campaign['id']}")
    assert (shown["status"], shown["status_reason"]) == ("paused", "the agent is gone")
    assert (await nexa.call("PATCH", f"/campaigns/{campaign['id']}", json={"status": "running"}))["status"] == "running"


# --- changed --------------------------------------------------------------------------------------


async def test_what_a_change_leaves_out_stays(nexa: Nexa) -> None:
    campaign = await nexa.campaign(
        max_concurrent_calls=5, retry_config={"max_retries": 3, "retry_interval_minutes": 30}
    )
    path = f"/campaigns/{campaign['id']}"

    changed = await nexa.call("PATCH", path, json={"name": "Autumn", "retry_policy": {"retry_interval_minutes": 45}})

    assert changed["name"] == "Autumn"
    assert changed["retry_config"] == {"max_retries": 3, "retry_interval_minutes": 45}
    assert changed["max_concurrent_calls"] == 5
    assert (await nexa.call("PATCH", path, json={"max_concurrent_calls": None}))["max_concurrent_calls"] is None
    assert (await nexa.call("PATCH", path, json={}))["name"] == "Autumn"


async def test_a_schedule_is_moved_and_taken_away(nexa: Nexa) -> None:
    campaign = await nexa.campaign(scheduled_at=tomorrow().isoformat())
    path = f"/campaigns/{campaign['id']}"
    later = tomorrow() + timedelta(days=1)

    moved = await nexa.call("PATCH", path, json={"scheduled_at": later.isoformat()})
    assert (moved["status"], datetime.fromisoformat(moved["scheduled_at"])) == ("active", later)
    unscheduled = await nexa.call("PATCH", path, json={"scheduled_at": None})
    assert (unscheduled["status"], unscheduled["scheduled_at"]) == ("draft", None)
    rescheduled = await nexa.call("PATCH", path, json={"scheduled_at": later.isoformat()})
    assert rescheduled["status"] == "active"
    assert (await nexa.call("PATCH", path, json={"status": "running"}))["status"] == "running"


async def test_the_agent_can_change_until_the_first_call(nexa: Nexa, site: Site) -> None:
    campaign = await nexa.campaign()
    path = f"/campaigns/{campaign['id']}"
    second, third = [await nexa.agent({"name": name, "greeting": "Hi"}) for name in ("second", "third")]
    await nexa.lead(campaign, ANA)

    assert (await nexa.call("PATCH", path, json={"agent_id": second}))["agent_id"] == second
    async with site.working():
        await nexa.until(path, completed_calls=1)
    logged = await nexa.call("GET", f"/call-logs/campaign/{campaign['id']}")
    assert [call["agent_id"] for call in logged["data"]] == [second]

    message = await nexa.refused("PATCH", path, 409, json={"agent_id": third})
    assert message.endswith("its agent stays")
    assert (await nexa.call("PATCH", path, json={"agent_id": second}))["agent_id"] == second


async def test_an_agent_that_the_leads_have_no_words_for_is_refused(nexa: Nexa) -> None:
    campaign = await nexa.campaign()
    await nexa.lead(campaign, ANA, name="Ana")
    greets = await nexa.agent({"name": "greets", "greeting": "Hi {{name}} of {{city}}"})

    message = await nexa.refused("PATCH", f"/campaigns/{campaign['id']}", 409, json={"agent_id": greets})

    assert message == "the agent's text uses city, which the campaign's contacts do not have"


# --- seen -----------------------------------------------------------------------------------------


async def test_a_list_has_pages_and_filters(nexa: Nexa) -> None:
    made = [await nexa.campaign(name=f"c{n}") for n in range(5)]
    await nexa.call("POST", f"/campaigns/{made[1]['id']}/pause")
    await nexa.call("POST", f"/campaigns/{made[3]['id']}/cancel")

    page = await nexa.call("GET", "/campaigns", params={"page": 2, "limit": 2})
    assert [campaign["name"] for campaign in page["data"]] == ["c2", "c1"]
    assert page["meta"] == {"page": 2, "limit": 2, "total": 5, "totalPages": 3}
    some = await nexa.call("GET", "/campaigns", params={"status": "paused, cancelled"})
    assert [campaign["name"] for campaign in some["data"]] == ["c3", "c1"]
    assert (await nexa.call("GET", "/campaigns"))["meta"] == {"page": 1, "limit": 20, "total": 5, "totalPages": 1}
    beyond = await nexa.call("GET", "/campaigns", params={"page": 9})
    assert (beyond["data"], beyond["meta"]["total"]) == ([], 5)


REFUSED_LISTS = [
    ("page=0", "page: Input should be greater than or equal to 1"),
    ("limit=101", "limit: Input should be less than or equal to 100"),
    ("limit=x", "limit: Input should be a valid integer, unable to parse string as an integer"),
    (
        "status=stopped",
        "status: unknown status 'stopped'; there are active, cancelled, completed, draft, paused, running",
    ),
]


async def test_a_list_that_makes_no_sense_is_refused(nexa: Nexa) -> None:
    for query, message in REFUSED_LISTS:
        assert await nexa.refused("GET", f"/campaigns?{query}", 400) == [message]


async def test_counters_add_up(nexa: Nexa, site: Site) -> None:
    campaign = await nexa.campaign(retry_config={"max_retries": 0})
    leads = [await nexa.lead(campaign, number) for number in (ANA, BEN, BUSY)]
    await nexa.call("DELETE", f"/campaigns-leads/{leads[1]['id']}")

    before = await nexa.call("GET", f"/campaigns/{campaign['id']}/status")
    async with site.working():
        after = await nexa.until(f"/campaigns/{campaign['id']}/status", pending_calls=0)

    counters = ("total_leads", "completed_calls", "pending_calls", "in_progress_calls", "failed_calls")
    assert [before[name] for name in counters] == [2, 0, 2, 0, 0]
    assert [after[name] for name in counters] == [2, 2, 0, 0, 1]
    assert (after["id"], after["status"]) == (campaign["id"], "running")


async def test_campaigns_of_other_doors_are_seen_and_moved(nexa: Nexa, site: Site) -> None:
    campaign_id = await draft(site, [ANA])
    native = await site.call("GET", f"/campaign/{campaign_id}")
    (shown,) = (await nexa.call("GET", "/campaigns"))["data"]

    assert (shown["name"], shown["status"], shown["total_leads"], shown["is_open"]) == ("test", "draft", 1, False)
    await nexa.call("POST", f"/campaigns/{shown['id']}/start")
    assert (await site.call("GET", f"/campaign/{campaign_id}"))["state"] == "running"
    await site.call("POST", f"/campaign/{campaign_id}/pause")
    assert (await nexa.call("GET", f"/campaigns/{shown['id']}"))["status"] == "paused"
    assert native["name"] == "test"


async def test_a_campaign_that_completes_by_itself_needs_no_closing(nexa: Nexa, site: Site) -> None:
    await completed(site, [ANA])
    (shown,) = (await nexa.call("GET", "/campaigns"))["data"]

    assert shown["status"] == "completed"
    assert (await nexa.call("PATCH", f"/campaigns/{shown['id']}", json={"status": "completed"}))[
        "status"
    ] == "completed"


async def test_single_calls_are_no_campaigns(nexa: Nexa, site: Site) -> None:
    app = app_of(site)
    await app.add_carrier(CALLS)
    agent_id = await app.add_agent(None)
    async with site.working():
        placed = await app.single_calls.call(CallRequest(agent_id=agent_id, to_number=ANA))
    hidden = await app.campaigns.get(placed.campaign_id)

    assert (await nexa.call("GET", "/campaigns"))["data"] == []
    await nexa.refused("GET", f"/campaigns/cmp_{hidden.uuid.hex}", 404)
    (call,) = (await nexa.call("GET", "/call-logs"))["data"]
    assert (call["campaign_id"], call["lead_id"], call["to_phone_number"]) == (None, None, ANA)


# --- who asks -------------------------------------------------------------------------------------


async def test_other_organizations_campaigns_are_not_there(nexa: Nexa, site: Site) -> None:
    campaign = await nexa.campaign()
    stranger = Nexa(site, of="other")
    path = f"/campaigns/{campaign['id']}"

    for method, tail in [
        ("GET", ""), ("GET", "/status"), ("GET", "/leads"), ("DELETE", ""), ("POST", "/start"), ("POST", "/pause"),
        ("POST", "/resume"), ("POST", "/cancel"),
    ]:  # fmt: skip
        assert await stranger.refused(method, path + tail, 404) == "Campaign not found"
    assert await stranger.refused("PATCH", path, 404, json={"name": "mine"}) == "Campaign not found"
    assert await stranger.refused("GET", f"/call-logs{path.replace('campaigns', 'campaign')}", 404)
    assert (await stranger.call("GET", "/campaigns"))["data"] == []
    assert (await nexa.call("GET", path))["name"] == "Spring"


NO_IDS = ["cmp_1", "1", "nothing", "cmp_" + "0" * 32, "lead_" + "0" * 32, "%00"]


async def test_an_id_that_is_none_is_not_found(nexa: Nexa) -> None:
    for text in NO_IDS:
        assert await nexa.refused("GET", f"/campaigns/{text}", 404) == "Campaign not found"


async def test_a_bare_uuid_is_understood(nexa: Nexa) -> None:
    campaign = await nexa.campaign()
    digits = campaign["id"].removeprefix("cmp_")
    dashed = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    for text in (digits, dashed, dashed.upper(), f"batch_{digits}"):
        assert (await nexa.call("GET", f"/campaigns/{text}"))["id"] == campaign["id"]


async def test_a_key_is_needed_and_its_role_counts(nexa: Nexa, site: Site) -> None:
    assert await Nexa(site, key="nonsense").refused("GET", "/campaigns", 401) == "Invalid or expired token"
    viewer = Nexa(site, key=await site.join("default", Role.VIEWER))
    campaign = await nexa.campaign()

    assert (await viewer.call("GET", f"/campaigns/{campaign['id']}"))["id"] == campaign["id"]
    message = await viewer.refused("POST", f"/campaigns/{campaign['id']}/pause", 403)
    assert message == "this key's role is viewer; it takes operator to do this"


async def test_what_no_route_answers_has_the_same_body(nexa: Nexa) -> None:
    assert await nexa.refused("GET", "/nothing", 404) == "Cannot GET /dialnexa/v1/nothing"
    assert await nexa.refused("DELETE", "/campaigns", 405) == "Cannot DELETE /dialnexa/v1/campaigns"
    typed = {"Content-Type": "application/json"}
    assert await nexa.refused("POST", "/campaigns", 400, content=b"{", headers=typed) == ["1: JSON decode error"]
    nul = {"name": "a\0b", "agent_id": "agt_1"}
    assert await nexa.refused("POST", "/campaigns", 400, json=nul) == (
        "a text holds a NUL character, which cannot be stored; remove it"
    )
    large = await nexa.refused("POST", "/campaigns", 413, json={"name": "x" * 10_000_001})
    assert large == "the body is larger than 10,000,000 bytes"


async def test_a_slash_at_the_end_makes_no_difference(nexa: Nexa) -> None:
    assert (await nexa.call("GET", "/campaigns/"))["data"] == []


async def test_every_answer_says_how_much_more_may_be_asked(open_site: OpenSite) -> None:
    site = await open_site(requests_per_second=2)
    nexa = Nexa(site)

    answers = [await nexa.answer("GET", path) for path in ("/campaigns", "/campaigns/cmp_1", "/nothing")]
    answers += [await nexa.answer("GET", "/campaigns") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 404, 404, 200, 200, 429]
    assert [answer.headers["X-RateLimit-Limit"] for answer in answers] == ["4"] * 6
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["3", "2", "4", "1", "0", "0"]
    reset = [int(answer.headers["X-RateLimit-Reset"]) for answer in answers]
    assert all(abs(at - time.time()) < 5 for at in reset)
    assert answers[-1].headers["Retry-After"] == "1"
    assert answers[-1].json()["statusCode"] == 429
    assert answers[-1].json()["message"].startswith("too many requests: this key may make 2 a second")


async def test_without_a_limit_nothing_is_said_of_one(open_site: OpenSite) -> None:
    nexa = Nexa(await open_site(requests_per_second=0))

    assert "X-RateLimit-Limit" not in (await nexa.answer("GET", "/campaigns")).headers


async def test_the_organizations_limit_is_looked_up_each_time(nexa: Nexa, site: Site) -> None:
    await catalog.set_limits(site.server.database, site.organizations["default"], max_lines=200, cps=None)

    assert (await nexa.campaign(max_concurrent_calls=200))["max_concurrent_calls"] == 200


async def test_pausing_keeps_leads_waiting(nexa: Nexa, site: Site) -> None:
    campaign = await nexa.campaign()
    await nexa.call("POST", f"/campaigns/{campaign['id']}/pause")
    await nexa.lead(campaign, ANA)
    async with site.working():
        await asyncio.sleep(0.3)
        waiting = await nexa.call("GET", f"/campaigns/{campaign['id']}")
        assert (waiting["pending_calls"], waiting["completed_calls"]) == (1, 0)

        await nexa.call("POST", f"/campaigns/{campaign['id']}/resume")
        await nexa.until(f"/campaigns/{campaign['id']}", completed_calls=1)
    records = await app_of(site).campaigns.page()
    assert [record["state"] for record in records] == [CampaignState.RUNNING]
