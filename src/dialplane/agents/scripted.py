"""An agent that follows a script: greets, asks, gathers, says goodbye."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from dialplane.core.attempt import Conversation, Utterance
from dialplane.core.intake import template_value
from dialplane.errors import Invalid
from dialplane.ports import HungUp, Line

AGENT_FIELDS = ("name", "greeting", "steps", "goodbye", "opt_out")
STEP_FIELDS = ("say", "gather", "expect", "keys", "attempts", "no_match", "transfer", "failed")
OPT_OUT_FIELDS = ("phrases", "key", "say")
KEYS = "0123456789*#"
MAX_STEPS, MAX_ATTEMPTS, MAX_OPTIONS = 200, 10, 50
NUMBER = re.compile(r"\+[1-9][0-9]{4,14}")
TEMPLATE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")

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
class Step:
    """One thing to say; with `gather` it is a question, put at most `attempts` times. keys: what each key answers.

    transfer: the number to which the call is then handed over; failed: what is said where that does not work.
    """

    say: str = ""
    gather: str | None = None
    expect: tuple[str, ...] = ()  # empty: any answer will do
    keys: Mapping[str, str] = field(default_factory=dict)
    attempts: int = 2
    no_match: str = ""
    transfer: str | None = None
    failed: str = ""

    def texts(self) -> tuple[str, ...]:
        return self.say, self.no_match, self.failed


@dataclass(frozen=True, slots=True, kw_only=True)
class OptOut:
    """By what a person says, or by which key, they want no more calls; and what they are told then."""

    phrases: tuple[str, ...] = ()
    key: str | None = None
    say: str = ""

    @property
    def offered(self) -> bool:
        return bool(self.phrases) or self.key is not None

    def meant_by(self, heard: str) -> bool:
        said = f" {_plain(heard)} "
        return heard.strip() == self.key or any(f" {_plain(phrase)} " in said for phrase in self.phrases)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedAgent:
    """Implements ports.Agent."""

    name: str = "Scripted agent"
    greeting: str = ""
    steps: tuple[Step, ...] = ()
    goodbye: str = ""
    opt_out: OptOut = OptOut()

    @classmethod
    def from_definition(cls, definition: Mapping[str, Any]) -> ScriptedAgent:
        """The agent that the YAML describes. Raises Invalid, naming the step and the fix."""
        if not isinstance(definition, Mapping):
            raise Invalid(f"agent: must be a mapping with any of: {', '.join(AGENT_FIELDS)}")
        _known_only(definition, AGENT_FIELDS, "agent")
        steps = definition.get("steps", [])
        if not isinstance(steps, (list, tuple)) or len(steps) > MAX_STEPS:
            raise Invalid(f"agent: steps must be a list of at most {MAX_STEPS} steps")
        agent = cls(
            name=_text(definition.get("name", cls().name), "agent", "name"),
            greeting=_text(definition.get("greeting", ""), "agent", "greeting"),
            steps=tuple(_step(step, f"agent, step {ordinal}") for ordinal, step in enumerate(steps, start=1)),
            goodbye=_text(definition.get("goodbye", ""), "agent", "goodbye"),
            opt_out=_opt_out(definition["opt_out"]) if "opt_out" in definition else OptOut(),
        )
        if not agent.greeting and not agent.steps:
            raise Invalid("agent: it has nothing to say; give it a greeting or at least one step")
        return agent

    def variables(self) -> frozenset[str]:
        return frozenset(name for text in self._texts() for name in TEMPLATE.findall(text))

    def fields(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(step.gather for step in self.steps if step.gather is not None))

    async def talk(self, line: Line, variables: Mapping[str, str]) -> Conversation:
        """Raises MissingVariable before the first word is said."""
        rendered = {text: render(text, variables) for text in self._texts()}
        talk = _Talk(line, rendered, self.opt_out)
        try:
            await self._hold(talk)
            if not talk.transferred:
                await line.hang_up()
        except HungUp:
            pass  # what was said until then counts
        except Exception:
            if not talk.opted_out:
                raise
            await line.hang_up()  # what they have asked for stands, even if they could not be told so
        return Conversation(transcript=tuple(talk.transcript), gathered=talk.gathered, opted_out=talk.opted_out)

    async def _hold(self, talk: _Talk) -> None:
        await talk.say(self.greeting)
        for step in self.steps:
            await talk.follow(step)
            if talk.transferred:
                return
            if talk.opted_out:
                break
        else:
            if self.opt_out.offered and not self.fields():
                await talk.listen()  # a message without a question, which says how to get no more of them
        await talk.say(self.opt_out.say if talk.opted_out else self.goodbye)

    def _texts(self) -> Iterator[str]:
        yield self.greeting
        for step in self.steps:
            yield from step.texts()
        yield self.goodbye
        yield self.opt_out.say


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

    async def say(self, text: str) -> None:
        if words := self.rendered[text]:
            self.transcript.append(Utterance(speaker="agent", text=words, at_seconds=await self.line.say(words)))

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

    async def _transfer(self, number: str, failed: str) -> None:
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
    said = _plain(heard)
    if not expect:
        return heard.strip() or None
    for option in expect:
        if _plain(option) == said:
            return option
    named = [option for option in expect if f" {_plain(option)} " in f" {said} "]
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


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^\w\s]", " ", text.casefold()).split())


def _step(value: object, place: str) -> Step:
    if not isinstance(value, Mapping):
        raise Invalid(f"{place}: must be a mapping with at least `say` or `transfer`, not {value!r}")
    _known_only(value, STEP_FIELDS, place)
    say = _text(value.get("say", ""), place, "say")
    transfer = _number(value["transfer"], place) if "transfer" in value else None
    if not say and transfer is None:
        raise Invalid(f"{place}: `say` is missing; write what the agent says")
    gather = _gather(value["gather"], place) if "gather" in value else None
    if gather is None and (useless := [name for name in ("expect", "keys", "attempts", "no_match") if name in value]):
        raise Invalid(f"{place}: `{useless[0]}` needs `gather`, the name under which the answer is reported")
    if gather is not None and transfer is not None:
        raise Invalid(f"{place}: `gather` and `transfer` do not go together; make two steps of them")
    if transfer is None and "failed" in value:
        raise Invalid(f"{place}: `failed` needs `transfer`, the number to which the call is handed over")
    return Step(
        say=say,
        gather=gather,
        expect=_options(value["expect"], place) if "expect" in value else (),
        keys=_keys(value["keys"], place) if "keys" in value else {},
        attempts=_attempts(value.get("attempts", 2), place),
        no_match=_text(value.get("no_match", ""), place, "no_match"),
        transfer=transfer,
        failed=_text(value.get("failed", ""), place, "failed"),
    )


def _known_only(value: Mapping[Any, object], known: Collection[str], place: str) -> None:
    for key in value:
        if key not in known:
            near = get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are: {', '.join(known)}"
            raise Invalid(f"{place}: unknown field {str(key)!r}; {hint}")


def _text(value: object, place: str, name: str) -> str:
    if not isinstance(value, str):
        raise Invalid(f"{place}: `{name}` must be text, not {value!r}; put it in quotes")
    rest = TEMPLATE.sub("", value)
    if "{{" in rest or "}}" in rest or "" in TEMPLATE.findall(value):
        raise Invalid(f"{place}: `{name}` has a broken template; write a column as {{{{first_name}}}}")
    return value.strip()


def _gather(value: object, place: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[^\W\d]\w*", value):
        raise Invalid(f"{place}: `gather` must be a name of letters, digits and underscores, not {value!r}")
    return value


def _number(value: object, place: str) -> str:
    if not isinstance(value, str) or not NUMBER.fullmatch(value):
        raise Invalid(
            f'{place}: `transfer` must be a number in E.164 and in quotes, such as "+14155550100", not {value!r}'
        )
    return value


def _attempts(value: object, place: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_ATTEMPTS:
        raise Invalid(f"{place}: `attempts` must be a whole number between 1 and {MAX_ATTEMPTS}, not {value!r}")
    return value


def _options(value: object, place: str) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not 1 <= len(value) <= MAX_OPTIONS:
        raise Invalid(f"{place}: `expect` must be a list of 1 to {MAX_OPTIONS} answers; leave it out for any answer")
    options = tuple(_option(each, place) for each in value)
    if len({_plain(option) for option in options}) < len(options):
        raise Invalid(f"{place}: `expect` names an answer twice")
    return options


def _keys(value: object, place: str) -> Mapping[str, str]:
    if not isinstance(value, Mapping) or not value:
        raise Invalid(f"{place}: `keys` must be a mapping from keys to answers, such as {{1: yes, 2: no}}")
    for key in value:
        if len(str(key)) != 1 or str(key) not in KEYS:
            raise Invalid(f"{place}: `keys` has {str(key)!r}, which is no key of a telephone; those are {KEYS}")
    return {str(key): _option(answer, place) for key, answer in value.items()}


def _opt_out(value: object) -> OptOut:
    place = "agent, opt_out"
    if not isinstance(value, Mapping):
        raise Invalid(f"{place}: must be a mapping with any of: {', '.join(OPT_OUT_FIELDS)}")
    _known_only(value, OPT_OUT_FIELDS, place)
    key = str(value["key"]) if "key" in value else None
    if key is not None and (len(key) != 1 or key not in KEYS):
        raise Invalid(f"{place}: `key` must be a key of a telephone ({KEYS}), not {key!r}")
    phrases = _options(value["phrases"], place) if "phrases" in value else ()
    if not phrases and key is None:
        raise Invalid(f"{place}: needs `phrases` that people say, or a `key` that they press")
    return OptOut(phrases=phrases, key=key, say=_text(value.get("say", ""), place, "say"))


def _option(value: object, place: str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"  # YAML reads a bare yes or no as a truth value
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str) or not _plain(value):
        raise Invalid(f"{place}: every answer in `expect` must be text, not {value!r}; put it in quotes")
    return value.strip()
