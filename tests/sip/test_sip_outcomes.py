"""What a SIP status, a text of the stack or a silence comes to."""

from __future__ import annotations

from typing import Any

import pytest

from dialplane.carriers.sip.outcomes import NO_RESPONSE, NO_SOUND, Closed, cause_of, disposition_of
from dialplane.core.disposition import Disposition

RESET, TIMED_OUT, BY_US = "Connection reset by peer [104]", "Connection timed out [110]", "Rejected by user"


def disposition(text: str, overrides: Any = None, **given: Any) -> str:
    closed = Closed(text=text, soundless=given.pop("soundless", False), lost=given.pop("lost", False))
    known = {"rang": False, "answered": False, "ended_by_us": None} | given
    return disposition_of(closed, overrides or {}, **known).value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("400 Bad Request", "carrier_failed"),
        ("401 Unauthorized", "carrier_failed"),
        ("402 Payment Required", "carrier_failed"),
        ("403 Forbidden", "carrier_failed"),
        ("404 Not Found", "invalid_number"),
        ("407 Proxy Authentication Required", "carrier_failed"),
        ("408 Request Timeout", "unreachable"),
        ("410 Gone", "invalid_number"),
        ("429 Too Many Requests", "rate_limited"),
        ("480 Temporarily Unavailable", "unreachable"),
        ("482 Loop Detected", "carrier_failed"),
        ("484 Address Incomplete", "invalid_number"),
        ("485 Ambiguous", "invalid_number"),
        ("486 Busy Here", "busy"),
        ("486 Busy Here,Q.850;cause=17", "busy"),
        ("487 Request Terminated", "canceled"),
        ("488 Not Acceptable Here", "carrier_failed"),
        ("500 Server Internal Error", "carrier_failed"),
        ("503 Service Unavailable", "carrier_failed"),
        ("503 CPS Limit Exceeded", "rate_limited"),
        ("500 too many calls per second", "rate_limited"),
        ("403 Channel limit exceeded D1", "capacity"),
        ("503 Concurrent call limit exceeded", "capacity"),
        ("580 Precondition Failure", "carrier_failed"),
        ("600 Busy Everywhere", "busy"),
        ("603 Decline", "declined"),
        ("604 Does Not Exist Anywhere", "invalid_number"),
        ("606 Not Acceptable", "carrier_failed"),
        ("607 Unwanted", "unwanted"),
        ("699 Whatever", "declined"),
        ("608 Rejected", "blocked"),
        ("302 Moved Temporarily", "carrier_failed"),
    ],
)
def test_a_status_has_its_disposition(text: str, expected: str) -> None:
    assert disposition(text) == expected


@pytest.mark.parametrize(
    ("text", "given", "expected"),
    [
        ("408 Request Timeout", {"rang": True}, "no_answer"),
        (BY_US, {"rang": True, "ended_by_us": Disposition.NO_ANSWER}, "no_answer"),
        (BY_US, {"rang": True, "ended_by_us": Disposition.CANCELED}, "canceled"),
        (BY_US, {"ended_by_us": Disposition.CANCELED}, "canceled"),
        (BY_US, {"ended_by_us": Disposition.NO_ANSWER}, "unknown"),  # it has never said that it rings
        ("487 Request Terminated", {"rang": True, "ended_by_us": Disposition.NO_ANSWER}, "no_answer"),
        ("486 Busy Here", {"rang": True, "ended_by_us": Disposition.NO_ANSWER}, "busy"),
        (TIMED_OUT, {}, "unknown"),
        (TIMED_OUT, {"ended_by_us": Disposition.CANCELED}, "unknown"),
        (TIMED_OUT, {"rang": True}, "no_answer"),
        (RESET, {}, "unknown"),
        (RESET, {"rang": True, "answered": True}, "answered"),
        ("Destination address required [89]", {}, "carrier_failed"),
        ("Connection refused [111]", {}, "carrier_failed"),
        (BY_US, {"rang": True, "answered": True, "ended_by_us": Disposition.ANSWERED}, "answered"),
        (BY_US, {"rang": True, "answered": True, "soundless": True}, "carrier_failed"),
        ("the SIP process died", {"lost": True}, "unknown"),
        ("the SIP process died", {"lost": True, "rang": True, "answered": True}, "agent_failed"),
    ],
)
def test_without_a_status_it_depends_on_what_was_known(text: str, given: dict[str, Any], expected: str) -> None:
    assert disposition(text, **given) == expected


def test_a_trunk_may_mean_something_else_by_a_status() -> None:
    overrides = {404: Disposition.NO_ANSWER, 503: Disposition.CAPACITY}

    assert disposition("404 Not Found", overrides) == "no_answer"
    assert disposition("503 CPS Limit Exceeded", overrides) == "capacity"
    assert disposition("486 Busy Here", overrides) == "busy"


@pytest.mark.parametrize(
    ("text", "given", "expected"),
    [
        ("486 Busy Here", {}, "486 Busy Here"),
        (RESET, {"rang": True, "answered": True}, "hung up by the person called"),
        (RESET, {}, RESET),
        ("rtp stream error", {"rang": True, "answered": True}, "no more sound came from the trunk"),
        (BY_US, {"rang": True, "answered": True, "ended_by_us": Disposition.ANSWERED}, "hung up by us"),
        (BY_US, {"rang": True, "ended_by_us": Disposition.NO_ANSWER}, "nobody answered"),
        (BY_US, {"ended_by_us": Disposition.NO_ANSWER}, NO_RESPONSE),
        (TIMED_OUT, {}, NO_RESPONSE),
    ],
)
def test_the_cause_is_in_plain_words(text: str, given: dict[str, Any], expected: str) -> None:
    assert cause_of(Closed(text=text), **({"rang": False, "answered": False, "ended_by_us": None} | given)) == expected


def test_an_answer_without_sound_is_named() -> None:
    closed = Closed(text=BY_US, soundless=True)

    assert cause_of(closed, rang=True, answered=True, ended_by_us=Disposition.ANSWERED) == NO_SOUND
