"""Recordings that are announced: the first thing that is said, and in the transcript whatever comes of the call."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from bench import Bench

from dialplane.carriers.simulated.callee import SimulatedLine
from dialplane.carriers.simulated.profile import Profile
from dialplane.core.attempt import Conversation, Utterance
from dialplane.core.recording import Recording, RecordingMode
from dialplane.core.retry import RetryPolicy
from dialplane.engine import announcing
from dialplane.errors import Invalid
from dialplane.ports import TalkBroken

pytestmark = pytest.mark.asyncio

ANSWERED = "+15005550006"
ANNOUNCED = Recording(mode=RecordingMode.ANNOUNCED, announcement="We record this call.")
GREETS = {"greeting": "Hello {{name}}.", "goodbye": "Goodbye."}
ANA = f"phone_number,name\n{ANSWERED},Ana\n"
HELLO = Conversation(transcript=(Utterance(speaker="agent", text="Hello.", at_seconds=1.0),))
SLOWLY = {"talk_seconds": [30, 30]}


async def said(bench: Bench, campaign: int) -> list[str]:
    """By the agent, in each call of a campaign."""
    return [row["transcript"] for row in await bench.report(campaign)]


async def test_the_announcement_comes_before_the_agents_first_word(bench: Bench) -> None:
    campaign = await bench.completed(ANA, agent=GREETS, carrier=SLOWLY, recording=ANNOUNCED)

    (transcript,) = await said(bench, campaign)
    first, second, third = transcript.splitlines()
    assert first.endswith("agent: We record this call.")
    assert second.endswith("agent: Hello Ana.") and third.endswith("agent: Goodbye.")
    assert float(first[1:].split("]")[0]) < float(second[1:].split("]")[0])


@pytest.mark.parametrize("mode", [RecordingMode.ON, RecordingMode.OFF])
async def test_without_an_announcement_the_agent_speaks_first(bench: Bench, mode: RecordingMode) -> None:
    campaign = await bench.completed(ANA, agent=GREETS, carrier=SLOWLY, recording=Recording(mode=mode))

    (transcript,) = await said(bench, campaign)
    assert "record" not in transcript and "Hello Ana." in transcript.splitlines()[0]


async def test_another_announcement_counts_from_the_next_call_on(bench: Bench) -> None:
    """Also for a call that is intended already: its retry is announced in the new words."""
    busy_then_answered = "phone_number,name\n+15005550021,Ana\n"
    retry = RetryPolicy(max_retries=1, delay_seconds=60)
    campaign = await bench.started(busy_then_answered, agent=GREETS, carrier=SLOWLY, recording=ANNOUNCED, retry=retry)

    async def change() -> None:
        policies = (await bench.get(campaign)).policies
        assert policies.recording == ANNOUNCED
        new = Recording(mode=RecordingMode.ANNOUNCED, announcement="Recorded, by the way.")
        await bench.app.campaigns.adjust(campaign, lambda old: type(old)(recording=new, retry=old.retry))

    bench.after(30, change)
    await bench.run(campaign)

    transcripts = await said(bench, campaign)
    assert transcripts[0] == "" and transcripts[1].splitlines()[0].endswith("agent: Recorded, by the way.")
    assert "settings.changed" in await bench.events(campaign)


class BreaksDown:
    """An agent that fails, with or without something said before."""

    def __init__(self, failure: Exception) -> None:
        self._failure = failure

    async def talk(self, *_: object) -> Conversation:
        raise self._failure


@pytest.mark.parametrize("failure", [ValueError("no words"), TalkBroken(ValueError("no words"), HELLO)])
async def test_what_was_announced_stays_known_when_the_agent_fails(failure: Exception) -> None:
    line = SimulatedLine(Profile(), ANSWERED, 1, talk_seconds=60)
    order: Any = SimpleNamespace(recording=ANNOUNCED, variables={})
    agent: Any = BreaksDown(failure)

    with pytest.raises(TalkBroken, match="no words") as broken:
        await announcing.talk(agent, line, order)

    words = [utterance.text for utterance in broken.value.conversation.transcript]
    assert words == [ANNOUNCED.announcement, *(["Hello."] if isinstance(failure, TalkBroken) else [])]


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"mode": "loud"}, "mode must be off, on, announced, not 'loud'"),
        ({"mode": "on", "text": "Hi"}, "text is not understood"),
        ({"announcement": 7}, "announcement is not understood"),
        ({"announcement": " "}, "must have 1 to 1000 characters"),
        ({"announcement": "x" * 1001}, "must have 1 to 1000 characters"),
        ({"announcement": "Hello {{name}}, we record."}, "the same for everybody"),
    ],
)
async def test_a_policy_that_makes_no_sense_is_refused(given: dict[str, object], complaint: str) -> None:
    with pytest.raises(Invalid, match=complaint):
        Recording.from_json(given)
