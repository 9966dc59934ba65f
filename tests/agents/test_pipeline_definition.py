"""What a pipeline agent's definition may say, and what is answered to one that is wrong."""

from __future__ import annotations

import asyncio
import doctest
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from dialplane.agents.pipeline.definition import Service, read, read_pipeline
from dialplane.errors import Invalid
from dialplane.providers import read_agent

pytest.importorskip("pipecat")  # whose services the names are of
EXAMPLES = Path(__file__).parents[2] / "examples"
LOCAL = {"base_url": "http://127.0.0.1:8000/v1"}
LEAST: Mapping[str, Any] = {
    "kind": "pipeline",
    "prompt": "You are kind to {{first_name}}.",
    "greeting": "Hello {{ Last_Name }}.",
    "llm": {"service": "openai", "model": "m", **LOCAL},
    "stt": {"service": "openai", **LOCAL},
    "tts": {"service": "openai", "voice": "any", **LOCAL},
}


def test_its_texts_name_the_columns_that_contacts_need_and_its_fields_those_of_the_report() -> None:
    fields = {"visits": {"type": "integer"}, "note": "Whatever else they say."}
    reading = read_agent({**LEAST, "fields": fields})

    assert (reading.kind, reading.definition["prompt"]) == ("pipeline", LEAST["prompt"])
    assert reading.variables == {"first_name", "Last_Name"}
    assert reading.fields == ("visits", "note")


def test_a_word_for_the_call_and_a_summary_are_columns_of_the_report_where_they_are_asked_for() -> None:
    asked = {**LEAST, "disposition": ["booked", "lost"], "summary": True}

    assert read_agent(asked).fields == ("label", "summary")
    assert read_agent({**asked, "fields": {"summary": "In their words."}}).fields == ("summary", "label")


def test_fields_may_be_one_schema_of_an_object() -> None:
    schema = {"type": "object", "properties": {"visits": {"type": "integer"}}}

    assert read_pipeline({**LEAST, "fields": schema}).fields == {"visits": {"type": "integer"}}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"prompt": ""}, "prompt: must not be empty"),
        ({"prompt": "Hello {{name"}, "prompt: has a broken template"),
        ({"greating": "Hello"}, "unknown field 'greating'; did you mean 'greeting'?"),
        ({"llm": {"model": "m"}}, "llm.service: must not be empty"),
        ({"llm": {"service": "open_ai"}}, "llm.service: there is no llm service 'open_ai'; did you mean openai"),
        ({"llm": {"service": "openai", "base_url": "localhost:8000"}}, "llm.base_url: must look like https://"),
        ({"stt": {"service": "flite"}}, "stt.service: there is no stt service 'flite'"),
        ({"tts": {"service": "flite", "timeout_seconds": 0}}, "tts.timeout_seconds: must lie between 0.5 and 60"),
        ({"tools": [{"name": "a"}]}, "tools 1.description: is missing"),
        ({"tools": [{"name": "a b"}]}, "tools 1.name: must be a name such as book_appointment"),
        (
            {"tools": [{"name": "end_call", "description": "d", "url": "https://example.com"}]},
            "tools: 'end_call' is built in",
        ),
        ({"tools": [{"name": "a", "url": "ftp://x"}]}, "tools 1.url: must look like https://example.com/path"),
        ({"tools": [{"name": "a", "url": "https://["}]}, "tools 1.url: must look like https://example.com/path"),
        ({"transfer": {"to": "0123"}}, "transfer.to: must be a number in E.164"),
        ({"transfer": {"to": {"sales": 1}}}, "transfer.to.sales: must be a number in E.164"),
        ({"fields": {"age": {"type": "int"}}}, "fields.age.type: must be one of string, number"),
        ({"fields": {"an age": "Theirs."}}, "fields.an age: a name must be of letters"),
        ({"disposition": "booked"}, "disposition: must be a list of 1 to 100 entries"),
        ({"pause_seconds": 0}, "pause_seconds: must lie between 0.2 and 5"),
        ({"silence": {"prompts": []}}, "silence.prompts: must be a list"),
        ({"summary": "yes"}, "summary: must be true or false, not 'yes'"),
        ({"prices": {"per_minute": 1}}, "prices: unknown field 'per_minute'; did you mean"),
    ],
)
def test_a_complaint_names_the_field_and_the_fix(changes: Mapping[str, Any], complaint: str) -> None:
    with pytest.raises(Invalid) as refused:
        read({**LEAST, **changes})

    assert complaint in str(refused.value)


