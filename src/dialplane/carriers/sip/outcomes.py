"""How a SIP call ended -> disposition. The table is data; a trunk may override it status by status."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
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
# Twilio, 603 with X-Twilio-Error: 32203: the carrier blocks the destination.
BLOCKED_BY_TWILIO: Final = ("x-twilio-error", "32203")
_STATUS = re.compile(r"([3-6]\d\d)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """The end of a call as the stack tells it. text: `486 Busy Here`, or what went wrong without a response."""

    text: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def status(self) -> int | None:
        found = _STATUS.match(self.text)
        return int(found[1]) if found else None


NO_RESPONSE: Final = "no response from the trunk"


def cause_of(closed: Closed, *, answered: bool, ended_by_us: Disposition | None) -> str:
    """In plain words where the stack has its own."""
    if closed.status is not None:
        return closed.text
    if ended_by_us is Disposition.NO_ANSWER:
        return "nobody answered"
    if ended_by_us is not None:
        return "hung up by us"
    if answered and "reset by peer" in closed.text:
        return "hung up by the person called"
    return NO_RESPONSE if "timed out" in closed.text else closed.text


def disposition_of(
    closed: Closed, overrides: Mapping[int, Disposition], *, rang: bool, answered: bool, ended_by_us: Disposition | None
) -> Disposition:
    """ended_by_us: what it is then, as far as nobody had answered.

    Without any response it is unknown: the network may have heard every word of it.
    """
    if answered:
        return Disposition.ANSWERED
    status = closed.status
    if ended_by_us is not None and status in (None, 487):
        return ended_by_us
    if status is None:
        return Disposition.UNKNOWN if not rang else Disposition.NO_ANSWER
    if status in overrides:
        return overrides[status]
    headers = {name.lower(): value.strip() for name, value in closed.headers.items()}
    name, value = BLOCKED_BY_TWILIO
    if headers.get(name) == value:
        return Disposition.BLOCKED
    for words, meant in WORDS:
        if status in (403, 500, 503) and words.search(closed.text):
            return meant
    if status == 408 and not rang:
        return Disposition.UNREACHABLE
    return STATUSES.get(status, Disposition.DECLINED if status >= 600 else Disposition.CARRIER_FAILED)
