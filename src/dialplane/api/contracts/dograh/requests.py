"""What a client sends about campaigns, in every documented spelling."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, Field, model_validator

from dialplane.api.contracts.dograh.policies import (
    MOST_SLOTS,
    RETRY_OMITTED,
    AbandonConfig,
    BreakerConfig,
    MachineConfig,
    RecordingConfig,
    RetryConfig,
    ScheduleConfig,
    TimeSlot,
    VersionWeight,
    Zone,
    as_value_error,
    given_once,
    nearest,
    one_of,
    split_of,
    window_of,
)
from dialplane.api.shapes import Id, Tolerant
from dialplane.core.campaign import Policies
from dialplane.core.disposition import MEANINGS, Disposition
from dialplane.core.retry import RetryPolicy
from dialplane.core.splitting import MOST_VERSIONS, AgentSplit
from dialplane.core.window import CallingWindow
from dialplane.engine.numbering import check_region

LARGEST_CONCURRENCY = 100  # of the contract; an organization's own cap may be higher
_KEY_IN_URL = re.compile(r"https?://[^?#]*?/(campaigns/\d+/[^?#/]+)")

# Words for outcomes: ours, Sysevo's, and Dograh's tags of a run.
REDIALLED = {disposition.value: disposition for disposition in Disposition if not MEANINGS[disposition].do_not_call} | {
    "no-answer": Disposition.NO_ANSWER,
    "telephony_busy": Disposition.BUSY,
    "telephony_no-answer": Disposition.NO_ANSWER,
    "voicemail_detected": Disposition.VOICEMAIL,
}

Name = Annotated[str, Field(min_length=1, max_length=255, pattern=r"\S", examples=["Spring reminders"])]
FileKey = Annotated[str, Field(min_length=1, max_length=1024)]


HOURS = {"schedule_config", "calling_hours", "time_slots", "timezone"}


class CampaignSettings(Tolerant):
    """The policies of a campaign; what is left out or null stays as it is."""

    retry_config: RetryConfig | None = None
    max_concurrency: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Calls at once; the organization's cap unless given"
    )
    rate_limit_per_second: float | None = Field(
        None,
        ge=0.001,
        le=10_000,
        allow_inf_nan=False,
        description="Calls started per second; the carrier's unless given",
    )
    schedule_config: ScheduleConfig | None = Field(
        default=None, description="When people may be called; any hour unless given"
    )
    calling_hours: ScheduleConfig | None = Field(default=None, description="The same as schedule_config")
    time_slots: list[TimeSlot] | None = Field(
        default=None, max_length=MOST_SLOTS, description="The same as schedule_config.slots, in the zone of `timezone`"
    )
    timezone: Zone | None = Field(default=None, description="Of time_slots, or of a schedule that names none")
    circuit_breaker: BreakerConfig | None = Field(default=None, description="On unless switched off")
    abandon: AbandonConfig | None = Field(default=None, description="At most 3 % unless given")
    recording: RecordingConfig | None = Field(default=None, description="On, without an announcement, unless given")
    machine_detection: MachineConfig | None = Field(default=None, description="Off unless given")
    agent_versions: list[VersionWeight] | None = Field(
        default=None,
        max_length=MOST_VERSIONS,
        description="Each contact is always spoken with by one of these versions of the agent, as many by each as its "
        "weight says; []: by the one that is in force",
        examples=[[{"version": 3, "weight": 80}, {"version": 4, "weight": 20}]],
    )

    @model_validator(mode="after")
    def _check_hours(self) -> Self:
        """Hours that go unnoticed would let people be called at night; any other unknown field is a warning."""
        self.window()
        self.split()
        for name, meant in self.meant().items():
            if meant in HOURS:
                raise ValueError(f"unknown field '{name}'; did you mean '{meant}'?")
        return self

    def window(self) -> CallingWindow | None:
        """The hours that are asked for; None for none. Raises ValueError for two that differ."""
        objects = {"schedule_config": self.schedule_config, "calling_hours": self.calling_hours}
        windows = {name: self._zoned(hours) for name, hours in objects.items() if hours is not None}
        if self.time_slots is not None:
            windows["time_slots"] = window_of(self.time_slots, self.timezone or "UTC")
        if self.timezone is not None and not windows:
            window_of([], self.timezone, enabled=False)  # which names an unknown zone
        return given_once(windows)

    def split(self) -> AgentSplit | None:
        """None for none that is given. Raises ValueError."""
        return None if self.agent_versions is None else split_of(self.agent_versions)

    def _zoned(self, hours: ScheduleConfig) -> CallingWindow:
        if self.timezone is None:
            return hours.window()
        if "timezone" in hours.model_fields_set and hours.timezone != self.timezone:
            raise ValueError(
                f"timezone is '{self.timezone}' here and '{hours.timezone}' beside the slots: give one of them"
            )
        return window_of(hours.slots, self.timezone, enabled=hours.enabled)

    def over(self, before: Policies) -> Policies:
        """Each part that is given replaces the whole of it."""
        window = self.window()
        given: dict[str, Any] = {
            "window": window,
            "retry": self.retry_config and self.retry_config.policy(),
            "breaker": self.circuit_breaker and self.circuit_breaker.breaker(),
            "abandon": self.abandon and self.abandon.rule(),
            "recording": self.recording and self.recording.recording(),
            "machines": self.machine_detection and self.machine_detection.machines(),
            "split": self.split(),
            "max_lines": self.max_concurrency,
            "cps": self.rate_limit_per_second,
        }
        return replace(before, **{part: value for part, value in given.items() if value is not None})

    def doubts(self) -> list[str]:
        """What may not be as it was meant."""
        alone = self.timezone is not None and self.window() is None
        return self.unknown() + (
            ["timezone without hours restricts nothing: calls go out at any hour"] if alone else []
        )


class CreateCampaign(CampaignSettings):
    """A campaign: who calls, whom, and by which rules."""

    name: Name
    workflow_id: Id = Field(description="The agent")
    source_type: Literal["csv"] | None = None
    source_id: FileKey | None = Field(default=None, description="file_key of an upload")
    contacts_file_key: FileKey | None = Field(default=None, description="The same as source_id")
    source_url: FileKey | None = Field(default=None, description="The same as source_id; an upload's URL will do")
    s3_key: FileKey | None = Field(default=None, description="The same as source_id")
    telephony_configuration_id: Id | None = Field(
        default=None, description="Unless given: the default one, or else the first that is ready"
    )
    number_ids: list[Id] = Field([], max_length=1000, description="Call from these numbers alone")
    default_region: str | None = Field(
        default=None, min_length=2, max_length=2, description="For numbers without a country code", examples=["US"]
    )
    strict: bool = Field(False, description="Refuse the file if any row of it is bad; otherwise bad rows are rejects")
    keep_open: bool = Field(False, description="Stay open for further contacts until it is closed; needs no file")

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        if self.source() is None and not self.keep_open:
            raise ValueError("source_id is missing: upload a contacts file and give its file_key")
        self.region()
        return self

    def source(self) -> str | None:
        """The key of the contacts file. Raises ValueError for two that differ."""
        names = ("source_id", "contacts_file_key", "source_url", "s3_key")
        given = {name: _key(value) for name in names if (value := getattr(self, name)) is not None}
        return one_of(**given) if given else None

    def region(self) -> str | None:
        """Raises ValueError."""
        with as_value_error():
            return check_region(self.default_region)

    def policies(self) -> Policies:
        return self.over(Policies(retry=RETRY_OMITTED))


class UpdateCampaign(CampaignSettings):
    """What is to change; each object that is given replaces the whole stored one."""

    name: Name | None = None


class RedialCampaign(Tolerant):
    """Whom to call again: by Dograh's three switches, or by a list of outcomes."""

    name: Name | None = Field(default=None, description="'<name> (Redial)' unless given")
    retry_on_voicemail: bool = True
    retry_on_no_answer: bool = True
    retry_on_busy: bool = True
    redial_statuses: list[str] | None = Field(
        default=None,
        min_length=1,
        max_length=30,
        description="Last outcomes",
        examples=[["no_answer", "busy", "voicemail"]],
    )
    retry_config: RetryConfig | None = Field(default=None, description="The parent's unless given")

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.dispositions()
        return self

    def dispositions(self) -> list[Disposition]:
        """Raises ValueError for none, for an unknown word, and for two spellings that differ."""
        flags = {
            Disposition.BUSY: self.retry_on_busy,
            Disposition.NO_ANSWER: self.retry_on_no_answer,
            Disposition.VOICEMAIL: self.retry_on_voicemail,
        }
        switched = [disposition for disposition, is_on in flags.items() if is_on]
        if self.redial_statuses is None:
            if not switched:
                raise ValueError(
                    "at least one of retry_on_voicemail, retry_on_no_answer and retry_on_busy must be true"
                )
            return switched
        listed = list(dict.fromkeys(_outcome(word) for word in self.redial_statuses))
        said = {flag for flag in ("busy", "no_answer", "voicemail") if f"retry_on_{flag}" in self.model_fields_set}
        for word in said:
            if getattr(self, f"retry_on_{word}") != (Disposition(word) in listed):
                raise ValueError(f"redial_statuses and retry_on_{word} say different things: give one of them")
        return listed

    def retry(self) -> RetryPolicy | None:
        return self.retry_config.policy() if self.retry_config is not None else None


class ScheduleStart(BaseModel):
    """When a campaign is to start by itself."""

    starts_at: AwareDatetime = Field(examples=["2026-12-01T09:00:00+01:00"], description="With a zone")


class Duplicate(Tolerant):
    name: Name | None = Field(default=None, description="'<name> (Copy)' unless given")


def _key(source: str) -> str:
    """The key in an upload's URL, or the key itself."""
    found = _KEY_IN_URL.match(source)
    return found[1] if found else source


def _outcome(word: str) -> Disposition:
    if (found := REDIALLED.get(word.strip().lower())) is None:
        raise ValueError(f"unknown outcome '{word}'; {nearest(word, list(REDIALLED))}")
    return found
