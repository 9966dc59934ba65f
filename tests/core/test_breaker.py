"""The breaker trips at its threshold, on enough calls, of its window."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialplane.core.breaker import CircuitBreaker
from dialplane.errors import Invalid

NOW = datetime(2025, 1, 6, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ended", "faults", "trips"),
    [(0, 0, False), (4, 4, False), (5, 2, False), (5, 3, True), (6, 3, True), (100, 49, False), (100, 50, True)],
)
def test_it_trips_at_half_of_at_least_five_calls(ended: int, faults: int, trips: bool) -> None:
    assert CircuitBreaker().trips(ended, faults) is trips


def test_a_breaker_that_is_off_never_trips() -> None:
    assert not CircuitBreaker(enabled=False).trips(100, 100)


@given(st.integers(1, 100), st.integers(1, 200))
def test_the_threshold_itself_trips_in_percent_too(percent: int, hundreds: int) -> None:
    breaker = CircuitBreaker.from_json({"threshold": percent if percent > 1 else 0.01})

    assert breaker.trips(100 * hundreds, percent * hundreds)
    assert not breaker.trips(100 * hundreds, percent * hundreds - 1)


@pytest.mark.parametrize(
    ("reset_at", "since"),
    [
        (None, NOW - timedelta(seconds=120)),
        (NOW - timedelta(seconds=121), NOW - timedelta(seconds=120)),
        (NOW - timedelta(seconds=30), NOW - timedelta(seconds=30)),  # resumed: what was before does not count
    ],
)
def test_the_window_rolls_and_starts_clean_after_a_reset(reset_at: datetime | None, since: datetime) -> None:
    assert CircuitBreaker().since(NOW, reset_at) == since


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"threshold": 0}, "threshold must be above 0 and at most 1, not 0"),
        ({"threshold": 1.1}, "threshold must be above 0 and at most 1, not 1.1"),
        ({"threshold": float("nan")}, "threshold must be above 0"),
        ({"window_seconds": 0}, "window_seconds must be above 0"),
        ({"window_seconds": float("inf")}, "window_seconds must be above 0"),
        ({"min_calls": 0}, "min_calls must be 1 or more, not 0"),
    ],
)
def test_a_breaker_that_cannot_be_meant_is_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(Invalid) as refusal:
        CircuitBreaker(**fields)

    assert says in str(refusal.value)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ([], "breaker: expected an object"),
        ({"failure_threshold": 0.5}, "unknown field 'failure_threshold'; the fields are enabled, threshold"),
        ({"enabled": "no"}, "enabled must be true or false, not 'no'"),
        ({"enabled": None}, "enabled must be true or false"),
        ({"threshold": "50%"}, "threshold must be a number"),
        ({"threshold": True}, "threshold must be a number"),
        ({"threshold": 101}, "threshold must be above 0 and at most 1"),
        ({"min_calls": 2.5}, "min_calls must be a whole number"),
    ],
)
def test_malformed_json_is_refused(data: Any, says: str) -> None:
    with pytest.raises(Invalid) as refusal:
        CircuitBreaker.from_json(data)

    assert says in str(refusal.value)


@pytest.mark.parametrize(("threshold", "read"), [(0.5, 0.5), (1, 1), (1.5, 0.015), (50, 0.5), (100, 1)])
def test_a_threshold_above_one_is_percent(threshold: float, read: float) -> None:
    assert CircuitBreaker.from_json({"threshold": threshold}) == CircuitBreaker(threshold=read)


@given(
    st.builds(
        CircuitBreaker,
        enabled=st.booleans(),
        threshold=st.floats(0, 1, exclude_min=True),
        window_seconds=st.floats(0.1, 86_400),
        min_calls=st.integers(1, 1000),
    )
)
def test_json_comes_back_the_same(breaker: CircuitBreaker) -> None:
    assert CircuitBreaker.from_json(breaker.to_json()) == breaker
