"""speech, tones and phrases since the answer -> what has answered. Pure, and in doubt it is a person."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from dialplane.core.answered_by import AnsweredBy
from dialplane.voice.machines.phrases import Phrase, Says


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """All in seconds.

    Source of the kinds of limits: the sample configuration of Asterisk's application AMD, whose values stand behind.
    It takes whoever speaks for 1.5 s for a machine, and silence too. Here people come first: phrases and tones decide,
    time alone does so late.
    """

    word: float = 0.1  # what is shorter is a click (min_word_length 0.1)
    spoken: float = 0.4  # of silence: they have said what they say (after_greeting_silence 0.8)
    pause: float = 1.2  # what is longer ends a greeting: what comes after it may answer the agent
    machine: float = 6.5  # of speech, pauses left out: nobody who picks up says as much (greeting 1.5)
    like_a_machine: float = 5.0  # the same with words that machines say, and people too
    silence: float = 2.0  # without a word: they wait for us to speak (initial_silence 2.5)
    beep: float = 0.14
    fax: float = 0.4
    before_beep: float = 0.1  # of silence: no voice holds a note so suddenly
    first_words: float = 1.1  # of speech, before it is listened to for phrases; a person's first word is shorter
    more_words: float = 0.6  # of speech, before that is done again
    settled: float = 3.0  # of silence after a greeting: a beep would have come
    quiet: float = 3.0  # of silence after a machine's greeting: it has no beep
    after_beep: float = 0.2  # of silence, from its end until it records
    total: float = 15.0  # (total_analysis_time 5)


RULES: Final = Rules()
# ITU-T T.30: an answering fax sends 2100 Hz, a calling one 1100 Hz.
FAX_HERTZ: Final = ((2080.0, 2120.0), (1060.0, 1140.0))


@dataclass(frozen=True, slots=True)
class Stretch:
    """Of one kind of sound, in seconds since the answer; `until` moves on while it lasts."""

    since: float
    until: float

    @property
    def seconds(self) -> float:
        return self.until - self.since


@dataclass(frozen=True, slots=True)
class Tone(Stretch):
    hertz: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What has been heard until `now`, seconds since the answer.

    speech: in its order. phrases: that were found in it. is_understood: all of it has been listened to for them.
    """

    now: float
    speech: Sequence[Stretch] = ()
    tones: Sequence[Tone] = ()
    phrases: Collection[Phrase] = ()
    is_understood: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """is_final: nothing more that is heard can change it. A person may still turn out to be a machine that beeps."""

    answered_by: AnsweredBy
    is_final: bool


def verdict(evidence: Evidence, rules: Rules = RULES) -> Verdict | None:
    """None: nobody knows yet."""
    other = _by_tone(evidence, rules) or _by_words(evidence, rules)
    if other is not None:
        return Verdict(other, True)
    greeting = greeting_of(evidence.speech, rules)
    if not greeting:
        return None if evidence.now < rules.silence else Verdict(AnsweredBy.UNCERTAIN, evidence.now >= rules.total)
    silent = evidence.now - greeting[-1].until
    if silent >= rules.spoken:
        is_final = (silent >= rules.settled and evidence.is_understood) or evidence.now >= rules.total
        return Verdict(AnsweredBy.HUMAN, is_final)
    return Verdict(AnsweredBy.UNCERTAIN, True) if evidence.now >= rules.total else None


def _by_tone(evidence: Evidence, rules: Rules) -> AnsweredBy | None:
    for tone in evidence.tones:
        is_fax = any(low <= tone.hertz <= high for low, high in FAX_HERTZ)
        if is_fax and not any(stretch.since < tone.since for stretch in evidence.speech):
            if tone.seconds >= rules.fax:
                return AnsweredBy.FAX
        elif _is_beep(tone, evidence, rules):
            return AnsweredBy.MACHINE
    return None


def _is_beep(tone: Tone, evidence: Evidence, rules: Rules) -> bool:
    spoken = [stretch.until for stretch in evidence.speech if stretch.since < tone.since]
    return tone.seconds >= rules.beep and (not spoken or spoken[-1] <= tone.since - rules.before_beep)


def may_leave_message(evidence: Evidence, rules: Rules = RULES) -> bool:
    """Whether a machine records by now: it has beeped, and not spoken since, or been silent for long."""
    beeps = [tone.until for tone in evidence.tones if _is_beep(tone, evidence, rules)]
    spoken = evidence.speech[-1].until if evidence.speech else 0.0
    if beeps and spoken <= beeps[-1] + rules.word:
        return evidence.now - beeps[-1] >= rules.after_beep
    return evidence.now - max(spoken, *beeps, 0.0) >= rules.quiet


def _by_words(evidence: Evidence, rules: Rules) -> AnsweredBy | None:
    says = Says.of(evidence.phrases)
    if says is Says.SCREENING:
        return AnsweredBy.SCREENING
    if says is Says.MACHINE:
        return AnsweredBy.MACHINE
    seconds = sum(stretch.seconds for stretch in greeting_of(evidence.speech, rules))
    longest = rules.like_a_machine if says is Says.LIKE_A_MACHINE else rules.machine
    return AnsweredBy.MACHINE if says is not Says.PERSON and seconds >= longest and evidence.is_understood else None


def greeting_of(speech: Sequence[Stretch], rules: Rules = RULES) -> Sequence[Stretch]:
    """What is said before the first long pause.

    >>> len(greeting_of([Stretch(0.5, 1.0), Stretch(1.8, 2.0), Stretch(4.0, 5.0)]))
    2
    """
    for number, (before, after) in enumerate(pairwise(speech), start=1):
        if after.since - before.until >= rules.pause:
            return speech[:number]
    return speech
