"""`python -m benchmarks [--table FILE] [NAME …]`: all benchmarks, or these, as JSON lines; and as a table in a page."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
from pathlib import Path

import uvloop

from benchmarks.figures import Figure
from benchmarks.table import write_table

NAMES = (
    "whole_life",
    "refill",
    "busy_lines",
    "workers",
    "intake",
    "million",
    "fast",
    "forecast",
    "cold_start",
    "requests",
    "sip",
    "sip_hosts",
    "pipeline",
    "pages",
    "machine_detection",
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


async def main(names: list[str], table: Path | None) -> None:
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        sys.exit(f"no such benchmark: {', '.join(unknown)}. There are: {', '.join(NAMES)}")
    machine = hardware()
    print(json.dumps(machine), flush=True)
    figures: list[Figure] = []
    for name in names or NAMES:
        for figure in await importlib.import_module(f"benchmarks.{name}").measure():
            print(figure.line(), flush=True)
            figures.append(figure)
    if table is not None:
        write_table(table, machine, figures)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--table", type=Path, help="a page in which the table is written anew")
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    uvloop.run(main(given.names, given.table))
