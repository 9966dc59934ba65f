"""`dialplane forecast`: what a campaign would come to, by the engine itself on the virtual clock; nothing is kept."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dialplane.cli import options, output
from dialplane.cli.errors import Stopped
from dialplane.cli.forecast_view import assumptions, forecast_json, show
from dialplane.cli.groups import grouped
from dialplane.cli.orders import NewCampaign, new_campaign
from dialplane.cli.session import perform, say_waiting, settings
from dialplane.errors import Invalid

if TYPE_CHECKING:
    from dialplane.wiring import App

REJECTS = Path("forecast.rejects.csv")


@grouped
def forecast(
    *,
    file: options.ContactsFile = None,
    made_of: options.CampaignOptions,
    start_at: options.StartAt = None,
    policies: options.PaceOptions,
    strict: options.Strict = False,
    as_json: options.Json = False,
    campaign: Annotated[
        int | None, typer.Option("--campaign", metavar="ID", help="A campaign that is there, as it stands now.")
    ] = None,
) -> None:
    """Tell when a campaign would be over, how busy the lines, what would bind when; no one is called.

    The contacts answer as the simulated carrier has it: --carrier says how many answer, and for how long they talk.
    """
    if campaign is None:
        perform(_of_file(new_campaign(file, made_of, policies, strict=strict, start_at=start_at), as_json))
        return
    others = {"FILE.csv": file, "--start-at": start_at, "--strict": strict or None}
    given = [name for name, value in others.items() if value is not None]
    given += [name for name in made_of.given() if name != "--carrier"] + policies.given()
    if given:
        raise Invalid(f"{given[0]}: a campaign that is there is forecast as it is; only --carrier goes with it")
    perform(_of_campaign(campaign, options.definition(made_of.carrier, "--carrier"), as_json))


async def _of_file(order: NewCampaign, as_json: bool) -> None:
    from dialplane.cli.making import begin, make  # noqa: PLC0415  (the engine; bad options end before it is needed)
    from dialplane.virtual import open_virtual_app  # noqa: PLC0415

    plain = as_json or not sys.stdout.isatty()
    start = order.starts_at or datetime.now(UTC)
    with _stoppable():
        async with open_virtual_app(settings(), start, keep=False, on_wait=say_waiting) as (app, reserved):
            campaign_id = await make(app, order, rejects=REJECTS, plain=plain, id=reserved)
            await begin(app, campaign_id)
            await _watched(app, campaign_id, as_json)


async def _of_campaign(campaign_id: int, answers: Mapping[str, Any] | None, as_json: bool) -> None:
    from dialplane.virtual import open_copy  # noqa: PLC0415

    with _stoppable():
        async with open_copy(settings(), None, campaign_id, answers, on_wait=say_waiting) as app:
            await _watched(app, campaign_id, as_json)


@contextmanager
def _stoppable() -> Iterator[None]:
    from dialplane.cli.signals import interrupts  # noqa: PLC0415

    with interrupts():
        try:
            yield
        except asyncio.CancelledError:
            raise Stopped("stopped; a forecast calls no one, and nothing of it was kept") from None


async def _watched(app: App, campaign_id: int, as_json: bool) -> None:
    from dialplane.cli.live import Watch  # noqa: PLC0415

    plain = as_json or not sys.stdout.isatty()
    watching = asyncio.create_task(Watch(app, campaign_id, plain=plain).run())
    try:
        found = await app.forecast(campaign_id)
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        output.log_to(output.say)
    told = await assumptions(app, campaign_id)
    if as_json:
        output.print_json(forecast_json(found, told))
    else:
        show(found, told)
