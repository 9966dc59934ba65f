"""Agents that hand calls over, as they are made over HTTP and as their runs read."""

from __future__ import annotations

from typing import Any

import pytest
from people import app_of, completed
from site_of import CALLS, Site

from dialplane.core.retry import RetryPolicy

pytestmark = pytest.mark.asyncio

ANSWERED, DESK = "+15005550006", "+14155550100"
HANDS_OVER = {
    "name": "hands over",
    "greeting": "Hi.",
    "steps": [{"say": "One moment.", "transfer": DESK, "failed": "Nobody is there."}],
    "goodbye": "Goodbye.",
}


async def test_a_simulated_call_is_handed_over_and_lasts_its_talk_time(site: Site) -> None:
    campaign = await completed(
        site,
        [ANSWERED],
        agent=HANDS_OVER,
        carrier=CALLS | {"talk_seconds": 1.2, "words_per_second": 20},
        retry=RetryPolicy(max_retries=0),
    )

    (run,) = (await site.call("GET", f"/campaign/{campaign}/runs"))["runs"]
    workflow = (await app_of(site).campaigns.get(campaign)).agent_id
    whole = await site.call("GET", f"/workflow/{workflow}/runs/{run['id']}")

    assert run["disposition"] == "answered"
    assert run["talk_seconds"] == pytest.approx(1.2, abs=0.3)
    assert run["gathered_context"]["extracted_variables"] == {}
    assert [each["text"] for each in whole["transcript"]] == ["Hi.", "One moment.", f"[transferred to {DESK}]"]
    assert {each["speaker"] for each in whole["transcript"]} == {"agent"}


@pytest.mark.parametrize("number", ["555-0100", 14155550100, "{{desk}}"])
async def test_a_number_that_cannot_be_called_is_refused_with_its_step(site: Site, number: Any) -> None:
    definition = {"greeting": "Hi.", "steps": [{"say": "One moment."}, {"transfer": number}]}
    body = {"name": "hands over", "workflow_definition": definition}

    answer = await site.call("POST", "/workflow/create/definition", status=400, json=body)

    assert "step 2: `transfer` must be a number in E.164" in str(answer["detail"])
