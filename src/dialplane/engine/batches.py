"""rows of a contacts file -> contacts and rejects, some thousand rows at a time"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass

from dialplane.core.intake import Columns, NewContact, Reject, Row, decide
from dialplane.core.window import known_zone
from dialplane.engine.numbering import read_number

BATCH_ROWS = 5000


@dataclass(frozen=True, slots=True)
class Decided:
    """One batch. last_row: the number of the row up to which it goes."""

    contacts: list[NewContact]
    rejects: list[Reject]
    last_row: int


def batches(
    found: Iterator[Row], columns: Columns, default_region: str | None, required: frozenset[str], *, after: int
) -> Iterator[Decided]:
    """Rows after the row numbered `after`, decided, some thousand at a time."""
    decided = Decided([], [], after)
    for count, row in enumerate((row for row in found if row.number > after), start=1):
        verdict = decide(
            row,
            columns,
            read_number=read_number,
            default_region=default_region,
            known_zone=known_zone,
            required=required,
        )
        if isinstance(verdict, NewContact):
            decided.contacts.append(verdict)
        elif verdict is not None:
            decided.rejects.append(verdict)
        decided = Decided(decided.contacts, decided.rejects, row.number)
        if count % BATCH_ROWS == 0:
            yield decided
            decided = Decided([], [], row.number)
    yield decided


async def one_ahead(found: Iterator[Decided]) -> AsyncGenerator[Decided, None]:
    """One batch is decided, in a thread, while the one before it is written."""
    coming = asyncio.ensure_future(asyncio.to_thread(next, found, None))
    try:
        while (decided := await coming) is not None:
            coming = asyncio.ensure_future(asyncio.to_thread(next, found, None))
            yield decided
    finally:
        await asyncio.wait([coming])  # nothing ends a thread before it is done
