"""From the command to a server that answers, on a data folder that has been used before."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

import httpx2

from benchmarks.figures import Figure, figure
from benchmarks.serving import serving


async def measure() -> list[Figure]:
    home = Path(tempfile.mkdtemp(prefix="dp-bench-", dir="/tmp"))
    home.chmod(0o755)
    try:
        await _seconds(home)
        seconds = min([await _seconds(home) for _ in range(3)])
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return [figure("cold_start", seconds, "s", target="<= 5 s", met=seconds <= 5)]


async def _seconds(home: Path) -> float:
    started = time.perf_counter()
    async with serving(home) as port, httpx2.AsyncClient() as client:
        (await client.get(f"http://127.0.0.1:{port}/health")).raise_for_status()
        return time.perf_counter() - started
