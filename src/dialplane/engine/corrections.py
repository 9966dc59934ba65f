"""What can be changed as long as nobody was called: a contact's number and variables, a campaign's agent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import asyncpg

from dialplane.core.attempt import ContactState
from dialplane.core.campaign import FINAL, CampaignState
from dialplane.engine.additions import Checked, LateContact, Rejected, check
from dialplane.engine.agents import lacking
from dialplane.engine.campaign_reader import no_campaign
from dialplane.engine.storing import zone_groups
from dialplane.errors import Conflict, Invalid, NotFound
from dialplane.ports import Clock
from dialplane.store.postgres import Database, Row, sql
from dialplane.store.turn import Turn, open_command


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What is to change; None stays. phone_number: any spelling, with + unless there is a default region."""

    phone_number: str | None = None
    variables: Mapping[str, str] | None = None


class Corrections:
    """Changes to contacts and campaigns of one organization."""

    def __init__(self, database: Database, clock: Clock, organization_id: int) -> None:
        self._database = database
        self._clock = clock
        self._organization_id = organization_id
        self._of = {"organization_id": organization_id}

    async def correct(
        self,
        contact_id: int,
        correction: Correction,
        *,
        default_region: str | None = None,
        required: frozenset[str] = frozenset(),
    ) -> None:
        """From here on the contact is called as it is now; it keeps its id.

        required: variables that the agent's text uses. Raises NotFound, Invalid; Conflict for one that is being called
        or was, in a campaign that has ended, and for a number that another contact of the campaign has.
        """
        async with open_command(self._database, self._organization_id, self._clock.instant()) as turn:
            contact = await sql.contact_to_correct(turn.connection, contact_id=contact_id, **self._of)
            if contact is None:
                raise NotFound(f"there is no contact {contact_id}")
            if CampaignState(contact["campaign_state"]) in FINAL:
                raise Conflict(f"campaign {contact['campaign_id']} is {contact['campaign_state']}: its contacts stay")
            await turn.take_back(contact_ids=[contact_id])
            checked = _checked(contact, correction, default_region, required)
            await self._write(turn, contact, checked)
            await sql.count_added(
                turn.connection,
                campaign_id=contact["campaign_id"],
                contacts=0,
                variable_names=list(dict.fromkeys([*contact["variable_names"], *checked.variables])),
                **self._of,
            )
            await turn.log(contact["campaign_id"], "contacts.corrected", f"contact {contact_id} was changed by hand")
            await sql.wake(turn.connection, now=turn.now, **self._of)

    async def change_agent(self, campaign_id: int, agent_id: int, required: frozenset[str]) -> None:
        """required: variables of that agent's text. Raises NotFound; Conflict once a call was made, in a campaign that
        has ended, and where the contacts there are lack a variable.
        """
        async with open_command(self._database, self._organization_id, self._clock.instant()) as turn:
            campaign = await sql.campaign(turn.connection, campaign_id=campaign_id, **self._of)
            if campaign is None:
                raise no_campaign(campaign_id)
            missing = lacking(required, campaign["variable_names"])
            if campaign["total"] and missing:
                raise Conflict(f"the agent's text uses {', '.join(missing)}, which the campaign's contacts do not have")
            await turn.take_back(campaign_id=campaign_id)
            changed = sql.set_agent(
                turn.connection, campaign_id=campaign_id, agent_id=agent_id, now=turn.now, **self._of
            )
            if await changed is None:
                raise Conflict(f"campaign {campaign_id} has made calls, or has ended: its agent stays")
            await turn.log(campaign_id, "settings.changed", f"changed agent_id: {campaign['agent_id']} -> {agent_id}")
            await sql.wake(turn.connection, now=turn.now, **self._of)

    async def _write(self, turn: Turn, contact: Row, checked: Checked) -> None:
        renumbered = checked.to_number != contact["to_number"]
        zone_group_id = contact["zone_group_id"]
        if renumbered:
            # An import enters numbers that it has found free; and only it knows the place of its contacts.
            importing = await sql.await_import(turn.connection, campaign_id=contact["campaign_id"], **self._of)
            if importing is not None:
                raise Conflict("a contacts file is being imported: change the number once it is in")
            (zone_group_id,) = (await zone_groups(turn.connection, self._organization_id, {checked.zones})).values()
            await sql.add_cursors(
                turn.connection, campaign_id=contact["campaign_id"], zone_group_ids=[zone_group_id], **self._of
            )
        try:
            written = await sql.correct_contact(
                turn.connection,
                contact_id=contact["id"],
                to_number=checked.to_number,
                zone_group_id=zone_group_id,
                variables=json.dumps(dict(checked.variables), ensure_ascii=False),
                renumbered=renumbered,
                now=turn.now,
                **self._of,
            )
        except asyncpg.UniqueViolationError:
            raise Conflict(f"the campaign has the number {checked.to_number} already") from None
        if written is None:
            raise Conflict(f"{contact['to_number']} {_REASONS[contact['state']]}: only who was never called can change")


_REASONS = {
    ContactState.WAITING: "was called before",
    ContactState.DIALING: "is being called",
    ContactState.REACHED: "was reached",
    ContactState.EXHAUSTED: "was called in vain",
    ContactState.SKIPPED: "was skipped",
    ContactState.REMOVED: "was removed",
}


def _checked(contact: Row, correction: Correction, default_region: str | None, required: frozenset[str]) -> Checked:
    """The contact as it is to be. A zone of its own goes with its number."""
    checked = check(
        LateContact(
            phone_number=contact["to_number"] if correction.phone_number is None else correction.phone_number,
            external_id=contact["external_id"],
            priority=contact["priority"],
            variables=contact["variables"] if correction.variables is None else correction.variables,
        ),
        default_region,
        required,
    )
    if isinstance(checked, Rejected):
        raise Invalid(str(checked))
    return checked
