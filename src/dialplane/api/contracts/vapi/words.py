"""Our states and dispositions of calls -> Vapi's words; how calls end, messages tell in the same."""

from __future__ import annotations

from collections.abc import Mapping

from dialplane.core.attempt import AttemptState
from dialplane.core.disposition import Disposition
from dialplane.webhooks.vapi import ENDED_REASONS

CALL_STATUSES: Mapping[AttemptState, str] = {
    AttemptState.INTENDED: "queued",
    AttemptState.SENDING: "queued",
    AttemptState.PLACED: "queued",
    AttemptState.RINGING: "ringing",
    AttemptState.ANSWERED: "in-progress",
    AttemptState.UNKNOWN: "in-progress",
    AttemptState.ENDED: "ended",
}


def call_status(state: AttemptState) -> str:
    return CALL_STATUSES[state]


def call_ended_reason(disposition: Disposition) -> str:
    return ENDED_REASONS[disposition]
