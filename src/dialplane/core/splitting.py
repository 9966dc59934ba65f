"""contact, versions of the campaign's agent with their weights -> the version that speaks with this contact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from math import log
from typing import Any, Final, Self
from uuid import UUID

from dialplane.errors import Invalid

MOST_VERSIONS: Final = 20  # each one costs a hash for each call
MOST_WEIGHT: Final = 1_000_000
HIGHEST_VERSION: Final = 2**31 - 1
FORM: Final = "write 3:80,4:20 for version 3 with 80 and version 4 with 20 parts"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSplit:
    """weights: version -> how many parts of the contacts it speaks with. Empty: the version in force speaks with all.

    With one version alone the campaign stays with it, whatever is published.
    """

    weights: Mapping[int, int] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if len(self.weights) > MOST_VERSIONS:
            raise Invalid(f"agent_versions: {MOST_VERSIONS} versions at most, not {len(self.weights)}; leave some out")
        for version, weight in self.weights.items():
            if not 1 <= version <= HIGHEST_VERSION:
                raise Invalid(f"agent_versions: version {version} cannot be one; versions count from 1")
            if not 1 <= weight <= MOST_WEIGHT:
                raise Invalid(
                    f"agent_versions: the weight of version {version} must be 1 to {MOST_WEIGHT:,}, not {weight}; "
                    "leave out a version that is to speak with nobody"
                )

    def version_for(self, contact_id: int, *, seed: UUID, in_force: int) -> int:
        """The version that speaks with this contact, on each of its calls the same one. seed: of the campaign.

        Weighted rendezvous hashing: every version draws from the seed and the contact, and the least -ln(draw)/weight
        speaks. New weights move a contact only to a version that has grown against its own: a new version takes its
        share from all in proportion, one that is left out gives away its own contacts alone, and of two versions as
        many move as the shares differ. Where several weights change at once, no rule that looks at the new weights
        alone can do better for all changes: Moulton and Jiang, Maximally Consistent Sampling (2018).
        """
        if not self.weights:
            return in_force
        return min(
            self.weights, key=lambda version: (_wait(seed, contact_id, version) / self.weights[version], version)
        )

    def share(self, version: int) -> float:
        """Of the contacts, the part that it speaks with.

        >>> AgentSplit(weights={3: 80, 4: 20}).share(4)
        0.2
        """
        return self.weights.get(version, 0) / sum(self.weights.values()) if self.weights else 0.0

    def describe(self) -> str:
        """
        >>> AgentSplit(weights={4: 20, 3: 80}).describe()
        '3:80,4:20'
        """
        return ",".join(f"{version}:{weight}" for version, weight in sorted(self.weights.items()))

    @classmethod
    def parse(cls, text: str) -> Self:
        """What `describe` made; "" is none. Raises Invalid."""
        return cls._of([_pair(part) for part in text.split(",")] if text.strip() else [])

    def to_json(self) -> list[dict[str, int]]:
        """[{"version": 3, "weight": 80}, {"version": 4, "weight": 20}]"""
        return [{"version": version, "weight": weight} for version, weight in sorted(self.weights.items())]

    @classmethod
    def from_json(cls, data: Sequence[Mapping[str, Any]]) -> Self:
        """What `to_json` made. Raises Invalid."""
        return cls._of([(share["version"], share["weight"]) for share in data])

    @classmethod
    def _of(cls, pairs: Sequence[tuple[int, int]]) -> Self:
        weights = dict(pairs)
        if len(weights) < len(pairs):
            twice = next(version for version in weights if [each for each, _ in pairs].count(version) > 1)
            raise Invalid(f"agent_versions: version {twice} is named twice; give it one weight")
        return cls(weights=weights)


def _wait(seed: UUID, contact_id: int, version: int) -> float:
    """-ln of a draw from (0, 1]."""
    digest = blake2b(f"{seed}/{contact_id}/{version}".encode(), digest_size=8).digest()
    return -log(((int.from_bytes(digest) >> 11) + 1) / 2**53)


def _pair(text: str) -> tuple[int, int]:
    version, _, weight = text.partition(":")
    try:
        return int(version), int(weight)
    except ValueError:
        raise Invalid(f"agent_versions: '{text}' is not understood; {FORM}") from None
