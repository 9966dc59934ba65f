"""`dialplane serve` as its users run it: one command, several processes, and what happens when one of them dies."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from executable import Cli
from served import DEADLINE_SECONDS, Served, data_folder, serving, until


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    with data_folder() as home, ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(serving(home, *arguments))


def started(served: Served, text: str) -> int:
    """The id of a campaign over these contacts, on the example agent and the simulated carrier."""
    given = served.ask("POST", "/s3/presigned-upload-url", json={"file_name": "c.csv", "file_size": len(text)}).json()
    assert httpx2.put(given["upload_url"], content=text).status_code == 200
    body: dict[str, Any] = {"name": "first", "workflow_id": 1, "source_type": "csv", "source_id": given["file_key"]}
    body |= {"retry_config": {"max_retries": 0}}
    campaign_id: int = served.ask("POST", "/campaign/create", json=body).json()["id"]
    assert served.ask("POST", f"/campaign/{campaign_id}/start").status_code == 200
    return campaign_id


def progress(served: Served, campaign_id: int) -> dict[str, Any]:
    found: dict[str, Any] = served.ask("GET", f"/campaign/{campaign_id}/progress").json()
    return found


def children(served: Served) -> list[int]:
    """The worker and the process for jobs, once both run: at first a new process has the command line of its parent."""

    def both() -> list[int]:
        found = [pid for pid in (served.child("worker"), served.child("jobs")) if pid is not None]
        return found if len(found) == 2 else []

    return until(both, "both run")


def test_a_fresh_server_runs_a_first_campaign_at_once(serve: Callable[..., Served]) -> None:
    served = serve()
    numbers = "phone_number\n" + "".join(f"+1212200{i:04d}\n" for i in range(30))

    campaign_id = started(served, numbers)
    until(lambda: progress(served, campaign_id)["contacts"]["reached"] >= 10, "ten are reached")

    metrics = httpx2.get(f"{served.url}/metrics").text
    assert "dialplane_workers 1.0" in metrics
    assert re.search(r'dialplane_placements_total\{result="placed"\} [1-9]', metrics), "the worker's counts are there"
    assert not served.heard("+12122000"), "no number is logged"


def test_a_worker_that_is_killed_comes_back_and_nobody_is_called_twice(serve: Callable[..., Served]) -> None:
    served = serve()
    campaign_id = started(served, "phone_number\n" + "".join(f"+1212200{i:04d}\n" for i in range(300)))
    until(lambda: progress(served, campaign_id)["dialled"] >= 100, "a hundred are dialled")
    worker = served.child("worker")
    assert worker is not None

    os.kill(worker, signal.SIGKILL)

    until(lambda: served.child("worker") not in (None, worker), "another worker is there")
    until(lambda: progress(served, campaign_id)["dialled"] == 300, "all are dialled")
    assert served.heard("process.died")
    placed = [(line.to, line.number) for line in served.carrier_log() if line.event == "place"]
    assert len(placed) == len(set(placed)) > 0


def test_sigterm_lets_calls_end_and_leaves_nothing_behind(serve: Callable[..., Served]) -> None:
    served = serve()
    campaign_id = started(served, "phone_number\n+12122000001\n+12122000002\n")
    until(lambda: progress(served, campaign_id)["dialled"] == 2, "both are dialled")
    pids = children(served)

    served.process.terminate()

    assert served.process.wait(DEADLINE_SECONDS) == 0
    assert not [pid for pid in pids if alive(pid)]
    cli = Cli(served.home, {**os.environ, "DIALPLANE_HOME": str(served.home)})
    (campaign,) = cli.campaigns()
    assert campaign["contacts"]["dialing"] == 0, "their calls have ended"


def test_children_of_a_server_that_is_killed_leave(serve: Callable[..., Served]) -> None:
    served = serve()
    pids = children(served)

    served.process.kill()
    served.process.wait(DEADLINE_SECONDS)

    until(lambda: not any(alive(pid) for pid in pids), "the children have left")


def test_a_database_that_is_killed_answers_503_and_comes_back_by_itself(serve: Callable[..., Served]) -> None:
    served = serve()
    campaign_id = started(served, "phone_number\n" + "".join(f"+1212200{i:04d}\n" for i in range(100)))
    pid_file = next(served.home.rglob("postmaster.pid"), None)
    assert pid_file is not None, "its folder is in the home"

    os.kill(int(pid_file.read_text().split()[0]), signal.SIGKILL)

    codes: list[int] = []
    until(lambda: codes.append(served.ask("GET", "/campaign").status_code) or codes[-1] == 200, "it answers again")
    assert set(codes) <= {200, 503}
    until(lambda: progress(served, campaign_id)["dialled"] == 100, "the campaign goes on")


def test_an_import_goes_on_after_the_database_was_killed_in_its_middle(serve: Callable[..., Served]) -> None:
    rows = 20_000
    served = serve()
    campaign_id = started(served, "phone_number\n" + "".join(f"+1212{2_000_000 + i}\n" for i in range(rows)))
    until(lambda: (served.ask("GET", f"/campaign/{campaign_id}").json()["total_rows"] or 0) > 0, "some are imported")
    pid_file = next(served.home.rglob("postmaster.pid"))

    os.kill(int(pid_file.read_text().split()[0]), signal.SIGKILL)

    def imported() -> bool:
        answer = served.ask("GET", f"/campaign/{campaign_id}/log")
        return answer.status_code == 200 and f"{rows} contacts imported" in answer.text

    until(imported, "the import is finished")
    assert progress(served, campaign_id)["total_contacts"] == rows


def test_without_workers_nobody_dials(serve: Callable[..., Served]) -> None:
    served = serve("--workers", "0")
    campaign_id = started(served, "phone_number\n+12122000001\n")
    until(lambda: progress(served, campaign_id)["source_sync"]["status"] == "completed", "the file is imported")

    assert served.child("worker") is None
    assert progress(served, campaign_id)["dialled"] == 0
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


def forecast(served: Served, campaign_id: int) -> dict[str, Any]:
    """Once it is made."""
    found: dict[str, Any] = served.ask("GET", f"/campaign/{campaign_id}/forecast").json()
    return found if found["state"] != "making" else {}


def test_a_forecast_of_a_campaign_half_way_is_what_then_happens(serve: Callable[..., Served]) -> None:
    served = serve()
    campaign_id = started(served, "phone_number\n" + "".join(f"+1212200{i:04d}\n" for i in range(300)))
    until(lambda: progress(served, campaign_id)["dialled"] >= 100, "a hundred are dialled")
    assert served.ask("POST", f"/campaign/{campaign_id}/pause").status_code == 200

    asked = served.ask("POST", f"/campaign/{campaign_id}/forecast")
    again = served.ask("POST", f"/campaign/{campaign_id}/forecast")
    made = until(lambda: forecast(served, campaign_id), "it is made")

    assert (asked.status_code, asked.json()["state"], asked.json()["result"]) == (202, "making", None)
    assert again.json()["asked_at"] == asked.json()["asked_at"] == made["asked_at"], "one at a time"
    assert (made["state"], made["fault"]) == ("made", "")
    assert served.ask("GET", f"/campaign/{campaign_id}").json()["state"] == "paused"
    assert served.ask("POST", f"/campaign/{campaign_id}/resume").status_code == 200
    until(lambda: served.ask("GET", f"/campaign/{campaign_id}").json()["state"] == "completed", "it is completed")
    happened = progress(served, campaign_id)
    assert made["result"]["contacts"] == happened["contacts"]
    assert made["result"]["dispositions"] == happened["dispositions"]
    over = served.ask("POST", f"/campaign/{campaign_id}/forecast")
    assert (over.status_code, over.json()["detail"]) == (
        400,
        f"campaign {campaign_id} is completed: nothing more is to be expected of it",
    )


def test_a_forecast_that_a_stop_cuts_short_is_made_by_who_comes_next() -> None:
    with data_folder() as home:
        with serving(home, "--workers", "0") as served:
            campaign_id = started(served, "phone_number\n" + "".join(f"+1212200{i:04d}\n" for i in range(2000)))
            until(lambda: progress(served, campaign_id)["contacts"]["total"] == 2000, "all are imported")
            served.ask("POST", f"/campaign/{campaign_id}/forecast")
            until(lambda: "forecast_job" in processes(), "it is being made")
        assert "forecast_job" not in processes(), "nothing of it is left"

        with serving(home, "--workers", "0") as served:
            made = until(lambda: forecast(served, campaign_id), "it is made")

    assert (made["state"], made["result"]["state"]) == ("made", "completed")


def processes() -> str:
    return subprocess.run(["ps", "-ww", "-A", "-o", "args="], check=True, capture_output=True, text=True).stdout
