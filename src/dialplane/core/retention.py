"""How long things are kept that grow with every call and are needed for a time only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

from dialplane.errors import Invalid

FOREVER = "forever"
LEAST = timedelta(hours=1)
_DURATION = re.compile(r"(\d{1,5})(h|d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """None: for ever.

    events: of the live feed, and until webhooks have been told. deliveries: messages to webhooks, from their making.
    uploads: that nobody uses, since somebody last asked for them. virtual_runs: on the virtual clock, from their start.
    Of campaigns that are over, from their end: contacts_files, carrier_logs (of the simulated carrier).
    transcripts: and gathered data, from the end of the call; recordings: from there too, unless their organization
    keeps them for a shorter time.
    """

    events: timedelta | None = timedelta(days=1)
    deliveries: timedelta | None = timedelta(days=30)
    uploads: timedelta | None = timedelta(days=7)
    virtual_runs: timedelta | None = timedelta(days=30)
    contacts_files: timedelta | None = None
    carrier_logs: timedelta | None = timedelta(days=30)
    transcripts: timedelta | None = None
    recordings: timedelta | None = None


def shorter(one: timedelta | None, other: timedelta | None) -> timedelta | None:
    """
    >>> shorter(timedelta(days=90), None), shorter(None, None)
    (datetime.timedelta(days=90), None)
    """
    return min((kept for kept in (one, other) if kept is not None), default=None)


def spelled(kept: timedelta | None) -> str:
    """As `parse_kept` reads it.

    >>> spelled(timedelta(days=90)), spelled(timedelta(hours=36)), spelled(None)
    ('90d', '36h', 'forever')
    """
    if kept is None:
        return FOREVER
    hours = kept // timedelta(hours=1)
    return f"{hours}h" if hours % 24 else f"{hours // 24}d"


def parse_kept(name: str, text: str) -> timedelta | None:
    """Raises Invalid.

    >>> parse_kept("transcripts", "90d"), parse_kept("transcripts", "forever")
    (datetime.timedelta(days=90), None)
    """
    if text.strip().lower() == FOREVER:
        return None
    match = _DURATION.fullmatch(text.strip().lower())
    kept = (
        timedelta(**{"h": {"hours": int(match[1])}, "d": {"days": int(match[1])}}[match[2]]) if match else timedelta(0)
    )
    if kept < LEAST:
        raise Invalid(f"{name} must be like 90d or 12h, an hour at the least, or '{FOREVER}', not '{text}'")
    return kept
