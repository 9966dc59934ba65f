"""What DialNexa's requests and answers have in common: pages, and ids in paths and bodies."""

from __future__ import annotations

import difflib
from math import ceil
from typing import Annotated, Any, Self

from fastapi import Query
from pydantic import BaseModel, Field, model_validator

from dialplane.api.contracts.dialnexa import ids

MOST_ON_A_PAGE = 100
FURTHEST_PAGE = 1_000_000

TextId = Annotated[str, Field(min_length=1, max_length=ids.LONGEST)]
Page = Annotated[int, Query(ge=1, le=FURTHEST_PAGE)]
Limit = Annotated[int, Query(ge=1, le=MOST_ON_A_PAGE)]


class Meta(BaseModel):
    """Where a page stands."""

    page: int
    limit: int
    total: int
    totalPages: int  # noqa: N815  (theirs)

    @classmethod
    def of(cls, page: int, limit: int, total: int) -> Self:
        return cls(page=page, limit=limit, total=total, totalPages=ceil(total / limit))


class Message(BaseModel):
    message: str


class Exact(BaseModel):
    """An object in which a name that is not known is refused: passed over, it could call whom nobody wanted called."""

    @model_validator(mode="before")
    @classmethod
    def _check_names(cls, given: Any) -> Any:
        known = list(cls.model_fields)
        for name in given if isinstance(given, dict) else ():
            if name not in known:
                near = difflib.get_close_matches(str(name), known, n=1, cutoff=0)[0]
                raise ValueError(f"unknown field '{name}': did you mean '{near}'?")
        return given
