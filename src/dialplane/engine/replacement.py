"""The contacts of a campaign that has called nobody, all of them changed for others."""

from __future__ import annotations

from collections.abc import Sequence

from dialplane.core.campaign import CampaignState
from dialplane.engine.additions import Checked, LateContact, check, tell_apart, with_numbers
from dialplane.engine.contacts import MOST_AT_ONCE, Contacts, refuse_all
from dialplane.errors import Conflict, InvalidTransition
from dialplane.store.postgres import sql

UNSTARTED = (CampaignState.DRAFT, CampaignState.SCHEDULED)


class Replacement(Contacts):
    """Contacts of one organization."""

    async def replace(
        self, campaign_id: int, contacts: Sequence[LateContact], *, required: frozenset[str] = frozenset()
    ) -> None:
        """All or none. required: variables that the agent's text uses.

        Raises InvalidTransition for a campaign that has started, Conflict for one that was made of a file, Invalid,
        NotFound.
        """
        checked = [check(contact, None, required) for contact in contacts]
        async with self._command() as turn:
            campaign = await self._open_campaign(turn, campaign_id)
            if CampaignState(campaign["state"]) not in UNSTARTED:
                raise InvalidTransition(f"campaign {campaign_id} is {campaign['state']}: its contacts stay")
            if campaign["source"]:
                raise Conflict(f"campaign {campaign_id} was made of a file: its contacts stay")
            told = tell_apart(with_numbers(checked, await self._number_ids(turn, campaign, checked)), {})
            refuse_all(told)
            for forget in (
                sql.discard_draft_dues,
                sql.discard_draft_contacts,
                sql.discard_draft_cursors,
                sql.discard_draft_progress,
            ):
                await forget(turn.connection, campaign_id=campaign_id, **self._of)
            await sql.forget_contacts(turn.connection, campaign_id=campaign_id, now=turn.now, **self._of)
            good = [each for each in told if isinstance(each, Checked)]
            for first in range(0, len(good), MOST_AT_ONCE):
                # Read anew: each page adds to the names of variables.
                campaign = await self._open_campaign(turn, campaign_id)
                await self._enter(turn, campaign, good[first : first + MOST_AT_ONCE])
