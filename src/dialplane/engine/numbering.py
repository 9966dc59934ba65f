"""text of a phone cell -> number in E.164 and the time zones it may be in"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TypeGuard
from zoneinfo import available_timezones

import phonenumbers
from phonenumbers import (
    NumberParseException,
    PhoneMetadata,
    PhoneNumberDesc,
    PhoneNumberFormat,
    PhoneNumberType,
    ValidationResult,
)
from phonenumbers.tzdata import TIMEZONE_DATA, TIMEZONE_LONGEST_PREFIX

from dialplane.core.intake import NumberFault, PhoneNumber
from dialplane.errors import Invalid

_CODE_DIGITS = 3  # no calling code is longer
# phonenumbers tries the kinds of number in this order, then fixed line, then mobile; the first that fits counts.
_COUNTRYWIDE = ("premium_rate", "toll_free", "shared_cost", "voip", "personal_number", "pager", "uan", "voicemail")

_INTERNATIONAL = re.compile(r"\+[1-9][0-9]{4,14}")
_SEPARATORS = dict.fromkeys(map(ord, " \xa0-()."))
_UNSEEN: dict[int, str | None] = dict.fromkeys(
    [0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A)]
)
_UNSEEN |= {0x2009: " ", 0x202F: " "}  # thin spaces, as French numbers are set, which phonenumbers does not know
# phonenumbers takes letters for keys of the telephone and drops other signs: somebody else would be called.
_DIALLED = re.compile(r"\(?[+\uff0b]?[\d \xa0\-\u2010-\u2015\u2212\u30fc\uff0d().\[\]/~\uff08\uff09\u3000]*")
_MARK = re.compile(r"'|tel:", re.IGNORECASE)  # Excel's for text; a link's
_SECOND_ENDING = re.compile(r"/ *\d{1,2}")  # 030 231250/51 is two numbers

_CHECK = "check the number; best is + and the country code, such as +49 30 23125000"
_UNREADABLE = {
    NumberParseException.NOT_A_NUMBER: "this is not a phone number",
    NumberParseException.INVALID_COUNTRY_CODE: "there is no such country code",
    NumberParseException.TOO_SHORT_AFTER_IDD: "the number is too short",
    NumberParseException.TOO_SHORT_NSN: "the number is too short",
    NumberParseException.TOO_LONG: "the number is too long",
}
_IMPOSSIBLE = {
    ValidationResult.INVALID_COUNTRY_CODE: "there is no such country code",
    ValidationResult.TOO_SHORT: "the number is too short",
    ValidationResult.TOO_LONG: "the number is too long",
    ValidationResult.INVALID_LENGTH: "no number of this country has so many digits",
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "the area code is missing",
}


def regions() -> frozenset[str]:
    """The regions that a national number can belong to, such as 'US' and 'DE'."""
    return frozenset(phonenumbers.SUPPORTED_REGIONS)


def check_region(region: str | None) -> str | None:
    """The region as `read_number` takes it: 'de' -> 'DE'. Raises: Invalid for one that does not exist."""
    if region is None:
        return None
    code = region.strip().upper()
    if code not in phonenumbers.SUPPORTED_REGIONS:
        hint = "for the United Kingdom write GB" if code == "UK" else "write two letters such as US, GB or DE"
        raise Invalid(f"default region: there is no region '{region}'; {hint}")
    return code


def read_number(text: str, default_region: str | None) -> PhoneNumber | NumberFault:
    """The number to dial, or why it cannot be dialled.

    '+49 (0)30 23125000' -> PhoneNumber('+493023125000', ('Europe/Berlin',))
    default_region: as `check_region` returns it.
    """
    number = _read_international(text.translate(_SEPARATORS))
    return number or _read_any(text, default_region)


def region_of(e164: str) -> str | None:
    """The region that a number belongs to, such as 'US'; None where it is not one region's."""
    region = phonenumbers.region_code_for_number(phonenumbers.parse(e164))
    return region if region in phonenumbers.SUPPORTED_REGIONS else None


