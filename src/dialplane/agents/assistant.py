"""Vapi's assistant -> an agent that speaks what can be spoken without a language model: its first and last message."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from dialplane.core.attempt import Conversation, Utterance
from dialplane.core.intake import template_value
from dialplane.errors import Invalid
from dialplane.ports import HungUp, Line, TalkBroken

ASSISTANT: Final = "assistant"  # what a definition of this kind holds, and all it holds
FIRST, LAST, MODE = "firstMessage", "endCallMessage", "firstMessageMode"
SPEAKS_FIRST = "assistant-speaks-first"
HONOURED = frozenset({"name", FIRST, LAST, MODE, "metadata"})
MOST_SPOKEN_CHARACTERS = 10_000
# {{name}}, {{customer.name}}, {{name | default: "there"}}
TEMPLATE = re.compile(r"""\{\{\s*([^|\s{}"']+)\s*(?:\|\s*default\s*:\s*(["'])(.*?)\2\s*)?\}\}""")
# What Vapi fills in by itself, of the moment of the call in UTC.
CLOCK: Mapping[str, str] = {
    "now": "%b %d, %Y, %I:%M %p UTC",
    "date": "%b %d, %Y UTC",
    "time": "%I:%M %p UTC",
    "month": "%B",
    "day": "%d",
    "year": "%Y",
}
CUSTOMER, NUMBER = "customer.", "customer.number"
PHONE_NUMBER = "phone_number"
# Names of what nobody is shown again. Nothing here would use it, with voice services or without, so it is not kept.
SECRET = re.compile(r"(secret|token|password|api_?key|credentials|headers|private_?key)$", re.IGNORECASE)
NOTHING_TO_SAY = f"it has nothing to say without voice services and a prompt; set them up, or give it a `{FIRST}`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What an assistant comes to.

    kept: the definition without secrets. variables: columns that its messages name. ignored: what this version does not
    do of it, in words, without voice services; not_kept: and with them. silence: why a call could say nothing without;
    "" where it can.
    """

    kept: Mapping[str, Any]
    first: str
    last: str
    variables: frozenset[str]
    ignored: tuple[str, ...]
    not_kept: tuple[str, ...]
    silence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AssistantAgent:
    """Implements ports.Agent. now: for messages that tell the time."""

    first: str
    last: str
    required: frozenset[str]
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    @classmethod
    def from_definition(cls, definition: Mapping[str, Any]) -> AssistantAgent:
        """Raises Invalid, also for one that has nothing to say: nobody is called to hear silence."""
        script = read_assistant(definition)
        if script.silence:
            raise Invalid(f"assistant: {script.silence}")
        return cls(first=script.first, last=script.last, required=script.variables)

    def variables(self) -> frozenset[str]:
        return self.required

    def fields(self) -> tuple[str, ...]:
        return ()

    async def talk(self, line: Line, variables: Mapping[str, str]) -> Conversation:
        """Raises Invalid before the first word, for a contact without a column that a message names."""
        now = self.now()
        messages = [rendered(text, variables, now) for text in (self.first, self.last) if text]
        transcript: list[Utterance] = []
        try:
            for words in messages:
                transcript.append(Utterance(speaker="agent", text=words, at_seconds=await line.say(words)))
            await line.hang_up()
        except HungUp:
            pass  # what was said until then counts
        except Exception as failure:
            raise TalkBroken(failure, Conversation(transcript=tuple(transcript))) from failure
        return Conversation(transcript=tuple(transcript))


def rendered(text: str, variables: Mapping[str, str], now: datetime | None = None) -> str:
    """For one contact. Raises Invalid for a column that it does not have."""
    at = now or datetime.now(UTC)
    return TEMPLATE.sub(lambda match: _value(match[1], match[3], variables, at), text)


def _value(name: str, default: str | None, variables: Mapping[str, str], now: datetime) -> str:
    value = template_value(_column(name), variables)
    if not value and default is not None:
        return default
    if value is None and name in CLOCK:
        return now.astimezone(UTC).strftime(CLOCK[name])
    if value is None:
        raise Invalid(f"the assistant says {{{{{name}}}}}, but the contact has no {_column(name)!r}")
    return value


def is_assistant(definition: Mapping[str, Any]) -> bool:
    return set(definition) == {ASSISTANT}


def read_assistant(definition: Mapping[str, Any]) -> Script:
    """The assistant, whole or in the making. Raises Invalid, naming the field."""
    given = definition.get(ASSISTANT)
    if not isinstance(given, Mapping):
        raise Invalid(f"assistant: must be an object, not {given!r}"[:200])
    first, last = _text(given, FIRST), _text(given, LAST)
    mode = given.get(MODE) or SPEAKS_FIRST
    secrets: list[str] = []
    kept = _without_secrets(given, "", secrets)
    ignored = [
        f"{name} is kept and has no effect: without voice services calls have the messages alone"
        for name in kept
        if name not in HONOURED and kept[name] not in (None, "", [], {})
    ]
    not_kept = tuple(f"{name} is not kept: nothing here would use it" for name in secrets)
    ignored += not_kept
    if mode != SPEAKS_FIRST:
        ignored.append(f"{MODE}: there is only {SPEAKS_FIRST}")
    return Script(
        kept={ASSISTANT: kept},
        first=first,
        last=last,
        variables=frozenset(name for text in (first, last) for name in columns_of(text)),
        ignored=tuple(ignored),
        not_kept=not_kept,
        silence="" if first else NOTHING_TO_SAY,
    )


def _text(given: Mapping[str, Any], name: str) -> str:
    """Of a message. Raises Invalid for one with a template that cannot be filled in."""
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise Invalid(f"{name}: must be text")
    text = (value or "").strip()
    if len(text) > MOST_SPOKEN_CHARACTERS:
        raise Invalid(f"{name}: must not be longer than {MOST_SPOKEN_CHARACTERS:,} characters")
    rest = TEMPLATE.sub("", text)
    if "{{" in rest or "}}" in rest or "{%" in rest:
        raise Invalid(f"{name}: has a template that cannot be filled in here; write a variable as {{{{first_name}}}}")
    return text


def columns_of(text: str) -> Iterator[str]:
    """Those that a contact must have for it."""
    for match in TEMPLATE.finditer(text):
        if match[3] is None and match[1] not in CLOCK:
            yield _column(match[1])


def _column(name: str) -> str:
    """
    >>> _column("customer.name"), _column("customer.number"), _column("first_name")
    ('name', 'phone_number', 'first_name')
    """
    return PHONE_NUMBER if name == NUMBER else name.removeprefix(CUSTOMER)


def _without_secrets(value: Any, place: str, found: list[str]) -> Any:
    """The same without what is a secret by its name; `found` gets the places of those."""
    if isinstance(value, Mapping):
        kept: dict[str, Any] = {}
        for name, inner in value.items():
            path = f"{place}{name}"
            if SECRET.search(name) and inner not in (None, "", [], {}):
                found.append(path)
            else:
                kept[name] = _without_secrets(inner, f"{path}.", found)
        return kept
    return [_without_secrets(each, place, found) for each in value] if isinstance(value, list) else value
