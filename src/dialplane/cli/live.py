"""A campaign while it is dialled: database -> snapshot -> live view on a terminal, or a line now and then on stderr."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any

from rich.bar import Bar
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dialplane.cli.output import count, duration, log_to, say
from dialplane.core.campaign import CampaignState
from dialplane.core.window import CONTACT, CallingWindow, Open
from dialplane.engine.views import CampaignRecord, LogEntry, Progress
from dialplane.store.postgres import CONNECTION_FAULTS, sql

if TYPE_CHECKING:
    from dialplane.wiring import App

LOOK_SECONDS = 0.5
LOOK_PATIENCE_SECONDS = 3.0  # a look that takes longer counts as a lost database
PLAIN_SECONDS = 5.0
ZONES_SECONDS = 10.0
RATE_SECONDS = 20.0
LOG_LINES = 5
OTHER_LINES = 17  # of the view, all but the dispositions
PACE_WIDTH = 36  # so that the bar does not jump
CALL_STATES = ("intended", "sending", "placed", "ringing", "answered", "unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Whether people can be called now. zones: groups of contacts' zones; 0 where the window has a zone of its own."""

    text: str
    zones: int = 0
    zones_open: int = 0
    opens_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A campaign at one instant."""

    campaign: CampaignRecord
    progress: Progress
    log: Sequence[LogEntry]  # newest first
    hours: Hours
    now: datetime
    virtual: bool = False
    cap: int | None = None  # of lines
    next_due: datetime | None = None  # only looked up while no line is in use
    rate: float | None = None  # contacts that end per second of real time
    running_seconds: float = 0.0
    lost: bool = False
    note: str = ""

    @property
    def zone(self) -> tzinfo | None:
        """In which instants are shown: the machine's own (None); virtual time has no machine."""
        return UTC if self.virtual else None

    def soon(self, at: datetime) -> str:
        """'14:30:00 (in 0:12:00)', 'Mon 09:00 (in 2 days 3:00:00)'"""
        shown = at.astimezone(self.zone)
        text = f"{shown:%H:%M:%S}" if at - self.now < timedelta(hours=12) else f"{shown:%a %H:%M}"
        return f"{text} (in {duration((at - self.now).total_seconds())})"

    @property
    def ended(self) -> int:
        p = self.progress
        return p.reached + p.exhausted + p.skipped + p.removed

    @property
    def lines(self) -> int:
        return sum(self.progress.calls.values())


