"""Plain values of a definition -> checked ones, and the {{columns}} that texts name. All of it raises Invalid.

A reader takes a value and the name of its field, and every complaint names the field and what to write instead.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Final
from urllib.parse import urlsplit

from dialplane.agents.script import NUMBER, TEMPLATE
from dialplane.core.intake import template_value
from dialplane.errors import Invalid

MOST_CHARACTERS: Final = 100_000  # of a text
MOST_ON_A_LINE: Final = 4000
MOST_ENTRIES: Final = 100  # of a list or a mapping
_NAME = re.compile(r"[^\W\d]\w{0,63}")
Reader = Callable[[object, str], Any]


def complaint(field: str, fix: str) -> Invalid:
    """field: "" for the definition as a whole."""
    return Invalid(f"agent, {field}: {fix}" if field else f"agent: {fix}")


# --- several at once ---------------------------------------------------------------------------------------------


def mapping(value: object, field: str, known: Collection[str] = ()) -> Mapping[str, Any]:
    """known: the only keys that it may have; () is any."""
    if not isinstance(value, Mapping) or len(value) > MOST_ENTRIES:
        raise complaint(
            field,
            f"must be a mapping with any of: {', '.join(known)}"
            if known
            else f"must be a mapping of at most {MOST_ENTRIES} entries",
        )
    for key in value:
        if not isinstance(key, str) or (known and key not in known):
            raise _unknown(str(key), field, known)
    return value


def _unknown(key: str, field: str, known: Collection[str]) -> Invalid:
    near = get_close_matches(key, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else known_are(known)
    return complaint(field, f"unknown field {key!r}; {hint}")


def known_are(known: Collection[str]) -> str:
    return f"known are: {', '.join(known)}"


def read(value: object, field: str, readers: Mapping[str, Reader]) -> dict[str, Any]:
    """By the reader of each key, those that are given."""
    prefix = f"{field}." if field else ""
    given = mapping(value, field, tuple(readers))
    return {key: readers[key](each, f"{prefix}{key}") for key, each in given.items()}


def listed(each: Reader, least: int = 1) -> Reader:
    def read_list(value: object, field: str) -> tuple[Any, ...]:
        if not isinstance(value, (list, tuple)) or not least <= len(value) <= MOST_ENTRIES:
            raise complaint(field, f"must be a list of {least} to {MOST_ENTRIES} entries")
        return tuple(each(one, f"{field} {ordinal}") for ordinal, one in enumerate(value, start=1))

    return read_list


def named(each: Reader) -> Reader:
    """A mapping of names that we do not know."""

    def read_named(value: object, field: str) -> dict[str, Any]:
        return {key: each(one, f"{field}.{key}") for key, one in mapping(value, field).items()}

    return read_named


# --- one ---------------------------------------------------------------------------------------------------------


def text(value: object, field: str) -> str:
    if not isinstance(value, str) or len(value) > MOST_CHARACTERS:
        raise complaint(field, f"must be text of at most {MOST_CHARACTERS:,} characters, in quotes")
    return value.strip()


def words(value: object, field: str) -> str:
    if not (found := text(value, field)):
        raise complaint(field, "must not be empty")
    return found


def line(value: object, field: str) -> str:
    """A text on one line; it may be a secret, which no complaint repeats."""
    if not isinstance(value, str) or any(ord(char) < 32 or ord(char) == 127 for char in value):
        raise complaint(field, "must be text on one line; put a number in quotes")
    if len(value) > MOST_ON_A_LINE:
        raise complaint(field, f"must not be longer than {MOST_ON_A_LINE:,} characters")
    return value


def template(value: object, field: str) -> str:
    """With {{columns}}."""
    found = text(value, field)
    rest = TEMPLATE.sub("", found)
    if "{{" in rest or "}}" in rest or "" in TEMPLATE.findall(found):
        raise complaint(field, "has a broken template; write a column as {{first_name}}")
    return found


def line_template(value: object, field: str) -> str:
    return template(line(value, field), field)


def number(low: float, high: float, unit: str = "") -> Reader:
    def read_number(value: object, field: str) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise complaint(field, f"must be a number{unit and f' of {unit}'}, not {value!r}")
        if not low <= value <= high:
            raise complaint(field, f"must lie between {low:g} and {high:g}{unit and f' {unit}'}, not {value:g}")
        return float(value)

    return read_number


def seconds(low: float, high: float) -> Reader:
    return number(low, high, "seconds")


def flag(value: object, field: str) -> bool:
    if not isinstance(value, bool):
        raise complaint(field, f"must be true or false, not {value!r}")
    return value


def one_of(*known: str) -> Reader:
    def read_word(value: object, field: str) -> str:
        if value not in known:
            near = get_close_matches(str(value), known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise complaint(field, f"must be one of {', '.join(known)}, not {value!r}{hint}")
        return str(value)

    return read_word


def phone_number(value: object, field: str) -> str:
    if not isinstance(value, str) or not NUMBER.fullmatch(value):
        raise complaint(field, f'must be a number in E.164 and in quotes, such as "+14155550100", not {value!r}')
    return value


def address(*schemes: str) -> Reader:
    """A URL with one of these schemes. It may have a secret in it, which no complaint repeats."""

    def read_address(value: object, field: str) -> str:
        try:
            parts = urlsplit(value) if isinstance(value, str) else None
        except ValueError:
            parts = None
        if parts is None or parts.scheme not in schemes or not parts.hostname:
            raise complaint(field, f"must look like {schemes[0]}://example.com/path")
        return str(value)

    return read_address


url = address("https", "http")
server_address = address("https", "http", "wss", "ws")


def value_name(value: object, field: str) -> str:
    """Of gathered data."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise complaint(field, f"a name must be of letters, digits and underscores, not {value!r}")
    return value


# --- columns -----------------------------------------------------------------------------------------------------


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
