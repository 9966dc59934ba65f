"""docs/api.md: its requests, made in their order on a fresh server, are answered as it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from guide import carry_out, differences, exported, steps

GUIDE = Path(__file__).parents[2] / "docs" / "api.md"
KEY = "the-key-of-the-guide"


@pytest.fixture
def url() -> Iterator[str]:
    """A fresh server, in processes of its own."""
    # Not pytest's own folder: as root that one is 0700, so that the database's user cannot enter it.
    home = Path(tempfile.mkdtemp(prefix="dp-guide-", dir="/tmp"))
    home.chmod(0o755)
    env = {name: value for name, value in os.environ.items() if not name.startswith("DIALPLANE_")}
    env |= {"DIALPLANE_HOME": str(home), "DIALPLANE_API_KEY": KEY}
    command = [str(Path(sys.executable).with_name("dialplane")), "serve", "--port", "0"]
    found: list[str] = []
    listens = threading.Event()
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:

        def listen() -> None:
            assert process.stderr is not None
            for line in process.stderr:
                if match := re.search(r"listens on (http://\S+)", line):
                    found.append(match[1])
                    listens.set()

        threading.Thread(target=listen, daemon=True).start()
        assert listens.wait(60)
        yield f"{found[0]}/api/v1"
        process.terminate()
        process.wait(60)
    shutil.rmtree(home, ignore_errors=True)


def test_the_requests_of_the_guide_are_answered_as_it_says(url: str, tmp_path: Path) -> None:
    variables = {"URL": url, "KEY": KEY}
    made = list(steps(GUIDE.read_text(encoding="utf-8")))

    for step in made:
        answer = carry_out(step, tmp_path, variables)
        variables |= exported(answer)
        assert step.answer is not None, f"the guide shows no answer to {step.command}"
        assert list(differences(step.answer, answer)) == [], step.command

    assert len(made) > 10


def test_a_difference_is_found() -> None:
    assert list(differences({"id": 1, "…": "…"}, {"id": 2, "name": "x"})) == [".id: the guide has 1, the answer 2"]
    assert list(differences({"id": 1}, {"id": 1, "name": "x"})) != []
    assert list(differences([{"at": "2026-…Z"}, "…"], [{"at": "2026-11-21T08:00:00Z"}, 2, 3])) == []
    assert list(differences("campaigns/1/…_c.csv", "campaigns/2/x_c.csv")) != []
