"""bytes of a contacts file -> encoding -> lines -> delimiter -> rows, as a stream; or a workbook -> rows"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

from dialplane.core.intake import Row
from dialplane.engine.spreadsheet import MAGIC, MAGIC_BYTES, read_sheet
from dialplane.errors import Invalid

MAX_ROW_CHARACTERS: Final = 1024 * 1024  # more is a quote that nobody closed, and must not fill the memory

_BLOCK_BYTES = 256 * 1024
_SNIFFED_BYTES = 4096
_DELIMITERS = ",;\t|"  # in this order where a header has as many of one as of another
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_OTHER_FILES = (
    (b"PK\x05\x06", "is an empty ZIP archive"),
    (b"\x09\x00\x04\x00", "is a workbook of Excel 2; open it in Excel and save it as XLSX"),
    (b"\x09\x02\x06\x00", "is a workbook of Excel 3; open it in Excel and save it as XLSX"),
    (b"\x09\x04\x06\x00", "is a workbook of Excel 4; open it in Excel and save it as XLSX"),
    (b"%PDF", "is a PDF document; save the list as CSV"),
    (b"\x1f\x8b", "is compressed with gzip; unpack it"),
)
_MARKUP = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|head|body|table|meta|\?xml)\b", re.IGNORECASE)
_TOO_LONG = "the row that begins here does not end; is a double quote not closed?"
_QUOTES = "from here on the double quotes do not match; a cell that holds one is quoted, with that one doubled"
_SEPARATOR_LINE = re.compile(r'"?sep=([^"\r\n])"?\s*', re.IGNORECASE)  # Excel's; it shows the next line as row 1
_QUOTED = re.compile(r'"(?:[^"]|"")*"?')
_NOT_ASCII = re.compile("[^\x00-\x7f]")
_NOT_UTF8 = re.compile("[\udc80-\udcff]")  # where surrogateescape puts bytes that it cannot decode


class EmptyFile(Invalid):
    """A file that holds nothing."""


class _Unreadable(Exception):
    """What is wrong with the row being read; the reader of rows adds which one that is."""


@dataclass(frozen=True, slots=True)
class Table:
    """A contacts file as it is read.

    rows: once only, in file order, without the empty ones; a file without contacts simply has none. On the way they
    raise Invalid, naming the row, for bytes or quotes that make no sense: nothing is replaced or left out.
    delimiter, encoding: of a CSV file. sheet: of a workbook, the name of the one that is read.
    """

    header: tuple[str, ...]
    rows: Iterator[Row]
    delimiter: str | None = None
    sheet: str | None = None
    _text: _Text | None = None

    @property
    def encoding(self) -> str | None:
        """'utf-8', 'utf-16-le', 'utf-16-be' or 'cp1252', judged by what was read so far."""
        return None if self._text is None else self._text.encoding


def open_table(chunks: Iterable[bytes], *, name: str) -> Table:
    """The header and the rows, of a CSV file as a stream. How the bytes are cut into chunks makes no difference.

    name: the file's, for messages; it does not say what the file is. A workbook takes seconds: it is for a thread.
    Raises: Invalid for a file that is empty, blank, neither CSV nor workbook; EnvironmentFault.
    """
    blocks = _blocks(chunks)
    first = next(blocks, b"")
    if suffix := MAGIC.get(first[:MAGIC_BYTES]):
        sheet = read_sheet(chain([first], blocks), name=name, suffix=suffix)
        return Table(_header(sheet.rows, name), sheet.rows, sheet=sheet.name)
    _check_name(name, first)
    text = _Text(name)
    delimiter, lines = _delimiter(_lines(text.pieces(chain([first], blocks))))
    rows = _rows(lines, delimiter, name)
    return Table(_header(rows, name), rows, delimiter=delimiter, _text=text)


def _header(rows: Iterator[Row], name: str) -> tuple[str, ...]:
    header = next((row for row in rows if any(cell.strip() for cell in row.cells)), None)
    if header is None:
        raise EmptyFile(f"{name} holds nothing but blank lines")
    return header.cells


def _check_name(name: str, first: bytes) -> None:
    """A file that is called a workbook and is none. Text as .xls is read: programs save it so, and Excel opens it."""
    called = name.lower()
    if not first or not called.endswith((".xlsx", ".xls")):
        return
    if _MARKUP.match(first):
        raise Invalid(
            f"{name} is a web page (HTML) or XML, and no Excel workbook; open it in Excel and save it as XLSX"
        )
    if called.endswith(".xlsx"):
        raise Invalid(f"{name} is no Excel workbook; open it in Excel and save it again, or call it .csv if it is text")


def _blocks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in blocks of one size, so that what is decided per block does not depend on the chunks."""
    buffer = bytearray()
    for chunk in chunks:
        buffer += chunk
        while len(buffer) >= _BLOCK_BYTES:
            yield bytes(buffer[:_BLOCK_BYTES])
            del buffer[:_BLOCK_BYTES]
    if buffer:
        yield bytes(buffer)


