"""Caller IDs in turn, never more lines on one than it may carry."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialplane.core.numbers import CallerId, NumberPool
from dialplane.errors import Invalid


def pool(*max_lines: int | None) -> NumberPool:
    """Caller IDs 1, 2, 3, … with these limits."""
    return NumberPool(
        caller_ids=tuple(CallerId(id=i, e164=f"+1415555010{i}", max_lines=m) for i, m in enumerate(max_lines, 1))
    )


@pytest.mark.parametrize(
    ("numbers", "count", "open_lines", "rotation", "assigned", "rotation_after"),
    [
        (pool(None, None, None), 4, {}, 0, [1, 2, 3, 1], 1),
        (pool(None, None, None), 2, {}, 2, [3, 1], 1),
        (pool(None, None, None), 0, {}, 2, [], 2),
        (pool(1, None, 2), 6, {}, 0, [1, 2, 3, 2, 3, 2], 2),
        (pool(1, 1, 2), 6, {3: 1}, 1, [2, 3, 1], 1),
        (pool(1, 1), 5, {1: 1, 2: 4}, 1, [], 1),
        (pool(None, None), 1, {}, 7, [2], 0),  # the pool was larger before
        (pool(), 5, {}, 3, [], 3),
    ],
)
def test_caller_ids_take_turns_and_full_ones_are_skipped(
    numbers: NumberPool,
    count: int,
    open_lines: dict[int, int],
    rotation: int,
    assigned: list[int],
    rotation_after: int,
) -> None:
    chosen, after = numbers.assign(count, open_lines, rotation)

    assert [caller_id.id for caller_id in chosen] == assigned
    assert after == rotation_after


@pytest.mark.parametrize(
    ("numbers", "open_lines", "room"),
    [
        (pool(2, 3), {}, 5),
        (pool(2, 3), {1: 1, 2: 9, 77: 5}, 1),
        (pool(2, None), {1: 2}, None),
        (pool(), {}, 0),
    ],
)
def test_room_is_what_all_can_still_carry(numbers: NumberPool, open_lines: dict[int, int], room: int | None) -> None:
    assert numbers.room(open_lines) == room


def test_a_number_that_does_not_rotate_is_for_those_who_have_it_as_their_own() -> None:
    numbers = NumberPool(
        caller_ids=(
            CallerId(id=1, e164="+14155550101", max_lines=2),
            CallerId(id=2, e164="+14155550102", max_lines=3, rotates=False),
        )
    )

    chosen, _ = numbers.assign(5, {}, 0)

    assert [caller_id.id for caller_id in chosen] == [1, 1]
    assert (numbers.room({}), numbers.room({2: 1}, rotating=False, own={2}), numbers.room({1: 2}, own={2})) == (2, 2, 3)
    own = numbers.own(2)
    assert own is not None
    assert (own.free({2: 3}), numbers.own(9)) == (0, None)


def test_a_number_without_lines_is_refused() -> None:
    with pytest.raises(Invalid, match=r"max_lines of \+14155550100 must be 1 or more, not 0"):
        CallerId(id=1, e164="+14155550100", max_lines=0)


def test_the_same_number_twice_is_refused() -> None:
    with pytest.raises(Invalid, match="each may be named once"):
        NumberPool(caller_ids=(CallerId(id=1, e164="+14155550100"), CallerId(id=1, e164="+14155550100")))


@given(
    st.lists(st.one_of(st.none(), st.integers(1, 5)), max_size=8).map(lambda limits: pool(*limits)),
    st.integers(0, 40),
    st.dictionaries(st.integers(1, 8), st.integers(0, 6)),
    st.integers(0, 20),
)
def test_no_number_is_overloaded_no_line_is_left_and_turns_are_even(
    numbers: NumberPool, count: int, open_lines: dict[int, int], rotation: int
) -> None:
    chosen, after = numbers.assign(count, open_lines, rotation)
    used = Counter(caller_id.id for caller_id in chosen)
    room = numbers.room(open_lines)

    assert len(chosen) == (count if room is None else min(count, room))
    for caller_id in numbers.caller_ids:
        if caller_id.max_lines is not None and used[caller_id.id]:
            assert open_lines.get(caller_id.id, 0) + used[caller_id.id] <= caller_id.max_lines
    unlimited = [used[caller_id.id] for caller_id in numbers.caller_ids if caller_id.max_lines is None]
    assert not unlimited or max(unlimited) - min(unlimited) <= 1

    # one call at a time gives the same numbers
    one_by_one, lines = [], Counter(open_lines)
    for _ in range(len(chosen)):
        (caller_id,), rotation = numbers.assign(1, lines, rotation)
        lines[caller_id.id] += 1
        one_by_one.append(caller_id)
    assert one_by_one == chosen
    assert rotation == after
