"""Who is stopped while it holds the organization's lock must not stop the others for longer than two seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from checks import read_log
from promises import everything_holds, longest_gap
from stage import HERE, Stage, numbers

from dialplane.core.breaker import CircuitBreaker

LONGEST_STOP = timedelta(seconds=2)
CONTACTS, CPS, LINES = 700, 50.0, 100
# Calls are short beside the cap, so that the frozen worker's lines are not what the others lack.
CARRIER = {"cps": None, "ring_seconds": [0.02, 0.1], "talk_seconds": [0.05, 0.3], "outcomes": {"answered": 1}}
FROZEN_SECONDS = 5.5  # longer than a silent worker counts as alive
PATIENCE_SECONDS = 90


def start(stage: Stage) -> None:
    breaker = CircuitBreaker(enabled=False)
    stage.start_campaign(numbers(CONTACTS), carrier=CARRIER, max_lines=LINES, cps=CPS, breaker=breaker)
    for _ in range(2):
        stage.start_worker()
    wait(lambda: stage.placed() > CPS)


def wait(happened: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    give_up_at = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < give_up_at
        time.sleep(0.01)


def locked(stage: Stage) -> bool:
    """Whether somebody holds the organization, and goes on holding it for longer than any turn takes."""
    for _ in range(4):
        if stage.ask("SELECT id FROM organization WHERE id = 1 FOR NO KEY UPDATE SKIP LOCKED") is not None:
            return False
        time.sleep(0.01)
    return True


def preparing(stage: Stage) -> bool:
    """Frozen while a connection prepares a statement, which ends by another timeout: see decision 0004."""
    return bool(stage.ask("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND wait_event = 'ClientRead'"))


def longest_stop(stage: Stage, begin: datetime, end: datetime) -> timedelta:
    """The longest time without a call, less what is usual on this machine."""
    log = read_log(stage.log)
    first = min(line.at for line in log if line.event == "place")
    usual, _ = longest_gap(log, first, begin)
    gap, at = longest_gap(log, begin, end)
    print(f"no call for {gap} from {at:%H:%M:%S.%f} on; usual is {usual}")
    return gap - usual


def finish(stage: Stage) -> None:
    stage.thaw(everybody=True)
    wait(lambda: stage.state() == "completed")
    everything_holds(
        read_log(stage.log),
        stage.report(),
        stage.progress(),
        contacts=numbers(CONTACTS),
        lines=LINES,
        cps=CPS,
        max_retries=2,
    )


def test_a_worker_frozen_in_a_turn_stops_nobody_for_long(stage: Stage) -> None:
    start(stage)

    frozen = None
    for _ in range(500):
        for process in stage.awake:
            stage.freeze(process, FROZEN_SECONDS)
            if locked(stage) and not stage.holds_the_log(process) and not preparing(stage):
                frozen = process
                break
            stage.thaw(everybody=True)
            time.sleep(0.05)
        if frozen is not None:
            break
    assert frozen is not None, "no worker could be caught in a turn"
    assert frozen.frozen_at is not None
    begin = frozen.frozen_at
    time.sleep(FROZEN_SECONDS)

    assert stage.placed() < CONTACTS, "no work was due"
    assert longest_stop(stage, begin, datetime.now(UTC)) <= LONGEST_STOP
    finish(stage)


@pytest.mark.parametrize("kind", ["turn", "command"])
def test_a_process_that_stops_itself_with_the_lock_stops_nobody_for_long(stage: Stage, kind: str) -> None:
    start(stage)

    begin = datetime.now(UTC)
    helper = stage.start(str(HERE / "stops_itself.py"), kind, name="stops-itself")
    wait(lambda: "holds the lock" in helper.said())
    time.sleep(4)

    assert helper.alive
    assert stage.placed() < CONTACTS, "no work was due"
    assert longest_stop(stage, begin, datetime.now(UTC)) <= LONGEST_STOP
    helper.popen.kill()
    finish(stage)
