"""See the scenario. Each file of seeds is one process's share when tests run side by side by file."""

from __future__ import annotations

import pytest
from bench import START, OpenBench
from scenarios import campaigns_that_share_people, seeds

from dialplane.clocks import VirtualClock

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("seed", seeds(0.3))
async def test_every_promise_holds_over_several_campaigns_with_the_same_people(
    open_bench: OpenBench, seed: int
) -> None:
    await campaigns_that_share_people(await open_bench(VirtualClock(START)), seed)
