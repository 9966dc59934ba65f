"""What holds, and what lets go of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dialplane.core.reason import MEANINGS, Held, Reason, Release, binding_first, free_at

NOON = datetime(2025, 3, 3, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
PAUSED, LINES = Held(reason=Reason.PAUSED), Held(reason=Reason.CAMPAIGN_LINES)
WINDOW, RETRY = Held(reason=Reason.OUTSIDE_WINDOW, until=NOON), Held(reason=Reason.RETRY_DELAY, until=LATER)


def test_every_reason_has_a_meaning_and_every_release_a_reason() -> None:
    assert set(MEANINGS) == set(Reason)
    assert {meaning.release for meaning in MEANINGS.values()} == set(Release)


def test_what_lasts_longest_binds() -> None:
    listed = Held(reason=Reason.DO_NOT_CALL)

    assert binding_first([WINDOW, PAUSED, RETRY, LINES, listed]) == [listed, PAUSED, LINES, RETRY, WINDOW]


@pytest.mark.parametrize(
    ("holds", "at"),
    [
        ([], None),
        ([WINDOW], NOON),
        ([WINDOW, RETRY], LATER),
        ([LINES], None),  # nobody knows when a call ends
        ([LINES, WINDOW], NOON),  # no earlier than that
        ([PAUSED, WINDOW], None),
    ],
)
def test_when_nothing_of_it_holds_any_more(holds: list[Held], at: datetime | None) -> None:
    assert free_at(holds) == at
