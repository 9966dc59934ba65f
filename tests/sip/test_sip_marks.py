"""Whether anybody still carries a call: what another worker of the same machine can be sure of, and what not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from callees import callee, needs_programs
from calls import until
from trunks import Stage, is_running, phones_of

from dialplane.carriers.sip import marks
from dialplane.core.disposition import Disposition
from dialplane.ports import Lookup

WORKER = """
import asyncio, json, sys
sys.path += json.loads(sys.argv[1])
from pathlib import Path
from trunks import Stage

async def main():
    stage = Stage(json.loads(sys.argv[2]), Path(sys.argv[3]))
    order = await stage.placed()
    await stage.line(order)
    print(order.attempt_uuid, flush=True)
    await asyncio.sleep(120)

asyncio.run(main())
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path / f"dialplane-sip-{os.getuid()}"


@contextmanager
def another_worker(trunk: object, files: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """With a call that has been answered."""
    paths = [path for path in sys.path if Path(path).is_dir()]
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, json.dumps(paths), json.dumps(trunk), str(files)],
        stdout=subprocess.PIPE,
        text=True,
    ) as worker:
        assert worker.stdout is not None
        yield worker, worker.stdout.readline().strip()
        for pid in phones_of(worker.pid):
            os.kill(pid, signal.SIGKILL)
        worker.kill()


@needs_programs
@pytest.mark.asyncio
async def test_a_call_is_cut_off_once_its_processes_have_died_and_not_before(
    trunk_to: Callable[..., Stage], tmp_path: Path
) -> None:
    with callee("answer") as called:
        stage = trunk_to(called.trunk)
        with another_worker(called.trunk, tmp_path / "files") as (worker, name):
            (phone,) = phones_of(worker.pid)
            order = replace(stage.call(), attempt_uuid=UUID(name))

            assert await stage.carrier.lookup(order) is Lookup.CANNOT_TELL
            for pid in (worker.pid, phone):
                os.kill(pid, signal.SIGSTOP)  # they may come back
            assert await stage.carrier.lookup(order) is Lookup.CANNOT_TELL
            worker.kill()
            await until(lambda: not is_running(worker.pid))
            assert await stage.carrier.lookup(order) is Lookup.CANNOT_TELL  # its process may still come back

            os.kill(phone, signal.SIGKILL)
            await until(lambda: marks.is_orphaned(name))  # its last thread takes the lock with it

            assert await stage.carrier.lookup(order) is Lookup.CUT_OFF
            assert await stage.carrier.lookup(order) is Lookup.CUT_OFF  # however often it is asked
            assert await stage.carrier.lookup(stage.call()) is Lookup.CANNOT_TELL  # one that nobody here has carried


@needs_programs
@pytest.mark.asyncio
async def test_a_call_that_has_ended_leaves_nothing_behind(trunk_to: Callable[..., Stage], folder: Path) -> None:
    with callee("answer") as called:
        stage = trunk_to(called.trunk)
        order, line = await stage.answered()
        assert [path.name for path in folder.iterdir()] == [str(order.attempt_uuid)]

        await line.hang_up()
        assert (await stage.end(order)).disposition is Disposition.ANSWERED

        await until(lambda: not list(folder.iterdir()))


def test_a_mark_speaks_for_its_holder_and_for_nobody_else(folder: Path) -> None:
    name = str(uuid4())
    assert not marks.is_orphaned(name)

    held = marks.mark(name)

    assert held is not None and not marks.is_orphaned(name)
    os.close(held)
    assert marks.is_orphaned(name)
    marks.forget(name)
    assert not marks.is_orphaned(name) and not list(folder.iterdir())


def test_old_marks_are_swept_once_nobody_holds_them(folder: Path) -> None:
    held, left, fresh = (str(uuid4()) for _ in range(3))
    holds = marks.mark(held)
    for name in (left, fresh):
        os.close(marks.mark(name) or 0)
    for name in (held, left):
        os.utime(folder / name, (0, 0))

    marks.sweep()

    assert {path.name for path in folder.iterdir()} == {held, fresh}
    os.close(holds or 0)


def test_where_there_is_no_place_for_a_mark_nobody_is_sure(folder: Path) -> None:
    folder.write_text("a file of somebody else")

    assert marks.mark("call") is None
    assert not marks.is_orphaned("call")
    marks.forget("call")
    marks.sweep()
