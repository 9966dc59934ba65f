"""Excel workbooks become the same contacts as a CSV file, and those that cannot be read say why."""

from __future__ import annotations

import codecs
import re
from datetime import date, datetime, time, timedelta
from pathlib import Path

import pytest
from bench import Bench, numbers
from workbooks import SHEET, archive, changed, locked_xls, locked_xlsx, xls, xlsx

from dialplane.core.intake import Row
from dialplane.engine import batches, spreadsheet, spreadsheet_reader
from dialplane.engine.contact_file import EmptyFile, Table, open_table
from dialplane.errors import EnvironmentFault, Invalid

ANA, BO = "+12122000000", "+12122000001"
PEOPLE = [["phone_number", "name"], [ANA, "Ana"], [BO, "Bo"]]


def opened(data: bytes, *, name: str = "people.xlsx", chunk: int = 1 << 20) -> Table:
    return open_table((data[at : at + chunk] for at in range(0, len(data), chunk)), name=name)


def rows(data: bytes) -> list[Row]:
    return list(opened(data).rows)


def cells(*values: object) -> list[str]:
    """One column of a workbook, as it is read."""
    return [row.cells[0] for row in rows(xlsx([["phone_number"], *([value] for value in values)]))]


# What workbooks look like


@pytest.mark.parametrize("content", [xlsx(PEOPLE), xls(PEOPLE)], ids=["xlsx", "xls"])
@pytest.mark.parametrize("name", ["people.xlsx", "people.xls", "people.csv", "PEOPLE"])
@pytest.mark.parametrize("chunk", [1, 1 << 20])
def test_both_formats_are_read_whatever_the_file_is_called(content: bytes, name: str, chunk: int) -> None:
    table = opened(content, name=name, chunk=chunk)

    assert table.header == ("phone_number", "name")
    assert list(table.rows) == [Row(2, (ANA, "Ana")), Row(3, (BO, "Bo"))]
    assert (table.sheet, table.delimiter, table.encoding) == ("People", None, None)


@pytest.mark.parametrize("make", [xlsx, xls], ids=["xlsx", "xls"])
def test_rows_have_the_numbers_that_the_spreadsheet_shows(make: object) -> None:
    assert callable(make)
    content = make([[], [], ["phone", "note"], [ANA, "a"], [], ["", ""], [BO, None]])

    assert [row.number for row in rows(content)] == [4, 7]
    assert rows(content)[-1].cells == (BO, "")


def test_columns_left_of_the_contacts_are_no_columns() -> None:
    table = opened(xlsx(PEOPLE, at="C5"))

    assert table.header == ("phone_number", "name")
    assert [row.number for row in table.rows] == [6, 7]


def test_a_number_typed_as_a_number_keeps_its_digits() -> None:
    assert cells(61400099999, 61400099999.0, 491512345678901, 0.5, -7) == [
        "61400099999",
        "61400099999",
        "491512345678901",
        "0.5",
        "-7",
    ]
    assert [row.cells for row in rows(xls([["phone"], [61400099999]]))] == [("61400099999",)]


def test_a_number_of_more_digits_than_a_spreadsheet_keeps_is_not_made_up() -> None:
    assert cells(4.4e20, "4.4E+11") == ["4.4e+20", "4.4E+11"]


def test_dates_times_and_claims_read_as_people_write_them() -> None:
    found = cells(date(2026, 3, 1), datetime(2026, 3, 1, 9, 30), time(9, 5), timedelta(hours=30), True, False)

    assert found == ["2026-03-01", "2026-03-01 09:30:00", "09:05:00", "30:00:00", "TRUE", "FALSE"]
    assert [row.cells[0] for row in rows(xls([["day"], [date(2026, 3, 1)]]))] == ["2026-03-01"]


# Which sheet


def test_the_first_sheet_is_read_where_there_are_several() -> None:
    table = opened(xlsx(PEOPLE, others={"Old": [["phone"], ["+4930"]]}))

    assert table.sheet == "People"
    assert len(list(table.rows)) == 2


