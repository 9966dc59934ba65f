"""Debian's PgBouncer in transaction mode, before a server of a test."""

from __future__ import annotations

import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from debian_postgres import PostgresServer, free_port, give, unprivileged

CONNECTIONS = 3  # to the server: fewer than a process has, so that all of them are shared
CONFIGURATION = """
[databases]
dialplane = host={server.folder} port={server.port} user=dialplane
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {connections}
max_client_conn = 100
"""


@dataclass
class Pooler:
    """url: as the product has it. `log` is what it says."""

    folder: Path
    server: PostgresServer
    port: int = 0
    popen: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql://dialplane@127.0.0.1:{self.port}/dialplane"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def start(self, **more: str) -> None:
        """more: settings that are not the usual ones."""
        self.folder.mkdir(mode=0o755)
        give(self.folder)
        self.port = free_port()
        text = CONFIGURATION.format(server=self.server, port=self.port, connections=CONNECTIONS)
        text += "".join(f"{name} = {value}\n" for name, value in more.items())
        (self.folder / "pgbouncer.ini").write_text(text)
        command = [*unprivileged(), "pgbouncer", str(self.folder / "pgbouncer.ini")]
        with (self.folder / "log").open("wb") as log:
            self.popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
        while not self.answers():
            assert self.popen.poll() is None, self.log
            time.sleep(0.02)

    def answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def close(self) -> None:
        if self.popen is not None:
            self.popen.kill()
            self.popen.wait()
