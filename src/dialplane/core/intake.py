"""row of a contacts file -> new contact, or a reject that says what to mend"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol, Self

from dialplane.errors import Invalid

PHONE_NAMES: Final = ("phone_number", "phone", "number")  # the first of these that the header has is the phone column

_TIMEZONE, _PRIORITY, _EXTERNAL_ID = "timezone", "priority", "external_id"
# A zone column that went unnoticed would let people be called at night, hence its second spelling.
_SPECIAL = {name: name for name in (*PHONE_NAMES, _TIMEZONE, _PRIORITY, _EXTERNAL_ID)} | {"time_zone": _TIMEZONE}

# White space, and what editors and copied address books leave behind unseen: byte-order marks, zero-width characters
# and marks of direction. str.strip() alone keeps these.
_BLANK = (
    "".join(
        chr(code)
        for first, last in ((9, 13), (28, 32), (0x2000, 0x200F), (0x2028, 0x202F), (0x205F, 0x2069))
        for code in range(first, last + 1)
    )
    + "\x85\xa0\xad\u1680\u3000\ufeff"
)

_MAX_NAMED_COLUMNS = 20  # in a message
_MAX_SHOWN_CHARACTERS = 200  # of a rejected value
_LIKE_A_NUMBER = re.compile(r"\+?[\d\s().-]{7,}")
_ZONE_FIX = "write an IANA name such as 'Europe/Berlin', or leave the cell empty"
_PRIORITY_FIX = "write 0 (none) to 9 (highest), or leave the cell empty"
_EXPONENT = re.compile(r"[+-]?\d+(?:[.,]\d+)?[eE]\+?\d+")
_FLOAT = re.compile(r"(\+?\d{7,})[.,](\d{1,2})")
_PRIORITY_DIGIT = re.compile(r"([0-9])(?:[.,]0+)?")  # 5.0 is a spreadsheet's idea of 5


class NoPhoneColumn(Invalid):
    """A header that names no column for the number."""


class Row(NamedTuple):  # no dataclass: a million of them are made, one at a time
    """One row as read. number: as a spreadsheet shows it; the header is row 1, an empty row counts."""

    number: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewContact:
    """A person to be called, not yet compared with the others for duplicates.

    to_number: E.164. priority: 0 none to 9 highest. zones: candidates, sorted; () is unknown.
    variables: the other columns by the header's spelling; see `template_values` for all that a template can name.
    """

    row_number: int
    to_number: str
    external_id: str | None
    priority: int
    zones: tuple[str, ...]
    variables: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """A row that is no contact. field: the column by the header's spelling, "" where it is the row as a whole."""

    row_number: int
    field: str
    value: str
    reason: str
    fix: str


class PhoneNumber(NamedTuple):
    """A number that can be dialled. zones: the zones it may be in, sorted; () is unknown."""

    e164: str
    zones: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NumberFault:
    """Why a text is no number that can be dialled, and what the file's owner can do."""

    reason: str
    fix: str


class NumberReader(Protocol):
    def __call__(self, text: str, default_region: str | None) -> PhoneNumber | NumberFault:
        """default_region: two capital letters such as 'DE', for numbers without a country code."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What each column of a file means. The positions count from 0; None is a column that the file does not have."""

    names: tuple[str, ...]
    phone: int
    timezone: int | None
    priority: int | None
    external_id: int | None
    variables: tuple[tuple[int, str], ...]
    unnamed: frozenset[int]  # named column_5 and so on, and variables only in rows that fill them
    _positions: dict[str, int] = field(repr=False, compare=False)

    @classmethod
    def of(cls, header: Sequence[str], given: Sequence[str] | None = None) -> Self:
        """The columns of this header. Case does not count; in the columns with a meaning, 'Phone Number' and
        'phone-number' are phone_number.

        given: names instead of the header's, one for each column; "" leaves a column out.
        Raises: Invalid for an empty header or two columns of one name, NoPhoneColumn.
        """
        if given is not None and len(given) != len(header):
            raise Invalid(f"{len(given)} names were given for the {len(header)} columns of the file")
        trimmed = [name.strip(_BLANK) for name in (header if given is None else given)]
        _check_header(trimmed)
        positions = _positions_of(trimmed)
        phone = next((positions[name] for name in PHONE_NAMES if name in positions), None)
        if phone is None:
            raise NoPhoneColumn(_no_phone_column(trimmed))
        names = _named(trimmed)
        nameless = frozenset(position for position, name in enumerate(trimmed) if not name)
        left_out = frozenset[int]() if given is None else nameless
        special = {phone, *(positions[name] for name in (_TIMEZONE, _PRIORITY, _EXTERNAL_ID) if name in positions)}
        return cls(
            names=names,
            phone=phone,
            timezone=positions.get(_TIMEZONE),
            priority=positions.get(_PRIORITY),
            external_id=positions.get(_EXTERNAL_ID),
            variables=tuple(
                (position, name) for position, name in enumerate(names) if position not in special | left_out
            ),
            unnamed=nameless - left_out,
            _positions={_key(name): position for position, name in enumerate(names) if position not in left_out},
        )

    def position(self, name: str) -> int | None:
        """Where a template's {{name}} is found: exact spelling or another case; a phone name that is no column of its
        own is the phone column."""
        key = _key(name)  # names are distinct without case, so an exact match is never beaten by another
        return self._positions.get(key, self.phone if key in PHONE_NAMES else None)

    def variable(self, name: str) -> str | None:
        """The header's spelling of a template's {{name}}: {{customername}} -> 'CustomerName'; None: no such column."""
        position = self.position(name)
        return None if position is None else self.names[position]


