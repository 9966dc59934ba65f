from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialplane.core.intake import (
    Columns,
    NewContact,
    NumberFault,
    PhoneNumber,
    Reject,
    Row,
    decide,
    missing_columns,
    template_value,
    template_values,
)
from dialplane.errors import Invalid

ZONES = {"Europe/Berlin", "America/New_York"}


def plus_only(text: str, default_region: str | None) -> PhoneNumber | NumberFault:
    """Stands for the reader of numbers: takes plus and digits; without a plus, digits if there is a region."""
    digits = text.replace(" ", "")
    if digits.removeprefix("+").isdigit() and (digits.startswith("+") or default_region):
        return PhoneNumber(f"+{digits.removeprefix('+')}", ("Australia/Perth", "Australia/Sydney"))
    return NumberFault("this is not a phone number", "check the number")


def decided(
    header: str, cells: str, *, required: frozenset[str] = frozenset(), default_region: str | None = None
) -> NewContact | Reject | None:
    return decide(
        Row(7, tuple(cells.split("|"))),
        Columns.of(header.split("|")),
        read_number=plus_only,
        default_region=default_region,
        known_zone=ZONES.__contains__,
        required=required,
    )


def contact(header: str, cells: str, **options: object) -> NewContact:
    result = decided(header, cells, **options)  # type: ignore[arg-type]
    assert isinstance(result, NewContact), result
    return result


def reject(header: str, cells: str, **options: object) -> Reject:
    result = decided(header, cells, **options)  # type: ignore[arg-type]
    assert isinstance(result, Reject), result
    return result


# Columns


@pytest.mark.parametrize(
    ("header", "phone"),
    [
        (["phone_number"], 0),
        (["\ufeffphone_number", "name"], 0),
        (["name", " \u200bPhone Number\xa0"], 1),
        (["PHONE-NUMBER"], 0),
        (["Phone\xa0Number"], 0),
        (["number", "phone", "phone_number"], 2),
        (["number", "phone"], 1),
        (["Number"], 0),
    ],
)
def test_the_phone_column_is_found(header: list[str], phone: int) -> None:
    assert Columns.of(header).phone == phone


def test_the_phone_columns_that_do_not_win_stay_variables() -> None:
    assert Columns.of(["number", "phone", "phone_number"]).variables == ((0, "number"), (1, "phone"))


def test_columns_with_a_meaning_are_found_in_any_spelling() -> None:
    columns = Columns.of(["Phone", "Time Zone", "PRIORITY", "External-ID", "CustomerName"])

    assert (columns.timezone, columns.priority, columns.external_id) == (1, 2, 3)
    assert columns.variables == ((4, "CustomerName"),)


def test_variables_keep_the_spelling_of_the_header() -> None:
    assert Columns.of(["phone", " Customer Name "]).variables == ((1, "Customer Name"),)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ([], "the header is empty"),
        (["", " ", "\ufeff"], "the header is empty"),
        (
            ["mobile", "name"],
            "no phone column among mobile, name; name it phone_number .phone and number are read too.",
        ),
        (["+4930 23125000", "Ana"], "the file needs a header above it"),
        (["phone", "Name", "city", "NAME"], "column 2 is 'Name' and column 4 is 'NAME'"),
        (["phone number", "phone_number"], "column 1 is 'phone number' and column 2 is 'phone_number'"),
        (["phone", "na\0me"], "column 2 contains a NUL"),
    ],
)
def test_a_header_that_cannot_be_read_is_refused_in_one_sentence(header: list[str], message: str) -> None:
    with pytest.raises(Invalid, match=message):
        Columns.of(header)


def test_a_message_about_many_columns_stays_short() -> None:
    with pytest.raises(Invalid, match="c19, …; name it"):
        Columns.of([f"c{position}" for position in range(500)])


def test_columns_go_by_the_names_that_were_given_instead_of_the_headers() -> None:
    columns = Columns.of(["Telefon", "Name", "Name", ""], ["phone_number", "first", "", "note"])

    assert columns.phone == 0
    assert columns.variables == ((1, "first"), (3, "note"))
    assert columns.position("name") is None
    assert missing_columns(columns, ["first", "Name", "column_3"]) == ["Name", "column_3"]


