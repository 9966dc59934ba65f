"""Starts per second, slow start, and shares between campaigns."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialplane.core.pacing import Grant, Pace, Ramp, Want, fair_shares, grant
from dialplane.errors import Invalid

NOW = datetime(2025, 1, 6, 12, 0, tzinfo=UTC)


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


# --- calls per second ----------------------------------------------------------------------------


def test_starts_lie_one_spacing_apart_also_within_a_batch() -> None:
    assert grant([Pace(scope="carrier:1", cps=2)], now=NOW, horizon=seconds(1), at_most=10) == Grant(
        starts=(NOW, NOW + seconds(0.5), NOW + seconds(1)),
        tats={"carrier:1": NOW + seconds(1.5)},
        next_at=NOW + seconds(1.5),
    )


def test_the_slowest_pace_and_the_latest_tat_decide_and_each_scope_keeps_its_own_tat() -> None:
    paces = [
        Pace(scope="organization", cps=10, tat=NOW + seconds(0.3)),
        Pace(scope="carrier:1", cps=1, tat=NOW - seconds(60)),
        Pace(scope="campaign:9", cps=None, tat=NOW + seconds(60)),  # a limit that was taken away
    ]

    assert grant(paces, now=NOW, horizon=seconds(2), at_most=2) == Grant(
        starts=(NOW + seconds(0.3), NOW + seconds(1.3)),
        tats={"organization": NOW + seconds(1.4), "carrier:1": NOW + seconds(2.3)},
        next_at=None,
    )


def test_without_a_limit_all_start_now() -> None:
    assert grant([Pace(scope="a")], now=NOW, horizon=seconds(0), at_most=3) == Grant(starts=(NOW, NOW, NOW))
    assert grant([], now=NOW, horizon=seconds(0), at_most=2) == Grant(starts=(NOW, NOW))


def test_nothing_is_saved_up_while_idle() -> None:
    idle = Pace(scope="a", cps=1, tat=NOW - timedelta(days=1))

    assert grant([idle], now=NOW, horizon=seconds(0), at_most=5).starts == (NOW,)


def test_a_tat_past_the_horizon_grants_nothing_and_moves_nothing() -> None:
    pace = Pace(scope="a", cps=1, tat=NOW + seconds(5))

    assert grant([pace], now=NOW, horizon=seconds(1), at_most=5) == Grant(next_at=NOW + seconds(5))
    assert grant([pace], now=NOW, horizon=seconds(5), at_most=1).starts == (NOW + seconds(5),)


@pytest.mark.parametrize("at_most", [0, -1])
def test_no_wish_no_grant(at_most: int) -> None:
    assert grant([Pace(scope="a", cps=1)], now=NOW, horizon=seconds(1), at_most=at_most) == Grant()


@pytest.mark.parametrize(
    ("cps", "microseconds"),
    [(1, 1_000_000), (3, 333_334), (0.1, 10_000_000), (0.3, 3_333_334), (7, 142_858), (50, 20_000), (5_000_000, 1)],
)
def test_spacing_is_rounded_up_to_the_microsecond(cps: float, microseconds: int) -> None:
    assert Pace(scope="a", cps=cps).spacing == timedelta(microseconds=microseconds)
    assert Pace(scope="a", cps=cps).spacing_seconds == microseconds / 1_000_000


def test_no_limit_has_no_spacing() -> None:
    assert Pace(scope="a").spacing_seconds == 0.0


@pytest.mark.parametrize("cps", [0, -1, 1e-9, float("nan"), float("inf")])
def test_a_pace_that_is_none_is_refused(cps: float) -> None:
    with pytest.raises(Invalid, match="cps must be above 0"):
        Pace(scope="a", cps=cps)


CPS = st.one_of(st.none(), st.floats(min_value=0.01, max_value=2000), st.integers(1, 500))
PACES = st.lists(st.tuples(CPS, st.one_of(st.none(), st.integers(-5_000_000, 5_000_000))), max_size=4).map(
    lambda parts: [
        Pace(scope=str(i), cps=cps, tat=None if tat is None else NOW + timedelta(microseconds=tat))
        for i, (cps, tat) in enumerate(parts)
    ]
)
HORIZONS = st.integers(0, 3_000_000).map(lambda microseconds: timedelta(microseconds=microseconds))


@given(PACES, HORIZONS, st.integers(0, 200))
def test_every_pace_is_kept_and_no_start_given_away(paces: list[Pace], horizon: timedelta, at_most: int) -> None:
    granted = grant(paces, now=NOW, horizon=horizon, at_most=at_most)
    limited = {pace.scope: pace for pace in paces if pace.cps is not None}

    assert len(granted.starts) <= at_most
    assert all(NOW <= start <= NOW + horizon for start in granted.starts)
    assert set(granted.tats) == (set(limited) if granted.starts else set())
    for scope, pace in limited.items():
        starts = granted.starts if pace.tat is None else (pace.tat - pace.spacing, *granted.starts)
        for one, other in pairwise(starts):
            assert other - one >= pace.spacing
            assert Fraction((other - one) // timedelta(microseconds=1), 1_000_000) >= 1 / Fraction(str(pace.cps))
        if granted.starts:
            assert granted.tats[scope] == granted.starts[-1] + pace.spacing

    if len(granted.starts) == at_most:
        assert granted.next_at is None
    else:
        assert granted.next_at is not None
        assert granted.next_at > NOW + horizon
        again = grant(paces, now=NOW, horizon=granted.next_at - NOW, at_most=at_most)
        assert again.starts == (*granted.starts, granted.next_at)  # the very next one, and not a moment earlier


@given(PACES, st.lists(st.tuples(st.integers(0, 500_000), st.integers(0, 5)), min_size=2, max_size=20))
def test_turn_after_turn_the_paces_hold(paces: list[Pace], turns: list[tuple[int, int]]) -> None:
    at = NOW
    started: list[datetime] = []
    for wait, at_most in turns:
        at += timedelta(microseconds=wait)
        granted = grant(paces, now=at, horizon=seconds(0.2), at_most=at_most)
        started += granted.starts
        paces = [Pace(scope=pace.scope, cps=pace.cps, tat=granted.tats.get(pace.scope, pace.tat)) for pace in paces]

    spacing = max((pace.spacing for pace in paces), default=timedelta(0))
    if spacing:
        assert all(other - one >= spacing for one, other in pairwise(started))


# --- slow start ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cap", "after", "lines", "next_after"),
    [
        (100, -3, 10, 10),  # a start that lies ahead by another machine's clock
        (100, 0, 10, 10),
        (100, 9.999999, 10, 10),
        (100, 10, 20, 20),
        (100, 30, 80, 40),
        (100, 40, 100, None),
        (100, 1e8, 100, None),
        (20, 0, 5, 10),
        (20, 10, 10, 20),
        (20, 20, 20, None),
        (3, 0, 3, None),
        (0, 0, 0, None),
        (-1, 0, 0, None),
    ],
)
def test_lines_double_up_to_the_cap(cap: int, after: float, lines: int, next_after: float | None) -> None:
    ramp = Ramp(enabled=True)

    assert ramp.lines(cap, NOW, NOW + seconds(after)) == lines
    assert ramp.next_step_at(cap, NOW, NOW + seconds(after)) == (
        None if next_after is None else NOW + seconds(next_after)
    )


@pytest.mark.parametrize(("ramp", "since"), [(Ramp(enabled=False), NOW), (Ramp(enabled=True), None)])
def test_without_a_ramp_or_a_start_all_lines_are_free(ramp: Ramp, since: datetime | None) -> None:
    assert ramp.lines(100, since, NOW) == 100
    assert ramp.next_step_at(100, since, NOW) is None


def test_a_share_is_exact() -> None:
    assert Ramp(enabled=True, share=0.29, min_lines=1).lines(100, NOW, NOW) == 29


@pytest.mark.parametrize(
    "field",
    [{"share": -0.1}, {"share": 10}, {"share": float("nan")}, {"min_lines": 0}]
    + [{"double_every_seconds": 0}, {"double_every_seconds": float("inf")}],
)
def test_a_ramp_that_cannot_rise_is_refused(field: dict[str, float]) -> None:
    with pytest.raises(Invalid, match="ramp: "):
        Ramp(enabled=True, **field)  # type: ignore[arg-type]


@given(
    st.builds(
        Ramp,
        enabled=st.booleans(),
        share=st.floats(0, 1),
        min_lines=st.integers(1, 50),
        double_every_seconds=st.floats(0.001, 3600),
    ),
    st.integers(0, 10_000),
    st.integers(0, 10_000_000_000).map(lambda microseconds: timedelta(microseconds=microseconds)),
)
def test_a_ramp_never_exceeds_the_cap_and_grows_exactly_at_its_next_step(
    ramp: Ramp, cap: int, after: timedelta
) -> None:
    now = NOW + after
    lines = ramp.lines(cap, NOW, now)
    step = ramp.next_step_at(cap, NOW, now)

    assert min(cap, 1) <= lines <= cap
    assert (step is None) is (lines == cap)
    if step is not None:
        assert step > now
        assert ramp.lines(cap, NOW, step - timedelta(microseconds=1)) == lines
        assert ramp.lines(cap, NOW, step) > lines


# --- fair shares ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wants", "room", "shares"),
    [
        ({}, 5, {}),
        ({1: Want(open=0, limit=9)}, 5, {1: 5}),
        ({1: Want(open=0, limit=9)}, 0, {1: 0}),
        ({1: Want(open=0, limit=9)}, -3, {1: 0}),
        ({2: Want(open=0, limit=9), 1: Want(open=0, limit=9)}, 5, {1: 3, 2: 2}),  # the odd one by key
        ({1: Want(open=0, limit=1), 2: Want(open=0, limit=9)}, 6, {1: 1, 2: 5}),  # what one leaves, another gets
        ({1: Want(open=8, limit=9), 2: Want(open=0, limit=9)}, 6, {1: 0, 2: 6}),  # calls in flight count
        ({1: Want(open=4, limit=9), 2: Want(open=0, limit=9)}, 6, {1: 1, 2: 5}),
        ({1: Want(open=3, limit=0), 2: Want(open=5, limit=2)}, 100, {1: 0, 2: 2}),
        ({1: Want(open=3, limit=-2), 2: Want(open=5, limit=2)}, 1, {1: 0, 2: 1}),
    ],
)
def test_the_one_with_the_fewest_calls_is_raised_first(
    wants: dict[int, Want], room: int, shares: dict[int, int]
) -> None:
    assert fair_shares(wants, room) == shares


def line_by_line(wants: dict[int, Want], room: int) -> dict[int, int]:
    """The definition: give one line after the other to whoever has the fewest."""
    shares = dict.fromkeys(wants, 0)
    for _ in range(room):
        hungry = [key for key, want in wants.items() if shares[key] < want.limit]
        if not hungry:
            break
        shares[min(hungry, key=lambda key: (wants[key].open + shares[key], key))] += 1
    return shares


WANTS = st.dictionaries(
    st.integers(0, 50), st.builds(Want, open=st.integers(0, 20), limit=st.integers(-1, 20)), max_size=12
)


@settings(max_examples=500)
@given(WANTS, st.integers(-1, 150))
def test_shares_are_those_of_giving_line_by_line(wants: dict[int, Want], room: int) -> None:
    shares = fair_shares(wants, room)

    assert shares == line_by_line(wants, room)
    assert sum(shares.values()) == min(max(room, 0), sum(max(want.limit, 0) for want in wants.values()))
    assert all(0 <= shares[key] <= max(want.limit, 0) for key, want in wants.items())


def test_a_thousand_campaigns_and_ten_thousand_lines_are_shared_at_once() -> None:
    wants = {key: Want(open=key % 37, limit=key * 7 % 1000) for key in range(1000)}

    started = time.perf_counter()
    shares = fair_shares(wants, 10_000)

    assert sum(shares.values()) == 10_000
    assert time.perf_counter() - started < 0.2  # 6 ms measured; room for a busy machine
