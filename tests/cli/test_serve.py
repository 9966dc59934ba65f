"""`dialplane serve` as its users run it: one command, several processes, and what happens when one of them dies."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from checks import read_log
from executable import EXECUTABLE, Cli

KEY = "the first key of the operator"
DEADLINE_SECONDS = 60


@dataclass
class Served:
    """A server of its own, with its data folder."""

    process: subprocess.Popen[str]
    home: Path
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

    def ask(self, method: str, path: str, **request: Any) -> httpx2.Response:
        return httpx2.request(method, f"{self.url}{path}", headers={"X-API-Key": KEY}, timeout=30, **request)

    def started(self, text: str) -> int:
        """The id of a campaign over these contacts, on the example agent and the simulated carrier."""
        given = self.ask("POST", "/s3/presigned-upload-url", json={"file_name": "c.csv", "file_size": len(text)}).json()
        assert httpx2.put(given["upload_url"], content=text).status_code == 200
        body: dict[str, Any] = {"name": "first", "workflow_id": 1, "source_type": "csv", "source_id": given["file_key"]}
        body |= {"retry_config": {"max_retries": 0}}
        campaign_id: int = self.ask("POST", "/campaign/create", json=body).json()["id"]
        assert self.ask("POST", f"/campaign/{campaign_id}/start").status_code == 200
        return campaign_id

    def progress(self, campaign_id: int) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", f"/campaign/{campaign_id}/progress").json()
        return found

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


def until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"not within {DEADLINE_SECONDS} s: {what}"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    # Not pytest's own folder: as root that one is 0700, so that the database's user cannot enter it.
    home = Path(tempfile.mkdtemp(prefix="dp-serve-", dir="/tmp"))
    home.chmod(0o755)
    env = {name: value for name, value in os.environ.items() if not name.startswith("DIALPLANE_")}
    env |= {"DIALPLANE_HOME": str(home), "DIALPLANE_API_KEY": KEY}
    running: list[Served] = []

    def start(*arguments: str) -> Served:
        command = [str(EXECUTABLE), "serve", "--port", "0", *arguments]
        process = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        running.append(Served(process, home))
        assert running[-1].url, running[-1].said
        return running[-1]

    yield start
    for served in running:
        for _ in range(3):  # the third time it leaves at once
            if served.process.poll() is None:
                served.process.terminate()
                time.sleep(0.3)
        served.process.wait(DEADLINE_SECONDS)
    shutil.rmtree(home, ignore_errors=True)


def test_a_fresh_server_runs_a_first_campaign_at_once(serve: Callable[..., Served]) -> None:
    served = serve()
    numbers = "phone_number\n" + "".join(f"+1212200{i:04d}\n" for i in range(30))

    campaign_id = served.started(numbers)
    until(lambda: served.progress(campaign_id)["contacts"]["reached"] >= 10, "ten are reached")

    metrics = httpx2.get(f"{served.url}/metrics").text
    assert "dialplane_workers 1.0" in metrics
    assert re.search(r'dialplane_placements_total\{result="placed"\} [1-9]', metrics), "the worker's counts are there"
    assert not served.heard("+12122000"), "no number is logged"


def test_a_worker_that_is_killed_comes_back_and_nobody_is_called_twice(serve: Callable[..., Served]) -> None:
    served = serve()
    campaign_id = served.started("phone_number\n" + "".join(f"+1212200{i:04d}\n" for i in range(300)))
    until(lambda: served.progress(campaign_id)["dialled"] >= 100, "a hundred are dialled")
    worker = served.child("worker")
    assert worker is not None

    os.kill(worker, signal.SIGKILL)

    until(lambda: served.child("worker") not in (None, worker), "another worker is there")
    until(lambda: served.progress(campaign_id)["dialled"] == 300, "all are dialled")
    assert served.heard("process.died")
    (log,) = (served.home / "carrier-logs").rglob("*.jsonl")
    placed = [(line.to, line.number) for line in read_log(log) if line.event == "place"]
    assert len(placed) == len(set(placed))


def test_sigterm_lets_calls_end_and_leaves_nothing_behind(serve: Callable[..., Served]) -> None:
    served = serve()
    campaign_id = served.started("phone_number\n+12122000001\n+12122000002\n")
    until(lambda: served.progress(campaign_id)["dialled"] == 2, "both are dialled")
    children = [served.child("worker"), served.child("jobs")]

    served.process.terminate()

    assert served.process.wait(DEADLINE_SECONDS) == 0
    assert not [pid for pid in children if pid is not None and alive(pid)]
    cli = Cli(served.home, {**os.environ, "DIALPLANE_HOME": str(served.home)})
    (campaign,) = cli.campaigns()
    assert campaign["contacts"]["dialing"] == 0, "their calls have ended"


def test_children_of_a_server_that_is_killed_leave(serve: Callable[..., Served]) -> None:
    served = serve()
    children = [pid for pid in (served.child("worker"), served.child("jobs")) if pid is not None]
    assert len(children) == 2

    served.process.kill()
    served.process.wait(DEADLINE_SECONDS)

    until(lambda: not any(alive(pid) for pid in children), "the children have left")


def test_a_database_that_is_killed_answers_503_and_comes_back_by_itself(serve: Callable[..., Served]) -> None:
    served = serve()
    campaign_id = served.started("phone_number\n" + "".join(f"+1212200{i:04d}\n" for i in range(100)))
    pid_file = next(served.home.rglob("postmaster.pid"), None)
    assert pid_file is not None, "its folder is in the home"

    os.kill(int(pid_file.read_text().split()[0]), signal.SIGKILL)

    codes: list[int] = []
    until(lambda: codes.append(served.ask("GET", "/campaign").status_code) or codes[-1] == 200, "it answers again")
    assert set(codes) <= {200, 503}
    until(lambda: served.progress(campaign_id)["dialled"] == 100, "the campaign goes on")


def test_without_workers_nobody_dials(serve: Callable[..., Served]) -> None:
    served = serve("--workers", "0")
    campaign_id = served.started("phone_number\n+12122000001\n")
    until(lambda: served.progress(campaign_id)["source_sync"]["status"] == "completed", "the file is imported")

    assert served.child("worker") is None
    assert served.progress(campaign_id)["dialled"] == 0
    assert "dialplane_workers 0.0" in httpx2.get(f"{served.url}/metrics").text


def test_a_port_that_is_taken_is_said(cli: Cli) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        result = cli("serve", "--port", str(taken.getsockname()[1]))

    assert result.code == 4
    assert "cannot be listened on: is another server there? Try --port" in result.err


@pytest.mark.parametrize(("option", "value"), [("--workers", "65"), ("--port", "70000")])
def test_a_number_out_of_range_is_said(cli: Cli, option: str, value: str) -> None:
    result = cli("serve", option, value)

    assert result.code == 2
    assert f"{option} must be 0 to" in result.err
