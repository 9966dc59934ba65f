"""plain settings -> checked values; every complaint names the field and says what to write instead."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from urllib.parse import urlsplit

from dialplane.errors import Invalid

_CODE = re.compile(r"[A-Za-z0-9_-]+")
MAX_SECONDS = 14_400.0  # four hours: longer than any call, short enough to catch milliseconds


def complaint(field: str, fix: str) -> Invalid:
    return Invalid(f"carrier settings, {field}: {fix}")


def mapping(value: object, field: str, known: Collection[str]) -> Mapping[str, object]:
    """`value` when it is a mapping with known keys only."""
    if not isinstance(value, Mapping):
        raise complaint(field, f"must be a mapping with any of: {', '.join(known)}")
    for key in value:
        if key not in known:
            raise _unknown(str(key), field, known)
    return value


def _unknown(key: str, field: str, known: Collection[str]) -> Invalid:
    near = get_close_matches(key, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are: {', '.join(known)}"
    return complaint(field, f"unknown field {key!r}; {hint}")


def number(value: object, field: str, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise complaint(field, f"must be a number, not {value!r}")
    if not low <= value <= high:
        raise complaint(field, f"must lie between {low:g} and {high:g}, not {value:g}")
    return float(value)


def whole(value: object, field: str, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise complaint(field, f"must be a whole number between {low} and {high}, not {value!r}")
    return value


def share(value: object, field: str) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 1:
        raise complaint(field, f"is a share between 0 and 1, not {value:g}; 2 % is written 0.02")
    return number(value, field, 0, 1)


def span(value: object, field: str) -> tuple[float, float]:
    """[shortest, longest] in seconds; a single number stands for both."""
    pair = value if isinstance(value, (list, tuple)) else [value, value]
    if len(pair) != 2:
        raise complaint(field, f"must be [shortest, longest] in seconds, such as [0.5, 4], not {value!r}")
    low, high = (number(each, field, 0, MAX_SECONDS) for each in pair)
    if low > high:
        raise complaint(field, f"the shortest comes first: write [{high:g}, {low:g}]")
    return low, high


def shares_of_one(value: object, field: str, known: Collection[str]) -> dict[str, float]:
    """Shares that add up to 1; written as percent they add up to 100."""
    given = {key: number(each, f"{field}.{key}", 0, 100) for key, each in mapping(value, field, known).items()}
    total = math.fsum(given.values())
    if math.isclose(total, 1, abs_tol=1e-6, rel_tol=0):
        return given
    if math.isclose(total, 100, abs_tol=1e-4, rel_tol=0):
        return {key: each / 100 for key, each in given.items()}
    raise complaint(field, f"the shares must add up to 1, or to 100 as percent; these add up to {total:g}")


def word(value: object, field: str, known: Collection[str]) -> str:
    if value not in known:
        near = get_close_matches(str(value), known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise complaint(field, f"must be one of {', '.join(known)}, not {value!r}{hint}")
    return str(value)


def flag(value: object, field: str) -> bool:
    if not isinstance(value, bool):
        raise complaint(field, f"must be true or false, not {value!r}")
    return value


def texts(value: object, field: str) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not value:
        raise complaint(field, "must be a list of at least one text")
    for each in value:
        if not isinstance(each, str) or not each.strip():
            raise complaint(field, f"every entry must be a text; put {each!r} in quotes or remove it")
    return tuple(value)


def url(value: object, field: str, example: str) -> str:
    """Of an HTTP interface: https, and http on this machine alone, as what is sent there is secret."""
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
    except ValueError:
        parts = None
    local = parts is not None and parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost")
    if parts is None or not parts.hostname or not (parts.scheme == "https" or local) or parts.query or parts.username:
        raise complaint(field, f"must look like {example}, not {value!r}")
    return str(value).rstrip("/")


def code(value: object, field: str, where: str) -> str:
    """Letters and digits, as a carrier hands them out. where: people find them."""
    if not isinstance(value, str) or not _CODE.fullmatch(value):
        raise complaint(field, f"must be text of letters and digits, as {where} shows it")
    return value
