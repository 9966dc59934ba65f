"""a stored contacts file -> what is wrong with it, before a campaign is made from it"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from dialplane.core.intake import Columns, NewContact, Reject, Row, decide, missing_columns
from dialplane.core.window import known_zone
from dialplane.engine.contact_file import open_table
from dialplane.engine.numbering import read_number

ROWS_NAMED = 5


@dataclass(slots=True)
class RowNumbers:
    """Rows as a spreadsheet numbers them: the first few, and how many in all."""

    first: list[int] = field(default_factory=list)
    count: int = 0

    def add(self, number: int) -> None:
        self.count += 1
        if self.count <= ROWS_NAMED:
            self.first.append(number)


@dataclass(slots=True, kw_only=True)
class Screening:
    """What is wrong with a file.

    rows: that are not blank, as far as was looked. is_usable: whether one of them can be called.
    missing: template variables without a column. empty: in which rows a template variable is.
    bad_numbers, duplicates, faults: rows whose number cannot be dialled, whose number came before, that are bad for
    another reason (`fault` is the first of these); only those before the first usable row, unless it was thorough.
    """

    columns: Columns
    rows: int = 0
    is_usable: bool = False
    missing: Sequence[str] = ()
    empty: dict[str, RowNumbers] = field(default_factory=dict)
    bad_numbers: RowNumbers = field(default_factory=RowNumbers)
    duplicates: RowNumbers = field(default_factory=RowNumbers)
    faults: RowNumbers = field(default_factory=RowNumbers)
    fault: Reject | None = None


def screen(
    chunks: Iterable[bytes],
    *,
    name: str,
    required: frozenset[str],
    default_region: str | None,
    thorough: bool,
    given: Sequence[str] | None = None,
) -> Screening:
    """Read as much of a file as it takes: a million rows are for a thread.

    required: the variables that the agent's text uses; each row is looked at for them. thorough: each row is decided.
    given: names instead of the header's.
    Raises Invalid for a file that is no CSV; EmptyFile, NoPhoneColumn.
    """
    table = open_table(chunks, name=name)
    columns = Columns.of(table.header, given)
    found = Screening(columns=columns, missing=missing_columns(columns, required))
    cells = {} if found.missing else {name: columns.position(name) for name in sorted(required)}
    seen: set[int] = set()
    for row in table.rows:
        if not any(cell.strip() for cell in row.cells):
            continue
        found.rows += 1
        for variable, position in cells.items():
            assert position is not None, "missing columns were found out above"
            if position >= len(row.cells) or not row.cells[position].strip():
                found.empty.setdefault(variable, RowNumbers()).add(row.number)
        if thorough or not found.is_usable:
            _judge(found, row, default_region, seen)
        elif not cells:
            break
    return found


def _judge(found: Screening, row: Row, default_region: str | None, seen: set[int]) -> None:
    verdict = decide(row, found.columns, read_number=read_number, default_region=default_region, known_zone=known_zone)
    if isinstance(verdict, NewContact):
        digits = int(verdict.to_number[1:])  # a tenth of the memory of the text
        if digits in seen:
            found.duplicates.add(row.number)
        seen.add(digits)
        found.is_usable = True
    elif verdict is not None and verdict.field == found.columns.names[found.columns.phone]:
        found.bad_numbers.add(row.number)
    elif verdict is not None:
        found.faults.add(row.number)
        found.fault = found.fault or verdict
