"""Attempts per second on the virtual clock, through the same engine, SQL and simulated carrier as in real time."""

from __future__ import annotations

import shutil
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figures import Figure, figure
from benchmarks.stage import write_numbers
from dialplane.config import Settings
from dialplane.core.campaign import CampaignState, Policies
from dialplane.virtual import open_virtual_app

CONTACTS = 5_000
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


async def measure() -> list[Figure]:
    home = Path(tempfile.mkdtemp(prefix="dp-bench-", dir="/tmp"))
    home.chmod(0o755)
    try:
        rate, speed = await _run(home)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return [
        figure("fast", rate, "attempts/s", target=">= 500/s", met=rate >= 500),
        figure("fast_speed", speed, "x real time", baseline=1),
    ]


async def _run(home: Path) -> tuple[float, float]:
    """Attempts per second, and how much faster than real time."""
    async with open_virtual_app(Settings(home=home), START) as (app, campaign_id):
        await app.campaigns.create(
            id=campaign_id,
            name="fast",
            agent_id=await app.add_agent(None),
            carrier_id=await app.add_carrier(None),
            policies=Policies(),
        )
        await app.intake.store(campaign_id, write_numbers(home / "fast.csv", CONTACTS), None)
        await app.intake.run(campaign_id, frozenset())
        await app.campaigns.start(campaign_id)

        async def finished() -> bool:
            return (await app.campaigns.get(campaign_id)).state is not CampaignState.RUNNING

        started = time.perf_counter()
        await app.worker(campaign_id=campaign_id, finished=finished).run()
        elapsed = time.perf_counter() - started
        attempts = (await app.campaigns.progress([campaign_id]))[campaign_id].attempts
        return attempts / elapsed, (app.clock.now() - START).total_seconds() / elapsed
