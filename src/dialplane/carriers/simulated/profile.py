"""How the simulated network behaves: shares, times, limits and faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate
from typing import Any, Self

from dialplane.carriers import settings as read
from dialplane.core.disposition import Disposition
from dialplane.ports import CarrierLimits

Span = tuple[float, float]

# What a call can come to by chance. Refusals and silence about an acceptance have fields of their own, and nobody but
# the engine cancels. `agent_failed` is an answered call on whose line nothing can be said.
OUTCOMES = (
    Disposition.ANSWERED,
    Disposition.VOICEMAIL,
    Disposition.BUSY,
    Disposition.NO_ANSWER,
    Disposition.DECLINED,
    Disposition.UNREACHABLE,
    Disposition.INVALID_NUMBER,
    Disposition.BLOCKED,
    Disposition.UNWANTED,
    Disposition.CARRIER_FAILED,
    Disposition.AGENT_FAILED,
)
REFUSALS = (Disposition.RATE_LIMITED, Disposition.CAPACITY)

USUAL_OUTCOMES = {
    Disposition.ANSWERED: 0.60,
    Disposition.NO_ANSWER: 0.15,
    Disposition.BUSY: 0.10,
    Disposition.VOICEMAIL: 0.10,
    Disposition.DECLINED: 0.02,
    Disposition.INVALID_NUMBER: 0.01,
    Disposition.UNREACHABLE: 0.01,
    Disposition.CARRIER_FAILED: 0.01,
}
USUAL_PHRASES = (
    "Who is calling, please?",
    "Can you call me back next week?",
    "I am driving right now.",
    "Sorry, the line is bad.",
    "My sister takes care of that.",
    "I would have to look that up.",
    "Let me think about it.",
    "Could you send me that in writing?",
    "It is a bit loud here.",
    "I have been waiting for this call.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enforce:
    """Hard limits of the network, which the engine is not told: what exceeds them is refused."""

    cps: float | None = None
    lines: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Shares of events that are not delivered as they should be."""

    lost: float = 0.0
    late: float = 0.0
    doubled: float = 0.0
    reordered: float = 0.0  # told only after the event that follows
    late_seconds: float = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """How a person replies to a question."""

    expected: float = 0.85
    silence: float = 0.10
    other: float = 0.05


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Everything that decides what becomes of a call; the defaults are quick calls on a friendly network."""

    seed: int = 1
    outcomes: Mapping[Disposition, float] = field(default_factory=USUAL_OUTCOMES.copy)
    ring_seconds: Span = (0.2, 2.0)
    talk_seconds: Span = (0.5, 4.0)
    voicemail_seconds: Span | None = None  # None: as long as a person talks
    cps: float | None = 100.0
    max_lines: int | None = None
    refusals: Mapping[Disposition, float] = field(default_factory=dict)
    enforce: Enforce = Enforce()
    faults: Faults = Faults()
    timeouts: float = 0.0  # share of accepted calls whose acceptance is not reported
    lookup: str = "certain"  # or "refused"
    send_timeout_seconds: float = 2.0
    ring_timeout_seconds: float = 5.0
    max_call_seconds: float = 10.0
    first_word_seconds: Span = (0.0, 0.0)  # from the answer until the agent is heard
    words_per_second: float = 60.0
    answers: Answers = Answers()
    phrases: tuple[str, ...] = USUAL_PHRASES
    slow_start: bool = False

    @classmethod
    def from_settings(cls, settings: Mapping[str, object]) -> Self:
        """The profile that the `--carrier` YAML asks for. Raises Invalid."""
        given = read.mapping(settings, "top level", ("provider", "profile", *READERS))
        read.word(given.get("provider", "simulated"), "provider", ("simulated",))
        base = BASES[read.word(given.get("profile", "default"), "profile", tuple(BASES))]
        values: dict[str, Any] = {name: READERS[name](given[name], name) for name in READERS if name in given}
        return cls(**(base | values))._with_room_for_its_calls(given)

    def _with_room_for_its_calls(self, given: Mapping[str, object]) -> Self:
        """Deadlines that were not asked for grow with the calls, so that long talks are not cut off by surprise."""
        ring, talk = self.ring_timeout_seconds, self.max_call_seconds
        if "ring_timeout_seconds" not in given:
            ring = max(ring, self.ring_seconds[1] * 1.1 + 1)
        if "max_call_seconds" not in given:
            talk = max(talk, self.talk_seconds[1] + 5, (self.voicemail_seconds or self.talk_seconds)[1] + 5)
        return replace(self, ring_timeout_seconds=ring, max_call_seconds=talk)

    def limits(self) -> CarrierLimits:
        """What the engine is told."""
        return CarrierLimits(
            cps=self.cps,
            max_lines=self.max_lines,
            send_timeout_seconds=self.send_timeout_seconds,
            ring_timeout_seconds=self.ring_timeout_seconds,
            max_call_seconds=self.max_call_seconds,
            slow_start=self.slow_start,
            carries_sound=False,
        )

    @cached_property
    def thresholds(self) -> tuple[tuple[float, Disposition], ...]:
        """Upper bounds of each outcome on [0, 1), in one order whatever the order of the settings."""
        possible = [outcome for outcome in OUTCOMES if self.outcomes.get(outcome, 0) > 0]
        bounds = accumulate(self.outcomes[outcome] for outcome in possible)
        return tuple(zip(bounds, possible, strict=True))


BASES: dict[str, dict[str, Any]] = {
    "default": {},
    "realistic": {
        "ring_seconds": (5.0, 30.0),
        "talk_seconds": (20.0, 180.0),
        "voicemail_seconds": (10.0, 40.0),
        "cps": 5.0,
        "ring_timeout_seconds": 45.0,
        "max_call_seconds": 300.0,
        "words_per_second": 2.5,
    },
}


def _outcomes(value: object, field: str) -> dict[Disposition, float]:
    for elsewhere, place in (("rate_limited", "refusals"), ("capacity", "refusals"), ("unknown", "timeouts")):
        if isinstance(value, Mapping) and elsewhere in value:
            raise read.complaint(field, f"{elsewhere!r} is no outcome of a call; its share belongs in {place!r}")
    shares = read.shares_of_one(value, field, [outcome.value for outcome in OUTCOMES])
    return {Disposition(name): share for name, share in shares.items()}


def _refusals(value: object, field: str) -> dict[Disposition, float]:
    given = read.mapping(value, field, [refusal.value for refusal in REFUSALS])
    shares = {Disposition(name): read.share(each, f"{field}.{name}") for name, each in given.items()}
    if sum(shares.values()) > 1:
        raise read.complaint(field, "the shares add up to more than 1")
    return shares


def _enforce(value: object, field: str) -> Enforce:
    given = read.mapping(value, field, ("cps", "lines"))
    return Enforce(cps=_cps(given.get("cps"), f"{field}.cps"), lines=_lines(given.get("lines"), f"{field}.lines"))


def _faults(value: object, field: str) -> Faults:
    given = read.mapping(value, field, ("lost", "late", "doubled", "reordered", "late_seconds"))
    shares = {name: read.share(each, f"{field}.{name}") for name, each in given.items() if name != "late_seconds"}
    return Faults(**shares, late_seconds=_seconds(given.get("late_seconds", 3.0), f"{field}.late_seconds"))


def _answers(value: object, field: str) -> Answers:
    shares = read.shares_of_one(value, field, ("expected", "silence", "other"))
    return Answers(**{"expected": 0.0, "silence": 0.0, "other": 0.0} | shares)


def _cps(value: object, field: str) -> float | None:
    return None if value is None else read.number(value, field, 0.001, 10_000)


def _lines(value: object, field: str) -> int | None:
    return None if value is None else read.whole(value, field, 1, 1_000_000)


def _seconds(value: object, field: str) -> float:
    return read.number(value, field, 0, read.MAX_SECONDS)


def _timeout(value: object, field: str) -> float:
    return read.number(value, field, 0.1, read.MAX_SECONDS)


READERS: dict[str, Callable[[object, str], object]] = {
    "seed": lambda value, field: read.whole(value, field, 0, 2**63 - 1),
    "outcomes": _outcomes,
    "ring_seconds": read.span,
    "talk_seconds": read.span,
    "voicemail_seconds": lambda value, field: None if value is None else read.span(value, field),
    "cps": _cps,
    "max_lines": _lines,
    "refusals": _refusals,
    "enforce": _enforce,
    "faults": _faults,
    "timeouts": read.share,
    "lookup": lambda value, field: read.word(value, field, ("certain", "refused")),
    "send_timeout_seconds": _timeout,
    "ring_timeout_seconds": _timeout,
    "max_call_seconds": _timeout,
    "first_word_seconds": read.span,
    "words_per_second": lambda value, field: read.number(value, field, 0.1, 100_000),
    "answers": _answers,
    "phrases": read.texts,
    "slow_start": read.flag,
}
