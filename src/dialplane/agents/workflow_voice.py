"""Dograh's workflow graph, and voice services -> the pipeline that leads its conversations, and what has no effect.

A pipeline has one prompt, so the steps of the graph are told in it, with the conditions on which one leads to another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from dialplane.agents.voiced import Voiced, paragraphs
from dialplane.agents.workflow import (
    START,
    TEMPLATE,
    UNREACHED,
    Graph,
    check_spoken,
    is_known,
    rendered,
)

AGENT, END, GLOBAL = "agentNode", "endCall", "globalNode"
STEPS: Final = (START, AGENT, END)
TYPES: Mapping[str, str] = {"string": "string", "number": "number", "boolean": "boolean"}
NAME: Final = re.compile(r"[^\W\d]\w{0,63}")
# Fields of a step of which something is done, or that change nothing where one model leads the whole conversation.
HONOURED: Final = frozenset({
    "name", "prompt", "greeting", "greeting_type", "add_global_prompt", "extraction_enabled", "extraction_prompt",
    "extraction_variables", "is_start", "is_end", "selected", "invalid", "validationMessage", "delayed_start_duration",
    "pre_call_fetch_url", "pre_call_fetch_credential_uuid",
})  # fmt: skip
MANNER: Final = (
    "Lead the call in the steps below. Begin with step 1, and go on to another step as soon as its condition is met. "
    "Never speak of steps or conditions."
)


@dataclass(frozen=True, slots=True)
class _Step:
    id: str
    place: str
    kind: str
    data: Mapping[str, Any]

    def text(self, name: str) -> str:
        return str(self.data.get(name) or "").strip()


def voiced(graph: Graph, services: Mapping[str, Any]) -> Voiced | None:
    """None for one without a prompt: its greeting is all there is. Raises Invalid for a template that is broken."""
    steps = list(_steps(graph.kept))
    ordered = sorted((step for step in steps if step.kind in STEPS), key=lambda step: STEPS.index(step.kind))
    if not ordered or ordered[0].kind != START or not any(step.text("prompt") for step in steps):
        return None
    for step in steps:
        check_spoken(step.text("prompt"), step.place, "prompt")
    whole = [step.text("prompt") for step in steps if step.kind == GLOBAL]
    edges = [edge for edge in graph.kept.get("edges") or () if isinstance(edge, Mapping)]
    prompt = paragraphs([*whole, *_lead(ordered, edges)])
    ignored: list[str] = []
    pipeline = {
        "kind": "pipeline",
        "name": "Workflow",
        "prompt": prompt,
        **({"greeting": graph.greeting} if graph.greeting else {}),
        **_fields(ordered, ignored),
        **services,
    }
    return Voiced(
        pipeline=pipeline,
        variables=graph.variables,
        ignored=(*ignored, *_ignored(steps, graph)),
        fill=partial(_filled, graph.variables),
    )


def _steps(definition: Mapping[str, Any]) -> Iterator[_Step]:
    for node in definition.get("nodes") or ():
        yield _Step(str(node["id"]), f"node '{node['id']}' ({node['type']})", node["type"], node.get("data") or {})


def _lead(steps: list[_Step], edges: list[Mapping[str, Any]]) -> Iterator[str]:
    """The start alone is its prompt; else each step comes with the ways that lead out of it."""
    if len(steps) == 1:
        yield steps[0].text("prompt")
        return
    yield MANNER
    numbers = {step.id: number for number, step in enumerate(steps, start=1)}
    for step in steps:
        ways = [
            _way(edge, numbers) for edge in edges if str(edge["source"]) == step.id and str(edge["target"]) in numbers
        ]
        end = "Then end the call." if step.kind == END else ""
        title = f"Step {numbers[step.id]}{': ' if step.text('name') else ''}{step.text('name')}"
        yield "\n".join(part for part in (f"## {title}", step.text("prompt"), *ways, end) if part)


def _way(edge: Mapping[str, Any], numbers: Mapping[str, int]) -> str:
    data = edge.get("data") or {}
    condition = str(data.get("condition") or data.get("label") or "this step is done").strip()
    speech = str(data.get("transition_speech") or "").strip()
    first = f'say "{speech}" and ' if speech else ""
    return f"- When {condition}: {first}go on to step {numbers[str(edge['target'])]}."


def _fields(steps: list[_Step], ignored: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for step in steps:
        if step.data.get("extraction_enabled") is False:
            continue
        for each in step.data.get("extraction_variables") or ():
            name = str(each.get("name") or "") if isinstance(each, Mapping) else ""
            if not NAME.fullmatch(name):
                ignored.append(
                    f"{step.place}: `extraction_variables` has {name!r}, which is no name, and leaves it out"
                )
                continue
            told = paragraphs([step.text("extraction_prompt"), str(each.get("prompt") or "").strip()])
            schema = {"type": TYPES.get(str(each.get("type")), "string")}
            found[name] = schema | ({"description": told} if told else {})
    return {"fields": found} if found else {}


def _ignored(steps: list[_Step], graph: Graph) -> Iterator[str]:
    yield from graph.left_out
    for step in steps:
        if step.kind == GLOBAL:
            continue
        if step.kind not in STEPS:
            yield f"{step.place} {UNREACHED.get(step.kind, 'is of a type that this version does not know')}"
        elif left := [
            name for name, value in step.data.items()
            if name not in HONOURED and value not in (None, "", False, [], {}, "disabled")
        ]:  # fmt: skip
            yield f"{step.place}: it does not follow {', '.join(left)}"
        for name, default in dict.fromkeys(TEMPLATE.findall(step.text("prompt"))):
            if not default and not is_known(name):
                yield f"{step.place}: {{{{{name}}}}} is left out: it is not known here"


def _filled(required: frozenset[str], text: str, variables: Mapping[str, str]) -> str:
    return rendered(text, variables, required, datetime.now(UTC))
