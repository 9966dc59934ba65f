"""Dockerfile, compose.yaml and systemd units say what this version understands; no container is started here."""

from __future__ import annotations

import configparser
import fnmatch
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from served import data_folder, serving

from dialplane.cli.main import app
from dialplane.config import Settings

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
UNITS = sorted((ROOT / "deploy").glob("*.service"))
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")

OURS = ("server", "worker")
GIVEN = {
    "POSTGRES_PASSWORD": "of postgres",
    "DIALPLANE_SECRET_KEY": "sixteen characters or more",
    "DIALPLANE_API_KEY": "of the operator",
}
# Source: the Compose specification, as far as it is used here.
KEYS = {
    "build", "cap_drop", "command", "depends_on", "deploy", "environment", "healthcheck", "image", "init", "ports",
    "restart", "security_opt", "shm_size", "stop_grace_period", "volumes",
}  # fmt: skip


def understood(words: list[str]) -> None:
    """The command line parses. Raises click's errors for what this version does not know."""
    group: Any = typer.main.get_command(app)
    group.commands[words[0]].make_context(words[0], list(words[1:])).close()


def interpolated(text: str, env: dict[str, str]) -> str:
    """`${NAME:?}` and `${NAME:-}`, as Compose fills them in. Raises KeyError for the first kind."""
    return re.sub(
        r"\$\{(\w+):([?-])\}", lambda found: env[found[1]] if found[2] == "?" else env.get(found[1], ""), text
    )


# --- compose.yaml ---------------------------------------------------------------------------------


def test_there_are_a_server_two_workers_and_a_database() -> None:
    assert set(COMPOSE["services"]) == {"postgres", "server", "worker"}
    assert COMPOSE["services"]["worker"]["deploy"] == {"replicas": 2}
    assert COMPOSE["services"]["server"]["command"][-2:] == ["--workers", "0"], "the workers are containers"


@pytest.mark.parametrize("name", ["postgres", "server", "worker"])
def test_a_service_is_checked_started_again_and_keeps_what_it_has_in_a_volume(name: str) -> None:
    service = COMPOSE["services"][name]

    assert set(service) <= KEYS
    assert {"test", "interval", "timeout"} <= set(service["healthcheck"])
    assert service["restart"] == "unless-stopped"
    assert "stop_grace_period" in service
    assert {volume.partition(":")[0] for volume in service["volumes"]} <= set(COMPOSE["volumes"])


@pytest.mark.parametrize("name", OURS)
def test_commands_and_health_checks_are_ones_that_there_are(name: str) -> None:
    service = COMPOSE["services"][name]
    kind, *check = service["healthcheck"]["test"]

    understood(service["command"])
    assert kind == "CMD"
    assert check[:2] == ["python", "-c"] or check[0] == "dialplane"
    if check[0] == "dialplane":
        understood(check[1:])


@pytest.mark.parametrize("name", OURS)
def test_the_environment_is_understood_documented_and_holds_no_secret_of_its_own(name: str) -> None:
    written: dict[str, str] = COMPOSE["services"][name]["environment"]
    documented = set(re.findall(r"^\| `(DIALPLANE_\w+)` \|", OPERATIONS, re.MULTILINE))

    settings = Settings.from_env({key: interpolated(value, GIVEN) for key, value in written.items()})

    assert set(written) <= documented
    assert settings.database_url == "postgresql://dialplane:of postgres@postgres/dialplane"
    assert settings.secret_key == GIVEN["DIALPLANE_SECRET_KEY"]
    assert settings.files_url is settings.public_url is None
    assert COMPOSE["services"]["postgres"]["environment"]["POSTGRES_USER"] == "dialplane"
    for key in ("DIALPLANE_SECRET_KEY", "DIALPLANE_DATABASE_URL"):
        with pytest.raises(KeyError):
            interpolated(written[key], {})


def test_all_processes_share_the_secret_and_the_files() -> None:
    services = [COMPOSE["services"][name] for name in OURS]

    assert len({service["environment"]["DIALPLANE_SECRET_KEY"] for service in services}) == 1
    assert {tuple(service["volumes"]) for service in services} == {("home:/var/lib/dialplane",)}
    assert "VOLUME /var/lib/dialplane" in DOCKERFILE


