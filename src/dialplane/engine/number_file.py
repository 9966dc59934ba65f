"""file of numbers -> E.164, or a reject; batch by batch"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice

from dialplane.core.intake import Columns, NumberFault, Reject, Row
from dialplane.engine.contact_file import Table, open_table
from dialplane.engine.numbering import read_number

BATCH_ROWS = 1000
_MOST_SHOWN_CHARACTERS = 200


@dataclass(slots=True)
class NumberBatch:
    """Numbers of some rows, each once, and the rows that hold none."""

    numbers: list[str] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


def read_numbers(chunks: Iterable[bytes], *, name: str, default_region: str | None) -> Iterator[NumberBatch]:
    """The numbers of a CSV with a phone column, or of a plain list; a stream, in the order of the file.

    Raises Invalid for a file that is empty, no CSV, or has no phone column.
    """
    rows, position, column = _phone_column(open_table(chunks, name=name))
    while some := list(islice(rows, BATCH_ROWS)):
        batch = NumberBatch()
        for row in some:
            cell = row.cells[position].strip() if position < len(row.cells) else ""
            number = read_number(cell, default_region)
            if isinstance(number, NumberFault):
                batch.rejects.append(_reject(row.number, column, cell, number))
            else:
                batch.numbers.append(number.e164)
        batch.numbers = list(dict.fromkeys(batch.numbers))
        yield batch


def _phone_column(table: Table) -> tuple[Iterator[Row], int, str]:
    """The rows, where the number is in them, and its heading. One column headed by a number is a plain list."""
    if len(table.header) == 1 and any(sign.isdigit() for sign in table.header[0]):
        return chain([Row(1, table.header)], table.rows), 0, ""
    columns = Columns.of(table.header)
    return table.rows, columns.phone, columns.names[columns.phone]


def _reject(row_number: int, column: str, cell: str, fault: NumberFault) -> Reject:
    shown = cell[:_MOST_SHOWN_CHARACTERS].replace("\0", "\N{SYMBOL FOR NULL}")
    return Reject(row_number=row_number, field=column, value=shown, reason=fault.reason, fix=fault.fix)
