"""A data folder with a campaign in it, and the processes that dial it: started, frozen, killed, replaced."""

from __future__ import annotations

import asyncio
import csv
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import asyncpg

from dialplane.config import Settings
from dialplane.core.campaign import CampaignState, Policies
from dialplane.engine.views import Progress
from dialplane.store.embedded import describe
from dialplane.wiring import App, open_app

HERE = Path(__file__).parent
DIALPLANE = ("-m", "dialplane.cli.main")
T = TypeVar("T")


def seed() -> int:
    """DIALPLANE_CHAOS_SEED, else a new one."""
    return int(os.environ.get("DIALPLANE_CHAOS_SEED") or random.SystemRandom().randrange(1_000_000))


def scale() -> float:
    """How much larger than in CI: DIALPLANE_CHAOS_SCALE."""
    return float(os.environ.get("DIALPLANE_CHAOS_SCALE") or 1)


def numbers(count: int) -> list[str]:
    return [f"+1212{2_000_000 + i}" for i in range(count)]


@dataclass(frozen=True, slots=True)
class Fault:
    """What was done to which process. until: when it was over, for one that was frozen."""

    at: datetime
    what: str
    until: datetime


@dataclass(eq=False)
class Process:
    """A process that the test started, and nothing else is ever signalled but these and the folder's own database."""

    name: str
    popen: subprocess.Popen[bytes]
    output: Path
    frozen_at: datetime | None = None
    wakes_at: float = 0.0

    def __str__(self) -> str:
        return f"{self.name} {self.popen.pid}"

    @property
    def alive(self) -> bool:
        return self.popen.poll() is None

    def said(self) -> str:
        return self.output.read_text(errors="replace")


