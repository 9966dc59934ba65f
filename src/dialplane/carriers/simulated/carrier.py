"""order -> accepted or refused -> ring, answer, end: in the log first, then to the listener."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from math import floor
from pathlib import Path
from uuid import UUID

from dialplane.carriers.simulated.call import Call, lookup_line, placed_line, refused_line
from dialplane.carriers.simulated.callee import SimulatedLine
from dialplane.carriers.simulated.fate import PROMPT, Delivery, Fate, delivery_of, fate_of
from dialplane.carriers.simulated.history import accepted_since
from dialplane.carriers.simulated.log import Log, LogEvent, Placed, log_path
from dialplane.carriers.simulated.outcomes import REPLIES
from dialplane.carriers.simulated.profile import Profile
from dialplane.core.attempt import Order
from dialplane.core.disposition import Disposition
from dialplane.errors import CarrierRefused, CarrierUnavailable, EnvironmentFault, PlacementUnknown
from dialplane.ports import Answered, CallEvent, Clock, Lookup, PastCall, Ringing

CPS_GRACE_SECONDS = 0.001  # instants are rounded, and clocks of several processes differ a little
RETRY_DELAY = timedelta(seconds=0.5)  # when an event could not be written


class SimulatedCarrier:
    """Carrier and Remembers of ports, without a network. Not idempotent, on purpose: a double dial shows in its log."""

    def __init__(self, profile: Profile, clock: Clock, folder: Path, carrier_id: int) -> None:
        self.limits = profile.limits()
        self._profile = profile
        self._clock = clock
        self._folder = folder
        self._carrier_id = carrier_id
        self._logs: dict[int, Log] = {}
        self._calls: dict[UUID, dict[str, Call]] = {}  # by attempt, then by call id
        self._calls_in_log: dict[Log, int] = {}
        self._receive: Callable[[CallEvent], None] = lambda _: None
        self._closed = False

    def log_path(self, campaign_id: int) -> Path:
        return log_path(self._folder, self._carrier_id, campaign_id)

    def listen(self, receive: Callable[[CallEvent], None]) -> None:
        self._receive = receive

    async def probe(self) -> str | None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._folder) as file:
                file.write(b"\n")
        except OSError as error:
            return f"the simulated carrier cannot write its log in {self._folder}: {error.strerror or error}"
        return None

    async def place(self, order: Order) -> str:
        fate = fate_of(self._profile, order.to_number, order.number)
        log = self._log(order.campaign_id)
        with log.locked():
            now = self._clock.now()
            if now > order.send_before + timedelta(seconds=order.limits.send_timeout_seconds):
                raise CarrierUnavailable("the order came too late: another worker may have sent it again")
            refusal = fate.refusal or self._over_limit(log, now)
            if refusal is not None:
                log.append(refused_line(now, order, refusal))
            else:
                call = self._accept(order, fate, log, now)
        if refusal is not None:
            reply = REPLIES[refusal]
            raise CarrierRefused(refusal, cause=reply.cause, sip_status=reply.sip_status)
        self._set_alarm(call)
        if not fate.reported:
            raise PlacementUnknown("the simulated carrier did not answer in time; the call may be ringing")
        return call.placed.call_id

    async def lookup(self, order: Order) -> Lookup:
        fate = fate_of(self._profile, order.to_number, order.number)
        log = self._log(order.campaign_id)
        with log.locked():
            found = log.find(str(order.attempt_uuid))
            answer = Lookup.KNOWN if found else Lookup.NEVER_PLACED
            answer = answer if fate.traceable else Lookup.CANNOT_TELL
            log.append(lookup_line(self._clock.now(), order, answer))
        for placed in found:
            if answer is Lookup.KNOWN:
                self._adopt(order.attempt_uuid, log, placed)
            else:
                self._finish_unheard(order.attempt_uuid, log, placed)
        return answer

    async def hang_up(self, attempt_uuid: UUID) -> None:
        for call in list(self._calls.get(attempt_uuid, {}).values()):
            if call.hung_up_at is not None or call.placed.ended is not None:
                continue
            call.hung_up_at = self._clock.now()
            with suppress(CarrierUnavailable):  # the alarm tries again
                call.record()
            self._set_alarm(call, self._clock.now())

    async def accepted_since(self, since: datetime) -> AsyncIterator[PastCall]:
        for call in accepted_since(self._folder, self._carrier_id, since):
            yield call

    async def close(self) -> None:
        self._closed = True
        for calls in self._calls.values():
            for call in calls.values():
                call.stop_alarm()
        self._calls.clear()
        for log in self._logs.values():
            log.close()

    # --- accepting -----------------------------------------------------------------------------

    def _log(self, campaign_id: int) -> Log:
        if campaign_id not in self._logs:
            cps = self._profile.enforce.cps
            self._logs[campaign_id] = Log(self.log_path(campaign_id), max_starts=_starts_per_window(cps) if cps else 0)
        return self._logs[campaign_id]

    def _over_limit(self, log: Log, now: datetime) -> Disposition | None:
        """The network's own limits, judged from what all processes placed in this campaign."""
        enforce = self._profile.enforce
        if enforce.lines is not None and len(log.open) >= enforce.lines:
            return Disposition.CAPACITY
        if enforce.cps is not None and len(log.starts) == log.starts.maxlen:
            window = len(log.starts) / enforce.cps - CPS_GRACE_SECONDS
            if (now - log.starts[0]).total_seconds() < window:
                return Disposition.RATE_LIMITED
        return None

    def _accept(self, order: Order, fate: Fate, log: Log, now: datetime) -> Call:
        call_id = f"sim-{self._carrier_id}-{order.campaign_id}-{log.size_bytes}"  # no two lines begin at one offset
        log.append(placed_line(now, order, call_id, reported=fate.reported))
        return self._remember(order.attempt_uuid, log, log.open[call_id])

    def _adopt(self, uuid: UUID, log: Log, placed: Placed) -> None:
        """From here on this process tells the call, from its beginning, and writes what others left unwritten."""
        call = self._calls.get(uuid, {}).get(placed.call_id) or self._remember(uuid, log, placed)
        call.told = True
        call.adopted_at = call.adopted_at or self._clock.now()
        call.held.clear()
        call.step = 0
        self._set_alarm(call)

    def _finish_unheard(self, uuid: UUID, log: Log, placed: Placed) -> None:
        """Nobody may be told of it, but an accepted call has an end in the log even if its process died."""
        if placed.ended is None and placed.call_id not in self._calls.get(uuid, {}):
            call = self._remember(uuid, log, placed)
            call.told = False
            self._set_alarm(call)

    def _remember(self, uuid: UUID, log: Log, placed: Placed) -> Call:
        fate = fate_of(self._profile, placed.to_number, placed.number)
        call = Call(uuid=uuid, log=log, placed=placed, fate=fate, told=fate.reported)
        self._calls.setdefault(uuid, {})[placed.call_id] = call
        self._calls_in_log[log] = self._calls_in_log.get(log, 0) + 1
        return call

    def _forget(self, call: Call) -> None:
        """An idle log gives its file back: a server sees more campaigns than it may have files open."""
        calls = self._calls[call.uuid]
        del calls[call.placed.call_id]
        if not calls:
            del self._calls[call.uuid]
        self._calls_in_log[call.log] -= 1
        if self._calls_in_log[call.log] == 0:
            call.log.close()

    # --- happening -----------------------------------------------------------------------------

    def _set_alarm(self, call: Call, at: datetime | None = None) -> None:
        call.stop_alarm()
        call.cancel_alarm = self._clock.call_at(at or call.due_at(), partial(self._happen, call))

    def _happen(self, call: Call) -> None:
        """The next thing on the call: written, then told, then the alarm for the one after."""
        call.cancel_alarm = None
        try:
            call.record()
        except CarrierUnavailable:
            self._set_alarm(call, self._clock.now() + RETRY_DELAY)
            return
        except EnvironmentFault as fault:
            self._clock.spawn(_raise(fault))  # an alarm has no caller: whoever waits on the clock gets it
            self._set_alarm(call, self._clock.now() + RETRY_DELAY)
            return
        if call.is_over():
            self._tell(call, LogEvent.END)
            self._forget(call)
            return
        self._tell(call, call.next_step()[0])
        call.step += 1
        self._set_alarm(call)

    # --- telling -------------------------------------------------------------------------------

    def _tell(self, call: Call, kind: LogEvent) -> None:
        if not call.told:
            return
        placed = call.placed
        how = PROMPT
        if call.adopted_at is None:
            how = delivery_of(self._profile, call.fate, placed.to_number, placed.number, kind)
        if how.reordered and kind is not LogEvent.END:
            call.held.append(self._event(call, kind, how))
            return
        if not how.lost:
            self._deliver(self._event(call, kind, how), how)
        for event in call.held:
            self._deliver(event, PROMPT)
        call.held.clear()

    def _event(self, call: Call, kind: LogEvent, how: Delivery) -> CallEvent:
        if kind is LogEvent.END:
            return call.ended()
        at = call.next_step()[1]
        if kind is LogEvent.RING:
            return Ringing(attempt_uuid=call.uuid, at=at)
        return Answered(attempt_uuid=call.uuid, at=at, line=self._line_of(call, at, how))

    def _line_of(self, call: Call, answered_at: datetime, how: Delivery) -> SimulatedLine | None:
        if call.fate.disposition is Disposition.VOICEMAIL:
            return None
        if call.line is None:
            began = self._profile.faults.late_seconds if how.late else 0.0
            if call.adopted_at is not None:
                began = max(0.0, (call.adopted_at - answered_at).total_seconds())
            placed, fate = call.placed, call.fate
            call.line = SimulatedLine(
                self._profile,
                placed.to_number,
                placed.number,
                fate.talk_seconds,
                began_seconds=began + fate.first_word_seconds,
                broken=fate.agent_fails,
            )
        return call.line

    def _deliver(self, event: CallEvent, how: Delivery) -> None:
        if how.late:
            at = self._clock.now() + timedelta(seconds=self._profile.faults.late_seconds)
            self._clock.call_at(at, partial(self._deliver, event, Delivery(doubled=how.doubled)))
            return
        for _ in range(2 if how.doubled else 1):
            if not self._closed:
                self._receive(event)


def _starts_per_window(cps: float) -> int:
    return max(1, floor(cps))


async def _raise(fault: EnvironmentFault) -> None:
    raise fault
