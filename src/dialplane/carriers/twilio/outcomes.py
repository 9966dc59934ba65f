"""Twilio's words -> dispositions. The tables are data."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from dialplane.carriers.sip_statuses import BY_STATUS
from dialplane.carriers.sound_call import End
from dialplane.carriers.sound_carrier import Seen
from dialplane.core.disposition import Disposition

# Answers to a request to call: twilio.com/docs/api/errors. What is not here means that our account, our numbers or the
# request are at fault: nothing was placed, and the next call would fare no better.
ERRORS: Final[Mapping[int, Disposition]] = {
    10004: Disposition.CAPACITY,  # too many calls at once
    13223: Disposition.INVALID_NUMBER,
    13224: Disposition.INVALID_NUMBER,
    13227: Disposition.BLOCKED,  # no permission for this country
    20429: Disposition.RATE_LIMITED,
    21211: Disposition.INVALID_NUMBER,
    21214: Disposition.UNREACHABLE,
    21215: Disposition.BLOCKED,  # no permission for this country
    21216: Disposition.BLOCKED,
    21217: Disposition.INVALID_NUMBER,
    21401: Disposition.INVALID_NUMBER,
    21421: Disposition.INVALID_NUMBER,
    21610: Disposition.UNWANTED,  # the person has said stop
    32001: Disposition.RATE_LIMITED,
    32002: Disposition.CAPACITY,
    32203: Disposition.BLOCKED,  # by the network, as spam
}
# Nothing can be placed with these credentials any more, whoever is called.
CLOSED: Final = frozenset({10001, 20003, 20005, 20008})
# CallStatus of a call that is over. `failed` alone says that it did not go through, and not whose fault that is.
ENDS: Final[Mapping[str, Disposition]] = {
    "completed": Disposition.ANSWERED,
    "busy": Disposition.BUSY,
    "failed": Disposition.UNREACHABLE,
    "no-answer": Disposition.NO_ANSWER,
    "canceled": Disposition.CANCELED,
}
NO_STREAM: Final = "answered, but Twilio opened no stream: is wss:// let through to the server? Its debugger says more"


def seen(status: str, sip_status: int | None, answered_at: datetime | None = None) -> Seen:
    """Of a CallStatus."""
    end = None
    if status in ENDS:
        end = End(disposition=disposition_of(status, sip_status), cause=status, sip_status=sip_status)
    return Seen(rings=status == "ringing", is_answered=status == "in-progress", answered_at=answered_at, end=end)


def disposition_of(status: str, sip_status: int | None) -> Disposition:
    """Of a call that is over, as far as nobody here knows better."""
    if status in ("busy", "failed") and sip_status is not None:
        return BY_STATUS.get(sip_status, Disposition.CARRIER_FAILED if status == "failed" else ENDS[status])
    return ENDS[status]


def answered_at(call: Mapping[str, object]) -> datetime | None:
    """Of a call as Twilio remembers it, once it is over; it counts whole seconds.

    >>> answered_at({"status": "completed", "end_time": "Mon, 03 Mar 2025 09:01:00 +0000", "duration": "20"})
    datetime.datetime(2025, 3, 3, 9, 0, 40, tzinfo=datetime.timezone.utc)
    """
    ended, seconds = str(call.get("end_time")), str(call.get("duration"))
    if call.get("status") != "completed" or not seconds.isdecimal():
        return None
    try:
        return parsedate_to_datetime(ended) - timedelta(seconds=int(seconds))
    except ValueError:
        return None


def is_machine(answered_by: str) -> bool:
    """
    >>> [is_machine(word) for word in ("human", "unknown", "machine_start", "machine_end_beep", "fax")]
    [False, False, True, True, True]
    """
    return answered_by.startswith("machine") or answered_by == "fax"
