"""One accepted call as this process follows it: what happens next, and the lines it leaves in the log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from dialplane.carriers.simulated.callee import SimulatedLine
from dialplane.carriers.simulated.fate import Fate
from dialplane.carriers.simulated.log import Log, LogEvent, Placed
from dialplane.carriers.simulated.outcomes import REPLIES, Reply
from dialplane.core.attempt import Order
from dialplane.core.disposition import Disposition
from dialplane.ports import CallEvent, Ended


@dataclass(slots=True, eq=False, kw_only=True)
class Call:
    """A call that this process placed or looked up. `step`: index of what happens next.

    told: the listener hears of it; not so for a call whose acceptance was never reported.
    adopted_at: when it was looked up; from then on its events are delivered without faults.
    held: events that are told only after the next one.
    """

    uuid: UUID
    log: Log
    placed: Placed
    fate: Fate
    told: bool
    adopted_at: datetime | None = None
    step: int = 0
    hung_up_at: datetime | None = None
    line: SimulatedLine | None = None
    held: list[CallEvent] = field(default_factory=list)
    cancel_alarm: Callable[[], None] | None = None

    def next_step(self) -> tuple[LogEvent, datetime]:
        event, seconds = self.fate.steps[self.step]
        return event, self.placed.at + timedelta(seconds=seconds)

    def due_at(self) -> datetime:
        """When this call needs attention again: the next step, or an end that came before it."""
        ended_at = self.placed.ended.at if self.placed.ended is not None else None
        return min(at for at in (self.next_step()[1], self.hung_up_at, ended_at) if at is not None)

    def is_over(self) -> bool:
        """Whether the end is what comes next: nothing happens after it, even if it was once worked out."""
        event, at = self.next_step()
        return self.placed.ended is not None and (event is LogEvent.END or at > self.placed.ended.at)

    def record(self) -> None:
        """Write what is due; ring, answer and end are each written once, by whichever process comes first."""
        with self.log.locked():
            if self.placed.ended is not None:
                return
            event, at = self.next_step()
            if self.hung_up_at is not None and self.hung_up_at < at:
                self._record_end(self.hung_up_at, hung_up=True)
            elif event is LogEvent.END:
                self._record_end(at, hung_up=False)
            elif event not in self.placed.written:
                self.log.append(_call_line(at, event, self.placed, self._result_of(event)))

    def ended(self) -> Ended:
        end = self.placed.ended
        assert end is not None, f"call {self.placed.call_id} is told as ended before it has ended"
        return Ended(
            attempt_uuid=self.uuid,
            at=end.at,
            disposition=end.disposition,
            placed_at=self.placed.at,
            ringing_at=self._instant_of(LogEvent.RING),
            answered_at=self._instant_of(LogEvent.ANSWER),
            sip_status=end.sip_status,
            cause=end.cause,
        )

    def stop_alarm(self) -> None:
        if self.cancel_alarm is not None:
            self.cancel_alarm()
            self.cancel_alarm = None

    def _record_end(self, at: datetime, *, hung_up: bool) -> None:
        disposition, reply = self.fate.disposition, self.fate.reply
        if hung_up and LogEvent.ANSWER not in self.placed.written:
            disposition, reply = Disposition.CANCELED, REPLIES[Disposition.CANCELED]
        self.log.append(_call_line(at, LogEvent.END, self.placed, disposition) | _reply(reply))

    def _result_of(self, event: LogEvent) -> str:
        if event is LogEvent.RING:
            return "ringing"
        return "machine" if self.fate.disposition is Disposition.VOICEMAIL else "human"

    def _instant_of(self, wanted: LogEvent) -> datetime | None:
        """When it happened, or None when it did not."""
        for event, seconds in self.fate.steps:
            if event is wanted and event in self.placed.written:
                return self.placed.at + timedelta(seconds=seconds)
        return None


def placed_line(at: datetime, order: Order, call_id: str, *, reported: bool) -> dict[str, Any]:
    """The line of an accepted call: enough for another process to work the call out again."""
    line = _order_line(at, LogEvent.PLACE, order, "accepted")
    line |= {"call": call_id, "number": order.number, "contact_id": order.contact_id}
    return line if reported else line | {"reported": False}


def refused_line(at: datetime, order: Order, refusal: Disposition) -> dict[str, Any]:
    return _order_line(at, LogEvent.REFUSE, order, refusal) | {"number": order.number} | _reply(REPLIES[refusal])


def lookup_line(at: datetime, order: Order, answer: str) -> dict[str, Any]:
    return _order_line(at, LogEvent.LOOKUP, order, answer)


def _order_line(at: datetime, event: LogEvent, order: Order, result: str) -> dict[str, Any]:
    return _line(at, event, str(order.attempt_uuid), order.to_number, order.from_number, result)


def _call_line(at: datetime, event: LogEvent, placed: Placed, result: str) -> dict[str, Any]:
    line = _line(at, event, placed.attempt_id, placed.to_number, placed.from_number, result)
    return line | {"call": placed.call_id}


def _line(at: datetime, event: LogEvent, attempt_id: str, to: str, from_: str, result: str) -> dict[str, Any]:
    when = at.isoformat(timespec="microseconds")
    return {"at": when, "event": event, "attempt_id": attempt_id, "to": to, "from": from_, "result": result}


def _reply(reply: Reply) -> dict[str, Any]:
    return {"sip_status": reply.sip_status, "q850": reply.q850, "cause": reply.cause}
