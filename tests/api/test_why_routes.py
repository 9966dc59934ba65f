"""Why somebody is not called, over HTTP."""

from __future__ import annotations

import pytest
from people import app_of, draft, numbers, started
from site_of import Site

from dialplane.core.window import CallingWindow
from dialplane.engine.keys import Role

pytestmark = pytest.mark.asyncio

ANA, BEN = numbers(2)


async def contact_id(site: Site, campaign: int, number: str) -> int:
    page = await site.call("GET", f"/campaign/{campaign}/contacts", params={"phone_number": number})
    return int(page["contacts"][0]["id"])


async def test_why_of_a_contact_names_what_binds_and_when_it_can_be_called(site: Site) -> None:
    never_now = CallingWindow.parse("mon 03:00-03:01", "UTC")
    campaign = await started(site, [ANA], window=never_now)
    contact = await contact_id(site, campaign, ANA)

    answer = await site.call("GET", f"/campaign/{campaign}/contacts/{contact}/why")

    assert (answer["campaign_id"], answer["contact_id"], answer["phone_number"]) == (campaign, contact, ANA)
    assert (answer["state"], answer["reason"], answer["release"]) == ("waiting", "no_worker", "worker")
    assert answer["next_at"] is None
    assert [hold["reason"] for hold in answer["holds"]] == ["no_worker", "outside_window"]
    window = answer["holds"][1]
    assert window["text"] == "it is outside the calling hours: mon 03:00-03:01 UTC"
    assert window["until"].endswith("T03:00:00Z")
    assert window["until"] > answer["at"]
    assert await site.call("GET", f"/contacts/{contact}/why") | {"at": ""} == answer | {"at": ""}


async def test_why_of_a_campaign_groups_its_contacts(site: Site) -> None:
    campaign = await draft(site, [ANA, BEN])
    await site.call("POST", f"/campaign/{campaign}/contacts/remove", json={"phone_numbers": [BEN]})

    answer = await site.call("GET", f"/campaign/{campaign}/why")

    assert (answer["state"], answer["reason"], answer["release"], answer["lines"]) == ("draft", "draft", "command", 0)
    assert [(group["reason"], group["contacts"], group["exact"]) for group in answer["groups"]] == [
        ("draft", 1, True),
        ("removed", 1, True),
    ]
    assert answer["groups"][0]["zones"] == ["America/New_York"]


async def test_a_viewer_may_ask_and_others_find_nothing(site: Site) -> None:
    campaign = await started(site, [ANA])
    contact = await contact_id(site, campaign, ANA)
    other = await draft(site, [ANA])
    viewer = await site.join("default", Role.VIEWER)

    for path in (f"/campaign/{campaign}/why", f"/contacts/{contact}/why"):
        await site.call("GET", path, key=viewer)
        await site.call("GET", path, status=404, of="other")
    await site.call("GET", f"/campaign/{other}/contacts/{contact}/why", status=404)
    await site.call("GET", "/campaign/999/why", status=404)
    await site.call("GET", "/contacts/999/why", status=404)


async def test_a_contact_that_was_called_says_so(site: Site) -> None:
    campaign = await started(site, [ANA])
    async with site.working():
        await site.until(f"/campaign/{campaign}", {"state": "completed"})

    answer = await site.call("GET", f"/contacts/{await contact_id(site, campaign, ANA)}/why")

    assert (answer["reason"], answer["text"], answer["next_at"]) == ("reached", "it was reached", None)
    assert (await app_of(site).explanations.campaign(campaign)).hold.reason.value == "completed"
