"""One agent, many contacts, one set of policies; and the states it moves through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from dialplane.core.abandon import AbandonRule
from dialplane.core.attempt import CallLimits
from dialplane.core.breaker import CircuitBreaker
from dialplane.core.machines import MachineDetection
from dialplane.core.numbers import NumberPool
from dialplane.core.recording import Recording
from dialplane.core.retry import RetryPolicy
from dialplane.core.screening import Check
from dialplane.core.splitting import AgentSplit
from dialplane.core.window import CallingWindow


class CampaignState(StrEnum):
    DRAFT = "draft"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Transition:
    """A verb, the states it starts from, and the one it leads to."""

    verb: str
    before: frozenset[CampaignState]
    after: CampaignState


def _arrow(verb: str, before: str, after: CampaignState) -> Transition:
    return Transition(verb, frozenset(CampaignState(state) for state in before.split()), after)


START = _arrow("start", "draft scheduled", CampaignState.RUNNING)
SCHEDULE = _arrow("schedule", "draft scheduled", CampaignState.SCHEDULED)
UNSCHEDULE = _arrow("unschedule", "scheduled", CampaignState.DRAFT)
PAUSE = _arrow("pause", "running", CampaignState.PAUSED)
RESUME = _arrow("resume", "paused failed", CampaignState.RUNNING)
CANCEL = _arrow("cancel", "draft scheduled running paused failed", CampaignState.CANCELLED)
FAIL = _arrow("fail", "running", CampaignState.FAILED)
FAIL_IMPORT = _arrow("fail", "draft scheduled running paused", CampaignState.FAILED)  # its file cannot be read

FINAL = frozenset({CampaignState.COMPLETED, CampaignState.CANCELLED})
HOLDS_QUEUE = frozenset({CampaignState.RUNNING, CampaignState.PAUSED})
EXPIRED = "expired"  # the `state_reason` of a campaign that its end has completed


def left_over(state: CampaignState, reason: str) -> str | None:
    """Why those who still wait in a campaign are skipped, although nobody touches their rows; None: they wait."""
    if state is CampaignState.CANCELLED:
        return CampaignState.CANCELLED.value
    return EXPIRED if state is CampaignState.COMPLETED and reason == EXPIRED else None


class Queued(Protocol):
    """A campaign as its queue sees it."""

    @property
    def id(self) -> int: ...
    @property
    def state(self) -> CampaignState: ...
    @property
    def queue(self) -> str | None: ...
    @property
    def starts_at(self) -> datetime | None: ...
    @property
    def ends_at(self) -> datetime | None: ...


def whose_turn(campaigns: Sequence[Queued], now: datetime) -> list[int]:
    """Ids of the scheduled campaigns that start now: their hour has come, and their queue is free for them.

    Of one queue the one with the earliest hour goes first, then the one with the lower id. One whose end has come too
    never starts.
    """
    held = {campaign.queue for campaign in campaigns if campaign.state in HOLDS_QUEUE} - {None}
    due = sorted(
        (campaign.starts_at, campaign.id, campaign.queue)
        for campaign in campaigns
        if campaign.state is CampaignState.SCHEDULED
        and campaign.starts_at is not None
        and campaign.starts_at <= now
        and (campaign.ends_at is None or campaign.ends_at > now)
    )
    started: list[int] = []
    for _, campaign_id, queue in due:
        if queue not in held:
            started.append(campaign_id)
            held |= {queue} - {None}
    return started


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """What a user sets for a campaign; each part has one verb of its own.

    max_lines: calls at once; None: the organization's cap. cps: call starts per second; None: no limit of its own.
    """

    window: CallingWindow = field(default_factory=CallingWindow)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    breaker: CircuitBreaker = field(default_factory=CircuitBreaker)
    abandon: AbandonRule = field(default_factory=AbandonRule)
    recording: Recording = field(default_factory=Recording)
    machines: MachineDetection = field(default_factory=MachineDetection)
    split: AgentSplit = field(default_factory=AgentSplit)
    max_lines: int | None = None
    cps: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk:
    """A carrier as the turn sees it: limits, numbers, pace, suspension. active: False while it is switched off."""

    id: int
    active: bool
    max_lines: int | None
    cps: float | None
    tat: datetime | None
    suspended_until: datetime | None
    breaker_since: datetime | None
    limits: CallLimits
    numbers: NumberPool
    slow_start: bool
    carries_sound: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A campaign as the turn sees it. agent_version: the one in force."""

    id: int
    uuid: UUID
    name: str
    state: CampaignState
    keep_open: bool
    agent_id: int
    agent_version: int
    trunk: Trunk
    policies: Policies
    sealed_sequence: int
    tat: datetime | None
    rotation: int
    starts_at: datetime | None
    ends_at: datetime | None
    queue: str | None
    check: Check | None
    resumed_at: datetime | None

    def version_for(self, contact_id: int) -> int:
        """The version of its agent that speaks with this contact."""
        return self.policies.split.version_for(contact_id, seed=self.uuid, in_force=self.agent_version)

    def is_over(self, now: datetime) -> bool:
        """Whether its end has come: no call begins any more."""
        return self.ends_at is not None and self.ends_at <= now
