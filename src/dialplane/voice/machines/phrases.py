"""What machines, call screening and people say when they answer: found in words, or in sound by pocketsphinx."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Final


class Says(Enum):
    MACHINE = "machine"
    SCREENING = "screening"
    PERSON = "person"
    LIKE_A_MACHINE = "like a machine"  # as people do too
    LIKE_SCREENING = "like screening"

    @staticmethod
    def of(phrases: Collection[Phrase]) -> Says | None:
        """Of all of them: two that are not sure make one that is, unless somebody speaks like a person."""
        said = [phrase.says for phrase in phrases]
        if Says.SCREENING in said or said.count(Says.LIKE_SCREENING) > 1:
            return Says.SCREENING
        if Says.MACHINE in said:
            return Says.MACHINE
        if Says.PERSON in said:
            return Says.PERSON
        hints = said.count(Says.LIKE_A_MACHINE)
        return Says.MACHINE if hints > 1 else Says.LIKE_A_MACHINE if hints else None


@dataclass(frozen=True, slots=True)
class Phrase:
    """wordings: of one meaning. least_sure: of pocketsphinx, 0 to 1; mistakes reach 0.86, what is right 0.94."""

    wordings: tuple[str, ...]
    says: Says
    least_sure: float = 0.83


_MACHINE, _HINT, _PERSON = Says.MACHINE, Says.LIKE_A_MACHINE, Says.PERSON
_SCREENING, _LIKE_SCREENING = Says.SCREENING, Says.LIKE_SCREENING
PHRASES: Final = (
    Phrase(("leave a message", "leave your message", "leave me a message", "leave a voicemail"), _MACHINE, 0.825),
    Phrase(("leave your name", "leave your number"), _MACHINE),
    Phrase(("please leave",), _MACHINE, 0.85),
    Phrase(("record a message", "record your message"), _MACHINE),
    Phrase(("after the tone", "after the beep", "after the signal"), _MACHINE, 0.835),
    Phrase(("wait for the beep",), _MACHINE),
    Phrase(("voicemail", "voice mail"), _MACHINE, 0.85),
    Phrase(("trying to reach",), _MACHINE),
    Phrase(("answering machine",), _MACHINE),
    Phrase(("not in service", "number you have dialed", "number you have called"), _MACHINE),
    Phrase(("please try again",), _MACHINE, 0.84),
    Phrase(("been forwarded",), _MACHINE, 0.84),
    Phrase(("you have reached", "you've reached"), _HINT, 0.84),
    Phrase(("not available", "unavailable"), _HINT, 0.85),
    Phrase(("the phone right now", "the phone at the moment"), _HINT),
    Phrase(("take your call", "answer your call"), _HINT, 0.85),
    Phrase(("not home right now", "not at home"), _HINT),
    Phrase(("thank you for calling", "thanks for calling", "welcome to"), _HINT, 0.85),
    Phrase(("our office", "our hours"), _HINT, 0.85),
    Phrase(("press one", "press two"), _HINT, 0.85),
    Phrase(("menu options", "please listen"), _HINT, 0.835),
    Phrase(("the mailbox",), _HINT, 0.85),
    Phrase(("reason for calling", "reason for your call", "purpose of your call"), _SCREENING),
    Phrase(("record your name", "state your name"), _SCREENING),
    Phrase(("person you're calling", "person you are calling"), _SCREENING, 0.84),
    Phrase(("this person is available", "person can take your call"), _SCREENING),
    Phrase(("a screening service", "call screening", "being screened", "screens calls"), _SCREENING),
    Phrase(("digital assistant", "virtual assistant"), _SCREENING, 0.84),
    Phrase(("this conversation",), _LIKE_SCREENING, 0.85),
    Phrase(("say your name",), _LIKE_SCREENING, 0.835),
    Phrase(("screening",), _LIKE_SCREENING, 0.845),
    Phrase(("who is calling",), _LIKE_SCREENING, 0.84),
    Phrase(("connect you",), _LIKE_SCREENING, 0.85),
    Phrase(("how can i help", "how may i help", "can i help"), _PERSON),
    Phrase(("can i do for you",), _PERSON),
    Phrase(("speaking",), _PERSON, 0.85),
    Phrase(("can i take",), _PERSON, 0.85),
    Phrase(("can you hold",), _PERSON, 0.84),
)
_BY_WORDING: Final = {wording: phrase for phrase in PHRASES for wording in phrase.wordings}
_APART = re.compile(r"[^a-z']+")


def in_words(text: str) -> frozenset[Phrase]:
    """
    >>> sorted(phrase.wordings[0] for phrase in in_words("Please leave a message after the tone."))
    ['after the tone', 'leave a message', 'please leave']
    """
    words = f" {_APART.sub(' ', text.lower())} "
    return frozenset(phrase for wording, phrase in _BY_WORDING.items() if f" {wording} " in words)


@dataclass(frozen=True, slots=True)
class Spotted:
    """What pocketsphinx takes for a wording. since, until: in any unit of time. sure: 0 to 1."""

    wording: str
    since: int
    until: int
    sure: float


def wanted_wordings() -> str:
    """The wordings as pocketsphinx reads them, each with how rarely it may be heard where nobody says it."""
    return "".join(f"{wording} /1e-{_rarely(wording)}/\n" for wording in _BY_WORDING)


def _rarely(wording: str) -> int:
    """The longer, the less likely every part of it is heard as it should be; found by trying."""
    return 4 * len(wording.split()) + (8 if len(wording) < 12 else 14)


def in_sound(spotted: Collection[Spotted]) -> frozenset[Phrase]:
    """Those that are sure enough; of two at one time the surer."""
    kept: list[Spotted] = []
    for each in sorted(spotted, key=lambda each: -each.sure):
        if not any(each.since < other.until and other.since < each.until for other in kept):
            kept.append(each)
    found = [(_BY_WORDING[each.wording], each.sure) for each in kept]
    return frozenset(phrase for phrase, sure in found if sure >= phrase.least_sure)
