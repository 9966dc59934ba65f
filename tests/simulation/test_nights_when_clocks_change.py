"""See the scenario. Each file of seeds is one process's share when tests run side by side by file."""

from __future__ import annotations

import pytest
from bench import OpenBench
from scenarios import before_clocks_change, nights_when_clocks_change, seeds

from dialplane.clocks import VirtualClock

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("seed", seeds(0.3))
async def test_every_promise_holds_in_nights_when_clocks_change(open_bench: OpenBench, seed: int) -> None:
    await nights_when_clocks_change(await open_bench(VirtualClock(before_clocks_change(seed))), seed)
