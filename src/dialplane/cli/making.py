"""a campaign to be made -> a draft with its contacts; nothing half-made stays behind."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dialplane.cli import output
from dialplane.cli.errors import Stopped
from dialplane.cli.live import ImportProgress
from dialplane.cli.orders import NewCampaign
from dialplane.cli.output import say
from dialplane.engine.carriers import load_carrier
from dialplane.errors import Conflict, DialplaneError, Invalid
from dialplane.providers import carrier_limits, read_agent
from dialplane.store.postgres import CONNECTION_FAULTS, sql

if TYPE_CHECKING:
    from dialplane.engine.intake import Imported
    from dialplane.wiring import App


async def make(
    app: App, order: NewCampaign, *, rejects: Path, plain: bool, id: int | None = None, at_once: bool = False
) -> int:
    """The id of a draft with all contacts of the file. `rejects`: written when no row at all can be called.

    at_once: it is dialled from now on, so that its carrier has to be able to place calls.
    Raises Invalid and Conflict, and then nothing was made; Stopped where a signal came: `--resume` finishes the import.
    """
    required = _check(order)
    app.intake.check(order.file, required)
    for title, sound in order.sounds:
        await app.sounds.keep(sound, title)
    carrier_id = await app.add_carrier(order.carrier)
    if at_once and order.starts_at is None:
        await _check_carrier(app, carrier_id)
    agent_id = await app.add_agent(order.agent)
    columns = await app.speakers.columns(agent_id, order.policies.split)
    if columns != required:  # of other versions, or with voice services
        required = columns
        app.intake.check(order.file, required)
    campaign_id = await app.campaigns.create(
        id=id,
        name=order.name,
        agent_id=agent_id,
        carrier_id=carrier_id,
        policies=order.policies,
    )
    stored = False
    try:
        await app.intake.store(campaign_id, order.file, order.default_region)
        if order.starts_at is not None:
            await remember_start(app, campaign_id, order.starts_at)
        stored = True
        await import_contacts(app, campaign_id, order.file.name, required, order.strict, rejects, plain=plain)
    except DialplaneError as fault:
        if not isinstance(fault, Invalid):  # of which the import has taken care
            await _discard(app, campaign_id)
        raise
    except asyncio.CancelledError:
        if stored:
            raise Stopped(f"the import was stopped; finish it with: dialplane run --resume {campaign_id}") from None
        await _discard(app, campaign_id)
        raise
    return campaign_id


async def import_contacts(
    app: App, campaign_id: int, name: str, required: frozenset[str], strict: bool, rejects: Path, *, plain: bool
) -> Imported | None:
    """Read what is left of the campaign's file; None where nothing was.

    Raises Invalid when it has no contact at all, or a bad row and `strict`; the campaign is deleted then.
    """
    try:
        with ImportProgress(name, plain=plain) as progress:
            imported = await app.intake.run(campaign_id, required, strict=strict, on_progress=progress)
        if imported is None:
            return None
        if not imported.contacts or (strict and imported.rejects):
            raise await _refusal(app, campaign_id, name, imported, rejects)
    except Invalid:
        await _discard(app, campaign_id)
        raise
    rows = f", {imported.rejects:,} rows rejected" if imported.rejects else ""
    say(f"{output.count(imported.contacts, 'contact')} imported{rows}")
    return imported


async def _refusal(app: App, campaign_id: int, name: str, imported: Imported, rejects: Path) -> Invalid:
    """Why this file makes no campaign; the rejected rows are written for whoever has to mend them."""
    page, _ = await app.intake.rejects_page(campaign_id, (0, 0))
    if not page:
        return Invalid(f"{name} has a header and no contacts below it")
    await app.reports.write_rejects(campaign_id, rejects)
    first = page[0]
    what = f"--strict accepts no bad row of {name}" if imported.contacts else f"no row of {name} can be called"
    return Invalid(
        f"{what}: row {first.row}, {first.field or 'whole row'}: {first.reason}; {first.fix}. "
        f"All rejected rows are in {rejects}"
    )


def _check(order: NewCampaign) -> frozenset[str]:
    """The variables that the agent's text uses. Raises Invalid for an agent or carrier that makes no sense."""
    settings = {name: value for name, value in order.carrier.items() if name not in ("provider", "name", "numbers")}
    carrier_limits(str(order.carrier.get("provider", "simulated")), settings)
    return frozenset() if order.agent is None else read_agent(order.agent).variables


async def _check_carrier(app: App, carrier_id: int) -> None:
    record = await load_carrier(app.database, app.organization_id, carrier_id)
    if (reason := await app.telephony.blocked(record)) is not None:
        raise Conflict(f"the carrier '{record.name}' cannot place calls: {reason}")


async def _discard(app: App, campaign_id: int) -> None:
    """The fault that led here is the one to tell of; a draft that could not be deleted is merely a draft."""
    with suppress(DialplaneError, *CONNECTION_FAULTS):
        await app.discard(campaign_id)


async def remember_start(app: App, campaign_id: int, starts_at: datetime) -> None:
    """On the draft, so that whoever finishes a killed import knows that it must not start before."""
    async with app.database.connection() as connection:
        await sql.set_start(
            connection, organization_id=app.organization_id, campaign_id=campaign_id, starts_at=starts_at
        )


async def begin(app: App, campaign_id: int) -> datetime | None:
    """Start a draft, or schedule it for the instant that was asked for and is still to come; that instant."""
    starts_at = (await app.campaigns.get(campaign_id)).starts_at
    if starts_at is not None and starts_at > app.clock.now():
        await app.campaigns.schedule(campaign_id, starts_at)
        return starts_at
    await app.campaigns.start(campaign_id)
    return None
