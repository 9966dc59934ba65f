"""`dialplane doctor`: who is at work, and how much room there is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from executable import Cli, wait_for

SMALL_DISK = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")


def check(cli: Cli, name: str) -> list[dict[str, Any]]:
    return [found for found in cli("doctor", "--json").json["checks"] if found["name"] == name]


@contextmanager
def disk_of(folder: Path, size: str) -> Iterator[None]:
    folder.mkdir(exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=False).returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_workers_are_shown_with_their_host_their_lines_and_their_silence(empty: Callable[[str], Cli]) -> None:
    cli = empty("site")
    process = cli.start("worker")
    wait_for(lambda: "1 alive" in check(cli, "workers")[0]["message"])

    alive = check(cli, "workers")[0]
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)
    wait_for(lambda: "none alive" in check(cli, "workers")[0]["message"])

    assert alive["status"] == "ok"
    assert f"{os.uname().nodename}, process {process.pid}: 0 lines, up 0:00:0" in alive["message"]
    assert f"process {process.pid}: 0 lines" in check(cli, "workers")[0]["message"], "the dead one is still shown"


def test_a_health_check_of_a_worker_says_whether_one_of_this_host_is_alive(empty: Callable[[str], Cli]) -> None:
    cli = empty("site")
    before = cli("doctor", "--worker")
    process = cli.start("worker")
    wait_for(lambda: cli("doctor", "--worker").code == 0)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    after = cli("doctor", "--worker", "--json")

    assert (before.code, after.code) == (4, 4)
    assert f"✗ worker      none alive on {os.uname().nodename}" in before.out
    assert after.json["checks"][0]["status"] == "fault"


@SMALL_DISK
@pytest.mark.parametrize(("size", "status", "code"), [("3g", "warning", 0), ("600m", "fault", 4)])
def test_a_disk_with_little_room_is_told(empty: Callable[[str], Cli], size: str, status: str, code: int) -> None:
    cli = empty("site")
    with disk_of(Path(cli.env["DIALPLANE_HOME"]), size):
        result = cli("doctor", "--json")

    (disk,) = [found for found in result.json["checks"] if found["name"] == "disk"]
    assert (result.code, disk["status"]) == (code, status)
    assert "GB free where" in disk["message"] and "a full disk stops the database" in disk["fix"]


@SMALL_DISK
def test_a_server_warns_of_it_in_its_log(empty: Callable[[str], Cli]) -> None:
    cli = empty("site")
    with disk_of(Path(cli.env["DIALPLANE_HOME"]), "600m"):
        process = cli.start("serve", "--port", "0", "--workers", "0")
        assert process.stderr is not None
        said = next((line for line in process.stderr if "disk.low" in line), "")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)

    told = json.loads(said)
    assert (told["level"], told["folder"]) == ("warning", cli.env["DIALPLANE_HOME"])
    assert told["free_gb"] == 0.6
