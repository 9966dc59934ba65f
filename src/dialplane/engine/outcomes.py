"""Settling ended calls: outcome -> history, progress, retry or finish, in one transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from dialplane.core.abandon import day_of
from dialplane.core.attempt import ContactState, Conversation, Outcome
from dialplane.core.campaign import CampaignState
from dialplane.core.disposition import BREAKER_FAULTS, MEANINGS, REFUSALS, Disposition
from dialplane.core.retry import Finish, Retry
from dialplane.store.postgres import Connection, Row, rows, sql
from dialplane.store.records import answer_period, due_rank, retry_policy


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedCall:
    """An attempt that came to its end. spent: the carrier had accepted it.

    sent_at: of a sending that came to nothing, which says nothing about a later one: a worker that was frozen may learn
    of it when another has sent the attempt again. None where the call itself has ended.
    """

    organization_id: int
    attempt_id: int
    outcome: Outcome
    spent: bool
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """A call that failed, or was abandoned: a breaker wants to look at it."""

    campaign_id: int
    carrier_id: int
    abandoned: bool = False


def refused(ended_at: datetime, disposition: Disposition, cause: str, sip_status: int | None) -> tuple[Outcome, bool]:
    """The outcome of a call that the carrier did not accept, and whether it spends an attempt.

    Rate and capacity refusals are free; any other final word on a contact counts as the try that it was.
    """
    outcome = Outcome(disposition=disposition, ended_at=ended_at, cause=cause, sip_status=sip_status)
    return outcome, disposition not in REFUSALS


async def settle(
    connection: Connection, organization_id: int, worker_id: UUID, ended: Sequence[EndedCall], *, tell: bool
) -> set[Fault]:
    """Write what the calls came to and move their contacts on. Calls that had been settled before change nothing.

    tell: with an event each.
    """
    if not ended:
        return set()
    # Of two ends of one attempt, that of the call itself counts, and not that of a sending.
    once = list({call.attempt_id: call for call in sorted(ended, key=lambda call: call.sent_at is None)}.values())
    settled = await _end_attempts(connection, organization_id, once, tell=tell)
    if not settled:
        return set()
    await _settle_contacts(connection, organization_id, worker_id, settled)
    await _stop_calling(connection, organization_id, settled, once)
    faults = [row for row in settled if Disposition(row["disposition"]) in BREAKER_FAULTS]
    return {Fault(row["campaign_id"], row["carrier_id"]) for row in faults} | {
        Fault(row["campaign_id"], row["carrier_id"], abandoned=True) for row in settled if row["abandoned"]
    }


async def _end_attempts(
    connection: Connection, organization_id: int, ended: Sequence[EndedCall], *, tell: bool
) -> list[Row]:
    outcomes = [call.outcome for call in ended]
    return await rows(
        sql.end_attempts(
            connection,
            organization_id=organization_id,
            ids=[call.attempt_id for call in ended],
            dispositions=[outcome.disposition.value for outcome in outcomes],
            spent=[call.spent for call in ended],
            ended_ats=[outcome.ended_at for outcome in outcomes],
            placed_ats=[outcome.placed_at for outcome in outcomes],
            ringing_ats=[outcome.ringing_at for outcome in outcomes],
            answered_ats=[outcome.answered_at for outcome in outcomes],
            sip_statuses=[outcome.sip_status for outcome in outcomes],
            causes=[outcome.cause for outcome in outcomes],
            transcripts=[_transcript(outcome.conversation) for outcome in outcomes],
            gathered=[_kept(outcome.conversation.gathered) for outcome in outcomes],
            summaries=[outcome.conversation.summary or None for outcome in outcomes],
            labels=[outcome.conversation.label or None for outcome in outcomes],
            usages=[_kept(outcome.conversation.usage) for outcome in outcomes],
            recordings=[outcome.recording for outcome in outcomes],
            abandoned=[outcome.abandoned for outcome in outcomes],
            answered_bys=[outcome.answered_by for outcome in outcomes],
            sent_ats=[call.sent_at for call in ended],
            tell=tell,
        )
    )


async def _settle_contacts(
    connection: Connection, organization_id: int, worker_id: UUID, settled: Sequence[Row]
) -> None:
    decisions = [decide(row) for row in settled]
    answers = [_answer_period(row) for row in settled]
    count = await sql.settle_contacts(
        connection,
        organization_id=organization_id,
        worker_id=worker_id,
        contact_ids=[row["contact_id"] for row in settled],
        states=[decision.state.value for decision in decisions],
        dispositions=[decision.disposition.value for decision in decisions],
        outcomes=[row["disposition"] for row in settled],
        spent=[int(row["spent"]) for row in settled],
        refusals=[0 if row["spent"] else row["refusals"] + 1 for row in settled],
        ranks=[due_rank(row["priority"]) for row in settled],
        due_ats=[decision.due_at for decision in decisions],
        answers=answers,
        abandoned=[bool(row["abandoned"]) and answer is not None for row, answer in zip(settled, answers, strict=True)],
    )
    assert count == len(settled), f"{len(settled)} attempts ended, {count} contacts settled"


def _answer_period(row: Row) -> str | None:
    """What an answered call counts to; None for one that does not count."""
    if row["abandon_zone"] is None:
        return None
    return answer_period(day_of(row["answered_at"], row["abandon_zone"]), row["resumed_at"])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decision:
    state: ContactState
    disposition: Disposition
    due_at: datetime | None = None


def decide(row: Row) -> _Decision:
    """What becomes of a contact whose attempt ended; `row` is an answer of `end_attempts`."""
    disposition = Disposition(row["disposition"])
    answered = row["answered_at"] is not None
    if CampaignState(row["campaign_state"]) is CampaignState.CANCELLED:
        return _finished(disposition)
    # A call that never reached the carrier is as free as one that it refused.
    judged = disposition if row["spent"] or disposition in REFUSALS else Disposition.CAPACITY
    verdict: Retry | Finish = retry_policy(row).decide(
        judged,
        ended_at=row["ended_at"],
        answered=answered,
        spent=row["spent_before"] + int(row["spent"]),
        refusals=row["refusals"] + 1,
    )
    if (
        isinstance(verdict, Retry)
        and row["spent"]
        and row["ends_at"] is not None
        and verdict.not_before >= row["ends_at"]
    ):
        return _finished(disposition)  # who was never called at all waits, and reads as skipped (expired)
    if isinstance(verdict, Retry):
        return _Decision(state=ContactState.WAITING, disposition=disposition, due_at=verdict.not_before)
    return _finished(verdict.disposition)


def _finished(disposition: Disposition) -> _Decision:
    reached = disposition is Disposition.ANSWERED
    return _Decision(state=ContactState.REACHED if reached else ContactState.EXHAUSTED, disposition=disposition)


async def _stop_calling(
    connection: Connection, organization_id: int, settled: Sequence[Row], ended: Sequence[EndedCall]
) -> None:
    """Who refused all calls (SIP 607, RFC 8197), or said so on the phone, goes to the do-not-call list."""
    opted_out = {call.attempt_id for call in ended if call.outcome.conversation.opted_out}
    refused = [row["to_number"] for row in settled if MEANINGS[Disposition(row["disposition"])].do_not_call]
    asked = [row["to_number"] for row in settled if row["id"] in opted_out]
    for numbers, note in ((refused, "the person called refuses such calls"), (asked, "asked for it on the phone")):
        if numbers:
            await rows(
                sql.add_do_not_call(
                    connection,
                    organization_id=organization_id,
                    to_numbers=numbers,
                    source="call",
                    note=note,
                    now=max(row["ended_at"] for row in settled),
                )
            )


def _transcript(conversation: Conversation) -> str | None:
    if not conversation.transcript:
        return None
    said = [
        {"speaker": said.speaker, "text": said.text, "at_seconds": round(said.at_seconds, 3)}
        for said in conversation.transcript
    ]
    return json.dumps(said, ensure_ascii=False)


def _kept(told: Mapping[str, Any]) -> str | None:
    return json.dumps(dict(told), ensure_ascii=False) if told else None
