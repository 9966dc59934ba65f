"""What a carrier's log and a report must be like, whatever the campaign: one function a promise.

They know nothing of the engine: they read the JSON lines and the CSV as anybody would. Each raises an AssertionError
that names the lines concerned, by file and number.
"""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

STARTS = ("place", "refuse")
FINAL_STATES = {"reached", "exhausted", "skipped", "removed"}
T = TypeVar("T")
K = TypeVar("K")

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line of a carrier's log. number: of the attempt, for `place` and `refuse`."""

    where: str  # file:line
    file: str
    at: datetime
    event: str
    attempt_id: str
    to: str
    sender: str
    result: str
    call: str = ""
    number: int = 0

    def __str__(self) -> str:
        return f"{self.where} {self.at:%Y-%m-%d %H:%M:%S.%f} {self.event} {self.to} {self.result} {self.attempt_id}"


@dataclass(frozen=True, slots=True)
class PlacedCall:
    """An accepted call, from its `place` to its `end`."""

    place: LogLine
    end: LogLine


Log = Sequence[LogLine]
Report = Sequence[Mapping[str, str]]


def read_log(*paths: Path) -> list[LogLine]:
    """The lines of one or more logs; several are several campaigns."""
    return [
        _log_line(json.loads(text), path.name, number)
        for path in paths
        if path.exists()
        for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
    ]


