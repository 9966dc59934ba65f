"""Settings of every carrier whose calls have sound here -> checked values."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, ClassVar

from dialplane.carriers import settings as read
from dialplane.ports import CarrierLimits
from dialplane.voice.settings import FLITE, Hearing, Speech, hearing, speech

LEAST_RING_SECONDS = 15.0  # 47 CFR 64.1200(a)(6): no unanswered call is ended sooner
RECORDING_FORMATS = ("wav", "flac")

Reader = Callable[[object, str], Any]


@dataclass(frozen=True, kw_only=True)
class CallSettings:
    """What an adapter's own settings inherit; its READERS hold these as well.

    modules, extras: what has to be installed, and what it is called in ours.
    """

    modules: ClassVar[tuple[str, ...]] = ("pocketsphinx",)  # it finds where speech ends, whoever understands it
    extras: ClassVar[str] = "voice"

    record: bool = True
    recording_format: str = "wav"
    speech: Speech = field(default_factory=Speech)
    hearing: Hearing = field(default_factory=Hearing)
    cps: float | None = None
    max_lines: int | None = None
    ring_timeout_seconds: float = 45.0
    max_call_seconds: float = 1800.0
    slow_start: bool = True

    def limits(self) -> CarrierLimits:
        return CarrierLimits(
            cps=self.cps,
            max_lines=self.max_lines,
            ring_timeout_seconds=self.ring_timeout_seconds,
            max_call_seconds=self.max_call_seconds,
            slow_start=self.slow_start,
        )

    def missing(self) -> str | None:
        """What has to be installed before anybody can be talked to."""
        if absent := [module for module in self.modules if find_spec(module) is None]:
            return (
                f"not installed: {' and '.join(absent)}; pip install 'dialplane[{self.extras}]' brings what is needed"
            )
        if self.record and self.recording_format == "flac" and find_spec("soundfile") is None:
            return "not installed: soundfile; pip install 'dialplane[flac]' brings it"
        if self.speech.engine == FLITE and shutil.which("flite") is None:
            return "the program flite is not installed (on Debian: apt install flite); or name a speech service"
        return None


def optional(reader: Reader) -> Reader:
    return lambda value, name: None if value is None else reader(value, name)


def values(readers: Mapping[str, Reader], given: Mapping[str, object]) -> dict[str, Any]:
    """What was given, read. Raises Invalid."""
    return {name: reader(given[name], name) for name, reader in readers.items() if name in given}


READERS: Mapping[str, Reader] = {
    "record": read.flag,
    "recording_format": lambda value, name: read.word(value, name, RECORDING_FORMATS),
    "speech": speech,
    "hearing": hearing,
    "cps": optional(lambda value, name: read.number(value, name, 0.001, 10_000)),
    "max_lines": optional(lambda value, name: read.whole(value, name, 1, 1_000_000)),
    "ring_timeout_seconds": lambda value, name: read.number(value, name, LEAST_RING_SECONDS, 600),
    "max_call_seconds": lambda value, name: read.number(value, name, 5, read.MAX_SECONDS),
    "slow_start": read.flag,
}
