"""See the machine. DIALPLANE_SIMULATION_SCALE makes it longer, and random: in CI it takes the same steps each time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from machine import CampaignMachine, World

from dialplane.store.postgres import Database

SCALE = float(os.environ.get("DIALPLANE_SIMULATION_SCALE", "1"))
EXAMPLES, STEPS = 80, 25


@pytest.fixture
def world(server: Mapping[str, Any], tmp_path: Path) -> Iterator[World]:
    """The machine is synchronous, so that it brings the engine's event loop along."""
    schema = f"t_{uuid4().hex[:12]}"

    async def drop() -> None:
        connection = await asyncpg.connect(**server)
        await connection.execute(f'DROP SCHEMA "{schema}" CASCADE')
        await connection.close()

    with asyncio.Runner() as runner:
        database = runner.run(Database.open(server, schema=schema, durable=False))
        yield World(runner, database, tmp_path)
        runner.run(database.close())
        runner.run(drop())


def test_every_promise_holds_after_every_step(world: World) -> None:
    run_state_machine_as_test(
        lambda: CampaignMachine(world),
        settings=settings(
            max_examples=round(EXAMPLES * SCALE),
            stateful_step_count=STEPS,
            derandomize=SCALE == 1,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
