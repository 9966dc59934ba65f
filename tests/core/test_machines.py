"""What a campaign does about whoever answers, and what it takes in."""

from __future__ import annotations

import doctest
from typing import Any

import pytest

from dialplane.core import machines
from dialplane.core.answered_by import AnsweredBy
from dialplane.core.machines import Action, MachineDetection, OnMachine, OnScreening
from dialplane.errors import Invalid

HUMAN, MACHINE, SCREENING, FAX, UNCERTAIN = AnsweredBy
TALK, HANG_UP, LEAVE = Action
MESSAGE = "Please call us back."


@pytest.mark.parametrize(
    ("on_machine", "on_screening", "actions"),
    [
        (OnMachine.OFF, OnScreening.HANG_UP, (TALK, TALK, TALK, TALK, TALK)),
        (OnMachine.HANG_UP, OnScreening.CARRY_ON, (TALK, HANG_UP, TALK, HANG_UP, TALK)),
        (OnMachine.HANG_UP, OnScreening.HANG_UP, (TALK, HANG_UP, HANG_UP, HANG_UP, TALK)),
        (OnMachine.LEAVE_MESSAGE, OnScreening.CARRY_ON, (TALK, LEAVE, TALK, HANG_UP, TALK)),
        (OnMachine.CARRY_ON, OnScreening.HANG_UP, (TALK, TALK, HANG_UP, HANG_UP, TALK)),
    ],
)
def test_a_person_is_talked_to_whatever_is_done_about_machines(
    on_machine: OnMachine, on_screening: OnScreening, actions: tuple[Action, ...]
) -> None:
    policy = MachineDetection(on_machine=on_machine, on_screening=on_screening, message=MESSAGE)
    assert tuple(policy.action(answered_by) for answered_by in AnsweredBy) == actions


def test_nobody_listens_for_machines_unless_that_was_asked_for() -> None:
    assert not MachineDetection().listens and not MachineDetection.from_json({}).listens


def test_a_column_that_a_contact_lacks_is_left_out_of_the_message() -> None:
    assert doctest.testmod(machines).failed == 0
    message = MachineDetection(message="Hello {{name}}, this is {{who}}.")
    assert message.message_for({"name": "Ana"}) == "Hello Ana, this is ."


def test_what_was_written_is_read_again() -> None:
    policy = MachineDetection(on_machine=OnMachine.LEAVE_MESSAGE, message=MESSAGE, on_screening=OnScreening.HANG_UP)
    assert MachineDetection.from_json(policy.to_json()) == policy


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"on_machine": "leave_message"}, "needs a message"),
        ({"on_machine": "explode"}, "on_machine must be off, hang_up"),
        ({"on_screening": None}, "on_screening must be carry_on"),
        ({"message": 7}, "message is not understood"),
        ({"beep": True}, "beep is not understood"),
        ({"message": "x" * 1001}, "at most 1000"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(Invalid, match=complaint):
        MachineDetection.from_json(given)