def decide(
    row: Row,
    columns: Columns,
    *,
    read_number: NumberReader,
    default_region: str | None,
    known_zone: Callable[[str], bool],
    required: frozenset[str] = frozenset(),
) -> NewContact | Reject | None:
    """A contact, or the first fault of the row, or None for a row whose cells are all empty.

    required: the variables that the agent's text uses; an empty cell there rejects the row.
    """
    if "\0" in "".join(row.cells):
        return _nul(row, columns)
    cells = [cell.strip(_BLANK) for cell in row.cells]
    if not any(cells):
        return None
    missing = len(columns.names) - len(cells)
    if missing < 0 and any(cells[missing:]):
        return _surplus(row, cells, columns)
    cells.extend([""] * missing)

    number = _number(cells[columns.phone], read_number, default_region)
    if isinstance(number, NumberFault):
        return _reject(row, columns, columns.phone, cells[columns.phone], number.reason, number.fix)
    zone = _cell(cells, columns.timezone)
    if zone and not known_zone(zone):
        return _reject(row, columns, columns.timezone, zone, f"{_shown(zone)} is no time zone", _ZONE_FIX)
    priority = _priority(_cell(cells, columns.priority))
    if priority is None:
        shown = _cell(cells, columns.priority)
        return _reject(row, columns, columns.priority, shown, "a priority is a whole number from 0 to 9", _PRIORITY_FIX)
    if required and (empty := _empty(cells, columns, required)):
        position, name = empty
        reason = f"the agent's text uses {{{{{name}}}}} and this cell is empty"
        return _reject(row, columns, position, "", reason, "fill the cell, or remove the row")

    return NewContact(
        row_number=row.number,
        to_number=number.e164,
        external_id=_cell(cells, columns.external_id) or None,
        priority=priority,
        zones=(zone,) if zone else number.zones,
        variables=_variables(cells, columns),
    )


def duplicate(row_number: int, field: str, to_number: str, first: int | None) -> Reject:
    """A row whose number came before: in row `first` of the same file, or None: in the campaign."""
    before = "the campaign has this number already" if first is None else f"the same number as row {first}"
    return Reject(
        row_number=row_number,
        field=field,
        value=to_number,
        reason=before,
        fix="nothing, if it is the same person: the first row is called; else mend the number",
    )


def missing_columns(columns: Columns, required: Iterable[str]) -> list[str]:
    """The template variables that no column fills, sorted. Phone names are always filled."""
    return sorted(name for name in required if columns.position(name) is None)


def template_values(
    variables: Mapping[str, str], *, to_number: str, external_id: str | None, zones: Sequence[str], priority: int
) -> dict[str, str]:
    """All that a contact's templates can name: its variables, and what was read into fields of their own.

    Those fields are kept once and not among the variables, so that a report does not have them twice. {{phone_number}}
    is the number as it is called, in E.164; {{timezone}} is empty where the number may be in several.
    """
    return {
        "phone_number": to_number,
        _EXTERNAL_ID: external_id or "",
        _TIMEZONE: zones[0] if len(zones) == 1 else "",
        _PRIORITY: str(priority),
        **variables,
    }


def template_value(name: str, values: Mapping[str, str]) -> str | None:
    """What {{name}} stands for in `template_values`, found as `Columns.position` finds it; None: nothing."""
    if name in values:
        return values[name]
    key = _key(name)
    for known, value in values.items():
        if _key(known) == key:
            return value
    return values.get("phone_number") if key in PHONE_NAMES else None


def _key(name: str) -> str:
    """How names are compared: without case; those with a meaning also with spaces and hyphens as underscores."""
    folded = name.casefold()
    return _SPECIAL.get(folded.replace(" ", "_").replace("\xa0", "_").replace("-", "_"), folded)


