"""When people may be called: hours, the contact's zones, an instant -> open or closed, and until when."""

from __future__ import annotations

import difflib
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from dialplane.core.slot import EXAMPLE, Slot, fields, parse_slots, spell_days
from dialplane.errors import Invalid

CONTACT: Final = "contact"  # as a window's timezone: the contact's own candidate zones count

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # a Thursday
_DAY_SECONDS = 86_400
# A weekly slot is absent for at most two weeks (a spring-forward gap may swallow it once), so a search that goes
# further than that each way is exact; what reaches an edge of it has no end at all.
_SEARCH_DAYS = 15
# Offsets are compared this often. Two changes closer together than this, back to the same offset, do not occur.
_OFFSET_STEP_SECONDS = 6 * 3600
# These load on some machines and not on others, or count leap seconds: they name no place.
_NO_PLACE = ("localtime", "posixrules", "factory", "posix/", "right/")

Span = tuple[int, int]  # [start, end) in seconds since 1970, in UTC or on a wall clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """Calls may start in [since, until); None is unbounded."""

    since: datetime | None
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """No call may start before `until`.

    zone_unknown and never_open have no `until`: only another zone or other hours help. never_open looks 15 days ahead.
    """

    until: datetime | None
    reason: Literal["outside_window", "zone_unknown", "never_open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallingWindow:
    """When a campaign may call. Without slots that is any hour, whatever the zone.

    timezone: an IANA name, or "contact" for the contact's own zones: then all of them have to be open.
    """

    slots: tuple[Slot, ...] = ()
    timezone: str = "UTC"
    enabled: bool = True  # switched off, it is any hour and keeps its slots

    def __post_init__(self) -> None:
        if self.timezone != CONTACT and _zone(self.timezone) is None:
            raise Invalid(_unknown_zone(self.timezone))

    @classmethod
    def parse(cls, text: str, timezone: str) -> Self:
        """'mon-fri 09:00-17:00, sat 10:00-14:00' or 'mon,wed 22:00-02:00; fri-mon 09:00-24:00' or 'daily 08:00-20:00'.

        Raises: Invalid, with a sentence for the person who wrote the text.
        """
        slots = tuple(parse_slots(text))
        if not slots:
            raise Invalid(f"window: the text is empty; write e.g. {EXAMPLE}, or leave the window out for any hour")
        return cls(slots=slots, timezone=timezone)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What `to_json` made. Raises: Invalid for anything else, a missing or an additional key included."""
        given = {"enabled": True, **data} if isinstance(data, Mapping) else data
        timezone, slots, enabled = fields(given, "window", "timezone", "slots", "enabled")
        if not isinstance(enabled, bool):
            raise Invalid(f"window: enabled must be true or false, not {enabled!r}")
        if not isinstance(timezone, str):
            raise Invalid(f"window: timezone must be a name such as 'America/New_York', not {timezone!r}")
        if not isinstance(slots, list | tuple):
            raise Invalid(f"window: slots must be a list, not {slots!r}")
        return cls(slots=tuple(Slot.from_json(slot) for slot in slots), timezone=timezone, enabled=enabled)

    def to_json(self) -> dict[str, Any]:
        """{"timezone": "UTC", "slots": [{"days": [0, 1], "start": "09:00", "end": "17:00"}]}; no slots: any hour.

        One that is switched off has "enabled": false too.
        """
        slots = [slot.to_json() for slot in self.slots]
        return {"timezone": self.timezone, "slots": slots} | ({} if self.enabled else {"enabled": False})

    @property
    def any_hour(self) -> bool:
        return not self.enabled or not self.slots

    @property
    def hours(self) -> str:
        """The slots as `parse` reads them: 'mon-fri 09:00-17:00, sat 10:00-14:00'; "" for none."""
        days: dict[str, frozenset[int]] = {}
        for slot in self.slots:
            days[slot.hours] = days.get(slot.hours, frozenset()) | slot.days
        return ", ".join(f"{spell_days(on)} {hours}" for hours, on in days.items())

    def describe(self) -> str:
        """'mon-fri 09:00-17:00, sat 10:00-14:00 Europe/Berlin', or 'any hour'."""
        if self.any_hour:
            return "any hour"
        return f"{self.hours} {'in the zone of the contact' if self.timezone == CONTACT else self.timezone}"

    def opening(self, zones: tuple[str, ...], now: datetime) -> Open | Closed:
        """Whether a call may start at `now`, and when that changes.

        zones: the contact's candidate zones; they count only where the window's timezone is "contact".
        """
        if self.any_hour:
            return Open(since=None, until=None)
        counting = zones if self.timezone == CONTACT else (self.timezone,)
        second = (now - _EPOCH) // timedelta(seconds=1)  # windows change on whole seconds, so the fraction is no matter
        spans = _open_spans(self.slots, counting, second // _DAY_SECONDS)
        if spans is None:
            return Closed(until=None, reason="zone_unknown")
        return _opening_at(spans, second)


def _opening_at(spans: Sequence[Span], second: int) -> Open | Closed:
    """Where `second` lies among sorted spans that do not touch each other."""
    following = bisect_right(spans, second, key=_start_of)
    if following and second < spans[following - 1][1]:
        start, end = spans[following - 1]
        first, last = _search_range(second // _DAY_SECONDS)
        return Open(
            since=_instant(start) if start > first else None,
            until=_instant(end) if end < last else None,
        )
    if following < len(spans) and spans[following][0] <= second + _SEARCH_DAYS * _DAY_SECONDS:
        return Closed(until=_instant(spans[following][0]), reason="outside_window")
    return Closed(until=None, reason="never_open")


# --- when it is open: spans of UTC, one day's answers kept ---------------------------------------


@lru_cache(maxsize=2048)
def _open_spans(slots: tuple[Slot, ...], zones: tuple[str, ...], day: int) -> tuple[Span, ...] | None:
    """The spans around a UTC day (days since 1970) in which every zone is open; None where a zone is not known."""
    if not zones or any(_zone(zone) is None for zone in zones):
        return None
    spans: Sequence[Span] = (_search_range(day),)
    for zone in sorted(set(zones)):
        spans = _intersection(spans, _zone_spans(slots, zone, day))
    return tuple(spans)


@lru_cache(maxsize=2048)
def _zone_spans(slots: tuple[Slot, ...], zone: str, day: int) -> tuple[Span, ...]:
    """The same for one zone: each slot of each local day, cut to the stretch of time in which the offset holds."""
    found: list[Span] = []
    for start, end, offset in _offsets(zone, day):
        for local_day in range((start + offset) // _DAY_SECONDS - 1, (end + offset) // _DAY_SECONDS + 1):
            weekday = (local_day + 3) % 7
            for slot in slots:
                if weekday in slot.days:
                    opens, closes = _wall_span(slot, local_day)
                    found.append((max(start, opens - offset), min(end, closes - offset)))
    return tuple(_merged(found))


def _wall_span(slot: Slot, local_day: int) -> Span:
    """A slot that starts on a local day, in seconds of the wall clock."""
    midnight = local_day * _DAY_SECONDS
    overnight = _DAY_SECONDS if slot.end_minute < slot.start_minute else 0
    return midnight + slot.start_minute * 60, midnight + slot.end_minute * 60 + overnight


@lru_cache(maxsize=2048)
def _offsets(zone: str, day: int) -> tuple[tuple[int, int, int], ...]:
    """The search range cut where the zone's UTC offset changes: (start, end, offset), in seconds."""
    first, last = _search_range(day)
    stretches: list[tuple[int, int, int]] = []
    start, offset = first, _offset(zone, first)
    for before in range(first, last, _OFFSET_STEP_SECONDS):
        after = before + _OFFSET_STEP_SECONDS
        if _offset(zone, after) != offset:
            change = _change(zone, before, after)
            stretches.append((start, change, offset))
            start, offset = change, _offset(zone, change)
    stretches.append((start, last, offset))
    return tuple(stretches)


def _change(zone: str, before: int, after: int) -> int:
    """The first second in (before, after] whose offset is not that of `before`."""
    offset = _offset(zone, before)
    while after - before > 1:
        middle = (before + after) // 2
        if _offset(zone, middle) == offset:
            before = middle
        else:
            after = middle
    return after


def _offset(zone: str, second: int) -> int:
    offset = _instant(second).astimezone(_zone(zone)).utcoffset()
    assert offset is not None, zone
    return offset // timedelta(seconds=1)


def _merged(spans: Iterable[Span]) -> list[Span]:
    """The same time as spans that are sorted and neither overlap nor touch; empty ones go."""
    merged: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _intersection(ours: Sequence[Span], theirs: Sequence[Span]) -> list[Span]:
    """The time in both; each side is sorted and does not overlap itself."""
    shared: list[Span] = []
    i = j = 0
    while i < len(ours) and j < len(theirs):
        start, end = max(ours[i][0], theirs[j][0]), min(ours[i][1], theirs[j][1])
        if start < end:
            shared.append((start, end))
        if ours[i][1] <= theirs[j][1]:
            i += 1
        else:
            j += 1
    return shared


def _search_range(day: int) -> Span:
    """At least `_SEARCH_DAYS` before and after every instant of the day."""
    return (day - _SEARCH_DAYS - 1) * _DAY_SECONDS, (day + _SEARCH_DAYS + 2) * _DAY_SECONDS


def _start_of(span: Span) -> int:
    return span[0]


def _instant(second: int) -> datetime:
    return _EPOCH + timedelta(seconds=second)


# --- time zones ----------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo | None:
    """The zone of that name, or None: then nobody is called."""
    if name.lower().startswith(_NO_PLACE):
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not found; absolute or with '..'; a folder such as 'Europe'
        return None


def known_zone(name: str) -> bool:
    """Whether a window can count by this zone: 'Europe/Berlin', not 'Mars/Olympus' and not 'localtime'."""
    return _zone(name) is not None


def _unknown_zone(name: str) -> str:
    known = {zone.lower(): zone for zone in available_timezones() if not zone.lower().startswith(_NO_PLACE)}
    close = difflib.get_close_matches(name.lower(), known, n=3)
    meant = " or ".join(repr(known[zone]) for zone in close)
    fix = f"did you mean {meant}?" if close else "write an IANA name such as 'America/New_York', or 'contact'"
    return f"timezone: {name!r} is no known time zone; {fix}"
