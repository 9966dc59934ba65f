"""See the scenario. Each file of seeds is one process's share when tests run side by side by file."""

from __future__ import annotations

import pytest
from bench import START, OpenBench
from scenarios import commands_on_a_bad_network, seeds

from dialplane.clocks import VirtualClock

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("seed", seeds(0.4))
async def test_every_promise_holds_on_a_bad_network_under_random_commands(open_bench: OpenBench, seed: int) -> None:
    await commands_on_a_bad_network(await open_bench(VirtualClock(START)), seed)
