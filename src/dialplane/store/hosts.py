"""A URL of one or more hosts -> a connection to the primary, which ends when its host falls silent."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg

from dialplane.errors import Invalid

# A machine that has lost its power, or its network, closes no connection: whoever waits for its answer waits on.
SILENCE_SECONDS = 5
STAGGER_SECONDS = 0.25  # from one host of the URL to the next

# The same for the server, which keeps the locks of a client that has vanished; a local socket ignores it.
SERVER_SETTINGS: Mapping[str, str] = {
    "tcp_keepalives_idle": "2",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": str(SILENCE_SECONDS - 2),
    "tcp_user_timeout": str(1000 * SILENCE_SECONDS),
}
_KEEPALIVE = (
    ("SO_KEEPALIVE", socket.SOL_SOCKET, 1),
    ("TCP_KEEPIDLE", socket.IPPROTO_TCP, 2),
    ("TCP_KEEPALIVE", socket.IPPROTO_TCP, 2),  # what macOS calls the one before
    ("TCP_KEEPINTVL", socket.IPPROTO_TCP, 1),
    ("TCP_KEEPCNT", socket.IPPROTO_TCP, SILENCE_SECONDS - 2),
    ("TCP_USER_TIMEOUT", socket.IPPROTO_TCP, 1000 * SILENCE_SECONDS),
)


class WatchedConnection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg is not typed
    """Fails with an OSError after SILENCE_SECONDS without a sign of life from the other machine's kernel."""

    def __init__(self, protocol: Any, transport: asyncio.Transport, *others: Any) -> None:
        super().__init__(protocol, transport, *others)
        own: socket.socket = transport.get_extra_info("socket")
        if own.family in (socket.AF_INET, socket.AF_INET6):
            for name, level, value in _KEEPALIVE:
                if (option := getattr(socket, name, None)) is not None:
                    with suppress(OSError):  # a kernel that lacks one has the others
                        own.setsockopt(level, option, value)


async def connect(dsn: str | None = None, **options: Any) -> Any:
    """Like asyncpg.connect, to the primary among the hosts of the URL. Raises what the driver does.

    All hosts are asked, one STAGGER_SECONDS after the other, and the first primary is taken: one that is gone for good
    costs no more than that, however long it is silent.
    """
    options.setdefault("connection_class", WatchedConnection)
    if dsn is None or "target_session_attrs" not in parse_qs(urlsplit(dsn).query):
        options.setdefault("target_session_attrs", "primary")
    found = hosts(dsn) if dsn is not None else []
    if len(found) < 2:  # which the driver knows how to read, and what the environment adds to it
        return await asyncpg.connect(dsn, **options)
    return await _first(dsn, found, options)


def hosts(url: str) -> list[tuple[str, int | None]]:
    """Host and port, or folder of a socket and port, in the URL's order. Raises Invalid.

    >>> hosts("postgresql://db1:6432,[fd00::2]/dialplane")
    [('db1', 6432), ('fd00::2', None)]
    >>> hosts("postgresql:///dialplane?host=/run/a,/run/b&port=5433")
    [('/run/a', 5433), ('/run/b', 5433)]
    """
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    if "host" in query:
        names = query["host"][-1].split(",")
        ports = query.get("port", [""])[-1].split(",")
        ports = ports * len(names) if len(ports) == 1 else ports
        if len(ports) != len(names) or not all(port.isdigit() for port in ports if port):
            raise Invalid("DIALPLANE_DATABASE_URL must have one port, or as many as hosts")
        return [(name, int(port) if port else None) for name, port in zip(names, ports, strict=True)]
    return [_host(one) for one in parts.netloc.rpartition("@")[2].split(",") if one]


def files(url: str) -> dict[str, Path]:
    """Those that the URL names, by parameter."""
    query = parse_qs(urlsplit(url).query)
    return {name: Path(query[name][-1]) for name in ("sslrootcert", "sslcert", "sslkey") if name in query}


def _host(text: str) -> tuple[str, int | None]:
    name, _, port = text.rpartition(":") if text.rpartition(":")[2].isdigit() else (text, "", "")
    return unquote(name).strip("[]"), int(port) if port else None


async def _first(dsn: str | None, found: Sequence[tuple[str, int | None]], options: Mapping[str, Any]) -> Any:
    left = list(found)
    trying: dict[asyncio.Task[Any], str] = {}
    faults: dict[str, BaseException] = {}
    try:
        while left or trying:
            if left:
                host, port = left.pop(0)
                where = {"host": host, "port": port or int(os.environ.get("PGPORT") or 5432)}
                task = asyncio.ensure_future(asyncpg.connect(dsn, **{**options, **where}))
                trying[task] = f"{host}:{where['port']}"
            stagger = STAGGER_SECONDS if left else None
            done, _ = await asyncio.wait(trying, timeout=stagger, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                name = trying.pop(task)
                if (fault := task.exception()) is None:
                    return task.result()
                faults[name] = fault
    finally:
        for task in trying:
            task.cancel()
        for result in await asyncio.gather(*trying, return_exceptions=True):
            if isinstance(result, asyncpg.Connection):  # two that call themselves primary
                result.terminate()
    raise _worst(faults)


def _worst(faults: Mapping[str, BaseException]) -> BaseException:
    """One that says more than that nobody answered, for it needs the operator; else all of them."""
    for fault in faults.values():
        if not isinstance(fault, OSError | TimeoutError | asyncpg.InternalClientError):
            return fault
    told = "; ".join(f"{name}: {fault or type(fault).__name__}" for name, fault in faults.items())
    return ConnectionError(f"none of its hosts is a primary that answers ({told})")
