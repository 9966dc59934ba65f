"""calls that a carrier accepted after a backup was taken -> attempts that it is asked about, like all that were open"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from dialplane.core.attempt import ContactState, Outcome
from dialplane.core.disposition import Disposition
from dialplane.engine.outcomes import EndedCall, settle
from dialplane.ports import PastCall, Remembers
from dialplane.store.postgres import Connection, Row, rows, sql
from dialplane.store.records import SKIP, policies
from dialplane.store.turn import Turn

PAGE: Final = 500
COUNTED: Final = (ContactState.REACHED, ContactState.EXHAUSTED, ContactState.SKIPPED)
OVERTAKEN: Final = "a later call to this number is known, and what became of this one is not"


@dataclass(frozen=True, slots=True)
class CatchingUp:
    """For one organization, in a transaction in which nobody dials for it."""

    turn: Turn
    worker_id: UUID

    async def enter(self, carrier_id: int, carrier: Remembers, since: datetime) -> int:
        """How many calls to contacts of the database it did not know of. Raises CarrierUnavailable."""
        entered = 0
        async for page in _pages(carrier.accepted_since(since)):
            calls = {call.attempt_uuid: call for call in page}
            known = sql.known_attempts(self._connection, uuids=list(calls), **self._of)
            for uuid in [row["uuid"] for row in await rows(known)]:
                del calls[uuid]
            for call in calls.values():
                entered += await self._enter(carrier_id, call)
        return entered

    async def _enter(self, carrier_id: int, call: PastCall) -> bool:
        to = {"to_number": call.to_number, **self._of}
        contact_id = await sql.called_contact(self._connection, campaign_id=call.campaign_id, **to)
        if contact_id is None:
            return False  # who was added after the backup is not called again either
        await self._end([row["id"] for row in await rows(sql.open_attempts_to(self._connection, **to))], call.placed_at)
        campaign = await sql.campaign(self._connection, campaign_id=call.campaign_id, **self._of)
        entered = await sql.enter_call(
            self._connection,
            contact_id=contact_id,
            agent_version=policies(campaign).split.version_for(
                contact_id, seed=campaign["uuid"], in_force=campaign["agent_version"]
            ),
            carrier_id=carrier_id,
            worker_id=self.worker_id,
            uuid=call.attempt_uuid,
            from_number=call.from_number,
            placed_at=call.placed_at,
            **to,
        )
        if entered["old_state"] in COUNTED:
            await self.turn.add_progress(self.worker_id, _uncounted(entered))
        return True

    async def _end(self, attempt_ids: list[int], at: datetime) -> None:
        """A number has one call at a time: those before the later one are over, whatever they came to."""
        outcome = Outcome(disposition=Disposition.UNKNOWN, ended_at=at, cause=OVERTAKEN)
        organization_id = self.turn.organization_id
        ended = [
            EndedCall(organization_id=organization_id, attempt_id=attempt_id, outcome=outcome, spent=True)
            for attempt_id in attempt_ids
        ]
        await settle(self._connection, organization_id, self.worker_id, ended, tell=self.turn.tell)

    @property
    def _connection(self) -> Connection:
        return self.turn.connection

    @property
    def _of(self) -> dict[str, int]:
        return {"organization_id": self.turn.organization_id}


def _uncounted(contact: Row) -> dict[tuple[int, str], int]:
    """What progress forgets of a contact that is being called again."""
    measures = [contact["old_state"]]
    if contact["old_reason"] is not None:
        measures.append(SKIP + contact["old_reason"])
    return {(contact["campaign_id"], measure): -1 for measure in measures}


async def _pages(calls: AsyncIterator[PastCall]) -> AsyncIterator[list[PastCall]]:
    page: list[PastCall] = []
    async for call in calls:
        page.append(call)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page
