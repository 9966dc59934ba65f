"""Hours, zones of contacts, an instant -> which of the zones are open, and when that changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dialplane.core.window import CONTACT, CallingWindow, Open


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneHours:
    """Zones that open and close together. changes_at: when they do next; None: never, or not for two weeks."""

    zones: Sequence[str]
    is_open: bool
    changes_at: datetime | None


def hours_of(window: CallingWindow, groups: Sequence[tuple[str, ...]], now: datetime) -> list[ZoneHours]:
    """By zone: the open ones first, what changes soonest before the others; [] where it is any hour.

    groups: the candidate zones of contacts; who may be in several is called when all of these are open.
    """
    if window.any_hour:
        return []
    found: dict[tuple[bool, datetime | None], list[str]] = {}
    for zones in groups if window.timezone == CONTACT else [(window.timezone,)]:
        opening = window.opening(zones, now)
        named = found.setdefault((isinstance(opening, Open), opening.until), [])
        named.append(" and ".join(zones) or "unknown")
    never = datetime.max.replace(tzinfo=now.tzinfo)
    order = sorted(found, key=lambda key: (not key[0], key[1] or never))
    return [ZoneHours(zones=sorted(found[key]), is_open=key[0], changes_at=key[1]) for key in order]
