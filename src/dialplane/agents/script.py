"""A definition -> what a scripted agent says, asks and understands. All of it raises Invalid, naming step and fix."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from dialplane.errors import Invalid

AGENT_FIELDS = ("name", "greeting", "steps", "goodbye", "opt_out")
STEP_FIELDS = ("say", "gather", "expect", "keys", "attempts", "no_match", "transfer", "failed")
OPT_OUT_FIELDS = ("phrases", "key", "say")
SAYING_FIELDS = ("text", "sound")
KEYS = "0123456789*#"
MAX_STEPS, MAX_ATTEMPTS, MAX_OPTIONS = 200, 10, 50
NUMBER = re.compile(r"\+[1-9][0-9]{4,14}")
TEMPLATE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")


@dataclass(frozen=True, slots=True)
class Saying:
    """What is said; "" is nothing. sound: a recording of it, which is played in place of a made voice."""

    text: str = ""
    sound: str | None = None


NOTHING = Saying()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to say; with `gather` it is a question, put at most `attempts` times. keys: what each key answers.

    transfer: the number to which the call is then handed over; failed: what is said where that does not work.
    """

    say: Saying = NOTHING
    gather: str | None = None
    expect: tuple[str, ...] = ()  # empty: any answer will do
    keys: Mapping[str, str] = field(default_factory=dict)
    attempts: int = 2
    no_match: Saying = NOTHING
    transfer: str | None = None
    failed: Saying = NOTHING

    def sayings(self) -> tuple[Saying, ...]:
        return self.say, self.no_match, self.failed


@dataclass(frozen=True, slots=True, kw_only=True)
class OptOut:
    """By what a person says, or by which key, they want no more calls; and what they are told then."""

    phrases: tuple[str, ...] = ()
    key: str | None = None
    say: Saying = NOTHING

    @property
    def offered(self) -> bool:
        return bool(self.phrases) or self.key is not None

    def meant_by(self, heard: str) -> bool:
        said = f" {plain(heard)} "
        return heard.strip() == self.key or any(f" {plain(phrase)} " in said for phrase in self.phrases)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """All of a definition."""

    name: str
    greeting: Saying
    steps: tuple[Step, ...]
    goodbye: Saying
    opt_out: OptOut


def read_script(definition: Mapping[str, Any]) -> Script:
    if not isinstance(definition, Mapping):
        raise Invalid(f"agent: must be a mapping with any of: {', '.join(AGENT_FIELDS)}")
    _known_only(definition, AGENT_FIELDS, "agent")
    steps = definition.get("steps", [])
    if not isinstance(steps, (list, tuple)) or len(steps) > MAX_STEPS:
        raise Invalid(f"agent: steps must be a list of at most {MAX_STEPS} steps")
    script = Script(
        name=_text(definition.get("name", "Scripted agent"), "agent", "name"),
        greeting=_saying(definition.get("greeting", ""), "agent", "greeting"),
        steps=tuple(_step(step, f"agent, step {ordinal}") for ordinal, step in enumerate(steps, start=1)),
        goodbye=_saying(definition.get("goodbye", ""), "agent", "goodbye"),
        opt_out=_opt_out(definition["opt_out"]) if "opt_out" in definition else OptOut(),
    )
    if not script.greeting.text and not script.steps:
        raise Invalid("agent: it has nothing to say; give it a greeting or at least one step")
    return script


def sounds_of(definition: Any, place: str = "agent") -> list[tuple[str, str]]:
    """(where it is named, its name) of each recording that a definition names."""
    if isinstance(definition, Mapping):
        found = [(place, definition["sound"])] if "sound" in definition else []
        return found + [each for name, value in definition.items() for each in sounds_of(value, _inside(place, name))]
    if isinstance(definition, (list, tuple)):
        return [each for at, value in enumerate(definition, 1) for each in sounds_of(value, f"agent, step {at}")]
    return []


def with_sounds(definition: Any, names: Mapping[str, str]) -> Any:
    """The same with its recordings under other names, by those that they have in it."""
    if isinstance(definition, Mapping):
        return {key: names[value] if key == "sound" else with_sounds(value, names) for key, value in definition.items()}
    return [with_sounds(each, names) for each in definition] if isinstance(definition, (list, tuple)) else definition


def plain(text: str) -> str:
    return " ".join(re.sub(r"[^\w\s]", " ", text.casefold()).split())


def _inside(place: str, name: str) -> str:
    return place if name == "steps" else f"{place}, {name}"


def _step(value: object, place: str) -> Step:
    if not isinstance(value, Mapping):
        raise Invalid(f"{place}: must be a mapping with at least `say` or `transfer`, not {value!r}")
    _known_only(value, STEP_FIELDS, place)
    say = _saying(value.get("say", ""), place, "say")
    transfer = _number(value["transfer"], place) if "transfer" in value else None
    if not say.text and transfer is None:
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
        no_match=_saying(value.get("no_match", ""), place, "no_match"),
        transfer=transfer,
        failed=_saying(value.get("failed", ""), place, "failed"),
    )


def _known_only(value: Mapping[Any, object], known: Collection[str], place: str) -> None:
    for key in value:
        if key not in known:
            near = get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are: {', '.join(known)}"
            raise Invalid(f"{place}: unknown field {str(key)!r}; {hint}")


def _saying(value: object, place: str, name: str) -> Saying:
    """A text, or a mapping of the text and the recording of it."""
    if not isinstance(value, Mapping):
        return Saying(_text(value, place, name))
    where = f"{place}, {name}"
    _known_only(value, SAYING_FIELDS, where)
    text, sound = _text(value.get("text", ""), where, "text"), value.get("sound")
    if not text:
        raise Invalid(f"{where}: `text` is missing; write what is heard: transcripts have it")
    if not isinstance(sound, str) or not sound:
        raise Invalid(f"{where}: `sound` must name a recording, such as hello.wav, not {sound!r}")
    if TEMPLATE.search(text):
        raise Invalid(f"{where}: a recording says the same to everybody; leave out {{{{…}}}}, or leave out `sound`")
    return Saying(text, sound)


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
    if len({plain(option) for option in options}) < len(options):
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
    return OptOut(phrases=phrases, key=key, say=_saying(value.get("say", ""), place, "say"))


def _option(value: object, place: str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"  # YAML reads a bare yes or no as a truth value
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str) or not plain(value):
        raise Invalid(f"{place}: every answer in `expect` must be text, not {value!r}; put it in quotes")
    return value.strip()
