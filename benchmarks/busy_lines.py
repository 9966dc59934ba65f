"""How much of its lines a campaign uses while work is due: 50 lines, calls of about a second, no slow start."""

from __future__ import annotations

import asyncio

from benchmarks.figures import Figure, figure
from benchmarks.stage import NullCarrier, campaign, fresh_app, null_worker

LINES = 50
CALL_SECONDS = 1.0
SECONDS = 20
SAMPLE_SECONDS = 0.01


async def measure() -> list[Figure]:
    async with fresh_app(max_lines=LINES) as app:
        contacts = int(LINES / CALL_SECONDS * (SECONDS + 4))
        campaign_id = await campaign(app, contacts, name="busy")
        await app.campaigns.start(campaign_id)
        carrier = NullCarrier(CALL_SECONDS)
        working = asyncio.create_task(null_worker(app, carrier, campaign_id=campaign_id).run())
        await asyncio.sleep(2)
        used = await _sampled(carrier)
        await working
    share = 100 * used / LINES
    return [figure("busy_lines", share, "%", baseline=100, target=">= 98 %", met=share >= 98)]


async def _sampled(carrier: NullCarrier) -> float:
    """Lines with a call on them, on average, while there is more to call than lines."""
    samples = []
    for _ in range(int(SECONDS / SAMPLE_SECONDS)):
        samples.append(carrier.in_use)
        await asyncio.sleep(SAMPLE_SECONDS)
    return sum(samples) / len(samples)
