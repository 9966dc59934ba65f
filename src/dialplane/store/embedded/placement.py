"""data folder -> where its embedded PostgreSQL lives, and as whom it runs"""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import stat
import subprocess
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dialplane.errors import EnvironmentFault
from dialplane.store.embedded.binaries import Binaries, copy_binaries, find_binaries
from dialplane.store.embedded.folders import Waiting, exclusive, faults_told, make_folder, write_private

STATE_ROOT = Path("/var/lib/dialplane")
RUN_AS = ("dialplane", "postgres", "nobody")  # as root: the first of these that exists
LINK = "postgres.location"  # in the data folder: the name of its folder below the state root
MAX_SOCKET_PATH_BYTES = 100  # macOS takes 103, Linux 107
OWN_DATABASE = "set DIALPLANE_DATABASE_URL to a PostgreSQL server of your own"


@dataclass(frozen=True, slots=True)
class Account:
    """The operating system's user that PostgreSQL runs as."""

    name: str
    uid: int
    gid: int

    def subprocess_arguments(self) -> dict[str, Any]:
        """For subprocess: become this user, away from our folder, without our secrets and PG* variables."""
        kept = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
        environment = {name: os.environ[name] for name in kept if name in os.environ}
        arguments: dict[str, Any] = {"cwd": "/", "env": environment | {"LC_ALL": "C"}, "umask": 0o077}
        if self.uid != os.geteuid():
            arguments |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        return arguments


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """``folder`` holds the cluster (``data``), its log, its socket and the lock files."""

    home: Path
    folder: Path
    reason: str
    account: Account
    binaries: Binaries
    state_root: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def socket_folder(self) -> Path:
        beside = self.folder / "s"
        if len(os.fsencode(beside / ".s.PGSQL.5432")) <= MAX_SOCKET_PATH_BYTES:
            return beside
        # not tempfile.gettempdir(): two processes with different TMPDIR must find the same socket
        return Path("/tmp") / f"dialplane-{self.account.uid}-{_short_hash(self.folder)}"


def locate(home: Path, *, state_root: Path = STATE_ROOT, as_it_is: bool = False) -> Place:
    """Where the cluster of this data folder is, or would be made. Changes nothing.

    as_it_is: with the programs of the version that it was made by, should they be another one's than those in use.
    """
    home = home.resolve()
    if os.geteuid() != 0:
        account, where = _ourselves(home), _inside(home)
        found = _programs(where["folder"], as_it_is)
        return Place(home=home, account=account, binaries=found, state_root=state_root, **where)
    account, where = _as_root(home, state_root)
    found = _programs(where["folder"], as_it_is)
    if not _can(account, [found.program("initdb"), "--version"]):
        found = found.moved(state_root / f"binaries-{found.version}")
    return Place(home=home, account=account, binaries=found, state_root=state_root, **where)


def _programs(folder: Path, as_it_is: bool) -> Binaries:
    made_by = version_in(folder / "data") if as_it_is else None
    return find_binaries() if made_by is None else find_binaries(major=made_by)


def version_in(data: Path) -> str | None:
    """The major version of a cluster; None where there is none."""
    with faults_told(data), suppress(FileNotFoundError):
        return (data / "PG_VERSION").read_text(encoding="ascii").strip()
    return None


def prepare(place: Place, waiting: Waiting) -> Place:
    """Make the folders; the place comes back with the folder that was really taken."""
    with faults_told(place.folder):
        copied = place.binaries.site.parent == place.state_root
        if copied or place.folder.parent == place.state_root:
            _make_state_root(place.state_root)
            with exclusive(place.state_root / "lock", waiting, "another command prepares the database's folder"):
                if copied:
                    copy_binaries(find_binaries(major=place.binaries.major), place.binaries.site)
                if place.folder.parent == place.state_root:
                    place = _claim(place)
        # Of root, so that the less trusted account cannot swap what root opens in it.
        make_folder(place.folder, mode=0o755 if os.geteuid() == 0 else 0o700, uid=os.geteuid(), gid=os.getegid())
    if os.geteuid() == 0 and not _can_enter(place.account, place.folder):
        raise EnvironmentFault(
            f"The user {place.account.name}, as whom PostgreSQL runs, cannot enter {place.folder}. "
            f"Let it enter the folders above, or {OWN_DATABASE}."
        )
    return place


def prepare_socket_folder(place: Place) -> None:
    """Make it, or be sure that it is ours: in /tmp anybody may have put something of that name before."""
    folder, account = place.socket_folder, place.account
    with faults_told(folder):
        make_folder(folder, mode=0o700, uid=account.uid, gid=account.gid)
        found = os.lstat(folder)
    mine = stat.S_ISDIR(found.st_mode) and found.st_uid == account.uid and stat.S_IMODE(found.st_mode) == 0o700
    if not mine:
        raise EnvironmentFault(
            f"{folder}, which must hold PostgreSQL's socket, is no folder of the user {account.name} with mode 0700. "
            "Remove it if you know what it is, or set DIALPLANE_HOME to a folder with a shorter path."
        )


def _inside(home: Path) -> dict[str, Any]:
    return {"folder": home / "postgres", "reason": "in the data folder"}


def _ourselves(home: Path) -> Account:
    folder = home / "postgres"
    if (home / LINK).exists():
        raise EnvironmentFault(f"The database of {home} was made by root, see {home / LINK}. Run this command as root.")
    for path in (home, folder, folder / "data"):
        _check_usable(path, owners=(os.geteuid(), 0) if path == home else (os.geteuid(),))
    return _account(os.geteuid())


