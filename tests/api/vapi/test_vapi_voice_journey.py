"""A Vapi assistant with a prompt: over SIP to somebody who speaks, and what every door tells of it afterwards."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from site_of import Site
from vapi_of import Vapi

sys.path += [str(Path(__file__).parents[2] / folder) for folder in ("agents", "sip", "carriers", "cli")]

from callees import callee, needs_programs
from chat_server import Calls, Says, chat_server

pytestmark = [needs_programs, pytest.mark.asyncio]

NUMBER, ASKED, SUMMARY = "+14155550101", "Does Tuesday suit you, Ana?", "Tuesday suits."
ASSISTANT: dict[str, Any] = {
    "name": "Bookings",
    "firstMessage": "Hello {{customer.name}}.",
    "firstMessageMode": "assistant-speaks-first",
    "model": {
        "provider": "openai",
        "model": "tiny",
        "messages": [{"role": "system", "content": "Ask {{customer.name}} whether Tuesday suits."}],
    },
    "voice": {"provider": "11labs", "voiceId": "burt"},
    "analysisPlan": {
        "structuredDataPlan": {"schema": {"type": "object", "properties": {"suits": {"type": "boolean"}}}},
        "successEvaluationPlan": {"rubric": "PassFail"},
    },
}


async def until_ended(vapi: Vapi, call_id: str) -> Any:
    async with asyncio.timeout(60):
        while (call := await vapi.call("GET", f"/call/{call_id}"))["status"] != "ended":
            await asyncio.sleep(0.05)
    return call


async def test_an_assistant_holds_a_conversation_and_all_doors_tell_what_came_of_it(site: Site) -> None:
    vapi = Vapi(site)
    analysis = {"fields": {"suits": True}, "disposition": "true", "summary": SUMMARY}
    answers = Says(ASKED), Calls("end_call", {"words": "Goodbye."})
    async with chat_server(*answers, analysis=analysis) as server:
        services = {
            "llm": {"service": "openai", "model": "small", "base_url": server.url, "api_key": "sk-of-theirs"},
            "stt": {"service": "pocketsphinx", "expected": ["yes please", "no"]},
            "tts": {"service": "flite"},
            "prices": {"per_1k_input_tokens": 1},
        }
        await site.call("PUT", "/voice", json=services)
        bot = await vapi.call("POST", "/assistant", status=201, json=ASSISTANT)
        with callee("speak", says="yes please") as called:
            (number,) = await vapi.numbers("+14155550100", carrier=called.trunk)
            body = {"assistantId": bot["id"], "phoneNumberId": number, "customer": {"number": NUMBER, "name": "Ana"}}
            async with site.working():
                made = await vapi.call("POST", "/call", status=201, json=body, timeout=30)
                call = await until_ended(vapi, made["id"])

    assert bot["warnings"] == ["voice: the organization's voice services have flite and not 11labs, which stays"]
    assert server.keys[0] == "Bearer sk-of-theirs" and server.asked[0]["model"] == "tiny"
    assert "Ask Ana whether Tuesday suits." in server.messages(0)[0]
    assert "User: yes please" in call["transcript"] and "AI: " in call["transcript"]
    assert call["analysis"] == {"summary": SUMMARY, "structuredData": {"suits": True}, "successEvaluation": "true"}
    assert call["cost"] > 0 and call["costBreakdown"]["total"] == call["cost"]
    assert call["costBreakdown"]["llmPromptTokens"] == round(call["cost"] * 1000)
    run = (await site.call("GET", "/organizations/usage/runs"))["runs"][0]
    assert run["gathered_context"]["call_disposition"] == "true"
    assert run["gathered_context"]["mapped_call_disposition"] == "answered"
    whole = await site.call("GET", f"/workflow/{run['workflow_id']}/runs/{run['id']}")
    assert (whole["summary"], whole["label"], whole["cost_info"]["cost"]) == (SUMMARY, "true", call["cost"])
    assert whole["usage_info"]["llm"]["prompt_tokens"] == call["costBreakdown"]["llmPromptTokens"]
    assert whole["usage"]["turns"][0]["total_ms"] > 0
    found = await site.call("GET", f"/campaign/{run['campaign_id']}/results")
    assert (found["labels"], found["cost"]) == ({"true": 1}, call["cost"])
    await vapi.call("DELETE", f"/call/{made['id']}")
    erased = await site.call("GET", f"/workflow/{run['workflow_id']}/runs/{run['id']}")
    assert (erased["summary"], erased["label"]) == (None, "true")
