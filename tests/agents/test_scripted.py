"""The scripted agent: what it says, what it understands, and which definitions it refuses."""

from __future__ import annotations

import doctest
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dialplane.agents import script, scripted
from dialplane.agents.scripted import DEFAULT_DEFINITION, MissingVariable, ScriptedAgent, render, understood
from dialplane.carriers.simulated.callee import SimulatedLine
from dialplane.carriers.simulated.profile import Profile
from dialplane.core.attempt import Conversation
from dialplane.errors import Invalid
from dialplane.ports import HungUp, TalkBroken

EXAMPLE = Path(__file__).parents[2] / "examples" / "reminder.yaml"
COLUMNS = {"phone_number", "first_name", "last_name", "appointment_date", "appointment_time", "city", "timezone"}
REMINDER = {
    "name": "Appointment reminder",
    "greeting": "Hello {{first_name}}, this is the clinic.",
    "steps": [
        {
            "say": "Can you come on {{ appointment_date }}?",
            "gather": "confirmed",
            "expect": ["yes", "no"],
            "attempts": 2,
            "no_match": "Sorry, I did not get that.",
        },
        {"say": "Thank you."},
    ],
    "goodbye": "Goodbye.",
}
ANA = {"first_name": "Ana", "appointment_date": "Monday"}


@dataclass
class ScriptedLine:
    """A person who answers what is written here, and hangs up after `patience` turns. takers: who takes it over."""

    answers: Sequence[str | None] = ()
    patience: int = 1000
    turns: int = 0
    asked: list[tuple[str, ...]] = field(default_factory=list)
    hung_up: bool = False
    takers: Sequence[str] = ()
    transfers: list[str] = field(default_factory=list)

    async def say(self, text: str, sound: str | None = None) -> float:
        return self._turn()

    async def hear(self, expected: tuple[str, ...] = ()) -> tuple[str, float] | None:
        at = self._turn()
        self.asked.append(expected)
        answer = self.answers[len(self.asked) - 1]
        return None if answer is None else (answer, at)

    async def transfer(self, to_number: str) -> bool:
        self._turn()
        self.transfers.append(to_number)
        return to_number in self.takers

    async def hang_up(self) -> None:
        self.hung_up = True

    def _turn(self) -> float:
        if self.turns == self.patience:
            raise HungUp
        self.turns += 1
        return float(self.turns)


def spoken(conversation: Conversation) -> list[tuple[str, str]]:
    return [(each.speaker, each.text) for each in conversation.transcript]


@pytest.mark.asyncio
async def test_it_greets_asks_thanks_and_hangs_up() -> None:
    line = ScriptedLine(["Yes, please!"])

    conversation = await ScriptedAgent.from_definition(REMINDER).talk(line, ANA)

    assert spoken(conversation) == [
        ("agent", "Hello Ana, this is the clinic."),
        ("agent", "Can you come on Monday?"),
        ("contact", "Yes, please!"),
        ("agent", "Thank you."),
        ("agent", "Goodbye."),
    ]
    assert [each.at_seconds for each in conversation.transcript] == [1, 2, 3, 4, 5]
    assert conversation.gathered == {"confirmed": "yes"}
    assert line.asked == [("yes", "no")] and line.hung_up


@pytest.mark.asyncio
@pytest.mark.parametrize("first", [None, "Who is this?", "Yes and no."])
async def test_it_asks_again_when_it_did_not_understand(first: str | None) -> None:
    conversation = await ScriptedAgent.from_definition(REMINDER).talk(ScriptedLine([first, "NO."]), ANA)

    said = [text for speaker, text in spoken(conversation) if speaker == "agent"]
    assert said[1:4] == ["Can you come on Monday?", "Sorry, I did not get that.", "Can you come on Monday?"]
    assert conversation.gathered == {"confirmed": "no"}


