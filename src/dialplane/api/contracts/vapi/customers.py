"""Vapi's customers -> contacts, or what is wrong with each of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from fastapi.exceptions import RequestValidationError

from dialplane.api.contracts.vapi.callers import Line
from dialplane.api.contracts.vapi.requests import Target
from dialplane.api.contracts.vapi.shapes import MOST_CUSTOMERS, Customer
from dialplane.core.attempt import ContactState
from dialplane.engine.additions import LateContact, Rejected, check
from dialplane.engine.standings import Standings
from dialplane.engine.views import CampaignRecord
from dialplane.errors import Invalid
from dialplane.wiring import App

MOST_NAMED = 10
EXTERNAL_ID = "externalId"
Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Called:
    """Whom to call; no number is there twice."""

    contacts: Sequence[LateContact]
    warnings: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Entry:
    """place: in the request, for what is wrong. number: of ours, that calls it; None: any of the campaign's."""

    place: Place
    customer: Customer
    number: UUID | None


def contacts_of(body: Target, line: Line, required: frozenset[str], common: Mapping[str, str]) -> Called:
    """common: variables of all. Raises RequestValidationError with a sentence for each who cannot be called."""
    contacts: list[tuple[Place, LateContact]] = []
    faults: list[dict[str, Any]] = []
    extended = 0
    for entry in _entries(body):
        customer = entry.customer
        assert customer.number is not None, "a customer without a number is refused before"
        contact = LateContact(
            phone_number=customer.number,
            external_id=customer.external_id,
            variables=customer.variables(common),
            number_id=line.by_uuid[entry.number].id if entry.number is not None else None,
        )
        region = None if customer.number_e164_check_enabled else line.region(entry.number)
        checked = check(contact, region, required)
        if isinstance(checked, Rejected):
            faults.append(_fault(entry.place, checked))
            continue
        extended += customer.extension is not None
        contacts.append((entry.place, replace(contact, phone_number=checked.to_number)))
    if faults:
        raise RequestValidationError(faults)
    warnings = [f"an extension is a variable, and is not dialled; customers with one: {extended}"] if extended else []
    return _once(contacts, warnings)


async def duplicated(
    app: App, source: CampaignRecord, line: Line, required: frozenset[str], common: Mapping[str, str]
) -> Called:
    """The contacts of a campaign, removed ones left out. common: variables of all, in the place of theirs.

    Raises Invalid for none, for more than a campaign of this contract has, and for one without a variable.
    """
    progress = (await app.campaigns.progress([source.id]))[source.id]
    if progress.total > MOST_CUSTOMERS:
        raise Invalid(
            f"'{source.name}' has {progress.total:,} contacts, and a campaign must not have more than "
            f"{MOST_CUSTOMERS:,} customers"
        )
    standings = Standings(app.database, app.organization_id)
    page = await standings.page(source, progress, limit=MOST_CUSTOMERS)
    contacts = [
        LateContact(
            phone_number=found.to_number,
            external_id=found.external_id,
            variables={**found.variables, **common},
            number_id=found.number_id if line.own else None,
        )
        for found in page.contacts
        if found.state is not ContactState.REMOVED
    ]
    if not contacts:
        raise Invalid(f"'{source.name}' has no contacts; give customers")
    for contact in contacts:
        if isinstance(rejected := check(contact, None, required), Rejected):
            raise Invalid(f"contacts of '{source.name}': {rejected}")
    return Called(contacts, ())


def _entries(body: Any) -> Iterator[_Entry]:
    for n, customer in enumerate(getattr(body, "customers", None) or ()):
        yield _Entry(("body", "customers", n), customer, None)
    for n, plan in enumerate(body.dial_plan or ()):
        for m, customer in enumerate(plan.customers):
            yield _Entry(("body", "dialPlan", n, "customers", m), customer, plan.phone_number_id)


def _once(contacts: Sequence[tuple[Place, LateContact]], warnings: list[str]) -> Called:
    """The first of those with one number. An id that several share is a variable of theirs, and no id of a contact."""
    first: dict[str, LateContact] = {}
    again: list[str] = []
    for place, contact in contacts:
        if contact.phone_number in first:
            again.append(".".join(map(str, place[1:])))
        first.setdefault(contact.phone_number, contact)
    if again:
        more = f" and {len(again) - MOST_NAMED} more" if len(again) > MOST_NAMED else ""
        named = ", ".join(again[:MOST_NAMED])
        warnings.append(f"{named}{more}: the number is there before; it is called once, as the first customer")
    shared = Counter(contact.external_id for contact in first.values() if contact.external_id)
    return Called(
        [_without_id(each) if shared[each.external_id or ""] > 1 else each for each in first.values()], warnings
    )


def _without_id(contact: LateContact) -> LateContact:
    variables = {EXTERNAL_ID: contact.external_id or "", **contact.variables}
    return replace(contact, external_id=None, variables=variables)


def _fault(place: Place, rejected: Rejected) -> dict[str, Any]:
    field = "number" if rejected.field == "phone_number" else rejected.field
    text = f"{rejected.reason}; {rejected.fix}"
    return {
        "loc": (*place, field),
        "msg": f"'{rejected.value}': {text}",
        "type": "value_error",
        "input": rejected.value,
    }