def region_of_code(code: str) -> str | None:
    """A region with this calling code, whose national numbers can be read: '91' -> 'IN'; None: there is none."""
    region = phonenumbers.region_code_for_country_code(int(code)) if len(code) <= _CODE_DIGITS else None
    return region if region in phonenumbers.SUPPORTED_REGIONS else None


def _read_international(digits: str) -> PhoneNumber | None:
    """What phonenumbers would say of + and digits, at an eighth of its cost; None where that takes more than a look."""
    if not _INTERNATIONAL.fullmatch(digits):
        return None
    plan = _plan(digits[1 : 1 + _CODE_DIGITS])
    kind = plan.kind(digits[1 + len(plan.code) :]) if plan else None
    if not plan or not kind:
        return None
    return PhoneNumber(digits, _zones(digits[1:] if kind == "geographic" else plan.code))


def _read_any(text: str, default_region: str | None) -> PhoneNumber | NumberFault:
    """The same for every other way of writing: national numbers, 00, brackets, and what is no number."""
    text = _MARK.sub("", text.translate(_UNSEEN), count=1) if text[:1] in "'tT" else text.translate(_UNSEEN)
    if default_region is None and text.startswith("00"):
        text = "+" + text[2:]
    try:
        number = phonenumbers.parse(text, default_region)
    except NumberParseException as error:
        return _unreadable(text, error)
    if number.extension:
        return NumberFault("an extension cannot be dialled", "remove the extension, or give a direct number")
    if not _DIALLED.fullmatch(text):
        return NumberFault("there is more than a number here", "leave one number, of digits, spaces and hyphens")
    if _SECOND_ENDING.search(text[-4:]):
        return NumberFault("there are two numbers here", "leave one of them")
    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    return _read_international(e164) or _judged(number, e164, text)


def _judged(number: phonenumbers.PhoneNumber, e164: str, text: str) -> PhoneNumber | NumberFault:
    kind = phonenumbers.number_type(number)
    if kind == PhoneNumberType.UNKNOWN:  # is_valid_number asks for no more than this
        return _impossible(number, text)
    geographic = phonenumbers.is_number_type_geographical(kind, _code(number))
    return PhoneNumber(e164, _zones(e164[1:] if geographic else str(number.country_code)))


def _code(number: phonenumbers.PhoneNumber) -> int:
    assert number.country_code is not None, "a parsed number has a country code"
    return number.country_code


def _unreadable(text: str, error: NumberParseException) -> NumberFault:
    # With neither a region nor a plus, phonenumbers says "invalid country code" of a number that has none.
    if error.error_type == NumberParseException.INVALID_COUNTRY_CODE and "+" not in text and "\uff0b" not in text:
        fix = "write + and the country code in front, such as +49 30 23125000, or give --default-region"
        return NumberFault("the number has no country code", fix)
    return NumberFault(_UNREADABLE.get(error.error_type, "this is not a phone number"), _CHECK)


def _impossible(number: phonenumbers.PhoneNumber, text: str) -> NumberFault:
    result = phonenumbers.is_possible_number_with_reason(number)
    unassigned = f"no number of country code {number.country_code} begins like this"
    fix = "write + in place of 00" if text.startswith("00") else _CHECK  # 00 is not dialled from every region
    return NumberFault(_IMPOSSIBLE.get(result, unassigned), fix)


@dataclass(frozen=True, slots=True)
class _Region:
    leading: re.Pattern[str] | None  # of the regions that share a calling code, the one whose numbers begin so
    valid: re.Pattern[str]  # its last group says which kind


