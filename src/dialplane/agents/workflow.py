"""Dograh's workflow graph -> an agent that speaks what can be spoken without a language model: the greeting."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from dialplane.core.attempt import Conversation, Utterance
from dialplane.core.intake import template_value
from dialplane.core.window import known_zone
from dialplane.errors import Invalid
from dialplane.ports import HungUp, Line

START = "startCall"
GRAPH_FIELDS = ("nodes", "edges", "viewport")
MOST_NODES, MOST_EDGES = 500, 2000
# {{name}}, {{name | default}}, {{name | fallback:default}}
TEMPLATE = re.compile(r"\{\{\s*([^|\s{}]+)\s*(?:\|\s*([^{}]*?)\s*)?\}\}")
# What Dograh fills in by itself, so that no column of a contacts file need be called so.
OF_THE_CALL = frozenset({"campaign_id", "provider", "source_uuid"})
OF_THE_CLOCK = re.compile(r"current_(time|weekday)(?:_(.+))?")
CONTEXT = "initial_context."
SECRET = re.compile(r"(^|_)(api_?key|secret|token|password)$", re.IGNORECASE)
SPOKEN = ("prompt", "greeting")
NOTHING_TO_SAY = (
    "it has nothing to say without voice services and a prompt; set them up, or give its startCall node a `greeting`"
)

UNREACHED = {
    "agentNode": "is never reached: without voice services there is no language model to lead the conversation",
    "endCall": "is never reached: without voice services the call ends after the greeting",
    "globalNode": "is not followed: without voice services there is no language model",
    "trigger": "opens no address of its own: /public/agent/workflow/{workflow_uuid} starts a call",
    "webhook": "sends no request: the organization's webhooks tell what a call came to",
    "qa": "makes no review",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """What a definition comes to.

    kept: the definition without secrets. variables: columns that its texts name. ignored: what this version does not do
    of it, in words, without voice services; left_out: and with them. silence: why a call could say nothing without; ""
    where it can.
    """

    kept: Mapping[str, Any]
    greeting: str
    variables: frozenset[str]
    ignored: tuple[str, ...]
    left_out: tuple[str, ...]
    silence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowAgent:
    """Implements ports.Agent. now: for greetings that tell the time."""

    greeting: str
    required: frozenset[str]
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    @classmethod
    def from_definition(cls, definition: Mapping[str, Any]) -> WorkflowAgent:
        """Raises Invalid, also for a graph that has nothing to say: nobody is called to hear silence."""
        graph = read_graph(definition)
        if graph.silence:
            raise Invalid(f"workflow: {graph.silence}")
        return cls(greeting=graph.greeting, required=graph.variables)

    def variables(self) -> frozenset[str]:
        return self.required

    def fields(self) -> tuple[str, ...]:
        return ()

    async def talk(self, line: Line, variables: Mapping[str, str]) -> Conversation:
        """Raises Invalid before the first word, for a contact without a column that the greeting names."""
        words = rendered(self.greeting, variables, self.required, self.now())
        transcript: list[Utterance] = []
        try:
            transcript.append(Utterance(speaker="agent", text=words, at_seconds=await line.say(words)))
            await line.hang_up()
        except HungUp:
            pass  # what was said until then counts
        return Conversation(transcript=tuple(transcript), gathered={})


def rendered(text: str, variables: Mapping[str, str], required: frozenset[str], now: datetime) -> str:
    """For one contact. Raises Invalid where it lacks a column that is required."""

    def value(name: str, default: str | None) -> str:
        if clock := OF_THE_CLOCK.fullmatch(name):
            at = now.astimezone(ZoneInfo(clock[2] or "UTC"))
            return at.strftime("%A" if clock[1] == "weekday" else "%Y-%m-%d %H:%M:%S %Z")
        found = template_value(name.removeprefix(CONTEXT), variables)
        if not found and default is not None:
            return _default(name, default)
        if found is None and name in required:
            raise Invalid(f"the workflow says {{{{{name}}}}}, but the contact has no column {name!r}")
        return found or ""

    return TEMPLATE.sub(lambda match: value(match[1], match[2]), text)


def is_graph(definition: Mapping[str, Any]) -> bool:
    """Whether it is meant as one; an empty definition is an empty graph."""
    return not definition or "nodes" in definition or "edges" in definition


def read_graph(definition: Mapping[str, Any]) -> Graph:
    """The graph, whole or in the making. Raises Invalid, naming the node or edge."""
    nodes = [_node(value, ordinal) for ordinal, value in enumerate(_list(definition, "nodes", MOST_NODES), start=1)]
    known: dict[str, _Node] = {}
    for node in nodes:
        if node.id in known:
            raise Invalid(f"{node.place}: its id is another node's too")
        known[node.id] = node
    starts = [node for node in nodes if node.type == START]
    if len(starts) > 1:
        raise Invalid(f"{starts[1].place}: there is a startCall before it; a workflow begins at one node")
    edges = _list(definition, "edges", MOST_EDGES)
    speeches = [_speech(value, ordinal, known) for ordinal, value in enumerate(edges, start=1)]
    greeting = starts[0].text("greeting") if starts and starts[0].data.get("greeting_type") != "audio" else ""
    if greeting:
        check_spoken(greeting, starts[0].place, "greeting")
    texts = [node.text(name) for node in nodes for name in SPOKEN] + speeches
    unknown = [f"`{name}` is unknown and has no effect" for name in definition if name not in GRAPH_FIELDS]
    left_out = [f"{starts[0].place}: {{{{{name}}}}} is left out: it is not known here" for name in _unknown(greeting)]
    secrets = [f"{node.place}: `{name}`" for node in nodes for name in node.data if SECRET.search(name)]
    not_kept = [f"{secret} is not kept: nothing here would use it" for secret in secrets]
    ignored = [*unknown, *(warning for node in nodes for warning in _ignored(node)), *left_out]
    if any(speeches):
        ignored.append("`transition_speech` of edges is not said: without voice services no edge is followed")
    return Graph(
        kept={**definition, "nodes": [_without_secrets(node) for node in definition["nodes"]]}
        if secrets
        else definition,
        greeting=greeting,
        variables=frozenset(name for text in texts for name in _required(text)),
        ignored=(*ignored, *not_kept),
        left_out=(*unknown, *left_out, *not_kept),
        silence="" if _sayable(greeting) else NOTHING_TO_SAY,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    id: str
    type: str
    data: Mapping[str, Any]

    @property
    def place(self) -> str:
        return f"node '{self.id}' ({self.type})"

    def text(self, name: str) -> str:
        """Of a field that people write. Raises Invalid."""
        value = self.data.get(name)
        if value is not None and not isinstance(value, str):
            raise Invalid(f"{self.place}: `{name}` must be text, not {_short(value)}")
        return (value or "").strip()

    def has(self, name: str) -> bool:
        return self.data.get(name) not in (None, "", False, [], {}, "disabled")


def _list(definition: Mapping[str, Any], name: str, most: int) -> list[Any]:
    value = definition.get(name) or []
    if not isinstance(value, list) or len(value) > most:
        raise Invalid(f"workflow: `{name}` must be a list of at most {most}")
    return value


def _node(value: object, ordinal: int) -> _Node:
    if not isinstance(value, Mapping):
        raise Invalid(f"node {ordinal} of the list: must be an object, not {_short(value)}")
    named, kind, data = value.get("id"), value.get("type"), value.get("data") or {}
    if isinstance(named, bool) or not isinstance(named, str | int) or named == "":
        raise Invalid(f"node {ordinal} of the list: `id` is missing")
    if not isinstance(kind, str) or not kind:
        raise Invalid(f"node '{named}': `type` is missing")
    if not isinstance(data, Mapping):
        raise Invalid(f"node '{named}' ({kind}): `data` must be an object, not {_short(data)}")
    return _Node(id=str(named), type=kind, data=data)


def _speech(value: object, ordinal: int, known: Mapping[str, _Node]) -> str:
    """What would be said on the way along an edge."""
    if not isinstance(value, Mapping):
        raise Invalid(f"edge {ordinal} of the list: must be an object, not {_short(value)}")
    place = f"edge '{value.get('id') or ordinal}'"
    for end in ("source", "target"):
        if str(value.get(end)) not in known:
            raise Invalid(f"{place}: its `{end}` is {_short(value.get(end))}, which is no node")
    data = value.get("data") or {}
    speech = data.get("transition_speech") if isinstance(data, Mapping) else data
    if speech is not None and not isinstance(speech, str):
        raise Invalid(f"{place}: `transition_speech` must be text, not {_short(speech)}")
    return speech or ""


def _without_secrets(node: Mapping[str, Any]) -> Mapping[str, Any]:
    data = node.get("data") or {}
    return {**node, "data": {name: value for name, value in data.items() if not SECRET.search(name)}}


def check_spoken(text: str, place: str, field: str) -> None:
    """Raises Invalid for a template that cannot be filled in."""
    rest = TEMPLATE.sub("", text)
    if "{{" in rest or "}}" in rest:
        raise Invalid(f"{place}: `{field}` has a broken template; write a variable as {{{{first_name}}}}")
    for name, _ in TEMPLATE.findall(text):
        if (clock := OF_THE_CLOCK.fullmatch(name)) and not known_zone(clock[2] or "UTC"):
            raise Invalid(f"{place}: {{{{{name}}}}} names no time zone; write {{{{current_time_Europe/Berlin}}}}")


def _ignored(node: _Node) -> Iterator[str]:
    if node.type != START:
        yield f"{node.place} {UNREACHED.get(node.type, 'is of a type that this version does not know')}"
    elif left := [name for name in node.data if name not in ("name", "greeting", *_PLAIN) and node.has(name)]:
        yield f"{node.place}: without voice services only the greeting is spoken; it does not follow {', '.join(left)}"


# Fields of a start node that change nothing where nobody but the greeting speaks.
_PLAIN = frozenset({
    "is_start", "is_end", "add_global_prompt", "delayed_start_duration", "selected", "invalid", "validationMessage",
    "pre_call_fetch_url", "pre_call_fetch_credential_uuid", "extraction_prompt", "extraction_variables",
})  # fmt: skip


def _required(text: str) -> Iterator[str]:
    """As Dograh finds them: not those with a default, of a context, of the call or of the clock."""
    for name, default in TEMPLATE.findall(text):
        if not default and "." not in name and name not in OF_THE_CALL and not OF_THE_CLOCK.fullmatch(name):
            yield name


def _unknown(greeting: str) -> Iterator[str]:
    for name, default in TEMPLATE.findall(greeting):
        if not default and not is_known(name):
            yield name


def is_known(name: str) -> bool:
    """Whether a contact, or the clock, could say what it is."""
    return name not in OF_THE_CALL and "." not in name.removeprefix(CONTEXT)


def _sayable(greeting: str) -> bool:
    silent = set(_unknown(greeting))
    rest = TEMPLATE.sub(lambda match: "" if match[1] in silent else "x", greeting)
    return any(character.isalnum() for character in rest)


def _default(name: str, text: str) -> str:
    """What follows the bar: `default`, `fallback:default`, or `fallback` alone, which is the name itself."""
    word, _, value = text.partition(":")
    if word.strip() != "fallback":
        return text
    return value.strip() or name.title()


def _short(value: object) -> str:
    return repr(value) if len(repr(value)) <= 40 else f"{repr(value)[:40]}…"
