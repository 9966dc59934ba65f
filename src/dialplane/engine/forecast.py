"""A campaign on the virtual clock -> when it ends, its lines over time, what binds when, calls by number and day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from dialplane.core.campaign import CampaignState
from dialplane.core.reason import Reason
from dialplane.core.window import CONTACT
from dialplane.engine.campaigns import Campaigns
from dialplane.engine.explain import Explanations
from dialplane.engine.views import Progress
from dialplane.engine.worker import Worker
from dialplane.errors import StandsStill
from dialplane.ports import Clock
from dialplane.store.postgres import Database, rows, sql

MOST_SLOTS: Final = 240
FIRST_WIDTH: Final = timedelta(minutes=1)
HORIZON: Final = timedelta(days=92)  # one that stands still would be asked for ever what binds
ACTIVE: Final = (CampaignState.RUNNING, CampaignState.SCHEDULED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """at: its begin. lines: in use in it, on average. attempts: begun in it. held_by: what bound at its begin."""

    at: datetime
    lines: float
    attempts: int
    held_by: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberDay:
    """What one number did on one day."""

    day: date
    from_number: str
    contacts: int
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """finished_at: None where it does not come to its end; `state` and `reason` say where it stops instead.

    slots: of `width` each, without a gap. numbers: by day of `timezone`. progress.skips: who is never called, and why.
    """

    started_at: datetime
    finished_at: datetime | None
    state: CampaignState
    reason: str
    progress: Progress
    most_lines: int
    width: timedelta
    slots: Sequence[Slot]
    timezone: str
    numbers: Sequence[NumberDay]


class Forecaster:
    """Watches one campaign while a worker dials it on the virtual clock; `finished` is for that worker.

    It asks what binds at instants that lie evenly, twice as far apart whenever there are more than MOST_SLOTS.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        organization_id: int,
        campaigns: Campaigns,
        explanations: Explanations,
        campaign_id: int,
    ) -> None:
        self._database = database
        self._clock = clock
        self._campaigns = campaigns
        self._explanations = explanations
        self._campaign_id = campaign_id
        self._of = {"organization_id": organization_id, "campaign_id": campaign_id}
        self._started_at = clock.now()
        self._width = FIRST_WIDTH
        self._held_by: list[Reason] = []

    async def run(self, worker: Worker) -> Forecast:
        """Set the campaign going, if it is not, and have this worker dial it to its end."""
        await self._set_going()
        self._clock.spawn(self._watch())
        stalled = ""
        try:
            await worker.run()
        except StandsStill as fault:
            stalled = str(fault)
        return await self._result(stalled)

    async def _set_going(self) -> None:
        """A draft begins at the hour that it was given."""
        campaign = await self._campaigns.get(self._campaign_id)
        if campaign.state is CampaignState.DRAFT and campaign.starts_at and campaign.starts_at > self._clock.now():
            await self._campaigns.schedule(self._campaign_id, campaign.starts_at)
        elif campaign.state is CampaignState.DRAFT:
            await self._campaigns.start(self._campaign_id)
        elif campaign.state not in ACTIVE:
            await self._campaigns.resume(self._campaign_id)

    async def finished(self) -> bool:
        """Whether it will do nothing more by itself."""
        return (await self._campaigns.get(self._campaign_id)).state not in ACTIVE

    async def _watch(self) -> None:
        while self._clock.now() < self._started_at + HORIZON and not await self.finished():
            self._held_by.append((await self._explanations.campaign(self._campaign_id)).hold.reason)
            if len(self._held_by) > MOST_SLOTS:
                self._held_by = self._held_by[::2]
                self._width *= 2
            await self._clock.sleep_until(self._started_at + len(self._held_by) * self._width)

    async def _result(self, stalled: str) -> Forecast:
        """What came of it; stalled: why virtual time stood still."""
        campaign = await self._campaigns.get(self._campaign_id)
        zone = campaign.policies.window.timezone
        timezone = "UTC" if zone == CONTACT else zone
        async with self._database.unhurried() as connection:
            used = {
                row["at"]: (row["seconds"], row["attempts"])
                for row in await rows(
                    sql.lines_over_time(connection, since=self._started_at, width=self._width, **self._of)
                )
            }
            most = await sql.most_lines(connection, **self._of)
            numbers = await rows(sql.contacts_by_number(connection, timezone=timezone, **self._of))
        return Forecast(
            started_at=self._started_at,
            finished_at=campaign.ended_at,
            state=campaign.state,
            reason=stalled or campaign.state_reason,
            progress=(await self._campaigns.progress([self._campaign_id]))[self._campaign_id],
            most_lines=most,
            width=self._width,
            slots=self._slots(used),
            timezone=timezone,
            numbers=[NumberDay(**row) for row in numbers],
        )

    def _slots(self, used: Mapping[datetime, tuple[float, int]]) -> list[Slot]:
        slots = []
        for place, reason in enumerate(self._held_by):
            at = self._started_at + place * self._width
            seconds, attempts = used.get(at, (0.0, 0))
            slots.append(Slot(at=at, lines=seconds / self._width.total_seconds(), attempts=attempts, held_by=reason))
        return slots
