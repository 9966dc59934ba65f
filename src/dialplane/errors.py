"""What can go wrong, by what the caller can do about it.

DialplaneError
├── NotFound               no such campaign, contact or attempt
├── Conflict               not possible in the current state
│   ├── InvalidTransition
│   └── LinesBusy
├── Invalid                the caller's data is wrong
├── EnvironmentFault       the database, the disk or a folder: the machine's operator can mend it
└── CarrierError           the carrier said no, or said nothing
    ├── CarrierRefused     not placed; the refusal names a disposition
    ├── CarrierUnavailable not placed and not refused: safe to try again
    └── PlacementUnknown   it may be ringing: wait for events, do not redial

What happened to a call is a Disposition, never an exception.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dialplane.core.disposition import Disposition


class DialplaneError(Exception):
    """Base of all; its text is written for the person who has to act."""


class NotFound(DialplaneError):
    """No such campaign, contact or attempt in this organization."""


class Conflict(DialplaneError):
    """Not possible in the current state."""


class InvalidTransition(Conflict):
    """The state machine has no such arrow."""


class LinesBusy(Conflict):
    """Every line is in use; one will be free again."""


class Invalid(DialplaneError):
    """The caller's data is wrong; the text names the place and the fix."""


class EnvironmentFault(DialplaneError):
    """The database, the disk or a folder is not as it must be; the text says what to do."""


class CarrierError(DialplaneError):
    """The carrier said no, or said nothing."""


class CarrierRefused(CarrierError):
    """The carrier did not accept the call. ``disposition`` says whether asking again can help."""

    def __init__(self, disposition: Disposition, *, cause: str = "", sip_status: int | None = None) -> None:
        super().__init__(cause or disposition.value)
        self.disposition = disposition
        self.cause = cause or disposition.value
        self.sip_status = sip_status


class CarrierUnavailable(CarrierError):
    """The request certainly did not reach the carrier; the call was not placed."""


class PlacementUnknown(CarrierError):
    """The request left and no answer came: the call may be ringing."""


class StandsStill(RuntimeError):
    """Virtual time has nothing left that could ever happen, which real time would hide."""
