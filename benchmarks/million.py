"""What people ask of a campaign with 1,000,000 contacts and as many attempts: pause, progress, lists, the report."""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.figures import Figure, figure, quantile
from benchmarks.filling import fill, fill_fresh
from benchmarks.stage import NullCarrier, fresh_app, null_worker
from dialplane.config import Settings
from dialplane.core.campaign import Policies
from dialplane.core.window import CallingWindow
from dialplane.wiring import App, open_app

CONTACTS = 1_000_000
ASKED = 50  # times each
REPORT_MEMORY_MB = 300


async def measure() -> list[Figure]:
    async with fresh_app(max_lines=100) as app:
        campaign_id = await big(app)
        looks = await _looks(app, campaign_id)
        report = await _report(app, campaign_id)
        return [*looks, *report, *await _pause(app, campaign_id)]


async def big(app: App, contacts: int = CONTACTS) -> int:
    """A campaign of which everybody was called once; a third waits for a retry, and is due."""
    agent_id, carrier_id = await app.add_agent(None), await app.add_carrier({"name": "unpaced", "cps": None})
    campaign_id = await app.campaigns.create(name="big", agent_id=agent_id, carrier_id=carrier_id, policies=Policies())
    await fill(app.database, app.organization_id, campaign_id, carrier_id, agent_id, contacts=contacts)
    return campaign_id


async def _looks(app: App, campaign_id: int) -> list[Figure]:
    async def counted() -> None:
        async with app.database.connection() as connection:
            await connection.fetch(
                "SELECT measure, sum(value) FROM progress WHERE organization_id = $1 AND campaign_id = $2 GROUP BY 1",
                app.organization_id,
                campaign_id,
            )

    async def progress() -> None:
        await app.campaigns.progress([campaign_id])

    async def listed() -> None:
        await app.campaigns.page()

    bare = await _milliseconds(counted)
    return [
        _quick("progress_1m", await _milliseconds(progress), bare),
        _quick("campaign_list_1m", await _milliseconds(listed), bare),
        *await _why(app, bare),
    ]


async def _why(app: App, bare: float) -> list[Figure]:
    """Of a campaign that has called nobody yet, in four zones: a contact in the middle, and all of them in groups."""
    agent_id, carrier_id = await app.add_agent(None), await app.add_carrier(None)
    hours = Policies(window=CallingWindow.parse("daily 09:00-17:00", "contact"))
    campaign_id = await app.campaigns.create(name="fresh", agent_id=agent_id, carrier_id=carrier_id, policies=hours)
    await fill_fresh(app.database, app.organization_id, campaign_id, contacts=CONTACTS)
    await app.campaigns.start(campaign_id)
    middle = (await app.contacts.page(campaign_id, limit=1))[0]["id"] + CONTACTS // 2

    async def of_one() -> None:
        await app.explanations.contact(middle)

    async def grouped() -> None:
        await app.explanations.campaign(campaign_id)

    one, all_of_them = await _milliseconds(of_one), await _milliseconds(grouped)
    await app.campaigns.pause(campaign_id)  # what is measured next is another one's
    return [
        _quick("why_contact_1m", one, bare),
        figure("why_grouped_1m", all_of_them, "ms", baseline=bare, target="<= 200 ms", met=all_of_them <= 200),
    ]


def _quick(name: str, value: float, bare: float) -> Figure:
    return figure(name, value, "ms", baseline=bare, target="<= 20 ms", met=value <= 20)


async def _milliseconds(ask: Callable[[], Awaitable[Any]]) -> float:
    await ask()
    took = []
    for _ in range(ASKED):
        started = time.perf_counter()
        await ask()
        took.append((time.perf_counter() - started) * 1000)
    return quantile(took, 0.5)


async def _report(app: App, campaign_id: int) -> list[Figure]:
    """In a process of its own, whose memory is its own too; beside it, the same rows by COPY."""
    path = app.settings.home / "report.csv"
    command = [sys.executable, "-m", "benchmarks.million", str(app.settings.home), str(campaign_id), str(path)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert process.returncode == 0, command
    seconds, megabytes = (float(word) for word in out.split())
    started = time.perf_counter()
    async with app.database.connection() as connection:
        await connection.copy_from_query(
            "SELECT c.id, c.external_id, c.variables, a.* FROM contact c JOIN attempt a"
            " ON a.organization_id = c.organization_id AND a.contact_id = c.id WHERE c.organization_id = $1"
            " ORDER BY c.id, a.number",
            app.organization_id,
            output=os.devnull,
            format="csv",
            timeout=600,
        )
    bare = CONTACTS / (time.perf_counter() - started)
    rate = CONTACTS / seconds
    return [
        figure("report_1m", rate, "rows/s", baseline=bare, target=">= 50000 rows/s", met=rate >= 50_000),
        figure("report_1m_memory", megabytes, "MB", target="<= 300 MB", met=megabytes <= REPORT_MEMORY_MB),
    ]


async def write_report(home: Path, campaign_id: int, path: Path) -> None:
    async with open_app(Settings(home=home)) as app:
        started = time.perf_counter()
        await app.reports.write(campaign_id, path)
        seconds = time.perf_counter() - started
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)


async def _pause(app: App, campaign_id: int) -> list[Figure]:
    """Pause under load, a dozen times: until it has returned, and what was intended after that."""
    await app.campaigns.start(campaign_id)
    carrier = NullCarrier(0.2)
    worker = null_worker(app, carrier)
    working = asyncio.create_task(worker.run())
    took, late = [], 0
    for _ in range(12):
        await asyncio.sleep(1)
        started = time.perf_counter()
        await app.campaigns.pause(campaign_id)
        took.append((time.perf_counter() - started) * 1000)
        placed = carrier.placed
        await asyncio.sleep(0.5)
        late += carrier.placed - placed
        await app.campaigns.resume(campaign_id)
    worker.stop()
    await working
    async with app.database.connection() as connection:
        bare_from = time.perf_counter()
        await connection.execute(
            "UPDATE campaign SET updated_at = updated_at WHERE organization_id = $1 AND id = $2",
            app.organization_id,
            campaign_id,
        )
        bare = (time.perf_counter() - bare_from) * 1000
    p50 = quantile(took, 0.5)
    return [
        figure("pause_1m", p50, "ms", baseline=bare, target="<= 20 ms", met=p50 <= 20),
        figure("pause_1m_placed_after", late, "calls", target="0", met=late == 0),
    ]


if __name__ == "__main__":
    uvloop.run(write_report(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
