"""Runs on the virtual clock, each in a schema of its own that no live worker sees."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from dialplane.config import Settings
from dialplane.engine import catalog
from dialplane.engine.carriers import load_carrier
from dialplane.engine.retention import drop_virtual_run
from dialplane.errors import NotFound
from dialplane.providers import SIMULATED, carrier_limits
from dialplane.store.copying import copy_campaign
from dialplane.store.postgres import CONNECTION_FAULTS, rows, sql
from dialplane.store.records import due_rank
from dialplane.store.turn import open_command
from dialplane.wiring import App, open_app, open_server


@asynccontextmanager
async def open_virtual_app(
    settings: Settings, start: datetime, *, keep: bool = True, on_wait: Callable[[str], None] | None = None
) -> AsyncIterator[tuple[App, int]]:
    """An application on the virtual clock, in a schema of its own, and the id for the one campaign that it is made for.

    The schema stays for as long as that campaign is in it; keep=False: no longer than this. Raises EnvironmentFault.
    """
    async with open_app(settings, on_wait=on_wait) as app:
        campaign_id = await app.campaigns.reserve_id()
        schema = await _name_schema(app, campaign_id)
        kept = False
        try:
            async with open_app(settings, schema=schema, virtual_start=start) as virtual:
                await _register(app, campaign_id, schema)
                await _copy_rules(app, virtual)
                try:
                    yield virtual, campaign_id
                finally:
                    kept = keep and await _exists(virtual, campaign_id)
        finally:
            if not kept:
                await drop_virtual_run(app.database, app.organization_id, campaign_id, schema)


@asynccontextmanager
async def open_copy(
    settings: Settings,
    organization_id: int | None,
    campaign_id: int,
    answers: Mapping[str, Any] | None = None,
    *,
    on_wait: Callable[[str], None] | None = None,
) -> AsyncIterator[App]:
    """A campaign as it stands now, on the virtual clock from now on, in a schema of its own that is gone afterwards.

    Calls in progress are forgotten, and made anew. No call goes out: whatever its carrier is, the simulated one takes
    the calls. organization_id: None is the default one. answers: settings of the simulated carrier; None: those that
    the campaign's own carrier has, or those of the profile `realistic`.
    Raises NotFound, Invalid, EnvironmentFault.
    """
    async with open_server(settings, on_wait=on_wait) as server:
        app = server.of(organization_id or await catalog.ensure_organization(server.database))
        campaign = await app.campaigns.get(campaign_id)
        reserved = await app.campaigns.reserve_id()
        schema = await _name_schema(app, reserved)
        await _register(app, reserved, schema)
        try:
            async with open_server(settings, schema=schema, virtual_start=app.clock.now()) as virtual:
                async with app.database.unhurried(isolation="repeatable_read") as connection:
                    await copy_campaign(
                        connection,
                        app.organization_id,
                        campaign_id,
                        agent_id=campaign.agent_id,
                        carrier_id=campaign.carrier_id,
                        source=await connection.fetchval("SELECT current_schema()"),
                        target=schema,
                    )
                copy = virtual.of(app.organization_id)
                await _suppose(copy, campaign_id, campaign.carrier_id, answers)
                yield copy
        finally:
            await drop_virtual_run(app.database, app.organization_id, reserved, schema)


async def _suppose(copy: App, campaign_id: int, carrier_id: int, answers: Mapping[str, Any] | None) -> None:
    """What a copy cannot have: calls in progress, somebody outside who is asked, a carrier that places calls."""
    of = {"organization_id": copy.organization_id}
    carrier = await load_carrier(copy.database, copy.organization_id, carrier_id)
    if answers is None:
        answers = carrier.plain if carrier.provider == SIMULATED else {"profile": "realistic"}
    limits = carrier_limits(SIMULATED, answers)
    async with open_command(copy.database, copy.organization_id, copy.clock.instant()) as turn:
        await sql.suppose(turn.connection, campaign_id=campaign_id, **of)
        await sql.suppose_answers(
            turn.connection,
            carrier_id=carrier_id,
            provider=SIMULATED,
            settings=dict(answers),
            send_timeout_seconds=limits.send_timeout_seconds,
            ring_timeout_seconds=limits.ring_timeout_seconds,
            max_call_seconds=limits.max_call_seconds,
            **of,
        )
        dialing = await rows(sql.dialing_contacts(turn.connection, campaign_id=campaign_id, **of))
        await turn.put_back({row["id"]: (due_rank(row["priority"]), turn.now) for row in dialing})


@asynccontextmanager
async def open_campaign_app(
    settings: Settings, campaign_id: int, *, on_wait: Callable[[str], None] | None = None
) -> AsyncIterator[App]:
    """The application in which a campaign lives; of a virtual run, with the clock where it stood."""
    async with open_app(settings, on_wait=on_wait) as app:
        schema = await app.virtual_schema(campaign_id)
        if schema is None:
            yield app
        else:
            start = await _reached(app, campaign_id, schema)
            async with open_app(settings, schema=schema, virtual_start=start) as virtual:
                yield virtual


async def _name_schema(app: App, campaign_id: int) -> str:
    """Two installations may share a database, each in a schema: their virtual runs must not."""
    async with app.database.connection() as connection:
        ours = await connection.fetchval("SELECT current_schema()")
    return f"virtual_{campaign_id}" if ours == "public" else f"{ours}_virtual_{campaign_id}"


async def _copy_rules(app: App, virtual: App) -> None:
    """A virtual run keeps to the caps and the do-not-call list of the organization that it stands for."""
    limits = await catalog.limits(app.database, app.organization_id)
    await catalog.set_limits(virtual.database, virtual.organization_id, max_lines=limits.max_lines, cps=limits.cps)
    after = ""
    while page := await app.contacts.do_not_call_page(after=after, limit=1000):
        await virtual.contacts.do_not_call([row["to_number"] for row in page], source="organization")
        after = page[-1]["to_number"]


async def _register(app: App, campaign_id: int, schema: str) -> None:
    async with app.database.connection() as connection:
        await sql.register_virtual_run(
            connection, organization_id=app.organization_id, campaign_id=campaign_id, schema_name=schema
        )


async def _exists(app: App, campaign_id: int) -> bool:
    try:
        await app.campaigns.get(campaign_id)
    except NotFound:
        return False
    except CONNECTION_FAULTS:
        return True  # nobody knows, so nothing is dropped
    return True


async def _reached(app: App, campaign_id: int, schema: str) -> datetime:
    async with app.database.transaction() as connection:
        await connection.execute(f'SET LOCAL search_path TO "{schema}"')
        found: datetime | None = await sql.latest_instant(
            connection, organization_id=app.organization_id, campaign_id=campaign_id
        )
    return found or app.clock.now()
