"""`dialplane contacts …`: people of one campaign, added and taken out by hand."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from dialplane.cli import options, output
from dialplane.cli.session import opened_for, opened_to_change, perform
from dialplane.core.attempt import ContactState
from dialplane.errors import Invalid

app = typer.Typer(no_args_is_help=True, help="Contacts of a campaign.")

Campaign = Annotated[int, typer.Argument(metavar="CAMPAIGN", show_default=False, help="The campaign's id.")]
Numbers = Annotated[list[str], typer.Argument(metavar="NUMBER…", show_default=False)]
PAGE = 1000
SHOWN = ("id", "row_number", "to_number", "external_id", "state", "disposition", "skip_reason", "attempts", "variables")


@app.command()
def add(
    campaign_id: Campaign,
    number: Annotated[str, typer.Argument(metavar="NUMBER", show_default=False, help="Such as +14155550100.")],
    variable: Annotated[list[str] | None, typer.Option("--variable", metavar="K=V", help="Repeat it.")] = None,
    external_id: Annotated[str | None, typer.Option("--external-id", help="Your own id.", show_default=False)] = None,
    timezone: Annotated[str | None, typer.Option("--timezone", help="Of the contact.", show_default=False)] = None,
    priority: Annotated[int, typer.Option("--priority", help="0 none to 9 highest.")] = 0,
    default_region: options.DefaultRegion = None,
    as_json: options.Json = False,
) -> None:
    """Add somebody; while the campaign runs they are called as soon as its policies allow."""
    contact = {
        "phone_number": number,
        "external_id": external_id,
        "timezone": timezone,
        "priority": priority,
        "variables": options.variables(variable or []),
    }
    perform(_add(campaign_id, contact, options.region(default_region), as_json))


async def _add(campaign_id: int, contact: dict[str, Any], default_region: str | None, as_json: bool) -> None:
    from dialplane.engine.contacts import LateContact  # noqa: PLC0415  (the engine)

    async with opened_to_change(campaign_id) as app:
        required = await app.columns_of(campaign_id)
        added = await app.contacts.add(
            campaign_id, [LateContact(**contact)], default_region=default_region, required=required
        )
    if as_json:
        output.print_json({"campaign_id": campaign_id, "added": added})
    elif added:
        print(f"added {added[0]}")
    else:
        print(f"campaign {campaign_id} has {contact['phone_number']} already; nothing was changed")


@app.command()
def remove(
    campaign_id: Campaign, numbers: Numbers, default_region: options.DefaultRegion = None, as_json: options.Json = False
) -> None:
    """Take people out; a call in progress ends by itself."""
    perform(_move(campaign_id, numbers, options.region(default_region), "removed", as_json))


@app.command()
def restore(
    campaign_id: Campaign, numbers: Numbers, default_region: options.DefaultRegion = None, as_json: options.Json = False
) -> None:
    """Let removed and skipped people wait for a call again."""
    perform(_move(campaign_id, numbers, options.region(default_region), "restored", as_json))


async def _move(campaign_id: int, numbers: list[str], default_region: str | None, verb: str, as_json: bool) -> None:
    from dialplane.engine.contacts import e164  # noqa: PLC0415

    async with opened_to_change(campaign_id) as app:
        wanted = [e164(number, default_region) for number in numbers]
        act = app.contacts.remove if verb == "removed" else app.contacts.restore
        moved = await act(campaign_id, wanted)
    if as_json:
        output.print_json({"campaign_id": campaign_id, verb: moved})
    else:
        print(f"{verb} {', '.join(moved)}")


@app.command("list")
def list_(
    campaign_id: Campaign,
    state: Annotated[
        str | None, typer.Option("--state", help="Only those: waiting, dialing, reached, …", show_default="all")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """The contacts of a campaign, in their order."""
    if state is not None and state not in list(ContactState):
        raise Invalid(f"--state '{state}' is none; write one of {', '.join(ContactState)}")
    perform(_list(campaign_id, state, as_json))


async def _list(campaign_id: int, state: str | None, as_json: bool) -> None:
    found: list[dict[str, Any]] = []
    async with opened_for(campaign_id) as app:
        after = 0
        while page := await app.contacts.page(campaign_id, state=state, after=after, limit=PAGE):
            after = page[-1]["id"]
            found += [{name: row[name] for name in SHOWN} for row in page]
    if as_json:
        output.print_json(found)
    elif not found:
        print("no contacts")
    else:
        columns = ("id", "number", "external id", "state", "last disposition", "attempts")
        output.table(columns, [_line(each) for each in found], right=("id", "attempts"))


def _line(each: dict[str, Any]) -> tuple[object, ...]:
    last = each["disposition"] or each["skip_reason"]
    return each["id"], each["to_number"], each["external_id"], each["state"], last, each["attempts"]
