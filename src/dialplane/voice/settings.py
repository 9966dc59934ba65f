"""Settings of speech and hearing -> checked values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from dialplane.errors import Invalid

FLITE, POCKETSPHINX, HTTP = "flite", "pocketsphinx", "http"
_URL = re.compile(r"https?://\S+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """engine: `flite`, a program of this machine; or `http`, an endpoint in OpenAI's shape at `url`."""

    engine: str = FLITE
    voice: str = ""
    url: str = ""
    model: str = ""
    api_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """engine: `pocketsphinx`, in this process; or `http`. silence_seconds: until nobody is taken to have answered."""

    engine: str = POCKETSPHINX
    url: str = ""
    model: str = ""
    api_key: str = ""
    silence_seconds: float = 6.0


def speech(value: object, field: str) -> Speech:
    """Raises Invalid."""
    given = _mapping(value, field, ("engine", "voice", "url", "model", "api_key"))
    found = Speech(**_texts(given, field))
    _check(found.engine, FLITE, found.url, field)
    return found


def hearing(value: object, field: str) -> Hearing:
    """Raises Invalid."""
    given = dict(_mapping(value, field, ("engine", "url", "model", "api_key", "silence_seconds")))
    seconds = given.pop("silence_seconds", 6.0)
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 1 <= seconds <= 60:
        raise Invalid(f"carrier settings, {field}.silence_seconds: must be a number from 1 to 60, not {seconds!r}")
    found = Hearing(**_texts(given, field), silence_seconds=float(seconds))
    _check(found.engine, POCKETSPHINX, found.url, field)
    return found


def _mapping(value: object, field: str, known: tuple[str, ...]) -> Mapping[str, object]:
    if not isinstance(value, Mapping) or not set(value) <= set(known):
        raise Invalid(f"carrier settings, {field}: must be a mapping with any of: {', '.join(known)}")
    return value


def _texts(given: Mapping[str, object], field: str) -> dict[str, str]:
    for name, value in given.items():
        if not isinstance(value, str):
            raise Invalid(f"carrier settings, {field}.{name}: must be text, not {value!r}")
    return {name: str(value) for name, value in given.items()}


def _check(engine: str, own: str, url: str, field: str) -> None:
    if engine not in (own, HTTP):
        raise Invalid(f"carrier settings, {field}.engine: must be {own} or {HTTP}, not {engine!r}")
    if (engine == HTTP) != bool(_URL.fullmatch(url)):
        raise Invalid(f"carrier settings, {field}.url: {HTTP} needs the address of an endpoint, and {own} has none")
