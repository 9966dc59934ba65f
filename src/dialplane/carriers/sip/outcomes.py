"""How a SIP call ended -> disposition. The table is data; a trunk may override it status by status."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from dialplane.core.disposition import Disposition

# RFC 3261 section 21 and, for how telephone networks use it, RFC 3398; RFC 8197 (607), RFC 8688 (608).
STATUSES: Final[Mapping[int, Disposition]] = {
    404: Disposition.INVALID_NUMBER,
    408: Disposition.NO_ANSWER,
    410: Disposition.INVALID_NUMBER,
    429: Disposition.RATE_LIMITED,
    480: Disposition.UNREACHABLE,
    484: Disposition.INVALID_NUMBER,
    485: Disposition.INVALID_NUMBER,
    486: Disposition.BUSY,
    487: Disposition.CANCELED,
    600: Disposition.BUSY,
    603: Disposition.DECLINED,
    604: Disposition.INVALID_NUMBER,
    606: Disposition.CARRIER_FAILED,  # no codec in common, as 488
    607: Disposition.UNWANTED,
    608: Disposition.BLOCKED,
}
# What trunks write where the status alone would say that they are broken.
WORDS: Final = (
    (
        re.compile(r"cps limit exceeded|too many calls per second|calls per second", re.IGNORECASE),
        Disposition.RATE_LIMITED,
    ),
    (re.compile(r"(concurrent call|channel|capacity|session)\w* limit", re.IGNORECASE), Disposition.CAPACITY),
)
_STATUS = re.compile(r"([3-6]\d\d)\b")


# What the operating system says where a request could not even leave: no address found, nobody at the port, no way.
UNSENT: Final = ("Destination address required", "Connection refused", "Network is unreachable", "No route to host")
HUNG_UP_BY_US, TIMED_OUT, WITHOUT_RTP = "Rejected by user", "timed out", "rtp stream error"
WITHOUT_TLS: Final = "Protocol error"  # before anything was sent, or in the middle
NO_RESPONSE: Final = "no response from the trunk"
TLS_FAILED: Final = "TLS failed: see the trunk's certificate"
NO_SOUND: Final = "the trunk's answer agreed on no sound"
SOUND_STOPPED: Final = "no more sound came from the trunk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """The end of a call as the stack tells it. text: `486 Busy Here`, `603 Decline,Q.850;cause=21` where the response
    has a Reason, or what went wrong without a response. The stack tells no other header of a response.

    soundless: it was answered, and by a trunk that wants no sound. lost: the stack died with the call.
    """

    text: str
    soundless: bool = False
    lost: bool = False

    @property
    def status(self) -> int | None:
        found = _STATUS.match(self.text)
        return int(found[1]) if found else None

    @property
    def unsent(self) -> bool:
        return self.text.startswith(UNSENT)


def cause_of(closed: Closed, *, rang: bool, answered: bool, ended_by_us: Disposition | None) -> str:
    """In plain words where the stack has its own."""
    if closed.status is not None:
        return closed.text
    if closed.soundless:
        return NO_SOUND
    if closed.text == WITHOUT_RTP:
        return SOUND_STOPPED
    if closed.text.startswith(WITHOUT_TLS):
        return TLS_FAILED
    if not rang and ended_by_us is Disposition.NO_ANSWER:
        return NO_RESPONSE
    if ended_by_us is Disposition.NO_ANSWER:
        return "nobody answered"
    if ended_by_us is not None or closed.text == HUNG_UP_BY_US:
        return "hung up by us"
    if answered and "reset by peer" in closed.text:
        return "hung up by the person called"
    return NO_RESPONSE if TIMED_OUT in closed.text else closed.text


def disposition_of(
    closed: Closed, overrides: Mapping[int, Disposition], *, rang: bool, answered: bool, ended_by_us: Disposition | None
) -> Disposition:
    """ended_by_us: what it is then, as far as nobody had answered.

    A trunk that has not said that it rings makes it unknown: the network may have heard every word of the request.
    """
    if closed.lost:
        return Disposition.AGENT_FAILED if answered else Disposition.UNKNOWN
    if answered:
        return Disposition.CARRIER_FAILED if closed.soundless else Disposition.ANSWERED
    status = closed.status
    if status is None and not rang:
        if closed.unsent:
            return Disposition.CARRIER_FAILED
        if ended_by_us is Disposition.NO_ANSWER or TIMED_OUT in closed.text:
            return Disposition.UNKNOWN
    if ended_by_us is not None and status in (None, 487):
        return ended_by_us
    if status is None:
        return Disposition.UNKNOWN if not rang else Disposition.NO_ANSWER
    if status in overrides:
        return overrides[status]
    for words, meant in WORDS:
        if status in (403, 500, 503) and words.search(closed.text):
            return meant
    if status == 408 and not rang:
        return Disposition.UNREACHABLE
    return STATUSES.get(status, Disposition.DECLINED if status >= 600 else Disposition.CARRIER_FAILED)
