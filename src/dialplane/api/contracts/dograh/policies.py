"""Hours, retries and breaker as the contracts spell them <-> as the engine has them."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from dialplane.core.abandon import AbandonRule
from dialplane.core.breaker import CircuitBreaker
from dialplane.core.disposition import Disposition
from dialplane.core.machines import MOST_CHARACTERS as MOST_MESSAGE_CHARACTERS
from dialplane.core.machines import MachineDetection, OnMachine, OnScreening
from dialplane.core.recording import ANNOUNCEMENT, MOST_CHARACTERS, Recording, RecordingMode
from dialplane.core.retry import MAX_DELAY_SECONDS, RetryPolicy
from dialplane.core.slot import Slot
from dialplane.core.splitting import HIGHEST_VERSION, MOST_WEIGHT, AgentSplit
from dialplane.core.window import CONTACT, CallingWindow, known_zone
from dialplane.errors import Invalid

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MOST_SLOTS = 50
FLAGS = {
    "retry_on_busy": Disposition.BUSY,
    "retry_on_no_answer": Disposition.NO_ANSWER,
    "retry_on_voicemail": Disposition.VOICEMAIL,
}
# What a campaign gets that says nothing of retries; one that gives an empty object gets the fields' defaults.
RETRY_OMITTED = RetryPolicy(max_retries=1, delay_seconds=120)

Zone = Annotated[str, Field(max_length=64, examples=["America/New_York", CONTACT])]
Day = Annotated[int | str, Field(description="0 (Monday) to 6, or a name", examples=["monday"])]
Time = Annotated[str, Field(max_length=10, examples=["09:00"])]
Seconds = Annotated[float, Field(ge=0, le=MAX_DELAY_SECONDS, allow_inf_nan=False)]


class Policy(BaseModel):
    """An object without room for keys that nobody knows: one may be a rule that would not be kept."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _name_unknown(cls, data: Any) -> Any:
        if isinstance(data, dict):
            for key in data:
                if key not in cls.model_fields:
                    text = f"unknown key '{key}'; {nearest(str(key), list(cls.model_fields))}"
                    raise PydanticCustomError("unknown_key", text)
        return data


class TimeSlot(Policy):
    """Some hours of one day; an end before the start lies on the next day."""

    day_of_week: Day | None = None
    day: Day | None = Field(None, description="The same as day_of_week")
    start_time: Time | None = None
    start: Time | None = Field(None, description="The same as start_time")
    end_time: Time | None = None
    end: Time | None = Field(None, description="The same as end_time")

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.slot()
        return self

    def slot(self) -> Slot:
        """Raises ValueError."""
        number = None if self.day_of_week is None else _day(self.day_of_week)
        named = None if self.day is None else _day(self.day)
        given = {
            "days": [one_of(day_of_week=number, day=named)],
            "start": one_of(start_time=self.start_time, start=self.start),
            "end": one_of(end_time=self.end_time, end=self.end),
        }
        with as_value_error():
            return CallingWindow.from_json({"timezone": "UTC", "slots": [given]}).slots[0]


class ScheduleConfig(Policy):
    """When people may be called."""

    enabled: bool = Field(True, description="false is any hour; the slots are kept")
    timezone: Zone = Field("UTC", description="An IANA name, or 'contact' for each contact's own")
    slots: list[TimeSlot] = Field([], max_length=MOST_SLOTS)

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.window()
        return self

    def window(self) -> CallingWindow:
        """Raises ValueError."""
        return window_of(self.slots, self.timezone, enabled=self.enabled)


