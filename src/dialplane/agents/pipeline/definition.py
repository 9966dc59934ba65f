"""A definition -> what a pipeline agent is made of. All of it raises Invalid, naming the field and the fix."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from dialplane.agents import fields as reading
from dialplane.agents.fields import (
    columns,
    complaint,
    flag,
    listed,
    named,
    number,
    one_of,
    seconds,
    server_address,
    template,
    text,
    value_name,
    words,
)
from dialplane.agents.hosted import Described

PIPELINE: Final = "pipeline"
LLM, STT, TTS = "llm", "stt", "tts"
# Services of our own, which need no network; the others are pipecat's.
OFFLINE: Mapping[str, frozenset[str]] = {
    LLM: frozenset(),
    STT: frozenset({"pocketsphinx"}),
    TTS: frozenset({"flite"}),
}
TYPES: Final = ("string", "number", "integer", "boolean", "array", "object")
TOOL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
LABEL, SUMMARY = "label", "summary"  # columns of the report, where it asks for a disposition and a summary
END_CALL, TRANSFER, OPT_OUT = "end_call", "transfer", "opt_out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """options: as pipecat's class of this service has them. timeout_seconds: until it has brought something."""

    service: str
    timeout_seconds: float = 10.0
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """Something on the web that the model may ask for. parameters: a JSON schema, of an object."""

    name: str
    description: str
    url: str
    method: str = "POST"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_seconds: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """to: numbers by the names under which the model knows them. when: in what case, told to the model."""

    to: Mapping[str, str]
    when: str = "The person wants to speak with somebody else."


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """prompts: said one after the other, each after so much silence; then the call ends after another while of it."""

    prompt_after_seconds: float = 8.0
    prompts: tuple[str, ...] = ("Are you still there?",)
    hang_up_after_seconds: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OptOut:
    """phrases: by which a person wants no more calls; the model may find so as well. say: what they are told then."""

    phrases: tuple[str, ...] = ()
    say: str = "Understood. We will not call you again. Goodbye."


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What services and calls cost, in the currency that the user thinks in."""

    per_1k_input_tokens: float = 0.0
    per_1k_output_tokens: float = 0.0
    per_minute_stt: float = 0.0
    per_1k_characters_tts: float = 0.0
    per_minute_call: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """All of a definition. pause_seconds: how long the other side has been silent before the agent answers.

    pardon: said where nothing could be understood for a failure; fallback: before a call ends for one.
    fields: JSON schemas of single values, by name. disposition: words of which one is chosen after the call.
    """

    name: str = "Pipeline agent"
    prompt: str
    greeting: str = ""
    llm: Service
    stt: Service
    tts: Service
    tools: tuple[Tool, ...] = ()
    end_call: bool = True
    transfer: Transfer | None = None
    opt_out: OptOut | None = None
    max_seconds: float = 600.0
    pause_seconds: float = 0.6
    interruptible: bool = True
    silence: Silence = Silence()
    pardon: str = "I am sorry, I did not hear that. Could you say it again?"
    fallback: str = "I am sorry, I cannot go on at the moment. Goodbye."
    fields: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    disposition: tuple[str, ...] = ()
    summary: bool = False
    prices: Prices = Prices()

    @property
    def analysed(self) -> bool:
        return bool(self.fields or self.disposition or self.summary)


def read(definition: Mapping[str, Any]) -> Described:
    pipeline = read_pipeline(definition)
    found = {LABEL: pipeline.disposition, SUMMARY: pipeline.summary}
    return Described(
        kept=definition,
        variables=columns((pipeline.prompt, pipeline.greeting)),
        fields=(
            *pipeline.fields,
            *(name for name, is_asked in found.items() if is_asked and name not in pipeline.fields),
        ),
    )


def read_pipeline(definition: Mapping[str, Any]) -> Pipeline:
    found = reading.read({key: each for key, each in definition.items() if key != "kind"}, "", READERS)
    for name, example in (
        ("prompt", "what the model is told to be"),
        (LLM, "such as {service: openai, model: gpt-4.1, api_key: …}"),
        (STT, "such as {service: deepgram, api_key: …}"),
        (TTS, "such as {service: openai, voice: alloy, api_key: …}"),
    ):
        if name not in found:
            raise complaint(name, f"is missing; {example}")
    names = [tool.name for tool in found.get("tools", ())]
    for taken in (END_CALL, TRANSFER, OPT_OUT):
        if taken in names:
            raise complaint("tools", f"{taken!r} is built in; write `{taken}:` beside `tools:`, or choose another name")
    if len(set(names)) < len(names):
        raise complaint("tools", "two of them have the same name")
    return Pipeline(**found)


def _service(kind: str) -> reading.Reader:
    def read_service(value: object, place: str) -> Service:
        given = dict(reading.mapping(value, place))
        name = words(given.pop("service", ""), f"{place}.service").lower()
        known = services(kind)
        if known and name.partition(":")[0] not in known:
            near = get_close_matches(name, known, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else reading.known_are(sorted(known))
            raise complaint(f"{place}.service", f"there is no {kind} service {name!r}; {hint}")
        if "base_url" in given:
            server_address(given["base_url"], f"{place}.base_url")
        timeout = seconds(0.5, 60)(given.pop("timeout_seconds", 10), f"{place}.timeout_seconds")
        return Service(service=name, timeout_seconds=timeout, options=given)

    return read_service


def services(kind: str) -> frozenset[str]:
    """Names of services, as far as can be known without loading any; () where pipecat is not installed."""
    found = find_spec("pipecat")
    if found is None or not found.submodule_search_locations:
        return frozenset()
    folder = Path(found.submodule_search_locations[0]) / "services"
    return OFFLINE[kind] | {path.parent.name for path in folder.glob(f"*/{kind}.py")}


def _record(kind: type[Any], readers: Mapping[str, reading.Reader]) -> reading.Reader:
    """A dataclass whose fields are read by these."""
    needed = [each.name for each in fields(kind) if each.name in readers and _is_needed(each)]

    def read_record(value: object, place: str) -> Any:
        found = reading.read(value, place, readers)
        if missing := [name for name in needed if name not in found]:
            raise complaint(f"{place}.{missing[0]}", "is missing")
        return kind(**found)

    return read_record


def _is_needed(each: Any) -> bool:
    return each.default is MISSING and each.default_factory is MISSING


def _tool_name(value: object, place: str) -> str:
    if not isinstance(value, str) or not TOOL_NAME.fullmatch(value):
        raise complaint(place, f"must be a name such as book_appointment, not {value!r}")
    return value


def _parameters(value: object, place: str) -> Mapping[str, Any]:
    schema = reading.mapping(value, place)
    if schema.get("type", "object") != "object" or not isinstance(schema.get("properties", {}), Mapping):
        raise complaint(place, "must be a JSON schema of an object: {type: object, properties: {…}}")
    return schema


def _fields(value: object, place: str) -> Mapping[str, Mapping[str, Any]]:
    """Schemas of values by name, or one schema of an object; a text alone describes a string."""
    given = reading.mapping(value, place)
    if given.get("type") == "object" and isinstance(given.get("properties"), Mapping):
        given = given["properties"]
    return {name: _field(name, each, f"{place}.{name}") for name, each in given.items()}


def _field(name: str, value: object, place: str) -> Mapping[str, Any]:
    value_name(name, place)
    schema = {"type": "string", "description": value} if isinstance(value, str) else dict(reading.mapping(value, place))
    one_of(*TYPES)(schema.setdefault("type", "string"), f"{place}.type")
    if "enum" in schema:
        listed(lambda each, _: each)(schema["enum"], f"{place}.enum")
    return schema


def _to(value: object, place: str) -> Mapping[str, str]:
    if isinstance(value, str):
        return {"them": reading.phone_number(value, place)}
    found: dict[str, str] = named(reading.phone_number)(value, place)
    return found


TOOL: Final = _record(
    Tool,
    {
        "name": _tool_name,
        "description": words,
        "url": reading.url,
        "method": one_of("GET", "POST", "PUT", "PATCH", "DELETE"),
        "parameters": _parameters,
        "headers": named(text),
        "timeout_seconds": seconds(0.5, 60),
    },
)
READERS: Mapping[str, reading.Reader] = {
    "name": words,
    "prompt": lambda value, place: words(template(value, place), place),
    "greeting": template,
    LLM: _service(LLM),
    STT: _service(STT),
    TTS: _service(TTS),
    "tools": listed(TOOL),
    END_CALL: flag,
    TRANSFER: _record(Transfer, {"to": _to, "when": words}),
    OPT_OUT: _record(OptOut, {"phrases": listed(words), "say": text}),
    "max_seconds": seconds(1, 14_400),
    "pause_seconds": seconds(0.2, 5),
    "interruptible": flag,
    "silence": _record(
        Silence,
        {
            "prompt_after_seconds": seconds(1, 600),
            "prompts": listed(words),
            "hang_up_after_seconds": seconds(1, 600),
        },
    ),
    "pardon": words,
    "fallback": text,
    "fields": _fields,
    "disposition": listed(words),
    "summary": flag,
    "prices": _record(Prices, {each.name: number(0, 1e6) for each in fields(Prices)}),
}
