"""Long lists, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Query

Page = Annotated[int, Query(ge=1, le=1_000_000)]


@dataclass(frozen=True, slots=True)
class Paging:
    """page: from 1. total: rows on all pages."""

    page: int
    per_page: int
    total: int

    @property
    def skip(self) -> int:
        return (self.page - 1) * self.per_page

    @property
    def first(self) -> int:
        return min(self.skip + 1, self.total)

    @property
    def last(self) -> int:
        return min(self.skip + self.per_page, self.total)

    @property
    def has_next(self) -> bool:
        return self.last < self.total