@pytest.mark.asyncio
async def test_what_was_never_understood_is_absent() -> None:
    line = ScriptedLine([None, "Who is this?"])

    conversation = await ScriptedAgent.from_definition(REMINDER).talk(line, ANA)

    assert conversation.gathered == {}
    assert spoken(conversation)[-1] == ("agent", "Goodbye.") and line.hung_up


@pytest.mark.asyncio
@pytest.mark.parametrize(("patience", "said"), [(0, 0), (1, 1), (3, 3), (4, 4)])
async def test_a_person_who_hangs_up_leaves_what_was_said(patience: int, said: int) -> None:
    line = ScriptedLine(["no"], patience=patience)

    conversation = await ScriptedAgent.from_definition(REMINDER).talk(line, ANA)

    assert len(conversation.transcript) == said and not line.hung_up
    assert conversation.gathered == ({"confirmed": "no"} if patience >= 3 else {})


@pytest.mark.asyncio
async def test_free_text_is_gathered_as_heard() -> None:
    agent = ScriptedAgent.from_definition({"steps": [{"say": "Your name?", "gather": "full_name"}]})

    conversation = await agent.talk(ScriptedLine([None, " Ana Díaz "]), {})

    assert conversation.gathered == {"full_name": "Ana Díaz"}


@pytest.mark.asyncio
@pytest.mark.parametrize(("heard", "gathered"), [("1", "yes"), (" 2 ", "no"), ("Yes.", "yes"), ("3", None)])
async def test_a_key_stands_for_its_answer(heard: str, gathered: str | None) -> None:
    agent = ScriptedAgent.from_definition(asking(say="?", gather="a", expect=["yes", "no"], keys={1: True, "2": "no"}))

    conversation = await agent.talk(ScriptedLine([heard, None]), {})

    assert conversation.gathered.get("a") == gathered and not conversation.opted_out


NO_MORE = {"phrases": ["stop calling", "take me off"], "key": 9, "say": "We will not call you again."}


@pytest.mark.asyncio
@pytest.mark.parametrize("heard", ["9", "Please STOP calling, now!", "yes, but take me off"])
async def test_who_wants_no_more_calls_is_told_so_and_asked_nothing_more(heard: str) -> None:
    agent = ScriptedAgent.from_definition({**REMINDER, "opt_out": NO_MORE})
    line = ScriptedLine([heard])

    conversation = await agent.talk(line, ANA)

    assert conversation.opted_out and conversation.gathered == {} and line.hung_up
    assert [text for who, text in spoken(conversation) if who == "agent"][2:] == ["We will not call you again."]
    assert line.asked == [("yes", "no", "stop calling", "take me off")]


@pytest.mark.asyncio
@pytest.mark.parametrize("heard", ["99", "I will stop by", None])
async def test_other_words_are_no_such_wish(heard: str | None) -> None:
    agent = ScriptedAgent.from_definition({**REMINDER, "opt_out": NO_MORE})

    assert not (await agent.talk(ScriptedLine([heard, "yes"]), ANA)).opted_out


@pytest.mark.asyncio
@pytest.mark.parametrize(("heard", "last"), [("9", "We will not call you again."), (None, "Bye."), ("hello?", "Bye.")])
async def test_a_message_without_a_question_listens_for_it_all_the_same(heard: str | None, last: str) -> None:
    agent = ScriptedAgent.from_definition({"greeting": "The shop is closed.", "goodbye": "Bye.", "opt_out": NO_MORE})

    conversation = await agent.talk(ScriptedLine([heard]), {})

    assert conversation.opted_out == (heard == "9") and spoken(conversation)[-1] == ("agent", last)


@pytest.mark.asyncio
async def test_the_wish_stands_even_if_the_agent_fails_right_after() -> None:
    class Fails(ScriptedLine):
        async def say(self, text: str, sound: str | None = None) -> float:
            if text == NO_MORE["say"]:
                raise ConnectionError("no speech")
            return await super().say(text)

    line = Fails(["9"])

    conversation = await ScriptedAgent.from_definition({**REMINDER, "opt_out": NO_MORE}).talk(line, ANA)

    assert conversation.opted_out and line.hung_up


