"""Clients in interpreters of their own, as the tests speak to them."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ENVIRONMENTS = Path(sys.prefix) / "clients"
ACT_SECONDS = 300  # of one act, the first of which waits for the import of the client


class Actor:
    """One process, which is begun once: Vapi's client takes seconds to import."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def act(self, **values: Any) -> Any:
        """What the act has answered; what it has raised is a failure of the test."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(values) + "\n")
        stdin.flush()
        if not select.select([stdout], [], [], ACT_SECONDS)[0]:
            pytest.fail(f"{values}: not answered within {ACT_SECONDS} s")
        said = json.loads(stdout.readline())
        if "fault" in said:
            pytest.fail(f"{values}: {said['fault']}")
        return said["answer"]


@contextmanager
def acting(*environments: str, script: str) -> Iterator[dict[str, Actor]]:
    """The script in the interpreters of these environments, side by side; of those that the Makefile has made."""
    env = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    with ExitStack() as stack:
        begun: dict[str, Actor] = {}
        for environment in environments:
            folder = ENVIRONMENTS / environment
            if (folder / ".made").exists():
                process = subprocess.Popen(
                    [str(folder / "bin" / "python"), str(HERE / script)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                    env=env,
                )
                stack.enter_context(process)
                stack.callback(process.kill)
                begun[environment] = Actor(process)
        yield begun


def one_of(actors: dict[str, Actor], environment: str) -> Actor:
    """It; or the test is skipped."""
    if environment not in actors:
        pytest.skip(f"{environment} is not installed: `make .venv/clients/{environment}/.made` does it")
    return actors[environment]
