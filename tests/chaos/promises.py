"""What must hold whatever was killed: the checks of the log and the report, and those of real time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from checks import (
    STARTS,
    LogLine,
    Report,
    every_contact_ends_once,
    every_place_has_one_end,
    heard_of,
    never_more_attempts_than,
    never_more_lines_than,
    no_attempt_is_placed_twice,
    no_number_rings_twice_at_once,
    report_agrees,
)

from dialplane.engine.dispatcher import SEND_WINDOW
from dialplane.engine.views import Progress

# A start is granted an instant that keeps the pace, and goes out up to SEND_WINDOW after it: a worker that was frozen
# for less sends what it was granted before beside what the others are granted now. Nothing goes out later, so that any
# stretch of time has no more starts than grants, its own and those of the SEND_WINDOW before it.
FROZEN_LATENESS = SEND_WINDOW + timedelta(milliseconds=250)
# Where nobody was frozen or lost: what the guard's statement and a machine with more processes than cores may take.
USUAL_LATENESS = timedelta(milliseconds=500)


def everything_holds(
    log: Sequence[LogLine],
    report: Report,
    progress: Progress,
    *,
    contacts: Sequence[str],
    lines: int,
    cps: float,
    max_retries: int,
) -> None:
    """Every promise that no fault may break."""
    every_place_has_one_end(log)
    no_attempt_is_placed_twice(log)
    no_number_rings_twice_at_once(log)
    never_more_lines_than(log, lines)
    never_more_attempts_than(log, max_retries + 1)
    pace_holds(log, cps, FROZEN_LATENESS)
    every_contact_ends_once(report, contacts)
    attempts_are_in_order(report)
    report_agrees(*heard_of(report, log))
    progress_agrees(progress, report)


def attempts_are_in_order(report: Report) -> None:
    """1, 2, 3 … for each contact, those that came to nothing included."""
    found: dict[str, list[int]] = {}
    for row in report:
        if row["attempt_id"]:
            found.setdefault(row["contact_id"], []).append(int(row["attempt"]))
    for contact, attempts in found.items():
        assert attempts == list(range(1, len(attempts) + 1)), f"attempts of contact {contact}: {attempts}"


def progress_agrees(progress: Progress, report: Report) -> None:
    """Counters that are moved call by call come to what the rows say."""
    states = Counter({row["contact_id"]: row["contact_state"] for row in report}.values())
    attempts = [row for row in report if row["attempt_id"]]
    assert progress.contacts() == {
        "total": sum(states.values()),
        **{state: states[state] for state in ("reached", "exhausted", "skipped", "removed", "dialing", "waiting")},
    }
    assert progress.attempts == len(attempts)
    assert progress.dispositions == dict(Counter(row["disposition"] for row in attempts))


# --- pace -----------------------------------------------------------------------------------------


def lateness(starts: Iterable[datetime], cps: float) -> timedelta:
    """By how much starts must have been late for their grants to be 1/cps apart (GCRA)."""
    spacing = timedelta(seconds=1 / cps)
    longest = timedelta(0)
    due: datetime | None = None
    for at in sorted(starts):
        due = at if due is None else max(at, due)
        longest = max(longest, due - at)
        due += spacing
    return longest


def pace_holds(log: Iterable[LogLine], cps: float, allowed: timedelta) -> None:
    late = lateness((line.at for line in log if line.event in STARTS), cps)
    assert late <= allowed, f"starts outran {cps} calls a second by {late}, {allowed} are allowed"


def pace_holds_where_nothing_happened(
    log: Iterable[LogLine], cps: float, disturbed: Iterable[tuple[datetime, datetime]]
) -> None:
    """disturbed: from when to when somebody was frozen or gone; each stretch between is judged by itself."""
    starts = sorted(line.at for line in log if line.event in STARTS)
    edges = sorted(disturbed)
    quiet_from = starts[0]
    for begin, end in [*edges, (starts[-1] + timedelta(seconds=1), starts[-1])]:
        stretch = [at for at in starts if quiet_from <= at < begin]
        late = lateness(stretch, cps)
        assert late <= USUAL_LATENESS, f"from {quiet_from} to {begin} starts outran {cps} calls a second by {late}"
        quiet_from = max(quiet_from, end + SEND_WINDOW)


def average_pace(log: Iterable[LogLine]) -> float:
    """Calls started per second, from the first to the last."""
    starts = sorted(line.at for line in log if line.event in STARTS)
    return len(starts) / (starts[-1] - starts[0]).total_seconds()


def longest_gap(log: Iterable[LogLine], begin: datetime, end: datetime) -> tuple[timedelta, datetime]:
    """Between two accepted calls, or an accepted call and either edge; and when it began."""
    places = [line.at for line in log if line.event == "place" and begin <= line.at <= end]
    gaps = [(after - before, before) for before, after in pairwise([begin, *sorted(places), end])]
    return max(gaps)
