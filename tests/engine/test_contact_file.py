from __future__ import annotations

import codecs
import csv
import io
import itertools
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dialplane.core.intake import Columns, NewContact, Reject, Row, decide
from dialplane.engine.contact_file import MAX_ROW_CHARACTERS, Table, open_table
from dialplane.engine.numbering import read_number
from dialplane.errors import Invalid


def opened(data: bytes, *, chunk: int = 1 << 20) -> Table:
    return open_table((data[at : at + chunk] for at in range(0, len(data), chunk)), name="people.csv")


def rows(data: bytes, **options: int) -> list[Row]:
    return list(opened(data, **options).rows)


# What files look like


@pytest.mark.parametrize(
    ("data", "encoding", "delimiter"),
    [
        (b"phone_number,name\n+4930,Ana\n", "utf-8", ","),
        ("phone_number,name\n+4930,José\n".encode(), "utf-8", ","),
        ("\ufeffphone_number,name\n+4930,José\n".encode(), "utf-8", ","),
        ("phone_number,name\n+4930,José\n".encode("cp1252"), "cp1252", ","),
        ("phone_number,name\n+4930,“José”\n".encode("cp1252"), "cp1252", ","),
        ("phone_number;name\r\n+4930;José\r\n".encode("cp1252"), "cp1252", ";"),
        (codecs.BOM_UTF16_LE + "phone_number\tname\n+4930\tJosé\n".encode("utf-16-le"), "utf-16-le", "\t"),
        (codecs.BOM_UTF16_BE + "phone_number\tname\n+4930\tJosé\n".encode("utf-16-be"), "utf-16-be", "\t"),
        ("phone_number\tname\n+4930\tJosé\n".encode("utf-16-le"), "utf-16-le", "\t"),
        ("phone_number\tname\n+4930\tJosé\n".encode("utf-16-be"), "utf-16-be", "\t"),
        (b"phone_number|name\n+4930|Ana\n", "utf-8", "|"),
        (b"sep=;\r\nphone_number;name\r\n+4930;Ana\r\n", "utf-8", ";"),
        (b'"sep=^"\nphone_number^name\n+4930^Ana\n', "utf-8", "^"),
        (b'phone_number;"a,b,c,d";name\n+4930;;Ana\n', "utf-8", ";"),
        (b"phone_number\n+4930\n", "utf-8", ","),
    ],
)
@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
def test_encoding_and_delimiter_are_found(data: bytes, encoding: str, delimiter: str, chunk: int) -> None:
    table = opened(data, chunk=chunk)
    found = list(table.rows)

    assert Columns.of(table.header).phone == 0
    assert [(row.number, row.cells[0]) for row in found] == [(2, "+4930")]
    assert found[0].cells[-1].strip("“”") in {"Ana", "José", "+4930"}
    assert (table.encoding, table.delimiter) == (encoding, delimiter)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("chunk", [1, 2, 3, 1 << 20])
def test_rows_are_numbered_as_a_spreadsheet_numbers_them(end: str, chunk: int) -> None:
    lines = ["phone,note", "1,a", "", '2,"two', 'lines"', ",", "3,c", ""]

    assert rows(end.join(lines).encode(), chunk=chunk) == [
        Row(2, ("1", "a")),
        Row(4, ("2", f"two{end}lines")),
        Row(6, ("3", "c")),
    ]


def test_lines_before_the_header_are_counted() -> None:
    table = opened(b"\n\nphone,name\n1,a\n")

    assert table.header == ("phone", "name")
    assert list(table.rows) == [Row(4, ("1", "a"))]


def test_only_line_ends_end_a_line() -> None:
    assert rows("phone,note\n1,a\x0bb\x85c\u2028d\x1ce\n".encode()) == [Row(2, ("1", "a\x0bb\x85c\u2028d\x1ce"))]


def test_quotes_are_read_as_spreadsheets_write_them() -> None:
    assert rows(b'phone,note\n1,"a ""b"", c"\n2,5" pipe\n') == [Row(2, ("1", 'a "b", c')), Row(3, ("2", '5" pipe'))]


def test_the_last_line_needs_no_end() -> None:
    assert rows(b"phone\n1\n2") == [Row(2, ("1",)), Row(3, ("2",))]


def test_a_file_of_a_header_alone_has_no_rows() -> None:
    table = opened(b"phone_number,name\n")

    assert table.header == ("phone_number", "name")
    assert list(table.rows) == []


# Encodings that come late


