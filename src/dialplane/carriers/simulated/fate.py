"""(seed, number, attempt number) -> what becomes of the call. No shared generator: any order gives the same calls."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from hashlib import blake2b

from dialplane.carriers.simulated.log import LogEvent
from dialplane.carriers.simulated.outcomes import NO_CIRCUIT, REPLIES, Reply
from dialplane.carriers.simulated.profile import REFUSALS, Profile, Span
from dialplane.core.disposition import Disposition

MAGIC_PREFIX = "+150055500"
MAGIC_OUTCOMES = {
    1: Disposition.BUSY,
    2: Disposition.NO_ANSWER,
    3: Disposition.VOICEMAIL,
    4: Disposition.DECLINED,
    5: Disposition.INVALID_NUMBER,
    6: Disposition.ANSWERED,
    7: Disposition.CARRIER_FAILED,
    8: Disposition.UNREACHABLE,
    9: Disposition.BLOCKED,
    10: Disposition.UNWANTED,
    11: Disposition.ANSWERED,
    12: Disposition.ANSWERED,
    13: Disposition.AGENT_FAILED,
    14: Disposition.ANSWERED,
    15: Disposition.ANSWERED,
    16: Disposition.ANSWERED,
    17: Disposition.ANSWERED,
    21: Disposition.ANSWERED,
    22: Disposition.ANSWERED,
}
MAGIC_REFUSALS = {11: Disposition.RATE_LIMITED, 12: Disposition.CAPACITY}  # the first attempt only
END_LOST, ALL_DOUBLED, UNREPORTED, UNTRACEABLE, BUSY_ONCE, SILENT_TWICE = 14, 15, 16, 17, 21, 22

ANSWERING = frozenset({Disposition.ANSWERED, Disposition.VOICEMAIL})
RINGING = ANSWERING | {Disposition.NO_ANSWER, Disposition.DECLINED, Disposition.UNWANTED}  # the others never get so far


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """One call worked out in advance. `steps`: what happens, and how many seconds after the acceptance.

    reported: the one who placed the call is told that it was accepted.
    traceable: a look-up gets an answer.
    agent_fails: nothing can be said on the line. first_word_seconds: from the answer until the agent is heard.
    """

    disposition: Disposition
    reply: Reply
    refusal: Disposition | None
    steps: tuple[tuple[LogEvent, float], ...]
    talk_seconds: float
    first_word_seconds: float
    reported: bool
    traceable: bool
    agent_fails: bool
    magic: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """How one event reaches the listener."""

    lost: bool = False
    late: bool = False
    doubled: bool = False
    reordered: bool = False


PROMPT = Delivery()


def chances(seed: int, to_number: str, number: int, purpose: str) -> tuple[float, ...]:
    """Eight numbers in [0, 1), always the same ones for the same four words."""
    digest = blake2b(f"{seed}/{to_number}/{number}/{purpose}".encode()).digest()
    return tuple((word >> 11) * 2.0**-53 for word in struct.unpack("<8Q", digest))


def magic_of(to_number: str) -> int:
    """1 to 99 for +1 500 555 00xx, else 0."""
    ending = to_number.removeprefix(MAGIC_PREFIX)
    return int(ending) if len(ending) == 2 and len(to_number) == 12 and ending.isdecimal() else 0


def fate_of(profile: Profile, to_number: str, number: int) -> Fate:
    """What becomes of attempt `number` to `to_number`."""
    outcome, refused, unreported, ring, talk, cause, first_word, *_ = chances(profile.seed, to_number, number, "call")
    magic = magic_of(to_number)
    if magic in MAGIC_OUTCOMES:
        chosen, refusal, reported = _magic_outcome(magic, number), _magic_refusal(magic, number), True
    else:
        magic = 0
        chosen, refusal = _outcome(profile, outcome), _refusal(profile, refused)
        reported = unreported >= profile.timeouts
    disposition = Disposition.ANSWERED if chosen is Disposition.AGENT_FAILED else chosen
    ring_seconds = _ring_seconds(profile.ring_seconds, disposition, ring)
    talk_seconds = _talk_seconds(profile, disposition, talk)
    return Fate(
        disposition=disposition,
        reply=NO_CIRCUIT if disposition is Disposition.CARRIER_FAILED and cause < 0.5 else REPLIES[disposition],
        refusal=refusal,
        steps=_steps(disposition, profile.ring_seconds[0] / 10, ring_seconds, talk_seconds),
        talk_seconds=talk_seconds,
        first_word_seconds=_within(profile.first_word_seconds, first_word),
        reported=reported and magic not in (UNREPORTED, UNTRACEABLE),
        traceable=profile.lookup == "certain" and magic != UNTRACEABLE,
        agent_fails=chosen is Disposition.AGENT_FAILED,
        magic=magic,
    )


def delivery_of(profile: Profile, fate: Fate, to_number: str, number: int, event: LogEvent) -> Delivery:
    """How the listener hears of `event`, unless it asks for the call itself."""
    if fate.magic:
        return Delivery(lost=fate.magic == END_LOST and event is LogEvent.END, doubled=fate.magic == ALL_DOUBLED)
    faults = profile.faults
    if not (faults.lost or faults.late or faults.doubled or faults.reordered):
        return PROMPT
    lost, late, doubled, reordered, *_ = chances(profile.seed, to_number, number, f"event {event}")
    return Delivery(
        lost=lost < faults.lost,
        late=late < faults.late,
        doubled=doubled < faults.doubled,
        reordered=reordered < faults.reordered,
    )


def _magic_outcome(magic: int, number: int) -> Disposition:
    if magic == BUSY_ONCE and number == 1:
        return Disposition.BUSY
    if magic == SILENT_TWICE and number <= 2:
        return Disposition.NO_ANSWER
    return MAGIC_OUTCOMES[magic]


def _magic_refusal(magic: int, number: int) -> Disposition | None:
    return MAGIC_REFUSALS.get(magic) if number == 1 else None


def _outcome(profile: Profile, chance: float) -> Disposition:
    for bound, outcome in profile.thresholds:
        if chance < bound:
            return outcome
    return profile.thresholds[-1][1]  # the shares may add up to a little less than 1


def _refusal(profile: Profile, chance: float) -> Disposition | None:
    bound = 0.0
    for refusal in REFUSALS:
        bound += profile.refusals.get(refusal, 0.0)
        if chance < bound:
            return refusal
    return None


def _ring_seconds(span: Span, disposition: Disposition, chance: float) -> float:
    """Whoever does not answer lets it ring to the end."""
    return _within(span, 0.9 + 0.1 * chance if disposition is Disposition.NO_ANSWER else chance)


def _talk_seconds(profile: Profile, disposition: Disposition, chance: float) -> float:
    if disposition is Disposition.VOICEMAIL:
        return _within(profile.voicemail_seconds or profile.talk_seconds, chance)
    return _within(profile.talk_seconds, chance) if disposition is Disposition.ANSWERED else 0.0


def _within(span: Span, chance: float) -> float:
    return span[0] + (span[1] - span[0]) * chance


def _steps(
    disposition: Disposition, setup_seconds: float, ring_seconds: float, talk_seconds: float
) -> tuple[tuple[LogEvent, float], ...]:
    answered = setup_seconds + ring_seconds
    if disposition in ANSWERING:
        ends = answered + talk_seconds
        return (LogEvent.RING, setup_seconds), (LogEvent.ANSWER, answered), (LogEvent.END, ends)
    if disposition in RINGING:
        return (LogEvent.RING, setup_seconds), (LogEvent.END, answered)
    return ((LogEvent.END, answered),)
