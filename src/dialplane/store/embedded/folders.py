"""Folders and lock files that several processes share; what the file system refuses is told as an EnvironmentFault."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dialplane.errors import EnvironmentFault

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
PATIENCE_SECONDS = 3.0  # before a person is told why it takes long


class Waiting:
    """Tells a person why it takes long: once per reason, and only after some seconds."""

    def __init__(self, on_wait: Callable[[str], None] | None) -> None:
        self._on_wait = on_wait
        self._reason = ""
        self._since = 0.0
        self._told = False

    def because(self, reason: str) -> None:
        """Call it again and again while the reason lasts."""
        if reason != self._reason:
            self._reason, self._since, self._told = reason, time.monotonic(), False
        if self._on_wait is not None and not self._told and time.monotonic() - self._since >= PATIENCE_SECONDS:
            self._told = True
            self._on_wait(reason)


@contextmanager
def faults_told(folder: Path) -> Iterator[None]:
    """Turns an OSError inside into an EnvironmentFault that names the folder and what to do."""
    try:
        yield
    except OSError as error:
        raise EnvironmentFault(_words(folder, error)) from error


def disk_full(folder: Path) -> EnvironmentFault:
    return EnvironmentFault(f"The disk that holds {folder} is full. Free some space there, then try again.")


def _words(folder: Path, error: OSError) -> str:
    if error.errno in NO_SPACE:
        return str(disk_full(folder))
    if error.errno == errno.EROFS:
        return f"{folder} is on a read-only file system. Set DIALPLANE_HOME to a folder that can be written."
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            f"{error.filename or folder} may not be written or entered by this user ({error.strerror}). "
            f"Run as the user that owns {folder}, or set DIALPLANE_HOME to another folder."
        )
    return f"The database's folder {folder} cannot be used: {error}."


def make_folder(folder: Path, *, mode: int, uid: int, gid: int) -> None:
    """Make it with exactly this mode and owner, all at once; one that is there already is left as it is."""
    if folder.is_dir():
        return
    new = folder.with_name(f"{folder.name}.new-{os.getpid()}-{time.monotonic_ns()}")
    os.mkdir(new, 0o700)
    os.chmod(new, mode)
    if uid != os.geteuid():
        os.chown(new, uid, gid, follow_symlinks=False)
    try:
        os.rename(new, folder)
    except OSError as error:
        os.rmdir(new)
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # another process was faster
            raise


def open_private(path: Path, *, truncate: bool = False, mode: int = 0o600) -> int:
    """A descriptor for reading and writing, the file made if missing; never through a symbolic link.

    As root in the folder of another user, the new file is given to that user, who will want to open it too.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_TRUNC if truncate else 0)
    descriptor = os.open(path, flags, mode)
    parent = os.stat(path.parent)
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and os.geteuid() == 0 and found.st_uid != parent.st_uid:
        os.fchown(descriptor, parent.st_uid, parent.st_gid)
    return descriptor


def write_private(path: Path, text: str, *, mode: int = 0o600) -> None:
    descriptor = open_private(path, truncate=True, mode=mode)
    with open(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, mode)
        file.write(text)


def try_lock(path: Path) -> int | None:
    """The descriptor that holds the exclusive lock, or None when anybody holds any lock on the file."""
    descriptor = open_private(path)
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return descriptor
    os.close(descriptor)
    return None


def share_lock(path: Path) -> int:
    """A descriptor that holds the shared lock; opened anew, for flock belongs to the open file, not to the process."""
    descriptor = open_private(path)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


@contextmanager
def exclusive(path: Path, waiting: Waiting, reason: str) -> Iterator[None]:
    """Waits without a limit: the kernel frees the lock of a process that died."""
    while (descriptor := try_lock(path)) is None:
        waiting.because(reason)
        time.sleep(0.02)
    try:
        yield
    finally:
        os.close(descriptor)
