"""Commands on contacts and the do-not-call list: once they have returned, nobody concerned is dialled."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from uuid import UUID

from dialplane.core.attempt import ContactState
from dialplane.core.campaign import FINAL, CampaignState
from dialplane.core.intake import NumberFault
from dialplane.engine.additions import (
    Added,
    Addition,
    Checked,
    Exists,
    LateContact,
    Rejected,
    check,
    tell_apart,
    with_numbers,
)
from dialplane.engine.campaigns import Campaigns
from dialplane.engine.numbering import read_number
from dialplane.engine.storing import zone_groups
from dialplane.errors import Conflict, Invalid, NotFound
from dialplane.ports import Clock
from dialplane.store.postgres import Database, Row, rows, sql
from dialplane.store.records import SKIP
from dialplane.store.turn import Turn, open_command

__all__ = ["Contacts", "LateContact", "e164"]

PAGE = 100
MOST_AT_ONCE = 1000  # contacts of one command
NUMBERS_AT_ONCE = 1000
MANY = 1000  # contacts that are added together
ENDED_STATES = (ContactState.REACHED, ContactState.EXHAUSTED, ContactState.SKIPPED, ContactState.REMOVED)
COMMANDS = UUID(int=0)  # the "worker" that progress made by commands is counted under


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
        """All or none: the numbers that are new to the campaign; those it has already are left as they are.

        Due at once. required: variables that the agent's text uses. Raises Invalid, Conflict, NotFound.
        """
        added = await self.add_each(
            campaign_id, contacts, default_region=default_region, required=required, strict=True
        )
        return [addition.to_number for addition in added if isinstance(addition, Added)]

    async def add_each(
        self,
        campaign_id: int,
        contacts: Sequence[LateContact],
        *,
        default_region: str | None = None,
        required: frozenset[str] = frozenset(),
        strict: bool = False,
    ) -> list[Addition]:
        """What became of each contact, in their order; the same contacts once more are all there already.

        strict: a single one that cannot be added refuses all, with Invalid. Raises Conflict, NotFound.
        """
        checked = [check(contact, default_region, required) for contact in contacts]
        async with self._command() as turn:
            campaign = await self._open_campaign(turn, campaign_id)
            # Two transactions that enter the same numbers in another order would lock each other out.
            await sql.await_import(turn.connection, campaign_id=campaign_id, **self._of)
            usable = with_numbers(checked, await self._number_ids(turn, campaign, checked))
            told = tell_apart(usable, await self._owners(turn, campaign_id, usable))
            if strict:
                refuse_all(told)
            good = [each for each in told if isinstance(each, Checked)]
            new = await self._enter(turn, campaign, good)
            additions = _additions(told, new, await self._ids(turn, campaign_id, good))
        if len(new) >= MANY:
            async with self._database.connection() as connection:
                await connection.execute("ANALYZE contact")  # as after an import: claims are planned by it
        return additions

    async def _number_ids(self, turn: Turn, campaign: Row, contacts: Sequence[Checked | Rejected]) -> set[int]:
        """Which of the contacts' own numbers can be called from."""
        wanted = {c.number_id for c in contacts if isinstance(c, Checked) and c.number_id is not None}
        if not wanted:
            return set()
        found = sql.active_numbers(turn.connection, carrier_id=campaign["carrier_id"], **self._of)
        return wanted & {row["id"] for row in await rows(found)}

    async def _owners(
        self, turn: Turn, campaign_id: int, contacts: Sequence[Checked | Rejected]
    ) -> dict[str, list[str]]:
        """external id -> numbers. Looked up under the lock, since no index forbids to have one twice: files may."""
        wanted = {each.external_id for each in contacts if isinstance(each, Checked) and each.external_id is not None}
        owners: dict[str, list[str]] = {}
        if wanted:
            found = sql.external_ids(turn.connection, campaign_id=campaign_id, external_ids=sorted(wanted), **self._of)
            for row in await rows(found):
                owners.setdefault(row["external_id"], []).append(row["to_number"])
        return owners

    async def _enter(self, turn: Turn, campaign: Row, contacts: Sequence[Checked]) -> set[str]:
        """The numbers that are new."""
        groups = await zone_groups(turn.connection, self._organization_id, {c.zones for c in contacts})
        await sql.add_cursors(
            turn.connection, campaign_id=campaign["id"], zone_group_ids=sorted(groups.values()), **self._of
        )
        added = await rows(
            sql.add_late(
                turn.connection,
                campaign_id=campaign["id"],
                # With every addition another one: a number that a contact had before it was changed may come again.
                campaign_uuid=f"{campaign['uuid']}+{campaign['total']}",
                now=turn.now,
                to_numbers=[c.to_number for c in contacts],
                external_ids=[c.external_id for c in contacts],
                priorities=[c.priority for c in contacts],
                zone_group_ids=[groups[c.zones] for c in contacts],
                number_ids=[c.number_id for c in contacts],
                variables=[json.dumps(dict(c.variables), ensure_ascii=False) for c in contacts],
                **self._of,
            )
        )
        if added:
            await self._postpone(turn, campaign, contacts, {row["to_number"]: row["id"] for row in added})
            await self._count_added(turn, campaign, len(added), (name for c in contacts for name in c.variables))
            await turn.log(campaign["id"], "contacts.added", f"{len(added)} added by hand")
        return {row["to_number"] for row in added}

    async def _postpone(self, turn: Turn, campaign: Row, contacts: Sequence[Checked], added: Mapping[str, int]) -> None:
        due = {added[c.to_number]: c.due_at for c in reversed(contacts) if c.to_number in added}
        later = {contact_id: at for contact_id, at in due.items() if at is not None}
        if later:
            postponed = {"contact_ids": list(later), "due_ats": list(later.values())}
            await sql.postpone(turn.connection, campaign_id=campaign["id"], **postponed, **self._of)

    async def _count_added(self, turn: Turn, campaign: Row, contacts: int, variables: Iterable[str]) -> None:
        names = list(dict.fromkeys([*campaign["variable_names"], *variables]))
        await sql.count_added(
            turn.connection, campaign_id=campaign["id"], contacts=contacts, variable_names=names, **self._of
        )

    async def _ids(self, turn: Turn, campaign_id: int, contacts: Iterable[Checked]) -> dict[str, int]:
        """number -> id of the contact that has it now."""
        numbers = sorted({contact.to_number for contact in contacts})
        found = sql.contacts_with_numbers(turn.connection, campaign_id=campaign_id, to_numbers=numbers, **self._of)
        return {row["to_number"]: row["id"] for row in await rows(found)}

    async def remove(
        self,
        campaign_id: int,
        phone_numbers: Sequence[str] = (),
        *,
        contact_ids: Sequence[int] = (),
        external_ids: Sequence[str] = (),
    ) -> list[str]:
        """Numbers that are out now; a call in progress ends by itself.

        Once it has returned, none of them is placed. Raises Conflict for one that has ended, NotFound; then nobody is
        taken out.
        """
        async with self._command() as turn:
            found = await self._find(turn, campaign_id, phone_numbers, contact_ids, external_ids)
            ids = [row["id"] for row in found]
            await turn.take_back(contact_ids=ids)
            removed = await rows(sql.remove_contacts(turn.connection, contact_ids=ids, **self._of))
            out = {row["id"] for row in removed} | {row["id"] for row in found if row["state"] == ContactState.REMOVED}
            if kept := [row for row in found if row["id"] not in out]:
                raise Conflict(
                    f"{kept[0]['to_number']} is {kept[0]['state']}: only who waits or is called can be removed"
                )
            if removed:
                await turn.add_progress(COMMANDS, {(campaign_id, "removed"): len(removed)})
                await turn.log(campaign_id, "contacts.removed", f"{len(removed)} removed by hand")
        await self._campaigns.wait_until_sent(contact_ids=ids)
        return [row["to_number"] for row in found]

    async def restore(
        self,
        campaign_id: int,
        phone_numbers: Sequence[str] = (),
        *,
        contact_ids: Sequence[int] = (),
        external_ids: Sequence[str] = (),
    ) -> list[str]:
        """Removed and skipped contacts that wait again. Raises Conflict for any other, NotFound."""
        async with self._command() as turn:
            await self._open_campaign(turn, campaign_id)
            found = await self._find(turn, campaign_id, phone_numbers, contact_ids, external_ids)
            ids = [row["id"] for row in found]
            restored = await rows(sql.restore_contacts(turn.connection, contact_ids=ids, now=turn.now, **self._of))
            back = {row["id"]: row["old_state"] for row in restored}
            if kept := [row for row in found if row["id"] not in back]:
                raise Conflict(
                    f"{kept[0]['to_number']} is {kept[0]['state']}: only removed and skipped ones can come back"
                )
            await turn.add_progress(COMMANDS, _counted_out(campaign_id, restored))
            await turn.log(campaign_id, "contacts.restored", f"{len(back)} restored by hand")
        return [row["to_number"] for row in found]

    async def call_now(self, campaign_id: int, contact_id: int, *, variables: Mapping[str, str] | None = None) -> None:
        """Due at once and before everything else, inside the campaign's window and limits.

        Whoever waits keeps what is left of their calls; whoever had come to an end begins anew.
        variables: instead of the contact's own. Raises NotFound; Conflict while there is a call, in a campaign that has
        ended, for a number on the do-not-call list.
        """
        async with self._command() as turn:
            campaign = await self._open_campaign(turn, campaign_id)
            contact = {"campaign_id": campaign_id, "contact_id": contact_id}
            to_number = await sql.contact_number(turn.connection, **contact, **self._of)
            if to_number is None:
                raise NotFound(f"campaign {campaign_id} has no contact {contact_id}")
            if await rows(sql.do_not_call_entries(turn.connection, to_numbers=[to_number], **self._of)):
                raise Conflict(f"{to_number} is on the do-not-call list")
            given = None if variables is None else dict(variables)
            called = await sql.call_now(turn.connection, variables=given, now=turn.now, **contact, **self._of)
            if called is None:
                raise Conflict(f"{to_number} is being called: wait for the end of the call")
            if called["old_state"] in ENDED_STATES:
                await turn.add_progress(COMMANDS, _counted_out(campaign_id, [called]))
            await self._count_added(turn, campaign, 0, variables or ())
            await turn.log(campaign_id, "contacts.called", f"contact {contact_id} is to be called now")

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
            added += len(await self.list_do_not_call(page, source=source, note=note))
        return added

    async def list_do_not_call(self, to_numbers: Sequence[str], *, source: str, note: str = "") -> set[str]:
        """The same for some thousand at most: which are new."""
        async with self._command() as turn:
            new = await rows(
                sql.add_do_not_call(
                    turn.connection, to_numbers=to_numbers, source=source, note=note, now=turn.now, **self._of
                )
            )
            await turn.take_back(to_numbers=to_numbers)
        await self._campaigns.wait_until_sent(to_numbers=to_numbers)
        return {row["to_number"] for row in new}

    async def call_again(self, to_numbers: Sequence[str]) -> list[str]:
        """Numbers that were on the list and are no longer; contacts skipped for it stay skipped until restored."""
        async with self._command() as turn:
            gone = await rows(sql.remove_do_not_call(turn.connection, to_numbers=to_numbers, **self._of))
        return [row["to_number"] for row in gone]

    async def do_not_call_entries(self, to_numbers: Sequence[str]) -> list[Row]:
        """Those of these numbers that are listed, as in a page."""
        async with self._database.connection() as connection:
            return await rows(sql.do_not_call_entries(connection, to_numbers=to_numbers, **self._of))

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

    async def _find(
        self,
        turn: Turn,
        campaign_id: int,
        phone_numbers: Sequence[str],
        contact_ids: Sequence[int],
        external_ids: Sequence[str],
    ) -> list[Row]:
        """Contacts with any of these, by id. Raises NotFound for what no contact has, Invalid."""
        if await sql.campaign(turn.connection, campaign_id=campaign_id, **self._of) is None:
            raise NotFound(f"there is no campaign {campaign_id}")
        numbers = [e164(number) for number in phone_numbers]
        found = await rows(
            sql.find_contacts(
                turn.connection,
                campaign_id=campaign_id,
                to_numbers=numbers,
                contact_ids=contact_ids,
                external_ids=external_ids,
                limit=MOST_AT_ONCE + 1,
                **self._of,
            )
        )
        if len(found) > MOST_AT_ONCE:
            raise Invalid(f"these are more than {MOST_AT_ONCE:,} contacts: name fewer at once")
        has = {value for row in found for value in (row["to_number"], row["id"], row["external_id"])}
        missing = [f"contact {wanted}" for wanted in (*numbers, *contact_ids) if wanted not in has]
        missing += [f"external_id '{wanted}'" for wanted in external_ids if wanted not in has]
        if missing:
            raise NotFound(f"campaign {campaign_id} has no {missing[0]}")
        return found