@dataclass
class Stage:
    """home: the data folder. schema: on a server of one's own, where everything of this test is."""

    home: Path
    database_url: str | None = None
    processes: list[Process] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    campaign_id: int = 0
    log: Path = Path()
    _started: int = 0
    _read: int = 0
    _placed: int = 0

    @classmethod
    def at(cls, home: Path) -> Stage:
        url = os.environ.get("DIALPLANE_TEST_DATABASE_URL")
        if url is None:
            return cls(home)
        schema = f"chaos_{uuid4().hex[:12]}"
        asyncio.run(_execute(url, f'CREATE SCHEMA "{schema}"'))
        return cls(home, f"{url}{'&' if '?' in url else '?'}search_path={schema}")

    def close(self) -> None:
        """End what this test started; on a server of one's own, drop what it made."""
        for process in self.processes:
            if process.alive:
                process.popen.kill()
            process.popen.wait()
        if self.database_url is not None:
            url, _, schema = self.database_url.rpartition("search_path=")
            asyncio.run(_execute(url.rstrip("?&"), f'DROP SCHEMA IF EXISTS "{schema}" CASCADE'))
        elif (self.home / "postgres").exists():
            self.in_app(_nothing)  # the last one that leaves stops the database, which nobody may have done yet

    @property
    def environment(self) -> dict[str, str]:
        mine = {"DIALPLANE_HOME": str(self.home), "PYTHONUNBUFFERED": "1"}
        if self.database_url is not None:
            mine["DIALPLANE_DATABASE_URL"] = self.database_url
        return {k: v for k, v in os.environ.items() if not k.startswith("DIALPLANE_")} | mine

    def in_app(self, work: Callable[[App], Awaitable[T]]) -> T:
        """Do something with the application, in this process."""

        async def run() -> T:
            async with open_app(Settings(home=self.home, database_url=self.database_url)) as app:
                return await work(app)

        return asyncio.run(run())

    # --- campaign -------------------------------------------------------------------------------

    def start_campaign(self, contacts: Sequence[str], *, carrier: Mapping[str, Any], **policies: Any) -> None:
        path = self.home.parent / "contacts.csv"
        path.write_text("\n".join(["phone_number", *contacts]) + "\n", encoding="utf-8")

        async def start(app: App) -> None:
            self.campaign_id = await app.campaigns.create(
                name="chaos",
                agent_id=await app.add_agent(None),
                carrier_id=await app.add_carrier(carrier),
                policies=Policies(**policies),
            )
            await app.intake.store(self.campaign_id, path, None)
            await app.intake.run(self.campaign_id, await app.columns_of(self.campaign_id))
            await app.campaigns.start(self.campaign_id)
            found = await app.carrier_log(self.campaign_id)
            assert found is not None
            self.log = found

        self.in_app(start)

    def state(self) -> str:
        """By the database, without starting it; empty while it does not answer."""
        return str(self.try_to_ask("SELECT state FROM campaign WHERE id = $1", self.campaign_id) or "")

    def try_to_ask(self, question: str, *arguments: Any) -> Any:
        """None where nothing is there to answer."""
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            return self.ask(question, *arguments)
        return None

    def ask(self, question: str, *arguments: Any) -> Any:
        async def ask() -> Any:
            connection = await asyncpg.connect(**self.connect_arguments(), timeout=5)
            try:
                return await connection.fetchval(question, *arguments)
            finally:
                await connection.close(timeout=1)

        return asyncio.run(ask())

    def connect_arguments(self) -> dict[str, Any]:
        if self.database_url is not None:
            return {"dsn": self.database_url}
        folder = str(describe(self.home).socket_folder)
        return {"host": folder, "port": 5432, "user": "dialplane", "database": "postgres", "ssl": False}

    def progress(self) -> Progress:
        async def look(app: App) -> Progress:
            return (await app.campaigns.progress([self.campaign_id]))[self.campaign_id]

        return self.in_app(look)

    def report(self) -> list[dict[str, str]]:
        path = self.home.parent / "report.csv"

        async def write(app: App) -> None:
            await app.reports.write(self.campaign_id, path)

        self.in_app(write)
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def placed(self) -> int:
        """How many calls the carrier has accepted so far, by its log."""
        with suppress(FileNotFoundError), self.log.open("rb") as file:
            file.seek(self._read)
            data = file.read()
            whole = data[: data.rfind(b"\n") + 1]
            self._read += len(whole)
            self._placed += whole.count(b'"event": "place"')
        return self._placed

    # --- processes ------------------------------------------------------------------------------

    def start(
        self, *command: str, name: str, environment: Mapping[str, str] | None = None, through: Sequence[str] = ()
    ) -> Process:
        """through: what the command begins with, such as one that enters a namespace."""
        self._started += 1
        output = self.home.parent / f"{self._started:03}-{name}.log"
        with output.open("wb") as file:
            popen = subprocess.Popen(
                [*through, sys.executable, *command],
                env=self.environment | dict(environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        process = Process(name, popen, output)
        self.processes.append(process)
        return process

    def start_worker(self) -> Process:
        return self.start(*DIALPLANE, "worker", name="worker")

    def resume(self) -> Process:
        report = str(self.home.parent / "resumed.csv")
        command = ["run", "--resume", str(self.campaign_id), "--report", report, "--json"]
        return self.start(*DIALPLANE, *command, name="resume")

    @property
    def running(self) -> list[Process]:
        return [process for process in self.processes if process.alive]

    @property
    def awake(self) -> list[Process]:
        return [process for process in self.running if process.frozen_at is None]

    # --- faults ---------------------------------------------------------------------------------

    def kill(self, process: Process) -> None:
        process.popen.kill()
        process.popen.wait()
        how = "" if process.frozen_at is None else f", frozen since {process.frozen_at:%H:%M:%S.%f}"
        self.faults.append(
            Fault(process.frozen_at or datetime.now(UTC), f"kill -9 of {process}{how}", datetime.now(UTC))
        )
        process.frozen_at = None

    def freeze(self, process: Process, seconds: float) -> None:
        """Stop it; `thaw` lets it go on when its time has come."""
        process.popen.send_signal(signal.SIGSTOP)
        process.frozen_at = datetime.now(UTC)
        process.wakes_at = time.monotonic() + seconds

    def holds_the_log(self, process: Process) -> bool:
        """Frozen with the simulated carrier's file lock it would stop the carrier and not the organization."""
        inode = f":{self.log.stat().st_ino} "
        with open("/proc/locks", encoding="ascii") as locks:
            return any("FLOCK" in line and f" {process.popen.pid} " in line and inode in line for line in locks)

    def thaw(self, *, everybody: bool = False) -> None:
        for process in self.processes:
            if process.frozen_at is not None and (everybody or process.wakes_at <= time.monotonic()):
                process.popen.send_signal(signal.SIGCONT)
                now = datetime.now(UTC)
                frozen_seconds = (now - process.frozen_at).total_seconds()
                self.faults.append(Fault(process.frozen_at, f"{process} frozen for {frozen_seconds:.2f} s", now))
                process.frozen_at = None

    def kill_database(self) -> None:
        """kill -9 of the postmaster of this data folder."""
        assert self.database_url is None
        if (pid := describe(self.home).pid) is not None:
            os.kill(pid, signal.SIGKILL)
            now = datetime.now(UTC)
            self.faults.append(Fault(now, f"kill -9 of database {pid}", now))

    def told(self) -> str:
        """Everything that was done, and the last words of each process: what a failed test shows."""
        lines = [f"  {fault.at:%H:%M:%S.%f} {fault.what}" for fault in sorted(self.faults, key=lambda f: f.at)]
        for process in self.processes:
            words = [line for line in process.said().splitlines() if "looked_up" not in line][-5:]
            lines += [f"{process.output.name} (pid {process.popen.pid}, exit {process.popen.returncode}):", *words]
        return "\n".join(lines)


async def _nothing(_: App) -> None:
    pass


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def ended(state: str) -> bool:
    return state not in ("", CampaignState.RUNNING, CampaignState.SCHEDULED)