def test_a_row_with_a_column_that_is_left_out_keeps_the_others() -> None:
    contact = decide(
        Row(2, ("+4930", "Ana", "secret")),
        Columns.of(["a", "b", "c"], ["phone", "name", ""]),
        read_number=plus_only,
        default_region=None,
        known_zone=ZONES.__contains__,
    )

    assert isinstance(contact, NewContact)
    assert contact.variables == {"name": "Ana"}


def test_as_many_names_as_columns_have_to_be_given() -> None:
    with pytest.raises(Invalid, match="1 names were given for the 2 columns"):
        Columns.of(["phone", "name"], ["phone"])


def test_an_unnamed_column_is_named_by_its_place_and_kept_where_it_holds_data() -> None:
    assert contact("phone|name|", "+4930|Ana|VIP").variables == {"name": "Ana", "column_3": "VIP"}
    assert contact("phone|name|", "+4930|Ana|").variables == {"name": "Ana"}
    assert contact("phone|column_3|", "+4930|a|b").variables == {"column_3": "a", "column_3_": "b"}


# Templates


def test_a_template_finds_its_column_whatever_the_case() -> None:
    columns = Columns.of(["Phone Number", "CustomerName", "External ID"])

    assert columns.variable("CustomerName") == "CustomerName"
    assert columns.variable("customername") == "CustomerName"
    assert columns.variable("phone_number") == "Phone Number"
    assert columns.variable("phone") == "Phone Number"
    assert columns.variable("external_id") == "External ID"
    assert columns.variable("timezone") is None


def test_missing_columns_are_named_in_order() -> None:
    columns = Columns.of(["phone", "FirstName"])

    assert missing_columns(columns, ["firstname", "phone_number", "city", "appointment"]) == ["appointment", "city"]


def test_templates_can_name_the_columns_that_are_no_variables() -> None:
    values = template_values(
        {"CustomerName": "Ana"}, to_number="+4930", external_id="A-1", zones=("Europe/Berlin",), priority=3
    )

    assert template_value("customername", values) == "Ana"
    assert template_value("Phone Number", values) == "+4930"
    assert template_value("phone", values) == "+4930"
    assert template_value("External ID", values) == "A-1"
    assert template_value("timezone", values) == "Europe/Berlin"
    assert template_value("priority", values) == "3"
    assert template_value("city", values) is None


def test_a_column_of_its_own_beats_the_phone_number_in_templates() -> None:
    variables = contact("phone_number|phone", "+4930|desk").variables
    values = template_values(variables, to_number="+4930", external_id=None, zones=(), priority=0)

    assert template_value("phone", values) == "desk"
    assert template_value("number", values) == "+4930"


# Rows


def test_a_row_becomes_a_contact() -> None:
    header = "phone_number|CustomerName|timezone|external_id|priority"

    assert decided(header, " +4930 | José \xa0|Europe/Berlin|A-1|9") == NewContact(
        row_number=7,
        to_number="+4930",
        external_id="A-1",
        priority=9,
        zones=("Europe/Berlin",),
        variables={"CustomerName": "José"},
    )


def test_what_is_left_empty_has_a_default() -> None:
    found = contact("phone_number|timezone|external_id|priority|city", "+4930||||")

    assert (found.priority, found.external_id) == (0, None)
    assert found.zones == ("Australia/Perth", "Australia/Sydney")
    assert found.variables == {"city": ""}


@pytest.mark.parametrize("cells", ["", "||", " |\xa0|\u200b"])
def test_a_row_of_empty_cells_is_no_row(cells: str) -> None:
    assert decided("phone|name|city", cells) is None


def test_a_short_row_ends_in_empty_cells() -> None:
    assert contact("phone|name|city", "+4930").variables == {"name": "", "city": ""}


def test_surplus_cells_are_no_fault_while_they_are_empty() -> None:
    assert contact("phone|name", "+4930|Ana||").variables == {"name": "Ana"}


