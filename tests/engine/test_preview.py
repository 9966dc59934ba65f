"""The beginning of a contacts file, and what would become of its rows."""

from __future__ import annotations

import pytest

from dialplane.core.intake import Reject
from dialplane.engine.preview import SAMPLED, SHOWN, Preview, preview
from dialplane.errors import Invalid


def seen(
    text: str, *, region: str | None = None, names: list[str] | None = None, required: frozenset[str] = frozenset()
) -> Preview:
    return preview([text.encode()], name="a.csv", required=required, default_region=region, names=names)


@pytest.mark.parametrize(
    ("header", "proposed"),
    [
        ("phone,name", ("phone", "name")),
        ("id,Telefon", ("id", "phone_number")),
        ("id,kontakt", ("id", "phone_number")),  # by its cells
        ("Phone,,Phone", ("Phone", "column_2", "Phone_2")),
    ],
)
def test_names_are_proposed(header: str, proposed: tuple[str, ...]) -> None:
    cells = "+12122000000,x,y" if header.startswith(("phone", "Phone")) else "7,+12122000000"

    assert seen(f"{header}\n{cells}\n").names == proposed


def test_a_file_without_a_phone_column_says_so_and_decides_nothing() -> None:
    found = seen("name\nAna\n")

    assert found.fault == "no column is the phone number: choose it below"
    assert [row.verdict for row in found.rows] == [None]


def test_what_the_agent_needs_is_found_or_missing() -> None:
    found = seen("phone,Name\n+12122000000,Ana\n", required=frozenset({"name", "city"}))

    assert (found.positions, found.missing) == ({"name": 1}, ["city"])


def test_contacts_are_counted_by_country_and_zone_and_a_number_once() -> None:
    found = seen("phone\n030 23125000\n+49 30 23125000\n+12122000000\n12\n", region="DE")

    assert (found.sampled, found.contacts, found.rejects, found.whole) == (4, 2, 2, True)
    assert found.regions == {"DE": 1, "US": 1}
    assert found.zones == {"Europe/Berlin": 1, "America/New_York": 1}
    second = found.rows[1].verdict
    assert isinstance(second, Reject)
    assert second.reason == "the same number as row 2"


def test_a_large_file_is_read_no_further_than_it_takes() -> None:
    read = 0

    def chunks():  # type: ignore[no-untyped-def]
        nonlocal read
        yield b"phone\n"
        for read in range(100_000):
            yield b"+1212%07d\n" % (2_000_000 + read)

    found = preview(chunks(), name="a.csv", required=frozenset(), default_region=None, names=None)

    assert (found.sampled, len(found.rows), found.whole) == (SAMPLED, SHOWN, False)
    assert read < 50_000


def test_too_many_columns_are_refused() -> None:
    with pytest.raises(Invalid, match="501 columns, and 500 are the most; delete"):
        seen("phone" + "," * 500 + "\n+12122000000\n")
