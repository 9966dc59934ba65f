"""Files on the local disk: whole or not at all, and nothing that stays behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dialplane.errors import EnvironmentFault, NotFound
from dialplane.files import open_files
from dialplane.ports import Files

pytestmark = pytest.mark.asyncio


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return open_files(None, tmp_path / "files")


def kept(tmp_path: Path) -> list[str]:
    return sorted(
        str(path.relative_to(tmp_path / "files")) for path in (tmp_path / "files").rglob("*") if path.is_file()
    )


async def pieces(*content: bytes) -> AsyncIterator[bytes]:
    for piece in content:
        yield piece


async def read(files: Files, key: str) -> bytes:
    _, content = await files.stream(key)
    return b"".join([chunk async for chunk in content])


async def test_what_is_written_is_read_back_either_way(files: Files) -> None:
    await files.write("a/b.csv", pieces(b"one,", b"", b"two"))

    assert await read(files, "a/b.csv") == b"one,two"
    assert b"".join(files.read("a/b.csv")) == b"one,two"
    assert (await files.stream("a/b.csv"))[0] == await files.size("a/b.csv") == 7


async def test_a_part_is_read_without_the_rest(files: Files) -> None:
    await files.write("a/b.csv", pieces(b"one,", b"two"))

    assert b"".join([chunk async for chunk in await files.part("a/b.csv", 2, 6)]) == b"e,tw"
    assert b"".join([chunk async for chunk in await files.part("a/b.csv", 6, 7)]) == b"o"
    with pytest.raises(NotFound, match="is gone"):
        await files.part("a/c.csv", 0, 1)


async def test_nothing_at_all_is_a_file_too(files: Files) -> None:
    await files.write("a/empty", pieces())

    assert await files.size("a/empty") == 0


async def test_content_that_breaks_off_leaves_what_was_there_before(files: Files, tmp_path: Path) -> None:
    class BrokenOff(Exception):
        pass

    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * 7_000_000
        raise BrokenOff

    await files.write("a/b", pieces(b"before"))
    with pytest.raises(BrokenOff):
        await files.write("a/b", broken())

    assert await read(files, "a/b") == b"before"
    assert kept(tmp_path) == ["a/b"]


async def test_a_file_takes_the_place_of_the_one_it_is_moved_to(files: Files, tmp_path: Path) -> None:
    await files.write("arriving/x", pieces(b"new"))
    await files.write("a/b", pieces(b"old"))

    await files.move("arriving/x", "a/b")

    assert await read(files, "a/b") == b"new"
    assert kept(tmp_path) == ["a/b"]


async def test_what_is_not_there_is_said_before_the_first_byte(files: Files, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="the file .*/files/a/b is gone"):
        await files.stream("a/b")
    with pytest.raises(NotFound, match="the file .*/files/a/b is gone"):
        next(files.read("a/b"))
    assert await files.size("a/b") is None
    files.delete("a/b")
    with pytest.raises(EnvironmentFault, match="a/b cannot be written"):
        files.put("a/b", tmp_path / "nothing.csv")


async def test_a_disk_signs_no_links(files: Files) -> None:
    assert await files.link("GET", "a/b", timedelta(minutes=1)) is None


WRITER = """
import asyncio, sys
from pathlib import Path
from dialplane.files import open_files

async def endless():
    while True:
        yield b"x" * 6_000_000
        print("written", flush=True)
        await asyncio.sleep(0.01)

asyncio.run(open_files(None, Path(sys.argv[1])).write("arriving/1/x", endless()))
"""


async def test_the_remains_of_a_killed_process_are_swept_once_they_are_old(files: Files, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, str(tmp_path / "files"), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    await process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    await files.write("arriving/1/y", pieces(b"whole, and nobody's"))
    await files.write("a/b", pieces(b"somebody's"))
    assert len(kept(tmp_path)) == 3

    files.sweep("arriving/1", datetime.now(UTC) - timedelta(days=7))
    assert len(kept(tmp_path)) == 3, "they may still be coming"
    files.sweep("arriving/1", datetime.now(UTC) + timedelta(seconds=1))
    files.sweep("arriving/2", datetime.now(UTC))

    assert kept(tmp_path) == ["a/b"]
