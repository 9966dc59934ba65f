"""Whose turn it is in a queue, and what becomes of those who still wait when a campaign is over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dialplane.core.campaign import CampaignState, left_over, whose_turn
from dialplane.core.screening import Check
from dialplane.errors import Invalid
from dialplane.store.records import QueueMember

NOW = datetime(2025, 3, 3, 9, 0, tzinfo=UTC)
DRAFT, SCHEDULED, RUNNING, PAUSED = (CampaignState(s) for s in ("draft", "scheduled", "running", "paused"))


def member(
    id: int, state: CampaignState, queue: str | None = "q", *, starts: float = 0, ends: float | None = None
) -> QueueMember:
    """starts, ends: in minutes from now."""
    ends_at = None if ends is None else NOW + timedelta(minutes=ends)
    starts_at = NOW + timedelta(minutes=starts)
    return QueueMember(id=id, name="c", state=state, queue=queue, starts_at=starts_at, ends_at=ends_at)


@pytest.mark.parametrize(
    ("campaigns", "started"),
    [
        ([], []),
        ([member(1, SCHEDULED), member(2, SCHEDULED)], [1]),
        ([member(1, SCHEDULED, starts=-1), member(2, SCHEDULED, starts=-2)], [2]),
        ([member(1, SCHEDULED, starts=1), member(2, SCHEDULED)], [2]),
        ([member(1, RUNNING), member(2, SCHEDULED)], []),
        ([member(1, PAUSED), member(2, SCHEDULED)], []),
        ([member(1, DRAFT), member(2, SCHEDULED)], [2]),
        ([member(1, SCHEDULED, ends=0), member(2, SCHEDULED, ends=1)], [2]),
        ([member(1, SCHEDULED, None), member(2, SCHEDULED, None), member(3, RUNNING, None)], [1, 2]),
        ([member(1, RUNNING, "a"), member(2, SCHEDULED, "a"), member(3, SCHEDULED, "b")], [3]),
    ],
)
def test_of_a_queue_the_first_whose_hour_has_come_starts_while_nobody_holds_it(
    campaigns: list[QueueMember], started: list[int]
) -> None:
    assert whose_turn(campaigns, NOW) == started


@pytest.mark.parametrize(
    ("state", "reason", "skipped"),
    [
        ("cancelled", "", "cancelled"),
        ("completed", "expired", "expired"),
        ("completed", "", None),
        ("running", "expired", None),
        ("failed", "the agent is gone", None),
    ],
)
def test_who_still_waits_is_skipped_once_a_campaign_is_over(state: str, reason: str, skipped: str | None) -> None:
    assert left_over(CampaignState(state), reason) == skipped


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({}, "the url is missing"),
        ({"url": "https://example.org", "seconds": 3}, "seconds is unknown"),
        ({"url": "https://example.org", "timeout_seconds": 0.5}, "between 1 and 30, not 0.5"),
        ({"url": "https://example.org", "timeout_seconds": 31}, "between 1 and 30, not 31"),
        ({"url": "https://example.org", "format": "xml"}, "format must be standard or vapi"),
    ],
)
def test_a_check_that_is_none_is_refused(settings: dict[str, object], why: str) -> None:
    with pytest.raises(Invalid, match=why):
        Check.from_json(settings)


def test_a_check_survives_the_store() -> None:
    check = Check(url="https://example.org", timeout_seconds=3, format="vapi", sealed="x")

    assert Check.from_json(check.to_json()) == check
    assert check.timeout == timedelta(seconds=3)
