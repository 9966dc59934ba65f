"""Commands and answers of a guide in docs/: found, carried out, compared."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BLOCK = re.compile(r"```sh\n(.*?)```\n(?:\n```(json|text)\n(.*?)```\n)?", re.DOTALL)
CHANGES = re.compile(r"\s(-X|-d|-T)\s")  # options by which curl does more than look
ANY = "…"  # in an answer: here the guide shows less than there is, or something else each time
PATIENCE_SECONDS = 30


@dataclass(frozen=True)
class Step:
    """answer: what the guide shows, if it shows any: a text, or what is in the JSON."""

    command: str
    answer: Any
    is_text: bool = False

    @property
    def looks(self) -> bool:
        """Whether it may be asked again, for it changes nothing."""
        return not CHANGES.search(self.command)


@dataclass(frozen=True)
class Carried:
    """answer: None where it is not what the guide shows in the least; differences: what is wrong with it."""

    answer: Any
    differences: list[str]


def steps(text: str) -> Iterator[Step]:
    for command, kind, answer in BLOCK.findall(text):
        if kind == "text":
            yield Step(command, answer.strip(), is_text=True)
        else:
            yield Step(command, json.loads(answer) if answer else None)


def carry_out(step: Step, folder: Path, variables: Mapping[str, str]) -> Carried:
    """What the command printed. One that only looks is asked again for a while: things happen in the background."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        carried = _carry_out(step, folder, variables)
        if not (carried.differences and step.looks and time.monotonic() < deadline):
            return carried
        time.sleep(0.2)


def _carry_out(step: Step, folder: Path, variables: Mapping[str, str]) -> Carried:
    env = {**os.environ, **variables}
    done = subprocess.run(
        ["bash", "-c", step.command], cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    printed = done.stdout.replace("\r\n", "\n").strip()
    if step.is_text:
        return Carried(printed, list(differences(step.answer, printed)))
    try:
        answer = json.loads(printed)
    except ValueError:
        return Carried(None, [f"no JSON but {printed!r} {done.stderr!r}"])
    return Carried(answer, list(differences(step.answer, answer)))


def exported(answer: Any) -> dict[str, str]:
    """Texts of an answer as variables for the commands that follow: `upload_url` is $UPLOAD_URL."""
    found = answer if isinstance(answer, dict) else {}
    return {name.upper(): value for name, value in found.items() if isinstance(value, str)}


def differences(shown: Any, found: Any, place: str = "") -> Iterator[str]:
    """Where the answer is not what the guide shows."""
    if shown == ANY:
        return
    if isinstance(shown, dict) and isinstance(found, dict):
        if ANY not in shown and set(shown) != set(found):
            yield f"{place}: the guide has {sorted(shown)}, the answer {sorted(found)}"
        for name in set(shown) - {ANY}:
            yield from differences(shown[name], found.get(name), f"{place}.{name}")
    elif isinstance(shown, list) and isinstance(found, list):
        wanted = shown[:-1] if shown and shown[-1] == ANY else shown
        if len(wanted) > len(found) or (wanted is shown and len(shown) != len(found)):
            yield f"{place}: the guide has {len(wanted)} entries, the answer {len(found)}"
        for index, (one, other) in enumerate(zip(wanted, found, strict=False)):
            yield from differences(one, other, f"{place}[{index}]")
    elif isinstance(shown, str) and ANY in shown and isinstance(found, str):
        if not re.fullmatch(".*".join(re.escape(part) for part in shown.split(ANY)), found, re.DOTALL):
            yield f"{place}: the guide has {shown!r}, the answer {found!r}"
    elif shown != found or isinstance(shown, bool) != isinstance(found, bool):
        yield f"{place}: the guide has {shown!r}, the answer {found!r}"
