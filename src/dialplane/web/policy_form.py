"""A campaign's policies <-> the fields of a form: texts, so that what somebody typed is shown again whatever it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Final, Literal, Self

from fastapi import Form
from pydantic import Field

from dialplane.core.abandon import AbandonRule
from dialplane.core.breaker import CircuitBreaker
from dialplane.core.campaign import Policies
from dialplane.core.disposition import MEANINGS, REFUSALS, Disposition
from dialplane.core.machines import MOST_CHARACTERS as MOST_MESSAGE_CHARACTERS
from dialplane.core.machines import MachineDetection, OnMachine, OnScreening
from dialplane.core.recording import ANNOUNCEMENT, MOST_CHARACTERS, Recording, RecordingMode
from dialplane.core.retry import RetryPolicy
from dialplane.errors import Invalid
from dialplane.web.window_form import WindowFields

RETRIABLE: Final = tuple(
    disposition
    for disposition in Disposition
    if disposition not in REFUSALS | {Disposition.CANCELED} and not MEANINGS[disposition].do_not_call
)
PAUSES: Final[Mapping[str, bool | None]] = {"suits": None, "yes": True, "no": False}

Text = Annotated[str, Field(max_length=20)]


class PolicyFields(WindowFields):
    """What `policy_fields.html` asks for. retry_delay: minutes, one for each of RETRIABLE; "" is `delay`'s."""

    max_lines: Text = ""
    cps: Text = ""
    max_retries: Text = "2"
    delay: Text = "2"
    retry_on: Annotated[list[Disposition], Field(default_factory=list, max_length=len(RETRIABLE))]
    retry_delay: Annotated[list[Text], Field(default_factory=list, max_length=len(RETRIABLE))]
    backoff: Text = "1"
    breaker: bool = False
    breaker_percent: Text = "50"
    breaker_seconds: Text = "120"
    breaker_calls: Text = "5"
    recording: RecordingMode = RecordingMode.ON
    announcement: Annotated[str, Field(max_length=MOST_CHARACTERS)] = ANNOUNCEMENT
    machines: OnMachine = OnMachine.OFF
    machine_message: Annotated[str, Field(max_length=MOST_MESSAGE_CHARACTERS)] = ""
    on_screening: OnScreening = OnScreening.CARRY_ON
    abandon: bool = False
    abandon_percent: Text = "3"
    abandon_calls: Text = "50"
    abandon_pause: Literal["suits", "yes", "no"] = "suits"

    @classmethod
    def of(cls, policies: Policies) -> Self:
        """The fields that come to these policies."""
        retry, breaker, abandon = policies.retry, policies.breaker, policies.abandon
        return cls(
            **WindowFields.shown(policies.window).model_dump(),
            max_lines=_shown(policies.max_lines),
            cps=_shown(policies.cps),
            max_retries=_shown(retry.max_retries if retry.enabled else 0),
            delay=_shown(retry.delay_seconds / 60),
            retry_on=sorted(retry.retry_on),
            retry_delay=[_minutes(retry.delays.get(disposition)) for disposition in RETRIABLE],
            backoff=_shown(retry.backoff),
            breaker=breaker.enabled,
            breaker_percent=_shown(100 * breaker.threshold),
            breaker_seconds=_shown(breaker.window_seconds),
            breaker_calls=_shown(breaker.min_calls),
            recording=policies.recording.mode,
            announcement=policies.recording.announcement,
            machines=policies.machines.on_machine,
            machine_message=policies.machines.message,
            on_screening=policies.machines.on_screening,
            abandon=abandon.enabled,
            abandon_percent=_shown(100 * abandon.max_rate),
            abandon_calls=_shown(abandon.min_calls),
            abandon_pause=_pause(abandon.pause),
        )

    def over(self, before: Policies) -> Policies:
        """The policies with what was filled in. Raises Invalid, which names the field."""
        return replace(
            before,
            window=self.window(),
            retry=self._retry(before.retry),
            breaker=CircuitBreaker(
                enabled=self.breaker,
                threshold=_number("Share of failed calls", self.breaker_percent) / 100,
                window_seconds=_number("Seconds looked back", self.breaker_seconds),
                min_calls=whole("Calls at least", self.breaker_calls),
            ),
            recording=Recording(mode=self.recording, announcement=self.announcement),
            machines=self._machines(),
            abandon=AbandonRule(
                enabled=self.abandon,
                max_rate=_number("Share of abandoned calls", self.abandon_percent) / 100,
                min_calls=whole("Answered calls at least", self.abandon_calls),
                pause=PAUSES[self.abandon_pause],
            ),
            max_lines=_lines(self.max_lines),
            cps=_cps(self.cps),
        )

    def _machines(self) -> MachineDetection:
        if self.machines is OnMachine.LEAVE_MESSAGE and not self.machine_message.strip():
            raise Invalid("The message: write what is left on answering machines")
        return MachineDetection(on_machine=self.machines, message=self.machine_message, on_screening=self.on_screening)

    def _retry(self, before: RetryPolicy) -> RetryPolicy:
        delays = {
            disposition: 60 * _number(f"Minutes after {disposition.value}", text)
            for disposition, text in zip(RETRIABLE, self.retry_delay, strict=False)
            if text.strip() and disposition in self.retry_on
        }
        return replace(
            before,
            enabled=True,
            max_retries=whole("Further calls", self.max_retries),
            delay_seconds=60 * _number("Minutes between calls", self.delay),
            retry_on=frozenset(self.retry_on),
            delays=delays,
            backoff=_number("Times longer each time", self.backoff),
        )


PolicyForm = Annotated[PolicyFields, Form()]


def _lines(text: str) -> int | None:
    lines = whole("Calls at once", text) if text.strip() else None
    if lines is not None and lines < 1:
        raise Invalid(f"Calls at once: write 1 or more, not {lines}")
    return lines


def _cps(text: str) -> float | None:
    cps = _number("Calls started per second", text) if text.strip() else None
    if cps is not None and not 0.001 <= cps <= 10_000:
        raise Invalid(f"Calls started per second: write 0.001 to 10000, not {text}")
    return cps


def _number(label: str, text: str) -> float:
    try:
        number = float(text.strip().replace(",", "."))
    except ValueError:
        raise Invalid(f"{label}: write a number, not '{text}'") from None
    if not abs(number) < 1e9:  # nor nan
        raise Invalid(f"{label}: write a number, not '{text}'")
    return number


def whole(label: str, text: str) -> int:
    number = _number(label, text)
    if number != int(number):
        raise Invalid(f"{label}: write a whole number, not '{text}'")
    return int(number)


def _pause(pause: bool | None) -> Literal["suits", "yes", "no"]:
    return "suits" if pause is None else "yes" if pause else "no"


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"


def _minutes(seconds: float | None) -> str:
    return "" if seconds is None else _shown(seconds / 60)
