"""`python -m benchmarks [NAME …]`: all benchmarks, or these, as JSON lines."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import platform
import sys
from pathlib import Path

NAMES = (
    "whole_life",
    "refill",
    "busy_lines",
    "workers",
    "intake",
    "million",
    "fast",
    "cold_start",
    "requests",
)


def hardware() -> dict[str, object]:
    """What the figures were measured on."""
    return {
        "name": "hardware",
        "cores": os.cpu_count(),
        "processor": _line("/proc/cpuinfo", "model name") or platform.processor(),
        "memory": _line("/proc/meminfo", "MemTotal"),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
    }


def _line(path: str, label: str) -> str:
    """The value of a line such as `MemTotal: 1 kB`; empty where the system has no such file."""
    file = Path(path)
    lines = file.read_text().splitlines() if file.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(label)), "")


async def main(names: list[str]) -> None:
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        sys.exit(f"no such benchmark: {', '.join(unknown)}. There are: {', '.join(NAMES)}")
    print(json.dumps(hardware()), flush=True)
    for name in names or NAMES:
        for figure in await importlib.import_module(f"benchmarks.{name}").measure():
            print(figure.line(), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
