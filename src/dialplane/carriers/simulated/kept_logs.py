"""The logs of a data folder: which campaigns have one, and their end."""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

_NAME = re.compile(r"carrier-\d+-campaign-(\d+)\.jsonl(?:\.1)?")


def campaigns_with_logs(folder: Path) -> dict[int, list[Path]]:
    """campaign id -> its logs: of each carrier one, or two where it has grown large."""
    found: dict[int, list[Path]] = defaultdict(list)
    for path in folder.glob("carrier-*-campaign-*"):
        if (match := _NAME.fullmatch(path.name)) is not None:
            found[int(match[1])].append(path)
    return dict(found)


def delete_logs(paths: Iterable[Path]) -> int:
    """How many."""
    count = 0
    for path in paths:
        path.unlink(missing_ok=True)
        count += 1
    return count


def delete_run(folder: Path, schema: str) -> None:
    """The logs of a run on the virtual clock, which are in a folder of its schema's name."""
    shutil.rmtree(folder / schema, ignore_errors=True)
