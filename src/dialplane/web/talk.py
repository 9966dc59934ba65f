"""A script -> the lines of the talk, in their order, for people to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dialplane.agents.script import TEMPLATE, OptOut, Saying, Step, read_script

Who = Literal["agent", "contact", "line"]


@dataclass(frozen=True, slots=True)
class Part:
    """Text, or the name of a column that stands in it."""

    text: str
    is_variable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """One line of the talk. when: not always. sound: a recording is played for it."""

    who: Who
    parts: tuple[Part, ...]
    when: str = ""
    sound: bool = False


def talk_of(definition: Mapping[str, Any]) -> list[Cue]:
    """Raises Invalid for what is no script."""
    script = read_script(definition)
    cues = [*_said(script.greeting)]
    for step in script.steps:
        cues += _step(step)
    if script.opt_out.offered:
        cues += _opt_out(script.opt_out)
    return [*cues, *_said(script.goodbye, "at the end")]


def _step(step: Step) -> Iterator[Cue]:
    yield from _said(step.say)
    if step.gather is not None:
        answers = [f"“{each}”" for each in step.expect] + [f"key {key}: {meant}" for key, meant in step.keys.items()]
        yield _told("contact", f"answers {step.gather}: {', '.join(answers) or 'anything'}")
        if step.attempts > 1:
            yield from _said(step.no_match, f"when not understood; asked {step.attempts} times at most")
    if step.transfer is not None:
        yield _told("line", f"is handed over to {step.transfer}")
        yield from _said(step.failed, "where that does not work")


def _opt_out(opt_out: OptOut) -> Iterator[Cue]:
    ways = [f"“{phrase}”" for phrase in opt_out.phrases] + ([f"key {opt_out.key}"] if opt_out.key else [])
    yield _told("contact", f"wants no more calls: {', '.join(ways)}", "at any time")
    yield from _said(opt_out.say, "then, and the number goes to the do-not-call list")


def _said(saying: Saying, when: str = "") -> Iterator[Cue]:
    if saying.text:
        yield Cue(who="agent", parts=tuple(_parts(saying.text)), when=when, sound=saying.sound is not None)


def _told(who: Who, text: str, when: str = "") -> Cue:
    return Cue(who=who, parts=(Part(text),), when=when)


def _parts(text: str) -> Iterator[Part]:
    """'Hello {{name}}.' -> 'Hello ', name, '.'"""
    for at, piece in enumerate(TEMPLATE.split(text)):
        if piece:
            yield Part(piece, is_variable=at % 2 == 1)
