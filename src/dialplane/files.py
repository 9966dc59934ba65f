"""Files by key, through obstore: in the data folder, or in an object store."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import obstore
from obstore.store import LocalStore, ObjectStore, S3Store

from dialplane.errors import EnvironmentFault, Invalid, NotFound
from dialplane.ports import Files

CHUNK_BYTES = 1 << 20
PART_BYTES = 5 << 20  # the least that S3 takes
PARTS_AT_ONCE = 2  # so that an upload needs some 15 MB of memory, however large it is
CONNECT_TIMEOUT = timedelta(seconds=5)
READ_TIMEOUT = timedelta(seconds=30)  # without a byte
WHOLE_TIMEOUT = timedelta(hours=6)  # an import reads its file for as long as it takes
RETRIES = 3


def open_files(url: str | None, folder: Path) -> Files:
    """The store at a URL such as s3://bucket/folder; without one, the folder. Raises Invalid, EnvironmentFault."""
    return LocalFiles(folder) if url is None else BucketFiles(url)


class StoredFiles:
    """What disk and object store have in common. `place`: where the files are, for people."""

    def __init__(self, store: ObjectStore, place: str) -> None:
        self._store = store
        self._place = place

    def put(self, key: str, source: Path) -> None:
        with self._explaining(key, "written"), source.open("rb") as content:
            obstore.put(self._store, key, content, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE)

    async def write(self, key: str, content: AsyncIterable[bytes]) -> None:
        with self._explaining(key, "written"):
            await obstore.put_async(self._store, key, content, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE)

    async def move(self, key: str, to: str) -> None:
        with self._explaining(to, "written"):
            await obstore.rename_async(self._store, key, to)

    def read(self, key: str) -> Iterator[bytes]:
        with self._reading(key):
            for chunk in obstore.get(self._store, key).stream(min_chunk_size=CHUNK_BYTES):
                yield bytes(chunk)

    async def stream(self, key: str) -> tuple[int, AsyncIterator[bytes]]:
        with self._reading(key):
            found = await obstore.get_async(self._store, key)
        return found.meta["size"], self._chunks(key, found)

    async def part(self, key: str, start: int, stop: int) -> AsyncIterator[bytes]:
        with self._reading(key):
            found = await obstore.get_async(self._store, key, options={"range": (start, stop)})
        return self._chunks(key, found)

    async def _chunks(self, key: str, found: obstore.GetResult) -> AsyncIterator[bytes]:
        with self._reading(key):
            async for chunk in found.stream(min_chunk_size=CHUNK_BYTES):
                yield bytes(chunk)

    async def size(self, key: str) -> int | None:
        try:
            with self._reading(key):
                return (await obstore.head_async(self._store, key))["size"]
        except NotFound:
            return None

    def delete(self, key: str) -> None:
        with self._explaining(key, "deleted"):
            try:
                obstore.delete(self._store, key)
            except FileNotFoundError:
                return

    @contextmanager
    def _reading(self, key: str) -> Iterator[None]:
        with self._explaining(key, "read"):
            try:
                yield
            except FileNotFoundError:
                raise NotFound(f"the file {self._place}/{key} is gone") from None

    @contextmanager
    def _explaining(self, key: str, done: str) -> Iterator[None]:
        """Faults of the store in our words."""
        try:
            yield
        except (OSError, obstore.exceptions.BaseError) as fault:
            raise EnvironmentFault(f"{self._place}/{key} cannot be {done}: {_in_words(fault)}") from fault


class LocalFiles(StoredFiles):
    """ports.Files on the local disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # people and their numbers are in it
        except OSError as fault:
            raise EnvironmentFault(f"the folder {folder} cannot be made: {fault.strerror}") from fault
        super().__init__(LocalStore(folder), str(folder))

    async def write(self, key: str, content: AsyncIterable[bytes]) -> None:
        await super().write(key, content)
        with self._explaining(key, "written"):
            await asyncio.to_thread(_flush, self._folder / key)

    async def link(self, method: Literal["GET", "PUT"], key: str, lifetime: timedelta) -> None:
        """A disk signs nothing."""

    def sweep(self, prefix: str, before: datetime) -> None:
        """Also what a process that was killed was writing, which obstore calls '<key>#1' and lists nowhere."""
        with self._explaining(prefix, "swept"):
            for found in (self._folder / prefix).glob("*"):
                if found.stat().st_mtime < before.timestamp():
                    found.unlink(missing_ok=True)


class BucketFiles(StoredFiles):
    """ports.Files in an S3-compatible store; credentials, region and endpoint come from the usual AWS_* variables."""

    def __init__(self, url: str) -> None:
        if not url.startswith("s3://"):
            raise Invalid(f"DIALPLANE_FILES_URL must look like s3://bucket/folder, not '{url}'")
        try:
            self._bucket = S3Store.from_url(
                url,
                client_options={
                    "connect_timeout": CONNECT_TIMEOUT,
                    "read_timeout": READ_TIMEOUT,
                    "timeout": WHOLE_TIMEOUT,
                    "allow_http": True,  # where the operator's endpoint is of that kind
                },
                retry_config={"max_retries": RETRIES, "retry_timeout": READ_TIMEOUT},
            )
        except obstore.exceptions.BaseError as fault:
            raise Invalid(f"DIALPLANE_FILES_URL {url} cannot be used: {_in_words(fault)}") from fault
        super().__init__(self._bucket, url.rstrip("/"))

    async def link(self, method: Literal["GET", "PUT"], key: str, lifetime: timedelta) -> str:
        with self._explaining(key, "signed"):
            return await obstore.sign_async(self._bucket, method, key, lifetime)

    def sweep(self, prefix: str, before: datetime) -> None:
        with self._explaining(prefix, "swept"):
            for page in obstore.list(self._store, prefix):
                for found in page:
                    if found["last_modified"] < before:
                        obstore.delete(self._store, found["path"])


def _in_words(fault: BaseException) -> str:
    number = fault.errno if isinstance(fault, OSError) else None
    if number in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(fault):
        return "the disk is full"
    return str(fault).partition("\n")[0] or type(fault).__name__  # what follows is for Rust programmers


def _flush(path: Path) -> None:
    """To the disk itself: the row that says that the file is whole must not outlive it."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
