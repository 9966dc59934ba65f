"""First calls and retries apart, counted from where contacts stand."""

from __future__ import annotations

import pytest

from dialplane.core.attempt import ContactState
from dialplane.engine.stages import Stage, Tries, stages

WAITING, DIALING, REACHED = ContactState.WAITING, ContactState.DIALING, ContactState.REACHED


@pytest.mark.parametrize(
    ("tries", "expected"),
    [
        ([], []),
        ([Tries(WAITING, 0, 5)], [Stage(0, 0, 5)]),
        ([Tries(DIALING, 0, 2), Tries(WAITING, 0, 3)], [Stage(0, 2, 5)]),
        ([Tries(REACHED, 1, 4), Tries(WAITING, 1, 2)], [Stage(0, 6, 6), Stage(1, 0, 2)]),
        ([Tries(REACHED, 1, 4), Tries(DIALING, 1, 1), Tries(WAITING, 1, 2)], [Stage(0, 7, 7), Stage(1, 1, 3)]),
        ([Tries(ContactState.EXHAUSTED, 3, 1)], [Stage(0, 1, 1), Stage(1, 1, 1), Stage(2, 1, 1)]),
        ([Tries(ContactState.SKIPPED, 0, 2), Tries(REACHED, 1, 1)], [Stage(0, 1, 3)]),
    ],
)
def test_every_contact_is_counted_at_each_call_that_it_has_had(tries: list[Tries], expected: list[Stage]) -> None:
    assert stages(tries) == expected


def test_who_waits_in_a_campaign_that_is_over_waits_for_no_retry() -> None:
    assert stages([Tries(WAITING, 1, 2)], nobody_waits=True) == [Stage(0, 2, 2)]
