"""Files of leads: what is wrong with one, told row group by row group."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from fastapi import UploadFile

from dialplane.api.contracts.dialnexa.errors import Rows
from dialplane.api.contracts.dialnexa.lead_shapes import MOST_NOTES, NAME
from dialplane.engine.contact_file import EmptyFile
from dialplane.engine.screening import RowNumbers, Screening, screen
from dialplane.errors import Invalid

MOST_BYTES: Final = 10 * 1024 * 1024
SUFFIXES: Final = (".csv", ".xlsx", ".xls")
CHUNK_BYTES = 1 << 20
MOST_NAME_CHARACTERS = 100

_NOT_IN_A_NAME = re.compile(r"[^\w .()-]")


@contextmanager
def kept(file: UploadFile) -> Iterator[Path]:
    """A copy of the uploaded file under its own name, for as long as the block lasts. Raises Invalid."""
    name = _NOT_IN_A_NAME.sub("_", file.filename or "")[-MOST_NAME_CHARACTERS:].lstrip(". ")
    if not name.lower().endswith(SUFFIXES):
        raise Invalid(f"the file must be CSV, XLSX or XLS, and not '{file.filename or ''}'")
    if (file.size or 0) > MOST_BYTES:
        raise Invalid(f"the file has {file.size:,} bytes, and {MOST_BYTES:,} (10 MB) are the most")
    with tempfile.TemporaryDirectory(prefix="dialplane-") as folder:
        path = Path(folder) / name
        with path.open("wb") as copy:
            shutil.copyfileobj(file.file, copy, CHUNK_BYTES)
        yield path


def examined(path: Path, required: frozenset[str], region: str | None) -> Screening:
    """Each row looked at: for a thread. Raises Invalid for a file that cannot be used; Rows where no row can be."""
    try:
        with path.open("rb") as content:
            chunks = iter(lambda: content.read(CHUNK_BYTES), b"")
            found = screen(chunks, name=path.name, required=required, default_region=region, thorough=True)
    except EmptyFile:
        found = None
    if found is None or not found.rows:
        raise Invalid("the file must have a header row and at least one row below it")
    custom = [name for _, name in found.columns.variables if name.casefold() != NAME]
    if len(custom) > MOST_NOTES:
        raise Invalid(f"the file has {len(custom)} custom columns, and {MOST_NOTES} are the most: {', '.join(custom)}")
    if found.missing:
        names = ", ".join(f"'{name}'" for name in found.missing)
        raise Invalid(f"the agent's text uses {names}, and the file has no such column")
    if not found.is_usable or any(rows.count == found.rows for rows in found.empty.values()):
        raise Rows(sentences(found))
    return found


def sentences(found: Screening) -> list[str]:
    """What is wrong with the rows that are no leads, a sentence for each kind of fault."""
    told = []
    if found.bad_numbers.count:
        fix = "write them with + and the country code"
        told.append(f"{_rows(found.bad_numbers)}: the phone number cannot be dialled; {fix}")
    if found.duplicates.count:
        told.append(f"{_rows(found.duplicates)}: the phone number is in an earlier row")
    if found.fault is not None:
        told.append(f"{_rows(found.faults)}: {found.fault.reason}; {found.fault.fix}")
    told += [f"{_rows(rows)}: {name} is empty, and the agent's text uses it" for name, rows in found.empty.items()]
    return told


def _rows(rows: RowNumbers) -> str:
    """'row 2', or 'rows 2, 3, 5, 8, 9 and 4 more'"""
    more = rows.count - len(rows.first)
    numbers = ", ".join(map(str, rows.first)) + (f" and {more} more" if more else "")
    return f"{'row' if rows.count == 1 else 'rows'} {numbers}"
