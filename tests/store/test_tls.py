"""A database over TLS: who it is is checked, and a wrong certificate is refused with words that say what to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from debian_postgres import NEEDS_POSTGRESQL
from listening import Listening
from tls import Authority

from dialplane.store.postgres import Database

pytestmark = NEEDS_POSTGRESQL


def list_campaigns(url: str, home: Path) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("DIALPLANE_", "PG"))}
    return subprocess.run(
        [sys.executable, "-m", "dialplane.cli.main", "campaign", "list", "--json"],
        env=env | {"DIALPLANE_DATABASE_URL": url, "DIALPLANE_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.asyncio
async def test_all_connections_are_encrypted(listening: Listening) -> None:
    url = listening.url("localhost", sslmode="verify-full", sslrootcert=str(listening.authority.certificate))
    database = await Database.open({"dsn": url})

    async with database.connection() as connection:
        assert await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    await database.close()


def test_a_command_works_with_a_certificate_that_it_can_check(listening: Listening, tmp_path: Path) -> None:
    root = str(listening.authority.certificate)

    done = list_campaigns(listening.url("localhost", sslmode="verify-full", sslrootcert=root), tmp_path)

    assert done.returncode == 0, done.stderr
    assert isinstance(json.loads(done.stdout), list)


def test_a_certificate_that_somebody_else_has_signed_is_refused(listening: Listening, tmp_path: Path) -> None:
    other = Authority.make(tmp_path, "somebody-else")

    url = listening.url("localhost", sslmode="verify-full", sslrootcert=str(other.certificate))
    done = list_campaigns(url, tmp_path)

    assert done.returncode == 4
    assert "the certificate of the database's server is refused" in done.stderr
    assert "sslrootcert" in done.stderr


def test_a_certificate_for_another_host_is_refused(listening: Listening, tmp_path: Path) -> None:
    root = str(listening.authority.certificate)

    done = list_campaigns(listening.url("127.0.0.1", sslmode="verify-full", sslrootcert=root), tmp_path)

    assert done.returncode == 4
    assert "the certificate of the database's server is refused" in done.stderr
    assert "127.0.0.1" in done.stderr


def test_a_file_of_certificates_that_is_not_there_is_named(listening: Listening, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.crt")

    done = list_campaigns(listening.url("localhost", sslmode="verify-full", sslrootcert=missing), tmp_path)

    assert done.returncode == 4
    assert missing in done.stderr
