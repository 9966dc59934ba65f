"""Caps over all campaigns of an organization, and what a new campaign begins with."""

from __future__ import annotations

import pytest
from published import conforms
from site_of import CALLS, Site

from dialplane.core.breaker import CircuitBreaker
from dialplane.core.campaign import Policies
from dialplane.core.retry import RetryPolicy
from dialplane.engine.keys import Role

pytestmark = pytest.mark.asyncio


async def test_an_organization_without_anything_has_defaults(site: Site) -> None:
    defaults = conforms(await site.call("GET", "/organizations/campaign-defaults"), "CampaignDefaultsResponse")

    retry = defaults["default_retry_config"]
    assert defaults["concurrent_call_limit"] == 100
    assert defaults["from_numbers_count"] == 0
    assert (retry["max_retries"], retry["retry_delay_seconds"], retry["retry_on_voicemail"]) == (1, 120, False)
    assert defaults["last_campaign_settings"] is None


async def test_the_last_campaign_and_the_numbers_of_the_default_are_told(site: Site) -> None:
    app = site.server.of(site.organizations["default"])
    await app.add_carrier({"name": "Old", **CALLS, "numbers": ["+14155550100"]})
    two = await app.add_carrier({"name": "Two", **CALLS, "numbers": ["+14155550101", "+14155550102"]})
    await app.telephony.set_default(two)
    shown = {"agent_id": await app.add_agent(None), "carrier_id": two}
    policies = Policies(
        retry=RetryPolicy(max_retries=4), max_lines=7, breaker=CircuitBreaker(threshold=0.25, min_calls=9)
    )
    await app.campaigns.create(name="Last", policies=policies, **shown)
    await app.campaigns.create(name="Hidden", policies=Policies(), keep_open=True, hidden=True, **shown)

    defaults = conforms(await site.call("GET", "/organizations/campaign-defaults"), "CampaignDefaultsResponse")

    last = defaults["last_campaign_settings"]
    assert defaults["from_numbers_count"] == 2
    assert (last["max_concurrency"], last["retry_config"]["max_retries"], last["schedule_config"]) == (7, 4, None)
    assert (last["circuit_breaker"]["failure_threshold"], last["circuit_breaker"]["min_calls_in_window"]) == (0.25, 9)
    foreign = await site.call("GET", "/organizations/campaign-defaults", of="other")
    assert (foreign["from_numbers_count"], foreign["last_campaign_settings"]) == (0, None)


async def test_limits_are_replaced_by_owners(site: Site) -> None:
    viewer, operator = await site.join("default", Role.VIEWER), await site.join("default", Role.OPERATOR)

    assert await site.call("GET", "/organizations/limits", key=viewer) == {
        "max_lines": 100,
        "cps": None,
        "warnings": [],
    }
    changed = await site.call("PUT", "/organizations/limits", json={"max_lines": 12, "cps": 3.5})
    assert changed == {"max_lines": 12, "cps": 3.5, "warnings": []}
    assert (await site.call("GET", "/organizations/campaign-defaults"))["concurrent_call_limit"] == 12
    lifted = await site.call("PUT", "/organizations/limits", json={"max_lines": 12, "max_line": 1})
    assert (lifted["cps"], lifted["warnings"]) == (None, ["unknown field 'max_line': did you mean 'max_lines'?"])
    refused = await site.call("PUT", "/organizations/limits", json={"max_lines": 1}, key=operator, status=403)
    assert refused["detail"] == "this key's role is operator; it takes owner to do this"
    assert (await site.call("GET", "/organizations/limits", of="other"))["max_lines"] == 100


async def test_what_is_no_limit_is_refused(site: Site) -> None:
    for body in ({}, {"max_lines": -1}, {"max_lines": 2**40}, {"max_lines": 1, "cps": 0}, {"max_lines": None}):
        await site.call("PUT", "/organizations/limits", json=body, status=422)
    slow = await site.call("PUT", "/organizations/limits", json={"max_lines": 1, "cps": 0.000001}, status=400)

    assert slow["detail"].startswith("cps must be above 0")
    assert (await site.call("GET", "/organizations/limits"))["max_lines"] == 100


async def test_an_organization_keeps_recordings_for_as_long_as_it_says(site: Site) -> None:
    before = await site.call("GET", "/organizations/retention")
    assert before == {"recordings": None, "recordings_kept": "forever", "warnings": []}

    for text, said in (("30d", "30d"), ("36h", "36h"), ("48h", "2d"), (None, None)):
        kept = await site.call("PUT", "/organizations/retention", json={"recordings": text})
        assert (kept["recordings"], kept["recordings_kept"]) == (said, said or "forever")
        assert await site.call("GET", "/organizations/retention") == kept
    refused = await site.call("PUT", "/organizations/retention", status=400, json={"recordings": "soon"})
    assert "recordings must be like 90d or 12h" in refused["detail"]
    operator = await site.join("default", Role.OPERATOR)
    await site.call("PUT", "/organizations/retention", key=operator, status=403, json={"recordings": "1h"})
    assert (await site.call("GET", "/organizations/retention", of="other"))["recordings"] is None