def test_the_only_sheet_that_holds_anything_is_read() -> None:
    assert opened(xlsx([], others={"Notes": [], "Leads": PEOPLE})).sheet == "Leads"


def test_a_hidden_sheet_is_none() -> None:
    assert opened(xlsx([["x"], ["y"]], others={"Leads": PEOPLE}, hidden="People")).sheet == "Leads"


def test_an_empty_first_sheet_before_several_others_is_asked_about() -> None:
    with pytest.raises(Invalid, match=r"begins with an empty sheet, and 'A', 'B' are not empty; move the sheet"):
        opened(xlsx([], others={"A": PEOPLE, "B": PEOPLE}))


@pytest.mark.parametrize("content", [xlsx([]), xls([]), xlsx([["", None, ""]]), xls([["  "], [" "]])])
def test_a_workbook_without_anything_in_it_is_an_empty_file(content: bytes) -> None:
    with pytest.raises(EmptyFile, match=r"^people.xlsx holds nothing but blank lines$"):
        opened(content)


# What is refused

AGAIN = "open it in Excel and save it again, or save it as CSV"


def far_cell(place: str) -> bytes:
    """One cell that is far away from the others: a small file of a large sheet."""
    row = re.sub("[A-Z]", "", place)
    cell = f'<row r="{row}"><c r="{place}"><v>1</v></c></row></sheetData>'.encode()
    return changed(xlsx(PEOPLE), SHEET, lambda xml: xml.replace(b"</sheetData>", cell))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (locked_xlsx(), "is protected with a password; take the password away in Excel and save it again"),
        (locked_xls(PEOPLE), "is protected with a password; take the password away in Excel and save it again"),
        (xlsx(PEOPLE)[:3000], f"is a ZIP archive that is damaged or cut off; {AGAIN}"),
        (xls(PEOPLE)[:2000], f"cannot be read as a workbook (.*); {AGAIN}"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), f"cannot be read as a workbook (.*); {AGAIN}"),
        (changed(xlsx(PEOPLE), SHEET, lambda xml: xml[:300]), f"cannot be read as a workbook (.*); {AGAIN}"),
        (changed(xlsx(PEOPLE), "xl/workbook.xml", lambda _: b"no XML"), f"cannot be read as a workbook (.*); {AGAIN}"),
        (archive(readme_txt=b"x"), "is a ZIP archive and no Excel workbook; unpack it"),
        (archive(xl__workbook_bin=b"x"), "is a binary workbook (XLSB); save it as XLSX or CSV"),
        (archive(content_xml=b"x"), "is an OpenDocument file; save it as XLSX or CSV"),
        (archive(word__document_xml=b"x"), "is a Word document"),
        (far_cell("B1048577"), "has a row 1,048,577, and a sheet has 1,048,576 at most"),
        (far_cell("XFD1048576"), "is too large to be read as a workbook; delete what is in cells far below or beside"),
        (xlsx([["phone"], [*(["x" * 32_000] * 33)]]), "has 1,056,000 characters in row 2, and 1,048,576 are the most"),
    ],
)
def test_what_cannot_be_read_says_why_and_what_to_do(content: bytes, message: str) -> None:
    with pytest.raises(Invalid) as refused:
        opened(content)

    assert re.match("people.xlsx " + re.escape(message).replace(r"\(\.\*\)", r"\(.*\)"), str(refused.value))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.xls",
            b"<html><table><tr><td>phone",
            "a.xls is a web page .HTML. or XML, and no Excel workbook; open it in",
        ),
        ("a.XLSX", codecs.BOM_UTF8 + b"\n<!DOCTYPE html>", "a.XLSX is a web page"),
        ("a.xls", b'<?xml version="1.0"?><Workbook>', "a.xls is a web page .HTML. or XML"),
        ("a.xlsx", b"phone_number\n+12122000000\n", "a.xlsx is no Excel workbook; .* or call it .csv if it is text"),
        ("a.xls", b"\x09\x04\x06\x00\x00\x00", "a.xls is a workbook of Excel 4; open it in Excel and save it as XLSX"),
        ("a.xlsx", b"", "a.xlsx is empty"),
        ("a.csv", b"PK\x05\x06" + bytes(18), "a.csv is an empty ZIP archive"),
    ],
)
def test_a_file_that_is_only_called_a_workbook_is_told_apart(name: str, content: bytes, message: str) -> None:
    with pytest.raises(Invalid, match=f"^{message}"):
        opened(content, name=name)