DESK, MANAGER = "+14155550100", "+14155550101"
HANDING_OVER = {
    "greeting": "Hello {{first_name}}.",
    "steps": [
        {"say": "Can you come?", "gather": "comes", "expect": ["yes", "no"]},
        {"say": "One moment.", "transfer": DESK, "failed": "Nobody is there, {{first_name}}."},
        {"transfer": MANAGER},
        {"say": "We will call again."},
    ],
    "goodbye": "Goodbye.",
}


@pytest.mark.asyncio
async def test_a_call_that_is_handed_over_is_over_for_the_agent() -> None:
    line = ScriptedLine(["yes"], takers=[DESK])

    conversation = await ScriptedAgent.from_definition(HANDING_OVER).talk(line, ANA)

    assert spoken(conversation)[-2:] == [("agent", "One moment."), ("agent", f"[transferred to {DESK}]")]
    assert conversation.transcript[-1].at_seconds == conversation.transcript[-2].at_seconds
    assert conversation.gathered == {"comes": "yes"}
    assert line.transfers == [DESK] and not line.hung_up


@pytest.mark.asyncio
async def test_where_nobody_takes_over_the_conversation_goes_on() -> None:
    line = ScriptedLine(["yes"])

    conversation = await ScriptedAgent.from_definition(HANDING_OVER).talk(line, ANA)

    said = [text for speaker, text in spoken(conversation) if speaker == "agent"]
    assert said[2:] == ["One moment.", "Nobody is there, Ana.", "We will call again.", "Goodbye."]
    assert line.transfers == [DESK, MANAGER] and line.hung_up


@pytest.mark.asyncio
async def test_who_hangs_up_meanwhile_has_not_been_handed_over() -> None:
    line = ScriptedLine(["yes"], patience=4, takers=[DESK])

    conversation = await ScriptedAgent.from_definition(HANDING_OVER).talk(line, ANA)

    assert spoken(conversation)[-1] == ("agent", "One moment.") and line.transfers == []


@pytest.mark.asyncio
async def test_an_agent_may_say_nothing_and_hand_over() -> None:
    conversation = await ScriptedAgent.from_definition({"steps": [{"transfer": DESK}]}).talk(
        ScriptedLine(takers=[DESK]), {}
    )

    assert [(each.text, each.at_seconds) for each in conversation.transcript] == [(f"[transferred to {DESK}]", 0.0)]


@pytest.mark.asyncio
async def test_simulated_people_are_handed_over() -> None:
    line = SimulatedLine(Profile(), "+15005550013", 1, talk_seconds=60)

    conversation = await ScriptedAgent.from_definition({"greeting": "Hi.", "steps": [{"transfer": DESK}]}).talk(
        line, {}
    )

    assert spoken(conversation) == [("agent", "Hi."), ("agent", f"[transferred to {DESK}]")]
    with pytest.raises(HungUp):
        await line.say("Are you still there?")
    with pytest.raises(ConnectionError):
        await SimulatedLine(Profile(), "+15005550013", 1, 3.0, broken=True).transfer(DESK)


def test_what_is_said_when_nobody_takes_over_may_name_columns() -> None:
    assert ScriptedAgent.from_definition(HANDING_OVER).variables() == {"first_name"}


@pytest.mark.asyncio
async def test_a_line_that_fails_is_no_hang_up() -> None:
    line = SimulatedLine(Profile(), "+15005550013", 1, 3.0, broken=True)

    with pytest.raises(TalkBroken, match="carries no sound") as broken:
        await ScriptedAgent.from_definition(DEFAULT_DEFINITION).talk(line, {})
    assert isinstance(broken.value.__cause__, ConnectionError)


@dataclass
class BreakingLine(ScriptedLine):
    """Carries no sound any more after `patience` turns."""

    def _turn(self) -> float:
        if self.turns == self.patience:
            raise ConnectionError
        return ScriptedLine._turn(self)


