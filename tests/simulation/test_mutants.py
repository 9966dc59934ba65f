"""The simulation can fail: an engine that lacks one thing is found out by a few seeds on which the whole one passes."""

from __future__ import annotations

import asyncio
from random import Random
from uuid import uuid4

import pytest
from bench import START, OpenBench, numbers
from mutants import Mutation, counted_with_the_lock, cursor_first, gate, gated, no_guard
from scenarios import commands_on_a_bad_network
from soundness import lines_are_kept, store_is_sound

from dialplane.clocks import VirtualClock
from dialplane.engine.dispatcher import Dispatcher

pytestmark = pytest.mark.asyncio(loop_scope="module")

RACES = range(1, 7)
MOST_SEEDS = 40  # each finds the one or the other in one case of five
AT_THE_GATE = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = $1::bigint)"


@pytest.mark.parametrize("mutation", [no_guard, cursor_first])
async def test_what_an_engine_lacks_is_found(
    open_bench: OpenBench, monkeypatch: pytest.MonkeyPatch, mutation: Mutation
) -> None:
    async def promises_hold(seed: int) -> bool:
        bench = await open_bench(VirtualClock(START))
        try:
            await commands_on_a_bad_network(bench, seed)
        except AssertionError as broken:
            print(f"seed {seed}: {broken}")
            return False
        return True

    for seed in range(1, MOST_SEEDS + 1):
        assert await promises_hold(seed), f"seed {seed} without a mutation"
        with monkeypatch.context() as patch:
            mutation(patch)
            if not await promises_hold(seed):
                return
    pytest.fail(f"{MOST_SEEDS} seeds found nothing")


@pytest.mark.parametrize(("mutation", "is_found"), [(gated, False), (counted_with_the_lock, True)])
async def test_lines_that_are_counted_with_the_lock_are_found(
    open_bench: OpenBench, monkeypatch: pytest.MonkeyPatch, mutation: Mutation, is_found: bool
) -> None:
    """Virtual time has one turn at a time, so two dispatchers are led by hand into what only chance brings about:

    the statement of the second one begins, the whole turn of the first one commits, then the second one gets the lock.
    """

    async def race(seed: int) -> None:
        chance = Random(seed)
        lines, key = chance.randint(2, 8), chance.getrandbits(31)
        bench = await open_bench(VirtualClock(START))
        await bench.started(numbers(3 * lines), max_lines=lines)
        first, second = (Dispatcher(bench.app.database, bench.app.clock, uuid4()) for _ in range(2))

        async def late() -> None:
            gate.set(key)
            assert await second.turn(bench.app.organization_id, (), room=lines) is not None

        async with bench.app.database.connection() as gatekeeper:
            await gatekeeper.execute("SELECT pg_advisory_lock($1)", key)
            turn = asyncio.create_task(late())
            await bench.wait_for(lambda: gatekeeper.fetchval(AT_THE_GATE, key))
            await first.turn(bench.app.organization_id, (), room=chance.randint(1, lines))
            await gatekeeper.execute("SELECT pg_advisory_unlock($1)", key)
            await turn

        await lines_are_kept(bench.app)
        await store_is_sound(bench.app)

    mutation(monkeypatch)
    for seed in RACES:
        if is_found:
            with pytest.raises(AssertionError, match="lines in use"):
                await race(seed)
        else:
            await race(seed)