@dataclass(frozen=True, slots=True)
class _Plan:
    """The numbers of one calling code, by the metadata and by the rules of phonenumbers, in one look.

    phonenumbers itself matches up to thirty expressions for one number. Its metadata are public and its rules few:
    here the kinds of a region are one expression. A test compares both over every region.
    """

    code: str
    national_prefix: re.Pattern[str] | None
    regions: tuple[_Region, ...]

    def kind(self, national: str) -> str | None:
        """'geographic', 'mobile' or 'countrywide'; None: not valid, or written with a national prefix."""
        if self.national_prefix and self.national_prefix.match(national):
            return None
        for region in self.regions:
            if region.leading is None:
                if match := region.valid.fullmatch(national):
                    return match.lastgroup
            elif region.leading.match(national):
                match = region.valid.fullmatch(national)
                return match.lastgroup if match else None
        return None


@lru_cache(maxsize=1000)  # of three digits there are no more
def _plan(first_digits: str) -> _Plan | None:
    """The plan of the calling code with which these digits begin."""
    for length in range(1, _CODE_DIGITS + 1):
        code = int(first_digits[:length])
        if code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
            return _plan_of(code)
    return None


def _plan_of(code: int) -> _Plan | None:
    names = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code]
    found = [PhoneMetadata.metadata_for_region_or_calling_code(code, name) for name in names]
    metadata = [region for region in found if region is not None]
    if len(metadata) < len(found):
        return None
    prefix = metadata[0].national_prefix_for_parsing  # the first region is the code's main one
    alone = len(metadata) == 1
    return _Plan(
        code=str(code),
        national_prefix=re.compile(prefix) if prefix else None,
        regions=tuple(
            _Region(
                leading=re.compile(region.leading_digits) if region.leading_digits is not None and not alone else None,
                valid=_valid(region, code),
            )
            for region in metadata
        ),
    )


def _valid(region: PhoneMetadata, code: int) -> re.Pattern[str]:
    """One expression for the valid numbers of a region; the name of the group that matched is their kind."""
    everywhere = _either([getattr(region, kind) for kind in _COUNTRYWIDE])
    fixed = _either([region.fixed_line])
    mobile = "(?!)" if region.same_mobile_and_fixed_line_pattern else _either([region.mobile])
    if phonenumbers.is_number_type_geographical(PhoneNumberType.MOBILE, code):
        fixed, mobile = f"{fixed}|{mobile}", "(?!)"
    return re.compile(
        f"(?={_either([region.general_desc])}\\Z)"
        f"(?:(?P<countrywide>{everywhere})|(?P<geographic>{fixed})|(?P<mobile>{mobile}))"
    )


def _either(kinds: Sequence[PhoneNumberDesc | None]) -> str:
    """An expression for numbers of any of these kinds, tried in their order."""
    patterns = [_lengths(kind) + f"(?:{kind.national_number_pattern})" for kind in kinds if _has_numbers(kind)]
    return f"(?:{'|'.join(patterns)})" if patterns else "(?!)"


def _has_numbers(kind: PhoneNumberDesc | None) -> TypeGuard[PhoneNumberDesc]:
    return kind is not None and bool(kind.national_number_pattern)


def _lengths(kind: PhoneNumberDesc) -> str:
    """A look ahead for the kind's lengths; without any, the pattern alone decides."""
    lengths = "|".join(f".{{{length}}}" for length in kind.possible_length if length > 0)
    return f"(?=(?:{lengths})\\Z)" if kind.possible_length else ""


def _zones(digits: str) -> tuple[str, ...]:
    """The zones of the longest beginning that phonenumbers knows; () where it knows none."""
    known = _known_zones()
    for length in range(TIMEZONE_LONGEST_PREFIX, 0, -1):
        zones = known.get(digits[:length])
        if zones is not None:
            return zones
    return ()


@cache
def _known_zones() -> dict[str, tuple[str, ...]]:
    """Beginning of a number -> its zones, sorted. A beginning with a zone that this machine does not know has none."""
    names = available_timezones()
    # All candidate zones must be open for a call: to leave out only the unknown one would allow more, not less.
    return {digits: tuple(sorted(zones)) if names.issuperset(zones) else () for digits, zones in TIMEZONE_DATA.items()}
