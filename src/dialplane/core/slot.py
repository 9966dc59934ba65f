"""Hours of days, as people write them and as JSON has them: 'mon-fri 09:00-17:00'."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from dialplane.errors import Invalid

EXAMPLE: Final = "'mon-fri 09:00-17:00'"

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_EVERY_DAY = frozenset(range(7))
_DASHES = re.compile(r"\s*[-\u2010-\u2015\u2212]\s*")
_HOURS = re.compile(r"([0-9:.]+)-([0-9:.]+)")
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})")


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
                f"window: {self.hours} is a slot that ends as it starts; for the whole day write 'daily 00:00-24:00'"
            )
        if not 0 <= self.start_minute <= 1439:
            raise Invalid(f"window: start_minute must be 0 to 1439, not {self.start_minute}")
        if not 1 <= self.end_minute <= 1440:
            raise Invalid(f"window: end_minute must be 1 to 1440, not {self.end_minute}")

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """What `to_json` made. Raises Invalid."""
        days, start, end = fields(data, "window slot", "days", "start", "end")
        if not isinstance(days, list | tuple) or not all(type(day) is int for day in days):
            raise Invalid(f"window: days must be a list of 0 (Monday) to 6 (Sunday), not {days!r}")
        if not isinstance(start, str) or not isinstance(end, str):
            raise Invalid(f"window: start and end must be times such as '09:00', not {start!r} and {end!r}")
        start_minute, end_minute = _parse_hours(f"{start}-{end}", f"{start}-{end}")
        return cls(days=frozenset(days), start_minute=start_minute, end_minute=end_minute)

    def to_json(self) -> dict[str, Any]:
        """{"days": [0, 1], "start": "09:00", "end": "17:00"}"""
        return {"days": sorted(self.days), "start": _clock(self.start_minute), "end": _clock(self.end_minute)}

    @property
    def hours(self) -> str:
        """'09:00-17:00'"""
        return f"{_clock(self.start_minute)}-{_clock(self.end_minute)}"


def parse_slots(text: str) -> Iterable[Slot]:
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
    raise Invalid(f"window: unknown day {word!r} in {part!r}; write mon, tue, wed, thu, fri, sat, sun, e.g. {EXAMPLE}")


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
        raise Invalid(f"window: {text!r} in {part!r} is no time of day; write 00:00 to 24:00, e.g. {EXAMPLE}")
    return minute


def spell_days(days: frozenset[int]) -> str:
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


def fields(data: Any, noun: str, *names: str) -> list[Any]:
    """The values of exactly these keys. A key that we do not know may be a rule that we would not keep."""
    if not isinstance(data, Mapping) or set(data) != set(names):
        found = sorted(map(str, data)) if isinstance(data, Mapping) else repr(data)
        raise Invalid(f"{noun}: expected an object with {', '.join(names)}, not {found}")
    return [data[name] for name in names]


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
