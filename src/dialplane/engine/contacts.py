"""Commands on contacts and the do-not-call list: once they have returned, nobody concerned is dialled."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice
from uuid import UUID

from dialplane.core.campaign import FINAL, CampaignState
from dialplane.core.intake import NumberFault
from dialplane.core.window import known_zone
from dialplane.engine.campaigns import Campaigns
from dialplane.engine.intake import zone_groups
from dialplane.engine.numbering import read_number
from dialplane.errors import Conflict, Invalid, NotFound
from dialplane.ports import Clock
from dialplane.store.postgres import Database, Row, rows, sql
from dialplane.store.turn import Turn, open_command

PAGE = 100
NUMBERS_AT_ONCE = 1000
COMMANDS = UUID(int=0)  # the "worker" that progress made by commands is counted under


@dataclass(frozen=True, slots=True, kw_only=True)
class LateContact:
    """A contact added by hand. phone_number: any spelling, with + unless a default region is given."""

    phone_number: str
    external_id: str | None = None
    timezone: str | None = None
    priority: int = 0
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checked:
    to_number: str
    zones: tuple[str, ...]
    contact: LateContact


class Contacts:
    """Contacts and do-not-call entries of one organization."""

    def __init__(self, database: Database, clock: Clock, organization_id: int, campaigns: Campaigns) -> None:
        self._database = database
        self._clock = clock
        self._organization_id = organization_id
        self._of = {"organization_id": organization_id}
        self._campaigns = campaigns

    async def add(
        self,
        campaign_id: int,
        contacts: Sequence[LateContact],
        *,
        default_region: str | None = None,
        required: frozenset[str] = frozenset(),
    ) -> list[str]:
        """Numbers that are new to the campaign; those it has already are left as they are. Due at once.

        required: variables that the agent's text uses. Raises Invalid, Conflict.
        """
        checked = [_check(contact, default_region, required) for contact in contacts]
        async with self._command() as turn:
            campaign = await self._open_campaign(turn, campaign_id)
            groups = await zone_groups(turn.connection, self._organization_id, {c.zones for c in checked})
            await sql.add_cursors(
                turn.connection, campaign_id=campaign_id, zone_group_ids=sorted(groups.values()), **self._of
            )
            added = await rows(
                sql.add_late(
                    turn.connection,
                    campaign_id=campaign_id,
                    campaign_uuid=str(campaign["uuid"]),
                    now=turn.now,
                    to_numbers=[c.to_number for c in checked],
                    external_ids=[c.contact.external_id for c in checked],
                    priorities=[c.contact.priority for c in checked],
                    zone_group_ids=[groups[c.zones] for c in checked],
                    variables=[json.dumps(dict(c.contact.variables), ensure_ascii=False) for c in checked],
                    **self._of,
                )
            )
            names = dict.fromkeys([*campaign["variable_names"], *(name for c in contacts for name in c.variables)])
            await sql.count_added(
                turn.connection, campaign_id=campaign_id, contacts=len(added), variable_names=list(names), **self._of
            )
            if added:
                await turn.log(campaign_id, "contacts.added", f"{len(added)} added by hand")
        return [row["to_number"] for row in added]

    async def remove(self, campaign_id: int, phone_numbers: Sequence[str]) -> list[str]:
        """Numbers taken out; a call in progress ends by itself. Raises Conflict for one that has ended, NotFound."""
        async with self._command() as turn:
            found = await self._find(turn, campaign_id, phone_numbers)
            ids = [row["id"] for row in found]
            await turn.take_back(contact_ids=ids)
            removed = await rows(sql.remove_contacts(turn.connection, contact_ids=ids, **self._of))
            gone = {row["id"] for row in removed}
            if kept := [row for row in found if row["id"] not in gone]:
                raise Conflict(
                    f"{kept[0]['to_number']} is {kept[0]['state']}: only who waits or is called can be removed"
                )
            await turn.add_progress(COMMANDS, {(campaign_id, "removed"): len(gone)})
            await turn.log(campaign_id, "contacts.removed", f"{len(gone)} removed by hand")
        await self._campaigns.wait_until_sent(contact_ids=ids)
        return [row["to_number"] for row in found]

    async def restore(self, campaign_id: int, phone_numbers: Sequence[str]) -> list[str]:
        """Removed and skipped contacts that wait again. Raises Conflict for any other, NotFound."""
        async with self._command() as turn:
            await self._open_campaign(turn, campaign_id)
            found = await self._find(turn, campaign_id, phone_numbers)
            ids = [row["id"] for row in found]
            restored = await rows(sql.restore_contacts(turn.connection, contact_ids=ids, now=turn.now, **self._of))
            back = {row["id"]: row["old_state"] for row in restored}
            if kept := [row for row in found if row["id"] not in back]:
                raise Conflict(
                    f"{kept[0]['to_number']} is {kept[0]['state']}: only removed and skipped ones can come back"
                )
            counts: dict[tuple[int, str], int] = {}
            for old_state in back.values():
                counts[campaign_id, old_state] = counts.get((campaign_id, old_state), 0) - 1
            await turn.add_progress(COMMANDS, counts)
            await turn.log(campaign_id, "contacts.restored", f"{len(back)} restored by hand")
        return [row["to_number"] for row in found]

    async def page(self, campaign_id: int, *, state: str | None = None, after: int = 0, limit: int = PAGE) -> list[Row]:
        """By id, after the contact `after`."""
        await self._campaigns.get(campaign_id)
        async with self._database.connection() as connection:
            found = sql.contacts_page(
                connection, campaign_id=campaign_id, state=state, after=after, limit=limit, **self._of
            )
            return await rows(found)

    # --- do not call -----------------------------------------------------------------------------------------

    async def do_not_call(self, to_numbers: Iterable[str], *, source: str, note: str = "") -> int:
        """Enter numbers (E.164), all campaigns; how many are new. Once it has returned, none of them is placed."""
        numbers, added = iter(to_numbers), 0
        while page := list(islice(numbers, NUMBERS_AT_ONCE)):
            async with self._command() as turn:
                new = sql.add_do_not_call(
                    turn.connection, to_numbers=page, source=source, note=note, now=turn.now, **self._of
                )
                added += len(await rows(new))
                await turn.take_back(to_numbers=page)
            await self._campaigns.wait_until_sent(to_numbers=page)
        return added

    async def call_again(self, to_numbers: Sequence[str]) -> list[str]:
        """Numbers that were on the list and are no longer; contacts skipped for it stay skipped until restored."""
        async with self._command() as turn:
            gone = await rows(sql.remove_do_not_call(turn.connection, to_numbers=to_numbers, **self._of))
        return [row["to_number"] for row in gone]

    async def do_not_call_page(self, *, after: str = "", limit: int = PAGE) -> list[Row]:
        """By number: to_number, source, note, created_at."""
        async with self._database.connection() as connection:
            return await rows(sql.do_not_call_page(connection, after=after, limit=limit, **self._of))

    # --- parts -----------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _command(self) -> AsyncIterator[Turn]:
        async with open_command(self._database, self._organization_id, self._clock.instant()) as turn:
            yield turn
            await sql.wake(turn.connection, now=turn.now, **self._of)

    async def _open_campaign(self, turn: Turn, campaign_id: int) -> Row:
        campaign: Row | None = await sql.campaign(turn.connection, campaign_id=campaign_id, **self._of)
        if campaign is None:
            raise NotFound(f"there is no campaign {campaign_id}")
        if CampaignState(campaign["state"]) in FINAL:
            raise Conflict(
                f"campaign {campaign_id} is {campaign['state']}: it takes no contacts; redial it, or make a new one"
            )
        return campaign

    async def _find(self, turn: Turn, campaign_id: int, phone_numbers: Sequence[str]) -> list[Row]:
        if await sql.campaign(turn.connection, campaign_id=campaign_id, **self._of) is None:
            raise NotFound(f"there is no campaign {campaign_id}")
        numbers = [e164(number) for number in phone_numbers]
        found = await rows(sql.find_contacts(turn.connection, campaign_id=campaign_id, to_numbers=numbers, **self._of))
        if missing := sorted(set(numbers) - {row["to_number"] for row in found}):
            raise NotFound(f"campaign {campaign_id} has no contact {missing[0]}")
        return found


def e164(text: str, default_region: str | None = None) -> str:
    """A number in any spelling -> E.164. Raises Invalid with the fix."""
    number = read_number(text, default_region)
    if isinstance(number, NumberFault):
        raise Invalid(f"'{text}': {number.reason}; {number.fix}")
    return number.e164


def _check(contact: LateContact, default_region: str | None, required: frozenset[str]) -> _Checked:
    number = read_number(contact.phone_number, default_region)
    if isinstance(number, NumberFault):
        raise Invalid(f"'{contact.phone_number}': {number.reason}; {number.fix}")
    if contact.timezone and not known_zone(contact.timezone):
        raise Invalid(f"{number.e164}: '{contact.timezone}' is no time zone; write one such as Europe/Berlin")
    if not 0 <= contact.priority <= 9:
        raise Invalid(f"{number.e164}: priority {contact.priority} is not between 0 (none) and 9 (highest)")
    given = {name.casefold() for name, value in contact.variables.items() if value.strip()}
    own = {"phone_number", "phone", "number", "external_id", "timezone", "priority"}
    if missing := sorted(name for name in required if name.casefold() not in given | own):
        raise Invalid(f"{number.e164}: the agent's text uses {{{{{missing[0]}}}}}: give it a value")
    zones = (contact.timezone,) if contact.timezone else number.zones
    return _Checked(to_number=number.e164, zones=zones, contact=contact)
