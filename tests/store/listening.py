"""Where a server can be reached that is not embedded."""

from __future__ import annotations

from dataclasses import dataclass

from debian_postgres import PostgresServer
from tls import Authority


@dataclass(frozen=True, slots=True)
class Listening:
    """A server on this machine, and who signed its certificate, which is for `localhost`."""

    server: PostgresServer
    authority: Authority

    @property
    def port(self) -> int:
        return self.server.port

    def url(self, host: str = "127.0.0.1", **parameters: str) -> str:
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        return f"postgresql://dialplane@{host}:{self.port}/dialplane?{query}"
