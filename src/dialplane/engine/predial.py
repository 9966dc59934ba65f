"""orders of campaigns that check each call -> orders that may go out; the other contacts end as skipped"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from dialplane.core.attempt import Order
from dialplane.ports import Candidate, CheckFailed, Clock, Screening
from dialplane.store.postgres import Database, rows, sql
from dialplane.store.turn import Turn, open_turn

PREDIAL_FAILED: Final = "predial_failed"
NOT_ELIGIBLE, TAKEN_BACK = "not eligible", "taken back"
LOG_PAUSE = timedelta(seconds=60)  # between two entries about checks in a campaign's log
CONTACTS_NAMED = 20

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Refusal:
    order: Order
    why: str


class PredialChecks:
    """Checks in progress of one worker, any number at once; each holds its line meanwhile.

    They fail closed: whoever was not found eligible is not called. release: takes an order that may go out from that
    instant on. A check changes nothing once its intent has been taken back, by whomever.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        worker_id: UUID,
        screening: Screening,
        release: Callable[[datetime, Order], None],
        wake: asyncio.Event,
    ) -> None:
        self._database = database
        self._clock = clock
        self._worker_id = worker_id
        self._screening = screening
        self._release = release
        self._wake = wake
        self._checking: dict[int, Order] = {}
        self._refused: list[_Refusal] = []
        self._writing = 0
        self._freed: set[int] = set()
        self._told_at: dict[int, datetime] = {}
        self._untold: defaultdict[int, Counter[str]] = defaultdict(Counter)

    @property
    def in_progress(self) -> int:
        return len(self._checking) + len(self._refused) + self._writing

    def take_freed(self) -> set[int]:
        """Organizations in which a line has become free since the last time."""
        freed, self._freed = self._freed, set()
        return freed

    def forget(self) -> None:
        """Whatever is answered from here on counts for nothing: the intents expire, and the contacts go back."""
        self._checking.clear()

    def begin(self, order: Order, send_at: datetime) -> None:
        """Check an order that may go out at `send_at`, or later."""
        self._checking[order.attempt_id] = order
        self._clock.spawn(self._check(order, send_at))

    async def _check(self, order: Order, send_at: datetime) -> None:
        try:
            candidate = await self._candidate(order)
            why = TAKEN_BACK if candidate is None else await self._objection(candidate)
        finally:
            counts = self._checking.pop(order.attempt_id, None) is not None
            self._freed.add(order.organization_id)
            self._wake.set()
        if not counts or why == TAKEN_BACK:
            return
        if why is None:
            self._release(max(send_at, self._clock.now()), order)
        else:
            self._refused.append(_Refusal(order, why))
            await self._write_refusals()

    async def _candidate(self, order: Order) -> Candidate | None:
        async with self._database.connection() as connection:
            row = await sql.candidate(connection, organization_id=order.organization_id, attempt_id=order.attempt_id)
        return None if row is None else Candidate(order=order, asked_at=self._clock.now(), **dict(row))

    async def _objection(self, candidate: Candidate) -> str | None:
        """Why the call must not go out; None: it may."""
        check = candidate.order.check
        assert check is not None, "only orders that have a check come here"
        try:
            async with asyncio.timeout(check.timeout_seconds):
                eligible = await self._screening.eligible(candidate, check)
        except TimeoutError:
            return f"the check gave no answer within {check.timeout_seconds:g} seconds"
        except CheckFailed as failed:
            return f"the check failed: {failed}"
        except Exception:
            # An adapter's bug says nothing about whether the person may be called.
            log.exception("attempt.check_failed", attempt_id=candidate.order.attempt_id)
            return "the check failed"
        return None if eligible else NOT_ELIGIBLE

    # --- refusals ----------------------------------------------------------------------------------------

    async def _write_refusals(self) -> None:
        """All that have come by now, in one transaction for each organization; one writer at a time."""
        if self._writing:
            return
        try:
            while self._refused:
                refused, self._refused = self._refused, []
                self._writing = len(refused)
                for organization_id in {refusal.order.organization_id for refusal in refused}:
                    ours = [refusal for refusal in refused if refusal.order.organization_id == organization_id]
                    await self._skip(organization_id, ours)
        except BaseException:
            self._refused.clear()  # their intents expire, and the contacts go back: nobody was called
            raise
        finally:
            self._writing = 0
            self._wake.set()

    async def _skip(self, organization_id: int, refused: Sequence[_Refusal]) -> None:
        reasons = {refusal.order.contact_id: refusal.why for refusal in refused}
        async with open_turn(self._database, organization_id, self._clock.instant(), wait=True) as turn:
            assert turn is not None, f"organization {organization_id} is gone"
            found = await rows(
                sql.screen_out(
                    turn.connection,
                    organization_id=organization_id,
                    ids=[refusal.order.attempt_id for refusal in refused],
                    reason=PREDIAL_FAILED,
                )
            )
            skipped: defaultdict[int, list[int]] = defaultdict(list)
            for row in found:
                skipped[row["campaign_id"]].append(row["id"])
            for campaign_id, contact_ids in skipped.items():
                await turn.count_skipped(self._worker_id, campaign_id, PREDIAL_FAILED, contact_ids)
                await self._tell(turn, campaign_id, contact_ids, Counter(reasons[each] for each in contact_ids))
            await turn.schedule(turn.now, exclusively=False)
        self._freed.add(organization_id)

    async def _tell(self, turn: Turn, campaign_id: int, contact_ids: Sequence[int], reasons: Counter[str]) -> None:
        """In the campaign's log, with those that were not told since the last time: an entry a minute at most."""
        self._untold[campaign_id] += reasons
        told_at = self._told_at.get(campaign_id)
        if told_at is not None and turn.now - told_at < LOG_PAUSE:
            return
        untold = self._untold.pop(campaign_id)
        self._told_at[campaign_id] = turn.now
        words = "; ".join(f"{reason} ({count})" for reason, count in untold.most_common(5))
        await turn.log(
            campaign_id,
            "contacts.skipped",
            f"{untold.total()} not called: {words}",
            level="info" if set(untold) == {NOT_ELIGIBLE} else "warning",
            details={"reasons": dict(untold.most_common(5)), "contact_ids": list(contact_ids[:CONTACTS_NAMED])},
        )