class RetryConfig(Policy):
    """Who is called again, how often and how much later. One budget per contact, over all dispositions."""

    enabled: bool = True
    max_retries: int | None = Field(None, ge=0, le=10, description="Beyond the first call; 2 unless given")
    max_attempts: int | None = Field(None, ge=1, le=11, description="The first call included")
    retry_delay_seconds: int | None = Field(
        None, ge=30, le=MAX_DELAY_SECONDS, description="From the end of a call; 120 unless given"
    )
    retry_interval_minutes: float | None = Field(
        None, ge=0.5, le=MAX_DELAY_SECONDS / 60, allow_inf_nan=False, description="The same in minutes"
    )
    delay_seconds: Seconds | None = Field(None, description="The same, and may be shorter than 30 seconds")
    retry_on_busy: bool | None = Field(None, description="true unless given")
    retry_on_no_answer: bool | None = Field(None, description="true unless given")
    retry_on_voicemail: bool | None = Field(None, description="true unless given")
    retry_on: list[str] | None = Field(
        None, max_length=30, description="All dispositions that are retried, instead of the three switches above"
    )
    delays: dict[str, Seconds] = Field({}, description="Seconds by disposition, where they differ")
    backoff: float = Field(
        1, ge=1, le=1000, allow_inf_nan=False, description="Each further retry waits this many times longer"
    )
    max_delay_seconds: Seconds = Field(MAX_DELAY_SECONDS, description="The longest that backoff can make a delay")

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.policy()
        return self

    def policy(self) -> RetryPolicy:
        """Raises ValueError."""
        beyond_first = None if self.max_attempts is None else self.max_attempts - 1
        minutes = None if self.retry_interval_minutes is None else self.retry_interval_minutes * 60
        with as_value_error():
            return RetryPolicy.from_json(
                {
                    "enabled": self.enabled,
                    "max_retries": one_of(2, max_retries=self.max_retries, max_attempts=beyond_first),
                    "delay_seconds": one_of(
                        120,
                        retry_delay_seconds=self.retry_delay_seconds,
                        retry_interval_minutes=minutes,
                        delay_seconds=self.delay_seconds,
                    ),
                    "retry_on": self._retried(),
                    "delays": self.delays,
                    "backoff": self.backoff,
                    "max_delay_seconds": self.max_delay_seconds,
                }
            )

    def _retried(self) -> list[str]:
        flags = {disposition.value: getattr(self, flag) for flag, disposition in FLAGS.items()}
        if self.retry_on is None:
            return [word for word, flag in flags.items() if flag is not False]
        for word, flag in flags.items():
            if flag is not None and flag != (word in self.retry_on):
                raise ValueError(f"retry_on and retry_on_{word} say different things about {word}: give one of them")
        return self.retry_on


class BreakerConfig(Policy):
    """When a campaign pauses itself: at a share of failed calls among those that ended lately."""

    enabled: bool = True
    failure_threshold: float = Field(
        0.5, gt=0, le=100, allow_inf_nan=False, description="A share; above 1 it is a percentage: 50 is 0.5"
    )
    window_seconds: int = Field(120, ge=30, le=600)
    min_calls_in_window: int = Field(5, ge=1, le=100)

    def breaker(self) -> CircuitBreaker:
        share = self.failure_threshold / 100 if self.failure_threshold > 1 else self.failure_threshold
        return CircuitBreaker(
            enabled=self.enabled,
            threshold=share,
            window_seconds=self.window_seconds,
            min_calls=self.min_calls_in_window,
        )


class AbandonConfig(Policy):
    """When a campaign pauses itself since too many people answered and heard nobody for two seconds."""

    enabled: bool = Field(True, description="false: its abandoned calls are not counted")
    max_rate: float = Field(
        0.03, gt=0, lt=100, allow_inf_nan=False, description="Of a day's answered calls; from 1 on it is a percentage"
    )
    min_calls: int = Field(50, ge=1, le=100_000, description="Fewer answered calls on a day say nothing")
    pause: bool | None = Field(
        None, description="false: a warning in the log is all. Unless given: pauses, except on a simulated carrier"
    )

    def rule(self) -> AbandonRule:
        share = self.max_rate / 100 if self.max_rate >= 1 else self.max_rate
        return AbandonRule(enabled=self.enabled, max_rate=share, min_calls=self.min_calls, pause=self.pause)


