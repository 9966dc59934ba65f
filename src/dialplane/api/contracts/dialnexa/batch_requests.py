"""A batch call as it is asked for: the present fields, and those of the shape before."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Self

from fastapi import UploadFile
from pydantic import BaseModel, Field, field_validator, model_validator

from dialplane.api.contracts.dialnexa.campaign_shapes import FIRST_YEAR, LAST_YEAR, Lines, RetryConfig
from dialplane.api.contracts.dialnexa.shapes import TextId, WrittenInstant
from dialplane.api.shapes import Tolerant
from dialplane.core.campaign import Policies
from dialplane.core.slot import Slot
from dialplane.core.window import CONTACT, CallingWindow

MOST_TITLE = 35
MOST_VERSION = 2**31 - 1
EVERY_DAY: Final = frozenset(range(7))
# A batch begins to call as it is made: what resembles one of these and is none would be missed too late.
GUARDED: Final = frozenset(
    {"starts_at", "scheduled_at", "ends_at", "calling_hours_start", "calling_hours_end", "timezone",
     "max_concurrent_calls", "retry_config", "from_phone_number", "agent_version_number"}
)  # fmt: skip

_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::00)?")

Instant = Annotated[
    WrittenInstant | None, Field(description="ISO 8601 with a zone.", examples=["2026-12-01T09:00:00Z"])
]


class CreateBatch(Tolerant):
    """A file of leads, who calls them, and when. Empty fields are as if they were left out."""

    file: UploadFile = Field(description="CSV, XLSX or XLS with a phone_number column, 10 MB at most.")
    title: str | None = Field(None, min_length=1, max_length=MOST_TITLE, pattern=r"\S", examples=["Q3 Follow-up Batch"])
    name: str | None = Field(None, min_length=1, max_length=255, pattern=r"\S", description="The older title.")
    agent_id: TextId = Field(examples=["agt_1b4e28ba2fa111d2883f0016d3cca427"])
    agent_version_number: int | None = Field(
        None, ge=0, le=MOST_VERSION, description="The version in force: no other one calls."
    )
    starts_at: Instant = None
    scheduled_at: Instant = None
    ends_at: Instant = None
    calling_hours_start: str | None = Field(None, max_length=8, examples=["09:00"])
    calling_hours_end: str | None = Field(None, max_length=8, examples=["18:00"])
    timezone: str | None = Field(
        None, max_length=64, description="Of the calling hours: an IANA name. Left out, each lead's own zone counts."
    )
    from_phone_number: str | None = Field(None, max_length=64, description="Left out: any of the default carrier's.")
    countryCode: str | None = Field(  # noqa: N815  (as for leads)
        None, max_length=5, description="Of numbers without +; left out, that of from_phone_number.", examples=["+91"]
    )
    max_concurrent_calls: Lines | None = None
    retry_config: RetryConfig | None = Field(None, description="As JSON text.")

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, given: Any) -> Any:
        return {name: value for name, value in given.items() if value != ""} if isinstance(given, Mapping) else given

    @field_validator("retry_config", mode="before")
    @classmethod
    def _read_json(cls, text: Any) -> Any:
        if not isinstance(text, str):
            return text
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise ValueError('write JSON, such as {"max_retries": 2, "retry_interval_minutes": 60}') from None

    @field_validator("starts_at", "scheduled_at", "ends_at")
    @classmethod
    def _check_year(cls, at: datetime | None) -> datetime | None:
        if at is not None and not FIRST_YEAR <= at.year <= LAST_YEAR:
            raise ValueError(f"the year must be between {FIRST_YEAR} and {LAST_YEAR}")
        return at

    @field_validator("calling_hours_start", "calling_hours_end")
    @classmethod
    def _check_clock(cls, text: str | None) -> str | None:
        if text is not None and minutes(text) is None:
            raise ValueError("write a time of day, such as 09:00")
        return text

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        for ours, older in (("title", "name"), ("starts_at", "scheduled_at")):
            both = getattr(self, ours), getattr(self, older)
            if None not in both and both[0] != both[1]:
                raise ValueError(f"{ours} and {older} say the same thing and differ: give one of them")
        if self.title is None and self.name is None:
            raise ValueError("title must be given")
        if (self.calling_hours_start is None) != (self.calling_hours_end is None):
            raise ValueError("calling_hours_start and calling_hours_end belong together: give both")
        for name, meant in self.meant().items():
            if meant in GUARDED:
                raise ValueError(f"unknown field '{name}': did you mean '{meant}'?")
        return self

    def shown_title(self) -> str:
        return self.title or self.name or ""

    def start(self) -> datetime | None:
        return self.starts_at or self.scheduled_at

    def policies(self) -> Policies:
        """Raises Invalid for hours that are none."""
        retry = Policies().retry
        return Policies(
            window=self._window(),
            retry=retry if self.retry_config is None else self.retry_config.over(retry),
            max_lines=self.max_concurrent_calls,
        )

    def _window(self) -> CallingWindow:
        """Hours protect the person who is called: unless a zone is named, it is theirs."""
        if self.calling_hours_start is None or self.calling_hours_end is None:
            return CallingWindow()
        start, end = minutes(self.calling_hours_start), minutes(self.calling_hours_end)
        assert start is not None, "checked as it was read"
        slot = Slot(days=EVERY_DAY, start_minute=start, end_minute=end or 1440)
        return CallingWindow(slots=(slot,), timezone=self.timezone or CONTACT)


class ChangeStatus(BaseModel):
    action: str = Field(max_length=20, examples=["pause"])


def minutes(text: str) -> int | None:
    """
    >>> minutes("09:30"), minutes("24:00"), minutes("9"), minutes("25:00")
    (570, 1440, None, None)
    """
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        return None
    hour, minute = int(found[1]), int(found[2])
    return hour * 60 + minute if (hour <= 23 and minute <= 59) or (hour, minute) == (24, 0) else None
