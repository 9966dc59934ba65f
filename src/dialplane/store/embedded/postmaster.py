"""One embedded PostgreSQL server: made, started, probed, stopped. The caller holds ``start.lock``."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import asyncpg

from dialplane.errors import EnvironmentFault
from dialplane.store.embedded.binaries import all_binaries
from dialplane.store.embedded.folders import (
    Waiting,
    disk_full,
    faults_told,
    make_folder,
    open_private,
    try_lock,
    write_private,
)
from dialplane.store.embedded.placement import Place, prepare_socket_folder, version_in

PORT = 5432  # only part of the socket's name: nothing listens on the network
ROLE = "dialplane"
OLD_SERVER_SECONDS = 60  # for the last processes of a killed server to end
MAX_KILLED_STARTS = 3  # killed from outside, as the kernel does when memory runs out
LOG_DAYS = 7
LARGEST_LOG_BYTES = 100 << 20  # of a day: more than that says the same again and again
SETTINGS_OF_A_NEW_CLUSTER = {"max_connections": "200"}  # in postgresql.conf, where an operator may change them
SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "on",
    "log_filename": "postgresql-%a.log",
    "log_file_mode": "0600",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_truncate_on_rotation": "on",
}


class Answer(Enum):
    READY = "takes connections"
    NOT_YET = "a server is there but recovers, starts or stops"
    NOBODY = "nothing listens on the socket"


@dataclass(frozen=True, slots=True)
class Postmaster:
    place: Place

    @property
    def connect_arguments(self) -> Mapping[str, Any]:
        # ssl: else PGSSLMODE=require in the environment would apply to the local socket
        host = str(self.place.socket_folder)
        return {"host": host, "port": PORT, "user": ROLE, "database": "postgres", "ssl": False}

    def ensure_running(self, waiting: Waiting) -> None:
        """Back when the server takes connections; recovery may take as long as its process lives."""
        check_version(self.place)
        started: _Started | None = None
        killed = 0
        give_up_at = time.monotonic() + OLD_SERVER_SECONDS
        pause_seconds = 0.01
        while (answer := self._probe())[0] is not Answer.READY:
            if answer[0] is Answer.NOT_YET:
                doing = "stopping" if "shutting down" in answer[1] else "recovering its data"
                waiting.because(f"PostgreSQL is {doing}, please wait ({answer[1]})")
                give_up_at = time.monotonic() + OLD_SERVER_SECONDS
            elif started is None:
                started = self._start_if_alone(waiting, give_up_at)
            elif (code := started.process.poll()) is not None:
                killed += code == -signal.SIGKILL
                self._check_worth_another_start(started, killed, give_up_at)
                started = None
            else:
                waiting.because("PostgreSQL is starting")
            time.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 1.2, 0.2)

    def stop(self) -> None:
        """Fast shutdown; back when every process of the server is gone."""
        if (pid := self.pid()) is None:
            return
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)
        while (lock := try_lock(self._server_lock)) is None:
            time.sleep(0.01)
        os.close(lock)

    def pid(self) -> int | None:
        """Of the process that listens on the socket, told by the kernel: the pid file of a killed server lies."""
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(5)
            try:
                probe.connect(f"{self.place.socket_folder}/.s.PGSQL.{PORT}")
                pid = _peer_pid(probe)
            except OSError:
                return None
        return pid or None  # 0: it lives in another container

    @property
    def _server_lock(self) -> Path:
        """Held by the server's processes themselves: a descriptor they inherit. Free means that none of them lives,
        which no pid can say after a reboot, in another container, or of a zombie."""
        return self.place.folder / "server.lock"

    def _probe(self) -> tuple[Answer, str]:
        try:
            asyncio.run(_connect_once(self.connect_arguments))
        except (FileNotFoundError, ConnectionRefusedError):
            return Answer.NOBODY, ""
        except (
            asyncpg.CannotConnectNowError,
            asyncpg.PostgresConnectionError,
            asyncpg.OperatorInterventionError,
            asyncpg.InternalClientError,  # what asyncpg makes of a connection that is cut while it closes
        ) as error:
            return Answer.NOT_YET, str(error).partition("\n")[0]
        except asyncpg.TooManyConnectionsError:
            return Answer.READY, ""
        except asyncpg.PostgresError as error:
            raise EnvironmentFault(f"The database in {self.place.data} answers, but refuses us: {error}.") from error
        except PermissionError as error:
            raise EnvironmentFault(f"May not connect to PostgreSQL at {self.place.socket_folder}: {error}.") from error
        except (OSError, TimeoutError) as error:
            return Answer.NOT_YET, str(error) or "it does not answer"
        return Answer.READY, ""

    def _start_if_alone(self, waiting: Waiting, give_up_at: float) -> _Started | None:
        with faults_told(self.place.folder):
            lock = try_lock(self._server_lock)
        if lock is not None:
            try:
                with faults_told(self.place.folder):
                    return self._start(lock)
            finally:
                os.close(lock)
        if time.monotonic() > give_up_at:
            old_pid = _pid_in_file(self.place.data / "postmaster.pid")
            raise EnvironmentFault(
                f"Processes of an old PostgreSQL still use {self.place.data}, but nobody listens on "
                f"{self.place.socket_folder}. Its pid was {old_pid}: stop it, then try again."
            )
        waiting.because("the last processes of a killed PostgreSQL are ending")
        return None

    def _start(self, lock: int) -> _Started:
        place = self.place
        self._remove_left_overs()
        prepare_socket_folder(place)
        make_folder(place.log, mode=0o700, uid=place.account.uid, gid=place.account.gid)
        if not place.data.exists():
            self._initialise()
        _forget_pid_of_somebody_else(place.data / "postmaster.pid")
        _forget_pid_of_somebody_else(place.socket_folder / f".s.PGSQL.{PORT}.lock")
        self._write_who_may_connect()
        return _Started(self._launch(lock), time.time())

    def _remove_left_overs(self) -> None:
        for path in self.place.folder.glob("*.new-*"):
            shutil.rmtree(path, ignore_errors=True)
        for path in self.place.log.glob("*.log"):  # truncation on rotation does not reach a server that rarely runs
            if path.lstat().st_mtime < time.time() - (LOG_DAYS - 1) * 86_400:
                path.unlink(missing_ok=True)
        limit_logs(self.place)

    def _initialise(self) -> None:
        """initdb beside the final folder, then one rename: a cluster is there whole or not at all."""
        place = self.place
        new = place.folder / f"data.new-{os.getpid()}"
        make_folder(new, mode=0o700, uid=place.account.uid, gid=place.account.gid)
        command = [place.binaries.program("initdb"), f"--pgdata={new}", f"--username={ROLE}", "--data-checksums"]
        command += ["--encoding=UTF8", "--locale=C", "--auth-local=peer", "--auth-host=reject", "--no-instructions"]
        command += [f"--set={name}={value}" for name, value in SETTINGS_OF_A_NEW_CLUSTER.items()]
        output = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        # a session of its own: Ctrl-C stops the command that waits, not initdb half-way
        arguments = output | place.account.subprocess_arguments() | {"start_new_session": True}
        made = subprocess.run(command, check=False, text=True, errors="replace", **arguments)
        if made.returncode != 0:
            shutil.rmtree(new, ignore_errors=True)
            if "No space left" in made.stdout or "quota exceeded" in made.stdout:
                raise disk_full(place.folder)
            raise EnvironmentFault(
                f"PostgreSQL could not make its data folder in {place.folder}:\n{made.stdout.strip()}"
            )
        os.rename(new, place.data)
        _flush(place.folder)

    def _write_who_may_connect(self) -> None:
        """Only the server's own user and root, by the kernel's word for who they are; written anew at every start."""
        mode = 0o644 if os.geteuid() == 0 else 0o600
        write_private(self.place.folder / "hba.conf", "local all all peer map=dialplane\n", mode=mode)
        users = dict.fromkeys((self.place.account.name, "root"))
        lines = "".join(f'dialplane "{user}" {ROLE}\n' for user in users)
        write_private(self.place.folder / "ident.conf", lines, mode=mode)

    def _launch(self, lock: int) -> subprocess.Popen[bytes]:
        place = self.place
        settings = SETTINGS | {
            "unix_socket_directories": '"{}"'.format(str(place.socket_folder).replace('"', '""')),
            "log_directory": str(place.log),
            "hba_file": str(place.folder / "hba.conf"),
            "ident_file": str(place.folder / "ident.conf"),
        }
        command = [place.binaries.program("postgres"), "-D", str(place.data)]
        command += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        output = open_private(self._start_log, truncate=True)
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C in the terminal does not reach it
                pass_fds=(lock,),
                **place.account.subprocess_arguments(),
            )
        finally:
            os.close(output)
        # The server may outlive this command or die before it; somebody has to reap it then.
        threading.Thread(target=process.wait, name="postgres-reaper", daemon=True).start()
        return process

    @property
    def _start_log(self) -> Path:
        """What the server says before its log collector runs."""
        return self.place.folder / "start.log"

    def _last_words(self, started: _Started) -> str:
        logs = [path for path in self.place.log.glob("*.log") if path.lstat().st_mtime >= started.at - 1]
        newest = max(logs, key=lambda path: path.lstat().st_mtime, default=None)
        lines = [line for path in (self._start_log, newest) if path is not None for line in _tail(path)]
        return "\n".join(line for line in lines if "log output" not in line)

    def _check_worth_another_start(self, started: _Started, killed: int, give_up_at: float) -> None:
        words = self._last_words(started)
        was_killed = started.process.returncode == -signal.SIGKILL and killed < MAX_KILLED_STARTS
        old_one_ends = "still in use" in words and time.monotonic() < give_up_at
        if was_killed or old_one_ends:
            return
        if "No space left" in words or shutil.disk_usage(self.place.folder).free < 1 << 20:
            raise disk_full(self.place.folder)
        raise EnvironmentFault(
            f"PostgreSQL was started and ended before it was ready (exit code {started.process.returncode}). "
            f"Its log is in {self.place.log}; the last lines are:\n{words}"
        )


@dataclass(frozen=True, slots=True)
class _Started:
    process: subprocess.Popen[bytes]
    at: float  # seconds since the epoch, to compare with the log's time stamp


def limit_logs(place: Place) -> list[Path]:
    """Logs that had grown too large are empty again, while the server goes on writing them. Which these were."""
    cut: list[Path] = []
    for path in place.log.glob("*.log"):
        with suppress(FileNotFoundError):
            if path.lstat().st_size > LARGEST_LOG_BYTES:
                os.close(open_private(path, truncate=True))
                cut.append(path)
    return cut


def check_version(place: Place) -> None:
    """Raises EnvironmentFault when the cluster is of another major version, or no cluster at all."""
    if not place.data.exists():
        return
    if (cluster := version_in(place.data)) is None:
        raise EnvironmentFault(f"{place.data} is not a PostgreSQL data folder. Move it away, then try again.")
    if cluster != place.binaries.major:
        reads_it = cluster in {binaries.major for binaries in all_binaries()}
        who = (
            "`dialplane backup FILE`" if reads_it else f"`dialplane backup FILE` of a release with PostgreSQL {cluster}"
        )
        raise EnvironmentFault(
            f"The database in {place.data} is of PostgreSQL {cluster}, and this Dialplane uses PostgreSQL "
            f"{place.binaries.major}. Make a backup with {who}, set DIALPLANE_HOME to a new folder, and "
            "`dialplane restore FILE` there."
        )


async def _connect_once(arguments: Mapping[str, Any]) -> None:
    connection = await asyncpg.connect(**arguments, timeout=5)
    await connection.close(timeout=5)


def _peer_pid(connected: socket.socket) -> int:
    if sys.platform == "darwin":
        local_peerpid = 0x002  # <sys/un.h>; Python has no name for it
        return connected.getsockopt(0, local_peerpid)
    pid, _, _ = struct.unpack("3i", connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(pid)


def _pid_in_file(path: Path) -> int | None:
    with suppress(OSError, ValueError):
        return int(path.read_text(errors="replace").partition("\n")[0])
    return None


def _forget_pid_of_somebody_else(path: Path) -> None:
    """No server process lives (the lock says so), but its old pid may be another program's or a zombie's now, and
    PostgreSQL would refuse to start. Otherwise the file stays: PostgreSQL checks more with it."""
    pid = _pid_in_file(path)
    if pid is None or pid <= 0:
        return
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return
    except PermissionError:
        pass
    path.unlink(missing_ok=True)


def _tail(path: Path, *, lines: int = 10) -> list[str]:
    with suppress(OSError), open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - 8_192))
        return file.read().decode(errors="replace").splitlines()[-lines:]
    return []


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
