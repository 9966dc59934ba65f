"""The carrier's memory: one file of JSON lines per carrier and campaign, shared by all worker processes."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from dialplane.core.disposition import Disposition
from dialplane.errors import CarrierUnavailable, EnvironmentFault

KEYS = {"at", "event", "attempt_id", "to", "from", "result"}
READ_BYTES = 1 << 20
# A process that was stopped while it held the lock must not freeze the others: they give up and try again later.
LOCK_PATIENCE_SECONDS = 0.25
LOCK_PAUSE_SECONDS = 0.00005
LARGEST_BYTES = 1 << 30  # then it is put aside, at a moment without a call: a million calls and more


class LogEvent(StrEnum):
    PLACE = "place"
    REFUSE = "refuse"
    RING = "ring"
    ANSWER = "answer"
    END = "end"
    LOOKUP = "lookup"


@dataclass(frozen=True, slots=True)
class End:
    at: datetime
    disposition: Disposition
    sip_status: int | None
    cause: str


@dataclass(slots=True, kw_only=True)
class Placed:
    """An accepted call as the log tells it; `written` is what happened to it so far."""

    call_id: str
    attempt_id: str
    to_number: str
    from_number: str
    number: int
    contact_id: int
    at: datetime
    written: set[LogEvent] = field(default_factory=set)
    ended: End | None = None


def put_aside_path(path: Path) -> Path:
    """Where a log is once it has grown large; the one that was there before it is gone."""
    return path.with_name(f"{path.name}.1")


def log_path(folder: Path, carrier_id: int, campaign_id: int) -> Path:
    return folder / f"carrier-{carrier_id}-campaign-{campaign_id}.jsonl"


class Log:
    """Lines are written under an exclusive lock, after everything that others wrote has been read.

    In memory are the open calls and the last `max_starts` starts. Written means handed to the operating system: it
    outlives the process, not a power cut.
    """

    def __init__(self, path: Path, max_starts: int = 0) -> None:
        self.path = path
        self.open: dict[str, Placed] = {}  # by call id, over all processes
        self.starts: deque[datetime] = deque(maxlen=max_starts)
        self._file: int | None = None
        self._inode = 0  # of the file that was read up to size_bytes
        self.size_bytes = 0  # everything before this offset is known here; under the lock, all there is
        self._stuck_until = 0.0

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Raises CarrierUnavailable when another process sits on the lock, EnvironmentFault when the disk says no."""
        with self._explained():
            self._open_locked()
        try:
            yield
        finally:
            assert self._file is not None
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def append(self, line: dict[str, Any]) -> None:
        """Write one line; the caller holds the lock. After an error the file is as it was before."""
        assert self._file is not None, "the log is written under its lock only"
        data = json.dumps(line).encode() + b"\n"
        with self._explained():
            self._write(self._file, data)
        self._learn(line)

    def find(self, attempt_id: str) -> list[Placed]:
        """The accepted calls of one attempt, open or ended; two are a double dial. The caller holds the lock."""
        return [call for call in self.open.values() if call.attempt_id == attempt_id] or self._search(attempt_id)

    def close(self) -> None:
        """Give the file back until the next line; what is known stays known."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open_locked(self) -> None:
        """The file that has the log's name now, locked and read; another one than before, if that was put aside."""
        while True:
            if self._file is None:
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
                found = os.fstat(self._file)
                if found.st_ino != self._inode or found.st_size < self.size_bytes:
                    self._inode, self.size_bytes = found.st_ino, 0
                    self.open.clear()
            self._catch_up(self._file)
            self._lock(self._file)
            try:
                self._read_others(self._file)  # of one that was put aside too: the ends of calls that are known here
                if self._has_name():
                    if self.open or self.size_bytes < LARGEST_BYTES:
                        return
                    os.replace(self.path, put_aside_path(self.path))
            except BaseException:
                fcntl.flock(self._file, fcntl.LOCK_UN)
                raise
            self.close()  # and with it the lock

    def _has_name(self) -> bool:
        try:
            return os.stat(self.path).st_ino == self._inode
        except FileNotFoundError:
            return False

    def _lock(self, file: int) -> None:
        start = time.monotonic()
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._stuck_until = 0.0
                return
            except BlockingIOError:
                now = time.monotonic()
            if now < self._stuck_until or now > start + LOCK_PATIENCE_SECONDS:
                self._stuck_until = now + 4 * LOCK_PATIENCE_SECONDS
                raise CarrierUnavailable(f"{self.path} is locked by another process that does not go on")
            time.sleep(LOCK_PAUSE_SECONDS)

    def _write(self, file: int, data: bytes) -> None:
        try:
            written = os.write(file, data)  # one call, so that a killed writer leaves a whole line or none
            if written != len(data):
                raise OSError(f"only {written} of {len(data)} bytes could be written; is the disk full?")
        except OSError:
            os.ftruncate(file, self.size_bytes)
            raise
        self.size_bytes += len(data)

    def _catch_up(self, file: int) -> None:
        """Whole lines, before the lock: who is new to a long log would keep the others from placing while it reads."""
        while os.fstat(file).st_size - self.size_bytes > READ_BYTES:
            *lines, _ = os.pread(file, READ_BYTES, self.size_bytes).splitlines(keepends=True)
            if not lines:  # longer than any of ours
                return
            for line in lines:
                self.size_bytes += len(line)
                self._learn(parsed(line))

    def _read_others(self, file: int) -> None:
        rest = b""
        while data := os.pread(file, READ_BYTES, self.size_bytes + len(rest)):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self.size_bytes += len(line) + 1
                self._learn(parsed(line))
        if rest:  # a writer died in the middle of a line: close it, so that the next one starts on its own
            os.write(file, b"\n")
            self.size_bytes += len(rest) + 1
            self._learn(parsed(rest))

    def _learn(self, line: dict[str, Any] | None) -> None:
        if line is None:
            return
        call = apply(line, self.open)
        if call is not None and line["event"] == LogEvent.PLACE:
            self.starts.append(call.at)
        if call is not None and call.ended is not None:
            del self.open[call.call_id]

    def _search(self, attempt_id: str) -> list[Placed]:
        """Ended calls are not kept in memory; look-ups of them are rare enough to read the file."""
        needle = attempt_id.encode()
        calls: dict[str, Placed] = {}
        for path in (put_aside_path(self.path), self.path):
            if not path.exists():
                continue
            with self._explained(), path.open("rb") as lines:
                for line in lines:
                    if needle in line and (known := parsed(line)) is not None:
                        apply(known, calls)
        return [call for call in calls.values() if call.attempt_id == attempt_id]

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or str(error)
            raise EnvironmentFault(
                f"the simulated carrier cannot use its log {self.path}: {reason}; free space or mend the permissions"
            ) from error


def parsed(line: bytes) -> dict[str, Any] | None:
    """The line, or None for one that was torn."""
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) and value.keys() >= KEYS else None


def apply(line: dict[str, Any], calls: dict[str, Placed]) -> Placed | None:
    """The call that `line` tells about, after it was brought up to date; None when it is none of `calls`."""
    event, call_id = line["event"], line.get("call", line["attempt_id"])
    if event == LogEvent.PLACE:
        call = calls[call_id] = Placed(
            call_id=call_id,
            attempt_id=line["attempt_id"],
            to_number=line["to"],
            from_number=line["from"],
            number=line.get("number", 1),
            contact_id=line.get("contact_id", 0),
            at=datetime.fromisoformat(line["at"]),
        )
        return call
    if event not in (LogEvent.RING, LogEvent.ANSWER, LogEvent.END) or call_id not in calls:
        return None
    call = calls[call_id]
    call.written.add(LogEvent(event))
    if event == LogEvent.END:
        at, disposition = datetime.fromisoformat(line["at"]), Disposition(line["result"])
        call.ended = End(at, disposition, line.get("sip_status"), line.get("cause", ""))
    return call