@pytest.mark.parametrize("name", ["prompt", "llm", "stt", "tts"])
def test_what_it_cannot_do_without_is_asked_for(name: str) -> None:
    with pytest.raises(Invalid, match=f"{name}: is missing"):
        read({key: each for key, each in LEAST.items() if key != name})


@pytest.mark.parametrize("name", ["pipeline.yaml", "pipeline-openai.yaml"])
def test_the_examples_are_understood(name: str) -> None:
    read_agent(yaml.safe_load((EXAMPLES / name).read_text(encoding="utf-8")))


# --- services, as pipecat has them ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "service", "options", "made"),
    [
        ("llm", "openai", {"api_key": "k", "model": "m", "temperature": 0.2}, "OpenAILLMService"),
        ("llm", "ollama", {"model": "m"}, "OLLamaLLMService"),
        ("stt", "openai", {"api_key": "k", "language": "de"}, "OpenAISTTService"),
        ("stt", "openai:openairealtimesttservice", {"api_key": "k"}, "OpenAIRealtimeSTTService"),
        ("stt", "pocketsphinx", {"expected": ["yes"]}, "PocketsphinxSTTService"),
        ("tts", "openai", {"api_key": "k", "voice": "alloy"}, "OpenAITTSService"),
        ("tts", "openai", {**LOCAL, "voice": "af_sky"}, "CompatibleTTSService"),
        ("tts", "elevenlabs", {"api_key": "k", "voice_id": "v"}, "ElevenLabsTTSService"),
        ("tts", "flite", {"voice": "slt"}, "FliteTTSService"),
    ],
)
def test_a_service_is_found_by_its_name_and_takes_what_its_class_takes(
    kind: str, service: str, options: Mapping[str, Any], made: str
) -> None:
    services = pytest.importorskip("dialplane.agents.pipeline.services")

    async def build() -> Any:
        return services.build(kind, Service(service=service, options=options))

    found = asyncio.run(build())
    assert type(found).__name__ == made
    for name, value in options.items():
        if name in ("model", "voice", "temperature", "language"):
            assert getattr(found.settings, name) == value


@pytest.mark.parametrize(
    ("kind", "service", "options", "complaint"),
    [
        ("llm", "openai", {"model": "m"}, "llm.api_key: is missing"),
        ("llm", "openai", {"api_key": "k", "temprature": 1}, "openai has no such option; did you mean 'temperature'?"),
        (
            "llm",
            "anthropic",
            {"api_key": "k"},
            r"anthropic needs the package anthropic; pip install 'pipecat-ai\[anthr",
        ),
        ("llm", "soniox", {"api_key": "k"}, "llm.service: pipecat has no llm service 'soniox'"),
        ("stt", "openai:nothing", {"api_key": "k"}, "openai has no class 'nothing'; known are: OpenAIRealtime"),
        ("tts", "cartesia", {}, "tts.api_key: is missing"),
    ],
)
def test_a_service_that_cannot_be_made_says_what_it_lacks(
    kind: str, service: str, options: Mapping[str, Any], complaint: str
) -> None:
    services = pytest.importorskip("dialplane.agents.pipeline.services")

    with pytest.raises(Invalid, match=complaint):
        services.build(kind, Service(service=service, options=options))


def test_an_agent_is_refused_before_anybody_is_called_where_its_services_cannot_be_made() -> None:
    talk = pytest.importorskip("dialplane.agents.pipeline.talk")

    assert talk.prepare(LEAST) == ""
    assert talk.prepare({**LEAST, "stt": {"service": "openai"}}) == "agent, stt.api_key: is missing"


@pytest.mark.parametrize(
    ("columns", "greeting"),
    [
        ({}, "Hello Ana."),
        ({"greeting_override": "Good day {{first_name}}."}, "Good day Ana."),
        ({"greeting_override_type": "text", "greeting_override_text": "Good day."}, "Good day."),
        ({"greeting_override_type": "audio", "greeting_override_recording_id": "7"}, "Hello Ana."),
        ({"greeting_override": ""}, "Hello Ana."),
    ],
)
def test_a_contact_may_have_a_greeting_of_their_own(columns: Mapping[str, str], greeting: str) -> None:
    talk = pytest.importorskip("dialplane.agents.pipeline.talk")

    assert talk.greeting_of("Hello {{first_name}}.", {"first_name": "Ana", **columns}) == greeting


def test_the_examples_in_the_text_are_true() -> None:
    for name in ("analysis", "speaking", "tools"):
        module = pytest.importorskip(f"dialplane.agents.pipeline.{name}")
        found = doctest.testmod(module)
        assert found.attempted > 0
        assert found.failed == 0
