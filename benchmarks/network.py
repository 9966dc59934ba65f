"""Machines of a network of our own: namespaces around a router, which drops what is of a machine that is cut."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

_made = count()


def possible() -> bool:
    """A container's root may have the programs and not the right to use them."""
    if os.getuid() != 0 or not all(shutil.which(program) for program in ("ip", "nft", "nsenter", "unshare")):
        return False
    return subprocess.run(["unshare", "--net", "true"], check=False, capture_output=True).returncode == 0


# What is dropped on the way tells neither end: no reset, no "unreachable", as when a cable is pulled far away.
FIREWALL = """
table ip cut {
    set machines { type ipv4_addr; }
    chain forward { type filter hook forward priority 0; ip saddr @machines drop; ip daddr @machines drop; }
}
"""


@dataclass(eq=False)
class Machine:
    """through: what a command begins with that shall run there, as the same process."""

    network: Network
    name: str
    namespace: str
    address: str
    is_cut: bool = False

    @property
    def through(self) -> Sequence[str]:
        return through(self.namespace)

    def cut(self) -> None:
        self.network.firewall(f"add element ip cut machines {{ {self.address} }}")
        self.is_cut = True

    def mend(self) -> None:
        self.network.firewall(f"delete element ip cut machines {{ {self.address} }}")
        self.is_cut = False


@dataclass(eq=False)
class Network:
    """Its addresses exist in its own namespaces alone: nothing leads to them from the network of the host, or back."""

    machines: list[Machine] = field(default_factory=list)
    _prefix: str = field(default_factory=lambda: f"dialplane-{os.getpid()}-{next(_made)}")
    _namespaces: list[str] = field(default_factory=list)

    def open(self) -> None:
        self._add_namespace(self._router)
        run(*through(self._router), "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        self.firewall(FIREWALL)

    def machine(self, name: str) -> Machine:
        """A new one, with a cable to the router."""
        number = len(self.machines) + 1
        made = Machine(self, name, f"{self._prefix}-{name}", f"10.213.{number}.2")
        self._add_namespace(made.namespace)
        port, gateway = f"port{number}", f"10.213.{number}.1"
        ip(self._router, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", made.namespace)
        for namespace, device, address in ((self._router, port, gateway), (made.namespace, "eth0", made.address)):
            ip(namespace, "address", "add", f"{address}/30", "dev", device)
            ip(namespace, "link", "set", device, "up")
        ip(made.namespace, "route", "add", "default", "via", gateway)
        self.machines.append(made)
        return made

    def firewall(self, rules: str) -> None:
        run(*through(self._router), "nft", "-f", "-", given=rules)

    def close(self) -> None:
        """With a namespace go its devices and rules."""
        for namespace in self._namespaces:
            subprocess.run(["ip", "netns", "delete", namespace], check=False)
        self._namespaces.clear()

    @property
    def _router(self) -> str:
        return f"{self._prefix}-router"

    def _add_namespace(self, name: str) -> None:
        run("ip", "netns", "add", name)
        self._namespaces.append(name)
        ip(name, "link", "set", "lo", "up")


def through(namespace: str) -> Sequence[str]:
    return ("nsenter", f"--net=/run/netns/{namespace}")


def ip(namespace: str, *arguments: str) -> None:
    run("ip", "-netns", namespace, *arguments)


def run(*command: str, given: str | None = None) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True, input=given)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
