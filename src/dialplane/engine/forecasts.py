"""Forecasts of campaigns that are there: asked for, made in the background, kept until the next one is asked for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import structlog

from dialplane.core.campaign import FINAL
from dialplane.engine.campaigns import Campaigns
from dialplane.engine.jobs import FORECAST, Again, enqueue
from dialplane.errors import DialplaneError, InvalidTransition, NotFound
from dialplane.ports import Clock
from dialplane.store.postgres import Database, sql

LONGEST: Final = timedelta(hours=1)  # a million contacts; what takes longer is given up

# organization id, campaign id, answers -> the forecast as `dialplane forecast --json` has it
Make = Callable[[int, int, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
# Answers of a carrier that places no calls. Raises Invalid.
CheckAnswers = Callable[[Mapping[str, Any]], object]

log = structlog.get_logger()


class ForecastState(StrEnum):
    MAKING = "making"
    MADE = "made"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastRecord:
    """result: None until it is made. fault: why it failed. answers: how people are supposed to answer."""

    campaign_id: int
    asked_at: datetime
    answers: Mapping[str, Any]
    state: ForecastState
    made_at: datetime | None
    fault: str
    result: Mapping[str, Any] | None


class Forecasts:
    """Of one organization."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        organization_id: int,
        campaigns: Campaigns,
        check: CheckAnswers,
    ) -> None:
        self._database = database
        self._clock = clock
        self._organization_id = organization_id
        self._campaigns = campaigns
        self._check = check

    async def ask(self, campaign_id: int, answers: Mapping[str, Any]) -> ForecastRecord:
        """Have one made, unless one is being made: that one, then. Raises NotFound, Invalid, InvalidTransition."""
        self._check(answers)
        campaign = await self._campaigns.get(campaign_id)
        if campaign.state in FINAL:
            raise InvalidTransition(f"campaign {campaign_id} is {campaign.state}: nothing more is to be expected of it")
        of = {"organization_id": self._organization_id, "campaign_id": campaign_id}
        async with self._database.transaction() as connection:
            stale = self._clock.now() - LONGEST
            asked = {"answers": dict(answers), "now": self._clock.instant(), "stale": stale}
            if await sql.ask_forecast(connection, **asked, **of) is not None:
                await enqueue(connection, FORECAST, [of])
        return await self.latest(campaign_id)

    async def latest(self, campaign_id: int) -> ForecastRecord:
        """Raises NotFound where none was asked for."""
        async with self._database.connection() as connection:
            row = await sql.forecast_of(connection, organization_id=self._organization_id, campaign_id=campaign_id)
        if row is None:
            await self._campaigns.get(campaign_id)
            raise NotFound(f"no forecast of campaign {campaign_id} was asked for")
        return ForecastRecord(**{**row, "state": ForecastState(row["state"])})

    async def carry_out(self, campaign_id: int, make: Make) -> None:
        """Make the one that was asked for; one that cannot be made says why. After a crash it begins again."""
        asked = await self.latest(campaign_id)
        if asked.state is not ForecastState.MAKING:
            return
        state, fault, result = ForecastState.MADE, "", None
        try:
            async with asyncio.timeout(LONGEST.total_seconds()):
                result = await make(self._organization_id, campaign_id, asked.answers)
        except TimeoutError:
            state, fault = ForecastState.FAILED, f"it took longer than {LONGEST}"
        except DialplaneError as failure:
            state, fault = ForecastState.FAILED, str(failure)
            log.warning("forecast.failed", campaign_id=campaign_id, error=fault)
        async with self._database.connection() as connection:
            await sql.keep_forecast(
                connection,
                organization_id=self._organization_id,
                campaign_id=campaign_id,
                asked_at=asked.asked_at,
                state=state.value,
                fault=fault,
                result=None if result is None else dict(result),
                now=self._clock.now(),
            )


async def made_apart(command: Sequence[str], stopping: asyncio.Event) -> Mapping[str, Any]:
    """What a process of its own prints: virtual time leaves no time to others. It ends when its standard input does.

    Raises DialplaneError with its last words, Again when this process is to stop.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C at the terminal is this process's to answer
    )
    ending, leaving = asyncio.ensure_future(_outcome(process)), asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait({ending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not ending.done():
            raise Again(timedelta(0))
        said, complaints = ending.result()
    finally:
        leaving.cancel()
        ending.cancel()
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise DialplaneError(complaints.splitlines()[-1] if complaints else f"it ended with code {process.returncode}")
    made: Mapping[str, Any] = json.loads(said)
    return made


async def _outcome(process: asyncio.subprocess.Process) -> tuple[bytes, str]:
    """Without `communicate`, which would end its standard input at once."""
    assert process.stdout is not None
    assert process.stderr is not None
    said, complaints = await asyncio.gather(process.stdout.read(), process.stderr.read())
    await process.wait()
    return said, complaints.decode(errors="replace").strip()
