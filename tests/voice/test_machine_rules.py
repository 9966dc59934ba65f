"""Speech, tones and phrases since the answer -> the verdict: the table at its edges."""

from __future__ import annotations

import doctest

import pytest

from dialplane.core.answered_by import AnsweredBy
from dialplane.voice.machines import phrases, rules
from dialplane.voice.machines.phrases import Says, Spotted, in_sound, in_words
from dialplane.voice.machines.rules import Evidence, Stretch, Tone, may_leave_message, verdict

HUMAN, MACHINE, SCREENING, FAX, UNCERTAIN = AnsweredBy
HELLO = (Stretch(0.5, 1.0),)
LONG = (Stretch(0.5, 4.0), Stretch(4.3, 7.4))  # 6.6 seconds of speech


def heard(
    now: float, *speech: Stretch, tones: tuple[Tone, ...] = (), words: str = "", understood: bool = True
) -> Evidence:
    return Evidence(now=now, speech=speech, tones=tones, phrases=in_words(words), is_understood=understood)


@pytest.mark.parametrize(
    ("evidence", "answered_by"),
    [
        (heard(1.9), None),
        (heard(2.0), UNCERTAIN),  # they wait for us to speak
        (heard(1.3, *HELLO), None),
        (heard(1.41, *HELLO), HUMAN),
        (heard(4.0, Stretch(0.5, 3.9)), None),
        (heard(4.4, Stretch(0.5, 3.9)), HUMAN),  # a company that answers in a sentence
        (heard(7.5, *LONG), MACHINE),
        (heard(7.5, *LONG, understood=False), None),  # it may be call screening
        (heard(7.5, *LONG, words="how can I help you"), None),
        (heard(3.0, *HELLO, words="please leave a message"), MACHINE),
        (heard(3.0, *HELLO, words="you've reached accounting"), HUMAN),
        (heard(7.0, Stretch(0.5, 5.6), words="you have reached Ana"), MACHINE),
        (heard(3.0, *HELLO, words="the phone right now, you have reached Ana"), MACHINE),
        (heard(3.0, *HELLO, words="leave a message, or state your name"), SCREENING),
        (heard(3.0, *HELLO, words="who is calling"), HUMAN),
        (heard(3.0, *HELLO, tones=(Tone(2.0, 2.3, 1000),)), MACHINE),
        (heard(3.0, *HELLO, tones=(Tone(2.0, 2.1, 1000),)), HUMAN),
        (heard(1.2, *HELLO, tones=(Tone(1.02, 1.2, 1000),)), None),  # a voice that holds a note
        (heard(1.0, tones=(Tone(0.4, 0.9, 2100),)), FAX),
        (heard(1.0, tones=(Tone(0.4, 0.9, 1110),)), FAX),
        (heard(0.7, tones=(Tone(0.4, 0.7, 2100),)), None),
        (heard(3.0, *HELLO, tones=(Tone(2.0, 2.5, 1100),)), MACHINE),  # the beep of one that has greeted
    ],
)
def test_people_come_first(evidence: Evidence, answered_by: AnsweredBy | None) -> None:
    found = verdict(evidence)
    assert (found and found.answered_by) is answered_by


def test_a_person_may_turn_out_to_be_a_machine_until_a_beep_would_have_come() -> None:
    early, late = verdict(heard(2.0, *HELLO)), verdict(heard(4.1, *HELLO))
    assert early is not None and late is not None
    assert (early.is_final, late.is_final) == (False, True)


def test_what_comes_after_a_long_pause_is_no_greeting() -> None:
    """A person may answer the agent with a speech."""
    found = verdict(heard(20.0, *HELLO, Stretch(2.4, 12.0)))
    assert found is not None and found.answered_by is HUMAN


@pytest.mark.parametrize(
    ("evidence", "may"),
    [
        (heard(4.0, Stretch(0.5, 3.0)), False),
        (heard(6.0, Stretch(0.5, 3.0)), True),  # no beep, and silent for long
        (heard(4.1, Stretch(0.5, 3.0), tones=(Tone(3.5, 4.0, 1000),)), False),
        (heard(4.3, Stretch(0.5, 3.0), tones=(Tone(3.5, 4.0, 1000),)), True),
        (heard(6.0, Stretch(0.5, 3.0), Stretch(4.2, 5.9), tones=(Tone(3.5, 4.0, 1000),)), False),
    ],
)
def test_a_message_is_left_once_the_machine_records(evidence: Evidence, may: bool) -> None:
    assert may_leave_message(evidence) is may


def test_of_two_phrases_at_one_time_the_surer_counts() -> None:
    spotted = [Spotted("say your name", 100, 180, 0.84), Spotted("leave your name", 95, 182, 0.87)]
    assert {phrase.says for phrase in in_sound(spotted)} == {Says.MACHINE}
    assert in_sound([Spotted("leave a message", 1, 80, 0.7)]) == frozenset()


def test_the_examples_are_right() -> None:
    assert all(doctest.testmod(module).failed == 0 for module in (phrases, rules))
