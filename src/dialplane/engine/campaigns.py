"""Commands on campaigns: lock the organization, act, take back intents, wake the workers, commit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from dialplane.core import campaign as states
from dialplane.core.campaign import CampaignState, Policies, Transition
from dialplane.core.disposition import Disposition
from dialplane.core.retry import RetryPolicy
from dialplane.engine.campaign_reader import CampaignReader, no_campaign
from dialplane.engine.intake import ContactsFile, attach
from dialplane.engine.jobs import IMPORT, enqueue
from dialplane.engine.views import CampaignRecord
from dialplane.errors import Conflict, Invalid, InvalidTransition
from dialplane.ports import Carriers, Clock
from dialplane.store.postgres import Connection, Database, Row, rows, sql
from dialplane.store.records import policies as policies_of
from dialplane.store.turn import Turn, locked, open_command

SENDING_POLL_SECONDS = 0.01


class NoMatch(Conflict):
    """A redial of nobody."""


class Campaigns(CampaignReader):
    """Commands on campaigns of one organization, beside all that can be seen of them."""

    def __init__(self, database: Database, clock: Clock, organization_id: int, carriers: Carriers) -> None:
        super().__init__(database, organization_id)
        self._clock = clock
        self._carriers = carriers
        self._organization_id = organization_id

    # --- make ------------------------------------------------------------------------------------------------

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
        file: ContactsFile | None = None,
        warnings: Sequence[str] = (),
    ) -> int:
        """A draft. Raises Invalid.

        uuid: one that a campaign has already makes no second one, the answer is the first.
        source: key of the stored file that it is made from. number_ids: its calls come from these; () is all of the
        carrier's. hidden: in no list. file: is imported by a job; without one, contacts come after this.
        warnings: go to its log.
        """
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
                now=turn.now,
            )
            if is_new:
                await turn.log(campaign_id, "campaign.created", f"created as '{name.strip()}'")
                await self._warn(turn, campaign_id, warnings)
            if is_new and file is not None:
                await attach(turn.connection, self._organization_id, campaign_id, file, turn.now)
                await enqueue(turn.connection, IMPORT, [{**self._of, "campaign_id": campaign_id}])
        return campaign_id

    async def _insert(
        self, connection: Connection, policies: Policies, *, name: str, uuid: UUID, **values: Any
    ) -> tuple[int, bool]:
        """The id of the campaign with this uuid, and whether it was made now."""
        if not name.strip():
            raise Invalid("a campaign needs a name")
        made = await sql.create_campaign(
            connection, name=name.strip(), uuid=uuid, **values, **_settings(policies), **self._of
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
            files = await rows(sql.file_keys(turn.connection, campaign_id=campaign_id, **self._of))
            for delete in (
                sql.discard_draft_dues,
                sql.discard_draft_contacts,
                sql.discard_draft_cursors,
                sql.discard_draft_rejects,
                sql.discard_draft_files,
                sql.discard_draft_progress,
                sql.discard_draft_log,
            ):
                await delete(turn.connection, campaign_id=campaign_id, **self._of)
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
    ) -> int:
        """A draft over the contacts of a campaign whose last disposition is one of these.

        retry: instead of the parent's. uuid: as for `create`. Raises Conflict, NoMatch, Invalid.
        """
        if not dispositions:
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
    ) -> int:
        """A draft with its contacts: all, or those with one of these dispositions. Raises NoMatch for none of them.

        Nobody sees the draft before the commit, so the organization is locked only once its contacts are copied.
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
                now=self._clock.now(),
            )
            if not is_new:
                return copy_id
            copied = await sql.copy_contacts(
                connection,
                campaign_id=copy_id,
                campaign_uuid=str(uuid),
                parent_id=original.id,
                dispositions=dispositions,
                now=self._clock.now(),
                **self._of,
            )
            if dispositions is not None and not copied:
                raise NoMatch(f"no contact of campaign {original.id} ended as {', '.join(dispositions)}")
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

    # --- move ------------------------------------------------------------------------------------------------

    async def start(self, campaign_id: int) -> None:
        await self._probe(campaign_id)
        async with self._command() as turn:
            await self._startable(turn, campaign_id, states.START)
            await self._move(turn, campaign_id, states.START, "started")

    async def schedule(self, campaign_id: int, starts_at: datetime) -> None:
        """It starts by itself at that instant. Raises Invalid for one without a zone."""
        if starts_at.tzinfo is None:
            raise Invalid(f"the start {starts_at.isoformat()} has no time zone: write 2026-12-01T09:00:00+01:00")
        async with self._command() as turn:
            await self._startable(turn, campaign_id, states.SCHEDULE)
            await self._move(turn, campaign_id, states.SCHEDULE, f"starts at {starts_at.isoformat()}")
            await sql.set_start(turn.connection, campaign_id=campaign_id, starts_at=starts_at, **self._of)

    async def unschedule(self, campaign_id: int) -> None:
        async with self._command() as turn:
            await self._move(turn, campaign_id, states.UNSCHEDULE, "unscheduled")
            await sql.set_start(turn.connection, campaign_id=campaign_id, starts_at=None, **self._of)

    async def resume(self, campaign_id: int) -> None:
        """Dial on; breakers start clean."""
        await self._probe(campaign_id)
        async with self._command() as turn:
            moved = await self._move(turn, campaign_id, states.RESUME, "resumed")
            await sql.clear_breaker(turn.connection, carrier_id=moved["carrier_id"], now=turn.now, **self._of)

    async def pause(self, campaign_id: int, reason: str = "") -> None:
        """Once this has returned, nothing more is placed; calls in progress end normally."""
        await self._stop(campaign_id, states.PAUSE, f"paused{': ' + reason if reason else ''}", reason)

    async def cancel(self, campaign_id: int) -> None:
        """The same for good: there is no retry after it, and who still waits reads as skipped (cancelled)."""
        await self._stop(campaign_id, states.CANCEL, "cancelled")

    async def fail(self, campaign_id: int, reason: str) -> None:
        await self._stop(campaign_id, states.FAIL, f"failed: {reason}", reason, level="error")

    async def _stop(
        self, campaign_id: int, transition: Transition, message: str, reason: str = "", level: str = "info"
    ) -> None:
        async with self._command() as turn:
            await self._move(turn, campaign_id, transition, message, reason, level=level)
            await turn.take_back(campaign_id=campaign_id)
        await self.wait_until_sent(campaign_id=campaign_id)

    async def close(self, campaign_id: int) -> None:
        """A campaign that was kept open completes once it is idle."""
        async with self._command() as turn:
            row = await self._row(turn, campaign_id)
            if await sql.set_keep_open(turn.connection, campaign_id=campaign_id, keep_open=False, **self._of) is None:
                raise InvalidTransition(f"campaign {campaign_id} is {row['state']}: it cannot be closed")
            await turn.log(campaign_id, "campaign.closed", "takes no new contacts; completes when the last has ended")

    async def change(self, campaign_id: int, policies: Policies, *, name: str | None = None) -> None:
        """New settings, from the next turn on. Raises InvalidTransition in a final state."""
        await self.adjust(campaign_id, lambda _: policies, name=name)

    async def adjust(
        self,
        campaign_id: int,
        change: Callable[[Policies], Policies],
        *,
        name: str | None = None,
        warnings: Sequence[str] = (),
    ) -> None:
        """The same for a part of the settings: two who change different parts at once both succeed."""
        async with self._command() as turn:
            row = await self._row(turn, campaign_id)
            old = {"name": row["name"], **_settings(policies_of(row))}
            new = {"name": name or row["name"], **_settings(change(policies_of(row)))}
            if await sql.set_settings(turn.connection, campaign_id=campaign_id, **new, **self._of) is None:
                raise InvalidTransition(f"campaign {campaign_id} is {row['state']}: its settings are final")
            details = {key: (old[key], new[key]) for key in old if old[key] != new[key]}
            what = ", ".join(f"{key}: {before} -> {after}" for key, (before, after) in details.items()) or "nothing"
            await turn.log(campaign_id, "settings.changed", f"changed {what}", details=details)
            await self._warn(turn, campaign_id, warnings)

    # --- wait ------------------------------------------------------------------------------------------------

    async def wait_until_sent(
        self, *, campaign_id: int | None = None, contact_ids: Sequence[int] = (), to_numbers: Sequence[str] = ()
    ) -> None:
        """Return once none of these calls is between the guard and the carrier's answer."""
        # Virtual time stands still while its caller waits here; and nobody's telephone rings in it.
        while not self._clock.virtual and await self._sending(campaign_id, contact_ids, to_numbers):  # noqa: ASYNC110
            await asyncio.sleep(SENDING_POLL_SECONDS)

    async def _sending(self, campaign_id: int | None, contact_ids: Sequence[int], to_numbers: Sequence[str]) -> bool:
        """Those past their deadline are the reconciler's, so this comes to an end whatever a carrier does."""
        async with self._database.connection() as connection:
            count = await sql.sending(
                connection,
                now=self._clock.instant(),
                campaign_id=campaign_id,
                contact_ids=contact_ids,
                to_numbers=to_numbers,
                **self._of,
            )
        return bool(count)

    async def _probe(self, campaign_id: int) -> None:
        """A carrier that cannot place calls is found out before the first contact is. Raises Conflict."""
        campaign = await self.get(campaign_id)
        carrier = await self._carriers.get(self._organization_id, campaign.carrier_id)
        if (reason := await carrier.probe()) is not None:
            raise Conflict(f"the carrier '{campaign.carrier_name}' cannot place calls: {reason}")

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

    async def _startable(self, turn: Turn, campaign_id: int, transition: Transition) -> None:
        """While its file is being imported it may start: contacts are called once the import has sealed them."""
        row = await self._row(turn, campaign_id)
        _check_state(row, transition)
        if not row["total"] and not row["keep_open"] and not row["importing"]:
            raise Conflict(f"campaign {campaign_id} has no contacts")
        numbers = {"carrier_id": row["carrier_id"], "number_ids": row["number_ids"]}
        if not await sql.has_number(turn.connection, **numbers, **self._of):
            raise Conflict(f"carrier '{row['carrier_name']}' has no active number to call from")

    async def _warn(self, turn: Turn, campaign_id: int, warnings: Sequence[str]) -> None:
        for warning in warnings:
            await turn.log(campaign_id, "campaign.warned", warning, level="warning")

    async def _move(
        self, turn: Turn, campaign_id: int, transition: Transition, message: str, reason: str = "", level: str = "info"
    ) -> Row:
        row = await self._row(turn, campaign_id)
        moved: Row | None = await sql.move_campaign(
            turn.connection,
            campaign_id=campaign_id,
            states=[state.value for state in transition.before],
            state=transition.after.value,
            reason=reason,
            now=turn.now,
            **self._of,
        )
        if moved is None:
            _check_state(row, transition)
        assert moved is not None, "a state changes under the organization's lock alone"
        await turn.log(campaign_id, f"campaign.{transition.after.value}", message, level=level)
        return moved


def _check_state(row: Row, transition: Transition) -> None:
    if row["state"] not in transition.before:
        wanted = " or ".join(sorted(transition.before))
        raise InvalidTransition(f"campaign {row['id']} is {row['state']}; {transition.verb} is possible from {wanted}")


def _settings(policies: Policies) -> dict[str, Any]:
    return {
        "max_lines": policies.max_lines,
        "cps": policies.cps,
        "calling_window": policies.window.to_json(),
        "retry": policies.retry.to_json(),
        "breaker": policies.breaker.to_json(),
    }
