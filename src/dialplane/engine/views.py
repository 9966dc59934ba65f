"""Campaigns as people see them: the record, its progress, its log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from dialplane.core.abandon import AbandonDay
from dialplane.core.attempt import AttemptState, ContactState
from dialplane.core.campaign import CampaignState, Policies, left_over
from dialplane.core.disposition import Disposition
from dialplane.store.postgres import Row
from dialplane.store.records import ABANDONED, ANSWERED, SKIP, policies

ABANDON_DAYS: Final = 31


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """The latest contacts file of a campaign. state: importing, imported or failed. rows: read so far."""

    name: str
    key: str
    state: str
    error: str
    rows: int
    contacts: int
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignRecord:
    """A campaign as people see it."""

    id: int
    uuid: UUID
    name: str
    state: CampaignState
    state_reason: str
    keep_open: bool
    agent_id: int
    agent_name: str
    agent_version: int
    carrier_id: int
    carrier_name: str
    parent_id: int | None
    source: str  # key of the stored file that it was made from
    number_ids: Sequence[int]  # its calls come from these; empty: all of its carrier
    hidden: bool
    policies: Policies
    variable_names: Sequence[str]
    total: int
    importing: str | None  # name of the file whose import is unfinished
    suspended_until: datetime | None
    created_at: datetime
    updated_at: datetime  # of its state or settings
    starts_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    resumed_at: datetime | None = None  # last start or resume
    ends_at: datetime | None = None  # no call begins from then on
    archived_at: datetime | None = None
    queue: str | None = None  # of the campaigns of one queue, one at a time runs
    screening: Mapping[str, Any] | None = None  # as in `core/screening.py`
    extras: Mapping[str, Any] | None = None  # what doors were told, by door
    file: FileRecord | None = None
    rejects: int = 0  # rows of its files that are no contacts
    redialed_id: int | None = None  # the newest redial of it
    carrier_cps: float | None = None
    organization_cps: float | None = None

    @property
    def speaking(self) -> Sequence[int]:
        """Versions of its agent that speak on new calls."""
        return sorted(self.policies.split.weights) or [self.agent_version]

    @property
    def left_over(self) -> str | None:
        """Why those who still wait in it are skipped; None: they wait."""
        return left_over(self.state, self.state_reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a campaign's contacts and attempts stand.

    dispositions: counts ended attempts. tried: contacts with one.
    """

    total: int = 0
    reached: int = 0
    exhausted: int = 0
    skipped: int = 0
    removed: int = 0
    dialing: int = 0
    waiting: int = 0
    attempts: int = 0
    tried: int = 0
    skips: Mapping[str, int] = field(default_factory=dict)  # skipped contacts by reason
    dispositions: Mapping[str, int] = field(default_factory=dict)
    calls: Mapping[str, int] = field(default_factory=dict)  # open attempts by state
    answers: Sequence[AbandonDay] = ()  # calls that people answered, ABANDON_DAYS days, newest first

    def contacts(self) -> dict[str, int]:
        names = ("total", "reached", "exhausted", "skipped", "removed", "dialing", "waiting")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    id: int
    at: datetime
    level: str
    event: str
    message: str
    details: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignView:
    """A campaign with its numbers and its latest warnings and errors, oldest first."""

    record: CampaignRecord
    progress: Progress
    faults: Sequence[LogEntry]


_MADE = ("state", "policies", "file", "importing", "total")


def record(row: Row) -> CampaignRecord:
    """An answer of `campaign_records`; `total` has the contacts of a file that is still being imported."""
    plain = {key: row[key] for key in CampaignRecord.__dataclass_fields__ if key not in _MADE}
    file = _file(row)
    importing = file if file is not None and file.state == "importing" else None
    return CampaignRecord(
        state=CampaignState(row["state"]),
        policies=policies(row),
        file=file,
        importing=importing.name if importing else None,
        total=row["total"] + (importing.contacts if importing else 0),
        **plain,
    )


def _file(row: Row) -> FileRecord | None:
    if row["file_key"] is None:
        return None
    return FileRecord(**{name: row[f"file_{name}"] for name in FileRecord.__dataclass_fields__})


def entry(row: Row) -> LogEntry:
    return LogEntry(**{name: row[name] for name in LogEntry.__dataclass_fields__})


def _answers(measures: Mapping[str, int]) -> list[AbandonDay]:
    """A day has as many periods as the campaign was started or resumed on it."""
    counts: Counter[tuple[str, str]] = Counter()
    for measure, count in measures.items():
        for kind in (ANSWERED, ABANDONED):
            if measure.startswith(kind):
                counts[kind, measure.removeprefix(kind).partition(".")[0]] += count
    days = sorted({day for _, day in counts}, reverse=True)[:ABANDON_DAYS]
    return [
        AbandonDay(day=date.fromisoformat(day), answered=counts[ANSWERED, day], abandoned=counts[ABANDONED, day])
        for day in days
    ]


def progress(row: Row, measures: Mapping[str, int], calls: Sequence[Row]) -> Progress:
    ended = {state.value: measures.get(state.value, 0) for state in ContactState}
    dialing = sum(call["dialing"] for call in calls)
    waiting = max(0, row["total"] - dialing - sum(ended.values()))
    progress = Progress(
        total=row["total"],
        reached=ended[ContactState.REACHED],
        exhausted=ended[ContactState.EXHAUSTED],
        skipped=ended[ContactState.SKIPPED],
        removed=ended[ContactState.REMOVED],
        dialing=dialing,
        waiting=waiting,
        attempts=measures.get("attempts", 0),
        tried=measures.get("tried", 0),
        skips={measure.removeprefix(SKIP): n for measure, n in measures.items() if measure.startswith(SKIP) and n > 0},
        dispositions={
            disposition.value: count
            for disposition in Disposition
            if (count := measures.get(f"disposition.{disposition.value}", 0))
        },
        calls={call["state"]: call["calls"] for call in calls if call["state"] != AttemptState.ENDED},
        answers=_answers(measures),
    )
    over = left_over(CampaignState(row["state"]), row["state_reason"])
    if over is None or not waiting:
        return progress
    return replace(progress, waiting=0, skipped=progress.skipped + waiting, skips={**progress.skips, over: waiting})
