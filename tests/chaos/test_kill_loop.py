"""A campaign dialled by three workers while they and their database are killed and frozen, again and again.

DIALPLANE_CHAOS_SEED repeats a run's faults (never quite their instants); DIALPLANE_CHAOS_SCALE=5 makes it five times as
long.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from checks import never_more_lines_than, read_log
from promises import (
    FROZEN_LATENESS,
    average_pace,
    everything_holds,
    pace_holds,
    pace_holds_where_nothing_happened,
)
from stage import Stage, ended, numbers, scale, seed

from dialplane.core.breaker import CircuitBreaker
from dialplane.core.retry import RetryPolicy

CONTACTS = round(2300 * scale())
FAULTS = round(32 * scale())
FEWEST_FAULTS = round(25 * scale())  # a process may be killed while it is frozen, which is one
WORKERS = 3
LINES, CPS, RETRIES = 60, 150.0, 2
CARRIER = {
    "cps": None,
    "ring_seconds": [0.02, 0.2],
    "talk_seconds": [0.05, 0.7],
    "refusals": {"rate_limited": 0.01, "capacity": 0.02},
    "timeouts": 0.01,
}
LONGEST_QUIET_SECONDS = 4.0  # between two faults, also where nothing is dialled
PATIENCE_SECONDS = 90 * max(1, scale())  # for the rest of the campaign, once the faults are over
DEAD_SECONDS = 5.0  # a worker that was silent for this long is taken for dead

OWN_DATABASE = pytest.mark.skipif(
    "DIALPLANE_TEST_DATABASE_URL" in os.environ, reason="the server of DIALPLANE_TEST_DATABASE_URL is not ours to kill"
)

Deed = Callable[[], None]


@dataclass
class Chaos:
    """Seeded faults on a stage; they come as the campaign advances, so that all of them hit it."""

    stage: Stage
    chance: random.Random
    database: bool

    def deeds(self) -> list[Deed]:
        """As many of each kind as ever, in an order by chance."""
        kinds: list[tuple[Deed, int]] = [
            (self.kill_worker, 20),
            (lambda: self.freeze(0.1, 2), 10),
            (lambda: self.freeze(2, DEAD_SECONDS), 5),
            (lambda: self.freeze(DEAD_SECONDS + 0.2, 8), 6),
        ]
        if self.database:
            kinds += [(self.stage.kill_database, 8), (self.kill_database_of_the_frozen, 2), (self.kill_all, 3)]
        total = sum(share for _, share in kinds)
        deeds = [deed for deed, share in kinds for _ in range(max(1, round(share * FAULTS / total)))]
        self.chance.shuffle(deeds)
        return deeds

    def kill_worker(self) -> None:
        self.stage.kill(self.chance.choice(self.stage.running))
        self.fill_up()

    def freeze(self, shortest: float, longest: float) -> None:
        if self.stage.awake:
            self.stage.freeze(self.chance.choice(self.stage.awake), self.chance.uniform(shortest, longest))

    def kill_database_of_the_frozen(self) -> None:
        """It comes back to a server that does not know it."""
        self.freeze(0.5, DEAD_SECONDS + 1)
        self.stage.kill_database()

    def kill_all(self) -> None:
        """Nobody is left; `dialplane run --resume` starts the database and goes on."""
        self.stage.kill_database()
        for process in self.stage.running:
            self.stage.kill(process)
        time.sleep(self.chance.uniform(0, 1))
        self.stage.resume()
        self.fill_up()

    def fill_up(self) -> None:
        while len(self.stage.running) < WORKERS:
            self.stage.start_worker()

    def run(self) -> None:
        """Until the last fault was made and the campaign has ended."""
        deeds = self.deeds()
        self.fill_up()
        for count, deed in enumerate(deeds):
            # Spread over nine tenths of the first attempts, so that no fault comes too late to matter.
            wanted, quiet_until = (
                0.9 * CONTACTS * (count + 1) / (len(deeds) + 1),
                time.monotonic() + LONGEST_QUIET_SECONDS,
            )
            while self.stage.placed() < wanted and time.monotonic() < quiet_until:
                self.wait()
            deed()
            self.wait(self.chance.uniform(0, 0.3))
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while not ended(self.stage.state()) and time.monotonic() < give_up_at:
            self.wait(0.2)
            self.fill_up()
        self.stage.thaw(everybody=True)

    def wait(self, seconds: float = 0.01) -> None:
        until = time.monotonic() + seconds
        while True:
            self.stage.thaw()
            if (left := until - time.monotonic()) <= 0:
                return
            time.sleep(min(left, 0.05))


@pytest.mark.parametrize("victims", ["workers", pytest.param("workers and database", marks=OWN_DATABASE)])
def test_every_promise_holds_while_they_are_killed_and_frozen(stage: Stage, victims: str) -> None:
    chosen = seed()
    print(f"DIALPLANE_CHAOS_SEED={chosen}")
    contacts = numbers(CONTACTS)
    stage.start_campaign(
        contacts,
        carrier=CARRIER | {"seed": chosen},
        retry=RetryPolicy(max_retries=RETRIES, delay_seconds=1),
        # A process that was frozen with the lock on the carrier's log fails everybody's calls, and no trunk does.
        breaker=CircuitBreaker(enabled=False),
        max_lines=LINES,
        cps=CPS,
    )
    chaos = Chaos(stage, random.Random(chosen), database="database" in victims)
    begun = time.monotonic()

    chaos.run()

    log = read_log(stage.log)
    print(f"{len(stage.faults)} faults in {time.monotonic() - begun:.0f} s, {stage.placed()} calls")
    assert stage.state() == "completed"
    progress = stage.progress()
    everything_holds(log, stage.report(), progress, contacts=contacts, lines=LINES, cps=CPS, max_retries=RETRIES)
    assert "agent_failed" not in progress.dispositions, "a lost database is no failure of an agent"
    pace_holds_where_nothing_happened(
        log, CPS, [(fault.at - timedelta(seconds=0.5), fault.until) for fault in stage.faults]
    )

    # The promises were put to the test, both limits among them.
    with pytest.raises(AssertionError, match="calls at once"):
        never_more_lines_than(log, LINES * 3 // 4)
    with pytest.raises(AssertionError, match="outran"):
        pace_holds(log, 0.5 * average_pace(log), FROZEN_LATENESS)
    assert len(stage.faults) >= FEWEST_FAULTS
    assert any(line.event == "lookup" and line.result == "known" for line in log)
    assert any(line.event == "refuse" for line in log)
    assert any(line.number == 3 for line in log)
