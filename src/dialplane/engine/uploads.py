"""a name -> a key to upload to -> a file that was received, whole -> a campaign's contacts"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

from dialplane.errors import Conflict, Invalid, NotFound
from dialplane.ports import Clock, Files
from dialplane.store.postgres import Database, Row, rows, sql

UPLOADS: Final = "campaigns/"  # keys below are of uploaded files
MOST_NAME_CHARACTERS: Final = 150  # of a key: with the uuid before it, one name on any disk
PURGED_AT_ONCE: Final = 100
PAGE: Final = 100
UUID_CHARACTERS: Final = 36  # with which the last part of a key begins

_NOT_IN_A_KEY = re.compile(r"[^a-zA-Z0-9._-]")


class TooLarge(Invalid):
    """More bytes than this installation takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRecord:
    """A file that was received. name: as the client called it."""

    key: str
    name: str
    bytes: int
    content_type: str
    created_at: datetime
    received_at: datetime

    @property
    def uuid(self) -> UUID:
        return UUID(self.key.rsplit("/", 1)[1][:UUID_CHARACTERS])


class Uploads:
    """Uploaded files of one organization."""

    def __init__(self, database: Database, clock: Clock, files: Files, organization_id: int, *, max_bytes: int) -> None:
        self._database = database
        self._clock = clock
        self._files = files
        self._organization_id = organization_id
        self._of = {"organization_id": organization_id}
        self.max_bytes = max_bytes

    async def expect(self, name: str, content_type: str) -> str:
        """The key under which a file of this name can be received."""
        key = f"{UPLOADS}{self._organization_id}/{uuid4()}_{_NOT_IN_A_KEY.sub('_', name)[-MOST_NAME_CHARACTERS:]}"
        async with self._database.connection() as connection:
            await sql.expect_upload(
                connection, key=key, name=name, content_type=content_type, now=self._clock.now(), **self._of
            )
        return key

    async def receive(self, key: str, content: AsyncIterable[bytes], *, size: int | None = None) -> int:
        """Keep the content as the file of an expected key, whole or not at all; the number of its bytes.

        size: how many bytes it must have. Raises NotFound, Conflict where it was received before, TooLarge, Invalid for
        another size, EnvironmentFault; and what `content` raises.
        """
        async with self._database.connection() as connection:
            _vacant(await sql.lock_upload(connection, key=key, **self._of), key)
        counted = _Counted(content, size, self.max_bytes)
        arriving = f"{self._arriving}/{uuid4()}"
        try:
            await self._files.write(arriving, counted.chunks())
            async with self._database.transaction() as connection:
                _vacant(await sql.lock_upload(connection, key=key, **self._of), key)
                await self._files.move(arriving, key)
                await sql.mark_received(connection, key=key, bytes=counted.bytes, now=self._clock.now(), **self._of)
        except BaseException:
            await asyncio.to_thread(self._files.delete, arriving)
            raise
        return counted.bytes

    async def received(self, key: str) -> UploadRecord:
        """A file that is here. Raises NotFound for one that was never expected or has not come; TooLarge."""
        async with self._database.connection() as connection:
            found = await sql.use_upload(connection, key=key, now=self._clock.now(), **self._of)
        if found is None:
            raise _unknown(key)
        if found["received_at"] is None:
            found = await self._look_up(key)
        return UploadRecord(**found)

    async def _look_up(self, key: str) -> Row:
        """Where clients upload to the store itself, the store alone knows what has come."""
        size = await self._files.size(key)
        if size is None:
            raise NotFound(f"the file {key} has not been uploaded yet: PUT it to its upload_url first")
        if size > self.max_bytes:
            raise TooLarge(f"the file has {size:,} bytes, and {self.max_bytes:,} are the most")
        async with self._database.connection() as connection:
            await sql.mark_received(connection, key=key, bytes=size, now=self._clock.now(), **self._of)
            found: Row | None = await sql.use_upload(connection, key=key, now=self._clock.now(), **self._of)
        if found is None:
            raise _unknown(key)
        return found

    async def newest(self, *, limit: int = PAGE) -> list[UploadRecord]:
        """What has come, newest first."""
        async with self._database.connection() as connection:
            found = await rows(sql.newest_uploads(connection, limit=limit, **self._of))
        return [UploadRecord(**row) for row in found]

    async def by_uuid(self, uuid: UUID) -> UploadRecord:
        """What has come under the key with this uuid. Raises NotFound."""
        beginning = f"{UPLOADS}{self._organization_id}/{uuid}_"
        async with self._database.connection() as connection:
            found = await sql.upload_beginning(connection, beginning=beginning, now=self._clock.now(), **self._of)
        if found is None:
            raise NotFound(f"there is no file {uuid}")
        return UploadRecord(**found)

    async def rename(self, key: str, name: str) -> None:
        async with self._database.connection() as connection:
            await sql.name_upload(connection, key=key, name=name, **self._of)

    async def delete(self, key: str) -> None:
        """Raises Conflict where a campaign has its contacts from it."""
        async with self._database.connection() as connection:
            if await sql.delete_upload(connection, key=key, **self._of) is None:
                raise Conflict("a campaign has its contacts from this file: it stays")
        await asyncio.to_thread(self._files.delete, key)

    async def purge(self, before: datetime) -> int:
        """Delete what nobody has asked for since then, and remains of uploads that broke off; how many files went."""
        purged = 0
        while keys := await self._purge_some(before):
            purged += len(keys)
        await asyncio.to_thread(self._files.sweep, self._arriving, before)
        return purged

    async def _purge_some(self, before: datetime) -> list[str]:
        """The files go first: should the process die in between, the rows are there to try again by."""
        async with self._database.transaction() as connection:
            found = await rows(sql.purge_uploads(connection, before=before, limit=PURGED_AT_ONCE, **self._of))
            keys = [row["key"] for row in found]
            for key in keys:
                await asyncio.to_thread(self._files.delete, key)
        return keys

    @property
    def _arriving(self) -> str:
        """Where files are until they are whole."""
        return f"arriving/{self._organization_id}"


class _Counted:
    """Content that must not be larger than `most`, nor of another size than `size`."""

    def __init__(self, content: AsyncIterable[bytes], size: int | None, most: int) -> None:
        self._content = content
        self._size = size
        self._most = most
        self.bytes = 0

    async def chunks(self) -> AsyncIterator[bytes]:
        async for chunk in self._content:
            self.bytes += len(chunk)
            check_size(self.bytes, self._size, self._most)
            yield chunk
        if self._size is not None and self.bytes < self._size:
            raise Invalid(f"the file has {self.bytes:,} bytes, and its link is for {self._size:,}")


def check_size(bytes: int, size: int | None, most: int) -> None:
    """Raises TooLarge for more than `most`, Invalid for more than was agreed on."""
    if size is not None and bytes > size:
        raise Invalid(f"the file has more than {size:,} bytes, which its link is for")
    if bytes > most:
        raise TooLarge(f"the file has more than {most:,} bytes, which are the most")


def _vacant(row: Row | None, key: str) -> None:
    if row is None:
        raise _unknown(key)
    if row["received_at"] is not None:
        raise Conflict("the file has been uploaded already: ask for a new link")


def _unknown(key: str) -> NotFound:
    return NotFound(f"there is no uploaded file {key}")
