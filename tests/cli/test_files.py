"""Contacts files as people have them, through `dialplane run`: nothing is lost, and what is wrong is named."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from executable import EXECUTABLE, Cli, Result
from workbooks import Rows, locked_xlsx, xls, xlsx

ANA, BO = "+15005550006", "+15005550004"
GREETING = "name: A\ngreeting: Hi {{CustomerName}}\n"

MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""
AS_SAVED = {
    "a byte-order mark": "\ufeffphone_number,name\n{ana},Ana\n{bo},Bo\n".encode(),
    "semicolons": b"phone_number;name\n{ana};Ana\n{bo};Bo\n",
    "tabs": b"phone_number\tname\n{ana}\tAna\n{bo}\tBo\n",
    "Excel's sep line": b"sep=;\nphone_number;name\n{ana};Ana\n{bo};Bo\n",
    "Windows line ends": b"phone_number,name\r\n{ana},Ana\r\n{bo},Bo\r\n",
    "old Macintosh line ends": b"phone_number,name\r{ana},Ana\r{bo},Bo\r",
    "UTF-16 with a mark": "phone_number,name\n{ana},Ana\n{bo},Bo\n".encode("utf-16"),
    "UTF-16 without a mark": "phone_number,name\n{ana},Ana\n{bo},Bo\n".encode("utf-16-le"),
    "empty rows and spaces": b" Phone Number , name\n\n {ana} , Ana \n,\n\n{bo},Bo\n\n",
    "short rows": b"phone_number,name,note\n{ana},Ana\n{bo},Bo\n",
    "quotes and newlines in cells": b'phone_number,name,note\n{ana},Ana,"says ""hi"",\ntwice"\n{bo},Bo,\n',
}


def saved(cli: Cli, content: bytes) -> Path:
    """The file, with the two numbers in the encoding of the rest."""
    path = cli.folder / "people.csv"
    for name, number in (("{ana}", ANA), ("{bo}", BO)):
        for encoding in ("utf-16-le", "utf-8"):
            content = content.replace(name.encode(encoding), number.encode(encoding))
    path.write_bytes(content)
    return path


def report(result: Result) -> list[dict[str, str]]:
    assert result.code == 0, result.err
    with Path(result.json["report"]).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def rejects(result: Result) -> list[dict[str, str]]:
    with Path(result.json["rejects"]).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_contacts_from_standard_input(cli: Cli) -> None:
    piped = subprocess.run(
        [EXECUTABLE, "run", "-", "--report", "report.csv"],
        input=f"phone_number\n{ANA}\n{BO}\n",
        cwd=cli.folder,
        env=cli.env,
        capture_output=True,
        text=True,
        check=False,
    )
    empty = subprocess.run(
        [EXECUTABLE, "run", "-"], input="", cwd=cli.folder, env=cli.env, capture_output=True, text=True, check=False
    )

    assert piped.returncode == 0, piped.stderr
    with (cli.folder / "report.csv").open(encoding="utf-8", newline="") as file:
        assert {row["to_number"] for row in csv.DictReader(file)} == {ANA, BO}
    assert cli.newest()["name"] == "standard input"
    assert (empty.returncode, "standard input is empty" in empty.stderr) == (2, True)


@pytest.mark.parametrize("how", AS_SAVED)
def test_a_file_is_read_however_it_was_saved(cli: Cli, how: str) -> None:
    result = cli("run", saved(cli, AS_SAVED[how]), "--fast", "--json")

    assert {row["to_number"]: row["name"] for row in report(result)} == {ANA: "Ana", BO: "Bo"}
    assert result.json["rejected_rows"] == 0


def test_latin_1_names_arrive_as_written(cli: Cli) -> None:
    result = cli("run", saved(cli, "phone_number,name\n{ana},José Müller\n".encode("latin-1")), "--fast", "--json")

    assert [row["name"] for row in report(result)] == ["José Müller"]


def test_a_template_finds_its_column_as_spelled(cli: Cli) -> None:
    agent = cli.file("a.yaml", GREETING)
    contacts = saved(cli, b"phone_number,CustomerName\n{ana},Ana\n")

    result = cli("run", contacts, "--agent", agent, "--fast", "--json")

    assert "Hi Ana" in report(result)[0]["transcript"]


def test_duplicates_are_one_number_however_they_are_typed(cli: Cli) -> None:
    contacts = cli.file("people.csv", "phone,name\n+1 (500) 555-0006,first\n0015005550006,second\n+15005550006,third\n")

    result = cli("run", contacts, "--fast", "--json")

    assert [row["name"] for row in report(result)] == ["first"]
    assert [(row["row"], row["field"], row["reason"]) for row in rejects(result)] == [
        ("3", "phone", "the same number as row 2"),
        ("4", "phone", "the same number as row 2"),
    ]


def test_a_number_that_a_spreadsheet_has_rounded_is_not_guessed(cli: Cli) -> None:
    contacts = saved(cli, b"phone_number,name\n4.4E+11,Ana\n{bo},Bo\n")

    result = cli("run", contacts, "--fast", "--json")

    assert [row["name"] for row in report(result)] == ["Bo"]
    assert rejects(result) == [
        {
            "row": "2",
            "field": "phone_number",
            "value": "4.4E+11",
            "reason": "a spreadsheet has rounded this number, its last digits are lost",
            "fix": "format the column as text before saving, and enter the number again",
        }
    ]


@pytest.mark.parametrize(("name", "make"), [("people.xlsx", xlsx), ("people.xls", xls)])
def test_a_workbook_is_read_like_a_csv(cli: Cli, name: str, make: Callable[[Rows], bytes]) -> None:
    contacts = cli.folder / name
    contacts.write_bytes(make([["Phone Number", "name"], [ANA, "Ana"], [], [15005550004, "Bo"], ["4.4E+11", "Cleo"]]))

    result = cli("run", contacts, "--default-region", "US", "--fast", "--json")

    assert {row["to_number"]: row["name"] for row in report(result)} == {ANA: "Ana", BO: "Bo"}
    assert [(row["row"], row["value"], row["fix"]) for row in rejects(result)] == [
        ("5", "4.4E+11", "format the column as text before saving, and enter the number again")
    ]


def test_a_workbook_that_cannot_be_read_is_refused_with_what_to_do(cli: Cli) -> None:
    contacts = cli.folder / "people.xlsx"
    before = cli.campaigns()
    for content, told in (
        (b"PK\x03\x04" + bytes(100), "people.xlsx is a ZIP archive that is damaged or cut off; open it in Excel"),
        (b"<html><table>", "people.xlsx is a web page (HTML) or XML, and no Excel workbook"),
        (locked_xlsx(), "people.xlsx is protected with a password; take the password away in Excel"),
    ):
        contacts.write_bytes(content)

        result = cli("run", contacts)

        assert result.code == 2
        assert told in result.err
    assert cli.campaigns() == before


def test_formulas_are_defused_and_numbers_stay_numbers(cli: Cli) -> None:
    contacts = saved(cli, b'phone_number,name\n{ana},"=HYPERLINK(""http://x"")"\n{bo},@SUM(1)\n')

    result = cli("run", contacts, "--fast", "--json")

    rows = report(result)
    assert sorted(row["name"] for row in rows) == ['\'=HYPERLINK("http://x")', "'@SUM(1)"]
    assert {row["to_number"] for row in rows} == {ANA, BO}
    assert all(row["from_number"].startswith("+") for row in rows)


def test_a_large_file_is_not_held_in_memory(cli: Cli) -> None:
    # The command itself takes about 70 MB, copying the file in pieces up to 60; holding it would take 60 for each copy.
    assert peak_of_rejecting(cli, rows=200_000) < 190_000, "kB for a file of 120 MB"


def peak_of_rejecting(cli: Cli, rows: int) -> int:
    """Most memory, in kB, of a command that reads so many rows of 600 bytes."""
    with (cli.folder / "large.csv").open("w", encoding="utf-8") as file:
        file.write("phone_number,note\n")
        file.writelines(f"not a number {number},{'x' * 600}\n" for number in range(rows))
    # A process counts what its parent had when it forked, and this one is large: a small one measures.
    measuring = [sys.executable, "-c", MEASURE, str(EXECUTABLE), "run", "large.csv"]
    done = subprocess.run(
        measuring, cwd=cli.folder, env=cli.env, capture_output=True, text=True, timeout=90, check=False
    )
    assert (done.returncode, "no row of large.csv can be called" in done.stderr) == (2, True)
    return int(done.stdout.split()[-1])


def test_every_magic_number_does_what_it_says(cli: Cli) -> None:
    expected = {
        "01": "busy busy busy", "02": "no_answer no_answer no_answer", "03": "voicemail", "04": "declined",
        "05": "invalid_number", "06": "answered", "07": "carrier_failed", "08": "unreachable", "09": "blocked",
        "10": "unwanted", "11": "rate_limited answered", "12": "capacity answered", "13": "agent_failed",
        "14": "answered", "15": "answered", "16": "answered", "17": "unknown", "21": "busy answered",
        "22": "no_answer no_answer answered",
    }  # fmt: skip
    contacts = cli.contacts(*(f"+150055500{ending}" for ending in expected))

    result = cli("run", contacts, "--fast", "--max-retries", "2", "--retry-delay", "2s", "--json")

    found: dict[str, list[str]] = {}
    for row in report(result):
        found.setdefault(row["to_number"][-2:], []).append(row["disposition"])
    assert {ending: " ".join(dispositions) for ending, dispositions in found.items()} == expected
