"""plain values of a definition -> checked ones; every complaint names the field and says what to write instead."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from typing import Any, Final
from urllib.parse import urlsplit

from dialplane.agents.fields import complaint
from dialplane.agents.script import NUMBER, TEMPLATE
from dialplane.errors import Invalid

MOST_CHARACTERS: Final = 100_000  # of a text
MOST_ENTRIES: Final = 100  # of a list or a mapping
Reader = Callable[[object, str], Any]


def mapping(value: object, field: str, known: Collection[str] = ()) -> Mapping[str, Any]:
    """known: the only keys that it may have; () is any."""
    if not isinstance(value, Mapping) or len(value) > MOST_ENTRIES:
        raise complaint(field, f"must be a mapping with any of: {', '.join(known)}" if known else "must be a mapping")
    for key in value:
        if not isinstance(key, str) or (known and key not in known):
            raise unknown(str(key), field, known)
    return value


def unknown(key: str, field: str, known: Collection[str]) -> Invalid:
    near = get_close_matches(key, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else known_are(known)
    return complaint(field, f"unknown field {key!r}; {hint}")


def known_are(known: Collection[str]) -> str:
    return f"known are: {', '.join(known)}"


def read(value: object, field: str, readers: Mapping[str, Reader]) -> dict[str, Any]:
    """By the reader of each key, those that are given."""
    prefix = f"{field}." if field else ""
    given = mapping(value, field or "it", tuple(readers))
    return {key: readers[key](each, f"{prefix}{key}") for key, each in given.items()}


def text(value: object, field: str) -> str:
    if not isinstance(value, str) or len(value) > MOST_CHARACTERS:
        raise complaint(field, f"must be text of at most {MOST_CHARACTERS:,} characters, in quotes")
    return value.strip()


def words(value: object, field: str) -> str:
    if not (found := text(value, field)):
        raise complaint(field, "must not be empty")
    return found


def template(value: object, field: str) -> str:
    """With {{columns}}."""
    found = text(value, field)
    rest = TEMPLATE.sub("", found)
    if "{{" in rest or "}}" in rest or "" in TEMPLATE.findall(found):
        raise complaint(field, "has a broken template; write a column as {{first_name}}")
    return found


def number(low: float, high: float) -> Reader:
    def read_number(value: object, field: str) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise complaint(field, f"must be a number, not {value!r}")
        if not low <= value <= high:
            raise complaint(field, f"must lie between {low:g} and {high:g}, not {value:g}")
        return float(value)

    return read_number


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


def listed(each: Reader) -> Reader:
    def read_list(value: object, field: str) -> tuple[Any, ...]:
        if not isinstance(value, (list, tuple)) or not 1 <= len(value) <= MOST_ENTRIES:
            raise complaint(field, f"must be a list of 1 to {MOST_ENTRIES} entries")
        return tuple(each(one, f"{field} {ordinal}") for ordinal, one in enumerate(value, start=1))

    return read_list


def named(each: Reader) -> Reader:
    """A mapping of names that we do not know."""

    def read_named(value: object, field: str) -> dict[str, Any]:
        return {key: each(one, f"{field}.{key}") for key, one in mapping(value, field).items()}

    return read_named


def phone_number(value: object, field: str) -> str:
    if not isinstance(value, str) or not NUMBER.fullmatch(value):
        raise complaint(field, f'must be a number in E.164 and in quotes, such as "+14155550100", not {value!r}')
    return value


def url(value: object, field: str) -> str:
    parts = urlsplit(value) if isinstance(value, str) else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise complaint(field, f"must look like https://example.com/path, not {value!r}")
    return str(value)
