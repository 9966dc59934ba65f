"""What an attempt came to, and what that means for retries, breakers and the budget."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Disposition(StrEnum):
    """One word per attempt, the same in the report, the log and the HTTP answers."""

    ANSWERED = "answered"
    VOICEMAIL = "voicemail"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    DECLINED = "declined"
    UNREACHABLE = "unreachable"
    INVALID_NUMBER = "invalid_number"
    BLOCKED = "blocked"
    UNWANTED = "unwanted"
    CARRIER_FAILED = "carrier_failed"
    RATE_LIMITED = "rate_limited"
    CAPACITY = "capacity"
    AGENT_FAILED = "agent_failed"
    CANCELED = "canceled"
    UNKNOWN = "unknown"


class Fault(StrEnum):
    """Whose fault an ended call is; only `trunk` and `agent` trip breakers."""

    NONE = "none"
    TRUNK = "trunk"
    NUMBER = "number"
    AGENT = "agent"


@dataclass(frozen=True, slots=True)
class Meaning:
    """How the engine treats a disposition.

    refusal: the carrier never accepted the call, so no attempt is spent and the contact is due again soon.
    """

    fault: Fault = Fault.NONE
    refusal: bool = False
    do_not_call: bool = False


# Sources: RFC 3261 (486, 600, 603, 404), RFC 8197 (607 unwanted), RFC 8688 (608 rejected by analytics).
MEANINGS: dict[Disposition, Meaning] = {
    Disposition.ANSWERED: Meaning(),
    Disposition.VOICEMAIL: Meaning(),
    Disposition.BUSY: Meaning(),
    Disposition.NO_ANSWER: Meaning(),
    Disposition.DECLINED: Meaning(Fault.NUMBER),
    Disposition.UNREACHABLE: Meaning(),
    Disposition.INVALID_NUMBER: Meaning(Fault.NUMBER),
    Disposition.BLOCKED: Meaning(Fault.NUMBER),
    Disposition.UNWANTED: Meaning(Fault.NUMBER, do_not_call=True),
    Disposition.CARRIER_FAILED: Meaning(Fault.TRUNK),
    Disposition.RATE_LIMITED: Meaning(refusal=True),
    Disposition.CAPACITY: Meaning(refusal=True),
    Disposition.AGENT_FAILED: Meaning(Fault.AGENT),
    Disposition.CANCELED: Meaning(),
    Disposition.UNKNOWN: Meaning(Fault.TRUNK),
}

BREAKER_FAULTS = frozenset(d for d, meaning in MEANINGS.items() if meaning.fault in (Fault.TRUNK, Fault.AGENT))
TRUNK_FAULTS = frozenset(d for d, meaning in MEANINGS.items() if meaning.fault is Fault.TRUNK)
REFUSALS = frozenset(d for d, meaning in MEANINGS.items() if meaning.refusal)
