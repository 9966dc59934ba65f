"""The real `dialplane`, run as a subprocess: short commands as copies of a process that has loaded it, see `warm`."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from served import EXECUTABLE
from warm import Warm

TIMEOUT_SECONDS = 90
ANSWERED, BUSY, DECLINED = "+15005550006", "+15005550001", "+15005550004"


@dataclass(frozen=True, slots=True)
class Result:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """All of stdout as one JSON document."""
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class Cli:
    """`dialplane` in a folder of its own. through: what a command begins with, such as one that enters a namespace."""

    folder: Path
    env: dict[str, str]
    through: Sequence[str] = ()

    def __call__(self, *arguments: str | Path, **env: str) -> Result:
        if self.through:
            done = subprocess.run(
                [*self.through, EXECUTABLE, *map(str, arguments)],
                cwd=self.folder,
                env=self.env | env,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
        else:
            done = warm().run([*map(str, arguments)], self.folder, self.env | env, TIMEOUT_SECONDS)
        assert "Traceback" not in done.stderr, done.stderr
        return Result(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """The command, running."""
        return subprocess.Popen(
            [*self.through, EXECUTABLE, *map(str, arguments)],
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def campaigns(self) -> Any:
        return self("campaign", "list", "--json").json

    def newest(self) -> Any:
        """The campaign that was made last, None before the first."""
        return next(iter(self.campaigns()), None)

    def file(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def contacts(self, *numbers: str, name: str = "contacts.csv") -> Path:
        return self.file(name, "phone_number\n" + "".join(f"{number}\n" for number in numbers))


@cache
def warm() -> Warm:
    """For all commands of this process."""
    return Warm()


def with_setting(url: str, setting: str) -> str:
    """The URL with a server setting more."""
    return f"{url}{'&' if '?' in url else '?'}{setting}"


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    give_up_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up_at, "waited too long"
        time.sleep(0.1)
