"""A primary and a standby that has every commit before it returns, each on a machine of its own."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from debian_postgres import PostgresServer

from benchmarks.network import Machine, Network

# Nothing here outlives the host: what a commit waits for is the other server, not a disk.
SETTINGS = {"listen_addresses": "*", "fsync": "off"}
STANDBY = "standby"
PATIENCE_SECONDS = 20.0


@dataclass(eq=False)
class Replicated:
    """url: of both, over TCP. local_url: the same through their sockets, which need no network."""

    primary: PostgresServer
    primary_machine: Machine
    standby: PostgresServer
    standby_machine: Machine

    @classmethod
    def on(cls, network: Network, folder: Path) -> Replicated:
        machines = network.machine("primary"), network.machine(STANDBY)
        primary, standby = (PostgresServer(folder / each.name, through=each.through) for each in machines)
        return cls(primary, machines[0], standby, machines[1])

    @property
    def url(self) -> str:
        return f"postgresql://dialplane@{self.primary_machine.address},{self.standby_machine.address}/dialplane"

    @property
    def local_url(self) -> str:
        return f"postgresql://dialplane@/dialplane?host={self.primary.folder},{self.standby.folder}&port=5432"

    def start(self) -> None:
        self.primary.make()
        self.primary.start(SETTINGS)
        source = f"host={self.primary_machine.address} port=5432 user=postgres application_name={STANDBY}"
        data = str(self.standby.data)
        self.standby.run("pg_basebackup", "-D", data, "-d", source, "--write-recovery-conf", "--no-sync", "-c", "fast")
        # From now on, and on the primary alone: the standby must not wait for anybody once it is one.
        self.primary.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{STANDBY}'")
        self.primary.execute("SELECT pg_reload_conf()")
        self.standby.start(SETTINGS, database=False)
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while self.primary.execute("SELECT sync_state FROM pg_stat_replication") != "sync":
            assert time.monotonic() < give_up_at
            time.sleep(0.05)

    def lose_primary(self) -> None:
        """Its machine is gone: it falls silent in the middle of what it says, and is never seen again."""
        self.primary_machine.cut()
        self.primary.kill()

    def promote(self) -> None:
        self.standby.run("pg_ctl", "promote", "-D", str(self.standby.data))

    @property
    def promoted(self) -> bool:
        return self.standby.execute("SELECT pg_is_in_recovery()") == "f"

    def close(self) -> None:
        self.primary.close()
        self.standby.close()
