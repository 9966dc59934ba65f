"""Name of a server -> the addresses that a message may go to, looked up once and by us."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
# host, port -> addresses, as the system would try them. Raises OSError for a name that has none.
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]

# Of one's own network: allowed where the operator says so.
OWN = {
    "127.0.0.0/8": "loopback",
    "10.0.0.0/8": "private",
    "172.16.0.0/12": "private",
    "192.168.0.0/16": "private",
    "100.64.0.0/10": "shared by a provider's customers",
    "::1/128": "loopback",
    "fc00::/7": "private",
}
# No receiver is there, or one that hands out the machine's own credentials.
# Source: IANA special-purpose address registries; for 168.63.129.16 and fd00:ec2::254 the clouds' own pages.
NEVER = {
    "0.0.0.0/8": "unspecified",
    "169.254.0.0/16": "link-local",
    "192.0.0.0/24": "reserved",
    "192.0.2.0/24": "for documentation",
    "192.88.99.0/24": "a relay",
    "198.18.0.0/15": "for benchmarks",
    "198.51.100.0/24": "for documentation",
    "203.0.113.0/24": "for documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved",
    "100.100.100.200/32": "a metadata service",
    "168.63.129.16/32": "a metadata service",
    "::/128": "unspecified",
    "64:ff9b:1::/48": "a local translation",
    "100::/64": "reserved",
    "2001::/23": "reserved",
    "2001:db8::/32": "for documentation",
    "2002::/16": "a relay",
    "3fff::/20": "for documentation",
    "5f00::/16": "reserved",
    "fd00:ec2::254/128": "a metadata service",
    "fe80::/10": "link-local",
    "fec0::/10": "reserved",
    "ff00::/8": "multicast",
}
# An IPv4 address is in the last 32 bits: behind NAT64, and as systems long ago wrote it.
TRANSLATED = (IPv6Network("64:ff9b::/96"), IPv6Network("::/96"))


def _ranges(named: dict[str, str]) -> list[tuple[Network, str]]:
    return [(ip_network(text), name) for text, name in named.items()]


_OWN, _NEVER = _ranges(OWN), _ranges(NEVER)


class AddressRefused(Exception):
    """No message goes there; the text says why."""


def refusal(address: str, *, own_network: bool) -> str | None:
    """Why nothing may be sent to this address; None for one that is fine.

    >>> refusal("::ffff:10.0.0.7", own_network=False)
    'it is private (10.0.0.7)'
    """
    meant = _meant(ip_address(address))
    for network, name in _NEVER if own_network else _NEVER + _OWN:
        if meant in network:
            return f"it is {name} ({meant})"
    return None


def _meant(address: Address) -> Address:
    """The address that packets will reach in the end."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        # Not :: and ::1, which stand for themselves.
        if any(address in network for network in TRANSLATED) and int(address) > 1:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


class Lookup:
    """Names looked up by the system, in threads of their own: slow name servers hold up nothing else."""

    def __init__(self, threads: Executor) -> None:
        self._threads = threads

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _addresses, host, port)
        return list(dict.fromkeys(found))


def _addresses(host: str, port: int) -> list[str]:
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
