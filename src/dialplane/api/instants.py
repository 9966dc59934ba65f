"""Dates and instants as clients write them -> instants with a zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time

FIRST_YEAR, LAST_YEAR = 1970, 9998  # further out, a change of zone leaves the calendar

_TIME_OF_DAY = re.compile("[T: ]")
# The plus sign of a zone, written bare in a query, arrives as a space.
_LOST_PLUS = re.compile(r"(:\d\d(?:\.\d+)?) (\d\d:?\d\d)$")


def first_instant(text: object) -> datetime | None:
    """The instant itself; of a date without a time, the first of its day. UTC where no zone is given.

    Raises ValueError.

    >>> first_instant("2026-04-01").isoformat(), first_instant("2026-04-01T10:00:00+02:00").isoformat()
    ('2026-04-01T00:00:00+00:00', '2026-04-01T10:00:00+02:00')
    """
    return _instant(text, time.min)


def last_instant(text: object) -> datetime | None:
    """The same; of a date without a time, the last of its day.

    >>> last_instant("2026-04-01").isoformat()
    '2026-04-01T23:59:59.999999+00:00'
    """
    return _instant(text, time.max)


def _instant(text: object, of_day: time) -> datetime | None:
    if text is None or text == "":
        return None
    if not isinstance(text, str):
        raise ValueError(f"write an ISO 8601 date or instant, not {text!r}")
    text = text.strip()
    try:
        found = datetime.fromisoformat(_LOST_PLUS.sub(r"\1+\2", text))
    except ValueError:
        raise ValueError("write an ISO 8601 date or instant, such as 2026-04-01 or 2026-04-01T09:00:00+02:00") from None
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise ValueError(f"the year must be between {FIRST_YEAR} and {LAST_YEAR}")
    if not _TIME_OF_DAY.search(text):
        found = datetime.combine(found, of_day)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
