"""Telnyx's words -> dispositions. The tables are data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from dialplane.carriers.http_api import Refusal
from dialplane.carriers.sip_statuses import BY_STATUS
from dialplane.carriers.sound_call import End
from dialplane.carriers.sound_carrier import Seen
from dialplane.core.disposition import Disposition

# Answers to a request: developers.telnyx.com, API errors; and its codes of calls that it does not let out, which stand
# at the end of a text (SIP response codes, D series). What is not here means that our account, our numbers or the
# request are at fault: nothing was placed, and the next call would fare no better.
INVALID_NUMBER: Final = frozenset({"10002", "10016"})  # of `to`, where the error says so
ALREADY_ENDED: Final = "90018"
NO_CREDENTIALS: Final = "10009"
D_CODES: Final[Mapping[str, Disposition]] = {
    "D1": Disposition.CAPACITY,  # calls at once: of the account
    "D2": Disposition.CAPACITY,  # of the outbound profile
    "D3": Disposition.CAPACITY,  # of the connection
    "D11": Disposition.INVALID_NUMBER,
    "D13": Disposition.BLOCKED,  # the profile lets no calls out to this country
    "D22": Disposition.CAPACITY,
    "D24": Disposition.BLOCKED,  # dearer than the profile allows
    "D40": Disposition.UNREACHABLE,  # no route
}
_D_CODE = re.compile(r"\bD\d{1,2}\b")
_FULL = re.compile(r"(channel|concurrent call)s? limit", re.IGNORECASE)
# hangup_cause of a call that is over. Where the other side's network said more, that counts: see `disposition_of`.
CAUSES: Final[Mapping[str, Disposition]] = {
    "call_rejected": Disposition.DECLINED,
    "no_answer": Disposition.NO_ANSWER,
    "normal_clearing": Disposition.ANSWERED,
    "not_found": Disposition.INVALID_NUMBER,
    "originator_cancel": Disposition.CANCELED,
    "time_limit": Disposition.ANSWERED,
    "timeout": Disposition.NO_ANSWER,
    "user_busy": Disposition.BUSY,
}
BY_THE_NETWORK: Final = frozenset({"call_rejected", "normal_clearing", "unspecified"})
MACHINES: Final = frozenset({"machine", "fax_detected"})
NO_STREAM: Final = "answered, but Telnyx opened no stream: is wss:// let through to the server?"
OVER: Final = "over, as Telnyx says, which does not tell how it ended"


def refusal(status: int, content: Mapping[str, Any], reason: str) -> Refusal:
    """Of an answer with {"errors": [{"code": "10009", "title": "Authentication failed", "detail": …}]}."""
    errors = content.get("errors")
    error = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    code, text = str(error.get("code") or status), f"{error.get('title') or reason} {error.get('detail') or ''}".strip()
    disposition = _disposition(code, text, error.get("source"))
    return Refusal(
        cause=f"{code} {text}",
        disposition=disposition,
        closes=status == 401 or code == NO_CREDENTIALS or (status == 403 and not _d_code(text) and not disposition),
        gone=code == ALREADY_ENDED,
    )


def _disposition(code: str, text: str, source: object) -> Disposition | None:
    if code in INVALID_NUMBER and isinstance(source, Mapping) and source.get("pointer") == "/to":
        return Disposition.INVALID_NUMBER
    if (found := _d_code(text)) in D_CODES:
        return D_CODES[found]
    return Disposition.CAPACITY if _FULL.search(text) else None


def _d_code(text: str) -> str:
    found = _D_CODE.search(text)
    return found[0] if found else ""


def seen(event: str, payload: Mapping[str, Any], *, was_answered: bool) -> Seen:
    """Of a webhook. Telnyx does not tell when it rings: from `call.initiated` on it may."""
    match event:
        case "call.initiated":
            return Seen(rings=True)
        case "call.answered":
            return Seen(is_answered=True)
        case "call.machine.detection.ended" | "call.machine.premium.detection.ended":
            return Seen(by_machine=payload.get("result") in MACHINES)
        case "streaming.failed" | "streaming.stopped":
            return Seen(no_sound=f"{NO_STREAM} {payload.get('failure_reason') or ''}".strip())
        case "call.hangup":
            return Seen(end=_end(payload, was_answered=was_answered))
    return Seen()


def _end(payload: Mapping[str, Any], *, was_answered: bool) -> End:
    cause, code = str(payload.get("hangup_cause") or "unspecified"), str(payload.get("sip_hangup_cause") or "")
    sip_status = int(code) if code.isdecimal() else None
    disposition = Disposition.ANSWERED if was_answered else disposition_of(cause, sip_status)
    return End(disposition=disposition, cause=cause, sip_status=sip_status)


def disposition_of(cause: str, sip_status: int | None) -> Disposition:
    """Of a call that was not answered, as far as nobody here knows better."""
    if cause in CAUSES and (cause not in BY_THE_NETWORK or sip_status is None or sip_status < 300):
        return CAUSES[cause]
    return BY_STATUS.get(sip_status or 0, Disposition.CARRIER_FAILED)
