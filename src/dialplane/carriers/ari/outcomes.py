"""Asterisk's events -> what became of a call. The table is data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dialplane.carriers.sip_statuses import BY_STATUS
from dialplane.carriers.sound_call import End, SoundCall
from dialplane.carriers.sound_carrier import Seen
from dialplane.core.disposition import Disposition

# The cause of ChannelDestroyed, ITU-T Q.850; docs.asterisk.org, Hangup Cause Mappings. Not the status of Dial: a number
# that does not exist is NOANSWER there. What is not here is the trunk's failure.
CAUSES: Final[Mapping[int, Disposition]] = {
    1: Disposition.INVALID_NUMBER,
    3: Disposition.UNREACHABLE,
    16: Disposition.CANCELED,  # before anybody answered
    17: Disposition.BUSY,
    18: Disposition.UNKNOWN,  # no answer at all came from the trunk, or the trunk says that none came to it
    19: Disposition.UNREACHABLE,
    20: Disposition.UNREACHABLE,
    21: Disposition.DECLINED,
    22: Disposition.INVALID_NUMBER,
    27: Disposition.UNREACHABLE,
    28: Disposition.INVALID_NUMBER,
}
NO_RESPONSE: Final = (18, 19)  # of the person, where it rang; also what Asterisk says once it has rung long enough
RINGS: Final = ("RINGING", "PROGRESS")
NO_SOUND: Final = "answered, but no sound came from Asterisk"
CUT_OFF: Final = "cut off: the worker that talked on it has died"
FORGOTTEN: Final = "over, and how was not heard: Asterisk knows of it no more"


def seen(event: Mapping[str, Any], call: SoundCall) -> Seen:
    """call: as far as it is known."""
    match event:
        case {"type": "Dial", "dialstatus": status}:
            return Seen(rings=status in RINGS, is_answered=status == "ANSWER")
        case {"type": "ChannelStateChange", "channel": {"state": state}}:
            return seen_in(str(state))
        case {"type": "ChannelDestroyed", "cause": int(cause)}:
            words = f"{cause} {event.get('cause_txt')}"
            return Seen(end=end_of(cause, words, event.get("tech_cause"), call))
    return Seen()


def seen_in(state: str) -> Seen:
    return Seen(rings=state == "Ringing", is_answered=state == "Up")


def end_of(cause: int, words: str, tech_cause: object, call: SoundCall) -> End:
    """tech_cause: the SIP status of a trunk that refused, which newer Asterisks tell as well."""
    if call.answered_at is not None:
        return End(disposition=Disposition.ANSWERED, cause=words)
    if cause in NO_RESPONSE and call.ringing_at is not None:
        return End(disposition=Disposition.NO_ANSWER, cause=words)
    disposition = CAUSES.get(cause, Disposition.CARRIER_FAILED)
    if not isinstance(tech_cause, int) or not 400 <= tech_cause < 700 or cause == 16:  # there it is Asterisk's own
        return End(disposition=disposition, cause=words)
    if tech_cause != 408:
        disposition = BY_STATUS.get(tech_cause, Disposition.CARRIER_FAILED)
    return End(disposition=disposition, cause=f"{words}, SIP {tech_cause}", sip_status=tech_cause)
