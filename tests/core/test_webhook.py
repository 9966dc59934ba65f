"""Kinds of events, and the pace of tries."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

import dialplane
from dialplane.core.campaign import CampaignState
from dialplane.core.webhook import KINDS, Backoff, check_kinds, hears
from dialplane.errors import Invalid


@pytest.mark.parametrize(
    ("kinds", "kind", "heard"),
    [
        ([], "attempt.ended", True),
        (["*"], "carrier.suspended", True),
        (["attempt.*"], "attempt.placed", True),
        (["attempt.*"], "campaign.paused", False),
        (["campaign.paused", "attempt.ended"], "attempt.ended", True),
        (["campaign.paused"], "campaign.running", False),
    ],
)
def test_who_hears_of_what(kinds: list[str], kind: str, heard: bool) -> None:
    assert hears(kinds, kind) is heard


@pytest.mark.parametrize(
    ("kind", "fix"),
    [
        ("attempt.end", "'attempt.end' is no kind of event: did you mean 'attempt.ended'?"),
        ("call.ended", "'call.ended' is no kind of event: did you mean "),
        ("campaigns.*", "'campaigns.*' is no kind of event: did you mean 'campaign.*'?"),
        ("xyz", "'xyz' is no kind of event: there are *, attempt.*, "),
    ],
)
def test_an_unknown_kind_names_the_nearest(kind: str, fix: str) -> None:
    with pytest.raises(Invalid, match=re.escape(fix)):
        check_kinds(["attempt.ended", kind])


def test_every_event_that_is_written_can_be_asked_for() -> None:
    engine = Path(dialplane.__file__).parent / "engine"
    written = {f"campaign.{state}" for state in CampaignState}
    for path in engine.glob("*.py"):
        written |= set(re.findall(r"turn\.log\([^,]+, \"(\w+\.\w+)\"", path.read_text(encoding="utf-8")))

    assert len(written) > 12
    assert written <= set(KINDS)


def test_eleven_tries_in_about_three_days() -> None:
    backoff = Backoff()

    waits = [backoff.after(tries, 0.5) for tries in range(1, 11)]

    assert waits[:4] == [timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10)]
    assert sum((wait for wait in waits if wait), timedelta()) == timedelta(days=2, hours=22, minutes=12, seconds=35)
    assert backoff.after(11, 0.5) is None


def test_tries_are_spread_a_fifth_up_and_down() -> None:
    backoff = Backoff(delays=(timedelta(seconds=100),))

    assert backoff.after(1, 0.0) == timedelta(seconds=80)
    assert backoff.after(1, 1.0) == timedelta(seconds=120)
