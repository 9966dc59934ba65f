"""draft -> dialling, watched -> report and summary; stopped by signals, by others, or at its end."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dialplane.cli import output
from dialplane.cli.errors import Stopped
from dialplane.cli.live import Watch
from dialplane.cli.making import begin, import_contacts, make, remember_start
from dialplane.cli.options import rejects_path
from dialplane.cli.orders import NewCampaign
from dialplane.cli.session import opened, opened_for, say_waiting, settings
from dialplane.cli.signals import Interrupts, interrupts
from dialplane.core.campaign import CampaignState
from dialplane.errors import Conflict, EnvironmentFault, InvalidTransition, StandsStill
from dialplane.store.postgres import CONNECTION_FAULTS, describe
from dialplane.virtual import open_virtual_app

if TYPE_CHECKING:
    from dialplane.engine.worker import Worker
    from dialplane.wiring import App

ACTIVE = (CampaignState.RUNNING, CampaignState.SCHEDULED)
PAUSE_AGAIN_SECONDS = 1.0  # while the database is lost


async def dial_file(order: NewCampaign, *, fast: bool, report: Path, as_json: bool) -> str | None:
    """Make a campaign and dial it to its end: None, or why it stopped before. Raises DialplaneError, Stopped."""
    plain = as_json or not sys.stdout.isatty()
    campaign_id: int | None = None
    with interrupts() as signals:
        try:
            async with _fresh_app(order, fast=fast) as (app, reserved):
                campaign_id = await make(
                    app, order, rejects=rejects_path(report), plain=plain, id=reserved, at_once=True
                )
                await _begin(app, campaign_id)
                return await _dial(app, campaign_id, signals, report=report, as_json=as_json)
        except asyncio.CancelledError:
            nothing = "stopped; nothing was dialled and no campaign was made"
            raise Stopped(nothing if campaign_id is None else _go_on(campaign_id)) from None


@asynccontextmanager
async def _fresh_app(order: NewCampaign, *, fast: bool) -> AsyncIterator[tuple[App, int | None]]:
    """Where the campaign is made; for --fast apart from all others, with the id that it must get."""
    async with AsyncExitStack() as stack:
        if fast:
            start = order.starts_at or datetime.now(UTC)
            yield await stack.enter_async_context(open_virtual_app(settings(), start, on_wait=say_waiting))
        else:
            yield await stack.enter_async_context(opened()), None


async def dial_on(campaign_id: int, *, strict: bool, report: Path, as_json: bool) -> str | None:
    """Go on with a campaign, whatever stopped it. Raises Conflict where there is nothing to go on with."""
    plain = as_json or not sys.stdout.isatty()
    with interrupts() as signals:
        try:
            async with opened_for(campaign_id) as app:
                state = await _set_going(app, campaign_id, strict=strict, report=report, plain=plain)
                if state is CampaignState.COMPLETED:
                    return await _finish(app, campaign_id, report=report, as_json=as_json, interrupted=0)
                return await _dial(app, campaign_id, signals, report=report, as_json=as_json)
        except asyncio.CancelledError:
            raise Stopped(_go_on(campaign_id)) from None


async def _set_going(app: App, campaign_id: int, *, strict: bool, report: Path, plain: bool) -> CampaignState:
    """The state that it was in, now running or scheduled unless that is a final one."""
    campaign = await app.campaigns.get(campaign_id)
    if campaign.state is CampaignState.CANCELLED:
        raise Conflict(f"campaign {campaign_id} was cancelled, for good; `dialplane campaign redial` makes a new one")
    if campaign.state is CampaignState.COMPLETED:
        output.say(f"campaign {campaign_id} is completed: nothing is left to dial; its report is written again")
    elif campaign.state is CampaignState.DRAFT:
        if campaign.importing is not None:
            required = await app.columns_of(campaign_id)
            rejects = rejects_path(report)
            await import_contacts(app, campaign_id, campaign.importing, required, strict, rejects, plain=plain)
        await _begin(app, campaign_id)
    elif campaign.state in (CampaignState.PAUSED, CampaignState.FAILED):
        await app.campaigns.resume(campaign_id)
        output.say(f"campaign {campaign_id} was {campaign.state}: it goes on")
    else:
        output.say(f"campaign {campaign_id} is {campaign.state}: this process dials for it too")
    return campaign.state


async def _begin(app: App, campaign_id: int) -> None:
    starts_at = await begin(app, campaign_id)
    when = "starts now" if starts_at is None else f"starts {output.moment(starts_at)}"
    output.say(f"campaign {campaign_id} {when}")


# --- dialling ----------------------------------------------------------------------------------------------


class Stopper:
    """Ends the dialling of one campaign: when it is over, and by signals, each one more urgent."""

    def __init__(self, app: App, campaign_id: int, worker: Worker, watch: Watch) -> None:
        self._app = app
        self._campaign_id = campaign_id
        self._worker = worker
        self._watch = watch
        self._tasks: set[asyncio.Task[None]] = set()
        self.dialling: asyncio.Task[None] | None = None
        self.signals = 0

    async def finished(self) -> bool:
        """Over, here and for every other worker that dials for it."""
        campaign = await self._app.campaigns.get(self._campaign_id)
        if campaign.state in ACTIVE:
            return False
        if campaign.state is CampaignState.COMPLETED or self.signals > 1:
            return True
        return not (await self._app.campaigns.progress([self._campaign_id]))[self._campaign_id].calls

    def signal(self, count: int) -> None:
        self.signals = count
        if count == 1:
            self._watch.note("pausing: calls in progress end by themselves; Ctrl-C once more hangs up")
            self._spawn(self._pause())
        elif count == 2:
            self._watch.note("hanging up; Ctrl-C once more leaves at once")
            self._spawn(self._hang_up())
        elif self.dialling is not None:
            self.dialling.cancel()

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pause(self) -> None:
        """As long as it takes: while the database is lost, this worker at least starts nothing more."""
        while True:
            try:
                return await self._pause_once()
            except CONNECTION_FAULTS as fault:
                self._worker.stop()
                self._watch.note(f"the database is lost ({describe(fault)}): nothing more is started here")
                await asyncio.sleep(PAUSE_AGAIN_SECONDS)

    async def _pause_once(self) -> None:
        campaigns = self._app.campaigns
        campaign = await campaigns.get(self._campaign_id)
        with suppress(InvalidTransition):  # somebody else was faster, or it has just completed
            if campaign.state is CampaignState.SCHEDULED:
                await self._unschedule(campaign.starts_at)
            else:
                await campaigns.pause(self._campaign_id, "stopped by hand")

    async def _unschedule(self, starts_at: datetime | None) -> None:
        """A draft that still knows its hour, so that no worker starts it and --resume waits for it again."""
        await self._app.campaigns.unschedule(self._campaign_id)
        if starts_at is not None:
            await remember_start(self._app, self._campaign_id, starts_at)

    async def _hang_up(self) -> None:
        self._worker.stop()
        await self._worker.calls.hang_up_all()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _dial(app: App, campaign_id: int, signals: Interrupts, *, report: Path, as_json: bool) -> str | None:
    """With a worker of our own, to the end or until stopped."""
    watch = Watch(app, campaign_id, plain=as_json or not sys.stdout.isatty())
    stopper: Stopper

    async def finished() -> bool:
        return await stopper.finished()

    worker = app.worker(campaign_id=campaign_id, finished=finished)
    stopper = Stopper(app, campaign_id, worker, watch)
    watching = asyncio.create_task(watch.run())
    stalled = ""
    with signals.to(stopper.signal):
        try:
            stopper.dialling = asyncio.create_task(worker.run())
            await stopper.dialling
        except asyncio.CancelledError:
            stalled = "left with calls in progress, which --resume settles"
        except StandsStill as fault:
            stalled = f"it can never finish: {fault}"
        finally:
            await stopper.close()
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            output.log_to(output.say)
    try:
        return await _finish(
            app, campaign_id, report=report, as_json=as_json, interrupted=stopper.signals, stalled=stalled
        )
    except CONNECTION_FAULTS as fault:
        raise EnvironmentFault(f"the database is lost: {describe(fault)}. {_go_on(campaign_id)}") from fault


# --- the end -------------------------------------------------------------------------------------------------


async def _finish(
    app: App, campaign_id: int, *, report: Path, as_json: bool, interrupted: int, stalled: str = ""
) -> str | None:
    """Report, rejects, summary; None when the campaign has completed, else why it has not."""
    rejects = await write_files(app, campaign_id, report)
    found = await output.summary(app, campaign_id, report=report, rejects=rejects)
    if as_json:
        output.print_json(found)
    else:
        show_summary(found)
    return await _why_stopped(app, campaign_id, interrupted=interrupted, stalled=stalled)


async def write_files(app: App, campaign_id: int, report: Path) -> Path | None:
    """The report, and next to it the rejected rows if there are any: where these are."""
    try:
        await app.reports.write(campaign_id, report)
        if not await app.campaigns.rejected_rows(campaign_id):
            return None
        await app.reports.write_rejects(campaign_id, rejects_path(report))
    except EnvironmentFault as fault:
        raise EnvironmentFault(
            f"{fault}; write the report elsewhere with: dialplane campaign report {campaign_id} --report OUT.csv"
        ) from fault
    return rejects_path(report)


def show_summary(found: dict[str, Any]) -> None:
    contacts = {name: number for name, number in found["contacts"].items() if number or name == "total"}
    print(f"\ncampaign {found['campaign_id']} {found['state']}: {output.count(found['attempts'], 'attempt')}")
    output.table(("contacts", "count"), [(name, f"{number:,}") for name, number in contacts.items()], right=("count",))
    ended = sum(found["dispositions"].values())
    if ended:
        print()
        shares = sorted(found["dispositions"].items(), key=lambda item: -item[1])
        rows = [(name, f"{number:,}", f"{number / ended:.1%}") for name, number in shares]
        output.table(("disposition", "calls", "share"), rows, right=("calls", "share"))
    print()
    if found["skipped"]:
        print("skipped      " + ", ".join(f"{reason} {number:,}" for reason, number in found["skipped"].items()))
    print(f"report       {found['report']}")
    if found["rejects"]:
        print(f"rejects      {found['rejects']}  ({output.count(found['rejected_rows'], 'row')})")
    if found["carrier_log"]:
        print(f"carrier log  {found['carrier_log']}")


async def _why_stopped(app: App, campaign_id: int, *, interrupted: int, stalled: str) -> str | None:
    campaign = await app.campaigns.get(campaign_id)
    if campaign.state is CampaignState.COMPLETED:
        return None
    if campaign.state is CampaignState.CANCELLED:
        return f"campaign {campaign_id} was cancelled"
    reason = stalled or ("" if interrupted else campaign.state_reason)
    mended = "once that is mended, " if campaign.state is CampaignState.FAILED else ""
    return f"campaign {campaign_id} is {campaign.state}{': ' + reason if reason else ''}; {mended}{_go_on(campaign_id)}"


def _go_on(campaign_id: int) -> str:
    return f"go on with: dialplane run --resume {campaign_id}"
