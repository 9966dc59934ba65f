"""docs/api.md: its requests, made in order on a fresh server, are answered as it says; its table has all routes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from guide import carry_out, differences, exported, steps

GUIDE = Path(__file__).parents[2] / "docs" / "api.md"
KEY = "the-key-of-the-guide"
TOOLS = ("bash", "curl")
ROW = re.compile(r"^\|[^|]*\| `([A-Z]+) (/[^`]*)`.*?\| (\S+) \|", re.MULTILINE)
ROLES = ("viewer", "operator", "owner")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A fresh server, in processes of its own."""
    # Not pytest's own folder: as root that one is 0700, so that the database's user cannot enter it.
    home = Path(tempfile.mkdtemp(prefix="dp-guide-", dir="/tmp"))
    home.chmod(0o755)
    env = {name: value for name, value in os.environ.items() if not name.startswith("DIALPLANE_")}
    env |= {"DIALPLANE_HOME": str(home), "DIALPLANE_API_KEY": KEY}
    command = [str(Path(sys.executable).with_name("dialplane")), "serve", "--port", "0"]
    said: list[str] = []
    listens = threading.Event()
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:

        def listen() -> None:
            assert process.stderr is not None
            for line in process.stderr:
                said.append(line)
                if "listens on" in line:
                    listens.set()
            listens.set()

        threading.Thread(target=listen, daemon=True).start()
        listens.wait(60)
        found = re.search(r"listens on (http://\S+)", "".join(said))
        assert found is not None, said
        yield found[1]
        process.terminate()
        process.wait(60)
    shutil.rmtree(home, ignore_errors=True)


@pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason="the guide's commands need bash and curl")
def test_the_requests_of_the_guide_are_answered_as_it_says(url: str, tmp_path: Path) -> None:
    given = {"URL": f"{url}/api/v1", "KEY": KEY}
    variables = given
    made = list(steps(GUIDE.read_text(encoding="utf-8")))

    for step in made:
        assert step.answer is not None, f"the guide shows no answer to {step.command}"
        carried = carry_out(step, tmp_path, variables)
        assert carried.differences == [], step.command
        variables = variables | exported(carried.answer) | given

    assert len(made) > 20


def test_the_table_has_every_route_with_its_role(url: str) -> None:
    with urllib.request.urlopen(f"{url}/openapi.json", timeout=60) as answer:
        paths = json.load(answer)["paths"]
    served = {(method.upper(), path.removeprefix("/api/v1")) for path, methods in paths.items() for method in methods}

    shown = {(method, path): role for method, path, role in ROW.findall(GUIDE.read_text(encoding="utf-8"))}

    assert set(shown) == served
    keyless = {
        (method.upper(), path.removeprefix("/api/v1"))
        for path, methods in paths.items()
        for method, route in methods.items()
        if not route.get("security")
    }
    assert {route for route, role in shown.items() if role == "–"} == keyless
    assert set(shown.values()) == {"–", *ROLES}


def test_a_difference_is_found() -> None:
    assert list(differences({"id": 1, "…": "…"}, {"id": 2, "name": "x"})) == [".id: the guide has 1, the answer 2"]
    assert list(differences({"id": 1}, {"id": 1, "name": "x"})) != []
    assert list(differences({"on": True}, {"on": 1})) != []
    assert list(differences([{"at": "2026-…Z"}, "…"], [{"at": "2026-11-21T08:00:00Z"}, 2, 3])) == []
    assert list(differences("campaigns/1/…_c.csv", "campaigns/2/x_c.csv")) != []