@pytest.mark.asyncio
async def test_what_was_said_and_gathered_outlives_a_line_that_fails() -> None:
    line = BreakingLine(["yes"], patience=4)

    with pytest.raises(TalkBroken, match="ConnectionError") as broken:
        await ScriptedAgent.from_definition(HANDING_OVER).talk(line, ANA)

    kept = broken.value.conversation
    assert [text for _, text in spoken(kept)] == ["Hello Ana.", "Can you come?", "yes", "One moment."]
    assert kept.gathered == {"comes": "yes"}


@pytest.mark.asyncio
async def test_a_missing_column_is_noticed_before_the_first_word() -> None:
    line = ScriptedLine()

    with pytest.raises(MissingVariable, match="no column 'appointment_date'"):
        await ScriptedAgent.from_definition(REMINDER).talk(line, {"first_name": "Ana"})

    assert line.turns == 0 and issubclass(MissingVariable, KeyError)


def test_variables_are_named_as_they_are_spelled() -> None:
    agent = ScriptedAgent.from_definition({"greeting": "{{ CustomerName }} {{CustomerName}} {{last name}}"})

    assert agent.variables() == {"CustomerName", "last name"}


def test_fields_are_in_order_and_named_once() -> None:
    steps = [{"say": "?", "gather": name} for name in ("b", "a", "b")]

    assert ScriptedAgent.from_definition({"steps": steps}).fields() == ("b", "a")


def test_the_exact_spelling_of_a_column_goes_first() -> None:
    columns = {"NAME": "upper", "name": "lower"}

    assert render("{{name}} {{NAME}} {{Name}}", columns) == "lower upper upper"


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,9}", fullmatch=True), st.text(), min_size=1))
def test_a_columns_text_is_never_read_as_a_template(columns: dict[str, str]) -> None:
    assert render("|".join(f"{{{{ {name} }}}}" for name in columns), columns) == "|".join(columns.values())


@pytest.mark.parametrize(
    ("heard", "meant"),
    [
        ("yes", "yes"),
        ("YES!", "yes"),
        ("Oh, yes please.", "yes"),
        ("not sure", "not sure"),
        ("I am not sure, sorry", "not sure"),
        ("yesterday", None),
        ("yes... no", None),
        ("", None),
        ("?!", None),
    ],
)
def test_an_answer_is_understood_without_capitals_and_punctuation(heard: str, meant: str | None) -> None:
    assert understood(heard, ("yes", "no", "not sure")) == meant


def test_the_examples_in_the_text_are_true() -> None:
    assert doctest.testmod(scripted).failed == 0


# --- definitions ---------------------------------------------------------------------------------


def test_the_default_agent_needs_no_column_and_gathers_one_thing() -> None:
    agent = ScriptedAgent.from_definition(DEFAULT_DEFINITION)

    assert (agent.variables(), agent.fields()) == (frozenset(), ("good_time",))


def test_the_example_goes_with_the_example_contacts() -> None:
    agent = ScriptedAgent.from_definition(yaml.safe_load(EXAMPLE.read_text()))

    assert agent.variables() <= COLUMNS
    assert agent.fields() == ("confirmed", "note")


@pytest.mark.asyncio
async def test_each_text_that_has_a_recording_is_said_with_it() -> None:
    heard: list[tuple[str, str | None]] = []

    class Listening(ScriptedLine):
        async def say(self, text: str, sound: str | None = None) -> float:
            heard.append((text, sound))
            return await super().say(text)

    step = {"say": said("Coming?"), "gather": "coming", "expect": ["yes"], "no_match": said("Sorry?")}
    definition = {
        "greeting": said("Hi."),
        "steps": [step],
        "goodbye": "Bye.",
        "opt_out": {"key": 9, "say": said("No.")},
    }
    agent = ScriptedAgent.from_definition(definition)
    await agent.talk(Listening([None, "yes"]), {})
    await agent.talk(Listening(["9"]), {})

    hi, coming, sorry = (("Hi.", "Hi.wav"), ("Coming?", "Coming?.wav"), ("Sorry?", "Sorry?.wav"))
    assert heard == [hi, coming, sorry, coming, ("Bye.", None), hi, coming, ("No.", "No.wav")]


