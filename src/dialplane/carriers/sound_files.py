"""Files of calls with sound on this machine: recordings on their way out, sounds on their way in."""

from __future__ import annotations

import asyncio
import os
import shutil
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp
from uuid import uuid4

import structlog

from dialplane.core.attempt import Order
from dialplane.ports import Files
from dialplane.voice.flac import FLAC, FlacFailed, encode
from dialplane.voice.sounds import key_of

log = structlog.get_logger()


class SoundFiles:
    """A folder of this machine, for as long as the carrier is open."""

    def __init__(self, files: Files, *, as_flac: bool) -> None:
        self._files = files
        self._as_flac = as_flac

    @cached_property
    def folder(self) -> Path:
        return Path(mkdtemp(prefix="dialplane-calls-"))

    async def keep_recording(self, order: Order) -> str:
        """The key under which it is kept; as WAV where it cannot be FLAC. Raises what the file store raises."""
        return await asyncio.to_thread(self._kept, order)

    def _kept(self, order: Order) -> str:
        path = self.recording(order)
        if self._as_flac:
            try:
                encode(path, path.with_suffix(FLAC))
                path = path.with_suffix(FLAC)
            except FlacFailed as fault:
                log.warning("recording.not_compressed", attempt_id=order.attempt_id, error=str(fault))
        key = f"recordings/{order.organization_id}/{path.name}"
        self._files.put(key, path)
        return key

    async def drop_recording(self, order: Order) -> None:
        path = self.recording(order)
        for each in (path, path.with_suffix(FLAC)):
            await asyncio.to_thread(each.unlink, missing_ok=True)

    def recording(self, order: Order) -> Path:
        """Where it is written while the call runs."""
        return self.folder / f"{order.attempt_uuid}.wav"

    async def sound(self, organization_id: int, name: str) -> Path:
        """Where a sound of an organization is; it comes here once. Raises NotFound, EnvironmentFault."""
        path = self.folder / f"{organization_id}-{name}"
        if not path.exists():
            await asyncio.to_thread(self._bring, key_of(organization_id, name), path)
        return path

    def _bring(self, key: str, path: Path) -> None:
        arriving = path.with_name(f"{uuid4()}.part")  # whole at once: several calls may bring it
        with arriving.open("wb") as file:
            file.writelines(self._files.read(key))
        os.replace(arriving, path)

    async def close(self) -> None:
        if "folder" in self.__dict__:
            await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)
