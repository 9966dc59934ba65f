"""Dograh's graphs and Vapi's assistants with voice services: the pipeline that leads their conversations."""

from __future__ import annotations

from typing import Any

import pytest

from dialplane.agents.assistant import read_assistant
from dialplane.agents.assistant_voice import voiced as voiced_assistant
from dialplane.agents.pipeline.definition import read_pipeline
from dialplane.agents.voiced import Voiced, plain
from dialplane.agents.workflow import read_graph
from dialplane.agents.workflow_voice import voiced as voiced_graph
from dialplane.errors import Invalid

SERVICES: dict[str, Any] = {
    "llm": {"service": "openai", "model": "gpt-4.1", "api_key": "k"},
    "stt": {"service": "pocketsphinx"},
    "tts": {"service": "openai", "voice": "alloy", "api_key": "k"},
}


def graph(*nodes: dict[str, Any], edges: Any = ()) -> Voiced | None:
    return voiced_graph(read_graph({"nodes": list(nodes), "edges": list(edges)}), SERVICES)


def node(id: str, kind: str, **data: Any) -> dict[str, Any]:
    return {"id": id, "type": kind, "data": data}


def assistant(**fields: Any) -> Voiced | None:
    return voiced_assistant(read_assistant({"assistant": fields}), SERVICES)


def test_a_graph_becomes_one_prompt_with_its_steps_and_what_leads_from_one_to_another() -> None:
    found = graph(
        node("a", "startCall", name="Opening", greeting="Hello {{first_name}}.", prompt="Ask whether they come."),
        node("e", "endCall", name="Goodbye", prompt="Thank them."),
        node("b", "agentNode", name="Another day", prompt="Offer {{day | Monday}}."),
        node("g", "globalNode", prompt="You call for {{clinic}}."),
        edges=[
            {"source": "a", "target": "b", "data": {"label": "no", "condition": "they cannot come"}},
            {"source": "a", "target": "e", "data": {"label": "they come", "transition_speech": "Very well."}},
        ],
    )

    assert found is not None
    pipeline = read_pipeline(plain(found.pipeline))
    assert pipeline.prompt == (
        "You call for {clinic}.\n\n"
        "Lead the call in the steps below. Begin with step 1, and go on to another step as soon as its condition is "
        "met. Never speak of steps or conditions.\n\n"
        "## Step 1: Opening\nAsk whether they come.\n"
        "- When they cannot come: go on to step 2.\n"
        '- When they come: say "Very well." and go on to step 3.\n\n'
        "## Step 2: Another day\nOffer {day | Monday}.\n\n"
        "## Step 3: Goodbye\nThank them.\nThen end the call."
    )
    assert found.variables == {"first_name", "clinic"}
    assert found.fill("Hello {{first_name}}, {{day | Monday}}?", {"first_name": "Ana", "clinic": "C"}) == (
        "Hello Ana, Monday?"
    )
    assert found.ignored == ()


def test_what_a_graph_extracts_is_gathered_in_its_type() -> None:
    found = graph(
        node(
            "a", "startCall", prompt="Ask.", extraction_enabled=True, extraction_prompt="Of today.",
            extraction_variables=[{"name": "comes", "type": "boolean", "prompt": "They come."}, {"name": "a b"}],
            tool_uuids=["t"],
        )
    )  # fmt: skip

    assert found is not None
    assert read_pipeline(plain(found.pipeline)).fields == {
        "comes": {"type": "boolean", "description": "Of today.\n\nThey come."}
    }
    assert found.ignored == (
        "node 'a' (startCall): `extraction_variables` has 'a b', which is no name, and leaves it out",
        "node 'a' (startCall): it does not follow tool_uuids",
    )


def test_a_graph_without_a_prompt_has_no_use_for_services() -> None:
    assert graph(node("a", "startCall", greeting="Hello.")) is None


def test_a_broken_template_in_a_prompt_is_named() -> None:
    with pytest.raises(Invalid, match=r"node 'a' \(startCall\): `prompt` has a broken template"):
        graph(node("a", "startCall", prompt="Ask {{first name."))


def test_an_assistants_own_limits_and_analysis_are_those_of_its_pipeline() -> None:
    found = assistant(
        name="Bot",
        firstMessage="Hello {{name}}.",
        endCallMessage="Bye.",
        endCallPhrases=["goodbye now"],
        model={
            "provider": "openai",
            "messages": [{"role": "system", "content": "Be brief, {{customer.name}}. {{call.id}} {% if x %}"}],
            "tools": [
                {"type": "transferCall", "destinations": [{"number": "+14155550100", "description": "the desk"}]},
                {"type": "endCall"},
                {"type": "function", "function": {"name": "book"}},
            ],
        },
        voice={"provider": "openai", "voiceId": "nova", "speed": 2},
        maxDurationSeconds=90,
        silenceTimeoutSeconds=20,
        analysisPlan={
            "structuredDataPlan": {"schema": {"type": "object", "properties": {"comes": {"type": "boolean"}}}},
            "successEvaluationPlan": {"rubric": "PassFail"},
        },
    )

    assert found is not None
    pipeline = read_pipeline(plain(found.pipeline))
    assert pipeline.prompt == (
        'Be brief, {customer.name}.  \n\nRight before you end the call, say: "Bye."\n\n'
        "End the call after you have said one of: goodbye now."
    )
    assert (pipeline.max_seconds, pipeline.silence.hang_up_after_seconds) == (90, 20)
    assert pipeline.transfer is not None and pipeline.transfer.to == {"the desk": "+14155550100"}
    assert (dict(pipeline.fields), pipeline.disposition, pipeline.summary) == (
        {"comes": {"type": "boolean"}}, ("true", "false"), True,
    )  # fmt: skip
    assert pipeline.tts.options["voice"] == "nova"
    assert found.variables == {"name"}
    assert found.ignored == (
        "model.messages: {{call.id}} is left out: it cannot be filled in here",
        "model.messages: {% if x %} is left out: it cannot be filled in here",
        "voice: speed has no effect",
        "model.tools 3: a tool of type function is not called here",
    )


def test_braces_in_a_column_name_no_other_column() -> None:
    found = assistant(firstMessage="Hello.", model={"messages": [{"role": "system", "content": "For {{name}}."}]})

    assert found is not None
    told = found.fill(found.pipeline["prompt"], {"name": "{{secret}}"})
    assert read_pipeline(plain({**found.pipeline, "prompt": told})).prompt == "For {secret}."
