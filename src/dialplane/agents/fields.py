"""Fields of an agent's definition -> checked values, and the {{columns}} that texts name. All of it raises Invalid."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Final

from dialplane.agents.script import TEMPLATE
from dialplane.core.intake import template_value
from dialplane.errors import Invalid

MOST_CHARACTERS: Final = 4000  # of a text
MOST_ENTRIES: Final = 50  # of a mapping or a list
_NAME = re.compile(r"[^\W\d]\w*")


def complaint(field: str, fix: str) -> Invalid:
    return Invalid(f"agent, {field}: {fix}")


def known_only(definition: Mapping[str, Any], known: Collection[str]) -> None:
    for name in definition:
        if name not in known:
            near = get_close_matches(str(name), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are: {', '.join(known)}"
            raise complaint(str(name), f"is unknown; {hint}")


def line(value: object, field: str) -> str:
    """A text on one line."""
    if not isinstance(value, str) or any(ord(char) < 32 or ord(char) == 127 for char in value):
        raise complaint(field, f"must be text on one line, not {value!r}; put a number in quotes")
    if len(value) > MOST_CHARACTERS:
        raise complaint(field, f"must not be longer than {MOST_CHARACTERS:,} characters")
    return value


def template(value: object, field: str) -> str:
    """The same, in which {{columns}} may stand."""
    text = line(value, field)
    rest = TEMPLATE.sub("", text)
    if "{{" in rest or "}}" in rest or "" in TEMPLATE.findall(text):
        raise complaint(field, "has a broken template; write a column as {{first_name}}")
    return text


def seconds(definition: Mapping[str, Any], field: str, default: float, low: float, high: float) -> float:
    value = definition.get(field, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise complaint(field, f"must be a number of seconds, not {value!r}")
    if not low <= value <= high:
        raise complaint(field, f"must lie between {low:g} and {high:g} seconds, not {value:g}")
    return float(value)


def mapping(definition: Mapping[str, Any], field: str, example: str) -> Mapping[str, Any]:
    value = definition.get(field, {})
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value) or len(value) > MOST_ENTRIES:
        raise complaint(field, f"must be a mapping of at most {MOST_ENTRIES} texts, such as {example}")
    return value


def names(definition: Mapping[str, Any], field: str) -> tuple[str, ...]:
    """Of gathered data."""
    value = definition.get(field, [])
    if not isinstance(value, (list, tuple)) or len(value) > MOST_ENTRIES:
        raise complaint(field, f"must be a list of at most {MOST_ENTRIES} names, such as [confirmed, note]")
    for each in value:
        if not isinstance(each, str) or not _NAME.fullmatch(each):
            raise complaint(field, f"has {each!r}; a name is of letters, digits and underscores")
    return tuple(dict.fromkeys(value))


def columns(texts: Iterable[str]) -> frozenset[str]:
    """Names of those in the texts, as spelled there."""
    return frozenset(name for text in texts for name in TEMPLATE.findall(text))


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text for one contact."""

    def value(name: str) -> str:
        found = template_value(name, values)
        if found is None:
            raise Invalid(f"the agent names {{{{{name}}}}}, but the contact has no {name!r}")
        return found

    return TEMPLATE.sub(lambda match: value(match[1]), text)