def test_only_the_server_is_reached_and_from_this_host_alone() -> None:
    ports = {name: service.get("ports") for name, service in COMPOSE["services"].items()}

    assert ports == {"server": ["127.0.0.1:8000:8000"], "worker": None, "postgres": None}


def test_the_health_check_tells_a_server_that_answers_from_one_that_is_gone() -> None:
    (script,) = {COMPOSE["services"]["server"]["healthcheck"]["test"][-1], json.loads(instruction("CMD", 0))[-1]}
    with data_folder() as home, serving(home, "--workers", "0") as served:
        asked = script.replace("http://127.0.0.1:8000", served.url)
        up = subprocess.run([sys.executable, "-c", asked], check=False)
    down = subprocess.run([sys.executable, "-c", asked], check=False, stderr=subprocess.DEVNULL)

    assert (up.returncode, down.returncode) == (0, 1)


# --- Dockerfile -----------------------------------------------------------------------------------


def instructions() -> Iterator[tuple[str, str]]:
    """Instruction and its words; lines that go on are one."""
    lines = re.sub(r"\\\n", " ", DOCKERFILE)
    for line in lines.splitlines():
        if line.strip() and not line.startswith("#"):
            word, _, rest = line.strip().partition(" ")
            yield word, rest.strip()


def instruction(word: str, place: int = -1) -> str:
    """The `place`th of them; a health check ends with a CMD of its own."""
    found = []
    for each, rest in instructions():
        if each == "HEALTHCHECK" and word == "CMD":
            found.append(rest.partition(" CMD ")[2])
        elif each == word:
            found.append(rest)
    return re.sub(r"^ *(?=\[)", "", found[place])


def test_the_image_runs_a_command_that_there_is_as_an_ordinary_user() -> None:
    assert json.loads(instruction("ENTRYPOINT")) == ["dialplane"]
    understood(json.loads(instruction("CMD")))
    assert instruction("USER") == "dialplane"
    assert "useradd --uid 10001" in DOCKERFILE
    assert "DIALPLANE_HOME=/var/lib/dialplane" in instruction("ENV")


def test_the_image_is_made_of_files_that_are_there_and_let_in() -> None:
    let_in = [
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    ]
    copied = [
        name
        for word, rest in instructions()
        if word == "COPY" and not rest.startswith("--from")
        for name in shlex.split(rest)[:-1]
    ]

    assert copied
    for name in copied:
        assert (ROOT / name).exists()
        assert any(fnmatch.fnmatch(name, pattern) for pattern in let_in), name


def test_the_image_has_a_python_that_is_new_enough_and_the_versions_that_were_tested() -> None:
    bases = [rest.split()[0] for word, rest in instructions() if word == "FROM"]

    assert len(set(bases)) == 1, "what is built on one runs on the other"
    assert bases[0].startswith("python:3.11") and "alpine" not in bases[0]
    assert "-c constraints.txt" in DOCKERFILE


# --- systemd --------------------------------------------------------------------------------------


def unit(path: Path) -> configparser.ConfigParser:
    read = configparser.ConfigParser(strict=False, interpolation=None)
    read.optionxform = str  # type: ignore[assignment,method-assign]
    read.read(path, encoding="utf-8")
    return read


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_starts_a_command_that_there_is_as_an_ordinary_user(path: Path) -> None:
    service = unit(path)["Service"]
    program, *words = shlex.split(service["ExecStart"])

    assert Path(program).name == "dialplane"
    understood(words)
    assert service["User"] == "dialplane"
    assert service["Environment"] == "DIALPLANE_HOME=/var/lib/dialplane"
    assert service["StateDirectory"] == "dialplane"


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_that_is_stopped_lets_calls_end(path: Path) -> None:
    service = unit(path)["Service"]

    assert service["KillMode"] == "mixed", "its processes hear of it from their parent"
    assert service["TimeoutStopSec"] == "10min"
    assert service["Restart"] == "always"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="the program systemd-analyze is not installed")
@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_understands_the_unit(path: Path, tmp_path: Path) -> None:
    there = tmp_path / path.name
    there.write_text(path.read_text(encoding="utf-8").replace("/opt/dialplane/bin/dialplane", sys.executable))

    checked = subprocess.run(["systemd-analyze", "verify", there], check=False, capture_output=True, text=True)

    assert path.stem.rstrip("@") not in checked.stderr, checked.stderr