def ascii_rows(size: int) -> bytes:
    return b"phone,name\n" + b"+4930,Ana\n" * (size // 10)


@pytest.mark.parametrize(("encoding", "name"), [("utf-8", "José"), ("cp1252", "José")])
@pytest.mark.parametrize("size", [0, 262_100, 262_144, 300_000, 2_000_000])
def test_the_first_sign_beyond_ascii_may_come_late(encoding: str, name: str, size: int) -> None:
    table = opened(ascii_rows(size) + f"+4930,{name}\n".encode(encoding))
    *_, last = table.rows

    assert last.cells == ("+4930", name)
    assert table.encoding == encoding


@pytest.mark.parametrize("shift", range(12))
def test_a_sign_that_a_block_cuts_is_no_fault(shift: int) -> None:
    data = b"phone,name\n" + b"x" * shift + ("€" * 200_000 + "\n").encode()[: 131_000 * 3] + b"\n+4930,\xe2\x82\xac\n"

    assert rows(data)[-1].cells == ("+4930", "€")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("phone,name\n1,José\n2,é\n".encode() + b"3,\xe9a\n", "row 4: byte 0xE9 at position 26 is no utf-8 text"),
        ("phone,name\n1,é\n2,é\n".encode()[:-2], "row 3: byte 0xC3 at position 18 is no utf-8 text"),
        (codecs.BOM_UTF8 + b"phone,name\n1,\xff\n", "row 2: byte 0xFF at position 16 is no utf-8 text"),
        (codecs.BOM_UTF8 + b"phone,\xff\n", "row 1: byte 0xFF"),
        (b"phone,name\n1,\xe9\n2,\x81\n", "row 3: byte 0x81 at position 17 is no cp1252 text"),
        ("phone,name\n1,é\n".encode("utf-16-le") + b"2", "row 3: byte 0x32 .* is no utf-16-le text"),
    ],
)
def test_bytes_that_do_not_fit_are_named_and_never_replaced(data: bytes, message: str) -> None:
    with pytest.raises(Invalid, match=f"people.csv, {message}"):
        rows(data)


def test_the_rows_before_a_broken_one_are_read() -> None:
    table = opened("phone,name\n1,José\n2,é\n".encode() + b"3,\xe9a\n")

    read: list[Row] = []
    with pytest.raises(Invalid, match="row 4"):
        read.extend(table.rows)
    assert [row.number for row in read] == [2, 3]


# What is refused


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "people.csv is empty"),
        (codecs.BOM_UTF8, "nothing but blank lines"),
        (b"\n \r\n\t\n", "nothing but blank lines"),
        (b"\x09\x04\x06\x00", "is a workbook of Excel 4; open it in Excel and save it as XLSX"),
        (b"%PDF-1.7", "is a PDF"),
        (b"\x1f\x8b\x08", "gzip"),
    ],
)
def test_what_is_no_contacts_file_is_refused_at_once(data: bytes, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        opened(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'phone,name\n1,a\n2,"b\n3,c\n4,d\n', "row 3: from here on the double quotes do not match"),
        (b'phone,name\n1,a\n2,"b\n3,"c d"\n4,d\n', "row 3: from here on the double quotes do not match"),
        (b'phone,"name\n1,a\n', "row 1: from here on the double quotes do not match"),
        (b'phone,name\n1,"Jo" Smith\n', "row 2: from here on the double quotes do not match"),
        (b'phone,name\n1,a\n2,"' + b"x\n" * 500_000, "row 3: the row that begins here does not end"),
        (b'phone,name\n1,a\n2,"' + b"x" * 5_000_000, "row 3: the row that begins here does not end"),
        (b"phone,name\n1,a\n2" + b",x" * 5_000_000, "row 3: the row that begins here does not end"),
        (b"phone,name" + b",x" * 5_000_000, "row 1: the row that begins here does not end"),
    ],
)
def test_quotes_that_do_not_match_swallow_no_rows(data: bytes, message: str) -> None:
    with pytest.raises(Invalid, match=f"people.csv, {message}"):
        rows(data)


def test_a_quote_that_is_never_closed_does_not_read_the_file_to_its_end() -> None:
    read = 0

    def chunks() -> Iterator[bytes]:
        nonlocal read
        for chunk in itertools.chain([b'phone,name\n1,"a'], itertools.repeat(b",x\n" * 1000)):
            read += len(chunk)
            yield chunk

    with pytest.raises(Invalid, match="row 2"):
        list(open_table(chunks(), name="people.csv").rows)
    assert read < 2 * MAX_ROW_CHARACTERS


def test_memory_does_not_grow_with_the_file() -> None:
    def peak(count: int) -> int:
        chunks = itertools.chain([b"phone,name\n"], itertools.repeat("+493023125000,José\n".encode() * 1000, count))
        tracemalloc.start()
        for _ in open_table(chunks, name="people.csv").rows:
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(200) < peak(50) * 1.2


# Any table comes back


ENCODINGS = {
    "utf-8": (b"", "utf-8"),
    "utf-8 with mark": (codecs.BOM_UTF8, "utf-8"),
    "utf-16-le with mark": (codecs.BOM_UTF16_LE, "utf-16-le"),
    "utf-16-be with mark": (codecs.BOM_UTF16_BE, "utf-16-be"),
    "utf-16-le": (b"", "utf-16-le"),
    "utf-16-be": (b"", "utf-16-be"),
}
HEADER = ["phone_number", "first_name", "city"]
CELLS = st.text(
    st.one_of(
        st.sampled_from(",;\t|\"'\r\n =+"),
        st.characters(codec="latin-1"),
        st.characters(codec="utf-8", exclude_characters="\ufeff"),
    ),
    max_size=12,
)