def _counted_out(campaign_id: int, contacts: Iterable[Row]) -> dict[tuple[int, str], int]:
    """What progress has to forget of contacts that wait again; `old_state` and `old_reason` say how they had ended."""
    counts: Counter[tuple[int, str]] = Counter()
    for contact in contacts:
        counts[campaign_id, contact["old_state"]] -= 1
        if contact["old_reason"] is not None:
            counts[campaign_id, SKIP + contact["old_reason"]] -= 1
    return counts


def refuse_all(contacts: Sequence[Checked | Rejected]) -> None:
    """Raises Invalid for the first that cannot be added."""
    for position, contact in enumerate(contacts, start=1):
        if isinstance(contact, Rejected):
            which = f"contact {position} of {len(contacts)}, " if len(contacts) > 1 else ""
            raise Invalid(f"{which}{contact}")


def _additions(contacts: Sequence[Checked | Rejected], new: set[str], ids: Mapping[str, int]) -> list[Addition]:
    """Of two contacts with one new number the first is the one that was added."""
    left = set(new)
    additions: list[Addition] = []
    for contact in contacts:
        if isinstance(contact, Rejected):
            additions.append(contact)
        elif contact.to_number in left:
            left.remove(contact.to_number)
            additions.append(Added(ids[contact.to_number], contact.to_number))
        else:
            additions.append(Exists(ids[contact.to_number], contact.to_number))
    return additions


def e164(text: str, default_region: str | None = None) -> str:
    """A number in any spelling -> E.164. Raises Invalid with the fix."""
    number = read_number(text, default_region)
    if isinstance(number, NumberFault):
        raise Invalid(f"'{text}': {number.reason}; {number.fix}")
    return number.e164
