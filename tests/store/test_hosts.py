"""A URL of several hosts leads to the primary, whichever it is and whatever the others do."""

from __future__ import annotations

import asyncio
import doctest
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from debian_postgres import NEEDS_POSTGRESQL, PostgresServer, free_port
from listening import Listening

from dialplane.errors import EnvironmentFault, Invalid
from dialplane.store import hosts
from dialplane.store.postgres import Database

pytestmark = [pytest.mark.asyncio, NEEDS_POSTGRESQL]


@contextmanager
def silent_host() -> Iterator[int]:
    """A port where connections are taken and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def standby(listening: Listening) -> Iterator[int]:
    """The port of a server that only reads: one that waits for a primary to follow."""
    server = PostgresServer(listening.server.folder.parent / "standby", free_port())
    try:
        server.make()
        (server.data / "standby.signal").touch()
        server.start({"listen_addresses": "127.0.0.1"}, database=False)
        yield server.port
    finally:
        server.close()
        shutil.rmtree(server.folder)


async def test_the_examples_of_urls() -> None:
    assert doctest.testmod(hosts).failed == 0
    with pytest.raises(Invalid, match="one port, or as many as hosts"):
        hosts.hosts("postgresql:///dialplane?host=a,b,c&port=5432,5433")


async def test_a_standby_that_comes_first_is_passed_over(listening: Listening, standby: int) -> None:
    url = f"postgresql://dialplane@127.0.0.1:{standby},127.0.0.1:{listening.port}/dialplane"

    database = await Database.open({"dsn": url})

    async with database.transaction() as connection:
        assert await connection.fetchval("SELECT inet_server_port()") == listening.port
    await database.close()


async def test_a_host_that_is_silent_costs_less_than_a_second(listening: Listening) -> None:
    with silent_host() as silent:
        url = f"postgresql://dialplane@127.0.0.1:{silent},127.0.0.1:{listening.port}/dialplane"

        async with asyncio.timeout(4 * hosts.STAGGER_SECONDS):
            connection = await hosts.connect(url)

    await connection.close()


async def test_each_host_is_named_where_none_is_a_primary(standby: int) -> None:
    nobody = free_port()
    url = f"postgresql://postgres@127.0.0.1:{nobody},127.0.0.1:{standby}/postgres"

    with pytest.raises(EnvironmentFault, match=f"none of its hosts is a primary.*127.0.0.1:{nobody}: .*{standby}: "):
        await Database.open({"dsn": url})


async def test_what_the_operator_must_mend_is_not_hidden_by_hosts_that_are_down(listening: Listening) -> None:
    url = f"postgresql://nobody@127.0.0.1:{free_port()},127.0.0.1:{listening.port}/dialplane"

    with pytest.raises(EnvironmentFault, match='role "nobody" does not exist'):
        await Database.open({"dsn": url})
