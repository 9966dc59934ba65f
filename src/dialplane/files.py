"""Files in the data folder, by key, through obstore: the same calls serve an object store."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import obstore
from obstore.store import LocalStore

from dialplane.errors import EnvironmentFault, NotFound

CHUNK_BYTES = 1 << 20


class LocalFiles:
    """ports.Files on the local disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # people and their numbers are in it
        except OSError as fault:
            raise EnvironmentFault(f"the folder {folder} cannot be made: {fault.strerror}") from fault
        self._store = LocalStore(folder)

    def put(self, key: str, source: Path) -> None:
        try:
            with source.open("rb") as content:
                obstore.put(self._store, key, content)
        except OSError as fault:
            raise self._explained(key, fault) from fault
        except obstore.exceptions.BaseError as fault:
            raise EnvironmentFault(f"{self._folder / key} cannot be written: {fault}") from fault

    def read(self, key: str) -> Iterator[bytes]:
        try:
            found = obstore.get(self._store, key)
        except FileNotFoundError:
            raise NotFound(f"the file {self._folder / key} is gone") from None
        for chunk in found.stream(min_chunk_size=CHUNK_BYTES):
            yield bytes(chunk)

    def delete(self, key: str) -> None:
        try:
            obstore.delete(self._store, key)
        except FileNotFoundError:
            return

    def _explained(self, key: str, fault: OSError) -> EnvironmentFault:
        full = fault.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(fault)
        what = "the disk is full" if full else str(fault)
        return EnvironmentFault(f"{self._folder / key} cannot be written: {what}")
