"""Drafts: of a contacts file, or over the contacts of a campaign."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dialplane.cli import options, output
from dialplane.cli.groups import grouped
from dialplane.cli.orders import NewCampaign, new_campaign
from dialplane.cli.session import opened, opened_to_change, perform
from dialplane.core.disposition import Disposition
from dialplane.errors import Invalid


@grouped
def create(
    *,
    file: options.ContactsFile,
    made_of: options.CampaignOptions,
    policies: options.PolicyOptions,
    strict: options.Strict = False,
    as_json: options.Json = False,
) -> None:
    """A draft with the contacts of a file; nobody is called before it is started or scheduled."""
    perform(_create(new_campaign(file, made_of, policies, strict=strict), as_json))


async def _create(order: NewCampaign, as_json: bool) -> None:
    from dialplane.cli.making import make  # noqa: PLC0415  (the engine)
    from dialplane.cli.signals import interrupts  # noqa: PLC0415

    rejects = options.rejects_path(Path(order.file.with_suffix(".csv").name))
    with interrupts():
        async with opened() as app:
            campaign_id = await make(app, order, rejects=rejects, plain=True)
            rejected = await app.campaigns.rejected_rows(campaign_id)
            if rejected:
                await app.reports.write_rejects(campaign_id, rejects)
            campaign = await app.campaigns.get(campaign_id)
    if as_json:
        output.print_json(
            {
                "id": campaign_id,
                "name": campaign.name,
                "state": campaign.state.value,
                "contacts": campaign.total,
                "rejected_rows": rejected,
                "rejects": str(rejects.absolute()) if rejected else None,
            }
        )
        return
    print(campaign_id)
    if rejected:
        output.say(f"{output.count(rejected, 'rejected row')}: {rejects}")


def redial(
    campaign_id: options.CampaignId,
    disposition: Annotated[
        list[str] | None, typer.Option("--disposition", help="Last disposition of who is called again; repeat it.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", show_default="the old name and (Redial)")] = None,
    as_json: options.Json = False,
) -> None:
    """A new draft over the contacts of a campaign, chosen by how their last call ended."""
    chosen = [_disposition(word) for each in disposition or [] for word in each.split(",")]
    if not chosen:
        raise Invalid("name at least one --disposition, such as busy or no_answer")
    perform(_redial(campaign_id, chosen, name, as_json))


async def _redial(campaign_id: int, chosen: list[Disposition], name: str | None, as_json: bool) -> None:
    async with opened_to_change(campaign_id) as app:
        child = await app.campaigns.get(await app.campaigns.redial(campaign_id, chosen, name=name))
    if as_json:
        output.print_json({"id": child.id, "name": child.name, "state": child.state.value, "contacts": child.total})
    else:
        print(child.id)


def _disposition(word: str) -> Disposition:
    try:
        return Disposition(word.strip())
    except ValueError:
        known = ", ".join(Disposition)
        raise Invalid(f"--disposition '{word}' is none; write one of {known}") from None