def read_report(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _log_line(line: Mapping[str, str], file: str, number: int) -> LogLine:
    return LogLine(
        where=f"{file}:{number}",
        file=file,
        at=datetime.fromisoformat(line["at"]),
        event=line["event"],
        attempt_id=line["attempt_id"],
        to=line["to"],
        sender=line["from"],
        result=line["result"],
        call=line.get("call", ""),
        number=int(line.get("number", 0)),
    )


# --- one call -------------------------------------------------------------------------------------


def no_attempt_is_placed_twice(log: Log) -> None:
    for lines in _by(_placed(log), lambda line: line.attempt_id).values():
        assert len(lines) == 1, f"one attempt was placed {len(lines)} times:{_shown(lines)}"


def every_place_has_one_end(log: Log) -> None:
    ends = _by((line for line in log if line.event == "end"), lambda line: line.call)
    for place in _placed(log):
        found = ends.pop(place.call, [])
        assert len(found) == 1, f"a call has {len(found)} ends:{_shown([place, *found])}"
        assert found[0].at >= place.at, f"a call ends before it begins:{_shown([place, found[0]])}"
    assert not ends, f"ends without a call:{_shown([line for lines in ends.values() for line in lines])}"


# --- lines ----------------------------------------------------------------------------------------


def no_number_rings_twice_at_once(log: Log) -> None:
    for calls in _by(_calls(log), lambda call: call.place.to).values():
        calls.sort(key=lambda call: call.place.at)
        for before, after in pairwise(calls):
            assert after.place.at >= before.end.at, (
                f"{after.place.to} was called while it was on a call:{_shown([before.place, after.place, before.end])}"
            )


def never_more_lines_than(log: Log, limit: int) -> None:
    """Over all that is in `log`: one campaign's, or those of an organization or a carrier together."""
    changes = sorted(
        [(call.place.at, 1, call) for call in _calls(log)] + [(call.end.at, 0, call) for call in _calls(log)],
        key=lambda change: change[:2],  # at one instant, ends come first
    )
    open_calls: dict[str, PlacedCall] = {}
    for _, begins, call in changes:
        if not begins:
            open_calls.pop(call.place.call, None)
        elif call.end.at > call.place.at:
            open_calls[call.place.call] = call
            assert len(open_calls) <= limit, (
                f"{len(open_calls)} calls at once, {limit} are allowed:{_shown([c.place for c in open_calls.values()])}"
            )


def never_more_lines_per_sender_than(log: Log, limit: int) -> None:
    for lines in _by(log, lambda line: line.sender).values():
        never_more_lines_than(lines, limit)


# --- pace -----------------------------------------------------------------------------------------


def starts_are_apart(log: Log, cps: float, *, slack: timedelta = timedelta(0)) -> None:
    """At least 1/cps between two starts, refused ones included. slack: what clocks and a busy machine may take off."""
    starts = sorted((line for line in log if line.event in STARTS), key=lambda line: line.at)
    shortest = timedelta(seconds=1 / cps) - slack
    for before, after in pairwise(starts):
        assert after.at - before.at >= shortest, (
            f"{(after.at - before.at).total_seconds():.6f} s apart, at {cps} calls a second:{_shown([before, after])}"
        )


def never_more_starts_than(log: Log, limit: int, *, within: timedelta) -> None:
    """In any stretch of time of that length: what workers that share a pace keep although each is late at times."""
    starts = sorted((line for line in log if line.event in STARTS), key=lambda line: line.at)
    for first, beyond in zip(starts, starts[limit:], strict=False):
        assert beyond.at - first.at >= within, f"more than {limit} starts within {within}:{_shown([first, beyond])}"


# --- hours ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hours:
    """Some days, from an hour to another by the wall clock; an end before the start is on the next day."""

    days: str  # "mon tue"
    start: time
    end: time

    def hold(self, at: datetime, zone: str) -> bool:
        wall = at.astimezone(ZoneInfo(zone))
        today, yesterday = WEEKDAYS[wall.weekday()], WEEKDAYS[wall.weekday() - 1]
        if self.start < self.end:
            return today in self.days.split() and self.start <= wall.time() < self.end
        return (today in self.days.split() and wall.time() >= self.start) or (
            yesterday in self.days.split() and wall.time() < self.end
        )


def nobody_is_called_outside(log: Log, hours: Hours, zones: Mapping[str, Sequence[str]]) -> None:
    """zones: of each number; all of them have to be open."""
    for line in log:
        if line.event in STARTS:
            assert zones[line.to], f"a number without a zone was called:{_shown([line])}"
            for zone in zones[line.to]:
                wall = line.at.astimezone(ZoneInfo(zone))
                assert hours.hold(line.at, zone), f"called at {wall:%a %H:%M:%S} in {zone}:{_shown([line])}"


def nothing_is_placed_after(log: Log, instant: datetime) -> None:
    late = [line for line in log if line.event in STARTS and line.at > instant]
    assert not late, f"placed after {instant}:{_shown(late)}"


# --- attempts -------------------------------------------------------------------------------------


def retries_wait(log: Log, delay: timedelta, *, after_refusal: timedelta = timedelta(seconds=1)) -> None:
    """No attempt sooner than its delay after the end of the one before, of the same contact."""
    ends = {line.call: line for line in log if line.event == "end"}
    for starts in _by_contact(log).values():
        for before, after in pairwise(starts):
            refused = before.event == "refuse"
            over = before if refused else ends[before.call]
            wanted = after_refusal if refused else delay
            assert after.at - over.at >= wanted, (
                f"tried again after {after.at - over.at}, {wanted} were asked for:{_shown([before, over, after])}"
            )


def never_more_attempts_than(log: Log, accepted: int) -> None:
    """Accepted attempts of one contact; refused ones are free."""
    for starts in _by_contact(log).values():
        placed = [line for line in starts if line.event == "place"]
        assert len(placed) <= accepted, f"{len(placed)} attempts, {accepted} are allowed:{_shown(placed)}"


def never_more_refusals_than(log: Log, refusals: int = 21) -> None:
    """In a row, of one contact: it is due again after each of twenty, and the next one is its last."""
    for starts in _by_contact(log).values():
        in_a_row: list[LogLine] = []
        for line in starts:
            in_a_row = [*in_a_row, line] if line.event == "refuse" else []
            assert len(in_a_row) <= refusals, f"refused {len(in_a_row)} times:{_shown(in_a_row)}"


def attempts_are_numbered(log: Log) -> None:
    """1, 2, 3 … for each contact, refused ones included."""
    for starts in _by_contact(log).values():
        assert [line.number for line in starts] == list(range(1, len(starts) + 1)), (
            f"attempts are not numbered one by one:{_shown(starts)}"
        )


# --- report ---------------------------------------------------------------------------------------


def every_contact_ends_once(report: Report, numbers: Iterable[str]) -> None:
    """Each of these numbers is one contact of the report, in exactly one final state, and nobody else is there."""
    rows: dict[str, list[int]] = defaultdict(list)
    contacts: dict[str, set[str]] = defaultdict(set)
    states: dict[str, set[str]] = defaultdict(set)
    for at, row in enumerate(report, start=2):
        rows[row["to_number"]].append(at)
        contacts[row["to_number"]].add(row["contact_id"])
        states[row["to_number"]].add(row["contact_state"])
    wanted = Counter(list(numbers))
    for number in wanted:
        where = f"{number}, rows {rows[number]}"
        assert wanted[number] == 1, f"{number} is asked for {wanted[number]} times"
        assert rows[number], f"{number} is not in the report"
        assert len(contacts[number]) == 1, f"{where}: {len(contacts[number])} contacts"
        assert len(states[number]) == 1, f"{where}: more than one state: {sorted(states[number])}"
        assert states[number] <= FINAL_STATES, f"{where}: not ended: {sorted(states[number])}"
    strangers = sorted(set(rows) - set(wanted))
    assert not strangers, f"in the report and not in the file: {[(n, rows[n]) for n in strangers[:20]]}"


def report_agrees(report: Report, log: Log) -> None:
    """Every start of the log is one row of the report, with its end's word; every dialled row is in the log."""
    starts = {line.attempt_id: line for line in log if line.event in STARTS}
    ends = {line.call: line for line in log if line.event == "end"}
    untold = {line.attempt_id for line in log if line.event == "lookup" and line.result == "cannot_tell"}
    rows = _by(
        ((at, row) for at, row in enumerate(report, start=2) if row["attempt_id"]), lambda each: each[1]["attempt_id"]
    )
    for attempt_id, line in starts.items():
        found = rows.pop(attempt_id, [])
        assert len(found) == 1, f"{len(found)} rows of the report for one attempt:{_shown([line])}"
        at, row = found[0]
        over = ends[line.call] if line.event == "place" else line
        words = {over.result} | ({"agent_failed"} if over.result == "answered" else set())
        words |= {"unknown"} if attempt_id in untold else set()
        assert row["disposition"] in words, f"row {at} says {row['disposition']}:{_shown([over])}"
        assert (row["to_number"], row["from_number"]) == (line.to, line.sender), (
            f"row {at} has other numbers:{_shown([line])}"
        )
        assert row["attempt"] == str(line.number), f"row {at} is attempt {row['attempt']}:{_shown([line])}"
    assert not rows, f"attempts of the report that the carrier never saw, rows {[r[0][0] for r in rows.values()][:20]}"


def heard_of(report: Report, log: Log) -> tuple[Report, Log]:
    """Report and log without attempts that came to nothing and whose worker was lost with the news.

    Such an attempt ends as canceled, or as failed where the carrier could not be reached, and spends nothing: the
    carrier has not seen it, or has refused it.
    """
    placed = {line.attempt_id for line in log if line.event == "place"}
    refused = {line.attempt_id for line in log if line.event == "refuse"}
    unheard = set()
    for row in report:
        attempt, word = row["attempt_id"], row["disposition"]
        if attempt and attempt not in placed and (attempt not in refused or word == "canceled"):
            assert word in ("canceled", "carrier_failed"), f"the carrier never accepted {row}"
            assert not row["placed_at"], f"the carrier never accepted what the report calls placed: {row}"
            unheard.add(attempt)
    return [row for row in report if row["attempt_id"] not in unheard], [
        line for line in log if line.attempt_id not in unheard
    ]


# --- parts ----------------------------------------------------------------------------------------


def _placed(log: Iterable[LogLine]) -> list[LogLine]:
    return [line for line in log if line.event == "place"]


def _calls(log: Log) -> list[PlacedCall]:
    ends = {line.call: line for line in log if line.event == "end"}
    placed = _placed(log)
    open_ended = [line for line in placed if line.call not in ends]
    assert not open_ended, f"calls without an end:{_shown(open_ended)}"
    return [PlacedCall(line, ends[line.call]) for line in placed]


def _by_contact(log: Log) -> dict[tuple[str, str], list[LogLine]]:
    """Starts, in time, of each contact: a number of one campaign."""
    starts = sorted((line for line in log if line.event in STARTS), key=lambda line: (line.at, line.number))
    return _by(starts, lambda line: (line.file, line.to))


def _by(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    grouped: dict[K, list[T]] = defaultdict(list)
    for item in items:
        grouped[key(item)].append(item)
    return grouped


def _shown(lines: Sequence[LogLine]) -> str:
    more = f"\n  and {len(lines) - 20} more" if len(lines) > 20 else ""
    return "".join(f"\n  {line}" for line in lines[:20]) + more
