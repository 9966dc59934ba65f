"""disposition -> Dograh's words for the end of a call."""

from __future__ import annotations

from collections.abc import Iterable

from dialplane.core.disposition import Disposition

# Redial asks for the first three. A decline is no busy line: who declined is not called again for being busy.
CALL_TAGS: dict[Disposition, str] = {
    Disposition.BUSY: "telephony_busy",
    Disposition.NO_ANSWER: "telephony_no-answer",
    Disposition.VOICEMAIL: "voicemail_detected",
    Disposition.CANCELED: "telephony_canceled",
    Disposition.DECLINED: "telephony_failed",
    Disposition.UNREACHABLE: "telephony_failed",
    Disposition.INVALID_NUMBER: "telephony_failed",
    Disposition.BLOCKED: "telephony_failed",
    Disposition.UNWANTED: "telephony_failed",
    Disposition.CARRIER_FAILED: "telephony_failed",
    Disposition.RATE_LIMITED: "telephony_failed",
    Disposition.CAPACITY: "telephony_failed",
    Disposition.AGENT_FAILED: "telephony_error",
    Disposition.UNKNOWN: "telephony_error",
}
FAILURES = frozenset(d for d, tag in CALL_TAGS.items() if tag in ("telephony_failed", "telephony_error"))


def call_tags(disposition: Disposition | None) -> list[str]:
    """
    >>> call_tags(Disposition.BUSY), call_tags(Disposition.ANSWERED)
    (['telephony_busy'], [])
    """
    tag = None if disposition is None else CALL_TAGS.get(disposition)
    return [] if tag is None else [tag]


def meant(codes: Iterable[str]) -> frozenset[Disposition]:
    """The dispositions of these codes: our words, Dograh's tags, and its words for how a call ended.

    >>> sorted(meant(["busy", "no-answer", "voicemail_detected", "XFER"]))
    [<Disposition.BUSY: 'busy'>, <Disposition.NO_ANSWER: 'no_answer'>, <Disposition.VOICEMAIL: 'voicemail'>]
    """
    return frozenset(disposition for code in codes for disposition in _SPELLED.get(code.strip().lower(), ()))


def _spellings() -> dict[str, frozenset[Disposition]]:
    found: dict[str, set[Disposition]] = {"completed": {Disposition.ANSWERED}}
    for disposition in Disposition:
        tag = CALL_TAGS.get(disposition, "")
        for word in (disposition.value, tag, tag.removeprefix("telephony_")):
            found.setdefault(word, set()).add(disposition)
    del found[""]
    return {word: frozenset(dispositions) for word, dispositions in found.items()}


_SPELLED = _spellings()