@settings(max_examples=300, deadline=None)
@given(
    table=st.lists(st.lists(CELLS, min_size=1, max_size=5), max_size=6),
    encoding=st.sampled_from(sorted(ENCODINGS)),
    delimiter=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    chunk=st.one_of(st.integers(1, 9), st.integers(1, 100_000)),
)
@example(table=[["a\r", "\nb"]], encoding="utf-16-le", delimiter=";", end="\r\n", chunk=1)
def test_any_table_comes_back_cell_by_cell(
    table: list[list[str]], encoding: str, delimiter: str, end: str, chunk: int
) -> None:
    mark, codec = ENCODINGS[encoding]
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL).writerows([HEADER, *table])

    read = opened(mark + text.getvalue().encode(codec), chunk=chunk)

    assert read.header == tuple(HEADER)
    expected = [Row(number, tuple(cells)) for number, cells in enumerate(table, start=2) if any(cells)]
    assert list(read.rows) == expected
    assert read.encoding == codec
    assert read.delimiter == delimiter


@settings(max_examples=200, deadline=None)
@given(
    names=st.lists(st.text("aeiou äöüßéèñçÄÖÜ", min_size=1, max_size=9), max_size=8),
    chunk=st.integers(1, 50),
)
def test_latin_1_comes_back_cell_by_cell(names: list[str], chunk: int) -> None:
    data = "\n".join(["phone,name", *(f"1,{name}" for name in names)]).encode("cp1252")

    assert [row.cells[1] for row in rows(data, chunk=chunk)] == names


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=300), chunk=st.integers(1, 50))
def test_any_bytes_are_read_or_refused(data: bytes, chunk: int) -> None:
    try:
        whole: object = rows(b"phone,name\n" + data)
    except Invalid as error:
        whole = str(error)
    try:
        cut: object = rows(b"phone,name\n" + data, chunk=chunk)
    except Invalid as error:
        cut = str(error)
    assert cut == whole


# From bytes to contacts: what goes wrong with files


FILES = [
    ("a byte-order mark", "\ufeffphone_number,CustomerName\n+493023125000,José\n".encode()),
    ("semicolons", "phone_number;CustomerName\n+493023125000;José\n".encode()),
    ("quotes", '"phone_number","CustomerName"\n"+493023125000","José"\n'.encode()),
    ("UTF-16", "phone_number\tCustomerName\n+493023125000\tJosé\n".encode("utf-16")),
    ("Latin-1", "phone_number;CustomerName\r\n+493023125000;José\r\n".encode("latin-1")),
    ("another way to write the number", "Phone Number,CustomerName\n+49 (0)30 23125-000, José \n".encode()),
]


@pytest.mark.parametrize("data", [data for _, data in FILES], ids=[what for what, _ in FILES])
def test_all_these_files_hold_the_same_contact(data: bytes) -> None:
    assert contacts(data) == [
        NewContact(
            row_number=2,
            to_number="+493023125000",
            external_id=None,
            priority=0,
            zones=("Europe/Berlin",),
            variables={"CustomerName": "José"},
        )
    ]


def test_a_newline_in_a_cell_is_part_of_it() -> None:
    found = contacts(b'phone_number,note\n+493023125000,"first\nsecond"\n+4930,\n')

    assert isinstance(found[0], NewContact)
    assert found[0].variables == {"note": "first\nsecond"}
    assert isinstance(found[1], Reject)
    assert found[1].row_number == 3


def test_a_number_in_scientific_notation_is_rejected_with_its_row() -> None:
    (found,) = contacts(b"phone_number,note\n4.93023E+11,\n")

    assert isinstance(found, Reject)
    assert (found.row_number, found.field, found.value) == (2, "phone_number", "4.93023E+11")


def test_numbers_are_compared_as_numbers_not_as_typed() -> None:
    found = contacts(b"phone_number\n+49 30 23125000\n0049-30-23125000\n+4930 / 23125000\n")

    assert {contact.to_number for contact in found if isinstance(contact, NewContact)} == {"+493023125000"}
    assert len(found) == 3


def test_a_cell_that_begins_like_a_formula_stays_as_it_is() -> None:
    (found,) = contacts(b"phone_number,note\n+493023125000,=1+1\n")

    assert isinstance(found, NewContact)
    assert found.variables == {"note": "=1+1"}


def contacts(data: bytes) -> list[NewContact | Reject | None]:
    table = opened(data)
    columns = Columns.of(table.header)
    return [
        decide(row, columns, read_number=read_number, default_region=None, known_zone=lambda _: True)
        for row in table.rows
    ]