def test_text_that_a_program_has_saved_as_xls_is_read() -> None:
    assert list(opened("phone\tname\n+4930\tJosé\n".encode("utf-16"), name="a.xls").rows) == [Row(2, ("+4930", "José"))]


def test_an_archive_that_unpacks_to_too_much_is_not_unpacked() -> None:
    bomb = bytearray(xlsx(PEOPLE))
    entry = bomb.index(b"PK\x01\x02", bomb.rindex(b"PK\x03\x04"))
    bomb[entry + 24 : entry + 28] = (2**30).to_bytes(4, "little")  # what its directory says of one part

    with pytest.raises(
        Invalid, match=r"unpacks to 1,07\d,...,... bytes, and 1,073,741,824 are the most; save it as CSV"
    ):
        opened(bytes(bomb))


def test_a_disk_without_a_place_for_the_copy_is_no_fault_of_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    content = xlsx(PEOPLE)
    monkeypatch.setattr(spreadsheet.tempfile, "tempdir", str(tmp_path / "gone"))

    with pytest.raises(EnvironmentFault, match="no workbook can be unpacked in .*/gone: No such file or directory"):
        opened(content)


def test_nothing_is_left_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    content = xlsx(PEOPLE)
    monkeypatch.setattr(spreadsheet.tempfile, "tempdir", str(tmp_path))

    rows(content)
    with pytest.raises(Invalid):
        opened(content[:3000])

    assert list(tmp_path.iterdir()) == []


def test_all_limits_of_excel_are_within_the_reader_s() -> None:
    assert spreadsheet_reader.MOST_ROWS == 2**20
    assert spreadsheet_reader.MOST_UNPACKED_BYTES >= 2**30


# Imported


async def stored(bench: Bench, content: bytes, name: str = "people.xlsx") -> int:
    campaign = await bench.draft([])
    path = bench.folder / name
    path.write_bytes(content)
    await bench.app.intake.store(campaign, path, None)
    return campaign


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_ROWS", 10)


class Killed(Exception):
    """The process ends here."""


@pytest.mark.asyncio
@pytest.mark.usefixtures("small_batches")
async def test_an_import_of_a_workbook_that_was_killed_goes_on_where_it_stopped(bench: Bench) -> None:
    people = numbers(34)
    content = xlsx([["phone_number"], *([int(number[1:])] for number in people[:4]), *([n] for n in people[4:])])
    campaign = await stored(bench, content)
    read: list[int] = []

    def die(row: int) -> None:
        read.append(row)
        if len(read) == 2:
            raise Killed

    with pytest.raises(Killed):
        await bench.app.intake.run(campaign, frozenset(), on_progress=die)
    done = await bench.app.intake.run(campaign, frozenset())

    assert read == [11, 21]
    assert done is not None
    assert (done.contacts, done.rejects) == (30, 4)  # without a region, a number needs its +
    page, _ = await bench.app.intake.rejects_page(campaign, (0, 0))
    assert [(reject.row, reject.value) for reject in page] == [(n, people[n - 2][1:]) for n in (2, 3, 4, 5)]


@pytest.mark.asyncio
async def test_the_log_says_which_sheet_was_read(bench: Bench) -> None:
    campaign = await stored(bench, xlsx([], others={"Leads": PEOPLE}))

    await bench.app.intake.run(campaign, frozenset())

    log = await bench.app.campaigns.log(campaign)
    assert "2 contacts imported from the sheet 'Leads', 0 rows rejected" in [entry.message for entry in log]
