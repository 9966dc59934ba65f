"""The checks can fail: engines that break one promise each are found out by a small campaign."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import pytest
from checks import LogLine, heard_of, never_more_lines_than, no_attempt_is_placed_twice, read_log, report_agrees
from stage import HERE, Stage, numbers

CONTACTS, LINES = 320, 12
CARRIER = {"cps": None, "outcomes": {"answered": 1}, "ring_seconds": 0.05, "talk_seconds": [0.3, 0.5]}
PATIENCE_SECONDS = 40


def dial(
    stage: Stage, fault: str, *, while_dialling: Callable[[], None] = lambda: None, **policies: float
) -> Sequence[LogLine]:
    stage.start_campaign(numbers(CONTACTS), carrier=CARRIER, **policies)
    start_workers(stage, fault)
    wait(lambda: stage.placed() > CONTACTS / 10)
    while_dialling()
    wait(lambda: stage.state() == "completed")
    for process in stage.running:  # calls that the engine knows nothing of have an end too
        process.popen.terminate()
        process.popen.wait()
    return read_log(stage.log)


def start_workers(stage: Stage, fault: str) -> None:
    for _ in range(2):
        stage.start(str(HERE / "broken.py"), fault, "worker", name=f"broken-{fault}")


def wait(happened: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while not happened():
        assert time.monotonic() < give_up_at
        time.sleep(0.05)


def test_a_guard_that_ignores_the_state_is_found(stage: Stage) -> None:
    def freeze() -> None:
        for process in stage.running:
            stage.freeze(process, 3.3)  # intents expire, other workers take them back
            time.sleep(3.3)
            stage.thaw()
            time.sleep(0.2)

    log = dial(stage, "guard", while_dialling=freeze, cps=40)  # slow enough for intents to wait for their instant

    report, log = heard_of(stage.report(), log)
    with pytest.raises(AssertionError, match="0 rows of the report for one attempt"):
        report_agrees(report, log)


def test_a_turn_that_does_not_count_is_found(stage: Stage) -> None:
    log = dial(stage, "count", max_lines=LINES)

    with pytest.raises(AssertionError, match="calls at once"):
        never_more_lines_than(log, LINES)


def test_a_carrier_that_is_misunderstood_is_found(stage: Stage) -> None:
    def kill() -> None:
        for process in stage.running:
            stage.kill(process)
        start_workers(stage, "answer")

    log = dial(stage, "answer", while_dialling=kill, max_lines=LINES)

    with pytest.raises(AssertionError, match="placed 2 times"):
        no_attempt_is_placed_twice(log)