def _check_header(names: Sequence[str]) -> None:
    if not any(names):
        raise Invalid("the header is empty: the first row must name the columns, one of them phone_number")
    for position, name in enumerate(names, start=1):
        if "\0" in name:
            raise Invalid(f"the header's column {position} contains a NUL character, which cannot be stored")


def _positions_of(names: Sequence[str]) -> dict[str, int]:
    positions: dict[str, int] = {}
    for position, name in enumerate(names):
        first = positions.setdefault(_key(name), position) if name else position
        if first != position:
            raise Invalid(
                f"two columns have one name: column {first + 1} is '{names[first]}' and column {position + 1} is "
                f"'{name}'; rename one of them"
            )
    return positions


def _no_phone_column(names: Sequence[str]) -> str:
    found = ", ".join(names[:_MAX_NAMED_COLUMNS]) + (", …" if len(names) > _MAX_NAMED_COLUMNS else "")
    text = f"there is no phone column among {found}; name it phone_number (phone and number are read too)"
    if any(_LIKE_A_NUMBER.fullmatch(name) for name in names):
        text += ". The first row looks like a contact: the file needs a header above it"
    return text


def _named(names: Sequence[str]) -> tuple[str, ...]:
    """The names, with 'column_5' for an unnamed fifth."""
    taken = {name.casefold() for name in names}
    named = []
    for position, name in enumerate(names, start=1):
        given = name or f"column_{position}"
        while not name and given in taken:
            given += "_"
        named.append(given)
    return tuple(named)


def _number(text: str, read_number: NumberReader, default_region: str | None) -> PhoneNumber | NumberFault:
    """What the cell says, or why it cannot be dialled; sees to what spreadsheets do to numbers."""
    if not text:
        return NumberFault("the phone number is empty", "add the number, or remove the row")
    if _EXPONENT.fullmatch(text):
        return NumberFault(
            "a spreadsheet has rounded this number, its last digits are lost",
            "format the column as text before saving, and enter the number again",
        )
    if as_float := _FLOAT.fullmatch(text):
        if as_float[2].strip("0"):  # read as separators, the decimals would become digits of another number
            return NumberFault(
                "this is a decimal number, not a phone number", "format the column as text before saving"
            )
        text = as_float[1]
    return read_number(text, default_region)


def _priority(text: str) -> int | None:
    if not text:
        return 0
    digit = _PRIORITY_DIGIT.fullmatch(text)
    return int(digit[1]) if digit else None


def _variables(cells: Sequence[str], columns: Columns) -> dict[str, str]:
    if not columns.unnamed:
        return {name: cells[position] for position, name in columns.variables}
    return {name: cells[at] for at, name in columns.variables if cells[at] or at not in columns.unnamed}


def _cell(cells: Sequence[str], position: int | None) -> str:
    return "" if position is None else cells[position]


def _empty(cells: Sequence[str], columns: Columns, required: Iterable[str]) -> tuple[int | None, str] | None:
    """Position and name of the leftmost required cell that is empty, whatever the order of `required`."""
    places = [(columns.position(name), name) for name in required]
    empty = [(at, name) for at, name in places if at is None or not cells[at]]
    return min(empty, key=lambda place: (-1 if place[0] is None else place[0], place[1]), default=None)


def _nul(row: Row, columns: Columns) -> Reject:
    position = next(position for position, cell in enumerate(row.cells) if "\0" in cell)
    known = position if position < len(columns.names) else None
    reason = "the cell contains a NUL character, which cannot be stored"
    return _reject(row, columns, known, row.cells[position].strip(_BLANK), reason, "remove the character")


def _surplus(row: Row, cells: Sequence[str], columns: Columns) -> Reject:
    width = len(columns.names)
    filled = max(position for position, cell in enumerate(cells, start=1) if cell)
    reason = f"the row has {filled} cells and the header {width} columns"
    value = next(cell for cell in cells[width:] if cell)
    return _reject(row, columns, None, value, reason, "put a cell that contains the delimiter in double quotes")


def _reject(row: Row, columns: Columns, position: int | None, value: str, reason: str, fix: str) -> Reject:
    name = "" if position is None else columns.names[position]
    return Reject(row_number=row.number, field=name, value=_shown(value), reason=reason, fix=fix)


def _shown(value: str) -> str:
    """The value as it can be stored and printed: not too long, and a NUL as its visible sign."""
    cut = value if len(value) <= _MAX_SHOWN_CHARACTERS else value[:_MAX_SHOWN_CHARACTERS] + "…"
    return cut.replace("\0", "\u2400")
