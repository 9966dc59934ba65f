"""One server as its clients see it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import uvicorn

from dialplane.engine import catalog
from dialplane.engine.keys import Role, create_key
from dialplane.wiring import Server

CALLS = {"outcomes": {"answered": 1}, "ring_seconds": [0.01, 0.02], "talk_seconds": [0.02, 0.05]}

OpenSite = Callable[..., Awaitable["Site"]]


@dataclass
class Site:
    """keys: by organization; `call` speaks for the first one unless told otherwise."""

    server: Server
    url: str
    http: httpx2.AsyncClient
    uvicorn: uvicorn.Server
    keys: dict[str, str] = field(default_factory=dict)
    organizations: dict[str, int] = field(default_factory=dict)

    async def join(self, organization: str, role: Role = Role.OWNER) -> str:
        """A key of this organization, which is made if it is new."""
        organization_id = await catalog.ensure_organization(self.server.database, organization)
        new = await create_key(self.server.database, organization_id, "test", role)
        self.organizations[organization] = organization_id
        self.keys.setdefault(organization, new.key)
        return new.key

    async def call(
        self, method: str, path: str, *, status: int = 200, of: str = "default", key: str | None = None, **request: Any
    ) -> Any:
        """The JSON that this request is answered with; it must have this status."""
        headers = {"X-API-Key": key or self.keys[of], **request.pop("headers", {})}
        answer = await self.http.request(method, f"/api/v1{path}", headers=headers, **request)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.headers.get("content-type", "").startswith("application/json") else answer

    @asynccontextmanager
    async def working(self, of: str = "default") -> AsyncIterator[None]:
        """A worker for all organizations and the background jobs beside."""
        worker = self.server.of(self.organizations[of]).worker()
        jobs = self.server.jobs()
        tasks = asyncio.create_task(worker.run()), asyncio.create_task(jobs.run())
        try:
            yield
        finally:
            worker.stop()
            jobs.stop()
            await asyncio.gather(*tasks)

    async def until(self, path: str, wanted: Mapping[str, Any], *, of: str = "default", seconds: float = 30) -> Any:
        """Ask until the answer has these values."""
        async with asyncio.timeout(seconds):
            while True:
                answer = await self.call("GET", path, of=of)
                if all(answer[name] == value for name, value in wanted.items()):
                    return answer
                await asyncio.sleep(0.02)
