"""A campaign of a whole week on the virtual clock, judged by the carrier's log and the report alone."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from bench import Bench, OpenBench, numbers
from checks import (
    Hours,
    attempts_are_numbered,
    every_contact_ends_once,
    every_place_has_one_end,
    never_more_attempts_than,
    never_more_lines_than,
    never_more_refusals_than,
    no_attempt_is_placed_twice,
    no_number_rings_twice_at_once,
    nobody_is_called_outside,
    read_report,
    report_agrees,
    retries_wait,
    starts_are_apart,
)

from dialplane.clocks import VirtualClock
from dialplane.core.retry import RetryPolicy
from dialplane.core.window import CallingWindow

CONTACTS = 20_000
CPS = CONTACTS / 55_000  # so that either limit holds at times, and the whole takes three working days
MAX_LINES = max(2, CONTACTS // 600)
AREAS = {
    "212": "America/New_York",
    "312": "America/Chicago",
    "303": "America/Denver",
    "213": "America/Los_Angeles",
}
OFFICE_HOURS = Hours("mon tue wed thu fri", time(9), time(17))
THURSDAY = datetime(2025, 3, 6, 13, 0, tzinfo=UTC)  # an hour before the first opening, three days before summer time
CARRIER = {"profile": "realistic", "cps": None, "refusals": {"rate_limited": 0.02, "capacity": 0.03}}


@pytest.mark.asyncio
async def test_a_campaign_over_four_zones_and_a_weekend_keeps_every_promise(open_bench: OpenBench) -> None:
    bench: Bench = await open_bench(VirtualClock(THURSDAY))
    zones = {
        number: [zone]
        for each in zip(*(numbers(CONTACTS // len(AREAS), area=area) for area in AREAS), strict=True)
        for number, zone in zip(each, AREAS.values(), strict=True)
    }
    campaign = await bench.completed(
        list(zones),
        carrier=CARRIER,
        window=CallingWindow.parse("mon-fri 09:00-17:00", "contact"),
        retry=RetryPolicy(max_retries=2, delay_seconds=120),
        max_lines=MAX_LINES,
        cps=CPS,
    )

    log, report = await bench.log(campaign), read_report(await bench.report_path(campaign))
    every_contact_ends_once(report, zones)
    every_place_has_one_end(log)
    no_attempt_is_placed_twice(log)
    no_number_rings_twice_at_once(log)
    never_more_lines_than(log, MAX_LINES)
    starts_are_apart(log, CPS)
    nobody_is_called_outside(log, OFFICE_HOURS, zones)
    retries_wait(log, timedelta(seconds=120))
    never_more_attempts_than(log, 3)
    never_more_refusals_than(log)
    attempts_are_numbered(log)
    report_agrees(report, log)

    # The promises were put to the test: days, a weekend, both limits, refusals, retries.
    days = {line.at.astimezone(ZoneInfo("America/Los_Angeles")).date() for line in log if line.event == "place"}
    assert len(days) >= 3
    assert max(days) > datetime(2025, 3, 9).date() > min(days)
    assert any(line.event == "refuse" for line in log)
    assert any(line.number == 3 for line in log)
    with pytest.raises(AssertionError):
        never_more_lines_than(log, MAX_LINES - 1)
    with pytest.raises(AssertionError):
        starts_are_apart(log, CPS * 0.999)
    progress = await bench.progress(campaign)
    assert progress.contacts() == {
        "total": CONTACTS,
        "reached": len({row["to_number"] for row in report if row["contact_state"] == "reached"}),
        "exhausted": len({row["to_number"] for row in report if row["contact_state"] == "exhausted"}),
        "skipped": 0,
        "removed": 0,
        "dialing": 0,
        "waiting": 0,
    }
    assert progress.attempts == sum(line.event in ("place", "refuse") for line in log)
