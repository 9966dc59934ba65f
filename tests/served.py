"""`dialplane serve` in processes of its own, as the tests speak to it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx2
from checks import LogLine, read_log

EXECUTABLE = Path(sys.executable).with_name("dialplane")
KEY = "the first key of the operator"
DEADLINE_SECONDS = 60
T = TypeVar("T")


@dataclass
class Served:
    """A server of its own, with its data folder. said: what it has logged so far, line by line."""

    process: subprocess.Popen[str]
    home: Path
    http: httpx2.Client
    said: list[str] = field(default_factory=list)
    url: str = ""

    def __post_init__(self) -> None:
        threading.Thread(target=self._listen, daemon=True).start()
        until(lambda: self.url or self.process.poll() is not None, "the server listens")

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)
            if found := re.search(r"listens on (http://\S+)", line):
                self.url = found[1]

    def ask(self, method: str, path: str, *, key: str = KEY, **request: Any) -> httpx2.Response:
        headers = {"X-API-Key": key, **request.pop("headers", {})}
        return self.http.request(method, f"{self.url}{path}", headers=headers, **request)

    def child(self, command: str) -> int | None:
        """The process id of `dialplane <command>` beside the server."""
        # -ww: where COLUMNS is set, ps cuts its lines there, and the command is at their end.
        listed = subprocess.run(
            ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(self.process.pid)],
            check=False,
            capture_output=True,
            text=True,
        )
        found = [int(line.split()[0]) for line in listed.stdout.splitlines() if f" {command} --with-parent" in line]
        return found[0] if found else None

    def heard(self, event: str) -> bool:
        return any(event in line for line in self.said)

    def carrier_log(self) -> list[LogLine]:
        """Of all campaigns and single calls."""
        return read_log(*sorted((self.home / "carrier-logs").rglob("*.jsonl")))


@contextmanager
def data_folder() -> Iterator[Path]:
    """An empty DIALPLANE_HOME."""
    # Not pytest's own folder: as root that one is 0700, so that the database's user cannot enter it.
    home = Path(tempfile.mkdtemp(prefix="dp-serve-", dir="/tmp"))
    home.chmod(0o755)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def serving(home: Path, *arguments: str, **variables: str) -> Iterator[Served]:
    """A server on a free port, with these variables of the environment, which has left in the end."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("DIALPLANE_")}
    env |= {"DIALPLANE_HOME": str(home), "DIALPLANE_API_KEY": KEY, **variables}
    command = [str(EXECUTABLE), "serve", "--port", "0", *arguments]
    process = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        with httpx2.Client(timeout=30) as http:  # to make one takes longer than most requests
            served = Served(process, home, http)
            assert served.url, served.said
            yield served
    finally:
        for _ in range(3):  # the third time it leaves at once
            if process.poll() is None:
                process.terminate()
                time.sleep(0.3)
        process.wait(DEADLINE_SECONDS)


def until(holds: Callable[[], T], what: str, *, seconds: float = DEADLINE_SECONDS) -> T:
    """Ask until the answer is true; that answer."""
    deadline = time.monotonic() + seconds
    while not (answer := holds()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)
    return answer
