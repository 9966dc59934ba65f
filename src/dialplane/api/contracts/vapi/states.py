"""Our states and dispositions -> Vapi's words for campaigns and for their contacts.

Vapi has no draft, no pause and no failure. A draft reads `scheduled`: nobody has been called, and somebody must still
start it. A paused campaign reads `in-progress`: it can go on, and while it waits its hour runs out. A failed one reads
`ended`, without a reason, since nothing of it is called until an operator resumes it. The first version of the contract
knows no `cancelled`; there a campaign that was stopped reads `ended`, and `endedReason` says by whom.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from dialplane.core.campaign import CampaignState
from dialplane.core.disposition import REFUSALS
from dialplane.engine.standings import Standing
from dialplane.engine.views import CampaignRecord, Progress


class Version(IntEnum):
    """Of the campaign routes: `/campaign`, `/v2/campaign`."""

    V1 = 1
    V2 = 2


SCHEDULED, IN_PROGRESS, ENDED, CANCELLED, ARCHIVED = "scheduled", "in-progress", "ended", "cancelled", "archived"
STATUSES = (SCHEDULED, IN_PROGRESS, ENDED, CANCELLED, ARCHIVED)
OPEN = {
    CampaignState.DRAFT: SCHEDULED,
    CampaignState.SCHEDULED: SCHEDULED,
    CampaignState.RUNNING: IN_PROGRESS,
    CampaignState.PAUSED: IN_PROGRESS,
}
OVER = {CampaignState.COMPLETED: ENDED, CampaignState.FAILED: ENDED, CampaignState.CANCELLED: CANCELLED}
MEANT: Mapping[str, tuple[CampaignState, ...]] = {
    word: tuple(state for state, its_word in (OPEN | OVER).items() if its_word == word)
    for word in (SCHEDULED, IN_PROGRESS, ENDED, CANCELLED)
}

CONTACT_STATUSES: Mapping[Standing, str] = {
    Standing.WAITING: "contact.pending",
    Standing.DIALING: "contact.dispatched",
    Standing.CALLED: "contact.completed",
    Standing.NOT_PLACED: "contact.failed",
    Standing.SKIPPED: "contact.skipped",
    Standing.INELIGIBLE: "contact.predial-failed",
}
STANDINGS: Mapping[str, Standing] = {word: standing for standing, word in CONTACT_STATUSES.items()}


def status(campaign: CampaignRecord, version: Version) -> str:
    if campaign.archived_at is not None:
        return ARCHIVED
    word = (OPEN | OVER)[campaign.state]
    return ENDED if word == CANCELLED and version is Version.V1 else word


def states_of(word: str | None, version: Version) -> tuple[CampaignState, ...]:
    """What a list is to have that is asked for this status; () is all.

    >>> states_of("ended", Version.V2)
    (<CampaignState.COMPLETED: 'completed'>, <CampaignState.FAILED: 'failed'>)
    """
    if word is None or word == ARCHIVED:
        return ()
    if word == ENDED and version is Version.V1:
        return (*MEANT[ENDED], *MEANT[CANCELLED])
    return MEANT[word]


def ended_reason(campaign: CampaignRecord) -> str | None:
    """Who waited when the hour was over was not called: that is a success, too, by this contract."""
    if campaign.state is CampaignState.COMPLETED:
        return "campaign.ended.success"
    if campaign.state is CampaignState.CANCELLED:
        before = "scheduled" if campaign.started_at is None else "in-progress"
        return f"campaign.{before}.ended-by-user"
    return None


def ended_calls(progress: Progress) -> int:
    """Without those that the carrier refused for the moment: they came to no call and the contact waits on."""
    return progress.attempts - sum(progress.dispositions.get(refusal, 0) for refusal in REFUSALS)
