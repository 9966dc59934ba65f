"""Workers are replaced one by one, as for an upgrade: dialling goes on, and nothing is left for anybody to clear up."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from checks import read_log
from promises import USUAL_LATENESS, everything_holds, longest_gap, pace_holds
from stage import Process, Stage, numbers

from dialplane.core.retry import RetryPolicy
from dialplane.wiring import App

CONTACTS, LINES, WORKERS = 600, 80, 3
# Slow enough that work is due until the last worker was replaced, on a busy machine as well; then fast.
CPS, CPS_AFTERWARDS = 30.0, 200.0
# Calls are much longer than the distance between two starts, so that whoever is told to stop has some to wait for.
CARRIER = {
    "cps": None,
    "outcomes": {"answered": 0.98, "busy": 0.02},
    "ring_seconds": [0.05, 0.2],
    "talk_seconds": [0.3, 0.6],
}
# A start is due each 33 ms; a machine with more processes than processors makes some hundred of them. What would have
# to be waited for takes longer: the intents of a worker that has stopped (2 s), its silence (5 s).
LONGEST_PAUSE = timedelta(seconds=1)
PATIENCE_SECONDS = 30.0


def test_workers_are_replaced_one_by_one_without_a_pause(stage: Stage) -> None:
    contacts = numbers(CONTACTS)
    retry = RetryPolicy(max_retries=1, delay_seconds=1)
    stage.start_campaign(contacts, carrier=CARRIER, retry=retry, max_lines=LINES, cps=CPS)
    first = [stage.start_worker() for _ in range(WORKERS)]
    wait(lambda: all(dials(worker) for worker in first) and stage.placed() > CPS)

    for worker in first:
        successor = stage.start_worker()
        wait(lambda successor=successor: dials(successor))
        worker.popen.terminate()
        wait(lambda worker=worker: not worker.alive)

    replaced_at, replaced_after = datetime.now(UTC), stage.placed()
    stage.in_app(lambda app: hurry(app, stage.campaign_id))
    wait(lambda: stage.state() == "completed")
    log = read_log(stage.log)
    slow = [line for line in log if line.at <= replaced_at]
    pause, at = longest_gap(slow, slow[0].at, replaced_at)
    print(f"replaced after {replaced_after} calls, no call for {pause} from {at:%H:%M:%S.%f} on")
    assert [worker.popen.returncode for worker in first] == [0] * WORKERS
    assert all(worker.alive for worker in stage.processes[WORKERS:])
    assert replaced_after < CONTACTS, "no work was due"
    assert pause <= LONGEST_PAUSE
    pace_holds(slow, CPS, USUAL_LATENESS)
    everything_holds(
        log, stage.report(), stage.progress(), contacts=contacts, lines=LINES, cps=CPS_AFTERWARDS, max_retries=1
    )
    assert not [str(line) for line in log if line.event == "lookup"], "somebody had to ask what became of a call"


async def hurry(app: App, campaign_id: int) -> None:
    await app.campaigns.adjust(campaign_id, lambda policies: replace(policies, cps=CPS_AFTERWARDS))


def dials(worker: Process) -> bool:
    return "worker.started" in worker.said()


def wait(happened: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while not happened():
        assert time.monotonic() < give_up_at
        time.sleep(0.02)
