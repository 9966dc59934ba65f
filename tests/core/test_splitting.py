"""Contacts over versions of an agent: always the same one, as many as the weights say, few that move."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialplane.core.splitting import AgentSplit
from dialplane.errors import Invalid

SEED = UUID("6f1a3c52-0e6b-4c1e-9d7a-2b8f4e5d6c7b")
CONTACTS = range(1, 10_001)
IN_FORCE = 9

weights = st.dictionaries(st.integers(1, 50), st.integers(1, 1000), min_size=1, max_size=6)
contact_ids = st.integers(1, 2**63 - 1)


def chosen(weights: dict[int, int], contact_id: int, seed: UUID = SEED) -> int:
    return AgentSplit(weights=weights).version_for(contact_id, seed=seed, in_force=IN_FORCE)


def test_the_version_of_a_contact_is_the_same_in_every_release() -> None:
    versions = [chosen({3: 80, 4: 20}, contact_id) for contact_id in range(1, 31)]

    assert versions == [
        3, 4, 3, 4, 4, 3, 3, 3, 3, 3, 3, 3, 4, 3, 3, 3, 3, 3, 3, 3, 4, 3, 3, 3, 4, 3, 4, 4, 3, 3,
    ]  # fmt: skip


def test_without_a_split_the_version_in_force_speaks() -> None:
    assert chosen({}, 1) == IN_FORCE


def test_one_version_alone_speaks_with_everybody() -> None:
    assert {chosen({3: 1}, contact_id) for contact_id in range(100)} == {3}


def test_shares_come_out_as_the_weights_say() -> None:
    assert Counter(chosen({3: 80, 4: 20}, contact_id) for contact_id in CONTACTS) == {3: 7943, 4: 2057}
    counted = Counter(chosen({1: 5, 2: 3, 7: 2}, contact_id) for contact_id in CONTACTS)
    for version, share in ((1, 0.5), (2, 0.3), (7, 0.2)):
        assert counted[version] / len(CONTACTS) == pytest.approx(share, abs=0.02)


def test_another_campaign_splits_its_contacts_otherwise() -> None:
    other = UUID(int=SEED.int + 1)

    same = sum(chosen({1: 1, 2: 1}, c) == chosen({1: 1, 2: 1}, c, other) for c in CONTACTS)

    assert same / len(CONTACTS) == pytest.approx(0.5, abs=0.02)


@given(weights, contact_ids, st.uuids(), st.integers(2, 100))
def test_it_is_one_of_the_versions_whatever_their_order_and_the_unit_of_the_weights(
    weights: dict[int, int], contact_id: int, seed: UUID, unit: int
) -> None:
    version = chosen(weights, contact_id, seed)

    assert version in weights
    assert chosen(dict(reversed(weights.items())), contact_id, seed) == version
    assert chosen({v: w * unit for v, w in weights.items()}, contact_id, seed) == version


@given(weights, contact_ids, st.integers(1, 50), st.integers(1, 1000))
def test_a_version_that_is_added_or_grows_takes_contacts_and_moves_no_others(
    weights: dict[int, int], contact_id: int, version: int, more: int
) -> None:
    grown = weights | {version: weights.get(version, 0) + more}

    assert chosen(grown, contact_id) in (chosen(weights, contact_id), version)


@given(weights.filter(lambda w: len(w) > 1), contact_ids)
def test_a_version_that_is_left_out_gives_away_its_own_contacts_alone(weights: dict[int, int], contact_id: int) -> None:
    gone = min(weights)
    left = {version: weight for version, weight in weights.items() if version != gone}

    before = chosen(weights, contact_id)

    assert before == gone or chosen(left, contact_id) == before


def test_of_two_versions_as_many_contacts_move_as_the_shares_differ() -> None:
    moves = Counter((chosen({3: 80, 4: 20}, c), chosen({3: 70, 4: 30}, c)) for c in CONTACTS)

    assert moves[4, 3] == 0
    assert moves[3, 4] / len(CONTACTS) == pytest.approx(0.10, abs=0.01)


@given(weights)
def test_what_is_kept_and_what_is_written_come_back(weights: dict[int, int]) -> None:
    split = AgentSplit(weights=weights)

    assert AgentSplit.from_json(split.to_json()) == AgentSplit.parse(split.describe()) == split
    assert sum(split.share(version) for version in weights) == pytest.approx(1)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("3", "'3' is not understood; write 3:80,4:20"),
        ("3:80;4:20", "'3:80;4:20' is not understood"),
        ("3:80,3:20", "version 3 is named twice"),
        ("3:0", "the weight of version 3 must be 1 to 1,000,000, not 0; leave out"),
        ("0:1", "version 0 cannot be one"),
        (",".join(f"{version}:1" for version in range(1, 22)), "20 versions at most, not 21"),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, fault: str) -> None:
    with pytest.raises(Invalid, match=f"agent_versions: {fault}"):
        AgentSplit.parse(text)


def test_an_empty_text_is_no_split() -> None:
    assert AgentSplit.parse(" ") == AgentSplit()
