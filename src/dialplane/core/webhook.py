"""Which events a webhook hears of, and when a message that was not taken is sent again."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from dialplane.errors import Invalid

# Of attempts: the state that was reached. Of campaigns: what their log says.
KINDS = (
    "attempt.placed", "attempt.ringing", "attempt.answered", "attempt.unknown", "attempt.ended",
    "campaign.created", "campaign.scheduled", "campaign.draft", "campaign.running", "campaign.paused",
    "campaign.completed", "campaign.failed", "campaign.cancelled", "campaign.closed", "campaign.warned",
    "campaign.archived", "campaign.unarchived", "contact.skipped", "contacts.skipped",
    "contacts.imported", "contacts.import_failed", "contacts.added", "contacts.called", "contacts.corrected",
    "contacts.removed",
    "contacts.restored", "contacts.copied",
    "settings.changed", "breaker.tripped", "abandon.tripped", "abandon.exceeded",
    "carrier.suspended", "carrier.reactivated",
)  # fmt: skip
GROUPS = tuple(f"{noun}.*" for noun in dict.fromkeys(kind.partition(".")[0] for kind in KINDS))
ALL = "*"
STANDARD = "standard"  # the format of our own messages
TEST = "webhook.test"  # asked for by hand, whatever kinds the webhook hears of


def check_kinds(kinds: Sequence[str], of_format: Sequence[str] | None = None) -> None:
    """Raises Invalid for one that is no kind, no group such as `attempt.*`, and not `*`.

    of_format: the kinds of another format than our own.
    """
    known = (ALL, *GROUPS, *KINDS) if of_format is None else (ALL, *of_format)
    for kind in kinds:
        if kind not in known:
            nearest = difflib.get_close_matches(kind, known, 1, cutoff=0.5)
            meant = f"did you mean '{nearest[0]}'?" if nearest else f"there are {', '.join(known)}"
            raise Invalid(f"'{kind}' is no kind of event: {meant}")


def hears(kinds: Sequence[str], kind: str) -> bool:
    """Whether a webhook for these kinds gets this one. No kinds are all.

    >>> hears(["attempt.*"], "attempt.ended"), hears(["attempt.ended"], "attempt.placed")
    (True, False)
    """
    return not kinds or not {ALL, f"{kind.partition('.')[0]}.*", kind}.isdisjoint(kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long after a failed try the next one comes: eleven tries in about three days."""

    delays: tuple[timedelta, ...] = (
        timedelta(seconds=5),
        timedelta(seconds=30),
        timedelta(minutes=2),
        timedelta(minutes=10),
        timedelta(hours=1),
        timedelta(hours=3),
        timedelta(hours=6),
        timedelta(hours=12),
        timedelta(hours=24),
        timedelta(hours=24),
    )
    spread: float = 0.2  # of a delay, up and down: receivers that come back are not met by everybody at once

    @property
    def most_tries(self) -> int:
        return len(self.delays) + 1

    def after(self, tries: int, luck: float) -> timedelta | None:
        """``tries`` includes the one that just failed; ``luck`` is in [0, 1). None: there is no further one."""
        if tries >= self.most_tries:
            return None
        return self.delays[tries - 1] * (1 + self.spread * (2 * luck - 1))