class Watch:
    """Looks at a campaign again and again, and shows it."""

    def __init__(self, app: App, campaign_id: int, *, plain: bool) -> None:
        self._app = app
        self._campaign_id = campaign_id
        self._plain = plain
        self._console = Console()
        self._snapshot: Snapshot | None = None
        self._looking: asyncio.Task[Snapshot] | None = None
        self._note = ""
        self._begun = time.monotonic()
        self._ends: deque[tuple[float, int]] = deque()
        self._zones: tuple[float, list[tuple[str, ...]]] = (-ZONES_SECONDS, [])

    def note(self, text: str) -> None:
        """Something to read beside the numbers, such as what Ctrl-C has done."""
        self._note = text
        if self._plain:
            say(text)

    async def run(self) -> None:
        """Until cancelled."""
        try:
            if self._plain:
                log_to(say)
                await self._run_plain()
            else:
                log_to(lambda line: self._console.print(line, markup=False, highlight=False, soft_wrap=True))
                await self._run_live()
        finally:
            if self._looking is not None:
                self._looking.cancel()

    async def _run_live(self) -> None:
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            while True:
                if (snapshot := await self._look()) is not None:
                    live.update(render(snapshot, self._console.height), refresh=True)
                await asyncio.sleep(LOOK_SECONDS)

    async def _run_plain(self) -> None:
        told = ""
        while True:
            snapshot = await self._look()
            if snapshot is not None and (line := plain_line(snapshot)) != told:
                told = line
                say(f"{snapshot.now.astimezone(snapshot.zone):%H:%M:%S}  {line}")
            await asyncio.sleep(PLAIN_SECONDS)

    async def _look(self) -> Snapshot | None:
        """What is known; while the database does not answer what was known last, with `lost`."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._fresh())
        # Not cancelled when it takes long: with a frozen server, that would wait for its answer as well.
        done, _ = await asyncio.wait({self._looking}, timeout=LOOK_PATIENCE_SECONDS)
        known = self._snapshot
        if done:
            looked, self._looking = self._looking, None
            try:
                known = looked.result()
            except CONNECTION_FAULTS:
                known = None if known is None else replace(known, lost=True)
        elif known is not None:
            known = replace(known, lost=True)
        if known is not None:
            seconds = time.monotonic() - self._begun
            self._snapshot = replace(known, note=self._note, running_seconds=seconds, now=self._app.clock.now())
        return self._snapshot

    async def _fresh(self) -> Snapshot:
        campaigns, campaign_id = self._app.campaigns, self._campaign_id
        campaign = await campaigns.get(campaign_id)
        progress = (await campaigns.progress([campaign_id]))[campaign_id]
        now = self._app.clock.now()
        snapshot = Snapshot(
            campaign=campaign,
            progress=progress,
            log=await campaigns.log(campaign_id, limit=LOG_LINES),
            hours=hours(campaign.policies.window, await self._zone_groups(campaign), now),
            now=now,
            virtual=self._app.clock.virtual,
            cap=await self._ask(sql.line_cap),
            next_due=None if progress.calls else await self._ask(sql.next_due),
        )
        return replace(snapshot, rate=self._rate(snapshot.ended))

    async def _zone_groups(self, campaign: CampaignRecord) -> list[tuple[str, ...]]:
        """Looked up now and then: contacts of new zones are rare."""
        window = campaign.policies.window
        if window.timezone != CONTACT or window.any_hour:
            return []
        if time.monotonic() - self._zones[0] >= ZONES_SECONDS:
            self._zones = (time.monotonic(), await self._app.campaigns.zones(self._campaign_id))
        return self._zones[1]

    async def _ask(self, query: Any) -> Any:
        async with self._app.database.connection() as connection:
            return await query(connection, organization_id=self._app.organization_id, campaign_id=self._campaign_id)

    def _rate(self, ended: int) -> float | None:
        """Over the last seconds; None before anything can be said."""
        now = time.monotonic()
        self._ends.append((now, ended))
        while now - self._ends[0][0] > RATE_SECONDS:
            self._ends.popleft()
        since, before = self._ends[0]
        return (ended - before) / (now - since) if now - since >= 1 else None


def hours(window: CallingWindow, groups: Sequence[tuple[str, ...]], now: datetime) -> Hours:
    """What the window says at this instant, over all zone groups of the contacts."""
    if window.any_hour:
        return Hours(text="any hour")
    own = window.timezone != CONTACT
    openings = [window.opening(zones, now) for zones in ([()] if own else groups)]
    opens = [o.until for o in openings if not isinstance(o, Open) and o.until is not None]
    return Hours(
        text=window.describe(),
        zones=0 if own else len(openings),
        zones_open=sum(isinstance(opening, Open) for opening in openings),
        opens_at=min(opens, default=None),
    )


# --- the view, 80 columns wide -------------------------------------------------------------------------------


def render(snapshot: Snapshot, height: int = 24) -> RenderableType:
    parts = [_head(snapshot), _bar(snapshot), Text(), _facts(snapshot), Text()]
    if snapshot.progress.dispositions:
        parts += [_dispositions(snapshot, max(3, height - OTHER_LINES)), Text()]
    parts.append(_log(snapshot))
    if snapshot.lost:
        parts.append(Text("database lost, trying again; calls in progress go on", style="bold red"))
    if snapshot.note:
        parts.append(Text(snapshot.note, style="bold yellow"))
    parts.append(Text())  # where a terminal echoes ^C: at the end of a full line it would scroll the view
    return Group(*parts)


STYLES = {
    CampaignState.RUNNING: "green",
    CampaignState.PAUSED: "yellow",
    CampaignState.FAILED: "red",
    CampaignState.CANCELLED: "red",
}


def _head(snapshot: Snapshot) -> RenderableType:
    campaign = snapshot.campaign
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    grid.add_column(justify="right", no_wrap=True)
    left = Text.assemble(
        (campaign.name, "bold"),
        (f"  campaign {campaign.id}  ", "dim"),
        (campaign.state.value, STYLES.get(campaign.state, "cyan")),
    )
    clock = f"virtual {snapshot.now:%a %Y-%m-%d %H:%M:%S} UTC" if snapshot.virtual else ""
    grid.add_row(left, Text(clock or duration(snapshot.running_seconds), style="magenta" if clock else "dim"))
    return grid


def _bar(snapshot: Snapshot) -> RenderableType:
    total, ended = snapshot.progress.total, snapshot.ended
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(ratio=1)
    grid.add_column(justify="right", no_wrap=True, min_width=PACE_WIDTH)
    share = f"{ended / total:.0%}" if total else "-"
    text = Text.assemble((f"{ended:,}", "bold"), f"/{total:,}  {share}  ", (_pace(snapshot), "cyan"))
    grid.add_row(ProgressBar(total=max(total, 1), completed=ended), text)
    return grid


def _pace(snapshot: Snapshot) -> str:
    rate, left = snapshot.rate, snapshot.progress.total - snapshot.ended
    if rate is None or not left:
        return ""
    if rate <= 0:
        return "0/s"
    speed = f"{rate:,.1f}/s" if rate >= 0.1 else f"{rate * 60:.1f}/min"
    return f"{speed}  {duration(left / rate)} left"


def _facts(snapshot: Snapshot) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    grid.add_row("lines", _lines(snapshot))
    grid.add_row("contacts", _contacts(snapshot.progress))
    grid.add_row("hours", _hours(snapshot))
    if waits := _waits(snapshot):
        grid.add_row("waits", Text(waits, style="yellow"))
    return grid


def _lines(snapshot: Snapshot) -> Text:
    calls = snapshot.progress.calls
    states = " · ".join(f"{state} {calls[state]}" for state in CALL_STATES if calls.get(state))
    return Text.assemble((str(snapshot.lines), "bold"), f" of {snapshot.cap}", f"   {states}" if states else "")


def _contacts(progress: Progress) -> Text:
    found = {name: number for name, number in progress.contacts().items() if number and name != "total"}
    return Text(" · ".join(f"{name} {number:,}" for name, number in found.items()) or "none")


def _hours(snapshot: Snapshot) -> Text:
    found = snapshot.hours
    if found.text == "any hour":
        return Text(found.text)
    text = Text(f"{found.text}\n")
    if found.zones:
        text.append(f"{found.zones_open} of {found.zones} zone groups open", "green" if found.zones_open else "yellow")
    else:
        text.append("open" if found.zones_open else "closed", "green" if found.zones_open else "yellow")
    if found.opens_at is not None:
        text.append(f", {'next ' if found.zones else ''}opens {snapshot.soon(found.opens_at)}")
    return text


def _waits(snapshot: Snapshot) -> str:
    """Why no line is in use."""
    campaign, now = snapshot.campaign, snapshot.now
    if campaign.state is CampaignState.SCHEDULED and campaign.starts_at is not None:
        return f"starts {snapshot.soon(campaign.starts_at)}"
    if campaign.suspended_until is not None and campaign.suspended_until > now:
        return f"the carrier's breaker tripped: calls again {snapshot.soon(campaign.suspended_until)}"
    if campaign.state is CampaignState.PAUSED:
        return f"paused{': ' + campaign.state_reason if campaign.state_reason else ''}"
    if not snapshot.lines and snapshot.next_due is not None and snapshot.next_due > now:
        return f"next retry due {snapshot.soon(snapshot.next_due)}"
    return ""


def _dispositions(snapshot: Snapshot, room: int) -> RenderableType:
    """The most frequent ones; those for which there is no room on one line."""
    found = sorted(snapshot.progress.dispositions.items(), key=lambda item: -item[1])
    ended = sum(number for _, number in found)
    if len(found) > room:
        others = found[room - 1 :]
        found = [*found[: room - 1], (f"{len(others)} others", sum(number for _, number in others))]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right")
    grid.add_column(justify="right", style="dim")
    grid.add_column(width=30)
    for name, number in found:
        grid.add_row(name, f"{number:,}", f"{number / ended:.1%}", Bar(ended, 0, number, width=30, color="blue"))
    return grid


def _log(snapshot: Snapshot) -> RenderableType:
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    styles = {"warning": "yellow", "error": "red"}
    for entry in reversed(snapshot.log):
        grid.add_row(
            f"{entry.at.astimezone(snapshot.zone):%H:%M:%S}", Text(entry.message, style=styles.get(entry.level, ""))
        )
    return grid


def plain_line(snapshot: Snapshot) -> str:
    """The same in one line."""
    p = snapshot.progress
    parts = [f"{snapshot.ended:,} of {p.total:,} contacts ended", f"{count(snapshot.lines, 'line')} in use"]
    parts += [f"{name} {number:,}" for name, number in sorted(p.dispositions.items(), key=lambda item: -item[1])]
    if waits := _waits(snapshot):
        parts.append(waits)
    if snapshot.lost:
        parts.append("database lost, trying again")
    return ", ".join(parts)


class ImportProgress:
    """How far an import has come: a spinner on a terminal, or a line now and then on stderr."""

    def __init__(self, name: str, *, plain: bool) -> None:
        self._name = name
        self._plain = plain
        self._told_at = time.monotonic()
        self._status = None if plain else Console(stderr=True).status(f"importing {name}")

    def __enter__(self) -> ImportProgress:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            with suppress(OSError):
                self._status.stop()

    def __call__(self, row: int) -> None:
        text = f"importing {self._name}: {row:,} rows"
        if self._status is not None:
            self._status.update(text)
        elif time.monotonic() - self._told_at >= PLAIN_SECONDS:
            self._told_at = time.monotonic()
            say(text)