def _check_usable(path: Path, *, owners: tuple[int, ...]) -> None:
    with faults_told(path):
        try:
            owner = path.stat().st_uid
        except FileNotFoundError:
            return
    if owner not in owners:
        what = f"belongs to the user {_name(owner)}, not to {_name(os.geteuid())}"
    elif not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        what = f"cannot be written by the user {_name(os.geteuid())}"
    else:
        return
    raise EnvironmentFault(f"{path} {what}. Run as the other user, or set DIALPLANE_HOME to a folder of your own.")


def _as_root(home: Path, state_root: Path) -> tuple[Account, dict[str, Any]]:
    """A cluster that exists stays where it is and with its owner; only a new one is placed."""
    inside = home / "postgres"
    if (inside / "data").exists():
        account = _account((inside / "data").stat().st_uid)
        if not _can_enter(account, inside):
            raise EnvironmentFault(
                f"The database is in {inside}, but its user {account.name} can no longer enter that folder. "
                f"Let {account.name} enter {home} and the folders above again."
            )
        return account, _inside(home)
    if (linked := _linked(home, state_root)) is not None:
        data = linked / "data"
        account = _account(data.stat().st_uid) if data.exists() else _run_as()
        return account, _outside(linked, home, account)
    account = _account(inside.stat().st_uid) if inside.exists() and inside.stat().st_uid else _run_as()
    if _can_enter(account, _nearest_existing(home)):
        return account, _inside(home)
    return account, _outside(_free_folder(home, state_root), home, account)


def _outside(folder: Path, home: Path, account: Account) -> dict[str, Any]:
    reason = f"PostgreSQL runs as the user {account.name} (it refuses to run as root), who cannot enter {home}"
    return {"folder": folder, "reason": reason}


def _linked(home: Path, state_root: Path) -> Path | None:
    """The folder this home was given before. By a note in the home, not by its path alone: a home that was deleted
    and made again must begin empty instead of going on with the old campaigns."""
    link = home / LINK
    with suppress(FileNotFoundError):
        if os.lstat(link).st_uid != 0 or not re.fullmatch(r"[0-9a-f]{8}(-\d+)?", name := _first_line(link)):
            raise EnvironmentFault(f"{link} was not written by Dialplane. Remove it, or restore what was there.")
        if not (state_root / name).is_dir():
            raise EnvironmentFault(
                f"The database of {home} was in {state_root / name}, which is gone. Restore that folder, "
                f"or remove {link} to begin with an empty database."
            )
        return state_root / name
    return None


def _claim(place: Place) -> Place:
    """Called under the state root's lock: the folder first, then the link, so that a link never points nowhere."""
    folder = _linked(place.home, place.state_root) or _free_folder(place.home, place.state_root)
    make_folder(folder, mode=0o755, uid=os.geteuid(), gid=os.getegid())
    write_private(folder / "home", f"{place.home}\n")
    if not (place.home / LINK).exists():
        note = f"{folder.name}\n# The database of this data folder is in {folder}: {place.reason}.\n"
        new = place.home / f"{LINK}.new"
        write_private(new, note, mode=0o644)
        os.chown(new, 0, 0, follow_symlinks=False)
        os.rename(new, place.home / LINK)
    return replace(place, folder=folder)


def _free_folder(home: Path, state_root: Path) -> Path:
    names = [_short_hash(home), *(f"{_short_hash(home)}-{number}" for number in range(2, 1000))]
    return next(state_root / name for name in names if not (state_root / name / "data").exists())


def _make_state_root(state_root: Path) -> None:
    state_root.parent.mkdir(parents=True, exist_ok=True)
    make_folder(state_root, mode=0o755, uid=os.geteuid(), gid=os.getegid())
    found = state_root.stat()
    if found.st_uid != 0 or stat.S_IMODE(found.st_mode) & 0o022:
        raise EnvironmentFault(f"{state_root} must belong to root and be writable by root alone. Mend that.")


def _run_as() -> Account:
    for name in RUN_AS:
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            if entry.pw_uid != 0:
                return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise EnvironmentFault(
        f"PostgreSQL refuses to run as root, and none of the users {', '.join(RUN_AS)} exists. "
        f"Create the user dialplane, or {OWN_DATABASE}."
    )


def _account(uid: int) -> Account:
    if uid == 0:
        raise EnvironmentFault("The database's folder belongs to root, but PostgreSQL refuses to run as root.")
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise EnvironmentFault(
            f"The user id {uid} has no name on this system, and PostgreSQL refuses to run without one. "
            f"Add it to /etc/passwd, or {OWN_DATABASE}."
        ) from None
    return Account(entry.pw_name, uid, entry.pw_gid)


def _name(uid: int) -> str:
    with suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return str(uid)


def _can_enter(account: Account, folder: Path) -> bool:
    return _can(account, ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)])


def _can(account: Account, command: list[str]) -> bool:
    """Tried for real, by a process of that user: modes alone say little about ACLs and mounts."""
    arguments = {"capture_output": True, "stdin": subprocess.DEVNULL} | account.subprocess_arguments()
    try:
        return bool(subprocess.run(command, check=False, **arguments).returncode == 0)
    except PermissionError as error:
        if error.filename is not None and Path(command[0]) == Path(os.fsdecode(error.filename)):
            return False
        raise EnvironmentFault(
            f"Root may not run a process as {account.name} here ({error.strerror}); {OWN_DATABASE}."
        ) from error
    except OSError as error:
        raise EnvironmentFault(f"Cannot run {command[0]} as {account.name}: {error}; {OWN_DATABASE}.") from error


def _nearest_existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.is_dir())


def _first_line(path: Path) -> str:
    return path.read_text(encoding="utf-8").partition("\n")[0].strip()


def _short_hash(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:8]
