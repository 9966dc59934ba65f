"""A server over real HTTP, on a port of 127.0.0.1."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx2
import uvicorn
from fastapi import FastAPI
from site_of import Site

from dialplane.api.application import attach, build_routes
from dialplane.clocks import RealClock
from dialplane.config import Settings
from dialplane.engine.jobs import install
from dialplane.ports import Clock
from dialplane.store.postgres import Database
from dialplane.web.site import add_pages
from dialplane.wiring import Server

FREE_APPS: list[FastAPI] = []  # their routes take longer to build than most tests to run


async def install_once(database: Database) -> None:
    """The job queue's tables stay when a schema is emptied for the next test."""
    async with database.connection() as connection:
        if await connection.fetchval("SELECT to_regclass('pgqueuer')") is None:
            await install(database)


def _routes() -> FastAPI:
    app = build_routes()
    add_pages(app)
    return app


@asynccontextmanager
async def opened(database: Database, settings: Settings, *, clock: Clock | None = None) -> AsyncIterator[Site]:
    server = Server(settings, database, clock or RealClock(), settings.carrier_logs)
    await install_once(database)
    app = FREE_APPS.pop() if FREE_APPS else _routes()
    attach(app, server)
    http = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="on"))
    serving = asyncio.create_task(http.serve())
    while not http.started:
        await asyncio.sleep(0.005)
    port = http.servers[0].sockets[0].getsockname()[1]
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", verify=False)  # to read all certificates takes long
        )
        site = Site(server=server, url=f"http://127.0.0.1:{port}", http=client, uvicorn=http)
        await site.join("default")
        await site.join("other")
        yield site
    http.should_exit = True
    await serving
    await server.close()
    FREE_APPS.append(app)
