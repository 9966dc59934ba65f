"""Commands on campaigns: lock the organization, act, take back intents, wake the workers, commit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import uuid4

from dialplane.core import campaign as states
from dialplane.core.campaign import CampaignState, Policies, Transition
from dialplane.core.disposition import Disposition
from dialplane.engine.views import CampaignRecord, LogEntry, Progress, progress, record
from dialplane.errors import Conflict, Invalid, InvalidTransition, NotFound
from dialplane.ports import Carriers, Clock
from dialplane.store.postgres import Database, Row, rows, sql
from dialplane.store.turn import Turn, open_command

PAGE = 100
SENDING_POLL_SECONDS = 0.01


class Campaigns:
    """Campaigns of one organization."""

    def __init__(self, database: Database, clock: Clock, organization_id: int, carriers: Carriers) -> None:
        self._database = database
        self._clock = clock
        self._carriers = carriers
        self._organization_id = organization_id
        self._of = {"organization_id": organization_id}

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
    ) -> int:
        """A draft; contacts come after it. Raises Invalid."""
        if not name.strip():
            raise Invalid("a campaign needs a name")
        async with self._command() as turn:
            campaign_id = await sql.create_campaign(
                turn.connection,
                id=id,
                uuid=uuid4(),
                name=name.strip(),
                keep_open=keep_open,
                agent_id=agent_id,
                carrier_id=carrier_id,
                parent_id=parent_id,
                now=turn.now,
                **_settings(policies),
                **self._of,
            )
            await turn.log(campaign_id, "campaign.created", f"created as '{name.strip()}'")
            return int(campaign_id)

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

    async def redial(self, campaign_id: int, dispositions: Sequence[Disposition], *, name: str | None = None) -> int:
        """A draft over the contacts of a campaign whose last disposition is one of these. Raises Conflict, Invalid."""
        if not dispositions:
            raise Invalid("a redial needs at least one disposition, such as busy or no_answer")
        parent = await self.get(campaign_id)
        if parent.state in (CampaignState.DRAFT, CampaignState.SCHEDULED, CampaignState.RUNNING):
            raise InvalidTransition(
                f"campaign {campaign_id} is {parent.state}: redial it once it has ended or is paused"
            )
        child_id = await self.create(
            name=name or f"{parent.name} (Redial)",
            agent_id=parent.agent_id,
            carrier_id=parent.carrier_id,
            policies=parent.policies,
            parent_id=campaign_id,
        )
        async with self._command() as turn:
            child = await self._row(turn, child_id)
            copied = await sql.copy_contacts(
                turn.connection,
                campaign_id=child_id,
                campaign_uuid=str(child["uuid"]),
                parent_id=campaign_id,
                dispositions=[disposition.value for disposition in dispositions],
                now=turn.now,
                **self._of,
            )
            await sql.seal(
                turn.connection,
                campaign_id=child_id,
                sealed_sequence=copied,
                contacts=copied,
                variable_names=parent.variable_names,
                **self._of,
            )
            await turn.log(child_id, "contacts.copied", f"{copied} contacts of campaign {campaign_id}")
        if not copied:
            await self.discard(child_id)
            wanted = ", ".join(disposition.value for disposition in dispositions)
            raise Conflict(f"no contact of campaign {campaign_id} ended as {wanted}")
        return child_id

    # --- move ------------------------------------------------------------------------------------------------

    async def start(self, campaign_id: int) -> None:
        await self._probe(campaign_id)
        async with self._command() as turn:
            await self._startable(turn, campaign_id)
            await self._move(turn, campaign_id, states.START, "started")

    async def schedule(self, campaign_id: int, starts_at: datetime) -> None:
        """It starts by itself at that instant. Raises Invalid for one without a zone."""
        if starts_at.tzinfo is None:
            raise Invalid(f"the start {starts_at.isoformat()} has no time zone: write 2026-12-01T09:00:00+01:00")
        async with self._command() as turn:
            await self._startable(turn, campaign_id)
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
        async with self._command() as turn:
            before = record(await self._row(turn, campaign_id))
            changed = await sql.set_settings(
                turn.connection, campaign_id=campaign_id, name=name or before.name, **_settings(policies), **self._of
            )
            if changed is None:
                raise InvalidTransition(f"campaign {campaign_id} is {before.state}: its settings are final")
            details = _changes(before, policies, name or before.name)
            what = ", ".join(f"{key}: {old} -> {new}" for key, (old, new) in details.items()) or "nothing"
            await turn.log(campaign_id, "settings.changed", f"changed {what}", details=details)

    # --- look ------------------------------------------------------------------------------------------------

    async def get(self, campaign_id: int) -> CampaignRecord:
        async with self._database.connection() as connection:
            found = await sql.campaign(connection, campaign_id=campaign_id, **self._of)
        if found is None:
            raise NotFound(f"there is no campaign {campaign_id}; `dialplane campaign list` shows those there are")
        return record(found)

    async def page(self, *, before: int | None = None, limit: int = PAGE) -> list[Row]:
        """Newest first: id, uuid, name, state, total, created_at, started_at, ended_at."""
        async with self._database.connection() as connection:
            return await rows(sql.campaigns(connection, before=before, limit=limit, **self._of))

    async def progress(self, campaign_ids: Sequence[int]) -> dict[int, Progress]:
        """Read from counters and open attempts, whatever the size of the campaign."""
        async with self._database.connection() as connection:
            counted = await rows(sql.progress(connection, campaign_ids=campaign_ids, **self._of))
            calls = await rows(sql.open_calls(connection, campaign_ids=campaign_ids, **self._of))
            totals = await rows(sql.totals(connection, campaign_ids=campaign_ids, **self._of))
        found: dict[int, Progress] = {}
        for row in totals:
            measures = {r["measure"]: r["value"] for r in counted if r["campaign_id"] == row["id"]}
            ours = [r for r in calls if r["campaign_id"] == row["id"]]
            found[row["id"]] = progress(row, measures, ours)
        return found

    async def skip_reasons(self, campaign_id: int) -> dict[str, int]:
        """Contacts that were never called, by reason."""
        async with self._database.connection() as connection:
            found = await rows(sql.skip_reasons(connection, campaign_id=campaign_id, **self._of))
        reasons = {row["skip_reason"]: row["contacts"] for row in found}
        campaign = await self.get(campaign_id)
        if campaign.state is CampaignState.CANCELLED:
            left = (await self.progress([campaign_id]))[campaign_id].skipped - sum(reasons.values())
            if left > 0:
                reasons["cancelled"] = left
        return reasons

    async def rejected_rows(self, campaign_id: int) -> int:
        async with self._database.connection() as connection:
            return int(await sql.rejected_rows(connection, campaign_id=campaign_id, **self._of))

    async def zones(self, campaign_id: int) -> list[tuple[str, ...]]:
        """The candidate zones of its contacts, a group each."""
        async with self._database.connection() as connection:
            found = await rows(sql.zones_of(connection, campaign_id=campaign_id, **self._of))
        return [tuple(row["zones"]) for row in found]

    async def log(self, campaign_id: int, *, before: int | None = None, limit: int = PAGE) -> list[LogEntry]:
        """Newest first."""
        async with self._database.connection() as connection:
            found = await rows(
                sql.log_page(connection, campaign_id=campaign_id, before=before, limit=limit, **self._of)
            )
        return [LogEntry(**dict(row)) for row in found]

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
            raise NotFound(f"there is no campaign {campaign_id}; `dialplane campaign list` shows those there are")
        return found

    async def _startable(self, turn: Turn, campaign_id: int) -> None:
        row = await self._row(turn, campaign_id)
        if row["importing"]:
            raise Conflict(f"the import of {row['importing']} is unfinished: wait for it, or finish it with --resume")
        if not row["total"] and not row["keep_open"]:
            raise Conflict(f"campaign {campaign_id} has no contacts")
        if not await sql.has_number(turn.connection, carrier_id=row["carrier_id"], **self._of):
            raise Conflict(f"carrier '{row['carrier_name']}' has no active number to call from")

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
            wanted = " or ".join(sorted(transition.before))
            raise InvalidTransition(
                f"campaign {campaign_id} is {row['state']}; {transition.verb} is possible from {wanted}"
            )
        await turn.log(campaign_id, f"campaign.{transition.after.value}", message, level=level)
        return moved


def _settings(policies: Policies) -> dict[str, Any]:
    return {
        "max_lines": policies.max_lines,
        "cps": policies.cps,
        "calling_window": policies.window.to_json(),
        "retry": policies.retry.to_json(),
        "breaker": policies.breaker.to_json(),
    }


def _changes(before: CampaignRecord, after: Policies, name: str) -> dict[str, tuple[Any, Any]]:
    """setting -> (old, new), for the log."""
    old = {"name": before.name, **_settings(before.policies)}
    new = {"name": name, **_settings(after)}
    return {key: (old[key], new[key]) for key in old if old[key] != new[key]}
