"""What came of a campaign's calls, by hour, attempt, number, country, zone and agent; how long people talked."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeVar

import asyncpg

from dialplane.core.window import CONTACT
from dialplane.engine.campaigns import Campaigns
from dialplane.engine.numbering import region_of
from dialplane.errors import EnvironmentFault
from dialplane.ports import Clock
from dialplane.store.postgres import Connection, Database, Row, rows, sql

MOST_SECONDS: Final = 20  # of one count; a million attempts take about three
KEPT_FOR_TIMES: Final = 20  # as long as it took to count: no more than a twentieth of a processor goes into it
MOST_KEPT: Final = 50  # campaigns
LATEST: Final = 100_000  # calls whose gathered answers are counted
MOST_ANSWERS: Final = 20  # of one field that are shown
COUNTING: Final = f"SET LOCAL statement_timeout = '{MOST_SECONDS}s'; SET LOCAL work_mem = '32MB'"
Key = TypeVar("Key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Calls that have something in common. placed: of these, those that the carrier accepted. answered: by a person."""

    calls: int = 0
    placed: int = 0
    answered: int = 0

    def __add__(self, other: Share) -> Share:
        return Share(
            calls=self.calls + other.calls,
            placed=self.placed + other.placed,
            answered=self.answered + other.answered,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """How long the answered calls lasted, those with a machine too. seconds: whole ones -> calls."""

    seconds: Mapping[int, int]

    @property
    def calls(self) -> int:
        return sum(self.seconds.values())

    @property
    def longest(self) -> int | None:
        return max(self.seconds, default=None)

    @property
    def median(self) -> int | None:
        """
        >>> Talk(seconds={10: 2, 60: 1}).median
        10
        """
        left = (self.calls + 1) // 2
        for length in sorted(self.seconds):
            left -= self.seconds[length]
            if left <= 0:
                return length
        return None

    def spans(self, bounds: Sequence[int]) -> list[int]:
        """Calls from each bound up to the next one; the last has no end.

        >>> Talk(seconds={3: 1, 10: 2, 400: 1}).spans((0, 10, 60))
        [1, 2, 1]
        """
        counts = [0] * len(bounds)
        for length, calls in self.seconds.items():
            counts[max(at for at, bound in enumerate(bounds) if bound <= max(length, 0))] += calls
        return counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """What the agent gathered under one name. answers: its most frequent ones. total: of all its answers.

    different: how many different ones there are.
    """

    name: str
    answers: Sequence[tuple[str, int]]
    total: int
    different: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionResults:
    """Of the calls with one version of the agent.

    contacts: whose last call so far was with it; reached: of these. talk_seconds: mean of the calls that were picked
    up; None for none. cost: of the agent's services, None where nobody knows. Fields are of the latest calls.
    """

    version: int
    share: Share
    contacts: int
    reached: int
    talk_seconds: float | None
    cost: float | None
    fields: Sequence[Field]


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignResults:
    """zone: of the hours; None: those of each contact's own. at: when this was counted.

    hours: by day, 0 being Monday, and hour. countries: by region, such as 'US'; '' is none. zones: () is unknown.
    Fields are of the latest calls. versions: of the agent, those that were called with. labels: calls by the agent's
    own word for what came of them. cost: as in `VersionResults`.
    """

    zone: str | None
    at: datetime
    total: Share
    dispositions: Mapping[str, int]
    hours: Mapping[tuple[int, int], Share]
    attempts: Mapping[int, Share]
    from_numbers: Mapping[str, Share]
    countries: Mapping[str, Share]
    zones: Mapping[tuple[str, ...], Share]
    talk: Talk
    labels: Mapping[str, int]
    cost: float | None
    fields: Sequence[Field]
    versions: Sequence[VersionResults]


class Results:
    """Of one organization's campaigns. An answer is kept in memory for a while; one at a time is counted."""

    def __init__(self, database: Database, clock: Clock, organization_id: int, campaigns: Campaigns) -> None:
        self._database = database
        self._clock = clock
        self._of = {"organization_id": organization_id}
        self._campaigns = campaigns
        self._counting = asyncio.Lock()
        self._kept: dict[int, tuple[datetime, CampaignResults]] = {}

    async def campaign(self, campaign_id: int) -> CampaignResults:
        """Raises NotFound; EnvironmentFault where it takes too long."""
        window = (await self._campaigns.get(campaign_id)).policies.window
        zone = None if window.timezone == CONTACT else window.timezone
        async with self._counting:
            until, found = self._kept.pop(campaign_id, (None, None))
            if until is None or found is None or found.zone != zone or self._clock.now() >= until:
                begun = time.monotonic()
                found = await self._count(campaign_id, zone)
                until = self._clock.now() + timedelta(seconds=KEPT_FOR_TIMES * (time.monotonic() - begun))
            self._kept[campaign_id] = (until, found)
            while len(self._kept) > MOST_KEPT:
                del self._kept[next(iter(self._kept))]
        return found

    async def _count(self, campaign_id: int, zone: str | None) -> CampaignResults:
        of = {"campaign_id": campaign_id, **self._of}
        try:
            async with self._database.snapshot() as connection:
                await connection.execute(COUNTING)
                counted = await rows(sql.results_of_campaign(connection, zone=zone, **of))
                gathered = await rows(sql.gathered_in_campaign(connection, latest=LATEST, most=MOST_ANSWERS, **of))
                zones = await self._zones(connection, counted)
        except (asyncpg.QueryCanceledError, TimeoutError) as fault:
            raise EnvironmentFault(
                f"to count these calls takes more than {MOST_SECONDS} seconds at present; try again when the database "
                "has less to do, or download the report"
            ) from fault
        return _results(counted, gathered, zones, zone, self._clock.now())

    async def _zones(self, connection: Connection, counted: Iterable[Row]) -> dict[str, tuple[str, ...]]:
        ids = [int(row["key"]) for row in counted if row["measure"] == "zones"]
        found = await rows(sql.zone_groups(connection, ids=ids, **self._of))
        return {str(row["id"]): tuple(row["zones"]) for row in found}


def _results(
    counted: Sequence[Row],
    gathered: Sequence[Row],
    zones: Mapping[str, tuple[str, ...]],
    zone: str | None,
    at: datetime,
) -> CampaignResults:
    measures: defaultdict[str, dict[str, Share]] = defaultdict(dict)
    countries: defaultdict[str, Share] = defaultdict(Share)
    for row in counted:
        if row["key"] is None:
            continue  # calls that nobody answered have no length, and many no label
        share = _share(row)
        measures[row["measure"]][row["key"]] = share
        if row["measure"] == "area":
            countries[region_of(row["example"]) or ""] += share
    versions = sorted(
        (_version(row, gathered) for row in counted if row["measure"] == "version"), key=lambda each: each.version
    )
    dispositions = Counter({name: share.calls for name, share in measures["disposition"].items()})
    return CampaignResults(
        zone=zone,
        at=at,
        total=sum(measures["disposition"].values(), Share()),
        dispositions=dict(dispositions.most_common()),
        hours={divmod(int(hour), 24): share for hour, share in measures["week_hour"].items()},
        attempts={int(number): share for number, share in sorted(measures["number"].items(), key=lambda n: int(n[0]))},
        from_numbers=_largest(measures["from_number"]),
        countries=_largest(countries),
        zones=_largest({zones[key]: share for key, share in measures["zones"].items()}),
        talk=Talk(seconds={int(length): share.calls for length, share in measures["seconds"].items()}),
        labels={label: share.calls for label, share in _largest(measures["label"]).items()},
        cost=sum(costs) if (costs := [each.cost for each in versions if each.cost is not None]) else None,
        fields=_fields(gathered, 0),
        versions=versions,
    )


def _version(row: Row, gathered: Sequence[Row]) -> VersionResults:
    version = int(row["key"])
    return VersionResults(
        version=version,
        share=_share(row),
        contacts=row["contacts"],
        reached=row["reached"],
        talk_seconds=row["talk_seconds"],
        cost=row["cost"],
        fields=_fields(gathered, version),
    )


def _share(row: Row) -> Share:
    return Share(calls=row["calls"], placed=row["placed"], answered=row["answered"])


def _largest(shares: Mapping[Key, Share]) -> dict[Key, Share]:
    return dict(sorted(shares.items(), key=lambda each: -each[1].calls))


def _fields(gathered: Iterable[Row], version: int) -> list[Field]:
    """version: of the agent; 0: of all together."""
    fields: dict[str, Field] = {}
    for row in gathered:
        if row["version"] != version:
            continue
        known = fields.get(row["field"]) or Field(
            name=row["field"], answers=(), total=row["answers"], different=row["values"]
        )
        fields[row["field"]] = replace(known, answers=(*known.answers, (row["value"], row["calls"])))
    return list(fields.values())
