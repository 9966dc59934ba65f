"""Machines and people as an engine sees them: who is talked to, what is kept, and what becomes of the call."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from bench import Bench

from dialplane.agents.scripted import ScriptedAgent
from dialplane.carriers.simulated.callee import SimulatedLine
from dialplane.carriers.simulated.profile import Profile
from dialplane.core.answered_by import AnsweredBy
from dialplane.core.attempt import Order
from dialplane.core.disposition import Disposition
from dialplane.core.machines import MachineDetection, OnMachine, OnScreening
from dialplane.core.retry import RetryPolicy
from dialplane.engine import detecting
from dialplane.engine.attempt_views import AttemptFilter, Paging
from dialplane.engine.call import Call
from dialplane.ports import Ended, HungUp

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
HANG_UP = MachineDetection(on_machine=OnMachine.HANG_UP)
LEAVE = MachineDetection(on_machine=OnMachine.LEAVE_MESSAGE, message="Please call us, {{name}}.")
CARRY_ON = MachineDetection(on_machine=OnMachine.CARRY_ON)
NOT_SCREENED = MachineDetection(on_machine=OnMachine.CARRY_ON, on_screening=OnScreening.HANG_UP)
AGENT = ScriptedAgent.from_definition({"greeting": "Hello {{name}}.", "goodbye": "Goodbye."})
HUMAN, MACHINE, SCREENING, FAX, UNCERTAIN = AnsweredBy


class MachineLine(SimulatedLine):
    """Whoever talks on it hears nobody until it is theirs no more; ended: the call was hung up."""

    def __init__(self, answered_by: AnsweredBy) -> None:
        super().__init__(Profile(), "+15005550003", 1, talk_seconds=60)
        self._answered_by = answered_by
        self.ended = asyncio.Event()
        self.said: list[str] = []

    @property
    def answered_by(self) -> AnsweredBy:
        return self._answered_by

    async def no_person(self) -> AnsweredBy:
        return self._answered_by

    async def say(self, text: str, sound: str | None = None) -> float:
        self.said.append(text)
        if text == "Goodbye.":
            return 2.0
        await self.ended.wait()
        raise HungUp

    async def leave_message(self, text: str) -> float:
        self.ended.set()
        self.said.append(text)
        return 7.5

    async def hang_up_there(self) -> None:
        self.ended.set()


def order(machines: MachineDetection) -> Order:
    return Order(
        organization_id=1,
        campaign_id=1,
        attempt_id=1,
        attempt_uuid=UUID(int=1),
        contact_id=1,
        number=1,
        carrier_id=1,
        to_number="+15005550003",
        from_number="+15005550100",
        agent_id=1,
        agent_version=1,
        variables={"name": "Ana"},
        send_at=AT,
        send_before=AT + timedelta(seconds=10),
        machines=machines,
    )


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("answered_by", "machines", "said"),
    [
        (MACHINE, HANG_UP, ["Hello Ana."]),
        (MACHINE, LEAVE, ["Hello Ana.", "Please call us, Ana."]),
        (FAX, LEAVE, ["Hello Ana."]),
        (SCREENING, NOT_SCREENED, ["Hello Ana."]),
    ],
)
async def test_the_agent_begins_at_once_and_is_cut_off(
    answered_by: AnsweredBy, machines: MachineDetection, said: list[str]
) -> None:
    line = MachineLine(answered_by)

    conversation = await detecting.talk(AGENT, line, order(machines), line.hang_up_there)

    assert line.said == said and line.ended.is_set()
    assert [(each.text, each.at_seconds) for each in conversation.transcript] == [(text, 7.5) for text in said[1:]]


@pytest.mark.asyncio
@pytest.mark.parametrize(("answered_by", "machines"), [(MACHINE, CARRY_ON), (SCREENING, HANG_UP)])
async def test_where_the_agent_carries_on_nothing_is_cut_off(
    answered_by: AnsweredBy, machines: MachineDetection
) -> None:
    line = MachineLine(answered_by)
    talking = asyncio.create_task(detecting.talk(AGENT, line, order(machines), line.hang_up_there))
    for _ in range(5):
        await asyncio.sleep(0)

    assert not line.ended.is_set() and not talking.done()
    await line.hang_up_there()
    await talking


@pytest.mark.parametrize(
    ("answered_by", "machines", "disposition", "cause", "abandoned"),
    [
        (None, CARRY_ON, "answered", "bye", False),
        (HUMAN, HANG_UP, "answered", "bye", False),
        (UNCERTAIN, HANG_UP, "answered", "bye", False),
        (MACHINE, HANG_UP, "voicemail", "a machine answered", None),
        (MACHINE, CARRY_ON, "voicemail", "a machine answered", None),
        (FAX, CARRY_ON, "voicemail", "a fax answered", None),
        (SCREENING, HANG_UP, "answered", "bye", False),
        (SCREENING, NOT_SCREENED, "voicemail", "call screening answered", None),
    ],
)
def test_what_a_call_comes_to(
    answered_by: AnsweredBy | None, machines: MachineDetection, disposition: str, cause: str, abandoned: bool | None
) -> None:
    call = Call(order(machines), answered_at=AT, answered_by=answered_by, first_word_seconds=0.2)
    ended = Ended(attempt_uuid=UUID(int=1), at=AT + timedelta(seconds=9), disposition=Disposition.ANSWERED, cause="bye")

    outcome = call.outcome(ended)

    assert (outcome.disposition, outcome.cause, outcome.abandoned) == (disposition, cause, abandoned)
    assert outcome.answered_by is answered_by


@pytest.mark.asyncio
async def test_what_has_answered_is_kept_with_each_attempt(bench: Bench) -> None:
    """The simulated carrier says so itself: nobody has to listen."""
    numbers = ["+15005550002", "+15005550003", "+15005550006"]
    campaign = await bench.completed(numbers, machines=HANG_UP, retry=RetryPolicy(enabled=False))

    page = await bench.app.attempts.of_campaign(campaign, AttemptFilter(), Paging())
    assert (await bench.get(campaign)).policies.machines == HANG_UP
    assert {each.to_number: each.answered_by for each in page.attempts} == {
        "+15005550002": None,
        "+15005550003": MACHINE,
        "+15005550006": HUMAN,
    }
