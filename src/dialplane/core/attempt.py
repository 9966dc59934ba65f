"""One try to reach one contact: at most one phone call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from dialplane.core.answered_by import AnsweredBy
from dialplane.core.disposition import Disposition
from dialplane.core.machines import MachineDetection
from dialplane.core.recording import Recording
from dialplane.core.screening import Check


class AttemptState(StrEnum):
    """intended -> sending -> placed -> ringing -> answered -> ended; `unknown` until the carrier has been asked."""

    INTENDED = "intended"
    SENDING = "sending"
    PLACED = "placed"
    RINGING = "ringing"
    ANSWERED = "answered"
    UNKNOWN = "unknown"
    ENDED = "ended"


class ContactState(StrEnum):
    """waiting -> dialing -> waiting | reached | exhausted | skipped | removed."""

    WAITING = "waiting"
    DIALING = "dialing"
    REACHED = "reached"
    EXHAUSTED = "exhausted"
    SKIPPED = "skipped"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimits:
    """How long a carrier's calls may stay in each state before it is asked about them."""

    send_timeout_seconds: float = 5.0
    ring_timeout_seconds: float = 60.0
    max_call_seconds: float = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A committed intent, ready to be placed: everything a carrier and an agent need for one call.

    attempt_uuid: the idempotency key towards the carrier.
    number: the ordinal of this attempt for its contact, refused ones included; the first is 1.
    send_at, send_before: the engine's clock; the call goes out in [send_at, send_before) or not at all.
    spacing: seconds that must lie between this start and the one before it, by the scope that shares the limit.
    check: what must be asked before it goes out. recording: whether the call is recorded, if its carrier does that.
    machines: what is done where no person answers, if its carrier brings their sound.
    carrier_call_id: the carrier's own name of it, where it has been placed and that is known.
    """

    organization_id: int
    campaign_id: int
    attempt_id: int
    attempt_uuid: UUID
    contact_id: int
    number: int
    carrier_id: int
    to_number: str
    from_number: str
    agent_id: int
    agent_version: int
    variables: Mapping[str, str]
    send_at: datetime
    send_before: datetime
    spacing: Mapping[str, float] = field(default_factory=dict)
    limits: CallLimits = CallLimits()
    check: Check | None = None
    recording: Recording = field(default_factory=Recording)
    machines: MachineDetection = field(default_factory=MachineDetection)
    carrier_call_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """One thing said on a call; `at_seconds` counts from the answer."""

    speaker: str  # "agent" or "contact"
    text: str
    at_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What an agent brings back from a call. opted_out: the person wants no more calls of the organization.

    summary: of the call, in words. label: the agent's own word for what came of it; "" for none. usage: what was used
    of services, what that costs and how quick they were (see docs/agents.md).
    """

    transcript: Sequence[Utterance] = ()
    gathered: Mapping[str, Any] = field(default_factory=dict)
    opted_out: bool = False
    summary: str = ""
    label: str = ""
    usage: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Everything reported about the end of an attempt. Instants are None where that point was never reached.

    abandoned: as in `core/abandon.py`; None: no person answered, or it is not known when the agent spoke. answered_by:
    None: nobody answered, or nobody listened for machines.
    """

    disposition: Disposition
    ended_at: datetime
    placed_at: datetime | None = None
    ringing_at: datetime | None = None
    answered_at: datetime | None = None
    sip_status: int | None = None
    cause: str = ""
    conversation: Conversation = Conversation()
    abandoned: bool | None = None
    answered_by: AnsweredBy | None = None
    recording: str = ""
