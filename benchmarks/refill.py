"""From the end of a call to the commit of the next intent on its line, at 500 calls a second."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from benchmarks.figures import Figure, figure, quantile
from benchmarks.stage import NullCarrier, campaign, fresh_app, null_worker
from dialplane.engine import worker as loop
from dialplane.wiring import App

CALLS_PER_SECOND = 500
CALL_SECONDS = 0.2
SECONDS = 20


async def measure() -> list[Figure]:
    async with fresh_app(max_lines=500) as app:
        await run(app, seconds=3)
        seconds, calls = await run(app, seconds=SECONDS)
    p50, p99 = quantile(seconds, 0.5) * 1000, quantile(seconds, 0.99) * 1000
    return [
        figure("refill_p50", p50, "ms", target="<= 3 ms", met=p50 <= 3),
        figure("refill_p99", p99, "ms", target="<= 20 ms", met=p99 <= 20),
        figure("refill_calls", calls, "calls/s", baseline=CALLS_PER_SECOND, target=">= 475/s", met=calls >= 475),
    ]


async def run(app: App, *, seconds: float) -> tuple[list[float], float]:
    """How long each line waited, in seconds, and the calls per second: lines are as many as the rate needs."""
    lines = int(CALLS_PER_SECOND * CALL_SECONDS)
    campaign_id = await campaign(app, int(CALLS_PER_SECOND * seconds), name=f"refill-{uuid4().hex[:6]}", lines=lines)
    await app.campaigns.start(campaign_id)
    carrier = NullCarrier(CALL_SECONDS)
    waited: list[float] = []
    observe, loop.REFILL.observe = loop.REFILL.observe, waited.append
    try:
        worker = null_worker(app, carrier, campaign_id=campaign_id)
        started = asyncio.get_running_loop().time()
        await worker.run()
        elapsed = asyncio.get_running_loop().time() - started
    finally:
        loop.REFILL.observe = observe
    return waited, carrier.placed / elapsed
