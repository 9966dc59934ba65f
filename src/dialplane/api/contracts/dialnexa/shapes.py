"""What DialNexa's requests and answers have in common: pages, and ids in paths and bodies."""

from __future__ import annotations

import difflib
import re
from math import ceil
from typing import Annotated, Any, Self

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field, model_validator

from dialplane.api.contracts.dialnexa import ids

MOST_ON_A_PAGE = 100
FURTHEST_PAGE = 1_000_000

_NUMBER = re.compile(r"\s*[-+]?[\d_.]+(?:e[-+]?\d+)?\s*", re.IGNORECASE)

TextId = Annotated[str, Field(min_length=1, max_length=ids.LONGEST)]
Page = Annotated[int, Query(ge=1, le=FURTHEST_PAGE)]
Limit = Annotated[int, Query(ge=1, le=MOST_ON_A_PAGE)]


def in_words(given: object) -> object:
    """Raises ValueError for seconds since 1970: read as such, 20261201 is long over and everybody is called at once."""
    if given is not None and (not isinstance(given, str) or _NUMBER.fullmatch(given)):
        raise ValueError("write an ISO 8601 instant with a zone, such as 2026-12-01T09:00:00Z")
    return given


WrittenInstant = Annotated[AwareDatetime, BeforeValidator(in_words)]


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
