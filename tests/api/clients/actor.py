"""Clients in interpreters of their own, as the tests speak to them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ENVIRONMENTS = Path(sys.prefix) / "clients"
ACT_SECONDS = 60  # of one act, the first of which waits for the import of the client


class Actor:
    """One process, which is begun once: Vapi's client takes seconds to import."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    async def act(self, **values: Any) -> Any:
        """What the act has answered; what it has raised is a failure of the test."""
        async with asyncio.timeout(ACT_SECONDS):
            said = json.loads(await asyncio.to_thread(self._ask, json.dumps(values)))
        if "fault" in said:
            pytest.fail(f"{values}: {said['fault']}")
        return said["answer"]

    def _ask(self, line: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()


@contextmanager
def acting(environment: str, script: str) -> Iterator[Actor]:
    """The script in the interpreter of this environment, which the Makefile has made; else the test is skipped."""
    folder = ENVIRONMENTS / environment
    if not (folder / ".made").exists():
        pytest.skip(f"{environment} is not installed: `make .venv/clients/{environment}/.made` does it")
    env = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    command = [str(folder / "bin" / "python"), str(HERE / script)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env
    ) as process:
        yield Actor(process)
        process.kill()
