"""The processes that hold the SIP stack: started as calls need them, killed, left behind by a worker that has died."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from callees import callee, needs_programs
from calls import until
from trunks import Stage, is_running, phones_of

from dialplane.carriers.sip import phones
from dialplane.core.attempt import CallLimits
from dialplane.core.disposition import Disposition
from dialplane.errors import CarrierRefused, CarrierUnavailable
from dialplane.ports import HungUp, Lookup

pytestmark = [needs_programs, pytest.mark.asyncio]
TrunkTo = Callable[..., Stage]


async def test_a_killed_process_ends_its_calls_and_nobody_elses(
    trunk_to: TrunkTo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phones, "CALLS_EACH", 2)
    with callee("answer") as called:
        stage = trunk_to(called.trunk)
        talks = [await stage.answered(f"+141555501{number}") for number in (20, 21)]
        (first,) = phones_of()
        other, other_line = await stage.answered("+14155550122")
        hearing = asyncio.create_task(talks[0][1].hear())
        await asyncio.sleep(0.1)

        os.kill(first, signal.SIGKILL)
        ends = [await stage.end(order) for order, _ in talks]

        assert {(end.disposition, end.cause) for end in ends} == {(Disposition.AGENT_FAILED, "the SIP process died")}
        with pytest.raises(HungUp):
            await hearing
        with pytest.raises(HungUp):
            await talks[1][1].say("Are you still there?")
        assert "Ended" not in stage.heard.kinds(other)
        assert await other_line.say("Hello.") >= 0
        for number in (23, 24):  # the second of them needs a process more
            await stage.answered(f"+141555501{number}")
        assert len(phones_of()) == 2 and first not in phones_of()


@pytest.mark.parametrize("scenario", ["silent", "ring_for_ever"])
async def test_a_process_that_dies_before_the_answer_leaves_an_unknown_call(trunk_to: TrunkTo, scenario: str) -> None:
    """It is over, as no other process has it; and it may have rung."""
    with callee(scenario) as called:
        stage = trunk_to(called.trunk)
        order = stage.call()
        placing = asyncio.create_task(stage.carrier.place(order))
        await until(lambda: called.received("INVITE") != [])

        os.kill(phones_of()[0], signal.SIGKILL)
        await placing
        end = await stage.end(order)

        assert (end.disposition, end.cause) == (Disposition.UNKNOWN, "the SIP process died")
        assert await stage.carrier.lookup(order) is Lookup.KNOWN


async def test_full_processes_are_a_want_of_capacity(trunk_to: TrunkTo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phones, "CALLS_EACH", 1)
    monkeypatch.setattr(phones, "MOST_PHONES", 1)
    with callee("answer") as called:
        stage = trunk_to(called.trunk)
        first, line = await stage.answered()

        with pytest.raises(CarrierRefused) as refused:
            await stage.placed()
        await line.hang_up()
        await stage.end(first)
        await stage.answered()

        assert refused.value.disposition is Disposition.CAPACITY


async def test_a_process_starts_no_more_calls_a_second_than_it_can_end(
    trunk_to: TrunkTo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phones, "STARTS_PER_SECOND", 2)
    monkeypatch.setattr(phones, "MOST_PHONES", 1)
    with callee("refuse_at_once", status="486 Busy Here") as called:
        stage = trunk_to(called.trunk)
        before = asyncio.get_running_loop().time()

        orders = await asyncio.gather(*(stage.placed(f"+141555501{number}") for number in range(30, 35)))

        assert asyncio.get_running_loop().time() - before > 2, "two at once, two a second later, and one"
        for order in orders:
            await stage.end(order)
        assert set(called.invites().values()) == {1}


async def test_a_stack_that_does_not_start_is_safe_to_try_again(
    trunk_to: TrunkTo, monkeypatch: pytest.MonkeyPatch
) -> None:
    with callee("refuse_at_once", status="486 Busy Here") as called:
        stage = trunk_to(called.trunk)
        with monkeypatch.context() as broken:
            broken.setattr(sys, "executable", "/bin/false")
            with pytest.raises(CarrierUnavailable, match="did not start"):
                await stage.placed()

        assert (await stage.ended()).disposition is Disposition.BUSY


async def test_a_process_that_starts_slowly_leaves_the_call_unplaced(
    trunk_to: TrunkTo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    slow = tmp_path / "slow"
    slow.write_text(f'#!/bin/sh\nsleep 1\nexec {sys.executable} "$@"\n')
    slow.chmod(0o755)
    with callee("refuse_at_once", status="486 Busy Here") as called:
        stage = trunk_to(called.trunk)
        monkeypatch.setattr(sys, "executable", str(slow))

        with pytest.raises(CarrierUnavailable, match="ready in time"):
            await stage.carrier.place(replace(stage.call(), limits=CallLimits(send_timeout_seconds=1)))
        assert called.invites() == {}
        await until(lambda: len(phones_of()) == 1)
        await asyncio.sleep(1.5)

        assert (await stage.ended()).disposition is Disposition.BUSY
        assert len(phones_of()) == 1, "the one that was started for the first call"


async def test_the_password_is_on_no_command_line(trunk_to: TrunkTo) -> None:
    with callee("auth") as called:
        stage = trunk_to(called.trunk | {"user": "alice", "password": "s3cret"})
        await stage.answered()
        (phone,) = phones_of()

        for name in ("cmdline", "environ"):
            assert b"s3cret" not in Path(f"/proc/{phone}/{name}").read_bytes()


async def test_signals_for_everybody_are_the_workers_business(trunk_to: TrunkTo) -> None:
    with callee("answer") as called:
        stage = trunk_to(called.trunk)
        _, line = await stage.answered()

        for everybodys in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(phones_of()[0], everybodys)

        assert await line.say("Hello.") >= 0


# --- the worker dies ------------------------------------------------------------------------------

WORKER = """
import asyncio, json, sys
sys.path[:0] = json.loads(sys.argv[1])
from pathlib import Path
from trunks import Stage

async def main():
    stage = Stage(json.loads(sys.argv[2]), Path(sys.argv[3]))
    order = await stage.placed()
    if sys.argv[4] == "answer":
        await stage.line(order)
    print("ready", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("scenario", "state", "last"), [("answer", "answered", "BYE"), ("ring_for_ever", "", "CANCEL")]
)
async def test_no_process_outlives_a_worker_that_was_killed(
    tmp_path: Path, scenario: str, state: str, last: str
) -> None:
    """Its calls are hung up, and what was recorded of them is deleted: nobody will ask for it."""
    with callee(scenario) as called:
        paths = [path for path in sys.path if Path(path).is_dir()]
        arguments = [json.dumps(paths), json.dumps(called.trunk), str(tmp_path / "files"), scenario]
        worker = subprocess.Popen(  # noqa: ASYNC220
            [sys.executable, "-c", WORKER, *arguments],
            env=os.environ | {"TMPDIR": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert worker.stdout is not None and worker.stderr is not None
        assert await asyncio.to_thread(worker.stdout.readline) == "ready\n", worker.stderr.read()
        (phone,) = phones_of(worker.pid)
        assert list(tmp_path.glob("dialplane-calls-*"))

        worker.kill()
        worker.wait()

        called.wait_for(last)
        await until(lambda: not is_running(phone), what="the end of the SIP process")
        assert not list(tmp_path.glob("dialplane-calls-*")) and not list(tmp_path.glob("baresip-*"))
        assert worker.stderr.read() == ""
