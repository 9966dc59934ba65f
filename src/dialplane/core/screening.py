"""What is asked before a call goes out, where a campaign wants each of its calls to be checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from dialplane.errors import Invalid

DEFAULT_TIMEOUT_SECONDS = 10.0
MAX_TIMEOUT_SECONDS = 30.0  # a line is held for as long
FORMATS = ("standard", "vapi")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """format: of question and answer. sealed: secret and headers that go with the question, encrypted; "" is none."""

    url: str
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    format: str = "standard"
    sealed: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.timeout_seconds <= MAX_TIMEOUT_SECONDS:
            raise Invalid(
                f"screening: timeout_seconds must be between 1 and {MAX_TIMEOUT_SECONDS:g}, not {self.timeout_seconds}"
            )
        if self.format not in FORMATS:
            raise Invalid(f"screening: format must be {' or '.join(FORMATS)}, not '{self.format}'")

    @property
    def timeout(self) -> timedelta:
        return timedelta(seconds=self.timeout_seconds)

    @classmethod
    def from_json(cls, settings: Mapping[str, Any]) -> Check:
        """settings: {"url": "https://example.org/check", "timeout_seconds": 5}. Raises Invalid."""
        unknown = sorted(set(settings) - set(cls.__dataclass_fields__))
        if unknown or not settings.get("url"):
            raise Invalid(f"screening: {f'{unknown[0]} is unknown' if unknown else 'the url is missing'}")
        return cls(**settings)

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}
