"""How the calls of a campaign go: over time, and of late. From indexes, at most some ten thousand entries of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from dialplane.core.abandon import AbandonDay, day_of
from dialplane.core.campaign import CampaignState
from dialplane.core.disposition import BREAKER_FAULTS
from dialplane.engine.views import CampaignRecord, Progress
from dialplane.ports import Clock
from dialplane.store.postgres import Database, rows, sql
from dialplane.store.records import RecentCalls
from dialplane.store.turn import see

SLOTS: Final = 60
MOST_CALLS: Final = 50_000  # that one answer counts; a campaign with more shows the latest
SLOT_SECONDS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)
LATELY: Final = timedelta(minutes=3)
MOST_LATELY: Final = 1_000
KEPT: Final = timedelta(seconds=1)  # one answer for all who look
MOST_KEPT: Final = 100
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Ended calls by disposition, slot by slot. whole: False: there were more before `from_at`."""

    from_at: datetime
    slot_seconds: int
    calls: Mapping[str, Sequence[int]]
    whole: bool

    def starts(self) -> list[datetime]:
        """Of the slots."""
        slots = len(next(iter(self.calls.values()), ()))
        return [self.from_at + timedelta(seconds=self.slot_seconds * place) for place in range(slots)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lately:
    """per_minute: calls that ended; None: it does not run, or has just begun. breaker: what it looks at."""

    per_minute: float | None
    breaker: RecentCalls
    abandoned: AbandonDay


class Timelines:
    """Of the campaigns of one organization."""

    def __init__(self, database: Database, clock: Clock, organization_id: int) -> None:
        self._database = database
        self._clock = clock
        self._organization_id = organization_id
        self._kept: dict[int, tuple[datetime, Timeline]] = {}

    async def of(self, campaign: CampaignRecord) -> Timeline:
        """Its calls from the start on, or the latest MOST_CALLS of them, in at most SLOTS slots."""
        now = self._clock.now()
        kept = self._kept.get(campaign.id)
        if kept is not None and now - kept[0] < KEPT:
            return kept[1]
        timeline = await self._count(campaign, now)
        self._kept.pop(campaign.id, None)
        self._kept[campaign.id] = (now, timeline)
        if len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return timeline

    async def _count(self, campaign: CampaignRecord, now: datetime) -> Timeline:
        of = {"organization_id": self._organization_id, "campaign_id": campaign.id}
        async with self._database.snapshot() as connection:
            last_at = await sql.ended_call_at(connection, place=0, **of)
            cut_at = await sql.ended_call_at(connection, place=MOST_CALLS, **of)
            ends = [last_at, now if campaign.state is CampaignState.RUNNING else None]
            until = max((at for at in ends if at is not None), default=campaign.created_at)
            since = cut_at or campaign.started_at or until
            seconds = slot_seconds(since, until)
            from_at, slots = _aligned(since, until, seconds, whole=cut_at is None)
            until_at = from_at + timedelta(seconds=seconds * slots)
            counted = sql.calls_over_time(connection, from_at=from_at, until_at=until_at, seconds=seconds, **of)
            found = await rows(counted)
        calls: dict[str, list[int]] = {}
        for row in found:
            place = round((row["slot"] - from_at).total_seconds()) // seconds
            calls.setdefault(row["disposition"], [0] * slots)[place] = row["calls"]
        return Timeline(from_at=from_at, slot_seconds=seconds, calls=calls, whole=cut_at is None)

    async def lately(self, campaign: CampaignRecord) -> Lately:
        breaker, zone = campaign.policies.breaker, campaign.policies.window.timezone
        async with see(self._database, self._organization_id, self._clock.instant()) as turn:
            since = max(turn.now - LATELY, campaign.resumed_at or campaign.created_at)
            recent = await sql.recent_pace(
                turn.connection,
                organization_id=self._organization_id,
                campaign_id=campaign.id,
                since=since,
                most=MOST_LATELY,
            )
            watched = await turn.recent_calls(
                breaker.since(turn.now, campaign.resumed_at), BREAKER_FAULTS, campaign_id=campaign.id
            )
            abandoned = await turn.answers(campaign.id, day_of(turn.now, zone), campaign.resumed_at)
        if recent["calls"] == MOST_LATELY:
            since = recent["first_at"]
        seconds = (turn.now - since).total_seconds()
        going = campaign.state is CampaignState.RUNNING and seconds >= 1
        per_minute = 60 * recent["calls"] / seconds if going else None
        return Lately(per_minute=per_minute, breaker=watched, abandoned=abandoned)


def time_left(progress: Progress, per_minute: float | None) -> timedelta | None:
    """Until all of its contacts are over, at the pace of late; None: that cannot be told.

    Contacts take as many calls each as they have taken so far.

    >>> time_left(Progress(reached=30, exhausted=10, waiting=20, attempts=80), per_minute=4.0)
    datetime.timedelta(seconds=600)
    """
    over = progress.reached + progress.exhausted
    if not per_minute or not over:
        return None
    calls_each = progress.attempts / over
    return timedelta(minutes=(progress.waiting + progress.dialing) * calls_each / per_minute)


def slot_seconds(since: datetime, until: datetime) -> int:
    """The shortest slot of which SLOTS hold all of the time.

    >>> slot_seconds(EPOCH, EPOCH + timedelta(minutes=50))
    60
    """
    wanted = (until - since).total_seconds() / (SLOTS - 1)  # the first and the last one are not full
    days = int(wanted // 86_400) + 1
    return next((seconds for seconds in SLOT_SECONDS if seconds >= wanted), 86_400 * days)


def _aligned(since: datetime, until: datetime, seconds: int, *, whole: bool) -> tuple[datetime, int]:
    """Where the first slot begins, and how many there are. whole: False: none that began before `since`."""
    first = int((since - EPOCH).total_seconds() // seconds) + (not whole)
    last = max(first, int((until - EPOCH).total_seconds() // seconds))
    return EPOCH + timedelta(seconds=first * seconds), last - first + 1