def said(text: str) -> dict[str, str]:
    return {"text": text, "sound": f"{text.rstrip('.')}.wav"}


def test_the_recordings_of_a_definition_are_found_with_their_places_and_renamed() -> None:
    step = {"say": said("Coming?"), "gather": "sound", "expect": ["yes"]}
    definition = {
        "greeting": said("Hi."),
        "steps": [{"say": "Hello."}, step],
        "opt_out": {"key": 9, "say": said("No.")},
    }

    found = script.sounds_of(definition)
    renamed = script.with_sounds(definition, {name: f"kept {name}" for _, name in found})

    places = [("agent, greeting", "Hi.wav"), ("agent, step 2, say", "Coming?.wav"), ("agent, opt_out, say", "No.wav")]
    assert found == places
    assert script.sounds_of(renamed) == [(place, f"kept {name}") for place, name in places]
    assert renamed["steps"][1] == {**step, "say": {"text": "Coming?", "sound": "kept Coming?.wav"}}


def test_a_bare_yes_in_yaml_is_the_word_yes() -> None:
    definition = yaml.safe_load('steps: [{say: "Coming?", gather: coming, expect: [yes, no, 2]}]')

    assert ScriptedAgent.from_definition(definition).script.steps[0].expect == ("yes", "no", "2")


def asking(**step: Any) -> dict[str, Any]:
    return {"greeting": "Hi.", "steps": [{"say": "Hello."}, step]}


