"""`dialplane doctor`: what this machine and its database look like, and what to do about it."""

from __future__ import annotations

import asyncio
import platform
import socket
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dialplane import __version__
from dialplane.cli import options, output
from dialplane.cli.session import opened, opened_server, perform, settings
from dialplane.errors import DialplaneError, EnvironmentFault

if TYPE_CHECKING:
    from dialplane.config import Settings
    from dialplane.store.postgres import Database, Row
    from dialplane.wiring import App

SKEW = timedelta(seconds=1)
MOST_WORKERS = 100  # that are shown


class Status(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


EXTRAS = {"sip": ("baresip",), "voice": ("pipecat", "pocketsphinx"), "flac": ("soundfile",)}  # and their modules
WHAT_FOR = {"sip": "calls over a SIP trunk", "voice": "agents that hold a conversation", "flac": "smaller recordings"}
MARKS = {Status.OK: "✓", Status.WARNING: "!", Status.FAULT: "✗"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. fix: what to do, unless it is as it should be."""

    name: str
    status: Status
    message: str
    fix: str = ""


def doctor(
    worker: Annotated[
        bool, typer.Option("--worker", help="Only whether a worker of this host is alive, for health checks.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Look at this machine, its data folder and its database, and say what is wrong."""
    found = perform(_look(_findings_of_worker() if worker else _findings(settings()), as_json))
    ok = all(finding.status is not Status.FAULT for finding in found)
    if as_json:
        output.print_json({"ok": ok, "checks": [asdict(finding) for finding in found]})
    if not ok:
        raise EnvironmentFault("something is wrong, see ✗ above" if not as_json else "something is wrong")


async def _look(findings: AsyncIterator[Finding], as_json: bool) -> list[Finding]:
    found: list[Finding] = []
    async for finding in findings:
        found.append(finding)
        if not as_json:
            fix = f"\n  {'':12}→ {finding.fix}" if finding.fix else ""
            print(f"{MARKS[finding.status]} {finding.name:<12}{finding.message}{fix}", flush=True)
    return found


async def _findings_of_worker() -> AsyncIterator[Finding]:
    from dialplane.engine.reconciler import SILENCE  # noqa: PLC0415

    host = socket.gethostname()
    async with opened_server() as server:
        here = [row for row in await _heard(server.database) if row["host"] == host]
    if any(row["now"] - row["heartbeat_at"] < SILENCE for row in here):
        yield Finding("worker", Status.OK, _worker(here[0]))
    else:
        message = f"none alive on {host}" + "".join(f"\n  {'':12}{_worker(row)}" for row in here)
        yield Finding("worker", Status.FAULT, message, "dialplane worker")


async def _findings(ours: Settings) -> AsyncIterator[Finding]:
    yield Finding("version", Status.OK, f"Dialplane {__version__} on Python {platform.python_version()}")
    yield _data_folder(ours.home)
    for finding in await asyncio.to_thread(_disks, ours):
        yield finding
    yield _zones()
    yield _extras()
    if ours.database_url is None:
        yield await asyncio.to_thread(_embedded, ours.home)
    try:
        async with opened() as app:
            yield await _database(app)
            yield await _clock(app)
            yield await _carrier(app)
            yield await _workers(app)
    except DialplaneError as fault:
        yield Finding("database", Status.FAULT, str(fault), "nothing can be dialled before this is mended")


def _data_folder(home: Path) -> Finding:
    folder = next(folder for folder in (home, *home.parents) if folder.exists())
    what = f"{home}" if folder == home else f"{home} (not made yet)"
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\n")
    except OSError as fault:
        return Finding(
            "data folder",
            Status.FAULT,
            f"{what} cannot be written: {fault.strerror}",
            "let this user write there, or set DIALPLANE_HOME to another folder",
        )
    return Finding("data folder", Status.OK, f"{what}, can be written")


def _disks(ours: Settings) -> list[Finding]:
    """Of the folders that can be found; why others cannot is told elsewhere."""
    from dialplane.engine import space  # noqa: PLC0415
    from dialplane.wiring import folders  # noqa: PLC0415

    try:
        found = space.disks(folders(ours))
    except (DialplaneError, OSError):
        found = space.disks([ours.home])
    return [
        Finding(
            "disk",
            Status.FAULT if disk.is_full else Status.WARNING if disk.is_low else Status.OK,
            str(disk),
            space.FIX if disk.is_low else "",
        )
        for disk in found
    ]


def _zones() -> Finding:
    from zoneinfo import ZoneInfo, available_timezones  # noqa: PLC0415  (reads the whole tree of zones)

    from dialplane.engine.numbering import read_number  # noqa: PLC0415

    try:
        ZoneInfo("America/New_York")
    except KeyError:
        return Finding("zones", Status.FAULT, "this machine knows no time zones", "pip install tzdata")
    number = read_number("+14155552671", None)
    if getattr(number, "zones", ()) != ("America/Los_Angeles",):
        message = "the zone of a telephone number is not found, so windows by contact would call nobody"
        return Finding("zones", Status.FAULT, message, "pip install --upgrade tzdata phonenumbers")
    return Finding("zones", Status.OK, f"{len(available_timezones())} time zones, numbers have theirs")


def _extras() -> Finding:
    """An installation that needs none of them is as it should be."""
    found = {extra: all(find_spec(module) is not None for module in modules) for extra, modules in EXTRAS.items()}
    told = "; ".join(
        f"{extra} {'is' if there else 'is not'} installed: {WHAT_FOR[extra]}" for extra, there in found.items()
    )
    absent = [extra for extra, there in found.items() if not there]
    fix = f"should you need it: pip install 'dialplane[{','.join(absent)}]'" if absent else ""
    return Finding("extras", Status.OK, told, fix)


def _embedded(home: Path) -> Finding:
    from dialplane.store.embedded import describe  # noqa: PLC0415

    try:
        found = describe(home)
    except DialplaneError as fault:
        return Finding(
            "postgres", Status.FAULT, str(fault), "or set DIALPLANE_DATABASE_URL to a PostgreSQL of your own"
        )
    running = f"running as process {found.pid}" if found.pid else "not running; commands start it"
    made = "" if found.cluster_version else ", not made yet"
    message = (
        f"embedded, PostgreSQL {found.cluster_version or found.binaries_version}{made}, {running}\n"
        f"  {'':12}in {found.folder} ({found.reason}), as the user {found.run_as}; its log is in {found.log_folder}"
    )
    return Finding("postgres", Status.OK, message)


async def _database(app: App) -> Finding:
    async with app.database.connection() as connection:
        version = connection.get_settings().server_version
        may = await connection.fetchval("SELECT has_database_privilege(current_database(), 'CREATE')")
        name, schema = await connection.fetchrow("SELECT current_database(), current_schema()")
    message = f"reachable, PostgreSQL {version}, database {name}, schema {schema}, writable"
    if not may:
        fix = f'--fast makes a schema for each run: GRANT CREATE ON DATABASE "{name}" TO the user in the URL'
        return Finding("database", Status.WARNING, f"{message}, but no schema may be made", fix)
    return Finding("database", Status.OK, message)


async def _clock(app: App) -> Finding:
    async with app.database.connection() as connection:
        before = datetime.now(UTC)
        theirs = await connection.fetchval("SELECT clock_timestamp()")
        after = datetime.now(UTC)
    skew = max(before - theirs, theirs - after, timedelta())
    message = f"database and this machine are {skew.total_seconds():.1f} s apart"
    if skew > SKEW:
        return Finding("clock", Status.WARNING, message, "set both clocks by NTP: windows go by the database's clock")
    return Finding("clock", Status.OK, message)


async def _carrier(app: App) -> Finding:
    from dialplane.providers import build_carrier  # noqa: PLC0415

    fault = await build_carrier("simulated", {}, app.clock, app.settings.carrier_logs, 0, app.files).probe()
    if fault is not None:
        return Finding("carrier", Status.FAULT, fault, "let this user write there")
    return Finding("carrier", Status.OK, "simulated: ready")


async def _workers(app: App) -> Finding:
    from dialplane.engine.reconciler import SILENCE  # noqa: PLC0415

    found = await _heard(app.database)
    alive = sum(row["now"] - row["heartbeat_at"] < SILENCE for row in found)
    told = "".join(f"\n  {'':12}{_worker(row)}" for row in found)
    running = sum(row["state"] in ("running", "scheduled") for row in await app.campaigns.page())
    if alive:
        return Finding("workers", Status.OK, f"{alive} alive{told}")
    if running:
        message = f"none alive, and {output.count(running, 'campaign')} running or scheduled{told}"
        return Finding("workers", Status.WARNING, message, "dialplane worker, or dialplane run --resume ID")
    return Finding("workers", Status.OK, f"none alive, and nothing to dial{told}")


async def _heard(database: Database) -> list[Row]:
    """Workers, those last heard of first."""
    from dialplane.engine import health  # noqa: PLC0415

    return await health.workers(database, limit=MOST_WORKERS)


def _worker(row: Mapping[str, Any]) -> str:
    """'dialer-2, process 4711: 38 lines, up 3:12:09, heard of 0.4 s ago'"""
    lines = output.count(row["lines"], "line")
    up = output.duration((row["heartbeat_at"] - row["started_at"]).total_seconds())
    silent = (row["now"] - row["heartbeat_at"]).total_seconds()
    heard = f"{silent:.1f} s" if silent < 60 else output.duration(silent)
    return f"{row['host']}, process {row['pid']}: {lines}, up {up}, heard of {heard} ago"
