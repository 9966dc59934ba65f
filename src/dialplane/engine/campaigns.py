"""Commands on campaigns: lock the organization, act, take back intents, wake the workers, commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Unpack

from dialplane.core import campaign as states
from dialplane.core.campaign import HOLDS_QUEUE, CampaignState, Policies, Transition, whose_turn
from dialplane.core.screening import Check
from dialplane.core.splitting import AgentSplit
from dialplane.engine.agents import lacking
from dialplane.engine.carriers import blocked_reason, load_carrier
from dialplane.engine.drafts import Drafts
from dialplane.engine.settings import IN_INTENTS, MORE, MoreSettings, check_hours, merged, settings_of, shown
from dialplane.engine.speakers import Speakers
from dialplane.errors import Conflict, Invalid, InvalidTransition
from dialplane.ports import Carriers, Clock
from dialplane.store.postgres import Database, Row, rows, sql
from dialplane.store.records import QueueMember, queue_member
from dialplane.store.records import policies as policies_of
from dialplane.store.turn import Turn

SENDING_POLL_SECONDS = 0.002


@dataclass(frozen=True, slots=True)
class Speaking:
    """Who is to speak for a campaign: columns that contacts need for it."""

    agent_id: int
    split: AgentSplit
    columns: frozenset[str]


class Campaigns(Drafts):
    """Commands on campaigns of one organization, beside what makes them and all that can be seen of them."""

    def __init__(
        self, database: Database, clock: Clock, organization_id: int, carriers: Carriers, speakers: Speakers
    ) -> None:
        super().__init__(database, clock, organization_id, speakers)
        self._carriers = carriers

    # --- move ------------------------------------------------------------------------------------------------

    async def start(self, campaign_id: int) -> CampaignState:
        """Its state after this: running; or scheduled, where its queue is held by another one that goes first."""
        await self._probe(campaign_id)
        async with self._command() as turn:
            row = await self._startable(turn, campaign_id, states.START)
            holder = await self._goes_first(turn, row)
            if holder is None:
                await self._move(turn, campaign_id, states.START, "started")
                return CampaignState.RUNNING
            waits = f"waits in the queue '{row['queue']}' for '{holder.name}' (campaign {holder.id}, {holder.state})"
            await self._move(turn, campaign_id, states.SCHEDULE, waits)
            since = min(row["starts_at"] or turn.now, turn.now)
            await sql.set_start(turn.connection, campaign_id=campaign_id, starts_at=since, **self._of)
            return CampaignState.SCHEDULED

    async def schedule(self, campaign_id: int, starts_at: datetime) -> None:
        """It starts by itself at that instant. Raises Invalid for one without a zone, or after the campaign's end."""
        async with self._command() as turn:
            row = await self._startable(turn, campaign_id, states.SCHEDULE)
            check_hours(starts_at, row["ends_at"])
            await self._move(turn, campaign_id, states.SCHEDULE, f"starts at {starts_at.isoformat()}")
            await sql.set_start(turn.connection, campaign_id=campaign_id, starts_at=starts_at, **self._of)

    async def unschedule(self, campaign_id: int) -> None:
        async with self._command() as turn:
            await self._move(turn, campaign_id, states.UNSCHEDULE, "unscheduled")
            await sql.set_start(turn.connection, campaign_id=campaign_id, starts_at=None, **self._of)

    async def resume(self, campaign_id: int) -> None:
        """Dial on; breakers start clean. Raises Conflict once its end has come, or while its queue is held."""
        await self._probe(campaign_id)
        async with self._command() as turn:
            row = await self._row(turn, campaign_id)
            _check_state(row, states.RESUME)
            _check_end(row, turn.now)
            holder = next(
                (m for m in await self._queue(turn, row) if m.state in HOLDS_QUEUE and m.id != campaign_id), None
            )
            if holder is not None:
                raise Conflict(f"its queue is held by '{holder.name}' (campaign {holder.id}), which is {holder.state}")
            moved = await self._move(turn, campaign_id, states.RESUME, "resumed")
            await sql.clear_breaker(turn.connection, carrier_id=moved["carrier_id"], now=turn.now, **self._of)

    async def pause(self, campaign_id: int, reason: str = "", *, end_calls: bool = False) -> None:
        """Once this has returned, nothing more is placed; calls in progress end normally.

        end_calls: they are hung up, by their workers within about a second.
        """
        because = f": {reason}" if reason else ""
        await self._stop(campaign_id, states.PAUSE, f"paused{because}", reason, end_calls=end_calls)

    async def cancel(self, campaign_id: int, *, end_calls: bool = False) -> None:
        """The same for good: there is no retry after it, and who still waits reads as skipped (cancelled)."""
        await self._stop(campaign_id, states.CANCEL, "cancelled", end_calls=end_calls)

    async def fail(self, campaign_id: int, reason: str) -> None:
        await self._stop(campaign_id, states.FAIL, f"failed: {reason}", reason, level="error")

    async def _stop(
        self,
        campaign_id: int,
        transition: Transition,
        message: str,
        reason: str = "",
        level: str = "info",
        *,
        end_calls: bool = False,
    ) -> None:
        said = f"{message}, and its calls hung up" if end_calls else message
        async with self._command() as turn:
            await self._move(turn, campaign_id, transition, said, reason, level=level)
            await turn.take_back(campaign_id=campaign_id)
            if end_calls:
                await sql.ask_to_hang_up_all(turn.connection, campaign_id=campaign_id, now=turn.now, **self._of)
        await self.wait_until_sent(campaign_id=campaign_id)

    async def close(self, campaign_id: int) -> None:
        """A campaign that was kept open completes once it is idle."""
        async with self._command() as turn:
            row = await self._row(turn, campaign_id)
            closed = {"campaign_id": campaign_id, "keep_open": False, "now": turn.now}
            if await sql.set_keep_open(turn.connection, **closed, **self._of) is None:
                raise InvalidTransition(f"campaign {campaign_id} is {row['state']}: it cannot be closed")
            await turn.log(campaign_id, "campaign.closed", "takes no new contacts; completes when the last has ended")

    async def archive(self, campaign_id: int, *, archived: bool = True) -> None:
        """Out of the lists, or back in them. Raises InvalidTransition for one that has not ended."""
        async with self._command() as turn:
            row = await self._row(turn, campaign_id)
            done = {"campaign_id": campaign_id, "archived": archived, "now": turn.now}
            if await sql.archive_campaign(turn.connection, **done, **self._of) is None:
                raise InvalidTransition(f"campaign {campaign_id} is {row['state']}: archive it once it has ended")
            what = "archived" if archived else "unarchived"
            await turn.log(campaign_id, f"campaign.{what}", what)

    async def change(
        self,
        campaign_id: int,
        policies: Policies | None = None,
        *,
        name: str | None = None,
        warnings: Sequence[str] = (),
        **more: Unpack[MoreSettings],
    ) -> None:
        """New settings, from the next turn on; what is not given stays. As `adjust`."""
        await self.adjust(campaign_id, lambda old: policies or old, name=name, warnings=warnings, **more)

    async def adjust(
        self,
        campaign_id: int,
        change: Callable[[Policies], Policies],
        *,
        name: str | None = None,
        warnings: Sequence[str] = (),
        **more: Unpack[MoreSettings],
    ) -> None:
        """The same for a part of the policies: two who change different parts at once both succeed.

        Raises InvalidTransition in a final state, and for a start of a campaign that is not scheduled; Conflict for
        another agent or carrier once calls were made; Invalid, also for columns that its contacts lack for another
        agent or other versions of it.
        """
        speaking = await self._speaking(campaign_id, change, more)
        async with self._command() as turn:
            row = await self._row(turn, campaign_id)
            old = {"name": row["name"], **settings_of(policies_of(row)), **{key: row[key] for key in MORE}}
            new = old | {"name": name or row["name"], **settings_of(change(policies_of(row))), **more}
            new["number_ids"] = list(new["number_ids"])
            new["extras"] = merged(row["extras"], more.get("extras"))
            await self._check_change(turn, row, new)
            _check_speaking(row, new, speaking)
            values = {"campaign_id": campaign_id, "now": turn.now, **new, **self._of}
            if await sql.set_settings(turn.connection, **values) is None:
                raise InvalidTransition(f"campaign {campaign_id} is {row['state']}: its settings are final")
            changed = {key for key in old if old[key] != new[key]}
            details = {key: (shown(key, old[key]), shown(key, new[key])) for key in old if key in changed - {"extras"}}
            what = ", ".join(f"{key}: {before} -> {after}" for key, (before, after) in details.items()) or "nothing"
            await turn.log(campaign_id, "settings.changed", f"changed {what}", details=details)
            await self._warn(turn, campaign_id, warnings)
            if changed & IN_INTENTS:
                await turn.take_back(campaign_id=campaign_id)
        if changed & IN_INTENTS:
            await self.wait_until_sent(campaign_id=campaign_id)

    async def set_extras(self, campaign_id: int, extras: Mapping[str, Any]) -> None:
        """What doors were told and answer again, in any state: those of these doors are replaced."""
        async with self._command() as turn:
            row = await self._row(turn, campaign_id)
            kept = {"extras": merged(row["extras"], extras), "campaign_id": campaign_id, "now": turn.now}
            await sql.set_extras(turn.connection, **kept, **self._of)

    async def _speaking(
        self, campaign_id: int, change: Callable[[Policies], Policies], more: MoreSettings
    ) -> Speaking | None:
        """Who shall speak, and the columns for it, read before anything is locked; None: that stays as it is."""
        before = await self.get(campaign_id)
        agent_id, split = more.get("agent_id", before.agent_id), change(before.policies).split
        if (agent_id, split) == (before.agent_id, before.policies.split):
            return None
        columns = await self._speakers.columns(agent_id, split)
        carrier_id = more.get("carrier_id", before.carrier_id)
        await self._check_sound(agent_id, carrier_id, replace(before.policies, split=split))
        return Speaking(agent_id, split, columns)

    async def _check_change(self, turn: Turn, row: Row, new: Mapping[str, Any]) -> None:
        if new["starts_at"] != row["starts_at"] and row["state"] != CampaignState.SCHEDULED:
            raise InvalidTransition(f"campaign {row['id']} is {row['state']}: it has no hour at which it starts")
        check_hours(new["starts_at"] if row["state"] == CampaignState.SCHEDULED else None, new["ends_at"])
        if new["screening"] is not None:
            Check.from_json(new["screening"])
        for noun in ("agent", "carrier"):
            if new[f"{noun}_id"] != row[f"{noun}_id"] and await sql.was_called(
                turn.connection, campaign_id=row["id"], **self._of
            ):
                raise Conflict(f"campaign {row['id']} has made calls: its {noun} stays")

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
        """A carrier that cannot place calls, or an agent that cannot talk through it, is found out before the first
        contact is. Raises Conflict, Invalid.
        """
        campaign = await self.get(campaign_id)
        carrier = await load_carrier(self._database, self._organization_id, campaign.carrier_id)
        await self._check_sound(campaign.agent_id, campaign.carrier_id, campaign.policies)
        if (reason := await blocked_reason(self._carriers, self._organization_id, carrier)) is not None:
            raise Conflict(f"the carrier '{campaign.carrier_name}' cannot place calls: {reason}")

    # --- parts -----------------------------------------------------------------------------------------------

    async def _queue(self, turn: Turn, row: Row) -> list[QueueMember]:
        """Who holds the queue of a campaign, or waits in it."""
        if row["queue"] is None:
            return []
        found = await rows(sql.queued_campaigns(turn.connection, queue=row["queue"], **self._of))
        return [queue_member(each) for each in found]

    async def _goes_first(self, turn: Turn, row: Row) -> QueueMember | None:
        """The campaign that one has to wait for which is to start now; None: it need not wait."""
        others = [member for member in await self._queue(turn, row) if member.id != row["id"]]
        since = min(row["starts_at"] or turn.now, turn.now)
        this = replace(queue_member(row), state=CampaignState.SCHEDULED, starts_at=since)
        chosen = whose_turn([*others, this], turn.now)
        if this.id in chosen:
            return None
        return next(member for member in others if member.state in HOLDS_QUEUE or member.id in chosen)

    async def _startable(self, turn: Turn, campaign_id: int, transition: Transition) -> Row:
        """While its file is being imported it may start: contacts are called once the import has sealed them."""
        row = await self._row(turn, campaign_id)
        _check_state(row, transition)
        _check_end(row, turn.now)
        if not row["total"] and not row["keep_open"] and not row["importing"]:
            raise Conflict(f"campaign {campaign_id} has no contacts")
        numbers = {"carrier_id": row["carrier_id"], "number_ids": row["number_ids"]}
        if not await sql.has_number(turn.connection, **numbers, **self._of):
            raise Conflict(f"carrier '{row['carrier_name']}' has no active number to call from")
        return row

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


def _check_speaking(row: Row, new: Mapping[str, Any], speaking: Speaking | None) -> None:
    said = (
        (row["agent_id"], row["agent_versions"]) if speaking is None else (speaking.agent_id, speaking.split.to_json())
    )
    if said != (new["agent_id"], new["agent_versions"]):
        raise Conflict(f"the agent of campaign {row['id']} was changed at the same time: look at it, and try again")
    missing = [] if speaking is None else lacking(speaking.columns, row["variable_names"])
    if row["total"] and missing:
        what = "agent_versions" if new["agent_versions"] else "agent"
        raise Invalid(
            f"{what}: the contacts of this campaign have no column {' or '.join(missing)}, which it would need; choose "
            "another, or make a new campaign with a file that has it"
        )


def _check_end(row: Row, now: datetime) -> None:
    if row["ends_at"] is not None and row["ends_at"] <= now:
        raise Conflict(f"campaign {row['id']} has an end, and it has come: {row['ends_at'].isoformat()}")


def _check_state(row: Row, transition: Transition) -> None:
    if row["state"] not in transition.before:
        wanted = " or ".join(sorted(transition.before))
        raise InvalidTransition(f"campaign {row['id']} is {row['state']}; {transition.verb} is possible from {wanted}")
