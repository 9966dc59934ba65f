"""Attempts as people see them, and how they ask for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any
from uuid import UUID

from dialplane.core.answered_by import AnsweredBy
from dialplane.core.attempt import AttemptState
from dialplane.core.disposition import Disposition
from dialplane.store.postgres import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFilter:
    """Which attempts; None lets all pass.

    created_from, created_to: inclusive. dispositions: of ended ones; an empty set lets none pass. ended: False is those
    in progress. least_seconds, most_seconds: of talk, in whole seconds, inclusive; 0 where nobody answered, and a call
    in progress has none yet. from_number, to_number: a part is enough.
    sentiment: as the agent gathered it.
    """

    created_from: datetime | None = None
    created_to: datetime | None = None
    dispositions: frozenset[Disposition] | None = None
    ended: bool | None = None
    least_seconds: float | None = None
    most_seconds: float | None = None
    attempt_id: int | None = None
    from_number: str | None = None
    to_number: str | None = None
    sentiment: str | None = None

    @property
    def countable(self) -> bool:
        """Whether the counters know how many pass."""
        return self == AttemptFilter(dispositions=self.dispositions, ended=self.ended)

    @property
    def words(self) -> list[str] | None:
        return None if self.dispositions is None else sorted(self.dispositions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """Which part of a list. before: only attempts with a lower id, so that pages stay put while calls go on."""

    skip: int = 0
    limit: int = 50
    by_duration: bool = False
    ascending: bool = False
    before: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """An attempt and what belongs to it. disposition_before: what the contact's attempt before this one came to.

    single: a call by itself, of no campaign that people made.
    """

    id: int
    uuid: UUID
    campaign_id: int
    campaign_name: str
    single: bool
    contact_id: int
    contact_uuid: UUID
    external_id: str | None
    variables: Mapping[str, str]
    row_number: int | None
    file_key: str | None
    number: int
    carrier_id: int
    carrier_name: str
    provider: str
    from_number: str
    to_number: str
    agent_id: int
    agent_name: str
    agent_version: int
    agent_version_id: int | None
    state: AttemptState
    created_at: datetime
    sent_at: datetime | None
    placed_at: datetime | None
    ringing_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    carrier_call_id: str | None
    disposition: Disposition | None
    spent: bool | None
    disposition_before: Disposition | None
    sip_status: int | None
    cause: str
    abandoned: bool | None
    answered_by: AnsweredBy | None
    gathered: Mapping[str, Any] | None
    summary: str | None
    label: str | None
    usage: Mapping[str, Any] | None
    recording: str
    has_transcript: bool

    @property
    def cost(self) -> float | None:
        """Of the services that the agent used, in the currency of their prices; None where these are not known."""
        return (self.usage or {}).get("cost")

    @property
    def answer_seconds(self) -> float | None:
        """How long the person waited for an answer of the agent, at the median; None where nobody measured it."""
        turns = [turn["total_ms"] for turn in (self.usage or {}).get("turns", ())]
        return median(turns) / 1000 if turns else None

    @property
    def talk_seconds(self) -> float | None:
        """0 where nobody answered; None until the call has ended."""
        return None if self.ended_at is None else talk_seconds(self.answered_at, self.ended_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptPage:
    """total: of all pages."""

    attempts: Sequence[AttemptRecord]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UsagePage:
    """total, talk_seconds: of all pages, the seconds rounded call by call."""

    attempts: Sequence[AttemptRecord]
    total: int
    talk_seconds: int


def talk_seconds(answered_at: datetime | None, ended_at: datetime) -> float:
    return 0.0 if answered_at is None else max(0.0, (ended_at - answered_at) / timedelta(seconds=1))


_WORDS = {
    "state": AttemptState,
    "disposition": Disposition,
    "disposition_before": Disposition,
    "answered_by": AnsweredBy,
}


def attempt(row: Row) -> AttemptRecord:
    """`row`: an answer of `attempts_by_id`."""
    values = {name: row[name] for name in AttemptRecord.__dataclass_fields__}
    for name, kind in _WORDS.items():
        values[name] = None if values[name] is None else kind(values[name])
    return AttemptRecord(**values)
