"""The person who answers a simulated call: listens, replies, hangs up when it has been long enough."""

from __future__ import annotations

import asyncio

from dialplane.carriers.simulated.fate import chances
from dialplane.carriers.simulated.profile import Profile
from dialplane.core.answered_by import AnsweredBy
from dialplane.ports import HungUp, NoSound, OpenSound

# Pauses count in words, so that they fit whatever speed the profile speaks at.
SILENCE_WORDS = 10
REACTION_WORDS = (1.0, 3.0)


class LineBroken(ConnectionError):
    """Nothing can be said or heard on this line, although the call stands."""


class SimulatedLine:
    """An answered call. No time passes in it: offsets are worked out, and the call ends when the carrier says so.

    began_seconds: how long the person has already been waiting when the first word can be said.
    """

    def __init__(
        self,
        profile: Profile,
        to_number: str,
        number: int,
        talk_seconds: float,
        *,
        began_seconds: float = 0.0,
        broken: bool = False,
    ) -> None:
        self._profile = profile
        self._to_number = to_number
        self._number = number
        self._talk_seconds = talk_seconds
        self._offset_seconds = began_seconds
        self._broken = broken
        self._questions = 0
        self._down = False
        self.first_word_seconds: float | None = None

    async def say(self, text: str, sound: str | None = None) -> float:  # noqa: ARG002  (words are all there is)
        self._check()
        began = self._offset_seconds
        if self.first_word_seconds is None and began <= self._talk_seconds:
            self.first_word_seconds = began
        self._pass(len(text.split()))
        return began

    async def announce(self, text: str) -> float:
        """As if there were a recording."""
        return await self.say(text)

    @property
    def answered_by(self) -> AnsweredBy:
        """Machines have no line here: the carrier says so itself."""
        return AnsweredBy.HUMAN

    async def no_person(self) -> AnsweredBy:
        never: asyncio.Future[AnsweredBy] = asyncio.get_running_loop().create_future()
        return await never

    async def leave_message(self, text: str) -> float:
        return await self.say(text)

    async def open_sound(self) -> OpenSound:
        raise NoSound("the simulated carrier carries no sound")

    async def hear(self, expected: tuple[str, ...] = ()) -> tuple[str, float] | None:
        self._check()
        self._questions += 1
        kind, choice, style, reaction, *_ = chances(
            self._profile.seed, self._to_number, self._number, f"answer {self._questions}"
        )
        answers = self._profile.answers
        if kind < answers.silence:
            self._pass(SILENCE_WORDS)
            return None
        self._pass(REACTION_WORDS[0] + (REACTION_WORDS[1] - REACTION_WORDS[0]) * reaction)
        began = self._offset_seconds
        if expected and kind >= answers.silence + answers.other:
            text = _spoken(expected[int(choice * len(expected))], style)
        else:
            text = self._profile.phrases[int(choice * len(self._profile.phrases))]
        self._pass(len(text.split()))
        return text, began

    async def transfer(self, to_number: str) -> bool:  # noqa: ARG002  (whoever it is answers)
        """Nothing more is said here; whoever takes over talks until the call's talk time has passed."""
        self._check()
        self._down = True
        return True

    async def hang_up(self) -> None:
        """Nothing more is said. The call keeps its talk time, which is a matter of seed and number alone."""
        self._down = True

    def _check(self) -> None:
        if self._broken:
            raise LineBroken("the simulated line carries no sound")
        if self._down:
            raise HungUp

    def _pass(self, words: float) -> None:
        self._offset_seconds += words / self._profile.words_per_second
        if self._offset_seconds > self._talk_seconds:
            self._down = True
            raise HungUp


def _spoken(option: str, style: float) -> str:
    """People do not all say it the same way: 'yes', 'Yes', 'Yes.'"""
    capital = option[:1].upper() + option[1:]
    return (option, capital, f"{capital}.", f"{capital}!")[int(style * 4)]
