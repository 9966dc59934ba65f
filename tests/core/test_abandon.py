"""When a call counts as abandoned, to which day, and when there are too many of them."""

from __future__ import annotations

import doctest
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialplane.core import abandon
from dialplane.core.abandon import AbandonDay, AbandonRule, day_of, is_abandoned, start_of
from dialplane.errors import Invalid

SECONDS = st.floats(0, 3600)
RULES = st.builds(
    AbandonRule,
    enabled=st.booleans(),
    max_rate=st.floats(0.001, 0.999),
    min_calls=st.integers(1, 500),
    pause=st.none() | st.booleans(),
)


@pytest.mark.parametrize(
    ("first_word", "talk", "hung_up", "abandoned"),
    [
        (0.4, 30.0, False, False),
        (2.0, 30.0, False, False),
        (2.001, 30.0, False, True),
        (0.4, 1.0, True, False),  # they were spoken to; how it went on is another matter
        (None, 1.999, False, False),  # they hung up before anybody was late
        (None, 2.0, False, True),
        (None, 0.1, True, True),
    ],
)
def test_a_call_is_abandoned_where_nobody_speaks_within_two_seconds(
    first_word: float | None, talk: float, hung_up: bool, abandoned: bool
) -> None:
    assert is_abandoned(first_word, talk, hung_up=hung_up) is abandoned


@given(SECONDS, SECONDS, SECONDS, st.booleans())
def test_to_speak_earlier_never_makes_it_worse(sooner: float, later: float, talk: float, hung_up: bool) -> None:
    sooner, later = sorted((sooner, later))

    assert is_abandoned(sooner, talk, hung_up=hung_up) <= is_abandoned(later, talk, hung_up=hung_up)


@given(st.none() | SECONDS, SECONDS)
def test_who_hangs_up_on_somebody_is_never_better_off_for_it(first_word: float | None, talk: float) -> None:
    assert is_abandoned(first_word, talk, hung_up=False) <= is_abandoned(first_word, talk, hung_up=True)


@given(RULES, st.integers(0, 5000), st.data())
def test_it_is_exceeded_by_more_than_the_rate_of_enough_calls(
    rule: AbandonRule, answered: int, data: st.DataObject
) -> None:
    abandoned = data.draw(st.integers(0, answered))

    exceeded = rule.is_exceeded(answered, abandoned)

    if exceeded:
        assert rule.enabled and answered >= rule.min_calls
        assert Fraction(abandoned, answered) > Fraction(rule.max_rate) * Fraction(999_999, 1_000_000)
        assert rule.is_exceeded(answered + 1, abandoned + 1), "one more abandoned call does not help"
    assert not (exceeded and rule.is_open(answered, abandoned))


@given(st.integers(1, 5000))
def test_three_of_a_hundred_are_allowed_however_many_hundreds(hundreds: int) -> None:
    rule = AbandonRule()

    assert not rule.is_exceeded(100 * hundreds, 3 * hundreds)
    assert rule.is_exceeded(100 * hundreds, 3 * hundreds + 1)


def test_fewer_calls_than_count_keep_it_open_once_one_was_abandoned() -> None:
    rule = AbandonRule(min_calls=50)

    assert rule.is_open(49, 1) and not rule.is_open(50, 1) and not rule.is_open(49, 0)
    assert not AbandonRule(enabled=False).is_open(1, 1)


def test_unless_told_it_pauses_where_people_hear_the_silence() -> None:
    assert AbandonRule().pauses(carries_sound=True) and not AbandonRule().pauses(carries_sound=False)
    assert AbandonRule(pause=True).pauses(carries_sound=False) and not AbandonRule(pause=False).pauses(
        carries_sound=True
    )


@given(st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)), st.sampled_from(["America/New_York", "Asia/Kolkata", "contact", "UTC"]))  # fmt: skip  # noqa: E501
def test_a_call_counts_to_the_day_that_has_begun(at: datetime, timezone: str) -> None:
    day = day_of(at, timezone)

    assert start_of(day, timezone) <= at < start_of(day + timedelta(days=1), timezone)


def test_where_each_contact_has_a_zone_the_day_is_that_of_utc() -> None:
    assert day_of(datetime(2026, 12, 1, 23, tzinfo=UTC), "contact") == date(2026, 12, 1)


@given(RULES)
def test_what_is_stored_comes_back(rule: AbandonRule) -> None:
    assert AbandonRule.from_json(rule.to_json()) == rule
    assert AbandonRule.from_json({}) == AbandonRule()


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ([], "expected an object"),
        ({"maximum": 1}, "unknown field 'maximum'; the fields are enabled, max_rate, min_calls, pause"),
        ({"max_rate": True}, "max_rate must be a number"),
        ({"max_rate": 3}, "max_rate must be above 0 and below 1"),
        ({"min_calls": 0}, "min_calls must be 1 or more"),
        ({"min_calls": 2.5}, "min_calls must be a whole number"),
        ({"pause": "yes"}, "pause must be true, false, or null"),
        ({"enabled": None}, "enabled must be true or false"),
    ],
)
def test_what_is_not_understood_is_refused(data: object, complaint: str) -> None:
    with pytest.raises(Invalid, match=complaint):
        AbandonRule.from_json(data)  # type: ignore[arg-type]


def test_a_day_says_what_it_was() -> None:
    assert str(AbandonDay(day=date(2026, 12, 1), answered=1200, abandoned=54)) == (
        "54 of 1,200 answered calls (4.5 %) on 2026-12-01"
    )
    assert AbandonDay(day=date(2026, 12, 1), answered=0, abandoned=0).rate == 0


def test_examples_hold() -> None:
    assert doctest.testmod(abandon).failed == 0
