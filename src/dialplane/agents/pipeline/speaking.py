"""Which words of the agent have been heard, by how much of their sound has been said."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from dialplane.agents.pipeline.phone import Phone

LEAST_BYTES_OF_A_LETTER: Final = 800  # 20 letters a second, for sound of which only the beginning has been made


@dataclass(eq=False, slots=True)
class Utterance:
    """What is said without a pause. given: bytes of its sound. ended: all of that has been made. kept: it is said to
    its end, whoever interrupts. began: when, and what the call had said until then.
    """

    sentences: list[tuple[str, int]] = field(default_factory=list)  # and how many bytes of sound came before each
    given: int = 0
    ended: bool = False
    kept: bool = False
    began: tuple[float, int] | None = None

    def heard(self, said: int) -> str:
        """Words, by bytes."""
        if not self.sentences:
            return ""
        ends = [before for _, before in self.sentences[1:]] + [self._end()]
        parts = [
            begun(text, said - before, end - before) for (text, before), end in zip(self.sentences, ends, strict=True)
        ]
        return " ".join(part for part in parts if part)

    def _end(self) -> int:
        """Of the sound, as far as it can be known."""
        text, before = self.sentences[-1]
        return self.given if self.ended else max(self.given, before + len(text) * LEAST_BYTES_OF_A_LETTER)


class Speaking:
    """What the agent says. said: (text, seconds since the answer), of each utterance as it was heard."""

    def __init__(self, phone: Phone, said: Callable[[str, float], None]) -> None:
        self.on_first_sound: Callable[[], None] = lambda: None
        self._phone = phone
        self._said = said
        self._utterances = deque([Utterance()])  # what is said now, then what has been made; the last one is being made

    def begins(self, text: str, *, kept: bool) -> None:
        """The sound that is made from now on says this."""
        made = self._utterances[-1]
        made.sentences.append((text, made.given))
        made.kept = kept

    def made(self, size_bytes: int) -> None:
        self._utterances[-1].given += size_bytes

    def ends(self) -> Utterance:
        """The sound that is made from now on is of another one than this."""
        self._utterances[-1].ended = True
        self._utterances.append(Utterance())
        return self._utterances[-2]

    def sounds(self) -> None:
        """Some of its sound is handed to the call now."""
        if self._utterances[0].began is None and self._utterances[0].sentences:
            self._utterances[0].began = self._phone.seconds, self._phone.said_bytes
            self.on_first_sound()

    def was_said(self, utterance: Utterance) -> None:
        """All of it; one that was cut meanwhile has been told of."""
        if utterance is self._utterances[0]:
            self._tell(self._utterances.popleft(), utterance.given)

    def interrupted(self) -> bool:
        """Whether what is being said is said no further; what is kept is."""
        if self._utterances[0].kept:
            return False
        self._cut(self._utterances[0])
        self._utterances = deque(each for each in self._utterances if each.kept)
        if not self._utterances or self._utterances[-1].ended:
            self._utterances.append(Utterance())
        return True

    def over(self) -> None:
        """Nothing more is said of what was made."""
        self._cut(self._utterances[0])
        self._utterances = deque([Utterance()])

    def _cut(self, utterance: Utterance) -> None:
        if utterance.began is not None:
            self._tell(utterance, self._phone.said_bytes - utterance.began[1])

    def _tell(self, utterance: Utterance, said: int) -> None:
        if utterance.began is not None and (text := utterance.heard(said)):
            self._said(text, utterance.began[0])


def begun(text: str, said: int, whole: int) -> str:
    """As many of the words as were said of their sound.

    >>> begun("one two three four", 50, 100), begun("one two", 120, 100), begun("one two", 0, 100)
    ('one two', 'one two', '')
    """
    words = text.split()
    if said <= 0 or whole <= 0:
        return ""
    return " ".join(words[: max(1, round(len(words) * min(1.0, said / whole)))])
