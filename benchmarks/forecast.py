"""`dialplane forecast` of 100,000 contacts over several days: from the command to its answer."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, figure

CONTACTS = 100_000
AREAS = ("212", "312", "303", "213")  # New York, Chicago, Denver, Los Angeles
CARRIER = "provider: simulated\nprofile: realistic\ntalk_seconds: [30, 180]\ncps: null\n"
OPTIONS = ("--window", "mon-fri 09:00-17:00", "--timezone", "contact", "--max-retries", "1", "--retry-delay", "4h")
START = "2026-11-30T05:00:00Z"
TARGET_SECONDS = 300


async def measure() -> list[Figure]:
    home = Path(tempfile.mkdtemp(prefix="dp-bench-", dir="/tmp"))
    home.chmod(0o755)
    try:
        started = time.perf_counter()
        found = await _forecast(home)
        seconds = time.perf_counter() - started
    finally:
        shutil.rmtree(home, ignore_errors=True)
    assert found["state"] == "completed", found["reason"]
    assert found["contacts"]["total"] == CONTACTS
    days = len({each["day"] for each in found["numbers"]})
    return [
        figure("forecast_100k", seconds, "s", target="<= 300 s", met=seconds <= TARGET_SECONDS),
        figure("forecast_100k_attempts", found["attempts"] / seconds, "attempts/s", target="reported"),
        figure("forecast_100k_days", days, "days", target="reported"),
    ]


async def _forecast(home: Path) -> dict[str, Any]:
    contacts, carrier = home / "contacts.csv", home / "carrier.yaml"
    with contacts.open("w") as file:
        file.write("phone_number\n")
        file.writelines(f"+1{AREAS[i % len(AREAS)]}{2_000_000 + i}\n" for i in range(CONTACTS))
    carrier.write_text(CARRIER)
    command = [str(Path(sys.executable).parent / "dialplane"), "forecast", str(contacts), "--carrier", str(carrier)]
    env = {name: value for name, value in os.environ.items() if not name.startswith("DIALPLANE_")}
    process = await asyncio.create_subprocess_exec(
        *command,
        *OPTIONS,
        "--start-at",
        START,
        "--json",
        env=env | {"DIALPLANE_HOME": str(home / "home")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    answer: dict[str, Any] = json.loads(said)
    return answer
