"""a stored contacts file -> its first rows, and what would become of them, before a campaign is made from it"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from dialplane.core.intake import (
    PHONE_NAMES,
    Columns,
    NewContact,
    NoPhoneColumn,
    Reject,
    Row,
    decide,
    duplicate,
    missing_columns,
)
from dialplane.core.window import known_zone
from dialplane.engine.contact_file import open_table
from dialplane.engine.numbering import read_number, region_of
from dialplane.errors import Invalid

SHOWN: Final = 20
SAMPLED: Final = 1000
MOST_COLUMNS: Final = 500
MOST_PROBLEMS: Final = 20
MOST_CELL_CHARACTERS: Final = 200

_LIKE_A_NUMBER = re.compile(r"\+?[\d\s().\-/]{7,24}")
_LIKE_A_PHONE_COLUMN = re.compile(r"phone|tel|mobil|cell|handy|celular|numm?er|m[oó]vil|rufn", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Judged:
    """One row and what it would be: a contact, a reject, or None where the columns are not clear yet."""

    number: int
    cells: Sequence[str]
    verdict: NewContact | Reject | None


@dataclass(slots=True, kw_only=True)
class Preview:
    """The beginning of a file. names: of its columns, as they are to be used; "" for one that is left out.

    fault: why no campaign can be made with these names. sampled: rows that were looked at; whole: there are no others.
    regions, zones: contacts among them. missing: variables without a column. positions: where each variable is found.
    seen: rows by number.
    """

    header: Sequence[str]
    names: Sequence[str]
    delimiter: str | None
    encoding: str | None
    sheet: str | None
    rows: list[Judged] = field(default_factory=list)
    fault: str = ""
    sampled: int = 0
    whole: bool = True
    contacts: int = 0
    rejects: int = 0
    problems: list[Reject] = field(default_factory=list)
    regions: Counter[str] = field(default_factory=Counter)
    zones: Counter[str] = field(default_factory=Counter)
    missing: Sequence[str] = ()
    positions: dict[str, int] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict, repr=False)


def preview(
    chunks: Iterable[bytes],
    *,
    name: str,
    required: frozenset[str],
    default_region: str | None,
    names: Sequence[str] | None,
) -> Preview:
    """For a thread. names: None has them proposed, by the header and by what looks like telephone numbers.

    Raises Invalid for a file that cannot be read, or has no contacts, or too many columns.
    """
    table = open_table(chunks, name=name)
    if len(table.header) > MOST_COLUMNS:
        raise Invalid(
            f"{name} has {len(table.header):,} columns, and {MOST_COLUMNS} are the most; "
            "delete those that nobody needs and upload it again"
        )
    sample = list(islice(table.rows, SAMPLED + 1))
    if not sample:
        raise Invalid(f"{name} has a header and no contacts below it; add a row for each person to be called")
    found = Preview(
        header=table.header,
        names=proposed(table.header, sample) if names is None else tuple(names),
        delimiter=table.delimiter,
        encoding=table.encoding,
        sheet=table.sheet,
        whole=len(sample) <= SAMPLED,
    )
    columns = _columns(found)
    if columns is not None:
        found.missing = missing_columns(columns, required)
        places = {name: columns.position(name) for name in required}
        found.positions = {name: place for name, place in places.items() if place is not None}
    for row in sample[:SAMPLED]:
        _judge(found, row, columns, default_region, required - set(found.missing))
    return found


def _columns(found: Preview) -> Columns | None:
    try:
        return Columns.of(found.header, found.names)
    except NoPhoneColumn:
        found.fault = "no column is the phone number: choose it below"
    except Invalid as fault:
        found.fault = str(fault)
    return None


def _judge(
    found: Preview, row: Row, columns: Columns | None, default_region: str | None, required: frozenset[str]
) -> None:
    verdict = None if columns is None else _verdict(found, row, columns, default_region, required)
    found.sampled += 1
    if isinstance(verdict, NewContact):
        found.contacts += 1
        found.regions[region_of(verdict.to_number) or "international"] += 1
        found.zones[_zones(verdict.zones)] += 1
    elif verdict is not None:
        found.rejects += 1
        if len(found.problems) < MOST_PROBLEMS:
            found.problems.append(verdict)
    if len(found.rows) < SHOWN:
        found.rows.append(Judged(row.number, [cell[:MOST_CELL_CHARACTERS] for cell in row.cells], verdict))


def _verdict(
    found: Preview, row: Row, columns: Columns, default_region: str | None, required: frozenset[str]
) -> NewContact | Reject | None:
    verdict = decide(
        row, columns, read_number=read_number, default_region=default_region, known_zone=known_zone, required=required
    )
    if isinstance(verdict, NewContact):
        first = found.seen.setdefault(verdict.to_number, row.number)
        if first != row.number:
            return duplicate(row.number, columns.names[columns.phone], verdict.to_number, first)
    return verdict


def _zones(zones: Sequence[str]) -> str:
    """('Europe/Berlin',) -> Europe/Berlin; several: one of them and how many more."""
    if not zones:
        return "unknown"
    return zones[0] if len(zones) == 1 else f"{zones[0]} or {len(zones) - 1} more"


def proposed(header: Sequence[str], sample: Sequence[Row]) -> tuple[str, ...]:
    """Names for the columns: the header's, told apart, and phone_number for the one that looks like it."""
    names = list(_told_apart([name.strip() for name in header]))
    try:
        Columns.of(header, names)
    except NoPhoneColumn:
        if (phone := _like_numbers(names, sample)) is not None:
            names[phone] = PHONE_NAMES[0]
    except Invalid:
        pass
    return tuple(names)


def _told_apart(names: Sequence[str]) -> Iterator[str]:
    taken: set[str] = set()
    for position, name in enumerate(names, start=1):
        base = given = name or f"column_{position}"
        copy = 2
        while given.casefold() in taken:
            given, copy = f"{base}_{copy}", copy + 1
        taken.add(given.casefold())
        yield given


def _like_numbers(names: Sequence[str], sample: Sequence[Row]) -> int | None:
    """The column of which at least every second cell looks like a telephone number, or which is called so."""
    best, place = 0.5, None
    for position, name in enumerate(names):
        cells = [row.cells[position].strip() for row in sample if position < len(row.cells)]
        filled = [cell for cell in cells if cell]
        if not filled:
            continue
        likeness = sum(bool(_LIKE_A_NUMBER.fullmatch(cell)) for cell in filled) / len(filled)
        likeness += 0.6 if _LIKE_A_PHONE_COLUMN.search(name) else 0
        if likeness > best:
            best, place = likeness, position
    return place
