"""Calls in progress of one worker: guarded order -> carrier -> events -> ended call."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

import structlog

from dialplane.core.attempt import AttemptState, Order, Outcome
from dialplane.core.disposition import Disposition
from dialplane.engine import detecting
from dialplane.engine.call import Call, last_deadline
from dialplane.engine.outcomes import EndedCall, refused
from dialplane.errors import (
    CarrierRefused,
    CarrierUnavailable,
    DialplaneError,
    EnvironmentFault,
    Invalid,
    NotFound,
    PlacementUnknown,
)
from dialplane.metrics import PLACEMENTS
from dialplane.ports import (
    Agents,
    Answered,
    CallEvent,
    Carrier,
    Carriers,
    Clock,
    Ended,
    HungUp,
    Line,
    Prepares,
    Ringing,
    TalkBroken,
)
from dialplane.store.postgres import Database, rows, sql

log = structlog.get_logger()


class Calls:
    """What this worker has handed to carriers. All of it can be found again from the database."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        worker_id: UUID,
        carriers: Carriers,
        agents: Agents,
        wake: asyncio.Event,
    ) -> None:
        self._database = database
        self._clock = clock
        self._worker_id = worker_id
        self._carriers = carriers
        self._agents = agents
        self._wake = wake
        self._flushing = False
        self._calls: dict[UUID, Call] = {}
        self._changed: set[UUID] = set()
        self._ended: list[EndedCall] = []
        self.broken: dict[tuple[int, int], str] = {}  # campaigns whose agent or carrier cannot work, and why
        self.unclear = asyncio.Event()  # a placement whose result nobody knows: the reconciler shall ask

    @property
    def in_flight(self) -> int:
        """Lines that are in use."""
        return len(self._calls)

    @property
    def has_ended(self) -> bool:
        """A call has ended that nobody has settled."""
        return bool(self._ended)

    @property
    def has_changed(self) -> bool:
        """A call has come further than the database knows."""
        return bool(self._changed)

    def take_ended(self) -> list[EndedCall]:
        """Calls that have come to their end since the last time."""
        ended, self._ended = self._ended, []
        return ended

    def track(self, order: Order, *, answered: bool) -> None:
        """Take events of a call that another worker placed. answered: that one's agent had begun to talk."""
        self._calls.setdefault(order.attempt_uuid, Call(order, state=AttemptState.UNKNOWN, spoken_before=answered))

    def confirm(self, attempt_uuid: UUID, at: datetime) -> None:
        """The carrier knows the call: what it has not told yet comes as events."""
        if (call := self._calls.get(attempt_uuid)) is not None:
            call.placed_at = call.placed_at or at
            self._advance(call, AttemptState.PLACED)

    @property
    def organizations(self) -> set[int]:
        """Whose calls are in progress here."""
        return {call.order.organization_id for call in self._calls.values()}

    def of(self, organization_id: int) -> dict[int, UUID]:
        """Attempt ids and uuids of the calls in progress."""
        calls = [call.order for call in self._calls.values() if call.order.organization_id == organization_id]
        return {order.attempt_id: order.attempt_uuid for order in calls}

    def any_unknown(self, organization_id: int) -> bool:
        """Whether there is a call of which nobody knows whether it was placed."""
        return any(
            call.state is AttemptState.UNKNOWN and call.order.organization_id == organization_id
            for call in self._calls.values()
        )

    def forget(self, attempt_uuid: UUID) -> None:
        """The attempt ended without an event, or by another worker's."""
        self._calls.pop(attempt_uuid, None)
        self._changed.discard(attempt_uuid)

    def hang_up(self, attempt_uuid: UUID) -> None:
        """Somebody wants this call ended; where its carrier cannot be asked, the next heartbeat tries again."""
        if (call := self._calls.get(attempt_uuid)) is not None:
            call.hung_up = True
            self._clock.spawn(self._hang_up(call.order))

    async def _hang_up(self, order: Order) -> None:
        try:
            carrier = await self._carriers.get(order.organization_id, order.carrier_id)
            await carrier.hang_up(order.attempt_uuid)
        except DialplaneError as failure:
            log.warning("call.not_hung_up", attempt_id=order.attempt_id, error=str(failure))

    async def hang_up_all(self) -> None:
        for call in list(self._calls.values()):
            call.hung_up = True
            carrier = await self._carriers.get(call.order.organization_id, call.order.carrier_id)
            await carrier.hang_up(call.order.attempt_uuid)

    # --- placing -----------------------------------------------------------------------------------------

    async def load(self, order: Order) -> Carrier:
        """The agent too, before anybody's phone rings: an answered call without one is an abandoned call."""
        agent = await self._agents.get(order.organization_id, order.agent_id, order.agent_version)
        carrier = await self._carriers.get(order.organization_id, order.carrier_id)
        if isinstance(agent, Prepares):
            if not carrier.limits.carries_sound:
                raise Invalid("this agent talks in sound, and the campaign's carrier carries words alone")
            await agent.prepare()
        return carrier

    def place(self, call: Call) -> None:
        """Hand a call that has passed the guard to its carrier."""
        self._calls[call.order.attempt_uuid] = call
        self._clock.spawn(self._place(call))

    def place_again(self, order: Order, sent_at: datetime, *, not_after: float) -> None:
        """The same attempt once more, guarded anew."""
        self.place(Call(order, sent_at, not_after))

    async def _place(self, call: Call) -> None:
        order = call.order
        try:
            carrier = await self.load(order)
        except (Invalid, NotFound) as fault:
            self.broken[order.organization_id, order.campaign_id] = str(fault)
            self._end_unplaced(call, Disposition.CANCELED, str(fault))
            return
        if call.not_after is not None and self._clock.monotonic() >= call.not_after:
            # Certain: nothing was sent. The process was held up between the guard and here.
            PLACEMENTS.labels("late").inc()
            self._end_unplaced(call, Disposition.CANCELED, "not sent in time")
            return
        try:
            async with asyncio.timeout(order.limits.send_timeout_seconds):
                call.carrier_call_id = await carrier.place(order)
        except CarrierRefused as refusal:
            PLACEMENTS.labels(refusal.disposition.value).inc()
            outcome, spent = refused(self._clock.now(), refusal.disposition, refusal.cause, refusal.sip_status)
            self._end(call, outcome, spent=spent, sent_at=call.sent_at)
        except CarrierUnavailable as fault:
            PLACEMENTS.labels("unavailable").inc()
            self._end_unplaced(call, Disposition.CARRIER_FAILED, str(fault) or "the carrier could not be reached")
        except (PlacementUnknown, TimeoutError):
            await self._leave_unclear(call)
        except EnvironmentFault:
            await self._leave_unclear(call)
            raise  # a full disk is the operator's to mend: the worker ends with these words
        except Exception:
            # An adapter's bug says nothing about what the network did.
            log.exception("attempt.placement_failed", attempt_id=order.attempt_id, campaign_id=order.campaign_id)
            await self._leave_unclear(call)
        else:
            PLACEMENTS.labels("placed").inc()
            call.placed_at = call.placed_at or self._clock.now()
            self._advance(call, AttemptState.PLACED)

    async def _leave_unclear(self, call: Call) -> None:
        """It may be ringing. Events that still come count; else the reconciler asks the carrier."""
        PLACEMENTS.labels("unknown").inc()
        if call.ended is not None:
            return
        order, now = call.order, self._clock.now()
        async with self._database.connection() as connection:
            adopted = await rows(
                sql.adopt(
                    connection,
                    organization_id=order.organization_id,
                    worker_id=self._worker_id,
                    ids=[order.attempt_id],
                    states=[AttemptState.SENDING.value],
                    workers=[self._worker_id],
                    deadlines=[last_deadline(order, now)],
                    tell=not self._clock.virtual,
                )
            )
        if not adopted:
            return  # an event has told more meanwhile, or another worker has it
        call.state = AttemptState.UNKNOWN
        self.unclear.set()
        self._wake.set()

    # --- events ------------------------------------------------------------------------------------------

    def receive(self, event: CallEvent) -> None:
        """Events may come twice, late and out of order: each instant is taken once, states only go forward."""
        call = self._calls.get(event.attempt_uuid)
        if call is None or call.ended is not None:
            return
        if isinstance(event, Ended):
            call.ended = event
            if not call.talking:
                self._end(call, call.outcome(event), spent=True)
            return
        line = event.line if isinstance(event, Answered) and call.answered_at is None else None
        call.hear(event)
        self._advance(call, AttemptState.RINGING if isinstance(event, Ringing) else AttemptState.ANSWERED)
        if line is not None:
            call.talking = True
            self._clock.spawn(self._talk(call, line))

    async def _talk(self, call: Call, line: Line) -> None:
        order = call.order
        try:
            agent = await self._agents.get(order.organization_id, order.agent_id, order.agent_version)
            call.conversation = await detecting.talk(agent, line, order, partial(self._hang_up, order))
        except HungUp:
            pass  # before a word was said
        except Exception as failure:
            log.warning("agent.failed", attempt_id=order.attempt_id, campaign_id=order.campaign_id, error=repr(failure))
            call.agent_failure = str(failure) or type(failure).__name__
            call.hung_up = True
            if isinstance(failure, TalkBroken):
                call.conversation = failure.conversation
            carrier = await self._carriers.get(order.organization_id, order.carrier_id)
            await carrier.hang_up(order.attempt_uuid)
        finally:
            call.first_word_seconds, call.answered_by = line.first_word_seconds, line.answered_by
            call.talking = False
        if call.ended is not None:
            self._end(call, call.outcome(call.ended), spent=True)

    def _end_unplaced(self, call: Call, disposition: Disposition, cause: str) -> None:
        """This sending came to nothing."""
        outcome = Outcome(disposition=disposition, ended_at=self._clock.now(), cause=cause)
        self._end(call, outcome, spent=False, sent_at=call.sent_at)

    def _end(self, call: Call, outcome: Outcome, *, spent: bool, sent_at: datetime | None = None) -> None:
        order = call.order
        if self._calls.get(order.attempt_uuid) is call:  # and not the same attempt, sent again meanwhile
            self.forget(order.attempt_uuid)
        self._ended.append(
            EndedCall(
                organization_id=order.organization_id,
                attempt_id=order.attempt_id,
                outcome=outcome,
                spent=spent,
                sent_at=sent_at,
            )
        )
        self._wake.set()

    # --- marks -------------------------------------------------------------------------------------------

    def _advance(self, call: Call, state: AttemptState) -> None:
        if _ORDER[state] > _ORDER[call.state] and call.order.attempt_uuid in self._calls:
            call.state = state
            self._changed.add(call.order.attempt_uuid)
            self._wake.set()

    def flush(self) -> None:
        """Start writing down how far calls have come; what changes meanwhile goes with the next time."""
        if self._changed and not self._flushing:
            self._flushing = True
            self._clock.spawn(self._flush())

    async def _flush(self) -> None:
        changed, self._changed = self._changed, set()
        calls = [self._calls[attempt_uuid] for attempt_uuid in changed if attempt_uuid in self._calls]
        by_organization: dict[int, list[Call]] = defaultdict(list)
        for call in calls:
            by_organization[call.order.organization_id].append(call)
        try:
            for organization_id, ours in by_organization.items():
                await self._mark(organization_id, ours)
        except BaseException:
            self._changed |= changed
            raise
        finally:
            self._flushing = False
            if self._changed:
                self._wake.set()

    async def _mark(self, organization_id: int, calls: Sequence[Call]) -> None:
        now = self._clock.now()
        async with self._database.connection() as connection:
            await sql.mark(
                connection,
                organization_id=organization_id,
                ids=[call.order.attempt_id for call in calls],
                states=[call.state.value for call in calls],
                carrier_call_ids=[call.carrier_call_id for call in calls],
                placed_ats=[call.placed_at for call in calls],
                ringing_ats=[call.ringing_at for call in calls],
                answered_ats=[call.answered_at for call in calls],
                deadlines=[call.deadline_at(now) for call in calls],
                tell=not self._clock.virtual,
            )


_ORDER = {
    AttemptState.SENDING: 0,
    AttemptState.UNKNOWN: 1,
    AttemptState.PLACED: 2,
    AttemptState.RINGING: 3,
    AttemptState.ANSWERED: 4,
}
