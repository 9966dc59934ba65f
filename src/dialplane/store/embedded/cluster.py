"""The embedded PostgreSQL of a data folder: the first command starts it, the last one that leaves stops it.

Every command that is attached holds a shared lock on ``users.lock`` for its life; the kernel drops it even on kill -9.
Starting and stopping happen under an exclusive lock on ``start.lock``. Blocking functions: call them in a thread.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dialplane.store.embedded.folders import Waiting, exclusive, faults_told, share_lock, try_lock
from dialplane.store.embedded.placement import STATE_ROOT, Place, locate, prepare, version_in
from dialplane.store.embedded.postmaster import Postmaster, check_version
from dialplane.store.embedded.postmaster import limit_logs as _limit_logs

OTHERS_START = "another command starts or stops the database"


def attach(
    home: Path,
    *,
    on_wait: Callable[[str], None] | None = None,
    state_root: Path = STATE_ROOT,
    as_it_is: bool = False,
) -> Attachment:
    """Attach to the PostgreSQL of this data folder, or start it, made first if the folder is new.

    on_wait: is told why, when it takes more than a few seconds. state_root: where the cluster goes when, as root, the
    user that PostgreSQL runs as cannot enter ``home``. as_it_is: a cluster of an older major version too, if programs
    for it have come along.
    Raises: EnvironmentFault, whose text says what is wrong and what to do.
    """
    with faults_told(home):
        home.mkdir(parents=True, exist_ok=True)
    place = locate(home, state_root=state_root, as_it_is=as_it_is)
    check_version(place)
    attachment = Attachment(prepare(place, Waiting(on_wait)), on_wait)
    attachment._enter()
    return attachment


class Attachment:
    """One user of a running server; any number of them in any number of processes."""

    def __init__(self, place: Place, on_wait: Callable[[str], None] | None = None) -> None:
        self._postmaster = Postmaster(place)
        self._on_wait = on_wait
        self._users_lock: int | None = None

    @property
    def connect_arguments(self) -> Mapping[str, Any]:
        """For asyncpg.connect(**…)."""
        return self._postmaster.connect_arguments

    @property
    def folder(self) -> Path:
        """Where the cluster, its log and its locks are."""
        return self._postmaster.place.folder

    def ensure_running(self) -> None:
        """After a lost connection: back when the server takes connections again, started anew if it died.

        Raises: EnvironmentFault.
        """
        assert self._users_lock is not None, "ensure_running() after leave()"
        waiting = Waiting(self._on_wait)
        with faults_told(self.folder), exclusive(self._start_lock, waiting, OTHERS_START):
            self._postmaster.ensure_running(waiting)

    def leave(self) -> None:
        """Idempotent. The last one that leaves stops the server and waits until it is gone."""
        if self._users_lock is None:
            return
        try:
            with exclusive(self._start_lock, Waiting(self._on_wait), OTHERS_START):
                self._drop_users_lock()
                if (alone := try_lock(self.folder / "users.lock")) is not None:
                    os.close(alone)
                    self._postmaster.stop()
        except FileNotFoundError:  # somebody deleted the folder; PostgreSQL notices too, and ends
            self._drop_users_lock()

    def _enter(self) -> None:
        waiting = Waiting(self._on_wait)
        with faults_told(self.folder), exclusive(self._start_lock, waiting, OTHERS_START):
            self._users_lock = share_lock(self.folder / "users.lock")
            try:
                self._postmaster.ensure_running(waiting)
            except BaseException:
                self._drop_users_lock()
                raise

    def _drop_users_lock(self) -> None:
        if self._users_lock is not None:
            os.close(self._users_lock)
            self._users_lock = None

    @property
    def _start_lock(self) -> Path:
        return self.folder / "start.lock"


def limit_logs(home: Path, *, state_root: Path = STATE_ROOT) -> list[Path]:
    """Empty those of the server's logs that have grown too large: which. Raises: EnvironmentFault."""
    place = locate(home, state_root=state_root)
    with faults_told(place.log):
        return _limit_logs(place)


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What ``doctor`` shows."""

    folder: Path
    reason: str  # why the cluster is there
    cluster_version: str | None  # major version, None when no cluster was made yet
    binaries_version: str
    pid: int | None
    socket_folder: Path
    log_folder: Path
    binaries_folder: Path
    run_as: str


def describe(home: Path, *, state_root: Path = STATE_ROOT) -> Description:
    """Starts and changes nothing. Raises: EnvironmentFault."""
    place = locate(home, state_root=state_root)
    return Description(
        folder=place.folder,
        reason=place.reason,
        cluster_version=version_in(place.data),
        binaries_version=place.binaries.version,
        pid=Postmaster(place).pid(),
        socket_folder=place.socket_folder,
        log_folder=place.log,
        binaries_folder=place.binaries.install,
        run_as=place.account.name,
    )
