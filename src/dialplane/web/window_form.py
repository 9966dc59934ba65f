"""The calling hours of a form: a weekly grid over a line of text, and whose zone counts."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from fastapi import Form
from pydantic import BaseModel, Field

from dialplane.core.window import CONTACT, CallingWindow

USUAL = "mon-fri 09:00-17:00"


class WindowFields(BaseModel):
    """What `window_grid.html` asks for; forms inherit it. hours that are meant and empty are never any hour."""

    when: Literal["hours", "any"] = "hours"
    hours: Annotated[str, Field(max_length=2000)] = USUAL
    whose: Literal["campaign", "contact"] = "contact"
    timezone: Annotated[str, Field(max_length=64)] = "UTC"

    @classmethod
    def shown(cls, window: CallingWindow) -> Self:
        """The fields that come to this window."""
        own = window.timezone == CONTACT
        return cls(
            when="any" if window.any_hour else "hours",
            hours=window.hours,
            whose="contact" if own else "campaign",
            timezone="" if own else window.timezone,
        )

    def window(self) -> CallingWindow:
        """Raises Invalid."""
        timezone = CONTACT if self.whose == "contact" else self.timezone.strip()
        if self.when == "hours":
            return CallingWindow.parse(self.hours, timezone)
        slots = CallingWindow.parse(self.hours, timezone).slots if self.hours.strip() else ()
        return CallingWindow(slots=slots, timezone=timezone, enabled=False)


WindowForm = Annotated[WindowFields, Form()]
