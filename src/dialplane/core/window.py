"""When people may be called: hours, the contact's zones, an instant -> open or closed, and until when."""

from __future__ import annotations

import difflib
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from dialplane.errors import Invalid

CONTACT: Final = "contact"  # as a window's timezone: the contact's own candidate zones count

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_EVERY_DAY = frozenset(range(7))
_EXAMPLE = "'mon-fri 09:00-17:00'"
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
class Slot:
    """Some hours of some days, half open: the last second of 09:00-17:00 is 16:59:59.

    days: 0 is Monday. An end before the start lies on the next day; the slot belongs to the day on which it starts.
    """

    days: frozenset[int]
    start_minute: int
    end_minute: int  # 1440 is midnight at the end of the day

    def __post_init__(self) -> None:
        if not self.days or not self.days <= _EVERY_DAY:
            raise Invalid(f"window: days must be some of 0 (Monday) to 6 (Sunday), not {sorted(self.days)}")
        if self.start_minute == self.end_minute:
            raise Invalid(
                f"window: {_hours(self)} is a slot that ends as it starts; for the whole day write 'daily 00:00-24:00'"
            )
        if not 0 <= self.start_minute <= 1439:
            raise Invalid(f"window: start_minute must be 0 to 1439, not {self.start_minute}")
        if not 1 <= self.end_minute <= 1440:
            raise Invalid(f"window: end_minute must be 1 to 1440, not {self.end_minute}")


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
        slots = tuple(_parse_slots(text))
        if not slots:
            raise Invalid(f"window: the text is empty; write e.g. {_EXAMPLE}, or leave the window out for any hour")
        return cls(slots=slots, timezone=timezone)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What `to_json` made. Raises: Invalid for anything else, a missing or an additional key included."""
        given = {"enabled": True, **data} if isinstance(data, Mapping) else data
        timezone, slots, enabled = _fields(given, "window", "timezone", "slots", "enabled")
        if not isinstance(enabled, bool):
            raise Invalid(f"window: enabled must be true or false, not {enabled!r}")
        if not isinstance(timezone, str):
            raise Invalid(f"window: timezone must be a name such as 'America/New_York', not {timezone!r}")
        if not isinstance(slots, list | tuple):
            raise Invalid(f"window: slots must be a list, not {slots!r}")
        return cls(slots=tuple(_slot_from_json(slot) for slot in slots), timezone=timezone, enabled=enabled)

    def to_json(self) -> dict[str, Any]:
        """{"timezone": "UTC", "slots": [{"days": [0, 1], "start": "09:00", "end": "17:00"}]}; no slots: any hour.

        One that is switched off has "enabled": false too.
        """
        slots = [
            {"days": sorted(slot.days), "start": _clock(slot.start_minute), "end": _clock(slot.end_minute)}
            for slot in self.slots
        ]
        return {"timezone": self.timezone, "slots": slots} | ({} if self.enabled else {"enabled": False})

    @property
    def any_hour(self) -> bool:
        return not self.enabled or not self.slots

    @property
    def hours(self) -> str:
        """The slots as `parse` reads them: 'mon-fri 09:00-17:00, sat 10:00-14:00'; "" for none."""
        days: dict[str, frozenset[int]] = {}
        for slot in self.slots:
            days[_hours(slot)] = days.get(_hours(slot), frozenset()) | slot.days
        return ", ".join(f"{_days(on)} {hours}" for hours, on in days.items())

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


# --- text and JSON -------------------------------------------------------------------------------

_DASHES = re.compile(r"\s*[-\u2010-\u2015\u2212]\s*")
_HOURS = re.compile(r"([0-9:.]+)-([0-9:.]+)")
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})")


def _parse_slots(text: str) -> Iterable[Slot]:
    """'mon,wed 09:00-12:00; fri 10:00-11:00' -> two slots. Days without hours belong to the item after the comma."""
    for group in text.split(";"):
        days: frozenset[int] = frozenset()
        waiting = ""
        for part in group.split(","):
            words = _DASHES.sub("-", part.strip().lower()).split()
            if not words:
                continue
            hours = words.pop() if any(character.isdigit() for character in words[-1]) else ""
            days |= frozenset[int]().union(*(_parse_days(word, part.strip()) for word in words))
            if not hours:
                waiting = part.strip()
                continue
            start_minute, end_minute = _parse_hours(hours, part.strip())
            if not days:
                raise Invalid(f"window: {part.strip()!r} names no day; write e.g. 'mon-fri {hours}' or 'daily {hours}'")
            yield Slot(days=days, start_minute=start_minute, end_minute=end_minute)
            days, waiting = frozenset(), ""
        if waiting:
            raise Invalid(f"window: {waiting!r} has no hours; write e.g. '{waiting} 09:00-17:00'")


def _parse_days(word: str, part: str) -> frozenset[int]:
    """'tue' -> {1}; 'fri-mon' -> {4, 5, 6, 0}; 'daily' -> all seven."""
    if word in ("daily", "all"):
        return _EVERY_DAY
    if any(character.isdigit() for character in word):
        raise Invalid(f"window: {part!r} has more than days and one pair of hours; separate slots with a comma")
    first, dash, last = word.partition("-")
    start = _parse_day(first, part)
    length = (_parse_day(last, part) - start) % 7 if dash else 0
    return frozenset((start + i) % 7 for i in range(length + 1))


def _parse_day(word: str, part: str) -> int:
    for day, name in enumerate(_DAYS):
        if len(word) >= 3 and name.startswith(word):  # tue, tues, tuesday
            return day
    raise Invalid(f"window: unknown day {word!r} in {part!r}; write mon, tue, wed, thu, fri, sat, sun, e.g. {_EXAMPLE}")


def _parse_hours(hours: str, part: str) -> tuple[int, int]:
    pair = _HOURS.fullmatch(hours)
    if pair is None:
        raise Invalid(f"window: {hours!r} in {part!r} is no pair of hours; write e.g. '09:00-17:00'")
    start, end = (_parse_time(time, part) for time in pair.groups())
    if start == 1440:
        raise Invalid(f"window: 24:00 in {part!r} can only end a slot; start the next day's at 00:00")
    if start and not end:
        return start, 1440  # 22:00-00:00 is until midnight
    return start, end


def _parse_time(text: str, part: str) -> int:
    """Minutes since midnight; 24:00 is 1440."""
    match = _TIME.fullmatch(text)
    minute = int(match[1]) * 60 + int(match[2]) if match and int(match[2]) < 60 else -1
    if not 0 <= minute <= 1440:
        raise Invalid(f"window: {text!r} in {part!r} is no time of day; write 00:00 to 24:00, e.g. {_EXAMPLE}")
    return minute


def _slot_from_json(data: Any) -> Slot:
    days, start, end = _fields(data, "window slot", "days", "start", "end")
    if not isinstance(days, list | tuple) or not all(type(day) is int for day in days):
        raise Invalid(f"window: days must be a list of 0 (Monday) to 6 (Sunday), not {days!r}")
    if not isinstance(start, str) or not isinstance(end, str):
        raise Invalid(f"window: start and end must be times such as '09:00', not {start!r} and {end!r}")
    start_minute, end_minute = _parse_hours(f"{start}-{end}", f"{start}-{end}")
    return Slot(days=frozenset(days), start_minute=start_minute, end_minute=end_minute)


def _fields(data: Any, noun: str, *names: str) -> list[Any]:
    """The values of exactly these keys. A key that we do not know may be a rule that we would not keep."""
    if not isinstance(data, Mapping) or set(data) != set(names):
        found = sorted(map(str, data)) if isinstance(data, Mapping) else repr(data)
        raise Invalid(f"{noun}: expected an object with {', '.join(names)}, not {found}")
    return [data[name] for name in names]


def _days(days: frozenset[int]) -> str:
    """{0, 1, 2, 4} -> 'mon-wed,fri'; runs go over the week's end: {6, 0} -> 'sun-mon'."""
    if days == _EVERY_DAY:
        return "daily"
    runs = []
    for first in sorted(day for day in days if (day - 1) % 7 not in days):
        last = first
        while (last + 1) % 7 in days:
            last = (last + 1) % 7
        runs.append(_DAYS[first][:3] if first == last else f"{_DAYS[first][:3]}-{_DAYS[last][:3]}")
    return ",".join(runs)


def _hours(slot: Slot) -> str:
    return f"{_clock(slot.start_minute)}-{_clock(slot.end_minute)}"


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
