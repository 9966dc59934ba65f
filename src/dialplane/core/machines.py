"""What a campaign does where no person answers: an answering machine, call screening, a fax."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

from dialplane.core.answered_by import AnsweredBy
from dialplane.errors import Invalid

MOST_CHARACTERS: Final = 1000
_COLUMN: Final = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")


class OnMachine(StrEnum):
    OFF = "off"  # nobody listens for machines: whoever answers is talked to
    HANG_UP = "hang_up"
    LEAVE_MESSAGE = "leave_message"  # after the beep
    CARRY_ON = "carry_on"  # the agent talks, and the call counts as one that a machine took


class OnScreening(StrEnum):
    CARRY_ON = "carry_on"  # the agent says who calls; a person may be put through
    HANG_UP = "hang_up"


class Action(StrEnum):
    """What is done about whoever has answered."""

    TALK = "talk"
    HANG_UP = "hang_up"
    LEAVE_MESSAGE = "leave_message"


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineDetection:
    """message: what is left on a machine, with {{columns}} of the contact; one that it lacks is left out."""

    on_machine: OnMachine = OnMachine.OFF
    message: str = ""
    on_screening: OnScreening = OnScreening.CARRY_ON

    def __post_init__(self) -> None:
        if len(self.message) > MOST_CHARACTERS:
            raise Invalid(f"machine_detection: the message must have at most {MOST_CHARACTERS} characters")
        if self.on_machine is OnMachine.LEAVE_MESSAGE and not self.message.strip():
            raise Invalid("machine_detection: leave_message needs a message: give its text")

    @property
    def listens(self) -> bool:
        return self.on_machine is not OnMachine.OFF

    def action(self, answered_by: AnsweredBy) -> Action:
        """In doubt it is a person, who is talked to. A fax understands nothing."""
        match answered_by:
            case AnsweredBy.FAX if self.listens:
                return Action.HANG_UP
            case AnsweredBy.MACHINE if self.on_machine is OnMachine.HANG_UP:
                return Action.HANG_UP
            case AnsweredBy.MACHINE if self.on_machine is OnMachine.LEAVE_MESSAGE:
                return Action.LEAVE_MESSAGE
            case AnsweredBy.SCREENING if self.listens and self.on_screening is OnScreening.HANG_UP:
                return Action.HANG_UP
            case _:
                return Action.TALK

    def message_for(self, variables: Mapping[str, str]) -> str:
        """
        >>> MachineDetection(message="Hello {{ First_Name }}, please call us.").message_for({"first_name": "Ana"})
        'Hello Ana, please call us.'
        """
        values = {name.lower(): value for name, value in variables.items()}
        return _COLUMN.sub(lambda found: values.get(found[1].lower(), ""), self.message)

    def to_json(self) -> dict[str, Any]:
        """{"on_machine": "leave_message", "message": "Please call us back.", "on_screening": "carry_on"}"""
        return {"on_machine": self.on_machine.value, "message": self.message, "on_screening": self.on_screening.value}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What `to_json` made; a missing key is its default. Raises Invalid."""
        unknown = sorted(set(data) - {"on_machine", "message", "on_screening"})
        if unknown or not isinstance(data.get("message", ""), str):
            raise Invalid(f"machine_detection: {unknown[0] if unknown else 'message'} is not understood")
        for field, words in (("on_machine", OnMachine), ("on_screening", OnScreening)):
            if data.get(field, next(iter(words))) not in list(words):
                raise Invalid(f"machine_detection: {field} must be {', '.join(words)}, not {data[field]!r}")
        return cls(
            on_machine=OnMachine(data.get("on_machine", OnMachine.OFF)),
            message=data.get("message", ""),
            on_screening=OnScreening(data.get("on_screening", OnScreening.CARRY_ON)),
        )
