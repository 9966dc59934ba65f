"""Why somebody is not being called at a moment, and what it takes until they can be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Reason(StrEnum):
    """What binds. Where the report says why somebody was not called, it says the same word."""

    NEXT = "next"  # nothing does
    NOBODY_WAITS = "nobody_waits"
    # the campaign
    DRAFT = "draft"
    SCHEDULED = "scheduled"
    QUEUE = "queue"
    PAUSED = "paused"
    BREAKER = "breaker"
    ABANDONED = "abandoned"
    FAILED = "failed"
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    EXPIRED = "expired"
    ENDS_BEFORE = "ends_before"
    # the contact
    IN_CALL = "in_call"
    REACHED = "reached"
    EXHAUSTED = "exhausted"  # of many, for either of the two that follow
    ATTEMPTS_USED_UP = "attempts_used_up"
    NOT_RETRIED = "not_retried"
    REMOVED = "removed"
    DO_NOT_CALL = "do_not_call"
    ZONE_UNKNOWN = "zone_unknown"
    NEVER_OPEN = "never_open"
    NUMBER_UNAVAILABLE = "number_unavailable"
    CHECK_FAILED = "predial_failed"
    IMPORT_UNFINISHED = "import_unfinished"
    OUTSIDE_WINDOW = "outside_window"
    RETRY_DELAY = "retry_delay"
    NOT_BEFORE = "not_before"
    NUMBER_RINGING = "number_ringing"
    # who calls
    NO_WORKER = "no_worker"
    CARRIER_SUSPENDED = "carrier_suspended"
    CARRIER_OFF = "carrier_off"
    NO_NUMBER = "no_number"
    # how many, how fast
    CAMPAIGN_LINES = "campaign_lines"
    ORGANIZATION_LINES = "organization_lines"
    CARRIER_LINES = "carrier_lines"
    NUMBER_LINES = "number_lines"
    RAMP = "ramp"
    CPS = "cps"


class Release(StrEnum):
    """What lets a contact go that a reason holds."""

    NEVER = "never"  # other settings, another list
    COMMAND = "command"
    IMPORT = "import"
    WORKER = "worker"
    CAMPAIGN = "campaign"  # the end of another one
    CALL = "call"  # the end of one in progress
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Meaning:
    """words: '… is not called now: the campaign is paused'."""

    release: Release
    words: str


MEANINGS: dict[Reason, Meaning] = {
    Reason.NEXT: Meaning(Release.TIME, "nothing holds it, its turn comes next"),
    Reason.NOBODY_WAITS: Meaning(Release.NEVER, "nobody waits for a call"),
    Reason.DRAFT: Meaning(Release.COMMAND, "the campaign is a draft and has not been started"),
    Reason.SCHEDULED: Meaning(Release.TIME, "the campaign starts later"),
    Reason.QUEUE: Meaning(Release.CAMPAIGN, "another campaign of its queue goes first"),
    Reason.PAUSED: Meaning(Release.COMMAND, "the campaign is paused"),
    Reason.BREAKER: Meaning(Release.COMMAND, "its breaker has paused the campaign, since too many calls failed"),
    Reason.ABANDONED: Meaning(Release.COMMAND, "the campaign has paused itself, since too many calls were abandoned"),
    Reason.FAILED: Meaning(Release.COMMAND, "the campaign has failed"),
    Reason.CANCELLED: Meaning(Release.NEVER, "the campaign was cancelled"),
    Reason.COMPLETED: Meaning(Release.NEVER, "the campaign is completed"),
    Reason.EXPIRED: Meaning(Release.NEVER, "the campaign's end has come"),
    Reason.ENDS_BEFORE: Meaning(Release.NEVER, "the campaign ends before it could be called"),
    Reason.IN_CALL: Meaning(Release.CALL, "a call to it is in progress"),
    Reason.REACHED: Meaning(Release.NEVER, "it was reached"),
    Reason.EXHAUSTED: Meaning(Release.NEVER, "its attempts are used up, or its last call is of a kind that is final"),
    Reason.ATTEMPTS_USED_UP: Meaning(Release.NEVER, "its attempts are used up"),
    Reason.NOT_RETRIED: Meaning(Release.NEVER, "its last call is of a kind that is final"),
    Reason.REMOVED: Meaning(Release.COMMAND, "it was removed"),
    Reason.DO_NOT_CALL: Meaning(Release.NEVER, "its number is on the do-not-call list"),
    Reason.ZONE_UNKNOWN: Meaning(Release.NEVER, "its time zone is unknown, and the hours are those of its zone"),
    Reason.NEVER_OPEN: Meaning(Release.NEVER, "the hours are never open for it"),
    Reason.NUMBER_UNAVAILABLE: Meaning(Release.NEVER, "the number that it is to be called from cannot be used"),
    Reason.CHECK_FAILED: Meaning(Release.NEVER, "the check before its call said no"),
    Reason.IMPORT_UNFINISHED: Meaning(Release.IMPORT, "the import of its file is unfinished"),
    Reason.OUTSIDE_WINDOW: Meaning(Release.TIME, "it is outside the calling hours"),
    Reason.RETRY_DELAY: Meaning(Release.TIME, "it waits for its next attempt"),
    Reason.NOT_BEFORE: Meaning(Release.TIME, "it is to be called later"),
    Reason.NUMBER_RINGING: Meaning(Release.CALL, "its number is in a call of another campaign"),
    Reason.NO_WORKER: Meaning(Release.WORKER, "no worker is alive"),
    Reason.CARRIER_SUSPENDED: Meaning(Release.TIME, "the carrier rests, since too many of its calls failed"),
    Reason.CARRIER_OFF: Meaning(Release.COMMAND, "the carrier is switched off"),
    Reason.NO_NUMBER: Meaning(Release.COMMAND, "there is no number to call from"),
    Reason.CAMPAIGN_LINES: Meaning(Release.CALL, "the campaign's lines are in use"),
    Reason.ORGANIZATION_LINES: Meaning(Release.CALL, "the organization's lines are in use"),
    Reason.CARRIER_LINES: Meaning(Release.CALL, "the carrier's lines are in use"),
    Reason.NUMBER_LINES: Meaning(Release.CALL, "the lines of the numbers to call from are in use"),
    Reason.RAMP: Meaning(Release.TIME, "the slow start allows no more lines yet"),
    Reason.CPS: Meaning(Release.TIME, "calls per second are at their limit"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Not now. until: when time lets it go; None where something else has to happen first."""

    reason: Reason
    until: datetime | None = None

    @property
    def release(self) -> Release:
        return MEANINGS[self.reason].release


_ORDER = {release: place for place, release in enumerate(Release)}


def binding_first(holds: Iterable[Held]) -> list[Held]:
    """What lasts longest comes first: what time does not lift, then the latest instant."""
    return sorted(holds, key=lambda held: (_ORDER[held.release], -(held.until.timestamp() if held.until else 0)))


def free_at(holds: Sequence[Held]) -> datetime | None:
    """The instant from which on nothing of this holds, unless a call that is in progress does; None: none is known."""
    if any(held.release not in (Release.TIME, Release.CALL) for held in holds):
        return None
    return max((held.until for held in holds if held.until is not None), default=None)
