"""What the store's rows become: nouns of core, and the few that a turn passes around."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from dialplane.core.abandon import AbandonRule
from dialplane.core.attempt import CallLimits, Order
from dialplane.core.breaker import CircuitBreaker
from dialplane.core.campaign import Campaign, CampaignState, Policies, Trunk
from dialplane.core.machines import MachineDetection
from dialplane.core.numbers import CallerId, NumberPool
from dialplane.core.plan import Lines
from dialplane.core.recording import Recording
from dialplane.core.retry import RetryPolicy
from dialplane.core.screening import Check
from dialplane.core.splitting import AgentSplit
from dialplane.core.window import CallingWindow
from dialplane.store.postgres import Row

RETRY_RANK = 10  # of what has no priority: retries, take-backs, clashes, late additions


SKIP = "skip."  # what a measure of skipped contacts by their reason begins with
ANSWERED, ABANDONED = "answered.", "abandoned."  # calls that people answered: how many, and how many were abandoned


def due_rank(priority: int) -> int:
    """Where a contact of this priority (0 none, 9 highest) stands among the due: lower first, 0 is for callbacks."""
    return RETRY_RANK - priority


def answer_period(day: date, resumed_at: datetime | None) -> str:
    """What ends a measure of answered calls: those of a day since the last start or resume count together."""
    return f"{day}.{0 if resumed_at is None else int(resumed_at.timestamp() * 1000)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueMember:
    """A campaign that holds a queue, or waits in it."""

    id: int
    name: str
    state: CampaignState
    queue: str | None
    starts_at: datetime | None
    ends_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Load(Lines):
    """Open attempts of an organization by what they count against, and the earliest of their deadlines."""

    deadline_at: datetime | None = None


def load(found: Sequence[Row]) -> Load:
    """From counts by campaign, carrier and number."""
    by_campaign: dict[int, int] = {}
    by_carrier: dict[int, int] = {}
    by_number: dict[int, int] = {}
    for row in found:
        for counts, key in ((by_campaign, "campaign_id"), (by_carrier, "carrier_id"), (by_number, "number_id")):
            counts[row[key]] = counts.get(row[key], 0) + row["open"]
    return Load(
        total=sum(by_campaign.values()),
        by_campaign=by_campaign,
        by_carrier=by_carrier,
        by_number=by_number,
        deadline_at=min((row["deadline_at"] for row in found), default=None),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DueHead:
    """The earliest due row of one rank, zone group and number of the contacts' own (0: they have none)."""

    rank: int
    zone_group_id: int
    number_id: int
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """How far the fresh contacts of one zone group have been taken."""

    zone_group_id: int
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A contact taken for a call, or found on the do-not-call list. sequence: its place, when taken by the cursor.

    number_id: of the number that it is to be called from; 0: any.
    """

    contact_id: int
    to_number: str
    external_id: str | None
    variables: Mapping[str, str]
    attempts: int
    priority: int
    zone_group_id: int
    number_id: int
    skipped: bool
    sequence: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """An order that has not been written yet: the id of its caller ID, its rank if it goes back."""

    order: Order
    number_id: int
    rank: int
    deadline_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Paces:
    """When the next calls may start, and how far numbers have rotated. campaigns: id -> tat, rotation."""

    organization_tat: datetime | None = None
    carrier_tats: Mapping[int, datetime] = field(default_factory=dict)
    campaigns: Mapping[int, tuple[datetime, int]] = field(default_factory=dict)


UNPACED = Paces()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentCalls:
    """Calls that ended in a breaker's window; `calls` names the latest faults."""

    ended: int
    faults: int
    calls: Sequence[str]


def policies(row: Row) -> Policies:
    """The policies of a campaign's row."""
    return Policies(
        window=_window(_text(row["calling_window"])),
        retry=retry_policy(row),
        breaker=_breaker(_text(row["breaker"])),
        abandon=_abandon(_text(row["abandon"])),
        recording=recording(row["recording"]),
        split=_split(_text(row["agent_versions"])),
        machines=machines(row["machine_detection"]),
        max_lines=row["max_lines"],
        cps=row["cps"],
    )


