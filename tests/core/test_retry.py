"""What follows an attempt: tables for each disposition, properties for the one budget."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialplane.core.disposition import MEANINGS, REFUSALS, Disposition
from dialplane.core.retry import Finish, Retry, RetryPolicy, parse_duration
from dialplane.errors import Invalid

D = Disposition
ENDED = datetime(2025, 1, 6, 12, 0, tzinfo=UTC)
RETRIABLE = [d for d in Disposition if d not in REFUSALS and not MEANINGS[d].do_not_call]


def decide(
    policy: RetryPolicy, disposition: Disposition, *, answered: bool = False, spent: int = 1, refusals: int = 0
) -> float | Disposition:
    """Seconds to wait, or what the contact came to."""
    decision = policy.decide(disposition, ended_at=ENDED, answered=answered, spent=spent, refusals=refusals)
    if isinstance(decision, Retry):
        return (decision.not_before - ENDED).total_seconds()
    return decision.disposition


@pytest.mark.parametrize(
    ("disposition", "spent", "expected"),
    [
        (D.BUSY, 1, 120.0),
        (D.NO_ANSWER, 2, 120.0),
        (D.NO_ANSWER, 3, D.NO_ANSWER),  # two retries are three attempts
        (D.NO_ANSWER, 4, D.NO_ANSWER),
        (D.VOICEMAIL, 1, D.VOICEMAIL),
        (D.ANSWERED, 1, D.ANSWERED),
        (D.UNWANTED, 1, D.UNWANTED),
        (D.INVALID_NUMBER, 1, D.INVALID_NUMBER),
        (D.UNKNOWN, 1, D.UNKNOWN),
        (D.CARRIER_FAILED, 0, D.CARRIER_FAILED),
    ],
)
def test_by_default_busy_and_no_answer_are_tried_twice_more(
    disposition: Disposition, spent: int, expected: float | Disposition
) -> None:
    assert decide(RetryPolicy(), disposition, spent=spent) == expected


@pytest.mark.parametrize(
    ("disposition", "spent", "seconds"),
    [(D.BUSY, 1, 60), (D.BUSY, 2, 180), (D.BUSY, 3, 540), (D.BUSY, 4, 600), (D.NO_ANSWER, 1, 120), (D.UNKNOWN, 0, 10)],
)
def test_delays_are_per_disposition_and_back_off_up_to_a_bound(
    disposition: Disposition, spent: int, seconds: float
) -> None:
    policy = RetryPolicy(
        max_retries=10,
        retry_on=frozenset({D.BUSY, D.NO_ANSWER, D.UNKNOWN}),
        delays={D.BUSY: 60, D.UNKNOWN: 10},
        backoff=3,
        max_delay_seconds=600,
    )

    assert decide(policy, disposition, spent=spent) == seconds


def test_a_policy_that_is_switched_off_retries_nothing_and_keeps_its_settings() -> None:
    policy = RetryPolicy(max_retries=5, enabled=False)

    assert decide(policy, D.BUSY, spent=1) == D.BUSY
    assert decide(policy, D.RATE_LIMITED, spent=0, refusals=1) == 1, "what was refused has not been tried yet"
    assert RetryPolicy.from_json(policy.to_json()) == policy


@pytest.mark.parametrize("disposition", sorted(REFUSALS))
@pytest.mark.parametrize(
    ("refusals", "expected"),
    [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (20, 60), (21, D.CARRIER_FAILED), (10_000, D.CARRIER_FAILED)],
)
def test_a_refusal_is_due_again_soon_twenty_times(
    disposition: Disposition, refusals: int, expected: float | Disposition
) -> None:
    assert decide(RetryPolicy(max_retries=0), disposition, spent=0, refusals=refusals) == expected


@pytest.mark.parametrize(
    ("answered", "spent", "expected"),
    [(False, 0, 0.0), (False, 2, 0.0), (False, 3, D.CANCELED), (True, 1, D.CANCELED)],
)
def test_our_own_hang_up_before_an_answer_is_tried_again_at_once(
    answered: bool, spent: int, expected: float | Disposition
) -> None:
    for policy in (RetryPolicy(), RetryPolicy(retry_on=frozenset({D.CANCELED}))):
        assert decide(policy, D.CANCELED, answered=answered, spent=spent) == expected


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"max_retries": -1}, "max_retries must be 0 or more, not -1"),
        ({"max_retries": 101}, "max_retries must be at most 100, not 101"),
        ({"delay_seconds": -1}, "delay_seconds must be 0 or more, not -1"),
        ({"delay_seconds": float("nan")}, "delay_seconds must be 0 or more, not nan"),
        ({"delay_seconds": 8 * 86_400}, "delay_seconds must be at most max_delay_seconds"),
        ({"max_delay_seconds": float("inf")}, "max_delay_seconds must be from 0 to"),
        ({"delays": {D.BUSY: -5}}, "the delay for busy must be 0 or more, not -5"),
        ({"delays": {D.VOICEMAIL: 5}}, "voicemail, which is not retried"),
        ({"backoff": 0.5}, "backoff must be 1 or more"),
        ({"backoff": float("nan")}, "backoff must be 1 or more"),
        ({"retry_on": frozenset({D.UNWANTED})}, "retry_on must not name unwanted"),
        ({"retry_on": frozenset({D.CAPACITY})}, "retry_on must not name capacity"),
        ({"retry_on": frozenset({D.RATE_LIMITED, D.BUSY})}, "retry_on must not name rate_limited"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(Invalid) as refusal:
        RetryPolicy(**fields)

    assert says in str(refusal.value)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (None, "expected an object"),
        ({"max_retries": "2"}, "max_retries must be a whole number, not '2'"),
        ({"max_retries": True}, "max_retries must be a whole number, not True"),
        ({"max_attempts": 3}, "unknown field 'max_attempts'; the fields are max_retries, "),
        ({"delay_seconds": "120s"}, "delay_seconds must be a number"),
        ({"retry_on": "busy"}, "retry_on must be a list"),
        ({"retry_on": ["bussy"]}, "retry_on: unknown disposition 'bussy'"),
        ({"retry_on": [None]}, "retry_on: unknown disposition None"),
        ({"retry_on": ["unwanted"]}, "must not name unwanted"),
        ({"delays": [60]}, "delays must be seconds by disposition"),
        ({"delays": {"busy": None}}, "delays busy must be a number"),
        ({"enabled": "no"}, "enabled must be true or false, not 'no'"),
    ],
)
def test_malformed_json_is_refused_by_field_value_and_fix(data: Any, says: str) -> None:
    with pytest.raises(Invalid) as refusal:
        RetryPolicy.from_json(data)

    assert says in str(refusal.value)


def test_missing_keys_are_the_defaults() -> None:
    assert RetryPolicy.from_json({}) == RetryPolicy()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120s", 120),
        ("2m", 120),
        ("1h", 3600),
        ("90", 90),
        ("1.5h", 5400),
        ("500ms", 0.5),
        ("7d", 604_800),
        ("0", 0),
        (" 5 M ", 300),
    ],
)
def test_durations_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "s", "-5s", "1e3", "5 minutes", "1h30", "9" * 400, "366d", "nan", "\u0663s", "1.s"]
)
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(Invalid, match="write e.g. '120s'"):
        parse_duration(text)


# --- properties ----------------------------------------------------------------------------------


@st.composite
def policies(draw: st.DrawFn) -> RetryPolicy:
    longest = draw(st.floats(0, 30 * 86_400))
    delays = st.floats(0, longest)
    retry_on = draw(st.frozensets(st.sampled_from(RETRIABLE)))
    return RetryPolicy(
        max_retries=draw(st.integers(0, 100)),
        delay_seconds=draw(delays),
        retry_on=retry_on,
        delays=draw(st.dictionaries(st.sampled_from(sorted(retry_on)), delays)) if retry_on else {},
        backoff=draw(st.floats(1, 1000)),
        max_delay_seconds=longest,
    )


@given(policies())
def test_json_comes_back_the_same(policy: RetryPolicy) -> None:
    assert RetryPolicy.from_json(policy.to_json()) == policy
    assert hash(RetryPolicy.from_json(policy.to_json())) == hash(policy)


@given(policies(), st.lists(st.tuples(st.sampled_from(Disposition), st.booleans()), max_size=300))
def test_one_budget_whatever_the_order_of_dispositions(
    policy: RetryPolicy, endings: list[tuple[Disposition, bool]]
) -> None:
    spent = refusals = 0
    for disposition, answered in endings:
        refused = disposition in REFUSALS
        spent, refusals = (spent, refusals + 1) if refused else (spent + 1, refusals)
        decision = policy.decide(disposition, ended_at=ENDED, answered=answered, spent=spent, refusals=refusals)
        if isinstance(decision, Finish):
            assert decision.disposition == (D.CARRIER_FAILED if refused else disposition)
            break
        longest = 60 if refused else policy.max_delay_seconds
        assert ENDED <= decision.not_before <= ENDED + timedelta(seconds=longest)
        assert refused or disposition in policy.retry_on or disposition is D.CANCELED

    assert spent <= policy.max_retries + 1
    assert refusals <= 21


@given(policies(), st.integers(1, 100), st.sampled_from(RETRIABLE))
def test_a_later_retry_never_waits_less(policy: RetryPolicy, spent: int, disposition: Disposition) -> None:
    one, other = (decide(policy, disposition, answered=True, spent=n) for n in (spent, spent + 1))

    assert isinstance(other, Disposition) or (isinstance(one, float) and one <= other)
