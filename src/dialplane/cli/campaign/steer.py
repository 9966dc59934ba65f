"""What is ordered of a campaign; workers carry it out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer

from dialplane.cli import options, output
from dialplane.cli.groups import grouped
from dialplane.cli.session import opened_to_change, perform
from dialplane.errors import Conflict

if TYPE_CHECKING:
    from dialplane.engine.views import CampaignRecord
    from dialplane.wiring import App

EndCalls = Annotated[bool, typer.Option("--end-calls", help="Hang up its calls in progress.")]


def _steer(campaign_id: int, act: Callable[[App], Awaitable[object]], as_json: bool) -> None:
    """Do it, then say what state the campaign is in."""

    async def steered() -> CampaignRecord:
        async with opened_to_change(campaign_id) as app:
            await act(app)
            return await app.campaigns.get(campaign_id)

    campaign = perform(steered())
    if as_json:
        output.print_json({"id": campaign.id, "name": campaign.name, "state": campaign.state.value})
    else:
        print(f"campaign {campaign.id} is {campaign.state}")


def start(campaign_id: options.CampaignId, as_json: options.Json = False) -> None:
    """Let the workers dial a draft."""
    _steer(campaign_id, lambda app: app.campaigns.start(campaign_id), as_json)


def schedule(
    campaign_id: options.CampaignId,
    at: Annotated[str, typer.Argument(metavar="ISO", help="When: 2026-12-01T09:00:00+01:00.")],
    as_json: options.Json = False,
) -> None:
    """Let the workers start a draft by themselves at an instant."""
    starts_at = options.instant(at, "the start")
    assert starts_at is not None
    _steer(campaign_id, lambda app: app.campaigns.schedule(campaign_id, starts_at), as_json)


def unschedule(campaign_id: options.CampaignId, as_json: options.Json = False) -> None:
    """Make a scheduled campaign a draft again."""
    _steer(campaign_id, lambda app: app.campaigns.unschedule(campaign_id), as_json)


def pause(campaign_id: options.CampaignId, end_calls: EndCalls = False, as_json: options.Json = False) -> None:
    """Place nothing more; calls in progress end by themselves, unless they are to be hung up."""
    _steer(campaign_id, lambda app: app.campaigns.pause(campaign_id, end_calls=end_calls), as_json)


def resume(campaign_id: options.CampaignId, as_json: options.Json = False) -> None:
    """Let the workers dial on; breakers start clean."""
    _steer(campaign_id, lambda app: app.campaigns.resume(campaign_id), as_json)


def cancel(campaign_id: options.CampaignId, end_calls: EndCalls = False, as_json: options.Json = False) -> None:
    """Stop for good: no retries, and who still waits is not called."""
    _steer(campaign_id, lambda app: app.campaigns.cancel(campaign_id, end_calls=end_calls), as_json)


def close(campaign_id: options.CampaignId, as_json: options.Json = False) -> None:
    """Let a campaign that was kept open complete once it is idle."""
    _steer(campaign_id, lambda app: app.campaigns.close(campaign_id), as_json)


@grouped
def update(
    *,
    campaign_id: options.CampaignId,
    name: Annotated[str | None, typer.Option("--name", help="A new name.", show_default=False)] = None,
    policies: options.PolicyOptions,
    as_json: options.Json = False,
) -> None:
    """Change the settings that are given, while it runs too; those that are not stay as they are."""
    if not policies.given() and name is None:
        raise Conflict("nothing to change: give at least one option")
    policies.over(options.defaults())  # what makes no sense ends here, before the database is asked

    async def change(app: App) -> None:
        before = await app.campaigns.get(campaign_id)
        await app.campaigns.change(campaign_id, policies.over(before.policies), name=name)

    _steer(campaign_id, change, as_json)
