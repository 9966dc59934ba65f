"""Whether anybody still carries a call: a file for each, locked by the process that does, however that process ends.

A lock belongs to its process alone and goes with it: a frozen one keeps it, a dead one cannot. The files are on the
machine itself, so that neither a network nor another machine has a part in the answer.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

KEPT_SECONDS: Final = 86_400  # of calls that nobody has asked about since


def mark(name: str) -> int | None:
    """Say that this process carries the call, until what is returned is closed; None where that cannot be said."""
    folder = _folder()
    making = folder / f"{name}.{os.getpid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        held = os.open(making, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        making.rename(folder / name)  # it is never seen without its lock
    except OSError:
        return None
    return held


def is_orphaned(name: str) -> bool:
    """A process of this machine carried the call and has ended; False as well where nobody here can tell."""
    try:
        found = os.open(_folder() / name, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return os.fstat(found).st_uid == os.getuid()
    finally:
        os.close(found)


def forget(name: str) -> None:
    """What became of the call is known."""
    with suppress(OSError):
        (_folder() / name).unlink()


def sweep() -> None:
    """Old marks whose processes have ended."""
    with suppress(OSError):
        for path in list(_folder().iterdir()):
            with suppress(OSError):
                if path.stat().st_mtime < time.time() - KEPT_SECONDS and is_orphaned(path.name):
                    path.unlink()


def _folder() -> Path:
    return Path(tempfile.gettempdir()) / f"dialplane-sip-{os.getuid()}"
