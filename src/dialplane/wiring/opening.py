"""Settings -> a server attached to its database, for as long as somebody needs it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from dialplane.clocks import RealClock, VirtualClock
from dialplane.config import Settings
from dialplane.engine import catalog
from dialplane.ports import Clock
from dialplane.store.embedded import attach
from dialplane.store.postgres import Database
from dialplane.wiring.app import App
from dialplane.wiring.server import Server


@asynccontextmanager
async def open_server(
    settings: Settings,
    *,
    schema: str | None = None,
    virtual_start: datetime | None = None,
    on_wait: Callable[[str], None] | None = None,
    max_connections: int = 8,
    as_it_is: bool = False,
) -> AsyncIterator[Server]:
    """All organizations, attached to their database. Raises EnvironmentFault, Invalid.

    virtual_start: run on the virtual clock from that instant on, in `schema`, which live workers never see.
    as_it_is: for who only reads: the database is not migrated, and an embedded one may be of an older major version.
    """
    clock: Clock = RealClock() if virtual_start is None else VirtualClock(virtual_start)
    async with AsyncExitStack() as stack:
        arguments: Mapping[str, Any]
        recover: Callable[[], None] | None = None
        if settings.database_url is not None:
            arguments = {"dsn": settings.database_url}
        else:
            attachment = await asyncio.to_thread(attach, settings.home, on_wait=on_wait, as_it_is=as_it_is)
            stack.push_async_callback(asyncio.to_thread, attachment.leave)
            arguments, recover = attachment.connect_arguments, attachment.ensure_running
        database = await Database.open(
            arguments,
            schema=schema,
            durable=virtual_start is None,
            recover=recover,
            max_connections=max_connections,
            pooler=settings.database_pooler,
            as_it_is=as_it_is,
        )
        stack.push_async_callback(database.close)
        logs = settings.carrier_logs if schema is None else settings.carrier_logs / schema
        server = Server(settings, database, clock, logs)
        stack.push_async_callback(server.close)
        yield server


@asynccontextmanager
async def open_app(
    settings: Settings,
    *,
    schema: str | None = None,
    virtual_start: datetime | None = None,
    on_wait: Callable[[str], None] | None = None,
) -> AsyncIterator[App]:
    """The same for the default organization alone."""
    async with open_server(settings, schema=schema, virtual_start=virtual_start, on_wait=on_wait) as server:
        yield server.of(await catalog.ensure_organization(server.database))


def assemble(settings: Settings, database: Database, clock: Clock, organization_id: int, logs: Path) -> App:
    """The application of one organization on a database that is open; its carriers are the caller's to close."""
    return Server(settings, database, clock, logs).of(organization_id)