class RecordingConfig(Policy):
    """Whether calls are recorded, and what people are told before. The carrier's `record: false` goes over it."""

    mode: RecordingMode = Field(description="announced: from the end of the announcement on")
    announcement: str = Field(ANNOUNCEMENT, min_length=1, max_length=MOST_CHARACTERS, pattern=r"\S")

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.recording()
        return self

    def recording(self) -> Recording:
        """Raises ValueError."""
        with as_value_error():
            return Recording(mode=self.mode, announcement=self.announcement)


class MachineConfig(Policy):
    """What is done where no person answers, on carriers that bring sound."""

    on_machine: OnMachine = Field(description="off: nobody listens for machines; carry_on: the agent talks to them")
    message: str = Field(
        "",
        max_length=MOST_MESSAGE_CHARACTERS,
        description="What leave_message leaves, with {{columns}} of the contact",
        examples=["Hello {{first_name}}, please call us back."],
    )
    on_screening: OnScreening = Field(OnScreening.CARRY_ON, description="About assistants that ask who is calling")

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.machines()
        return self

    def machines(self) -> MachineDetection:
        """Raises ValueError."""
        with as_value_error():
            return MachineDetection(on_machine=self.on_machine, message=self.message, on_screening=self.on_screening)


class VersionWeight(Policy):
    """How many parts of the contacts one version of the agent speaks with."""

    version: int = Field(ge=1, le=HIGHEST_VERSION, description="Its version_number")
    weight: int = Field(ge=1, le=MOST_WEIGHT, examples=[80])


def split_of(versions: Sequence[VersionWeight]) -> AgentSplit:
    """Raises ValueError."""
    with as_value_error():
        return AgentSplit.from_json([each.model_dump() for each in versions])


# --- parts ---------------------------------------------------------------------------------------


def window_of(slots: Sequence[TimeSlot], timezone: str, *, enabled: bool = True) -> CallingWindow:
    """Raises ValueError; hours that are switched on and empty are no hours, and never any hour."""
    if timezone != CONTACT and not known_zone(timezone):
        raise ValueError(f"Invalid timezone: {timezone}")
    if enabled and not slots:
        raise ValueError("slots must hold at least one slot; to call at any hour, leave the schedule out")
    with as_value_error():
        return CallingWindow(slots=tuple(slot.slot() for slot in slots), timezone=timezone, enabled=enabled)


def one_of(default: Any = None, /, **spellings: Any) -> Any:
    """The value of a thing with several names. Raises ValueError for two that differ; for none, without a default."""
    given = {name: value for name, value in spellings.items() if value is not None}
    values = list(given.values())
    if any(value != values[0] for value in values):
        raise ValueError(f"{' and '.join(given)} say the same thing and differ: give one of them")
    if not given and default is None:
        raise ValueError(f"{next(iter(spellings))} is missing")
    return values[0] if values else default


def nearest(word: str, known: Sequence[str]) -> str:
    return f"did you mean '{difflib.get_close_matches(word, known, n=1, cutoff=0)[0]}'?"


def given_once(windows: Mapping[str, CallingWindow]) -> CallingWindow | None:
    """The hours, by the name under which they came. Raises ValueError for two that differ."""
    if not windows:
        return None
    found: CallingWindow = one_of(**windows)
    return found


@contextmanager
def as_value_error() -> Iterator[None]:
    """What the engine refuses is a fault of the request's shape."""
    try:
        yield
    except Invalid as fault:
        raise ValueError(str(fault)) from fault


def _day(day: int | str) -> int:
    word = str(day).strip().lower()
    if word in "0123456" and len(word) == 1:
        return int(word)
    for number, name in enumerate(DAYS):
        if len(word) >= 3 and name.startswith(word):
            return number
    raise ValueError(f"unknown day '{day}': write 0 (Monday) to 6, or a name such as 'monday'")
