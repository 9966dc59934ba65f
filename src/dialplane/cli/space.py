"""A warning in the log while there is little room on the disks that an installation writes to."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from dialplane.engine.space import FIX, disks

if TYPE_CHECKING:
    from dialplane.config import Settings

LOOK_SECONDS = 60.0
REPEAT_SECONDS = 3600.0  # a warning that still holds is given again


async def watch(ours: Settings) -> None:
    """Until it is cancelled: log when a disk gets low, every hour while it is, and when it has room again."""
    import structlog  # noqa: PLC0415

    from dialplane.wiring import folders  # noqa: PLC0415

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
