"""Templates -> HTML. Everything that is put into one is text, whatever is in it; no template marks anything as safe."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

FOLDER = Path(__file__).parent
STATIC = "/static"


@cache
def static(name: str) -> str:
    """The address of a static file; another one whenever it changes, so that browsers may keep it for ever."""
    return f"{STATIC}/{name}?v={hashlib.sha256((FOLDER / 'static' / name).read_bytes()).hexdigest()[:10]}"


def instant(at: datetime | None, *, empty: str = "–") -> Markup:
    """In UTC; the script of the page writes it in the reader's own zone."""
    if at is None:
        return Markup.escape(empty)
    utc = at.astimezone(UTC)
    return Markup('<time datetime="{}">{} UTC</time>').format(
        utc.isoformat(timespec="seconds").replace("+00:00", "Z"), f"{utc:%Y-%m-%d %H:%M}"
    )


def duration(seconds: float | None, *, empty: str = "–") -> str:
    """3725 -> 1 h 2 min, 65 -> 1 min 5 s, 4.2 -> 4 s"""
    if seconds is None:
        return empty
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    if whole < 86_400:
        minutes = whole % 3600 // 60
        return f"{whole // 3600} h {minutes} min" if minutes else f"{whole // 3600} h"
    hours = whole % 86_400 // 3600
    return f"{whole // 86_400} d {hours} h" if hours else f"{whole // 86_400} d"


def brief(seconds: float) -> str:
    """0.0021 -> 2 ms, 0.4 -> 0.4 s, 65 -> 1 min 5 s"""
    if math.isinf(seconds):
        return "longer than was measured"
    if seconds < 0.1:
        return f"{1000 * seconds:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 60 else duration(seconds)


def number(value: float | None, *, empty: str = "–") -> str:
    """1234567 -> 1,234,567"""
    return empty if value is None else f"{value:,}"


def percent(part: float, whole: float, *, empty: str = "–") -> str:
    """3, 4 -> 75 %"""
    return f"{100 * part / whole:.0f} %" if whole else empty


def words(name: str) -> str:
    """no_answer -> no answer"""
    return name.replace("_", " ")


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"instant": instant, "brief": brief, "duration": duration, "number": number, "words": words}
    environment.globals |= {"static": static, "percent": percent}
    return environment


_ENVIRONMENT = _environment()


def render(template: str, context: Mapping[str, Any]) -> str:
    return _ENVIRONMENT.get_template(template).render(context)