def test_surplus_cells_with_data_reject_the_row() -> None:
    found = reject("phone|name", "+4930|Ana|| GmbH|")

    assert (found.row_number, found.field, found.value) == (7, "", "GmbH")
    assert found.reason == "the row has 4 cells and the header 2 columns"
    assert found.fix == "put a cell that contains the delimiter in double quotes"


@pytest.mark.parametrize(
    ("cells", "field", "value", "reason", "fix"),
    [
        ("||", "Phone", "", "", ""),
        ("|Mars/Olympus|", "Phone", "", "the phone number is empty", "add the number"),
        ("x|Mars/Olympus|", "Phone", "x", "this is not a phone number", "check the number"),
        ("+4930|Mars/Olympus|x", "timezone", "Mars/Olympus", "Mars/Olympus is no time zone", "'Europe/Berlin'"),
        ("+4930||high", "priority", "high", "whole number from 0 to 9", "leave the cell empty"),
        ("+4930||10", "priority", "10", "whole number from 0 to 9", ""),
        ("+4930||-1", "priority", "-1", "whole number from 0 to 9", ""),
        ("+4930||1.5", "priority", "1.5", "whole number from 0 to 9", ""),
        ("+4930||٣", "priority", "٣", "whole number from 0 to 9", ""),
        ("+49\x0030||", "Phone", "+49␀30", "NUL", "remove the character"),
        ("+4930|||\x00", "", "␀", "NUL", "remove the character"),
        ("4.4E+11||", "Phone", "4.4E+11", "a spreadsheet has rounded this number", "format the column as text"),
        ("4,4e11||", "Phone", "4,4e11", "a spreadsheet has rounded this number", "format the column as text"),
        ("61400099999.5||", "Phone", "61400099999.5", "a decimal number", "format the column as text"),
    ],
)
def test_the_first_fault_rejects_the_row(cells: str, field: str, value: str, reason: str, fix: str) -> None:
    if not reason:
        assert decided("Phone|timezone|priority", cells) is None
        return
    found = reject("Phone|timezone|priority", cells)

    assert (found.field, found.value) == (field, value)
    assert reason in found.reason
    assert fix in found.fix


@pytest.mark.parametrize("cell", ["61400099999.0", "61400099999,00"])
def test_a_number_typed_as_a_float_is_repaired(cell: str) -> None:
    assert contact("phone", cell, default_region="AU").to_number == "+61400099999"


def test_a_repaired_number_is_still_read_as_any_other() -> None:
    assert reject("phone", "61400099999.0").value == "61400099999.0"


def test_a_priority_typed_as_a_float_is_repaired() -> None:
    assert contact("phone|priority", "+4930|5.0").priority == 5


def test_an_empty_cell_of_a_template_variable_rejects_the_row() -> None:
    found = reject("phone|First_Name|city", "+4930||", required=frozenset({"city", "first_name"}))

    assert (found.field, found.value) == ("First_Name", "")
    assert found.reason == "the agent's text uses {{first_name}} and this cell is empty"


def test_a_filled_cell_of_a_template_variable_is_found_in_any_case() -> None:
    required = frozenset({"first_name", "phone_number"})

    assert contact("phone|First_Name|city", "+4930|Ana|", required=required).variables["First_Name"] == "Ana"


def test_a_template_variable_without_a_column_rejects_every_row() -> None:
    assert reject("phone", "+4930", required=frozenset({"city"})).field == ""


def test_a_long_value_is_cut_in_the_reject() -> None:
    assert reject("phone", "x" * 100_000).value == "x" * 200 + "…"


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=8), min_size=1, max_size=6))
def test_every_row_gets_an_answer_that_can_be_stored(cells: list[str]) -> None:
    result = decide(
        Row(2, tuple(cells)),
        Columns.of(["phone", "timezone", "priority", "name"]),
        read_number=plus_only,
        default_region="DE",
        known_zone=ZONES.__contains__,
    )

    if isinstance(result, NewContact):
        assert result.variables["name"] == "" or "\0" not in result.variables["name"]
        assert 0 <= result.priority <= 9
    elif isinstance(result, Reject):
        assert result.reason
        assert result.fix
        assert "\0" not in result.value
