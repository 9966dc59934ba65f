"""The log checker notices: a log that keeps every promise passes, and each way to doctor it is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import checks
import pytest
from checks import Hours, LogLine, read_log

MONDAY = datetime(2025, 3, 3, 14, 0, tzinfo=UTC)  # 09:00 in New York
ANA, BEN = "+12122000001", "+12122000002"
ZONES = {ANA: ["America/New_York"], BEN: ["America/New_York", "America/Chicago"]}
OFFICE = Hours("mon tue wed thu fri", time(9), time(17))
NIGHT = Hours("mon", time(22), time(2))


def line(
    event: str, seconds: float, to: str = ANA, call: str = "1", *, result: str = "", attempt: str = "", number: int = 0
) -> LogLine:
    return LogLine(
        where=f"log.jsonl:{seconds}",
        file="log.jsonl",
        at=MONDAY + timedelta(seconds=seconds),
        event=event,
        attempt_id=attempt or f"attempt-{call}",
        to=to,
        sender="+15005550100",
        result=result or {"place": "accepted", "refuse": "capacity", "end": "busy", "ring": "ringing"}[event],
        call="" if event == "refuse" else call,
        number=number,
    )


# Ana is busy and answers 120 s later; Ben is refused, then answers, both while Ana is not on the line.
GOOD = [
    line("place", 3600, ANA, "1", number=1),
    line("ring", 3601, ANA, "1"),
    line("end", 3610, ANA, "1", result="busy"),
    line("refuse", 3612, BEN, "2", number=1),
    line("place", 3620, BEN, "3", number=2),
    line("end", 3650, BEN, "3", result="answered"),
    line("place", 3730, ANA, "4", number=2),
    line("end", 3760, ANA, "4", result="answered"),
]

REPORT = [
    {
        "contact_id": contact,
        "to_number": to,
        "from_number": "+15005550100",
        "attempt": attempt,
        "attempt_id": f"attempt-{call}",
        "disposition": disposition,
        "contact_state": "reached",
    }
    for contact, to, attempt, call, disposition in [
        ("1", ANA, "1", "1", "busy"),
        ("1", ANA, "2", "4", "answered"),
        ("2", BEN, "1", "2", "capacity"),
        ("2", BEN, "2", "3", "answered"),
    ]
]

CHECKS: dict[str, Callable[[list[LogLine]], None]] = {
    "placed twice": checks.no_attempt_is_placed_twice,
    "one end": checks.every_place_has_one_end,
    "rings twice": checks.no_number_rings_twice_at_once,
    "lines": lambda log: checks.never_more_lines_than(log, 1),
    "lines of a sender": lambda log: checks.never_more_lines_per_sender_than(log, 1),
    "pace": lambda log: checks.starts_are_apart(log, 0.125),
    "starts": lambda log: checks.never_more_starts_than(log, 2, within=timedelta(seconds=10)),
    "hours": lambda log: checks.nobody_is_called_outside(log, OFFICE, ZONES),
    "after an instant": lambda log: checks.nothing_is_placed_after(log, MONDAY + timedelta(seconds=3730)),
    "delay": lambda log: checks.retries_wait(log, timedelta(seconds=120)),
    "attempts": lambda log: checks.never_more_attempts_than(log, 2),
    "refusals": lambda log: checks.never_more_refusals_than(log, 1),
    "numbering": checks.attempts_are_numbered,
}

DOCTORED = [
    ("placed twice", [*GOOD, line("place", 3800, ANA, "5", attempt="attempt-4")], "3800"),
    ("one end", GOOD[:-1], "3730"),
    ("one end", [*GOOD, GOOD[-1]], "2 ends"),
    ("one end", [*GOOD, line("end", 3900, BEN, "9")], "without a call"),
    ("one end", [*GOOD[:2], line("end", 3500, ANA, "1"), *GOOD[3:]], "before it begins"),
    ("rings twice", [*GOOD, line("place", 3755, ANA, "5"), line("end", 3790, ANA, "5")], "3755"),
    ("lines", [*GOOD, line("place", 3759, BEN, "5"), line("end", 3761, BEN, "5")], "2 calls at once"),
    ("lines of a sender", [*GOOD, line("place", 3759, BEN, "5"), line("end", 3761, BEN, "5")], "2 calls at once"),
    ("pace", [*GOOD, line("place", 3737.9, BEN, "5"), line("end", 3739, BEN, "5")], "7.900000 s apart"),
    ("pace", [*GOOD, line("refuse", 3612, BEN, "5")], "0.000000 s apart"),
    ("starts", [*GOOD, line("refuse", 3621.9, ANA, "5")], "more than 2 starts within 0:00:10"),
    ("hours", [*GOOD, line("place", -1, ANA, "5"), line("end", 20, ANA, "5")], "Mon 08:59:59 in America/New_York"),
    ("hours", [*GOOD, line("place", 8 * 3600, ANA, "5"), line("end", 8 * 3600, ANA, "5")], "Mon 17:00:00"),
    ("hours", [*GOOD, line("refuse", 0, BEN, "5")], "Mon 08:00:00 in America/Chicago"),
    ("hours", [*GOOD, line("place", 5 * 86_400 + 3600, ANA, "5")], "Sat"),
    ("after an instant", [*GOOD, line("refuse", 3730.1, BEN, "5")], "3730.1"),
    ("delay", [*GOOD[:6], line("place", 3729.9, ANA, "4", number=2), GOOD[-1]], "3729.9"),
    ("delay", [*GOOD[:4], line("place", 3612.5, BEN, "3", number=2), *GOOD[5:]], "3612.5"),
    ("attempts", [*GOOD, line("place", 3900, ANA, "5", number=3)], "3 attempts"),
    ("refusals", [*GOOD, line("refuse", 3900, BEN, number=3), line("refuse", 3910, BEN, number=4)], "refused 2 times"),
    ("numbering", [*GOOD, line("place", 3900, ANA, "5", number=2)], "3900"),
    ("numbering", [*GOOD[:6], *GOOD[7:], line("place", 3730, ANA, "4", number=3)], "3730"),
]


@pytest.mark.parametrize("name", CHECKS)
def test_a_log_that_keeps_every_promise_passes(name: str) -> None:
    CHECKS[name](GOOD)


@pytest.mark.parametrize(("name", "log", "told"), DOCTORED, ids=[f"{name}: {told}" for name, _, told in DOCTORED])
def test_a_doctored_log_is_found_and_its_lines_named(name: str, log: list[LogLine], told: str) -> None:
    with pytest.raises(AssertionError) as found:
        CHECKS[name](log)

    assert told in str(found.value)


def test_every_check_is_doctored() -> None:
    assert {name for name, *_ in DOCTORED} == set(CHECKS)


def test_calls_of_two_campaigns_count_together() -> None:
    other = [replace(line, file="other.jsonl", to=BEN, call=f"other-{line.call}", at=line.at) for line in GOOD[:3]]

    checks.never_more_lines_than([*GOOD, *other], 2)
    with pytest.raises(AssertionError, match="2 calls at once"):
        checks.never_more_lines_than([*GOOD, *other], 1)


def test_calls_that_end_as_the_next_begins_use_one_line() -> None:
    log = [*GOOD, line("place", 3760, BEN, "5"), line("end", 3770, BEN, "5")]

    checks.never_more_lines_than(log, 1)


def test_slack_is_what_clocks_may_take_off() -> None:
    log = [line("place", 0), line("place", 0.99, call="2")]

    checks.starts_are_apart(log, 1, slack=timedelta(milliseconds=20))
    with pytest.raises(AssertionError):
        checks.starts_are_apart(log, 1)


def test_hours_over_midnight_belong_to_the_day_on_which_they_begin() -> None:
    at_ten, at_one, at_two = (MONDAY + timedelta(hours=hours) for hours in (13, 16, 17))

    assert NIGHT.hold(at_ten, "America/New_York")
    assert NIGHT.hold(at_one, "America/New_York")
    assert not NIGHT.hold(at_two, "America/New_York")
    assert not NIGHT.hold(at_ten - timedelta(days=1), "America/New_York")
    assert not NIGHT.hold(at_one - timedelta(days=1), "America/New_York")


# --- report ---------------------------------------------------------------------------------------


def test_a_report_that_agrees_passes() -> None:
    checks.report_agrees(REPORT, GOOD)
    checks.every_contact_ends_once(REPORT, [ANA, BEN])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"disposition": "no_answer"}, "row 2 says no_answer"),
        ({"attempt": "2"}, "row 2 is attempt 2"),
        ({"from_number": "+15005550101"}, "row 2 has other numbers"),
        ({"attempt_id": "attempt-4"}, "0 rows of the report"),
        ({"attempt_id": "attempt-7"}, "0 rows of the report"),
    ],
)
def test_a_row_that_says_something_else_than_the_log_is_found(change: dict[str, str], told: str) -> None:
    with pytest.raises(AssertionError, match=told):
        checks.report_agrees([{**REPORT[0], **change}, *REPORT[1:]], GOOD)


def test_an_attempt_that_the_carrier_never_saw_is_found() -> None:
    with pytest.raises(AssertionError, match=r"never saw, rows \[6\]"):
        checks.report_agrees([*REPORT, {**REPORT[0], "attempt_id": "attempt-7"}], GOOD)


def test_unknown_is_an_end_only_where_the_carrier_could_not_tell() -> None:
    report = [{**REPORT[0], "disposition": "unknown"}, *REPORT[1:]]
    asked = line("end", 3605, ANA, "1", result="cannot_tell")

    checks.report_agrees(report, [*GOOD, replace(asked, event="lookup", call="")])
    with pytest.raises(AssertionError, match="row 2 says unknown"):
        checks.report_agrees(report, GOOD)


@pytest.mark.parametrize(
    ("report", "numbers", "told"),
    [
        (REPORT, [ANA], "not in the file"),
        (REPORT[:2], [ANA, BEN], "not in the report"),
        ([{**REPORT[0], "contact_state": "waiting"}, *REPORT[1:]], [ANA, BEN], "more than one state"),
        ([{**row, "contact_state": "dialing"} for row in REPORT], [ANA, BEN], "not ended"),
        ([{**REPORT[0], "contact_id": "9"}, *REPORT[1:]], [ANA, BEN], "2 contacts"),
    ],
)
def test_a_contact_that_is_lost_doubled_or_unfinished_is_found(
    report: list[dict[str, str]], numbers: list[str], told: str
) -> None:
    with pytest.raises(AssertionError, match=told):
        checks.every_contact_ends_once(report, numbers)


def test_lines_are_named_by_file_and_number(tmp_path: Path) -> None:
    path = tmp_path / "carrier-1-campaign-2.jsonl"
    at = '{"at": "2025-03-03T09:00:00.000000+00:00", "attempt_id": "a", "to": "+12122000001", "from": "+1500555010%d", '
    path.write_text(
        "\n".join(
            [
                at % 0 + '"event": "place", "result": "accepted", "call": "sim-1", "number": 1, "contact_id": 4}',
                at % 0 + '"event": "end", "result": "busy", "call": "sim-1", "sip_status": 486}',
            ]
        )
    )

    place, end = read_log(path)

    assert (place.event, place.number, place.call) == ("place", 1, "sim-1")
    assert str(end).startswith("carrier-1-campaign-2.jsonl:2 2025-03-03 09:00:00.000000 end +12122000001 busy")
    assert read_log(tmp_path / "missing.jsonl") == []
