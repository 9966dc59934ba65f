"""Whole lives at 1, 2 and 4 worker processes on one database: one organization, and eight."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import uvloop

from benchmarks.figures import Figure, figure
from benchmarks.stage import NullCarrier, campaign, fresh_server, null_worker
from dialplane.config import Settings
from dialplane.engine import catalog
from dialplane.wiring import App, Server, open_server

CONTACTS = 12_000
LINES = 100  # of each organization
DEADLINE_SECONDS = 600


async def measure() -> list[Figure]:
    figures = []
    async with fresh_server() as server:
        await _run(server, 1, ["warm"])
        for organizations in (1, 8):
            names = [f"org-{organizations}-{i}" for i in range(organizations)]
            alone: float | None = None
            for workers in (1, 2, 4):
                rate, peak = await _run(server, workers, names)
                what = f"workers_{workers}_organizations_{organizations}"
                figures.append(figure(what, rate, "contacts/s", baseline=alone or rate, target="reported"))
                figures.append(
                    figure(f"{what}_peak", peak, "lines", baseline=LINES, target="<= the cap", met=peak <= LINES)
                )
                alone = alone or rate
    return figures


async def _run(server: Server, workers: int, names: list[str]) -> tuple[float, float]:
    """Contacts per second over all organizations, and the most lines that any of them had in use."""
    apps = []
    for name in names:
        organization_id = await catalog.ensure_organization(server.database, name)
        await catalog.set_limits(server.database, organization_id, max_lines=LINES, cps=None)
        apps.append(server.of(organization_id))
    running: list[tuple[App, int]] = []
    for app in apps:
        running.append((app, await campaign(app, CONTACTS // len(apps), name=f"w{workers}-{app.organization_id}")))
    processes = [await _process(server.settings.home) for _ in range(workers)]
    started = time.perf_counter()
    for app, campaign_id in running:
        await app.campaigns.start(campaign_id)
    async with asyncio.timeout(DEADLINE_SECONDS):
        for app, campaign_id in running:
            while (await app.campaigns.get(campaign_id)).state != "completed":
                await asyncio.sleep(0.02)
    elapsed = time.perf_counter() - started
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
    return CONTACTS / elapsed, max([await _peak(app, campaign_id) for app, campaign_id in running])


async def _process(home: Path) -> asyncio.subprocess.Process:
    """A worker that has attached to the database; it leaves when its standard input ends."""
    command = (sys.executable, "-m", "benchmarks.workers", str(home))
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    return process


async def _peak(app: App, campaign_id: int) -> float:
    """The most calls at once, from the guard to the end."""
    async with app.database.connection() as connection:
        peak: int = await connection.fetchval(
            "SELECT max(open) FROM (SELECT sum(change) OVER (ORDER BY at, change) AS open FROM ("
            " SELECT sent_at AS at, 1 AS change FROM attempt WHERE organization_id = $1 AND campaign_id = $2"
            " UNION ALL SELECT ended_at, -1 FROM attempt WHERE organization_id = $1 AND campaign_id = $2) c) o",
            app.organization_id,
            campaign_id,
        )
    return peak


async def work(home: Path) -> None:
    async with open_server(Settings(home=home)) as server:
        app = server.of(await catalog.ensure_organization(server.database))
        worker = null_worker(app, NullCarrier())
        working = asyncio.create_task(worker.run())
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        worker.stop()
        await working


if __name__ == "__main__":
    uvloop.run(work(Path(sys.argv[1])))
