from __future__ import annotations

from functools import cache

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, PhoneNumberType, timezone

from dialplane.core.intake import NumberFault, PhoneNumber
from dialplane.engine.numbering import check_region, read_number, regions
from dialplane.errors import Invalid

BERLIN = ("Europe/Berlin",)


@pytest.mark.parametrize(
    ("text", "region", "e164"),
    [
        ("+493023125000", None, "+493023125000"),
        ("+49 (0)30 23125-000", None, "+493023125000"),
        ("(+49) 30 23125000", None, "+493023125000"),
        ("0049 30 23125000", None, "+493023125000"),
        ("0049 30 23125000", "GB", "+493023125000"),
        ("011 49 30 23125000", "US", "+493023125000"),
        ("030/23125000", "DE", "+493023125000"),
        ("4930 23125000", "DE", "+493023125000"),
        ("tel:+49-30-23125000", None, "+493023125000"),
        ("'+493023125000", None, "+493023125000"),
        ("+49\u200b30\u202d23125000\u202c", None, "+493023125000"),
        ("+49\u202f30\u202f23125000", None, "+493023125000"),
        ("\uff0b\uff14\uff193023125000", None, "+493023125000"),
        ("(212) 555-0100", "US", "+12125550100"),
        ("+1.212.555.0100", None, "+12125550100"),
        ("+39 06 69812345", None, "+390669812345"),
        ("06 69812345", "IT", "+390669812345"),
    ],
)
def test_a_number_is_read_however_it_is_written(text: str, region: str | None, e164: str) -> None:
    number = read_number(text, region)

    assert isinstance(number, PhoneNumber), number
    assert number.e164 == e164


@pytest.mark.parametrize(
    ("text", "region", "reason"),
    [
        ("", "US", "not a phone number"),
        ("call me", "US", "not a phone number"),
        ("212 555 0100", None, "no country code"),
        ("555-0100", "US", "the area code is missing"),
        ("+1212555", None, "too short"),
        ("+493023125000123456", None, "too long"),
        ("+999 1234567", None, "no such country code"),
        ("+1 212 155 0100", None, "no number of country code 1 begins like this"),
        ("0049 30 23125000", "US", "too long"),
        ("911", "US", "too short"),
        ("+1 212 555 0100 x123", None, "an extension cannot be dialled"),
        ("+1 212 555 0100 ext. 12", None, "an extension cannot be dialled"),
        ("+1 212 555 0100;ext=12", None, "an extension cannot be dialled"),
        ("+1-800-FLOWERS", None, "more than a number"),
        ("+1212555O100", None, "more than a number"),
        ("mobile +1 212 555 0100", None, "more than a number"),
        ("+1 212 555 0100, +1 212 555 0101", None, "not a phone number"),
        ("+1 212 555 0100\n+1 212 555 0101", None, "not a phone number"),
        ("+49 30 231250/51", None, "two numbers"),
        ("1" * 300, "US", "too long"),
    ],
)
def test_what_cannot_be_dialled_says_why(text: str, region: str | None, reason: str) -> None:
    fault = read_number(text, region)

    assert isinstance(fault, NumberFault), fault
    assert reason in fault.reason
    assert fault.fix


@pytest.mark.parametrize(
    ("text", "region", "fix"),
    [
        ("212 555 0100", None, "+ and the country code"),
        ("212 555 0100", None, "--default-region"),
        ("0049 30 23125000", "US", "write + in place of 00"),
        ("+1 212 555 0100 x1", None, "give a direct number"),
    ],
)
def test_a_fault_says_what_to_do(text: str, region: str | None, fix: str) -> None:
    fault = read_number(text, region)

    assert isinstance(fault, NumberFault)
    assert fix in fault.fix


@pytest.mark.parametrize("line", range(1, 23))
def test_the_magic_numbers_of_the_simulated_carrier_are_valid(line: int) -> None:
    number = read_number(f"+1 500 555 {line:04}", None)

    assert isinstance(number, PhoneNumber)
    assert number.e164 == f"+1500555{line:04}"
    assert {"America/New_York", "Pacific/Honolulu"} < set(number.zones), "a personal number may be anywhere in +1"


@pytest.mark.parametrize(
    ("text", "zones"),
    [
        ("+493023125000", BERLIN),
        ("+12125550100", ("America/New_York",)),
        ("+80012345678", ()),  # an international freephone number is nowhere
    ],
)
def test_a_number_has_the_zones_it_may_be_in(text: str, zones: tuple[str, ...]) -> None:
    assert read_number(text, None) == PhoneNumber(text, zones)


def test_an_australian_mobile_may_be_in_every_zone_of_australia() -> None:
    number = read_number("+61491570156", None)

    assert isinstance(number, PhoneNumber)
    assert {"Australia/Perth", "Australia/Sydney"} < set(number.zones)
    assert list(number.zones) == sorted(number.zones)


def test_regions_are_checked_once_and_by_name() -> None:
    assert check_region(None) is None
    assert check_region(" de ") == "DE"
    assert {"US", "DE"} < regions()
    with pytest.raises(Invalid, match="no region 'XX'"):
        check_region("XX")
    with pytest.raises(Invalid, match="write GB"):
        check_region("UK")


# phonenumbers is the oracle: what reads faster must not read differently.


@cache
def examples() -> list[str]:
    """One number of every kind of every region."""
    kinds = range(PhoneNumberType.FIXED_LINE, PhoneNumberType.VOICEMAIL + 1)
    regional = [phonenumbers.example_number_for_type(region, kind) for region in sorted(regions()) for kind in kinds]
    elsewhere = [
        phonenumbers.example_number_for_non_geo_entity(code)
        for code in sorted(phonenumbers.COUNTRY_CODES_FOR_NON_GEO_REGIONS)
    ]
    return [phonenumbers.format_number(number, PhoneNumberFormat.E164) for number in regional + elsewhere if number]


def by_the_book(text: str) -> PhoneNumber | None:
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number) or not phonenumbers.is_valid_number(number):
        return None
    zones = timezone.time_zones_for_number(number)
    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    return PhoneNumber(e164, () if zones == ("Etc/Unknown",) else tuple(sorted(zones)))


def read(text: str) -> PhoneNumber | None:
    number = read_number(text, None)
    return None if isinstance(number, NumberFault) else number


def test_every_kind_of_number_of_every_region_is_read_as_phonenumbers_reads_it() -> None:
    assert len(examples()) > 1000
    for text in examples():
        assert read(text) == by_the_book(text) is not None


@settings(max_examples=1000, deadline=None)
@given(st.data())
def test_numbers_near_valid_ones_are_read_as_phonenumbers_reads_them(data: st.DataObject) -> None:
    digits = list(data.draw(st.sampled_from(examples())))
    for _ in range(data.draw(st.integers(0, 4))):
        digits[data.draw(st.integers(1, len(digits) - 1))] = data.draw(st.sampled_from("0123456789"))
    text = "".join(digits) + data.draw(st.sampled_from(["", "", "0", "00"]))

    assert read(text) == by_the_book(text)


@settings(max_examples=300, deadline=None)
@given(st.text("+0123456789 -(/.)x#'tel:\xa0\u200b", max_size=24), st.sampled_from([None, "US", "DE", "IT", "AU"]))
def test_any_text_gets_an_answer(text: str, region: str | None) -> None:
    result = read_number(text, region)

    assert isinstance(result, NumberFault) or (result.e164[0] == "+" and result.e164[1:].isdigit())
