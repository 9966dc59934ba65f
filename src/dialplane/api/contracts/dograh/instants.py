"""Dates in Dograh's queries."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import BeforeValidator

from dialplane.api.instants import first_instant, last_instant

StartDate = Annotated[
    datetime | None,
    BeforeValidator(first_instant),
    Query(description="Calls made at or after this date or instant, ISO 8601; UTC unless it says otherwise"),
]
EndDate = Annotated[
    datetime | None,
    BeforeValidator(last_instant),
    Query(description="Calls made at or before it; a date without a time covers its whole day"),
]
