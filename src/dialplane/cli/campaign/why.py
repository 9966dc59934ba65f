"""`dialplane campaign why`: why a contact, or who else waits in a campaign, is not being called at this moment."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dialplane.cli import options, output
from dialplane.cli.session import opened_for, perform
from dialplane.core.reason import Release

if TYPE_CHECKING:
    from dialplane.engine.explain import CampaignWhy, ContactWhy
    from dialplane.engine.grouping import Group
    from dialplane.engine.sight import Hold

SHOWN_ZONES = 3
# When somebody can be called, where no instant is known.
RELEASES = {
    Release.NEVER: "not as things are",
    Release.COMMAND: "once somebody has seen to it",
    Release.IMPORT: "once the file has been imported",
    Release.WORKER: "once a worker runs: `dialplane serve`, or `dialplane worker`",
    Release.CAMPAIGN: "once the other campaign has ended",
    Release.CALL: "once a call ends",
    Release.TIME: "soon",
}
Phone = Annotated[
    str | None, typer.Argument(metavar="PHONE", show_default=False, help="Of one contact, with + and the country code.")
]


def why(campaign_id: options.CampaignId, phone: Phone = None, as_json: options.Json = False) -> None:
    """Why a contact is not being called now, which limit binds, and when it can be; without PHONE: all of them."""
    if phone is None:
        perform(_campaign(campaign_id, as_json))
    else:
        perform(_contact(campaign_id, phone, as_json))


async def _contact(campaign_id: int, phone: str, as_json: bool) -> None:
    async with opened_for(campaign_id) as app:
        answer = await app.explanations.number(campaign_id, phone)
    if as_json:
        output.print_json(contact_json(answer))
    else:
        _print_contact(answer)


async def _campaign(campaign_id: int, as_json: bool) -> None:
    async with opened_for(campaign_id) as app:
        answer = await app.explanations.campaign(campaign_id)
    if as_json:
        output.print_json(campaign_json(answer))
    else:
        _print_campaign(answer)


def _print_contact(answer: ContactWhy) -> None:
    first, *others = answer.holds
    print(f"{answer.to_number} (contact {answer.contact_id}) is {answer.state}: {first.text}")
    lines = [("can be called", _when(answer.next_at, first))]
    lines += [("also", _also(hold)) for hold in others]
    if answer.ahead is not None:
        lines.append(("goes after", output.count(answer.ahead, "contact")))
    for name, value in lines:
        print(f"{name:<15}{value}")


def _print_campaign(answer: CampaignWhy) -> None:
    print(f"campaign {answer.campaign_id} is {answer.state}: {answer.hold.text}")
    print(f"{'can call more':<15}{_when(answer.next_at, answer.hold)}")
    print(f"{'lines in use':<15}{answer.lines:,}")
    if answer.groups:
        print()
        columns = ("contacts", "why", "next", "zones")
        output.table(columns, [_row(group) for group in answer.groups], right=("contacts",))


def _row(group: Group) -> tuple[str, ...]:
    contacts = f"{group.contacts:,}" if group.exact else f"{group.contacts:,} or more"
    more = f" and {len(group.zones) - SHOWN_ZONES} more" if len(group.zones) > SHOWN_ZONES else ""
    next_at = output.moment(group.next_at)
    return contacts, group.hold.text, next_at, ", ".join(group.zones[:SHOWN_ZONES]) + more


def _when(at: datetime | None, hold: Hold) -> str:
    return RELEASES[hold.release] if at is None else output.moment(at)


def _also(hold: Hold) -> str:
    return hold.text if hold.until is None else f"{hold.text} (until {output.moment(hold.until)})"


# --- JSON ------------------------------------------------------------------------------------------------


def contact_json(answer: ContactWhy) -> dict[str, Any]:
    return {
        "campaign_id": answer.campaign_id,
        "contact_id": answer.contact_id,
        "phone_number": answer.to_number,
        "state": answer.state.value,
        "at": answer.at,
        **_hold(answer.holds[0]),
        "next_at": answer.next_at,
        "ahead": answer.ahead,
        "holds": [{**_hold(hold), "until": hold.until} for hold in answer.holds],
    }


def campaign_json(answer: CampaignWhy) -> dict[str, Any]:
    return {
        "campaign_id": answer.campaign_id,
        "state": answer.state.value,
        "at": answer.at,
        **_hold(answer.hold),
        "next_at": answer.next_at,
        "lines": answer.lines,
        "groups": [
            {
                **_hold(group.hold),
                "contacts": group.contacts,
                "exact": group.exact,
                "next_at": group.next_at,
                "zones": group.zones,
            }
            for group in answer.groups
        ],
    }


def _hold(hold: Hold) -> dict[str, str]:
    return {"reason": hold.reason.value, "release": hold.release.value, "text": hold.text}
