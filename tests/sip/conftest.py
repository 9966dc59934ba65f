"""Trunks that lead to callees on this machine, and the real command on a database of its own."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

sys.path += [str(Path(__file__).parents[1] / folder) for folder in ("carriers", "cli")]  # what those tests share

from executable import Cli
from trunks import Stage

from dialplane.store.embedded import attach


@pytest_asyncio.fixture
async def trunk_to(tmp_path: Path) -> AsyncIterator[Callable[..., Stage]]:
    """Makes carriers, by the settings of their trunk and what is other than settings can say."""
    async with AsyncExitStack() as stack:

        def trunk_to(settings: Mapping[str, Any], **changes: Any) -> Stage:
            stage = Stage(settings, tmp_path / "files", **changes)
            stack.push_async_callback(stage.carrier.close)
            return stage

        yield trunk_to


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    # Not pytest's own folder: as root that one is 0700, so that the server's user cannot enter it.
    folder = Path(tempfile.mkdtemp(prefix="dp-sip-", dir="/tmp"))
    folder.chmod(0o755)
    attachment = attach(folder)
    yield folder
    attachment.leave()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def cli(home: Path, tmp_path: Path) -> Cli:
    env = {name: value for name, value in os.environ.items() if not name.startswith("DIALPLANE_")}
    return Cli(tmp_path, env | {"DIALPLANE_HOME": str(home), "TZ": "UTC", "NO_COLOR": "1", "COLUMNS": "200"})
