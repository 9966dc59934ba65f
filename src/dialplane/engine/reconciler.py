"""Attempts that nobody speaks for: ask the carrier by our id, then adopt, send again, or wait and give up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from dialplane.core import plan
from dialplane.core.attempt import AttemptState, ContactState, Order, Outcome
from dialplane.core.campaign import CampaignState
from dialplane.core.disposition import Disposition
from dialplane.core.intake import template_values
from dialplane.engine.call import DEADLINE_GRACE, last_deadline
from dialplane.engine.calls import Calls
from dialplane.engine.dispatcher import SEND_GRACE, SEND_WINDOW
from dialplane.engine.outcomes import EndedCall, settle
from dialplane.errors import CarrierUnavailable, EnvironmentFault, Invalid, NotFound
from dialplane.ports import Clock, Lookup
from dialplane.store.postgres import CONNECTION_FAULTS, Database, Row, rows, sql
from dialplane.store.records import Paces, call_limits, machines, recording
from dialplane.store.turn import Turn, open_turn

SILENCE = timedelta(seconds=5)  # a worker not heard of for this long is gone; its calls are asked about
PAGE = 100
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0  # between two questions about one call

log = structlog.get_logger()


class Reconciler:
    """Finds the attempts of dead workers and those past their deadline. Any number of workers may run it at once."""

    def __init__(self, database: Database, clock: Clock, worker_id: UUID, calls: Calls) -> None:
        self._database = database
        self._clock = clock
        self._worker_id = worker_id
        self._calls = calls
        self._asked: dict[int, tuple[datetime, float]] = {}  # attempt id -> do not ask before, pause after that

    async def reconcile(self, organization_id: int) -> tuple[bool, datetime | None]:
        """One pass. The answer: whether it found something, and when the next could."""
        # In virtual time there is no other worker: deadlines and placements that are unclear are all there is.
        if self._clock.virtual and not self._asked and not self._calls.any_unknown(organization_id):
            deadline = await self._next_deadline(organization_id)
            if deadline is None or deadline > self._clock.now():
                return False, deadline
        found = await self._take_back_expired(organization_id)
        overdue = await self._overdue(organization_id)
        self._asked = {row["id"]: self._asked[row["id"]] for row in overdue if row["id"] in self._asked}
        for row in overdue:
            await self._reconcile_safely(row)
        await self._forget_settled(organization_id)
        deadline = await self._next_deadline(organization_id)
        next_at = min([at for at, _ in self._asked.values()] + ([deadline] if deadline else []), default=None)
        return found or bool(overdue), next_at

    async def _next_deadline(self, organization_id: int) -> datetime | None:
        async with self._database.connection() as connection:
            deadline: datetime | None = await sql.next_deadline(connection, organization_id=organization_id)
        return deadline

    async def _take_back_expired(self, organization_id: int) -> bool:
        async with open_turn(self._database, organization_id, self._clock.instant()) as turn:
            if turn is None or not await turn.take_back_expired():
                return False
            await turn.schedule(turn.now, exclusively=False)
            return True

    async def _forget_settled(self, organization_id: int) -> None:
        """Calls of ours that other workers have settled: one that was frozen may never hear of their ends itself."""
        ours = self._calls.of(organization_id)
        if self._clock.virtual or not ours:
            return
        async with self._database.connection() as connection:
            settled = await rows(sql.ended_among(connection, organization_id=organization_id, ids=list(ours)))
        for row in settled:
            self._calls.forget(ours[row["id"]])

    async def _overdue(self, organization_id: int) -> list[Row]:
        async with self._database.connection() as connection:
            live = [self._worker_id]
            if not self._clock.virtual:
                live += [row["id"] for row in await rows(sql.live_workers(connection, silent=SILENCE))]
            return await rows(
                sql.overdue(
                    connection,
                    organization_id=organization_id,
                    now=self._clock.instant(),
                    worker_id=self._worker_id,
                    live_workers=live,
                    limit=PAGE,
                )
            )

    async def _reconcile_safely(self, row: Row) -> None:
        """A defect that one attempt meets must not keep the others from being asked about."""
        try:
            await self._reconcile(row)
        except CONNECTION_FAULTS:
            raise
        except EnvironmentFault:
            raise
        except Exception:
            if self._clock.virtual:
                raise
            log.exception("attempt.not_reconciled", attempt_id=row["id"], campaign_id=row["campaign_id"])

    async def _reconcile(self, row: Row) -> None:
        now: datetime = row["now"]
        order = _order(row)
        ask_at, pause = self._asked.get(order.attempt_id, (now, FIRST_PAUSE_SECONDS))
        if row["state"] == AttemptState.UNKNOWN and row["worker_id"] == self._worker_id:
            if row["deadline_at"] <= now:
                await self._give_up(order, row, now, "the carrier could not tell what became of it")
                return
            if ask_at > now:
                return
        elif not await self._adopt(order, row, now):
            return  # somebody else moved it
        self._asked[order.attempt_id] = (now + timedelta(seconds=pause), min(2 * pause, LONGEST_PAUSE_SECONDS))
        await self._ask(order, row, now)

    async def _adopt(self, order: Order, row: Row, now: datetime) -> bool:
        # Past its last deadline, an attempt gets one more question and the time for its answer.
        deadline = max(last_deadline(order, row["sent_at"]), now + SILENCE)
        async with self._database.connection() as connection:
            adopted = await rows(
                sql.adopt(
                    connection,
                    organization_id=order.organization_id,
                    worker_id=self._worker_id,
                    ids=[order.attempt_id],
                    states=[row["state"]],
                    workers=[row["worker_id"]],
                    deadlines=[deadline],
                    tell=not self._clock.virtual,
                )
            )
        return bool(adopted)

    async def _ask(self, order: Order, row: Row, now: datetime) -> None:
        try:
            # The agent too: whoever answers must not wait for a database that may be lost by then.
            carrier = await self._calls.load(order)
            self._calls.track(
                order, answered=row["answered_at"] is not None
            )  # before the question: its answer may bring events
            answer = await carrier.lookup(order)
        except (CarrierUnavailable, Invalid, NotFound) as fault:
            log.warning("attempt.not_looked_up", attempt_id=order.attempt_id, error=str(fault))
            return
        log.info("attempt.looked_up", attempt_id=order.attempt_id, campaign_id=order.campaign_id, answer=answer.value)
        if answer is Lookup.KNOWN:
            if now < last_deadline(order, row["sent_at"]):
                self._calls.confirm(order.attempt_uuid, now)
                self._asked.pop(order.attempt_id, None)
        elif answer is Lookup.NEVER_PLACED and row["placed_at"] is None:
            sent_by = row["send_before"] + timedelta(seconds=order.limits.send_timeout_seconds)
            if now > sent_by:
                await self._send_again(order)
            else:
                self._asked[order.attempt_id] = (sent_by + SEND_GRACE, FIRST_PAUSE_SECONDS)
        elif answer is Lookup.CUT_OFF:
            # If nobody was left to hang it up, a telephone may ring until the trunk stops it.
            silent_at = row["sent_at"] + timedelta(seconds=order.limits.ring_timeout_seconds) + 2 * DEADLINE_GRACE
            if now >= silent_at:
                await self._give_up(order, row, now, "cut off: the process that carried it has died")
            else:
                self._asked[order.attempt_id] = (silent_at, FIRST_PAUSE_SECONDS)

    async def _send_again(self, order: Order) -> None:
        """Certainly never placed: the same attempt goes out, if it still may; else it ends unspent."""
        asked_at = self._clock.monotonic()
        # Waits for its turn: whoever only tried would miss it again and again in a busy organization.
        async with open_turn(self._database, order.organization_id, self._clock.instant(), wait=True) as turn:
            if turn is None or not await self._hold(turn, order):
                return  # since the carrier's answer another worker has taken it over
            again = await self._again(turn, order)
            if again is None:
                outcome = Outcome(disposition=Disposition.CANCELED, ended_at=turn.now, cause="never placed")
                await self._end(turn, order, outcome, spent=False)
        if again is not None:
            self._asked.pop(order.attempt_id, None)
            allowed_seconds = (again.send_before - again.send_at).total_seconds()
            self._calls.place_again(again, again.send_at, not_after=asked_at + allowed_seconds)

    async def _hold(self, turn: Turn, order: Order) -> bool:
        held = await sql.hold(
            turn.connection,
            organization_id=order.organization_id,
            worker_id=self._worker_id,
            id=order.attempt_id,
        )
        return held is not None

    async def _again(self, turn: Turn, order: Order) -> Order | None:
        """The order with a new hour, committed as `sending`; None where it may not go out now."""
        campaign = next((c for c in await turn.campaigns() if c.id == order.campaign_id), None)
        contact = await sql.sendable(turn.connection, organization_id=turn.organization_id, attempt_id=order.attempt_id)
        if campaign is None or campaign.state is not CampaignState.RUNNING or contact["do_not_call"]:
            return None
        resting = campaign.trunk.suspended_until is not None and campaign.trunk.suspended_until > turn.now
        if resting or campaign.is_over(turn.now) or contact["contact_state"] != ContactState.DIALING:
            return None
        usable = [n for n in campaign.trunk.numbers.caller_ids if n.rotates or n.id == contact["number_id"]]
        if order.from_number not in {caller_id.e164 for caller_id in usable}:
            return None  # the number, or its carrier, was switched off meanwhile
        zones = (await turn.zone_groups([contact["zone_group_id"]]))[contact["zone_group_id"]]
        closes = plan.closes_at(campaign.policies.window.opening(zones, turn.now))
        if plan.callable_at(campaign.policies.window, zones, turn.now) != turn.now:
            return None
        pacing = plan.paces(campaign, turn.cps, turn.tat)
        if any(pace.cps is not None and pace.tat is not None and pace.tat > turn.now for pace in pacing):
            return None
        send_before = min(at for at in (turn.now + SEND_WINDOW, closes, campaign.ends_at) if at is not None)
        deadline = send_before + timedelta(seconds=order.limits.send_timeout_seconds) + SEND_GRACE
        sent = await sql.send_again(
            turn.connection,
            organization_id=turn.organization_id,
            worker_id=self._worker_id,
            id=order.attempt_id,
            send_before=send_before,
            deadline=deadline,
            now=turn.now,
        )
        if sent is None:
            return None
        tats = {pace.scope: turn.now + pace.spacing for pace in pacing}
        paces = Paces(
            organization_tat=tats["organization"] if turn.cps is not None else None,
            carrier_tats={campaign.trunk.id: tats[f"carrier:{campaign.trunk.id}"]} if campaign.trunk.cps else {},
            campaigns={campaign.id: (tats[f"campaign:{campaign.id}"], campaign.rotation)},
        )
        await turn.write(self._worker_id, paces=paces)
        return replace(order, send_at=turn.now, send_before=send_before)

    async def _give_up(self, order: Order, row: Row, now: datetime, cause: str) -> None:
        """Nobody could tell what became of it: the attempt is spent and is not dialled again of itself."""
        async with open_turn(self._database, order.organization_id, self._clock.instant()) as turn:
            if turn is not None and await self._hold(turn, order):
                outcome = Outcome(
                    disposition=Disposition.UNKNOWN,
                    ended_at=now,
                    ringing_at=row["ringing_at"],
                    answered_at=row["answered_at"],
                    cause=cause,
                )
                await self._end(turn, order, outcome, spent=True)

    async def _end(self, turn: Turn, order: Order, outcome: Outcome, *, spent: bool) -> None:
        ended: Sequence[EndedCall] = [
            EndedCall(organization_id=turn.organization_id, attempt_id=order.attempt_id, outcome=outcome, spent=spent)
        ]
        await settle(turn.connection, turn.organization_id, self._worker_id, ended, tell=turn.tell)
        await turn.schedule(turn.now, exclusively=False)
        self._asked.pop(order.attempt_id, None)
        self._calls.forget(order.attempt_uuid)


def _order(row: Row) -> Order:
    return Order(
        organization_id=row["organization_id"],
        campaign_id=row["campaign_id"],
        attempt_id=row["id"],
        attempt_uuid=row["uuid"],
        contact_id=row["contact_id"],
        number=row["number"],
        carrier_id=row["carrier_id"],
        to_number=row["to_number"],
        from_number=row["from_number"],
        agent_id=row["agent_id"],
        agent_version=row["agent_version"],
        variables=template_values(
            row["variables"],
            to_number=row["to_number"],
            external_id=row["external_id"],
            zones=row["zones"],
            priority=row["priority"],
        ),
        send_at=row["send_at"],
        send_before=row["send_before"],
        limits=call_limits(row),
        recording=recording(row["recorded"]),
        machines=machines(row["machines"]),
        carrier_call_id=row["carrier_call_id"],
    )