@pytest.mark.parametrize(
    ("definition", "complaint"),
    [
        ({"greetings": "Hi."}, "agent: unknown field 'greetings'; did you mean 'greeting'"),
        ({}, "nothing to say"),
        ({"greeting": 7}, "`greeting` must be text, not 7"),
        ({"greeting": "Hi", "steps": "Hello"}, "steps must be a list"),
        ({"greeting": "Hello {{first_name}"}, "`greeting` has a broken template"),
        ({"greeting": "Hello {{ }}"}, "`greeting` has a broken template"),
        ({"greeting": "Hello }}"}, "`greeting` has a broken template"),
        (asking(say="?", gathr="a"), "step 2: unknown field 'gathr'; did you mean 'gather'"),
        (asking(gather="a"), "step 2: `say` is missing"),
        (asking(say="?", gather="two words"), "step 2: `gather` must be a name"),
        (asking(say="?", gather=True), "step 2: `gather` must be a name"),
        (asking(say="?", expect=["yes"]), "step 2: `expect` needs `gather`"),
        (asking(say="?", attempts=2), "step 2: `attempts` needs `gather`"),
        (asking(say="?", gather="a", attempts=0), "step 2: `attempts` must be a whole number between 1 and 10"),
        (asking(say="?", gather="a", expect=[]), "step 2: `expect` must be a list"),
        (asking(say="?", gather="a", expect="yes"), "step 2: `expect` must be a list"),
        (asking(say="?", gather="a", expect=["yes", "Yes!"]), "step 2: `expect` names an answer twice"),
        (asking(say="?", gather="a", expect=["..."]), "step 2: every answer in `expect` must be text"),
        (asking(say="?", keys={1: "yes"}), "step 2: `keys` needs `gather`"),
        (asking(say="?", gather="a", keys={"12": "yes"}), "step 2: `keys` has '12', which is no key"),
        (asking(say="?", gather="a", keys={"A": "yes"}), "step 2: `keys` has 'A', which is no key"),
        (asking(say="?", gather="a", keys=["yes"]), "step 2: `keys` must be a mapping"),
        (asking(say="?", transfer="555-0100"), "step 2: `transfer` must be a number in E.164 .* not '555-0100'"),
        (asking(say="?", transfer=14155550100), "step 2: `transfer` must be a number in E.164 .* not 14155550100"),
        (asking(say="?", transfer="+1415555010a"), "step 2: `transfer` must be a number in E.164"),
        (asking(say="?", transfer="+14155550100\n"), "step 2: `transfer` must be a number in E.164"),
        (asking(say="?", transfer=None), "step 2: `transfer` must be a number in E.164"),
        (asking(say="?", gather="a", transfer="+14155550100"), "step 2: `gather` and `transfer` do not go together"),
        (asking(say="?", expect=["yes"], transfer="+14155550100"), "step 2: `expect` needs `gather`"),
        (asking(say="?", failed="Sorry."), "step 2: `failed` needs `transfer`"),
        (asking(transfer="+14155550100", failed=7), "step 2: `failed` must be text, not 7"),
        ({"greeting": "Hi", "opt_out": "stop"}, "opt_out: must be a mapping"),
        ({"greeting": "Hi", "opt_out": {"say": "Bye"}}, "opt_out: needs `phrases` .* or a `key`"),
        ({"greeting": "Hi", "opt_out": {"key": "99"}}, "opt_out: `key` must be a key of a telephone"),
        (
            {"greeting": "Hi", "opt_out": {"phrase": ["stop"]}},
            "opt_out: unknown field 'phrase'; did you mean 'phrases'",
        ),
        ({"greeting": "Hi", "steps": ["Hello"]}, "step 1: must be a mapping"),
        (["Hello"], "agent: must be a mapping"),
        ({"greeting": {"text": "Hi."}}, "agent, greeting: `sound` must name a recording"),
        ({"greeting": {"sound": "hi.wav"}}, "agent, greeting: `text` is missing"),
        (asking(say={"text": "Hi", "sund": "hi.wav"}), "step 2, say: unknown field 'sund'; did you mean 'sound'"),
        (asking(say={"text": "Hi {{name}}", "sound": "hi.wav"}), "step 2, say: a recording says the same to everybody"),
        ({"greeting": "Hi", "opt_out": {"key": 9, "say": {"text": "Bye", "sound": 9}}}, "opt_out, say: `sound` must"),
    ],
)
def test_a_wrong_definition_is_refused_with_its_fix(definition: Any, complaint: str) -> None:
    with pytest.raises(Invalid, match=complaint):
        ScriptedAgent.from_definition(definition)


# --- with simulated people -----------------------------------------------------------------------


async def conversation_with(to_number: str, profile: Profile) -> Conversation:
    line = SimulatedLine(profile, to_number, 1, talk_seconds=profile.talk_seconds[1])
    return await ScriptedAgent.from_definition(REMINDER).talk(line, ANA)


@pytest.mark.asyncio
async def test_conversations_differ_between_people_and_repeat_with_the_seed() -> None:
    people = [f"+1415{ordinal:07d}" for ordinal in range(300)]

    talks = [await conversation_with(person, Profile()) for person in people]

    assert talks == [await conversation_with(person, Profile()) for person in people]
    assert talks != [await conversation_with(person, Profile(seed=2)) for person in people]
    assert len({talk.transcript for talk in talks}) > 250
    assert {talk.gathered.get("confirmed") for talk in talks} == {"yes", "no", None}


@pytest.mark.asyncio
async def test_most_short_scripts_fit_into_the_shortest_default_call() -> None:
    people = [f"+1415{ordinal:07d}" for ordinal in range(300)]
    agent = ScriptedAgent.from_definition(DEFAULT_DEFINITION)

    talks = [await agent.talk(SimulatedLine(Profile(), person, 1, talk_seconds=0.5), {}) for person in people]

    complete = sum(talk.transcript[-1].text == "Thank you. Goodbye." for talk in talks)
    assert complete > 240
    assert all(talk.transcript[0].text == "Hello, this is an automated call." for talk in talks)
