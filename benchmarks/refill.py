"""From the end of a call to the commit of the next intent on its line, at 500 calls a second; and with listeners."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from benchmarks.figures import Figure, figure, quantile
from benchmarks.listening import listeners
from benchmarks.serving import serving
from benchmarks.stage import NullCarrier, campaign, fresh_app, null_worker
from dialplane.engine import worker as loop
from dialplane.wiring import App

CALLS_PER_SECOND = 500
CALL_SECONDS = 0.2
SECONDS = 20
LISTENERS = 200


async def measure() -> list[Figure]:
    async with fresh_app(max_lines=500) as app:
        await run(app, seconds=3)
        seconds, calls = await run(app, seconds=SECONDS)
    async with fresh_app(max_lines=500) as app, serving(app.settings.home, "--workers", "0") as port:
        await run(app, seconds=3)
        heard_seconds, heard_calls, missed = await run_heard(app, port)
    p50, p99 = quantile(seconds, 0.5) * 1000, quantile(seconds, 0.99) * 1000
    heard_p50, heard_p99 = quantile(heard_seconds, 0.5) * 1000, quantile(heard_seconds, 0.99) * 1000
    return [
        figure("refill_p50", p50, "ms", target="<= 3 ms", met=p50 <= 3),
        figure("refill_p99", p99, "ms", target="<= 20 ms", met=p99 <= 20),
        figure("refill_calls", calls, "calls/s", baseline=CALLS_PER_SECOND, target=">= 475/s", met=calls >= 475),
        figure("refill_heard_p50", heard_p50, "ms", baseline=p50, target="<= 3 ms", met=heard_p50 <= 3),
        figure("refill_heard_p99", heard_p99, "ms", baseline=p99, target="<= 20 ms", met=heard_p99 <= 20),
        figure("refill_heard_calls", heard_calls, "calls/s", baseline=calls, target="reported"),
        figure("refill_heard_missed", missed, "events", target="0", met=missed == 0),
    ]


async def run(app: App, *, seconds: float) -> tuple[list[float], float]:
    """How long each line waited, in seconds, and the calls per second: lines are as many as the rate needs."""
    return await dial(app, await prepared(app, seconds))


async def run_heard(app: App, port: int) -> tuple[list[float], float, int]:
    """The same while each of many listeners is told of every call; and how many ends of calls any of them missed."""
    campaign_id = await prepared(app, SECONDS)
    async with listeners(port, campaign_id, LISTENERS) as heard:
        waited, calls = await dial(app, campaign_id)
    attempts = (await app.campaigns.progress([campaign_id]))[campaign_id].attempts
    return waited, calls, sum(attempts - count for count in await heard)


async def prepared(app: App, seconds: float) -> int:
    lines = int(CALLS_PER_SECOND * CALL_SECONDS)
    return await campaign(app, int(CALLS_PER_SECOND * seconds), name=f"refill-{uuid4().hex[:6]}", lines=lines)


async def dial(app: App, campaign_id: int) -> tuple[list[float], float]:
    await app.campaigns.start(campaign_id)
    carrier = NullCarrier(CALL_SECONDS)
    async with waits() as waited:
        started = asyncio.get_running_loop().time()
        await null_worker(app, carrier, campaign_id=campaign_id).run()
        elapsed = asyncio.get_running_loop().time() - started
    return waited, carrier.placed / elapsed


@asynccontextmanager
async def waits() -> AsyncIterator[list[float]]:
    waited: list[float] = []
    observe, loop.REFILL.observe = loop.REFILL.observe, waited.append
    try:
        yield waited
    finally:
        loop.REFILL.observe = observe
