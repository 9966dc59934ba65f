"""How much room is left on the disks that an installation writes to, and a warning in the log while it is little."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dialplane.config import Settings

LEAST_BYTES = 1 << 30  # with less, one more import may fill the disk: that stops the database
LOW_BYTES = 5 << 30  # a million contacts, called once each, take 2 GB while they are imported and dialled
LOOK_SECONDS = 60.0
REPEAT_SECONDS = 3600.0  # a warning that still holds is given again
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


def folders(ours: Settings) -> list[Path]:
    """Where this installation writes. Raises EnvironmentFault."""
    from dialplane.store.embedded import describe  # noqa: PLC0415

    database = [] if ours.database_url is not None else [describe(ours.home).folder]
    return [*database, ours.home, ours.files_folder, ours.carrier_logs]


async def watch(ours: Settings) -> None:
    """Until it is cancelled: log when a disk gets low, every hour while it is, and when it has room again."""
    import structlog  # noqa: PLC0415

    log = structlog.get_logger()
    places = await asyncio.to_thread(folders, ours)
    told_at: dict[Path, float] = {}
    while True:
        now = asyncio.get_running_loop().time()
        for disk in await asyncio.to_thread(disks, places):
            told = told_at.get(disk.folder)
            if disk.is_low and (told is None or now >= told + REPEAT_SECONDS):
                told_at[disk.folder] = now
                log.warning("disk.low", folder=str(disk.folder), free_gb=round(disk.free_bytes / 1e9, 1), fix=FIX)
            elif not disk.is_low and told is not None:
                del told_at[disk.folder]
                log.info("disk.has_room", folder=str(disk.folder), free_gb=round(disk.free_bytes / 1e9, 1))
        await asyncio.sleep(LOOK_SECONDS)
