"""Hours, retries and breaker of a campaign, as the contracts show them."""

from __future__ import annotations

from datetime import date
from math import ceil

from pydantic import BaseModel, Field

from dialplane.api.contracts.dograh.policies import DAYS, FLAGS
from dialplane.core.abandon import AbandonDay, AbandonRule
from dialplane.core.breaker import CircuitBreaker
from dialplane.core.machines import MachineDetection, OnMachine, OnScreening
from dialplane.core.recording import Recording, RecordingMode
from dialplane.core.retry import RetryPolicy
from dialplane.core.splitting import AgentSplit
from dialplane.core.window import CallingWindow


class TimeSlotView(BaseModel):
    day_of_week: int = Field(description="0 is Monday")
    day: str
    start_time: str
    end_time: str


class ScheduleView(BaseModel):
    enabled: bool
    timezone: str
    slots: list[TimeSlotView]


class RetryView(BaseModel):
    enabled: bool
    max_retries: int
    max_attempts: int = Field(description="The first call included")
    retry_delay_seconds: int = Field(description="Rounded up to whole seconds")
    retry_on_busy: bool
    retry_on_no_answer: bool
    retry_on_voicemail: bool
    retry_on: list[str] = Field(description="All dispositions that are retried")
    delay_seconds: float
    delays: dict[str, float]
    backoff: float
    max_delay_seconds: float


class BreakerView(BaseModel):
    enabled: bool
    failure_threshold: float
    window_seconds: int
    min_calls_in_window: int


class AbandonView(BaseModel):
    enabled: bool
    max_rate: float
    min_calls: int
    pause: bool | None = Field(description="null: unless the carrier is a simulated one")


class AbandonDayView(BaseModel):
    """Calls that people answered on one day, of the campaign's zone or, where each contact's own counts, of UTC."""

    day: date
    answered: int
    abandoned: int = Field(description="Of these, calls on which the agent did not begin to speak within 2 s")
    rate: float


class RecordingView(BaseModel):
    mode: RecordingMode
    announcement: str = Field(description="Said first where `mode` is announced")


class MachineView(BaseModel):
    on_machine: OnMachine
    message: str
    on_screening: OnScreening


class VersionWeightView(BaseModel):
    version: int
    weight: int


def schedule_view(window: CallingWindow) -> ScheduleView | None:
    """None where no hours were ever set."""
    if not window.slots:
        return None
    slots = [
        TimeSlotView(day_of_week=day, day=DAYS[day], start_time=slot["start"], end_time=slot["end"])
        for slot in window.to_json()["slots"]
        for day in slot["days"]
    ]
    return ScheduleView(enabled=window.enabled, timezone=window.timezone, slots=slots)


def retry_view(policy: RetryPolicy) -> RetryView:
    return RetryView.model_validate(
        {
            **policy.to_json(),
            **{flag: disposition in policy.retry_on for flag, disposition in FLAGS.items()},
            "max_attempts": policy.max_retries + 1,
            "retry_delay_seconds": ceil(policy.delay_seconds),
        }
    )


def recording_view(recording: Recording) -> RecordingView:
    return RecordingView(mode=recording.mode, announcement=recording.announcement)


def machine_view(machines: MachineDetection) -> MachineView:
    return MachineView.model_validate(machines.to_json())


def split_view(split: AgentSplit) -> list[VersionWeightView]:
    return [VersionWeightView.model_validate(share) for share in split.to_json()]


def abandon_view(rule: AbandonRule) -> AbandonView:
    return AbandonView.model_validate(rule.to_json())


def abandon_day_view(day: AbandonDay) -> AbandonDayView:
    return AbandonDayView(day=day.day, answered=day.answered, abandoned=day.abandoned, rate=round(day.rate, 6))


def breaker_view(breaker: CircuitBreaker) -> BreakerView:
    return BreakerView(
        enabled=breaker.enabled,
        failure_threshold=breaker.threshold,
        window_seconds=ceil(breaker.window_seconds),
        min_calls_in_window=breaker.min_calls,
    )
