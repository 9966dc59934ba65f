"""One call in progress: what is known of it, what its events add, what comes of it. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from dialplane.core.abandon import is_abandoned
from dialplane.core.answered_by import PEOPLE, AnsweredBy
from dialplane.core.attempt import AttemptState, Conversation, Order, Outcome
from dialplane.core.disposition import Disposition
from dialplane.core.machines import OnScreening
from dialplane.ports import Answered, Ended, Ringing

CAUSES = {  # of a call that no person answered
    AnsweredBy.MACHINE: "a machine answered",
    AnsweredBy.SCREENING: "call screening answered",
    AnsweredBy.FAX: "a fax answered",
}
DEADLINE_GRACE = timedelta(seconds=5)  # beyond what the carrier says a state may last


@dataclass(slots=True)
class Call:
    """One call in progress.

    sent_at: when it passed the guard, by the database's clock. not_after: when it may no longer go out, by this
    worker's monotonic one. Both None for a call that another worker has placed. spoken_before: it had been answered
    when that worker died. first_word_seconds: as the line has it. hung_up: by us, before the agent was done.
    """

    order: Order
    sent_at: datetime | None = None
    not_after: float | None = None
    state: AttemptState = AttemptState.SENDING
    spoken_before: bool = False
    carrier_call_id: str | None = None
    placed_at: datetime | None = None
    ringing_at: datetime | None = None
    answered_at: datetime | None = None
    talking: bool = False
    conversation: Conversation = field(default_factory=Conversation)
    agent_failure: str = ""
    first_word_seconds: float | None = None
    answered_by: AnsweredBy | None = None
    hung_up: bool = False
    ended: Ended | None = None

    def deadline_at(self, now: datetime) -> datetime:
        """When its present state has lasted too long."""
        limits = self.order.limits
        if self.state is AttemptState.ANSWERED:
            return now + timedelta(seconds=limits.max_call_seconds) + DEADLINE_GRACE
        return now + timedelta(seconds=limits.ring_timeout_seconds) + DEADLINE_GRACE

    def hear(self, event: Ringing | Answered) -> None:
        """Each instant is taken once. A call may ring before the carrier's answer is heard, or have rung before it."""
        self.placed_at = min(self.placed_at or event.at, event.at)
        if isinstance(event, Ringing):
            self.ringing_at = self.ringing_at or event.at
        else:
            self.answered_at = self.answered_at or event.at

    def outcome(self, ended: Ended) -> Outcome:
        """With what was heard before, and what its end tells of it."""
        failed = bool(self.agent_failure)
        answered_by = self.answered_by or (AnsweredBy.MACHINE if ended.disposition is Disposition.VOICEMAIL else None)
        disposition, cause = self._judged(ended, answered_by)
        ringing_at = self.ringing_at or ended.ringing_at
        answered_at = self.answered_at or ended.answered_at
        known = (self.placed_at, ended.placed_at, ringing_at, answered_at)
        return Outcome(
            disposition=Disposition.AGENT_FAILED if failed else disposition,
            ended_at=ended.at,
            placed_at=min((at for at in known if at is not None), default=None),
            ringing_at=ringing_at,
            answered_at=answered_at,
            sip_status=ended.sip_status,
            cause=self.agent_failure if failed else cause,
            conversation=self.conversation,
            abandoned=None if disposition is Disposition.VOICEMAIL else self._is_abandoned(ended, answered_at),
            answered_by=answered_by,
            recording=ended.recording,
        )

    def _judged(self, ended: Ended, answered_by: AnsweredBy | None) -> tuple[Disposition, str]:
        """What it came to, and why. Call screening may have put a person through, unless we left at once."""
        put_through = answered_by is AnsweredBy.SCREENING and self.order.machines.on_screening is OnScreening.CARRY_ON
        if answered_by is None or answered_by in PEOPLE or put_through or ended.disposition is Disposition.VOICEMAIL:
            return ended.disposition, ended.cause
        return Disposition.VOICEMAIL, CAUSES[answered_by]

    def _is_abandoned(self, ended: Ended, answered_at: datetime | None) -> bool | None:
        if answered_at is None or self.spoken_before:
            return None
        talk_seconds = (ended.at - answered_at).total_seconds()
        return is_abandoned(self.first_word_seconds, talk_seconds, hung_up=self.hung_up)


def last_deadline(order: Order, sent_at: datetime) -> datetime:
    """When a call must be over, whatever the carrier says."""
    limits = order.limits
    return sent_at + timedelta(seconds=limits.ring_timeout_seconds + limits.max_call_seconds) + 2 * DEADLINE_GRACE