def retry_policy(row: Row) -> RetryPolicy:
    return _retry(_text(row["retry"]))


def recording(value: Any) -> Recording:
    """Of the column of a campaign."""
    return _recording(_text(value))


def machines(value: Any) -> MachineDetection:
    """Of the column of a campaign."""
    return _machines(_text(value))


# Parsed once for each distinct text: a turn sees the same few again and again.


def _text(value: Any) -> str:
    """The statements of a turn hand JSON over as it is, to save the reading of it."""
    return value if isinstance(value, str) else json.dumps(value)


@lru_cache(maxsize=1000)
def _window(text: str) -> CallingWindow:
    return CallingWindow.from_json(json.loads(text))


@lru_cache(maxsize=1000)
def _retry(text: str) -> RetryPolicy:
    return RetryPolicy.from_json(json.loads(text))


@lru_cache(maxsize=1000)
def _breaker(text: str) -> CircuitBreaker:
    return CircuitBreaker.from_json(json.loads(text))


@lru_cache(maxsize=1000)
def _abandon(text: str) -> AbandonRule:
    return AbandonRule.from_json(json.loads(text))


@lru_cache(maxsize=1000)
def _recording(text: str) -> Recording:
    return Recording.from_json(json.loads(text))


@lru_cache(maxsize=1000)
def _machines(text: str) -> MachineDetection:
    return MachineDetection.from_json(json.loads(text))


@lru_cache(maxsize=1000)
def _split(text: str) -> AgentSplit:
    return AgentSplit.from_json(json.loads(text))


def campaign(row: Row) -> Campaign:
    return Campaign(
        id=row["id"],
        uuid=row["uuid"],
        name=row["name"],
        state=CampaignState(row["state"]),
        keep_open=row["keep_open"],
        agent_id=row["agent_id"],
        agent_version=row["agent_version"],
        trunk=Trunk(
            id=row["carrier_id"],
            active=row["carrier_active"],
            max_lines=row["carrier_max_lines"],
            cps=row["carrier_cps"],
            tat=row["carrier_tat"],
            suspended_until=row["suspended_until"],
            breaker_since=row["breaker_since"],
            limits=call_limits(row),
            numbers=NumberPool(
                caller_ids=tuple(
                    CallerId(id=i, e164=e164, max_lines=lines, rotates=rotates)
                    for i, e164, lines, rotates in row["numbers"] or []
                )
            ),
            slow_start=row["slow_start"],
            carries_sound=row["carries_sound"],
        ),
        policies=policies(row),
        sealed_sequence=row["sealed_sequence"],
        tat=row["tat"],
        rotation=row["rotation"],
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        queue=row["queue"],
        check=None if row["screening"] is None else Check.from_json(row["screening"]),
        resumed_at=row["resumed_at"],
    )


def queue_member(row: Row) -> QueueMember:
    return QueueMember(
        id=row["id"],
        name=row["name"],
        state=CampaignState(row["state"]),
        queue=row["queue"],
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
    )


def call_limits(row: Row) -> CallLimits:
    return CallLimits(
        send_timeout_seconds=row["send_timeout_seconds"],
        ring_timeout_seconds=row["ring_timeout_seconds"],
        max_call_seconds=row["max_call_seconds"],
    )


def claim(row: Row, sequence: int | None = None) -> Claim:
    return Claim(
        contact_id=row["id"],
        to_number=row["to_number"],
        external_id=row["external_id"],
        variables=row["variables"],
        attempts=row["attempts"],
        priority=row["priority"],
        zone_group_id=row["zone_group_id"],
        number_id=row["number_id"],
        skipped=row["state"] == "skipped",
        sequence=sequence,
    )
