"""What Vapi's plain lists are asked by: instants of making and change, and how many there are to be."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from dialplane.api.contracts.vapi.shapes import Bound
from dialplane.engine.ranges import Ranges

INSTANT = timedelta(microseconds=1)  # the least that two instants differ by


class Listing(BaseModel):
    """Newest first."""

    model_config = ConfigDict(alias_generator=to_camel)

    limit: int = Field(100, ge=0, le=1000)
    created_at_gt: Bound = None
    created_at_lt: Bound = None
    created_at_ge: Bound = None
    created_at_le: Bound = None
    updated_at_gt: Bound = None
    updated_at_lt: Bound = None
    updated_at_ge: Bound = None
    updated_at_le: Bound = None

    def ranges(self) -> Ranges:
        return Ranges(
            created_from=_first(self.created_at_ge, self.created_at_gt),
            created_to=_end(self.created_at_le, self.created_at_lt),
            updated_from=_first(self.updated_at_ge, self.updated_at_gt),
            updated_to=_end(self.updated_at_le, self.updated_at_lt),
        )


Listed = Annotated[Listing, Query()]


def _first(at_least: datetime | None, after: datetime | None) -> datetime | None:
    given = [at_least, None if after is None else after + INSTANT]
    return max((at for at in given if at is not None), default=None)


def _end(at_most: datetime | None, before: datetime | None) -> datetime | None:
    given = [None if at_most is None else at_most + INSTANT, before]
    return min((at for at in given if at is not None), default=None)
