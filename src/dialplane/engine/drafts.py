"""Campaigns come to be: made, copied, discarded as long as nobody was called."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from dialplane.core.campaign import CampaignState, Policies
from dialplane.core.campaign import left_over as leaves_over
from dialplane.core.disposition import Disposition
from dialplane.core.retry import RetryPolicy
from dialplane.core.screening import Check
from dialplane.engine.campaign_reader import CampaignReader, no_campaign
from dialplane.engine.carriers import load_carrier
from dialplane.engine.intake import ContactsFile, attach
from dialplane.engine.jobs import IMPORT, enqueue
from dialplane.engine.settings import check_hours, settings_of
from dialplane.engine.speakers import Speakers
from dialplane.engine.views import CampaignRecord
from dialplane.errors import Conflict, Invalid, InvalidTransition
from dialplane.ports import Clock
from dialplane.store.postgres import Connection, Database, Row, rows, sql
from dialplane.store.turn import Turn, locked, open_command

COPIED_AT_ONCE = 20_000


class NoMatch(Conflict):
    """A redial of nobody."""


class Drafts(CampaignReader):
    """Drafts of one organization's campaigns, beside all that can be seen of them."""

    def __init__(self, database: Database, clock: Clock, organization_id: int, speakers: Speakers) -> None:
        super().__init__(database, organization_id)
        self._clock = clock
        self._speakers = speakers
        self._organization_id = organization_id

    async def reserve_id(self) -> int:
        """An id that no other campaign of this database will have."""
        async with self._database.connection() as connection:
            return int(await sql.reserve_campaign_id(connection))

    async def create(
        self,
        *,
        name: str,
        agent_id: int,
        carrier_id: int,
        policies: Policies,
        keep_open: bool = False,
        parent_id: int | None = None,
        id: int | None = None,
        uuid: UUID | None = None,
        source: str = "",
        number_ids: Sequence[int] = (),
        hidden: bool = False,
        ends_at: datetime | None = None,
        queue: str | None = None,
        screening: Mapping[str, Any] | None = None,
        extras: Mapping[str, Any] | None = None,
        file: ContactsFile | None = None,
        warnings: Sequence[str] = (),
    ) -> int:
        """A draft. Raises Invalid.

        uuid: one that a campaign has already makes no second one, the answer is the first.
        source: key of the stored file that it is made from. number_ids: its calls come from these; () is all of the
        carrier's. hidden: in no list. file: is imported by a job; without one, contacts come after this.
        warnings: go to its log.
        ends_at: no call begins from then on. queue: of those with the same one, one at a time runs. screening: each
        call is checked first, as in `core/screening.py`. extras: what a door answers again, by door.
        """
        check_hours(None, ends_at)
        if policies.split.weights:
            await self._speakers.columns(agent_id, policies.split)
        await self._check_sound(agent_id, carrier_id, policies)
        async with self._command() as turn:
            campaign_id, is_new = await self._insert(
                turn.connection,
                policies,
                id=id,
                uuid=uuid or uuid4(),
                name=name,
                keep_open=keep_open,
                agent_id=agent_id,
                carrier_id=carrier_id,
                parent_id=parent_id,
                source=file.key if file is not None else source,
                number_ids=list(number_ids),
                hidden=hidden,
                ends_at=ends_at,
                queue=queue,
                screening=None if screening is None else Check.from_json(screening).to_json(),
                extras=None if extras is None else dict(extras),
                now=turn.now,
            )
            if is_new:
                await turn.log(campaign_id, "campaign.created", f"created as '{name.strip()}'")
                await self._warn(turn, campaign_id, warnings)
            if is_new and file is not None:
                await attach(turn.connection, self._organization_id, campaign_id, file, turn.now)
                await enqueue(turn.connection, IMPORT, [{**self._of, "campaign_id": campaign_id}])
        return campaign_id

    async def _check_sound(self, agent_id: int, carrier_id: int, policies: Policies) -> None:
        """Raises Invalid. In virtual time nobody hears anything, whatever the agent."""
        if not self._clock.virtual:
            carrier = await load_carrier(self._database, self._organization_id, carrier_id)
            await self._speakers.check_sound(agent_id, carrier, policies.split)

    async def _insert(
        self, connection: Connection, policies: Policies, *, name: str, uuid: UUID, **values: Any
    ) -> tuple[int, bool]:
        """The id of the campaign with this uuid, and whether it was made now."""
        if not name.strip():
            raise Invalid("a campaign needs a name")
        made = await sql.create_campaign(
            connection, name=name.strip(), uuid=uuid, **values, **settings_of(policies), **self._of
        )
        if made is not None:
            return int(made), True
        return int(await sql.campaign_of_uuid(connection, uuid=uuid, **self._of)), False

    async def discard(self, campaign_id: int) -> list[str]:
        """Delete a draft with all it has: nothing of it was ever dialled. Raises NotFound, InvalidTransition.

        The answer: keys of its stored files, which are the caller's to delete once this is committed.
        """
        async with self._command() as turn:
            if (row := await self._row(turn, campaign_id))["state"] != CampaignState.DRAFT:
                raise InvalidTransition(
                    f"campaign {campaign_id} is {row['state']}, no draft: only a draft can be deleted"
                )
            if await sql.was_called(turn.connection, campaign_id=campaign_id, **self._of):
                raise InvalidTransition(
                    f"campaign {campaign_id} had made calls when it was restored as a draft: it stays"
                )
            files = await rows(sql.file_keys(turn.connection, campaign_id=campaign_id, **self._of))
            for delete in (
                sql.discard_draft_dues,
                sql.discard_draft_contacts,
                sql.discard_draft_cursors,
                sql.discard_draft_rejects,
                sql.discard_draft_files,
                sql.discard_draft_progress,
                sql.discard_draft_log,
                sql.discard_draft_forecast,
            ):
                await delete(turn.connection, campaign_id=campaign_id, **self._of)
            await sql.discard_draft_webhooks(turn.connection, campaign_id=campaign_id, now=turn.now, **self._of)
            await sql.discard_draft(turn.connection, campaign_id=campaign_id, **self._of)
        return [row["key"] for row in files]

    async def redial(
        self,
        campaign_id: int,
        dispositions: Sequence[Disposition],
        *,
        name: str | None = None,
        retry: RetryPolicy | None = None,
        uuid: UUID | None = None,
        left_over: bool = False,
    ) -> int:
        """A draft over the contacts of a campaign whose last disposition is one of these.

        left_over: and over those who still waited when it expired or was cancelled. retry: instead of the parent's.
        uuid: as for `create`. Raises Conflict, NoMatch, Invalid.
        """
        if not dispositions and not left_over:
            raise Invalid("a redial needs at least one disposition, such as busy or no_answer")
        parent = await self.get(campaign_id)
        if parent.state in (CampaignState.DRAFT, CampaignState.SCHEDULED, CampaignState.RUNNING):
            raise InvalidTransition(
                f"campaign {campaign_id} is {parent.state}: redial it once it has ended or is paused"
            )
        policies = replace(parent.policies, retry=retry) if retry is not None else parent.policies
        return await self._copy(
            parent,
            policies,
            name=name or f"{parent.name} (Redial)",
            parent_id=campaign_id,
            uuid=uuid or uuid4(),
            dispositions=[disposition.value for disposition in dispositions],
            left_over=left_over and leaves_over(parent.state, parent.state_reason) is not None,
        )

    async def duplicate(self, campaign_id: int, *, name: str | None = None, uuid: UUID | None = None) -> int:
        """A draft with the settings of a campaign and all of its contacts, removed ones left out. Raises Conflict."""
        original = await self.get(campaign_id)
        if original.importing is not None:
            raise Conflict(f"the import of {original.importing} is unfinished: wait for it")
        name = name or f"{original.name} (Copy)"
        return await self._copy(original, original.policies, name=name, parent_id=None, uuid=uuid or uuid4())

    async def _copy(
        self,
        original: CampaignRecord,
        policies: Policies,
        *,
        name: str,
        parent_id: int | None,
        uuid: UUID,
        dispositions: Sequence[str] | None = None,
        left_over: bool = False,
    ) -> int:
        """A draft with its contacts: all, or those with one of these dispositions. Raises NoMatch for none of them.

        Nobody sees the draft before the commit, so the organization is locked only once its contacts are copied. It has
        no end, for the original's may have passed, and nothing that a door has kept.
        """
        async with self._database.transaction() as connection:
            copy_id, is_new = await self._insert(
                connection,
                policies,
                id=None,
                uuid=uuid,
                name=name,
                keep_open=original.keep_open and parent_id is None,
                agent_id=original.agent_id,
                carrier_id=original.carrier_id,
                parent_id=parent_id,
                source=original.source,
                number_ids=list(original.number_ids),
                hidden=False,
                ends_at=None,
                queue=original.queue,
                screening=original.screening,
                extras=None,
                now=self._clock.now(),
            )
            if not is_new:
                return copy_id
            copied = await self._copy_contacts(connection, original.id, copy_id, uuid, dispositions, left_over)
            if dispositions is not None and not copied:
                wanted = ", ".join([*dispositions, *(["expired or cancelled"] if left_over else [])])
                raise NoMatch(f"no contact of campaign {original.id} ended as {wanted}")
            turn = await locked(connection, self._organization_id, self._clock.instant())
            await sql.seal(
                connection,
                campaign_id=copy_id,
                sealed_sequence=copied,
                contacts=copied,
                variable_names=original.variable_names,
                **self._of,
            )
            await turn.log(copy_id, "campaign.created", f"created as '{name}'")
            await turn.log(copy_id, "contacts.copied", f"{copied} contacts of campaign {original.id}")
        return copy_id

    async def _copy_contacts(
        self,
        connection: Connection,
        original_id: int,
        copy_id: int,
        uuid: UUID,
        dispositions: Sequence[str] | None,
        left_over: bool,
    ) -> int:
        """How many there are. By pages: one statement for a million contacts would run into its time limit."""
        copied, after = 0, 0
        while True:
            page = await sql.copy_contacts(
                connection,
                campaign_id=copy_id,
                campaign_uuid=str(uuid),
                parent_id=original_id,
                dispositions=dispositions,
                left_over=left_over,
                after=after,
                limit=COPIED_AT_ONCE,
                sequence_base=copied,
                now=self._clock.now(),
                **self._of,
            )
            if page["last"] is None:
                return copied
            copied, after = copied + page["copied"], page["last"]

    # --- parts -----------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _command(self) -> AsyncIterator[Turn]:
        """The organization is locked, and its workers are woken with the commit."""
        async with open_command(self._database, self._organization_id, self._clock.instant()) as turn:
            yield turn
            await sql.wake(turn.connection, now=turn.now, **self._of)

    async def _row(self, turn: Turn, campaign_id: int) -> Row:
        found: Row | None = await sql.campaign(turn.connection, campaign_id=campaign_id, **self._of)
        if found is None:
            raise no_campaign(campaign_id)
        return found

    async def _warn(self, turn: Turn, campaign_id: int, warnings: Sequence[str]) -> None:
        for warning in warnings:
            await turn.log(campaign_id, "campaign.warned", warning, level="warning")
