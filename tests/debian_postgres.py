"""Debian's PostgreSQL in a folder of its own, for what the embedded one does not do: TCP, TLS, a standby, a pooler."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

VERSIONS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
START_SECONDS = 20.0

NEEDS_POSTGRESQL = pytest.mark.skipif(not VERSIONS, reason="Debian's postgresql is not installed")
NEEDS_PGBOUNCER = pytest.mark.skipif(not shutil.which("pgbouncer"), reason="Debian's pgbouncer is not installed")


def unprivileged() -> list[str]:
    """What a command begins with that refuses to run as root."""
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []


def give(path: Path) -> None:
    """To the user that those commands run as."""
    if os.getuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(path, user.pw_uid, user.pw_gid)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@dataclass(eq=False)
class PostgresServer:
    """folder: of this server alone, in a place that everybody may enter. through: what its commands begin with."""

    folder: Path
    port: int = 5432
    through: Sequence[str] = ()
    popen: subprocess.Popen[bytes] | None = None
    _programs: Path = field(default_factory=lambda: VERSIONS[-1])

    def __post_init__(self) -> None:
        self.folder.mkdir(mode=0o755)
        give(self.folder)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def make(self) -> None:
        """A cluster that trusts everybody, with an unprivileged owner of one database."""
        self.run("initdb", "-D", str(self.data), "-A", "trust", "-U", "postgres", "--no-sync")
        hosts = self.data / "pg_hba.conf"
        hosts.write_text("local all all trust\nhost all all all trust\nhost replication all all trust\n")

    def run(self, program: str, *arguments: str) -> str:
        command = [*self.through, *unprivileged(), str(self._programs / program), *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd="/")
        assert done.returncode == 0, f"{program} failed: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self, settings: Mapping[str, str], *, database: bool = True) -> None:
        """database: make one, and its owner, both of the name `dialplane`."""
        own = {"unix_socket_directories": str(self.folder), "port": str(self.port), "max_connections": "100"}
        command = [*self.through, *unprivileged(), str(self._programs / "postgres"), "-D", str(self.data)]
        for name, value in (own | dict(settings)).items():
            command += ["-c", f"{name}={value}"]
        with (self.folder / "log").open("ab") as log:
            self.popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
        until = time.monotonic() + START_SECONDS
        while not self.answers():
            assert self.popen.poll() is None and time.monotonic() < until, (self.folder / "log").read_text()
            time.sleep(0.05)
        if database:
            self.execute("CREATE ROLE dialplane LOGIN")
            self.execute("CREATE DATABASE dialplane OWNER dialplane")

    def answers(self) -> bool:
        command = [str(self._programs / "pg_isready"), "-q", "-h", str(self.folder), "-p", str(self.port)]
        return subprocess.run(command, check=False).returncode == 0

    def execute(self, statement: str, *, database: str = "postgres") -> str:
        """As the superuser; what it says, without decoration."""
        where = ["-h", str(self.folder), "-p", str(self.port), "-U", "postgres", "-d", database]
        return self.run("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *where, "-c", statement).strip()

    def kill(self) -> None:
        """kill -9, as when its machine is gone."""
        if self.popen is not None:
            self.popen.kill()
            self.popen.wait()

    def close(self) -> None:
        """Stop it without a word to its clients; nothing that it holds is needed any more."""
        if self.popen is not None and self.popen.poll() is None:
            self.popen.send_signal(signal.SIGQUIT)
            try:
                self.popen.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.kill()
