"""An agent that follows a script: greets, asks, gathers, says goodbye."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dialplane.agents.script import TEMPLATE, OptOut, Saying, Script, Step, plain, read_script
from dialplane.core.attempt import Conversation, Utterance
from dialplane.core.intake import template_value
from dialplane.ports import HungUp, Line, TalkBroken

DEFAULT_DEFINITION: Mapping[str, Any] = {
    "name": "Default agent",
    "greeting": "Hello, this is an automated call.",
    "steps": [
        {
            "say": "Is this a good time to talk?",
            "gather": "good_time",
            "expect": ["yes", "no"],
            "no_match": "Sorry, I did not get that.",
        }
    ],
    "goodbye": "Thank you. Goodbye.",
}


class MissingVariable(KeyError):
    """A text uses a column that this contact does not have."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedAgent:
    """Implements ports.Agent."""

    script: Script

    @classmethod
    def from_definition(cls, definition: Mapping[str, Any]) -> ScriptedAgent:
        """The agent that the YAML describes. Raises Invalid, naming the step and the fix."""
        return cls(script=read_script(definition))

    def variables(self) -> frozenset[str]:
        return frozenset(name for text in self._texts() for name in TEMPLATE.findall(text))

    def fields(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(step.gather for step in self.script.steps if step.gather is not None))

    async def talk(self, line: Line, variables: Mapping[str, str]) -> Conversation:
        """Raises MissingVariable before the first word is said."""
        rendered = {text: render(text, variables) for text in self._texts()}
        talk = _Talk(line, rendered, self.script.opt_out)
        try:
            await self._hold(talk)
            if not talk.transferred:
                await line.hang_up()
        except HungUp:
            pass  # what was said until then counts
        except Exception as failure:
            if not talk.opted_out:
                raise TalkBroken(failure, talk.conversation()) from failure
            await line.hang_up()  # what they have asked for stands, even if they could not be told so
        return talk.conversation()

    async def _hold(self, talk: _Talk) -> None:
        script = self.script
        await talk.say(script.greeting)
        for step in script.steps:
            await talk.follow(step)
            if talk.transferred:
                return
            if talk.opted_out:
                break
        else:
            if script.opt_out.offered and not self.fields():
                await talk.listen()  # a message without a question, which says how to get no more of them
        await talk.say(script.opt_out.say if talk.opted_out else script.goodbye)

    def _texts(self) -> Iterator[str]:
        script = self.script
        asked = (saying for step in script.steps for saying in step.sayings())
        yield from (saying.text for saying in (script.greeting, *asked, script.goodbye, script.opt_out.say))


@dataclass(slots=True)
class _Talk:
    """One conversation in progress."""

    line: Line
    rendered: Mapping[str, str]
    opt_out: OptOut
    opted_out: bool = False
    transferred: bool = False
    transcript: list[Utterance] = field(default_factory=list)
    gathered: dict[str, str] = field(default_factory=dict)

    def conversation(self) -> Conversation:
        return Conversation(transcript=tuple(self.transcript), gathered=self.gathered, opted_out=self.opted_out)

    async def say(self, saying: Saying) -> None:
        if words := self.rendered[saying.text]:
            at_seconds = await self.line.say(words, saying.sound)
            self.transcript.append(Utterance(speaker="agent", text=words, at_seconds=at_seconds))

    async def follow(self, step: Step) -> None:
        if step.gather is None:
            await self.say(step.say)
            if step.transfer is not None:
                await self._transfer(step.transfer, step.failed)
            return
        for attempt in range(step.attempts):
            if attempt:
                await self.say(step.no_match)
            await self.say(step.say)
            heard = await self._hear(step.expect)
            if self.opted_out:
                return
            answer = step.keys.get(heard.strip()) or understood(heard, step.expect)
            if answer is not None:
                self.gathered[step.gather] = answer
                return

    async def _transfer(self, number: str, failed: Saying) -> None:
        if not await self.line.transfer(number):
            await self.say(failed)
            return
        self.transferred = True
        at_seconds = self.transcript[-1].at_seconds if self.transcript else 0.0  # a line does not tell when
        self.transcript.append(Utterance(speaker="agent", text=f"[transferred to {number}]", at_seconds=at_seconds))

    async def listen(self) -> None:
        """Whether they want no more calls; anything else that they say changes nothing."""
        await self._hear(self.opt_out.phrases)

    async def _hear(self, expected: tuple[str, ...]) -> str:
        # Nothing expected is anything: the likely answers would be those that are named.
        heard = await self.line.hear(tuple(dict.fromkeys((*expected, *self.opt_out.phrases))) if expected else ())
        if heard is None:
            return ""
        self.transcript.append(Utterance(speaker="contact", text=heard[0], at_seconds=heard[1]))
        self.opted_out = self.opt_out.meant_by(heard[0])
        return heard[0]


def understood(heard: str, expect: tuple[str, ...]) -> str | None:
    """The option that was meant, or the words themselves where any answer will do; None when it is not clear.

    >>> understood("Yes, please!", ("yes", "no"))
    'yes'
    >>> understood("Yes and no.", ("yes", "no")) is None
    True
    """
    said = plain(heard)
    if not expect:
        return heard.strip() or None
    for option in expect:
        if plain(option) == said:
            return option
    named = [option for option in expect if f" {plain(option)} " in f" {said} "]
    return named[0] if len(named) == 1 else None


def render(text: str, variables: Mapping[str, str]) -> str:
    """The text with its columns filled in, found as the import found them. Raises MissingVariable.

    >>> render("Hello {{ First_Name }}", {"first_name": "Ana"})
    'Hello Ana'
    """

    def value(match: re.Match[str]) -> str:
        name = match[1]
        filled = template_value(name, variables)
        if filled is None:
            raise MissingVariable(f"the agent says {{{{{name}}}}}, but the contact has no column {name!r}")
        return filled

    return TEMPLATE.sub(value, text)
