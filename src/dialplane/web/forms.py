"""What people type into forms -> values. All of it raises Invalid, naming the field and the fix."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Query

from dialplane.errors import Invalid

STORABLE = r"^[^\x00]*$"  # no database keeps a NUL in a text

Typed = Annotated[str, Form(max_length=1000, pattern=STORABLE)]
TypedText = Annotated[str, Form(max_length=1_000_000, pattern=STORABLE)]  # definitions, settings, lists
Asked = Annotated[str, Query(max_length=255, pattern=STORABLE)]


def whole(text: str, field: str, *, least: int = 1, most: int = 1_000_000) -> int | None:
    """None where nothing is typed."""
    if not text.strip():
        return None
    try:
        number = int(text.strip().replace(",", ""))
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise Invalid(f"{field} must be a whole number from {least:,} to {most:,}, not '{text}'")
    return number


def decimal(text: str, field: str, *, most: float = 10_000) -> float | None:
    """None where nothing is typed."""
    if not text.strip():
        return None
    try:
        number = float(text.strip())
    except ValueError:
        number = 0
    if not 0 < number <= most:
        raise Invalid(f"{field} must be a number above 0, such as 2.5, not '{text}'")
    return number


def named(text: str, field: str = "Name", *, most: int = 255) -> str:
    name = text.strip()
    if not name or len(name) > most:
        raise Invalid(f"{field}: write 1 to {most} characters")
    return name
