"""contacts given by hand -> contacts to be added, or what to mend"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from dialplane.core.intake import NumberFault, template_value, template_values
from dialplane.core.window import known_zone
from dialplane.engine.numbering import read_number

MOST_EXTERNAL_ID_CHARACTERS = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class LateContact:
    """A contact added by hand. phone_number: any spelling, with + unless a default region is given.

    number_id: of the number that it is called from; None: any of the campaign's. due_at: not before; None: at once.
    """

    phone_number: str
    external_id: str | None = None
    timezone: str | None = None
    priority: int = 0
    variables: Mapping[str, str] = field(default_factory=dict)
    number_id: int | None = None
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Added:
    contact_id: int
    to_number: str


@dataclass(frozen=True, slots=True)
class Exists:
    """The campaign has this number already, or the request had it before; the contact is left as it is."""

    contact_id: int
    to_number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """Not added. field: what is wrong with the contact; fix: what its sender can do."""

    field: str
    value: str
    reason: str
    fix: str

    def __str__(self) -> str:
        return f"{self.field} '{self.value}': {self.reason}; {self.fix}"


Addition = Added | Exists | Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A contact that can be added as far as it alone shows. zones: candidates, sorted; () is unknown."""

    to_number: str
    external_id: str | None
    priority: int
    zones: tuple[str, ...]
    variables: Mapping[str, str]
    number_id: int | None = None
    due_at: datetime | None = None


def check(contact: LateContact, default_region: str | None, required: frozenset[str]) -> Checked | Rejected:
    """required: variables that the agent's text uses; each must have a value."""
    number = read_number(contact.phone_number, default_region)
    if isinstance(number, NumberFault):
        return _rejected("phone_number", contact.phone_number, number.reason, number.fix)
    external_id = (contact.external_id or "").strip() or None
    if external_id is not None and len(external_id) > MOST_EXTERNAL_ID_CHARACTERS:
        reason = f"an external_id has at most {MOST_EXTERNAL_ID_CHARACTERS} characters"
        return _rejected("external_id", external_id[:40] + "…", reason, "give a shorter one")
    if contact.timezone and not known_zone(contact.timezone):
        return _rejected("timezone", contact.timezone, "this is no time zone", "write one such as Europe/Berlin")
    if not 0 <= contact.priority <= 9:
        reason = f"priority {contact.priority} is not between 0 (none) and 9 (highest)"
        return _rejected("priority", str(contact.priority), reason, "write a whole number from 0 to 9")
    checked = Checked(
        to_number=number.e164,
        external_id=external_id,
        priority=contact.priority,
        zones=(contact.timezone,) if contact.timezone else number.zones,
        variables=contact.variables,
        number_id=contact.number_id,
        due_at=contact.due_at,
    )
    if (missing := missing_variable(checked, required)) is not None:
        reason = f"the agent's text uses {{{{{missing}}}}} and {number.e164} has no value for it"
        return _rejected("variables", missing, reason, "give it a value")
    return checked


def missing_variable(contact: Checked, required: frozenset[str]) -> str | None:
    """The first of the required variables that the contact has no value for; None: it has them all."""
    values = template_values(
        contact.variables,
        to_number=contact.to_number,
        external_id=contact.external_id,
        zones=contact.zones,
        priority=contact.priority,
    )
    return next((name for name in sorted(required) if not (template_value(name, values) or "").strip()), None)


def tell_apart(contacts: Sequence[Checked | Rejected], owners: Mapping[str, Sequence[str]]) -> list[Checked | Rejected]:
    """The same contacts, without those whose external id belongs to another number.

    owners: external id -> the numbers that the campaign has it with: several, where a file had it in several rows.
    """
    taken = {external_id: list(numbers) for external_id, numbers in owners.items()}
    told: list[Checked | Rejected] = []
    for contact in contacts:
        if isinstance(contact, Checked) and contact.external_id is not None:
            numbers = taken.setdefault(contact.external_id, [contact.to_number])
            if contact.to_number not in numbers:
                reason = f"this is {numbers[0]}, and not {contact.to_number}"
                fix = "give another external_id, or the number that it has"
                told.append(_rejected("external_id", contact.external_id, reason, fix))
                continue
        told.append(contact)
    return told


def with_numbers(contacts: Sequence[Checked | Rejected], number_ids: Collection[int]) -> list[Checked | Rejected]:
    """The same contacts, without those whose own number is none of these: the active ones of the campaign's carrier."""
    reason = "this number is not among the active ones of the campaign's carrier"
    return [
        _rejected("number_id", str(contact.number_id), reason, "give one that is, or leave it out")
        if isinstance(contact, Checked) and contact.number_id is not None and contact.number_id not in number_ids
        else contact
        for contact in contacts
    ]


def _rejected(field: str, value: str, reason: str, fix: str) -> Rejected:
    return Rejected(field=field, value=value, reason=reason, fix=fix)
