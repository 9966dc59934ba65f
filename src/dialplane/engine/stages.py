"""How far the calls of campaigns are, stage by stage: the first call of each contact, the first retry, and so on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dialplane.core.attempt import ContactState
from dialplane.engine.views import CampaignView
from dialplane.store.postgres import Database, rows, sql

MOST_COUNTED: Final = 50_000  # contacts of all campaigns of an answer


@dataclass(frozen=True, slots=True)
class Stage:
    """depth: 0 is the first call. total: contacts who were called at this depth, or wait for it."""

    depth: int
    attempted: int
    total: int


@dataclass(frozen=True, slots=True)
class Tries:
    """Contacts that stand alike. spent: calls that each of them has had; one in progress comes on top."""

    state: ContactState
    spent: int
    contacts: int


class CallStages:
    """Stages of one organization's campaigns."""

    def __init__(self, database: Database, organization_id: int) -> None:
        self._database = database
        self._of = {"organization_id": organization_id}

    async def of(self, views: Sequence[CampaignView]) -> dict[int, list[Stage]]:
        """In their order, as long as they have MOST_COUNTED contacts together; the others are left out."""
        counted: list[CampaignView] = []
        left = MOST_COUNTED
        for view in views:
            if view.progress.total <= left:
                counted.append(view)
                left -= view.progress.total
        async with self._database.connection() as connection:
            found = await rows(
                sql.contact_tries(connection, campaign_ids=[view.record.id for view in counted], **self._of)
            )
        tries: defaultdict[int, list[Tries]] = defaultdict(list)
        for row in found:
            tries[row["campaign_id"]].append(Tries(ContactState(row["state"]), row["spent"], row["contacts"]))
        return {
            view.record.id: stages(tries[view.record.id], nobody_waits=view.record.left_over is not None)
            for view in counted
        }

    async def last_calls(self, campaign_ids: Sequence[int]) -> dict[int, datetime | None]:
        """When each sent its newest call; None: it has sent none."""
        async with self._database.connection() as connection:
            found = await rows(sql.last_sent(connection, campaign_ids=campaign_ids, **self._of))
        return {row["campaign_id"]: row["sent_at"] for row in found}


def stages(tries: Iterable[Tries], *, nobody_waits: bool = False) -> list[Stage]:
    """nobody_waits: the campaign is over, whoever waits in it is called no more. Empty without contacts.

    >>> reached, retried = Tries(ContactState.REACHED, 1, 3), Tries(ContactState.DIALING, 1, 1)
    >>> stages([reached, retried, Tries(ContactState.WAITING, 1, 2)])
    [Stage(depth=0, attempted=6, total=6), Stage(depth=1, attempted=1, total=3)]
    """
    called: defaultdict[int, int] = defaultdict(int)
    waiting: defaultdict[int, int] = defaultdict(int)
    total = 0
    for each in tries:
        total += each.contacts
        for depth in range(each.spent + (each.state is ContactState.DIALING)):
            called[depth] += each.contacts
        if each.state is ContactState.WAITING and not nobody_waits:
            waiting[each.spent] += each.contacts
    if not total:
        return []
    deepest = max([0, *called, *waiting])
    first = Stage(0, called[0], total)
    return [first, *(Stage(depth, called[depth], called[depth] + waiting[depth]) for depth in range(1, deepest + 1))]
