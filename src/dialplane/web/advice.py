"""Why nobody, or nobody else, is being dialled -> one sentence for the page of a campaign, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dialplane.core.reason import Reason
from dialplane.engine.explain import CampaignWhy
from dialplane.engine.views import Progress

# Of a campaign as a whole, where the words for one contact do not fit.
OF_ALL: Final = {
    Reason.RETRY_DELAY: "everybody who waits was called lately and is called again later",
    Reason.NOT_BEFORE: "everybody who waits is to be called later",
    Reason.NUMBER_RINGING: "the numbers of those who wait are in calls of other campaigns",
    Reason.ENDS_BEFORE: "the campaign ends before those who wait could be called",
    Reason.NEVER_OPEN: "the hours are never open for those who wait",
    Reason.ZONE_UNKNOWN: "the time zones of those who wait are unknown, and the hours are those of their zones",
}
OVER: Final = (Reason.COMPLETED, Reason.CANCELLED, Reason.EXPIRED)
# What to do, and where: {id} is the campaign's.
STEPS: Final = {
    Reason.DRAFT: ("Start it, or schedule its start.", ""),
    Reason.QUEUE: ("It starts by itself when that one has ended.", ""),
    Reason.PAUSED: ("Resume it.", ""),
    Reason.BREAKER: (
        "The log names the calls that failed. Mend what made them fail, then resume.",
        "/campaigns/{id}/log",
    ),
    Reason.FAILED: ("Mend what it names, then resume.", "/campaigns/{id}/log"),
    Reason.ENDS_BEFORE: ("Move its end.", "/campaigns/{id}/settings"),
    Reason.IMPORT_UNFINISHED: ("It begins by itself when the file has been read.", ""),
    Reason.OUTSIDE_WINDOW: ("To call sooner, change the hours.", "/campaigns/{id}/settings"),
    Reason.NEVER_OPEN: ("Change the hours.", "/campaigns/{id}/settings"),
    Reason.ZONE_UNKNOWN: ("Use the hours of one time zone for all.", "/campaigns/{id}/settings"),
    Reason.NO_WORKER: ("Start one: dialplane worker, or dialplane serve, which has its own.", "/system"),
    Reason.CARRIER_SUSPENDED: ("It goes on by itself. See why its calls fail.", "/carriers"),
    Reason.CARRIER_OFF: ("Switch it on.", "/carriers"),
    Reason.NO_NUMBER: ("Switch one on, or add one.", "/numbers"),
    Reason.CAMPAIGN_LINES: ("To call faster, give it more lines.", "/campaigns/{id}/settings"),
    Reason.ORGANIZATION_LINES: ("To call faster, give the organization more lines.", "/settings"),
    Reason.CARRIER_LINES: ("To call faster, give the carrier more lines.", "/carriers"),
    Reason.NUMBER_LINES: ("To call faster, give the numbers more lines, or add numbers.", "/numbers"),
    Reason.CPS: ("To call faster, raise the limit.", "/campaigns/{id}/settings"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """tone: of Tabler's alerts: warning where lines are idle and people wait.

    at: when the next call can go out, if that is known.
    """

    tone: str
    text: str
    step: str = ""
    href: str = ""
    at: datetime | None = None


def headline(why: CampaignWhy, progress: Progress) -> Headline:
    """Why nothing, or nothing more, is being dialled."""
    reason = why.hold.reason
    said = OF_ALL.get(reason, why.hold.text)
    step, href = STEPS.get(reason, ("", ""))
    href = href.format(id=why.campaign_id)
    at = why.next_at if why.next_at is not None and why.next_at > why.at else None
    if why.lines:
        busy = f"{why.lines:,} {'call is' if why.lines == 1 else 'calls are'} in progress"
        if reason is Reason.NEXT or (not progress.waiting and not why.hold.until):
            return Headline(tone="info", text=f"{busy}.")
        return Headline(tone="info", text=f"{busy}. Not more, since {said}.", step=step, href=href, at=at)
    if reason in OVER:
        return Headline(tone="success" if reason is Reason.COMPLETED else "info", text=f"{said[0].upper()}{said[1:]}.")
    if reason is Reason.NEXT:
        return Headline(tone="info", text="The next call goes out at once.")
    if not progress.waiting:
        return Headline(tone="info", text=f"Nobody is being called: {said}.")
    return Headline(tone="warning", text=f"Nobody is being called: {said}.", step=step, href=href, at=at)