@dataclass(slots=True)
class _Text:
    """Bytes to text, and the encoding that was found.

    A byte-order mark decides, or the NULs of UTF-16 without one. Else the file is ASCII up to its first other byte,
    and the block with that byte decides: Windows-1252 (Latin-1 and a few more signs) if more bytes of the block break
    the rules of UTF-8 than characters keep them, else UTF-8. From there on it stays so, and what does not fit is an
    error.
    """

    name: str
    encoding: str = "utf-8"

    def pieces(self, blocks: Iterator[bytes]) -> Iterator[str]:
        """The text, piece by piece. Raises: Invalid for what is no text; _Unreadable where the encoding breaks off."""
        first = next(blocks, b"")
        self._refuse(first)
        for mark, marked in _BYTE_ORDER_MARKS:
            if first.startswith(mark):
                return self._decoded(marked, chain([first[len(mark) :]], blocks), len(mark))
        if unmarked := _utf16_without_mark(first):
            return self._decoded(unmarked, chain([first], blocks), 0)
        return self._guessed(chain([first], blocks))

    def _refuse(self, first: bytes) -> None:
        if not first:
            raise EmptyFile(f"{self.name} is empty")
        for magic, what in _OTHER_FILES:
            if first.startswith(magic):
                raise Invalid(f"{self.name} {what}")

    def _guessed(self, blocks: Iterator[bytes]) -> Iterator[str]:
        position = 0
        window = b""
        for block in chain(blocks, [b""]):
            window += block
            if window.isascii():
                yield window.decode("ascii")
                position += len(window)
                window = b""
            elif encoding := _utf8_or_cp1252(window, is_end=not block):
                yield from self._decoded(encoding, chain([window], blocks), position)
                return

    def _decoded(self, encoding: str, blocks: Iterator[bytes], position: int) -> Iterator[str]:
        """position: of the first of these bytes in the file."""
        self.encoding = encoding
        decoder = codecs.getincrementaldecoder(encoding)()
        for block in chain(blocks, [b""]):
            kept = len(decoder.getstate()[0])  # of a character that the last block cut
            try:
                yield decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                yield error.object[: error.start].decode(encoding)  # so that the rows before it are counted
                byte, at = error.object[error.start], position - kept + error.start
                raise _Unreadable(
                    f"byte 0x{byte:02X} at position {at} is no {encoding} text; save the file as CSV UTF-8"
                ) from None
            position += len(block)


def _utf16_without_mark(first: bytes) -> str | None:
    """Latin letters leave every second byte NUL."""
    sample = first[:_SNIFFED_BYTES]
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if max(even, odd) * 8 < len(sample) // 2 or not even + odd:
        return None
    if min(even, odd) * 4 > max(even, odd):
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _utf8_or_cp1252(window: bytes, *, is_end: bool) -> str | None:
    """What explains more of the bytes beyond ASCII; None: the only ones are a character cut by the window's end."""
    text = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(window, final=is_end)
    broken = len(_NOT_UTF8.findall(text))
    kept = len(_NOT_ASCII.findall(text)) - broken
    if not broken and not kept:
        return None
    return "cp1252" if broken > kept else "utf-8"


def _lines(pieces: Iterable[str]) -> Iterator[str]:
    """Lines with their ends, which are LF, CRLF or CR and nothing else that Python takes for one."""
    begun = ""
    for piece in pieces:
        lines = list(io.StringIO(begun + piece, newline=""))
        begun = "" if not lines or lines[-1].endswith("\n") else lines.pop()  # after a CR the LF may follow
        yield from lines
        if len(begun) > MAX_ROW_CHARACTERS:
            raise _Unreadable(_TOO_LONG)
    if begun:
        yield begun


def _delimiter(lines: Iterator[str]) -> tuple[str, Iterator[str]]:
    """The delimiter, and the lines from the header on: the one that the header has most of, outside quotes."""
    head: list[str] = []
    size = quotes = 0
    try:
        for line in lines:
            if not head and (given := _SEPARATOR_LINE.fullmatch(line)):
                return given[1], lines
            head.append(line)
            size += len(line)
            quotes += line.count('"')
            if (line.strip() and quotes % 2 == 0) or size > MAX_ROW_CHARACTERS:
                break
    except _Unreadable as error:
        lines = _raising(error)  # again, where the row is known
    bare = _QUOTED.sub("", "".join(head))
    return max(_DELIMITERS, key=bare.count), chain(head, lines)


def _raising(error: _Unreadable) -> Iterator[str]:
    raise error
    yield


def _rows(lines: Iterator[str], delimiter: str, name: str) -> Iterator[Row]:
    """The rows that are not empty, numbered as a spreadsheet does."""
    number = characters = 0

    def bounded() -> Iterator[str]:
        nonlocal characters
        for line in lines:
            characters += len(line)
            if characters > MAX_ROW_CHARACTERS:
                raise _Unreadable(_TOO_LONG)
            yield line

    try:
        # Without strict, a quote that is never closed would take all rows after it into one cell, and none the wiser.
        for number, cells in enumerate(csv.reader(bounded(), delimiter=delimiter, strict=True), start=1):
            characters = 0
            if any(cells):
                yield Row(number, tuple(cells))
    except csv.Error as error:
        reason = _TOO_LONG if "limit" in str(error) else _QUOTES
        raise Invalid(f"{name}, row {number + 1}: {reason}") from None
    except _Unreadable as error:
        raise Invalid(f"{name}, row {number + 1}: {error}") from None
