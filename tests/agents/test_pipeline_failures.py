"""What a pipeline agent does when services fail and when people do not wait: over a wire, with models of our own."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from callees import needs_programs
from chat_server import Calls, ChatServer, Endless, Garbage, Refuses, Says, Silence, Stops, chat_server
from wired import TO, Wired, wired

from dialplane.agents.hosted import Talked
from dialplane.voice.settings import Speech
from dialplane.voice.speech import Speaker

pytest.importorskip("pipecat")
pytestmark = [needs_programs, pytest.mark.asyncio]
talk = pytest.importorskip("dialplane.agents.pipeline.talk")
FALLBACK, PARDON = "I cannot go on.", "Pardon?"
WITHIN_SECONDS = 20


def definition(server: ChatServer, **more: Any) -> dict[str, Any]:
    ours = {"service": "openai", "base_url": server.url, "model": "m", "timeout_seconds": 1}
    return {
        "kind": "pipeline",
        "prompt": "You are kind to {{first_name}}.",
        "greeting": "Hello {{first_name}}.",
        "llm": {**ours, "api_key": "sk-secret"},
        "stt": ours,
        "tts": {**ours, "voice": "any"},
        "pause_seconds": 0.2,
        "pardon": PARDON,
        "fallback": FALLBACK,
        **more,
    }


class Scene:
    """A conversation in progress, and the person in it."""

    def __init__(self, phone: Wired, talking: asyncio.Task[Talked], words: bytes) -> None:
        self.phone = phone
        self.talking = talking
        self._words = words

    async def until(self, happened: Callable[[], object]) -> None:
        async with asyncio.timeout(WITHIN_SECONDS):
            while not happened():
                await asyncio.sleep(0.005)

    async def hears(self, text: str) -> None:
        await self.until(lambda: ("agent", text) in self.lines)

    def speaks(self) -> None:
        self.phone.handset.says += self._words

    async def answers(self, text: str) -> None:
        """The person, once this has been said."""
        await self.hears(text)
        self.speaks()

    def hangs_up(self) -> None:
        self.phone.sound.close()

    async def over(self) -> Talked:
        async with asyncio.timeout(WITHIN_SECONDS):
            return await self.talking

    @property
    def lines(self) -> list[tuple[str, str]]:
        return [(speaker, text) for speaker, text, _ in self.phone.said]


@asynccontextmanager
async def scene(server: ChatServer, **more: Any) -> AsyncIterator[Scene]:
    words = await Speaker(Speech()).spoken("yes please")
    async with wired() as phone:
        talking = asyncio.create_task(talk.talk(definition(server, **more), phone.call))
        try:
            yield Scene(phone, talking, words)
        finally:
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)


# --- the model ------------------------------------------------------------------------------------


async def test_a_model_that_does_not_answer_is_waited_for_and_then_the_call_ends() -> None:
    async with chat_server(Silence()) as server, scene(server) as call:
        await call.answers("Hello Ana.")
        talked = await call.over()

    assert talked.failure == "llm: no answer within 1 s"
    assert call.lines == [("agent", "Hello Ana."), ("contact", "yes please"), ("agent", FALLBACK)]
    assert call.phone.hung_up


async def test_a_model_that_speaks_garbage_is_asked_once_more() -> None:
    async with chat_server(Garbage()) as server, scene(server) as call:
        await call.answers("Hello Ana.")
        talked = await call.over()

    assert len(server.asked) == 2
    assert talked.failure.startswith("llm: ")
    assert call.lines[-1] == ("agent", FALLBACK)


async def test_a_model_that_has_too_much_to_do_is_asked_again() -> None:
    async with chat_server(Refuses(429), Says("Good."), Calls("end_call")) as server, scene(server) as call:
        await call.answers("Hello Ana.")
        await call.answers("Good.")
        talked = await call.over()

    assert talked.failure == ""
    assert call.lines[2] == ("agent", "Good.")


async def test_what_a_model_said_before_it_fell_silent_is_heard() -> None:
    stuck = Says("It is sunny. And tomorrow it will rain.", until=6)
    async with chat_server(stuck) as server, scene(server) as call:
        await call.answers("Hello Ana.")
        talked = await call.over()

    assert talked.failure == "llm: no answer within 1 s"
    assert ("agent", "It is sunny.") in call.lines and call.lines[-1] == ("agent", FALLBACK)


async def test_a_model_whose_answer_breaks_off_is_asked_again() -> None:
    broken = Says("It is sunny. And tomorrow it will rain.", until=6, breaks=True)
    async with chat_server(broken, Says("That is all."), Calls("end_call")) as server, scene(server) as call:
        await call.answers("Hello Ana.")
        await call.until(lambda: any("That is all." in text for _, text in call.lines))
        call.hangs_up()
        talked = await call.over()

    assert talked.failure == ""
    assert len(server.asked) == 2


async def test_a_model_that_refuses_the_key_is_not_asked_again_and_nobody_reads_the_key(
    capfd: pytest.CaptureFixture[str],
) -> None:
    async with chat_server(Refuses(401)) as server, scene(server) as call:
        await call.answers("Hello Ana.")
        talked = await call.over()

    printed = capfd.readouterr()
    assert server.keys == ["Bearer sk-secret"]
    assert talked.failure == "llm: AuthenticationError 401"
    assert "sk-secret" not in printed.err + printed.out and "yes please" not in printed.err + printed.out


# --- speech and hearing ---------------------------------------------------------------------------


async def test_a_voice_that_gives_no_sound_ends_the_call() -> None:
    async with chat_server(Says("Good."), voice=_fares(None, Silence())) as server, scene(server) as call:
        await call.answers("Hello Ana.")
        talked = await call.over()

    assert talked.failure == "tts: no sound within 1 s"
    assert call.lines == [("agent", "Hello Ana."), ("contact", "yes please")]
    assert call.phone.hung_up


async def test_a_voice_that_stops_in_the_middle_ends_the_call_and_what_was_heard_is_kept() -> None:
    talks = Says("Once there was an old house by the sea.")
    async with chat_server(talks, voice=_fares(None, Stops())) as server, scene(server) as call:
        await call.answers("Hello Ana.")
        talked = await call.over()

    assert talked.failure == "tts: no sound within 1 s"
    assert call.lines[-1][0] == "agent" and talks.text.startswith(call.lines[-1][1])
    assert len(call.lines[-1][1]) < len(talks.text)


async def test_one_sentence_that_a_voice_cannot_say_stays_unsaid_and_the_next_is_said() -> None:
    async with (
        chat_server(Says("One."), Says("Two."), voice=_fares(None, Refuses(500), None)) as server,
        scene(server) as call,
    ):
        await call.answers("Hello Ana.")
        await call.until(lambda: len(server.spoken) > 1)
        await call.until(lambda: ("contact", "yes please") in call.lines)
        call.speaks()
        await call.hears("Two.")
        call.hangs_up()
        talked = await call.over()

    assert talked.failure == ""
    assert ("agent", "One.") not in call.lines


async def test_a_voice_that_fails_twice_ends_the_call() -> None:
    async with chat_server(Says("One. Two. Three."), voice=_fares(None, Refuses(500))) as server, scene(server) as call:
        await call.answers("Hello Ana.")
        talked = await call.over()

    assert talked.failure.startswith("tts: ")


async def test_who_is_not_understood_for_a_failure_is_asked_to_say_it_again() -> None:
    async with chat_server(Says("Good."), hears=_fares(Refuses(400), "yes please")) as server, scene(server) as call:
        await call.answers("Hello Ana.")
        await call.answers(PARDON)
        await call.hears("Good.")
        call.hangs_up()
        talked = await call.over()

    assert talked.failure == ""


async def test_hearing_that_fails_twice_ends_the_call() -> None:
    async with chat_server(Says("Good."), hears=_fares(Refuses(400))) as server, scene(server) as call:
        await call.answers("Hello Ana.")
        await call.answers(PARDON)
        talked = await call.over()

    assert talked.failure.startswith("stt: ")
    assert call.lines[-1] == ("agent", FALLBACK)


def _fares(*each: Any) -> deque[Any]:
    return deque(each)


# --- tools ----------------------------------------------------------------------------------------


def _tool(server: ChatServer) -> dict[str, Any]:
    url = server.url.replace("/v1", "/tool")
    parameters = {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]}
    headers = {"Authorization": "Bearer of-the-tool"}
    return {"name": "book", "description": "Books a visit.", "url": url, "parameters": parameters, "headers": headers,
            "timeout_seconds": 0.5}  # fmt: skip


async def test_a_tool_is_told_which_call_it_is_and_its_answer_goes_to_the_model() -> None:
    answers = Calls("book", {"day": "Tuesday"}), Says("It is booked."), Calls("end_call", {"words": "Goodbye."})
    async with chat_server(*answers, tool={"at": "10:30"}) as server, scene(server, tools=[_tool(server)]) as call:
        await call.answers("Hello Ana.")
        await call.answers("It is booked.")
        talked = await call.over()

    headers, body = server.tools[0]
    assert body == {"day": "Tuesday"}
    assert (headers["Authorization"], headers["X-Dialplane-To-Number"]) == ("Bearer of-the-tool", TO)
    assert headers["X-Dialplane-Attempt"] == call.phone.call.attempt
    assert any("10:30" in each for each in server.messages(1))
    assert ("agent", '[book day="Tuesday": done]') in call.lines and call.lines[-1] == ("agent", "Goodbye.")
    assert talked.failure == "" and call.phone.hung_up


@pytest.mark.parametrize(
    ("tool", "told"),
    [
        (Silence(), "no answer within 0.5 s"),
        (Refuses(500), "the tool answered 500"),
        (Endless(), 1000 * "x"),
    ],
)
async def test_the_model_is_told_of_a_tool_that_fails_or_knows_no_end(tool: object, told: str) -> None:
    answers = Calls("book", {"day": "Tuesday"}), Says("It cannot be booked.")
    async with chat_server(*answers, tool=tool) as server, scene(server, tools=[_tool(server)]) as call:
        await call.answers("Hello Ana.")
        await call.hears("It cannot be booked.")
        call.hangs_up()
        await call.over()

    assert any(told in each for each in server.messages(1))


async def test_the_call_is_handed_over_to_whom_the_model_names() -> None:
    to = {"sales": "+14155550199"}
    async with chat_server(Calls("transfer", {"to": "sales"})) as server, scene(server, transfer={"to": to}) as call:
        await call.answers("Hello Ana.")
        talked = await call.over()

    assert call.phone.transferred == ["+14155550199"]
    assert (talked.failure, call.phone.hung_up) == ("", False)


async def test_the_model_goes_on_where_nobody_takes_the_call() -> None:
    answers = Calls("transfer", {"to": "them"}), Says("They are busy.")
    async with chat_server(*answers) as server, scene(server, transfer={"to": "+14155550199"}) as call:
        call.phone.refuses = True
        await call.answers("Hello Ana.")
        await call.hears("They are busy.")
        call.hangs_up()
        await call.over()

    assert any("do not answer" in each for each in server.messages(1))


# --- people ---------------------------------------------------------------------------------------


async def test_who_is_interrupted_has_said_only_what_was_heard() -> None:
    long = " ".join(f"word{place}" for place in range(200)) + "."
    async with chat_server(Says("Yes?")) as server, scene(server, greeting=long) as call:
        await call.phone.pass_seconds(8)
        call.speaks()
        await call.hears("Yes?")
        call.hangs_up()
        await call.over()

    heard = call.lines[0][1].split()
    assert 5 <= len(heard) <= 60 and long.startswith(call.lines[0][1])
    assert not any("word199" in each for each in server.messages(0))


async def test_an_agent_that_cannot_be_interrupted_says_it_all() -> None:
    async with (
        chat_server(Says("Yes?")) as server,
        scene(server, greeting="One two three four five six.", interruptible=False) as call,
    ):
        await call.phone.pass_seconds(0.5)
        call.speaks()
        await call.hears("Yes?")
        call.hangs_up()
        await call.over()

    assert ("agent", "One two three four five six.") in call.lines


async def test_a_goodbye_is_said_to_its_end_whoever_says_goodbye_meanwhile() -> None:
    words = "Thank you so much and have a very nice day. Goodbye."
    async with chat_server(Calls("end_call", {"words": words})) as server, scene(server) as call:
        await call.answers("Hello Ana.")
        await call.until(lambda: words in server.spoken)
        await call.phone.pass_seconds(0.3)
        call.speaks()
        talked = await call.over()

    assert talked.failure == "" and call.phone.hung_up
    assert ("agent", words) in call.lines


async def test_who_says_nothing_is_asked_and_then_let_go() -> None:
    silence = {"prompt_after_seconds": 1, "prompts": ["Hello?"], "hang_up_after_seconds": 1}
    async with chat_server(Says("Good.")) as server, scene(server, silence=silence) as call:
        talked = await call.over()

    assert call.lines == [("agent", "Hello Ana."), ("agent", "Hello?")]
    assert talked.failure == "" and call.phone.hung_up


async def test_who_wants_no_more_calls_is_told_so_and_gets_none() -> None:
    opt_out = {"phrases": ["yes please"], "say": "Never again."}
    async with chat_server(Says("Good.")) as server, scene(server, opt_out=opt_out) as call:
        await call.answers("Hello Ana.")
        talked = await call.over()

    assert talked.opted_out and server.asked == []
    assert call.lines[-1] == ("agent", "Never again.")


async def test_the_model_may_find_that_somebody_wants_no_more_calls() -> None:
    async with chat_server(Calls("opt_out")) as server, scene(server, opt_out={"say": "Never again."}) as call:
        await call.answers("Hello Ana.")
        talked = await call.over()

    assert talked.opted_out
    assert call.lines[-1] == ("agent", "Never again.")


async def test_keys_that_are_pressed_go_to_the_model() -> None:
    async with chat_server(Says("Forty-two.")) as server, scene(server) as call:
        await call.hears("Hello Ana.")
        for key in "42#":
            call.phone.sound.press(key)
        await call.hears("Forty-two.")
        call.hangs_up()
        await call.over()

    assert server.messages(0)[-1] == "user: Keys pressed: 42#"
    assert ("contact", "42#") in call.lines


async def test_a_call_ends_when_it_has_lasted_long_enough() -> None:
    async with chat_server(Says("Good.")) as server, scene(server, max_seconds=1) as call:
        talked = await call.over()

    assert talked.failure == "" and call.phone.hung_up


@pytest.mark.parametrize("stage", ["at once", "in the greeting", "while the model thinks", "while a tool works"])
async def test_people_may_hang_up_whenever_they_like(stage: str) -> None:
    answer = Calls("book", {"day": "Tuesday"}) if "tool" in stage else Silence()
    async with chat_server(answer, tool=Silence()) as server, scene(server, tools=[_tool(server)]) as call:
        if stage == "in the greeting":
            await call.phone.pass_seconds(0.3)
        elif stage != "at once":
            await call.answers("Hello Ana.")
            await call.until(lambda: server.tools if "tool" in stage else server.asked)
        call.hangs_up()
        talked = await call.over()

    assert talked.failure == ""
    assert not call.phone.hung_up


# --- after the call -------------------------------------------------------------------------------

AFTER: dict[str, Any] = {
    "fields": {"people": {"type": "integer"}, "day": {"type": "string", "enum": ["Monday", "Tuesday"]}, "note": "Any."},
    "disposition": ["booked", "refused"],
    "summary": True,
    "prices": {"per_1k_input_tokens": 1, "per_1k_characters_tts": 10},
}


async def test_what_was_said_is_read_into_typed_fields_a_word_and_a_summary() -> None:
    analysis = {"fields": {"people": "4", "day": "Sunday", "note": None}, "disposition": "booked", "summary": "Four."}
    async with (
        chat_server(Calls("end_call"), analysis=analysis, knows_schemas=False) as server,
        scene(server, **AFTER) as call,
    ):
        await call.answers("Hello Ana.")
        talked = await call.over()

    assert (talked.gathered, talked.label, talked.summary) == ({"people": 4}, "booked", "Four.")
    assert talked.usage["refused_fields"] == ["day"]
    assert "contact: yes please" in server.messages(-1)[-1]
    assert talked.usage["llm_input_tokens"] == 100
    assert talked.usage["cost"] == pytest.approx(0.1 + 10 * talked.usage["tts_characters"] / 1000)


async def test_an_analysis_that_cannot_be_read_leaves_the_call_as_it_was() -> None:
    async with chat_server(Calls("end_call"), analysis="I cannot.") as server, scene(server, **AFTER) as call:
        await call.answers("Hello Ana.")
        talked = await call.over()

    assert (talked.gathered, talked.failure) == ({}, "")
    assert talked.usage["analysis_failure"] == "the analysis was no JSON object"
