"""bytes of an Excel workbook -> rows of its sheet, read by a process of its own"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import IO, Final

from dialplane.core.intake import Row
from dialplane.errors import EnvironmentFault, Invalid

MAGIC: Final = {b"PK\x03\x04": ".xlsx", b"\xd0\xcf\x11\xe0": ".xls"}
MAGIC_BYTES: Final = 4
REFUSED: Final = 2  # exit code of a reader that says why on its standard error

_READER = "dialplane.engine.spreadsheet_reader"
_TIMEOUT_SECONDS = 180  # a million rows take some 15
# Each may need 2 GiB, and all that a process has come to one computer.
_AT_ONCE = BoundedSemaphore(2)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet as it is read. rows: once only, numbered as the spreadsheet shows them, empty ones left out."""

    name: str
    rows: Iterator[Row]


def read_sheet(chunks: Iterable[bytes], *, name: str, suffix: str) -> Sheet:
    """The sheet of a workbook that has the contacts: for a thread, as it takes seconds.

    One library reads both of Excel's formats, quickly, but unfolds the whole sheet in memory, and takes its process
    with it where that does not suffice: a file of 5 kB can ask for 500 GB. So it runs in a process with limits, whose
    rows go through a temporary file.

    name: the file's, for messages. suffix: '.xlsx' or '.xls'.
    Raises Invalid for what is no workbook, damaged, protected, empty or too large; EnvironmentFault without disk space.
    """
    with _copied(chunks, suffix) as path, _AT_ONCE:
        found = _read(path, name)
    sheet = json.loads(next(found))
    return Sheet(name=sheet, rows=_rows(found))


@contextmanager
def _copied(chunks: Iterable[bytes], suffix: str) -> Iterator[str]:
    """Path of a temporary copy: the reader seeks in it, and goes by the suffix."""
    with _explaining(), tempfile.NamedTemporaryFile(prefix="dialplane-", suffix=suffix) as copy:
        for chunk in chunks:
            copy.write(chunk)
        copy.flush()
        yield copy.name


def _read(path: str, name: str) -> IO[bytes]:
    """All rows, as a file that has no name any more. Raises Invalid."""
    with _explaining():
        found: IO[bytes] = tempfile.TemporaryFile(prefix="dialplane-")  # noqa: SIM115 - the rows keep it open
    # -P: a folder called dialplane, where the command was given, is not ours.
    command = [sys.executable, "-P", "-X", "utf8", "-m", _READER, path]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=found,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for us to answer
            timeout=_TIMEOUT_SECONDS,
            env={**os.environ, "RUST_BACKTRACE": "0"},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Invalid(f"{name} {_TOO_LARGE}") from None
    told = done.stderr.decode(errors="replace").strip().splitlines() or [f"its reader ended with {done.returncode}"]
    if done.returncode == REFUSED:
        raise Invalid(f"{name} {told[-1]}")
    if done.returncode and "No space left" in told[-1]:
        raise EnvironmentFault(f"no workbook can be unpacked in {tempfile.gettempdir()}: the disk is full")
    if done.returncode:
        raise Invalid(f"{name} {_why(done.returncode, told)}")
    found.seek(0)
    return found


_TOO_LARGE = (
    "is too large to be read as a workbook; delete what is in cells far below or beside the contacts, or save it as CSV"
)
_OUT_OF_MEMORY = ("memory allocation", "MemoryError", "capacity overflow", "File too large")


def _why(code: int, told: list[str]) -> str:
    """Why the reader ended. code: negative for a signal; one from outside is how a system takes memory back."""
    from_outside = code < 0 and len(told) == 1 and told[0].startswith("its reader")
    if from_outside or any(word in line for word in _OUT_OF_MEMORY for line in told):
        return _TOO_LARGE
    return f"is damaged and cannot be read ({told[-1]}); open it in Excel and save it again, or save it as CSV"


def _rows(found: IO[bytes]) -> Iterator[Row]:
    with found:
        for line in found:
            number, cells = json.loads(line)
            yield Row(number, tuple(cells))


@contextmanager
def _explaining() -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        folder = tempfile.gettempdir()
        raise EnvironmentFault(f"no workbook can be unpacked in {folder}: {fault.strerror or fault}") from fault
