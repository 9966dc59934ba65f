"""path of a workbook -> JSON lines: the sheet's name, then its rows. A program of its own; see `spreadsheet`."""

from __future__ import annotations

import json
import mmap
import resource
import sys
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Final, NoReturn

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from dialplane.engine.contact_file import MAX_ROW_CHARACTERS
from dialplane.engine.spreadsheet import REFUSED

MOST_ROWS: Final = 1_048_576  # of a sheet, for Excel too
MOST_UNPACKED_BYTES: Final = 1 << 30
MOST_PARTS: Final = 10_000  # of the ZIP archive

_LIMITS = {
    resource.RLIMIT_AS: 2 << 30,
    resource.RLIMIT_FSIZE: 2 << 30,
    resource.RLIMIT_CPU: 120,
    resource.RLIMIT_CORE: 0,  # it would hold people's numbers
}
_EXACT_BELOW = 1e15  # a spreadsheet keeps 15 digits, and rounds the rest
_PROTECTED = "is protected with a password; take the password away in Excel and save it again"
_AGAIN = "; open it in Excel and save it again, or save it as CSV"
_OTHER_ARCHIVES = {
    "xl/workbook.bin": "is a binary workbook (XLSB); save it as XLSX or CSV",
    "content.xml": "is an OpenDocument file; save it as XLSX or CSV",
    "Index/Document.iwa": "is a Numbers document; export it as XLSX or CSV",
    "word/document.xml": "is a Word document; save the list as XLSX or CSV",
}

Cell = int | float | str | bool | time | date | datetime | timedelta


def main(path: str) -> None:
    """The rows to standard output, in ASCII. Exits with REFUSED where it can say why on standard error."""
    _limit()
    if path.endswith(".xlsx"):
        _check_archive(path)
    try:
        with CalamineWorkbook.from_path(path) as book:
            sheet = _choose(book)
            print(json.dumps(sheet.name))
            for number, cells in _rows(sheet):
                print(json.dumps((number, cells)))
    except PasswordError:
        _refuse(_PROTECTED)
    except CalamineError as fault:
        _refuse(_PROTECTED if _is_encrypted(path) else f"cannot be read as a workbook ({fault}){_AGAIN}")


def _limit() -> None:
    """Beyond these the system ends this process, and no other."""
    for what, most in _LIMITS.items():
        _, hard = resource.getrlimit(what)
        resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _check_archive(path: str) -> None:
    """What its directory says, before anything is unpacked."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        _refuse(f"is a ZIP archive that is damaged or cut off{_AGAIN}")
    names = {part.filename for part in parts}
    unpacked = sum(part.file_size for part in parts)
    if unpacked > MOST_UNPACKED_BYTES or len(parts) > MOST_PARTS:
        _refuse(f"unpacks to {unpacked:,} bytes, and {MOST_UNPACKED_BYTES:,} are the most; save it as CSV")
    if "xl/workbook.xml" not in names:
        known = (why for part, why in _OTHER_ARCHIVES.items() if part in names)
        _refuse(next(known, "is a ZIP archive and no Excel workbook; unpack it, or save the list as XLSX or CSV"))


def _is_encrypted(path: str) -> bool:
    """Excel puts an encrypted XLSX into a container of the older format."""
    with Path(path).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find("EncryptedPackage".encode("utf-16-le")) >= 0


def _choose(book: CalamineWorkbook) -> CalamineSheet:
    """The first visible sheet, or else the only one that holds anything."""
    names = [
        sheet.name
        for sheet in book.sheets_metadata
        if sheet.typ == SheetTypeEnum.WorkSheet and sheet.visible == SheetVisibleEnum.Visible
    ]
    if not names:
        _refuse("has no sheet that is visible")
    filled: list[str] = []
    for position, name in enumerate(names):
        sheet = book.get_sheet_by_name(name)
        if next(_rows(sheet), None) is None:
            continue
        if position == 0:
            return sheet
        filled.append(name)
    if len(filled) > 1:
        others = ", ".join(f"'{name}'" for name in filled[:5])
        _refuse(
            f"begins with an empty sheet, and {others} are not empty; move the sheet with the contacts to the front"
        )
    return book.get_sheet_by_name(filled[0] if filled else names[0])


def _rows(sheet: CalamineSheet) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, numbered as the spreadsheet shows them."""
    if sheet.end is not None and sheet.end[0] >= MOST_ROWS:
        _refuse(f"has a row {sheet.end[0] + 1:,}, and a sheet has {MOST_ROWS:,} at most; save it as CSV")
    for number, values in enumerate(sheet.iter_rows(), start=1):
        cells = [value if type(value) is str else _text(value) for value in values]  # most are texts
        size = sum(map(len, cells))
        if size > MAX_ROW_CHARACTERS:
            _refuse(f"has {size:,} characters in row {number}, and {MAX_ROW_CHARACTERS:,} are the most")
        if size:
            yield number, cells


def _text(value: Cell) -> str:
    """What the cell shows, as far as that can be known: a number has lost its format, and a bad formula is empty.

    >>> [_text(value) for value in (61400099999.0, 0.5, 4.4e20, True, date(2026, 3, 1), timedelta(hours=30))]
    ['61400099999', '0.5', '4.4e+20', 'TRUE', '2026-03-01', '30:00:00']
    """
    match value:
        case str():
            return value
        case bool():
            return str(value).upper()
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < _EXACT_BELOW else repr(value)
        case datetime():
            return value.isoformat(" ")
        case timedelta():
            minutes, seconds = divmod(round(value.total_seconds()), 60)
            return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
        case date() | time():
            return value.isoformat()
        case _:
            return str(value)


def _refuse(why: str) -> NoReturn:
    print(why, file=sys.stderr)
    sys.exit(REFUSED)


if __name__ == "__main__":
    main(sys.argv[1])
