"""A transcript -> what was asked of it: fields, a word for what came of the call, a summary."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pipecat.processors.aggregators.llm_context import LLMContext
from pydantic import TypeAdapter, ValidationError

from dialplane.agents.pipeline.definition import LLM, Pipeline
from dialplane.agents.pipeline.services import build

WITHIN_SECONDS: Final = 15.0
MOST_SUMMARY_CHARACTERS: Final = 4000
JSON = re.compile(r"\{.*\}", re.DOTALL)
PYTHON: Mapping[str, Any] = {
    "string": str,
    "number": float,
    "integer": int,
    "boolean": bool,
    "array": list[Any],
    "object": dict[str, Any],
}
TASK: Final = """You are given the transcript of a telephone call. Answer with one JSON object and nothing else, which
follows this JSON schema. Use only what was said; null where it was not said. Schema: """


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """refused: names of fields whose values were of another type. failure: why there is none."""

    gathered: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""
    summary: str = ""
    refused: tuple[str, ...] = ()
    failure: str = ""


async def analysed(pipeline: Pipeline, transcript: Sequence[tuple[str, str]]) -> Analysis:
    """transcript: (speaker, text). One question to the model, at most two where it knows no schemas."""
    if not pipeline.analysed or not any(speaker == "contact" for speaker, _ in transcript):
        return Analysis()
    schema = schema_of(pipeline)
    said = "\n".join(f"{speaker}: {text}" for speaker, text in transcript)
    try:
        async with asyncio.timeout(WITHIN_SECONDS):
            answer = await _answer(pipeline, schema, said)
    except Exception as fault:  # of any service, in its own words
        return Analysis(failure=f"the call could not be analysed: {type(fault).__name__}")
    found = JSON.search(answer or "")
    try:
        given = json.loads(found[0]) if found else None
    except ValueError:
        given = None
    return read_analysis(pipeline, given) if given is not None else Analysis(failure="the analysis was no JSON object")


async def _answer(pipeline: Pipeline, schema: Mapping[str, Any], said: str) -> str | None:
    model = build(LLM, pipeline.llm)
    told = {"system_instruction": TASK + json.dumps(schema), "max_tokens": None}
    context = LLMContext([{"role": "user", "content": said}])
    try:
        answer: str | None = await model.run_inference(context, response_schema=dict(schema), **told)
    except Exception:
        # Many servers in OpenAI's shape refuse a schema; the task alone has it as well.
        answer = await model.run_inference(context, **told)
    return answer


def schema_of(pipeline: Pipeline) -> Mapping[str, Any]:
    """Of an object with all that is wanted, each of which may be null."""
    wanted: dict[str, Any] = {}
    if pipeline.fields:
        wanted["fields"] = _object({name: _nullable(each) for name, each in pipeline.fields.items()})
    if pipeline.disposition:
        wanted["disposition"] = {"type": "string", "enum": list(pipeline.disposition)}
    if pipeline.summary:
        wanted["summary"] = {"type": "string", "description": "Two or three sentences on what came of the call."}
    return _object(wanted)


def _object(properties: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _nullable(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    more = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": [schema["type"], "null"], **more}


def read_analysis(pipeline: Pipeline, given: Mapping[str, Any]) -> Analysis:
    values = given.get("fields")
    gathered: dict[str, Any] = {}
    refused: list[str] = []
    for name, schema in pipeline.fields.items():
        value = values.get(name) if isinstance(values, Mapping) else None
        if value is None:
            continue
        try:
            gathered[name] = typed(value, schema)
        except ValueError:
            refused.append(name)
    label, summary = given.get("disposition"), given.get("summary")
    return Analysis(
        gathered=gathered,
        label=label if label in pipeline.disposition else "",
        summary=summary.strip()[:MOST_SUMMARY_CHARACTERS] if isinstance(summary, str) and pipeline.summary else "",
        refused=tuple(refused),
    )


def typed(value: Any, schema: Mapping[str, Any]) -> Any:
    """The value in the schema's type, where it can be read as one. Raises ValueError.

    >>> typed("12", {"type": "integer"}), typed("yes", {"type": "boolean"}), typed(3, {"type": "string"})
    (12, True, '3')
    """
    if schema["type"] == "string" and isinstance(value, (int, float)) and not isinstance(value, bool):
        value = str(value)
    try:
        found = TypeAdapter(PYTHON[schema["type"]]).validate_python(value)
    except ValidationError as fault:
        raise ValueError(value) from fault
    if "enum" in schema and found not in schema["enum"]:
        raise ValueError(value)
    return found
