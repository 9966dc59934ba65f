"""A backup as a file: a ZIP with `backup.json`, a table in each `tables/*.copy`, and files as they lay on the disk."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final, Self

from dialplane.errors import Conflict, EnvironmentFault, Invalid
from dialplane.store.dump import Table

FORMAT: Final = 1  # rises when an older Dialplane could not read the file
MANIFEST: Final = "backup.json"
SECRET: Final = "secret.key"
CHUNK_BYTES: Final = 1 << 20
COMPRESSION: Final = 1  # numbers and names shrink to a quarter at once; more takes thrice as long for a tenth


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup says of itself.

    made_at: the moment that it shows, by the database's clock. migrations: {"number", "name", "sha256"} of those that
    made its tables. secret_mark: tells whether a secret is the one that its sealed values need, and nothing else.
    """

    dialplane: str
    postgres: str
    made_at: datetime
    migrations: Sequence[Mapping[str, Any]]
    tables: Sequence[Table]
    rows: Mapping[str, int]
    secret_mark: str

    def to_json(self) -> str:
        told = {"format": FORMAT, **asdict(self), "made_at": self.made_at.isoformat()}
        return json.dumps(told, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Raises Invalid for one that a later Dialplane has made."""
        told = json.loads(text)
        if told.pop("format") != FORMAT:
            raise Invalid(f"the backup was made by a newer Dialplane ({told['dialplane']}): upgrade this one")
        told["made_at"] = datetime.fromisoformat(told["made_at"])
        told["tables"] = [
            Table(
                name=table["name"],
                columns=table["columns"],
                sequences={name: (last, called) for name, (last, called) in table["sequences"].items()},
            )
            for table in told["tables"]
        ]
        return cls(**told)


class NewArchive:
    """A backup that is being written."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._zip = file

    @contextmanager
    def entry(self, name: str) -> Iterator[IO[bytes]]:
        with self._zip.open(name, "w", force_zip64=True) as entry:
            yield entry

    def add(self, name: str, path: Path) -> bool:
        """A copy of a file; False where it is gone."""
        try:
            source = path.open("rb")
        except FileNotFoundError:
            return False
        with source, self.entry(name) as entry:
            while chunk := source.read(CHUNK_BYTES):
                entry.write(chunk)
        return True


@contextmanager
def new_archive(path: Path) -> Iterator[NewArchive]:
    """The file appears once it is whole, for its owner alone to read. Raises Conflict, EnvironmentFault."""
    if path.exists():
        raise Conflict(f"{path} exists already, and no backup is written over: name another file")
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "w+b") as file:
                with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION) as archive:
                    yield NewArchive(archive)
                file.flush()
                os.fsync(file.fileno())
            partial.rename(path)
        except BaseException:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise
    except OSError as fault:
        raise EnvironmentFault(f"{path} cannot be written: {fault.strerror or fault}") from fault


class Archive:
    """A backup that is read."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._zip = file
        self.manifest = Manifest.from_json(file.read(MANIFEST).decode())

    def names(self, folder: str) -> list[str]:
        """Of the files that were below this folder, without it."""
        beginning = f"{folder}/"
        return [name.removeprefix(beginning) for name in self._zip.namelist() if name.startswith(beginning)]

    def size(self, name: str) -> int:
        return self._zip.getinfo(name).file_size

    async def chunks(self, name: str) -> AsyncIterator[bytes]:
        with self._zip.open(name) as entry:
            while chunk := entry.read(CHUNK_BYTES):
                yield chunk

    def secret(self) -> str | None:
        """The secret key itself, where the backup was made with it."""
        return self._zip.read(SECRET).decode() if SECRET in self._zip.namelist() else None


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Raises Invalid for what is no backup, or not a whole one; EnvironmentFault."""
    try:
        with zipfile.ZipFile(path) as file:
            if MANIFEST not in file.namelist():
                raise Invalid(f"{path} is no backup of Dialplane: it has no {MANIFEST}")
            yield Archive(file)
    except (zipfile.BadZipFile, EOFError) as fault:
        raise Invalid(f"{path} is no backup, or not a whole one: {fault}") from fault
    except OSError as fault:
        raise EnvironmentFault(f"{path} cannot be read: {fault.strerror or fault}") from fault
