"""How much room is left on the disks that an installation writes to."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LEAST_BYTES = 1 << 30  # with less, one more import may fill the disk: that stops the database
LOW_BYTES = 5 << 30  # a million contacts, called once each, take 2 GB while they are imported and dialled
FIX = "free some, or see `dialplane purge --help`: a full disk stops the database"


@dataclass(frozen=True, slots=True)
class Disk:
    """The first folder on it that is ours."""

    folder: Path
    free_bytes: int

    @property
    def is_low(self) -> bool:
        return self.free_bytes < LOW_BYTES

    @property
    def is_full(self) -> bool:
        return self.free_bytes < LEAST_BYTES

    def __str__(self) -> str:
        return f"{self.free_bytes / 1e9:.1f} GB free where {self.folder} is"


def disks(folders: Sequence[Path]) -> list[Disk]:
    """One for each disk that holds one of these; a folder that is not made yet will be on that of its parent."""
    found: dict[int, Disk] = {}
    for folder in folders:
        there = next(path for path in (folder, *folder.parents) if path.exists())
        found.setdefault(there.stat().st_dev, Disk(folder, shutil.disk_usage(there).free))
    return list(found.values())
