"""A stage for each test: a data folder of its own, and nothing left running after it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from stage import Stage


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not tmp_path: as root that one is 0700, so that the server's user cannot enter it.
    made = Path(tempfile.mkdtemp(prefix="dp-chaos-", dir="/tmp"))
    made.chmod(0o755)
    yield made
    if "DIALPLANE_CHAOS_KEEP" in os.environ:
        print(f"kept: {made}")
    else:
        shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def stage(folder: Path) -> Iterator[Stage]:
    made = Stage.at(folder / "home")
    try:
        yield made
        print(made.told())  # pytest shows it for a test that failed
    finally:
        made.close()
