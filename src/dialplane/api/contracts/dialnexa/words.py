"""States and dispositions <-> DialNexa's words."""

from __future__ import annotations

from typing import Final, Literal

from dialplane.core.attempt import AttemptState, ContactState
from dialplane.core.campaign import CampaignState
from dialplane.core.disposition import Disposition
from dialplane.webhooks.dialnexa import ENDS, CallWord

__all__ = ["ENDS", "CallWord"]

CampaignWord = Literal["draft", "active", "running", "paused", "completed", "cancelled"]
LeadWord = Literal["pending", "in_progress", "completed", "failed", "removed"]

# Theirs has no word for a campaign that a fault has stopped; like a paused one it waits for somebody to resume it.
CAMPAIGN_WORDS: Final[dict[CampaignState, CampaignWord]] = {
    CampaignState.DRAFT: "draft",
    CampaignState.SCHEDULED: "active",
    CampaignState.RUNNING: "running",
    CampaignState.PAUSED: "paused",
    CampaignState.FAILED: "paused",
    CampaignState.COMPLETED: "completed",
    CampaignState.CANCELLED: "cancelled",
}

# Of the attempt that is under way. `created` is a single call that nobody has begun to place.
OPEN_WORDS: Final[dict[AttemptState, CallWord]] = {
    AttemptState.INTENDED: "initiated",
    AttemptState.SENDING: "initiated",
    AttemptState.PLACED: "sent",
    AttemptState.RINGING: "sent",
    AttemptState.UNKNOWN: "sent",
    AttemptState.ANSWERED: "received",
}


def states_of(word: str) -> list[CampaignState]:
    return [state for state, shown in CAMPAIGN_WORDS.items() if shown == word]


def call_word(state: AttemptState, disposition: Disposition | None) -> CallWord:
    """
    >>> call_word(AttemptState.RINGING, None), call_word(AttemptState.ENDED, Disposition.BUSY)
    ('sent', 'busy')
    """
    return OPEN_WORDS[state] if disposition is None else ENDS[disposition].status


def dispositions_of(word: str) -> frozenset[Disposition]:
    """Of ended calls that read so; none for the words of a call in progress."""
    return frozenset(disposition for disposition, end in ENDS.items() if end.status == word)


def lead_word(state: ContactState, attempts: int) -> LeadWord:
    """attempts: that have ended; between two of them a lead is in progress.

    >>> lead_word(ContactState.WAITING, 0), lead_word(ContactState.WAITING, 1), lead_word(ContactState.SKIPPED, 0)
    ('pending', 'in_progress', 'failed')
    """
    match state:
        case ContactState.WAITING:
            return "in_progress" if attempts else "pending"
        case ContactState.DIALING:
            return "in_progress"
        case ContactState.REACHED:
            return "completed"
        case ContactState.REMOVED:
            return "removed"
        case ContactState.EXHAUSTED | ContactState.SKIPPED:
            return "failed"
