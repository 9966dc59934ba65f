"""A PostgreSQL that is not embedded: over TCP, with a certificate."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from debian_postgres import PostgresServer, free_port
from listening import Listening
from tls import Authority


@pytest.fixture(scope="session")
def listening() -> Iterator[Listening]:
    # Not pytest's own folder: as root that one is 0700, so that the server's user cannot enter it.
    folder = Path(tempfile.mkdtemp(prefix="dp-debian-", dir="/tmp"))
    folder.chmod(0o755)
    authority = Authority.make(folder, "our-own")
    server = PostgresServer(folder / "server", free_port())
    try:
        server.make()
        certificate, key = authority.sign(server.folder, "localhost")
        tls = {"ssl": "on", "ssl_cert_file": str(certificate), "ssl_key_file": str(key)}
        server.start({"listen_addresses": "127.0.0.1", "fsync": "off", **tls})
        yield Listening(server, authority)
    finally:
        server.close()
        shutil.rmtree(folder, ignore_errors=True)
