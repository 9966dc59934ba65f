"""A contacts file of 1,000,000 rows until its contacts can be called: validated, deduplicated, in their zones."""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from pathlib import Path

import uvloop

from benchmarks.figures import Figure, figure
from benchmarks.stage import fresh_app
from dialplane.config import Settings
from dialplane.core.campaign import Policies
from dialplane.wiring import App, open_app

ROWS = 1_000_000
FEW = ROWS // 10
AREAS = ("212", "312", "303", "213")  # New York, Chicago, Denver, Los Angeles
SECONDS, MEMORY_MB = 25, 300


async def measure() -> list[Figure]:
    async with fresh_app() as app:
        _, small = await _import(app, FEW)
        seconds, large = await _import(app, ROWS)
        bare = await _bare(app)
    return [
        figure("intake_1m", seconds, "s", baseline=bare, target="<= 25 s", met=seconds <= SECONDS),
        figure("intake_1m_memory", large, "MB", baseline=small, target="<= 300 MB, flat", met=large <= MEMORY_MB),
    ]


async def _import(app: App, rows: int) -> tuple[float, float]:
    """Seconds and megabytes, in a process of its own."""
    campaign_id = await app.campaigns.create(
        name=f"{rows} rows",
        agent_id=await app.add_agent(None),
        carrier_id=await app.add_carrier(None),
        policies=Policies(),
    )
    file = write_people(app.settings.home / f"{rows}.csv", rows)
    command = [sys.executable, "-m", "benchmarks.intake", str(app.settings.home), str(campaign_id), str(file)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert process.returncode == 0, command
    seconds, megabytes = (float(word) for word in out.split())
    return seconds, megabytes


def write_people(path: Path, rows: int) -> Path:
    """Four zones in turn; of a hundred rows one has no number, and one the number of the row before."""
    with path.open("w", encoding="utf-8") as file:
        file.write("phone_number,name,city,account\n")
        for row in range(rows):
            place = row - 1 if row % 100 == 50 else row
            number = "none" if row % 100 == 99 else f"+1{AREAS[place % 4]}{2_000_000 + place // 4}"
            file.write(f"{number},Person {row},Springfield,{row:08d}\n")
    return path


async def _bare(app: App) -> float:
    """The same rows into an equal table with its indexes, by one statement."""
    async with app.database.unhurried() as connection:
        await connection.execute("CREATE TABLE bare (LIKE contact INCLUDING DEFAULTS INCLUDING INDEXES)")
        started = time.perf_counter()
        await connection.execute(
            "INSERT INTO bare SELECT c.* FROM contact c JOIN campaign p ON p.organization_id = c.organization_id"
            " AND p.id = c.campaign_id WHERE p.name = $1",
            f"{ROWS} rows",
        )
        return time.perf_counter() - started


async def import_file(home: Path, campaign_id: int, file: Path) -> None:
    async with open_app(Settings(home=home)) as app:
        started = time.perf_counter()
        await app.import_now(campaign_id, file, None)
        seconds = time.perf_counter() - started
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)


if __name__ == "__main__":
    uvloop.run(import_file(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
