"""Workbooks for tests: as programs write them, and as nobody should."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import openpyxl
import xlwt
from xlwt.CompoundDoc import XlsDoc

Rows = Iterable[Sequence[Any]]
SHEET = "xl/worksheets/sheet1.xml"


def xlsx(rows: Rows, *, others: Mapping[str, Rows] | None = None, hidden: str = "", at: str = "A1") -> bytes:
    """A workbook with a sheet 'People' and others. hidden: a sheet's name. at: where the first cell of People is."""
    book = openpyxl.Workbook()
    people = book.active
    people.title = "People"
    corner = people[at]
    _fill(people, rows, corner.row, corner.column)
    for name, more in (others or {}).items():
        _fill(book.create_sheet(name), more, 1, 1)
    if hidden:
        book[hidden].sheet_state = "hidden"
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def _fill(sheet: Any, rows: Rows, top: int, left: int) -> None:
    for row, values in enumerate(rows, start=top):
        for column, value in enumerate(values, start=left):
            if value is not None:
                sheet.cell(row, column, value)


def xls(rows: Rows) -> bytes:
    """The format of Excel 97 to 2003."""
    return _compound(_biff(rows))


def locked_xls(rows: Rows) -> bytes:
    """The same with the record that says that the rest is encrypted, after the first one."""
    biff = _biff(rows)
    first = 4 + struct.unpack_from("<H", biff, 2)[0]
    password = struct.pack("<HHHHH", 0x2F, 54, 1, 1, 1) + os.urandom(48)
    return _compound(biff[:first] + password + biff[first:])


def locked_xlsx() -> bytes:
    """What Excel makes of a workbook with a password: a compound document with a stream of this name."""
    before, after = "Workbook".encode("utf-16-le"), "EncryptedPackage".encode("utf-16-le")
    content = xls([["x"]])
    place = content.index(before)
    entry = after.ljust(64, b"\0") + struct.pack("<H", len(after) + 2)
    return content[:place] + entry + content[place + len(entry) :]


def changed(content: bytes, part: str, change: Callable[[bytes], bytes]) -> bytes:
    """The archive with one of its parts in another form."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, change(old.read(name)) if name == part else old.read(name))
    return made.getvalue()


def archive(**parts: bytes) -> bytes:
    """A ZIP archive; `__` stands for a slash and `_` for a dot in the names of its parts."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in parts.items():
            new.writestr(name.replace("__", "/").replace("_", "."), content)
    return made.getvalue()


def _biff(rows: Rows) -> bytes:
    book = xlwt.Workbook()
    sheet = book.add_sheet("People")
    day = xlwt.easyxf(num_format_str="YYYY-MM-DD")
    for row, values in enumerate(rows):
        for column, value in enumerate(values):
            if value is not None:
                sheet.write(row, column, value, *([day] if isinstance(value, date) else []))
    return bytes(book.get_biff_data())


def _compound(biff: bytes) -> bytes:
    content = io.BytesIO()
    XlsDoc().save(content, biff)
    return content.getvalue()
